//! Tables calculated from rows: the part of a spec between triage and figures.
//!
//! A table starts as the feed's rows, as an earlier table, or as reference data
//! (the rows of another feed). Its steps change it one after the other: each
//! says one thing, and what it adds are columns with names. Figures are then
//! taken `from` a table instead of from the rows.
//!
//! ```toml
//! [[tables]]
//! name = "contracts"
//! from = "rows"
//! steps = [
//!     { group = { by = ["invoice"], measures = [
//!         { name = "agent", kind = "first", column = "country" },
//!         { name = "amount", kind = "sum", column = "line_total", round = { places = 2 } },
//!     ] } },
//!     { exchange = { name = "volume", amount = "amount", from = { text = "GBP" }, to = "currency", on = "day",
//!         rates = { table = "rates" }, stale_after_days = 7, round = { places = 2 } } },
//! ]
//! ```
//!
//! Tables only know earlier ones, so there are no circles. Money and ratios are
//! exact; nothing is rounded but where a step says so.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::condition::Condition;
use crate::expression::Expression;
use crate::literal::Number;
use crate::spec::{Derived, Measure, OrderBy, PeriodUnit, Rounding, RowScope};
use crate::value::Kind;

mod plan;
#[cfg(test)]
mod tests;

pub use plan::{
    Axis, Balance, Exchanging, Grouping, Join, Keys, LookingUp, Outlying, Plan, PlanProblem, PlannedStep,
    PlannedTable, Reversal, Sorting, Source, Totalling, Unpivoting, Warning, Windowing,
};

/// What the feed's own rows are called as a source of tables.
pub const ROWS: &str = "rows";

/// The column of delivered entries with the period they were delivered for.
pub const ENTRY_PERIOD: &str = "period";

/// The column of delivered entries with what identifies their delivery.
pub const ENTRY_DELIVERY: &str = "delivery";

/// Reference data: the rows of another feed, given to the step by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// The columns that are used; the feed may have others.
    pub columns: Vec<ReferenceColumn>,
    /// Which of them says the period a row is for. A period is not calculated
    /// before there are rows for it: rows whose value is the period, or its year
    /// where the column is an integer.
    pub period: Option<String>,
    /// Whether these are no rows of another feed but what this one delivered for
    /// other periods: the rows of the figures' table, kept with the run. Its
    /// columns are those of that table, and two more: `period`, and `delivery`,
    /// the id of the delivery (of several channels all, with blanks between).
    #[serde(default)]
    pub delivered: bool,
}

impl Reference {
    /// Of delivered entries, the columns that are kept of the figures' table.
    pub fn kept_columns(&self) -> impl Iterator<Item = &ReferenceColumn> {
        self.columns.iter().filter(|column| ![ENTRY_PERIOD, ENTRY_DELIVERY].contains(&&*column.name))
    }
}

/// A column of reference data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceColumn {
    /// Its name in the other feed.
    pub name: String,
    /// What kind of value it holds there.
    #[serde(rename = "type")]
    pub kind: Kind,
}

/// A calculated table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// What it starts as: `rows`, reference data or an earlier table.
    pub from: String,
    /// For `from = "rows"`: which rows.
    #[serde(default)]
    pub rows: RowScope,
    /// What happens to it, in this order.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One step of a table: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Only rows for which this holds go on.
    pub r#where: Option<Condition>,
    /// A column calculated from others of the same row; one of the same name is replaced.
    pub derive: Option<Derived>,
    /// Only these columns go on, in this order.
    pub select: Option<Vec<String>>,
    /// Several columns become several rows.
    pub unpivot: Option<Unpivot>,
    /// The rows of each group become one row.
    pub group: Option<Group>,
    /// Rows in this order; rows that are equal keep theirs.
    pub sort: Option<Vec<OrderBy>>,
    /// Measures over other periods of the same partition.
    pub window: Option<Window>,
    /// Columns of the matching row of another table.
    pub join: Option<JoinSpec>,
    /// An amount in another currency.
    pub exchange: Option<Exchange>,
    /// A value from a matrix of two axes.
    pub look_up: Option<LookUp>,
    /// Rows that lie far from the others are marked.
    pub outliers: Option<Outliers>,
    /// Cancelled entries are taken back once, by a row of their own.
    pub clawback: Option<Clawback>,
    /// The rows of another table come after these; its columns are found by name.
    pub append: Option<String>,
    /// A new text column with the period the figures are asked for; null when
    /// they are of all rows.
    pub period: Option<String>,
}

/// Several columns become several rows: one for each that has a value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpivot {
    /// The columns, all of one kind.
    pub columns: Vec<String>,
    /// The new column with the old column's name.
    pub name: String,
    /// The new column with its value.
    pub value: String,
}

/// The rows of each group become one row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The columns that make a group; without any there is one group of all rows.
    #[serde(default)]
    pub by: Vec<String>,
    /// What is calculated for each group.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// How measures are rounded that do not say it themselves.
    pub rounding: Option<Rounding>,
}

/// Measures over the rows of other periods.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The columns whose values a row shares with the rows it looks at.
    #[serde(default)]
    pub by: Vec<String>,
    /// The column with the period: an integer, a date, or text such as `2024`,
    /// `2024-01` or `2024-01-31`.
    pub period: String,
    /// The unit of a date's or text's period.
    pub unit: Option<PeriodUnit>,
    /// Which periods are looked at.
    pub over: WindowOver,
    /// For `last`: how many periods.
    pub periods: Option<u32>,
    /// For `last`: whether a period without rows counts.
    #[serde(default)]
    pub gaps: Gaps,
    /// Whether the row's own period is one of them.
    #[serde(default)]
    pub current: bool,
    /// What is calculated; without rows to look at as over no rows.
    pub measures: Vec<Measure>,
}

/// Which periods a window looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowOver {
    /// The last `periods` periods.
    Last,
    /// The period before: `last` with one period, of those that have rows unless
    /// `gaps = "count"`.
    Previous,
    /// All periods of the same calendar year until the row's own.
    YearToDate,
    /// All periods until the row's own.
    AllBefore,
}

/// Whether a period without rows counts among the last n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gaps {
    /// It does not: the last n periods that have rows.
    #[default]
    Skip,
    /// It does: the last n periods of the calendar.
    Count,
}

/// Columns of the matching row of another table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Join")]
pub struct JoinSpec {
    /// The other table, or reference data.
    pub table: String,
    /// Columns of the other table, each with the column of this row it equals.
    #[serde(default)]
    pub on: BTreeMap<String, String>,
    /// Of several rows the one with the largest value here; rows after the bound
    /// do not match. Of equal ones the last. Without it the first row matches.
    pub latest: Option<Latest>,
    /// The other table's row has at least this much.
    pub at_least: Option<AtLeast>,
    /// New columns of this row, each with the column of the other table.
    pub take: BTreeMap<String, String>,
    /// What happens to a row without a match.
    #[serde(default)]
    pub missing: Missing,
    /// Whether a row of the other table may match several times.
    #[serde(default)]
    pub uses: Uses,
}

/// Of several rows the latest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    /// The other table's column.
    pub column: String,
    /// The other row lies before this row's column.
    pub before: Option<String>,
    /// The other row lies at or before this row's column.
    pub until: Option<String>,
}

/// The other table's row has at least this much.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtLeast {
    /// The other table's column.
    pub column: String,
    /// What it is compared with, in this row.
    pub value: Expression,
}

/// What happens to a row without a match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Its new columns are null.
    #[default]
    Null,
    /// It goes no further.
    Drop,
    /// The run ends with an error that names it.
    Error,
}

/// Whether a row may match several times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Uses {
    /// It may.
    #[default]
    Many,
    /// The first row it matches takes it.
    Once,
}

/// An amount in another currency, by the rate last published on or before a day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The new column.
    pub name: String,
    /// The amount.
    pub amount: Expression,
    /// Its currency.
    pub from: Expression,
    /// The currency that is wanted.
    pub to: Expression,
    /// The day whose rate is taken: the last one published until then.
    pub on: Expression,
    /// Where the rates are.
    pub rates: Rates,
    /// A rate published more days before is stale: the run ends with `Fx.Stale`.
    pub stale_after_days: Option<u32>,
    /// What happens when there is no rate, or only a stale one. `error` ends the
    /// run with `Fx.Stale` or `Fx.Missing`.
    #[serde(default = "missing_is_an_error")]
    pub missing: Missing,
    /// How the result is rounded: once, from the exact cross rate.
    pub round: Rounding,
}

fn missing_is_an_error() -> Missing {
    Missing::Error
}

/// A table of exchange rates, each against one base currency.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// The table.
    pub table: String,
    /// Its column with the day of publication.
    #[serde(default = "rates_day")]
    pub day: String,
    /// Its column with the currency.
    #[serde(default = "rates_currency")]
    pub currency: String,
    /// Its column with the units of the currency for one of the base currency.
    #[serde(default = "rates_rate")]
    pub rate: String,
    /// The base currency; of the ECB's reference rates it is EUR.
    #[serde(default = "rates_base")]
    pub base: String,
}

fn rates_day() -> String {
    "day".to_owned()
}

fn rates_currency() -> String {
    "currency".to_owned()
}

fn rates_rate() -> String {
    "rate".to_owned()
}

fn rates_base() -> String {
    "EUR".to_owned()
}

/// A value from a matrix of two axes, with a status for each row.
///
/// The first of these that applies: a missing or a zero denominator (its axis'
/// `missing` and `zero`), an argument below the first value of `y`, then of `x`
/// (`below`), `OK`. All but `OK` give `otherwise`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    /// The new column with the value.
    pub name: String,
    /// The new column with the status.
    pub status: Option<String>,
    /// The table with one row for each cell.
    pub table: String,
    /// Columns of the table that choose the matrix, each with the column of this
    /// row it equals. A row for which there is no matrix ends the run.
    #[serde(default)]
    pub on: BTreeMap<String, String>,
    /// The table's column with the cell's value.
    pub value: String,
    /// How the cell is found on both axes.
    #[serde(default)]
    pub method: LookUpMethod,
    /// One axis.
    pub y: AxisSpec,
    /// The other.
    pub x: AxisSpec,
    /// The value where there is none; 0 when absent.
    pub otherwise: Option<Number>,
}

/// How a cell is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LookUpMethod {
    /// The largest axis value that is not greater.
    #[default]
    Floor,
    /// The axis value that is nearest; of two the smaller one. Nothing is below.
    Nearest,
}

/// One axis of a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Axis")]
pub struct AxisSpec {
    /// The table's column with the values of the axis.
    pub from: String,
    /// The argument, or what is divided for it.
    pub value: Expression,
    /// What it is divided by; compared as an exact ratio, never rounded.
    pub by: Option<Expression>,
    /// The status of an argument below the first value.
    pub below: String,
    /// The status of an argument without a value.
    pub missing: String,
    /// The status of a division by zero; `missing` when absent.
    pub zero: Option<String>,
}

/// Rows that lie far from the others of their group are marked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    /// The new boolean column; null where the value is.
    pub name: String,
    /// The numbers.
    pub column: String,
    /// The groups that are looked at each for itself.
    #[serde(default)]
    pub by: Vec<String>,
    /// How many times the range between the quartiles (linear interpolation) a
    /// value may lie below the first or above the third one.
    pub iqr: Option<Number>,
    /// Which side `iqr` looks at.
    #[serde(default)]
    pub side: Side,
    /// A value below is an outlier.
    pub lower: Option<Number>,
    /// A value above is an outlier.
    pub upper: Option<Number>,
    /// The new column with the bound above, where one is wanted.
    pub upper_name: Option<String>,
    /// The new column with the bound below, where one is wanted.
    pub lower_name: Option<String>,
}

/// Which side outliers are looked for on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Both.
    #[default]
    Both,
    /// Above.
    Above,
    /// Below.
    Below,
}

/// Cancelled entries are taken back: each once, by a row of its own that comes
/// after it with the amount's other sign and the day of the cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clawback {
    /// The columns that identify an entry: only its first row is taken back.
    pub id: Vec<String>,
    /// The column with the entry's day; in the new row the day of the cancellation.
    pub day: String,
    /// The column with the day it was cancelled, if it was.
    pub cancelled: String,
    /// Until how many months after its day a cancellation takes it back, that
    /// day included.
    pub within_months: u32,
    /// The columns whose sign is turned; all other numbers of the new row stay.
    pub amounts: Vec<String>,
    /// The new boolean column that says which rows were added.
    pub name: String,
}

/// Parts that must add up to a whole: checked before figures are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconciliation {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// The whole.
    pub total: Total,
    /// The parts.
    pub parts: Vec<Total>,
    /// The largest difference that is tolerated; 0 when absent.
    pub tolerance: Option<Number>,
}

/// A sum over a table, or the number of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Total {
    /// `rows`, reference data or a table.
    pub table: String,
    /// For `rows`: which.
    #[serde(default)]
    pub rows: RowScope,
    /// The column that is added up; the number of rows when absent.
    pub sum: Option<String>,
    /// Only rows for which this holds.
    pub r#where: Option<Condition>,
}

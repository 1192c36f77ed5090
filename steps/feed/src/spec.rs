//! The feed spec: everything about a feed that is not code.
//!
//! TOML or JSON, described by a published JSON schema, checked completely when
//! it is loaded. A mistake names file, line, column, field, what is allowed and
//! what was probably meant. Unknown fields are mistakes.
//!
//! Nothing here knows a feed: whatever one needs must be sayable for all.

use std::io::Read;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::calculation::{ROWS, Reconciliation, Reference, Table};
use crate::condition::Condition;
use crate::expression::Expression;
use crate::literal::Number;
use crate::number::RoundingMode;
use crate::unit::Conversion;
use crate::value::{Layout, Value};

pub(crate) mod check;
mod decode;
mod document;
mod error;
mod source;
mod store;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;

pub use check::Finding;
pub use error::{SpecError, SpecProblem};
pub use source::{
    Axis, Canonical, Column, Cross, Delimiter, Encoding, Format, Origin, Ragged, Source, Steady, Warning,
    Width,
};
pub use store::{MONTHS_BACK_MAX, Replace, Store};
pub use suggest::{among, closest};

/// Largest spec file that is read, in bytes.
pub const SPEC_BYTES_MAX: u64 = 1024 * 1024;

/// The spec of a feed: where its rows come from, which count, what is
/// calculated from them and where the figures go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedSpec {
    /// The feed's name: lower-case letters, digits and `-`.
    pub feed: String,
    /// What the feed is, for people.
    pub description: Option<String>,
    /// The source files.
    pub source: Source,
    /// The columns that are read; others are ignored.
    pub columns: Vec<Column>,
    /// Columns calculated from others of the same row, in this order.
    #[serde(default)]
    pub derive: Vec<Derived>,
    /// How many rejected rows are tolerated.
    pub rejects: Rejects,
    /// What becomes of a row: the first rule whose condition holds decides; a
    /// row without one is accepted.
    #[serde(default)]
    pub triage: Vec<TriageRule>,
    /// How rows are kept in the planning database; for a feed that is calculated
    /// by period from what was taken in before.
    pub store: Option<Store>,
    /// Reference data: rows of other feeds that tables use.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// Tables calculated from the rows and from each other, in this order.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// Totals that must agree before figures are written.
    #[serde(default)]
    pub reconciliations: Vec<Reconciliation>,
    /// What deserves a look, though no row is kept aside for it.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// What is calculated for each group; nothing for a feed of reference data,
    /// which is only read.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// The table of figures.
    #[serde(default)]
    pub figures: FiguresTable,
    /// Where the figures go.
    #[serde(default)]
    pub delivery: Delivery,
}

/// A column calculated from others of the same row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// Its value. A row whose value cannot be calculated is rejected.
    pub value: Expression,
}

/// How many rejected rows are tolerated. There is no default: what may be lost
/// is a decision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rejects {
    /// The policy.
    pub policy: RejectPolicy,
    /// For `threshold`: the share of rejected rows, in per cent, that is still tolerated.
    pub percent: Option<Number>,
}

/// What happens when rows are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RejectPolicy {
    /// The first rejected row ends the run.
    FailFast,
    /// The run ends when more than `percent` of the rows are rejected.
    Threshold,
    /// Rejected rows are kept aside and reported.
    KeepGoing,
}

/// One rule of the triage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriageRule {
    /// The rule's code: capital letters, digits and `_`.
    pub code: String,
    /// What becomes of the row.
    pub outcome: Outcome,
    /// When the rule applies.
    pub when: Condition,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It counts.
    Accept,
    /// It is kept aside with its raw text.
    Reject,
    /// It is kept as a cancellation: measures see it only with `rows`.
    Cancel,
}

/// One figure of a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// What is calculated.
    pub kind: MeasureKind,
    /// The column it is calculated from; all kinds but `count`, `count_if` and `ratio`.
    pub column: Option<String>,
    /// Only rows for which this holds.
    pub r#where: Option<Condition>,
    /// Which rows it looks at.
    #[serde(default)]
    pub rows: RowScope,
    /// For `ratio`: the measure that is divided.
    pub numerator: Option<String>,
    /// For `ratio`: the measure it is divided by. Zero gives no value.
    pub denominator: Option<String>,
    /// For `percentile`: the per cent, above 0 up to 100.
    pub percent: Option<Number>,
    /// For `percentile`: how it is found; nearest rank when absent.
    pub method: Option<PercentileMethod>,
    /// A unit conversion of each value.
    pub convert: Option<Conversion>,
    /// How it is rounded, instead of the figures' `rounding`.
    pub round: Option<Rounding>,
}

impl Measure {
    /// How it is rounded; `of_integers` when the values it is calculated from
    /// are: then only a quotient takes what is said for all.
    pub fn rounding(&self, for_all: Option<Rounding>, of_integers: bool) -> Option<Rounding> {
        if self.kind.is_count() {
            return None;
        }
        let inherits = self.kind.is_quotient() || !of_integers;
        self.round.or(for_all.filter(|_| inherits))
    }
}

/// How a percentile is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PercentileMethod {
    /// The smallest value such that at least `percent` of the values are not greater.
    #[default]
    NearestRank,
    /// Between the two values around `percent` · (n - 1) / 100, in proportion.
    Linear,
}

/// What a measure calculates. Values that are null are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKind {
    /// Number of rows.
    Count,
    /// Number of rows for which `where` holds.
    CountIf,
    /// Number of rows whose `column` is null.
    CountNull,
    /// The first value, in the order of the rows.
    First,
    /// The last value, in the order of the rows.
    Last,
    /// Number of different values.
    Distinct,
    /// Sum; 0 without values.
    Sum,
    /// Sum over the rows for which `where` holds.
    SumIf,
    /// Arithmetic mean; exact before it is rounded.
    Mean,
    /// Middle value, or the mean of the two middle ones.
    Median,
    /// The value below which `percent` of the values lie, by its `method`.
    Percentile,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// `numerator` divided by `denominator`; exact before it is rounded.
    Ratio,
}

impl MeasureKind {
    /// The word used for it in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::CountIf => "count_if",
            Self::CountNull => "count_null",
            Self::First => "first",
            Self::Last => "last",
            Self::Distinct => "distinct",
            Self::Sum => "sum",
            Self::SumIf => "sum_if",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Percentile => "percentile",
            Self::Min => "min",
            Self::Max => "max",
            Self::Ratio => "ratio",
        }
    }

    /// Whether the measure of all rows is the sum of the groups' measures.
    pub fn is_additive(self) -> bool {
        matches!(self, Self::Count | Self::CountIf | Self::CountNull | Self::Sum | Self::SumIf)
    }

    /// Whether it is a quotient, which need not have an end.
    pub fn is_quotient(self) -> bool {
        matches!(self, Self::Mean | Self::Median | Self::Ratio)
    }

    /// Whether it is a number of rows or values.
    pub fn is_count(self) -> bool {
        matches!(self, Self::Count | Self::CountIf | Self::CountNull | Self::Distinct)
    }
}

/// Which rows a measure looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowScope {
    /// Accepted rows.
    #[default]
    Accepted,
    /// Cancelled rows.
    Cancelled,
    /// Both.
    All,
}

impl RowScope {
    /// Whether a row of this outcome is looked at.
    pub fn includes(self, outcome: Outcome) -> bool {
        match self {
            Self::Accepted => outcome == Outcome::Accept,
            Self::Cancelled => outcome == Outcome::Cancel,
            Self::All => outcome != Outcome::Reject,
        }
    }
}

/// How a number is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rounding {
    /// Decimal places, at most 12.
    pub places: u32,
    /// What happens to the digits that are cut off.
    #[serde(default)]
    pub mode: RoundingMode,
    /// Where rounding happens.
    #[serde(default)]
    pub at: RoundAt,
}

/// Where rounding happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoundAt {
    /// The result is rounded, once.
    #[default]
    Result,
    /// Each value is rounded before it is added up; so is the result.
    Value,
}

/// The table of figures: one row for each group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FiguresTable {
    /// The table the figures are taken from; the feed's `rows` when absent.
    pub from: Option<String>,
    /// The columns that make a group; without any there is one group of all rows.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// Only rows for which this holds are looked at.
    pub r#where: Option<Condition>,
    /// Columns and measures in the order of the output; `group_by`, then all
    /// measures, when absent.
    pub columns: Option<Vec<String>>,
    /// Order of the output; by `group_by` when absent. Nulls come first, text by
    /// its bytes.
    #[serde(default)]
    pub order_by: Vec<OrderBy>,
    /// Measures whose sum over all groups is compared between steps, and with
    /// what was delivered. Only counts and sums can be.
    #[serde(default)]
    pub control: Vec<String>,
    /// The group column by whose values control measures are kept apart, such as
    /// the currency: a sum over several of them says nothing. Their totals are
    /// called `payable[currency=EUR]`.
    pub control_by: Option<String>,
    /// What stands for a group column without a value; nothing when absent.
    #[serde(default)]
    pub null_text: String,
    /// How measures are rounded that do not say it themselves. Counts never are,
    /// nor sums, percentiles, smallest and largest values of integers.
    pub rounding: Option<Rounding>,
}

impl FiguresTable {
    /// The name of the table the figures are taken from.
    pub fn source(&self) -> &str {
        self.from.as_deref().unwrap_or(ROWS)
    }

    /// What the total of a control measure is called, over the rows that have
    /// this value in `control_by`.
    pub fn total_name(&self, measure: &str, value: Option<&Value>) -> String {
        match (&self.control_by, value) {
            (Some(by), Some(Value::Null)) => format!("{measure}[{by}={}]", self.null_text),
            (Some(by), Some(value)) => format!("{measure}[{by}={value}]"),
            _ => measure.to_owned(),
        }
    }
}

/// One key of the output's order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderBy {
    /// A group column or a measure.
    pub by: String,
    /// Largest first.
    #[serde(default)]
    pub descending: bool,
}

/// Where the figures go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The channel.
    #[serde(default)]
    pub channel: Channel,
    /// The business period the figures are for, such as `2024-01`. Either this
    /// or `period_from`.
    pub period: Option<String>,
    /// The column whose smallest and largest values are the period: `2024-01`,
    /// or `2024-01/2024-03`.
    pub period_from: Option<String>,
    /// For a date or timestamp: the unit of the period.
    pub period_unit: Option<PeriodUnit>,
}

/// A way to deliver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Rows written to CoreView's database.
    #[default]
    CoreviewDatabase,
    /// Files in a folder that the receiver watches.
    FileDrop,
    /// Batches put to an HTTPS endpoint.
    Https,
}

impl Channel {
    /// The word used for it in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::CoreviewDatabase => "coreview-database",
            Self::FileDrop => "file-drop",
            Self::Https => "https",
        }
    }
}

/// A unit of business periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PeriodUnit {
    /// A calendar year: 2024.
    Year,
    /// A calendar month: 2024-01.
    Month,
    /// A day: 2024-01-31.
    Day,
}

/// Reads any TOML or JSON document the way specs are read: what is unknown,
/// missing or of the wrong type is reported at its place, and so is what `check`
/// finds in it.
///
/// # Errors
/// Every mistake that was found; also when the document cannot be read, is not
/// UTF-8 or is larger than [`SPEC_BYTES_MAX`].
pub fn read_document<T: DeserializeOwned>(
    file: &str,
    from: impl Read,
    check: impl FnOnce(&T) -> Vec<Finding>,
) -> Result<T, SpecError> {
    checked_document(file, &text_of(file, from)?, check)
}

fn checked_document<T: DeserializeOwned>(
    file: &str,
    text: &str,
    check: impl FnOnce(&T) -> Vec<Finding>,
) -> Result<T, SpecError> {
    let document = document::parse(file, text)?;
    let decoded: T =
        decode::decode(&document).map_err(|problem| SpecError::new(file, text, vec![problem]))?;
    let problems = check(&decoded);
    if problems.is_empty() {
        return Ok(decoded);
    }
    let located = problems.into_iter().map(|problem| problem.locate(&document)).collect();
    Err(SpecError::new(file, text, located))
}

/// The text of a document, without a byte order mark.
fn text_of(file: &str, from: impl Read) -> Result<String, SpecError> {
    let mut text = String::new();
    let read = from.take(SPEC_BYTES_MAX + 1).read_to_string(&mut text);
    match read {
        Err(error) => Err(SpecError::unreadable(file, &error.to_string())),
        Ok(_) if text.len() as u64 > SPEC_BYTES_MAX => {
            Err(SpecError::unreadable(file, &format!("at most {SPEC_BYTES_MAX} bytes are read")))
        }
        Ok(_) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
    }
}

impl FeedSpec {
    /// Reads and checks a spec. `file` is what messages call it; a name that ends
    /// in `.json`, or a text that starts with `{`, is JSON, anything else TOML.
    ///
    /// # Errors
    /// Every mistake that was found, each with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, SpecError> {
        checked_document(file, text, check::check)
    }

    /// Reads and checks a spec from a file.
    ///
    /// # Errors
    /// As [`FeedSpec::parse`]; also when it cannot be read, is not UTF-8 or is
    /// larger than [`SPEC_BYTES_MAX`].
    pub fn read(file: &str, from: impl Read) -> Result<Self, SpecError> {
        Self::parse(file, &text_of(file, from)?)
    }

    /// The JSON schema of a spec.
    pub fn json_schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(FeedSpec);
        schema.insert("title".into(), "Stepwright feed spec".into());
        schema.to_value()
    }

    /// The fields of a row: columns, then derived columns.
    ///
    /// # Errors
    /// When a derived column does not compile; [`FeedSpec::parse`] has checked that.
    pub fn layout(&self) -> Result<Layout, String> {
        let mut layout = Layout::default();
        for column in &self.columns {
            layout.push(&column.name, column.row_kind());
        }
        for derived in &self.derive {
            let formula = derived.value.compile(&layout)?;
            layout.push(&derived.name, formula.kind());
        }
        Ok(layout)
    }

    /// Columns and measures in the order of the output.
    pub fn output_columns(&self) -> Vec<&str> {
        match &self.figures.columns {
            Some(columns) => columns.iter().map(String::as_str).collect(),
            None => self
                .figures
                .group_by
                .iter()
                .chain(self.measures.iter().map(|measure| &measure.name))
                .map(String::as_str)
                .collect(),
        }
    }

    /// The reference that is what was delivered for other periods.
    pub fn delivered(&self) -> Option<&Reference> {
        self.references.iter().find(|reference| reference.delivered)
    }

    /// How many months before a cancellation an entry lies at most that it takes back.
    pub fn clawback_months(&self) -> u32 {
        let steps = self.tables.iter().flat_map(|table| &table.steps);
        steps.filter_map(|step| Some(step.clawback.as_ref()?.within_months)).max().unwrap_or_default()
    }

    /// A measure by name.
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.name == name)
    }
}

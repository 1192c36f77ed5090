//! The spec's tables: each starts as rows of something and goes through its
//! steps.
//!
//! Steps that look at one row at a time pass rows on; the others hold the rows
//! of their table. What is held, over all tables, is limited.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use feed::calculation::{Plan, PlannedStep, PlannedTable, ROWS, Source, Totalling};
use feed::expression::Formula;
use feed::number::Sum;
use feed::rows::RowReader;
use feed::spec::RowScope;
use feed::{Layout, Staging, Value, Warned};
use rust_decimal::Decimal;
use stepwright::Write;
use stepwright::objects::ObjectRef;

use crate::error::CalculateError;
use crate::table::in_order;

mod exchange;
mod grouping;
mod join;
mod look_up;
mod outliers;
mod reversal;
mod window;

/// Most values held by tables at once: at 24 bytes each, and as much again for
/// texts, about half of the step's memory.
const VALUES_MAX: usize = 12_000_000;

/// Characters of a row that a message shows.
const SHOWN_CHARS: usize = 160;

pub(crate) type Row = Vec<Value>;
pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Result<Row, CalculateError>> + 'a>;

/// What tables are made of.
pub(crate) struct Inputs<'a> {
    pub(crate) feed: &'a str,
    pub(crate) rows: &'a ObjectRef,
    pub(crate) references: &'a BTreeMap<String, ObjectRef>,
    /// The period that is asked for.
    pub(crate) period: Option<&'a str>,
    pub(crate) staging: &'a Write<Staging>,
}

/// The tables as far as they are calculated.
pub(crate) struct Tables<'a> {
    plan: &'a Plan,
    inputs: Inputs<'a>,
    references: Vec<Vec<Row>>,
    calculated: Vec<Vec<Row>>,
    held: usize,
}

/// A step's place, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    table: &'a str,
    /// Counted from 1.
    step: usize,
}

impl Place<'_> {
    pub(crate) fn of(&self, row: &[Value]) -> String {
        format!("table `{}`, step {}, the row {}", self.table, self.step, shown(row))
    }

    pub(crate) fn evaluate(&self, formula: &Formula, row: &[Value]) -> Result<Value, CalculateError> {
        formula.evaluate(row).map_err(|error| CalculateError::arithmetic(error, &self.of(row)))
    }
}

/// The start of a row, for messages.
fn shown(row: &[Value]) -> String {
    let values: Vec<String> = row.iter().map(ToString::to_string).collect();
    let text = format!("({})", values.join(", "));
    if text.chars().count() <= SHOWN_CHARS {
        return text;
    }
    text.chars().take(SHOWN_CHARS).chain("…".chars()).collect()
}

impl<'a> Tables<'a> {
    /// Calculates all tables of a plan.
    pub(crate) fn of(plan: &'a Plan, inputs: Inputs<'a>) -> Result<Self, CalculateError> {
        let mut tables = Self { plan, inputs, references: vec![], calculated: vec![], held: 0 };
        tables.check_rows()?;
        for (name, layout) in &plan.references {
            let rows = tables.reference(name, layout)?;
            tables.references.push(rows);
        }
        for planned in &plan.tables {
            let rows = tables.table(planned)?;
            tables.held += rows.len() * planned.layout.fields().len();
            tables.calculated.push(rows);
        }
        Ok(tables)
    }

    /// The stored rows must be those of the spec.
    fn check_rows(&self) -> Result<(), CalculateError> {
        let file = self.inputs.staging.get(self.inputs.rows).map_err(CalculateError::storage)?;
        let reader = RowReader::new(BufReader::new(file)).map_err(CalculateError::rows)?;
        let header = reader.header();
        if header.feed == self.inputs.feed && Some(&header.layout()) == self.plan.layout(ROWS) {
            return Ok(());
        }
        Err(CalculateError::Spec {
            detail: format!(
                "the stored rows are of feed `{}` with other columns than the spec of `{}` has; run the parse step with this spec",
                header.feed, self.inputs.feed
            ),
        })
    }

    fn table(&self, planned: &PlannedTable) -> Result<Vec<Row>, CalculateError> {
        let mut rows = self.rows(planned.source)?;
        for (step, index) in planned.steps.iter().zip(1..) {
            rows = self.apply(step, rows, Place { table: &planned.name, step: index })?;
        }
        self.hold(rows)
    }

    /// Rows of a table that is finished.
    pub(crate) fn rows_of(&self, name: &str) -> Option<&[Row]> {
        let at = self.plan.tables.iter().position(|table| table.name == name);
        let reference = || self.plan.references.iter().position(|(known, _)| known == name);
        match at {
            Some(at) => self.calculated.get(at).map(Vec::as_slice),
            None => self.references.get(reference()?).map(Vec::as_slice),
        }
    }

    /// Holds rows in memory, as far as there is room.
    fn hold(&self, rows: Rows<'_>) -> Result<Vec<Row>, CalculateError> {
        let mut held = vec![];
        let mut values = self.held;
        for row in rows {
            let mut row = row?;
            values += row.len();
            if values > VALUES_MAX {
                return Err(CalculateError::TooLarge {
                    detail: format!(
                        "the tables need more than {VALUES_MAX} values in memory; begin them with `select` or `where`, \
                         or group earlier"
                    ),
                });
            }
            row.shrink_to_fit();
            held.push(row);
        }
        Ok(held)
    }

    /// The rows of a source, one after the other.
    fn rows(&self, source: Source) -> Result<Rows<'_>, CalculateError> {
        let held = match source {
            Source::Rows(scope) => {
                return Ok(Box::new(self.stored(self.inputs.rows, scope)?));
            }
            Source::Reference(index) => self.references.get(index),
            Source::Table(index) => self.calculated.get(index),
        };
        Ok(Box::new(held.into_iter().flatten().map(|row| Ok(row.clone()))))
    }

    /// The rows of a source, all at once.
    fn all(&self, source: Source) -> Result<Cow<'_, [Row]>, CalculateError> {
        Ok(match source {
            Source::Rows(_) => Cow::Owned(self.hold(self.rows(source)?)?),
            Source::Reference(index) => Cow::Borrowed(self.references.get(index).map_or(&[], Vec::as_slice)),
            Source::Table(index) => Cow::Borrowed(self.calculated.get(index).map_or(&[], Vec::as_slice)),
        })
    }

    /// The stored rows of a scope, one after the other.
    fn stored(
        &self,
        object: &ObjectRef,
        scope: RowScope,
    ) -> Result<impl Iterator<Item = Result<Row, CalculateError>> + use<>, CalculateError> {
        let file = self.inputs.staging.get(object).map_err(CalculateError::storage)?;
        let mut reader =
            RowReader::new(BufReader::with_capacity(128 * 1024, file)).map_err(CalculateError::rows)?;
        Ok(std::iter::from_fn(move || {
            let mut row = vec![];
            let read = reader.read_wanted(&mut row, |outcome| scope.includes(outcome));
            read.map(|found| found.map(|_| row)).map_err(CalculateError::rows).transpose()
        }))
    }

    /// The accepted rows of another feed, with the columns that are used.
    fn reference(&mut self, name: &str, layout: &Layout) -> Result<Vec<Row>, CalculateError> {
        let refuse = |detail: String| CalculateError::Reference { detail };
        let object = self.inputs.references.get(name).ok_or_else(|| {
            refuse(format!(
                "the spec needs the reference data `{name}`; give the step its rows under this name"
            ))
        })?;
        let file = self.inputs.staging.get(object).map_err(CalculateError::storage)?;
        let reader = RowReader::new(BufReader::new(file)).map_err(CalculateError::rows)?;
        let found = reader.header().layout();
        let feed = &reader.header().feed;
        let mut places = vec![];
        for (column, kind) in layout.fields() {
            match found.find(column) {
                Some((index, theirs)) if theirs == *kind => places.push(index),
                Some((_, theirs)) => {
                    return Err(refuse(format!(
                        "`{column}` of the reference data `{name}` is {theirs} in feed `{feed}`, the spec says {kind}"
                    )));
                }
                None => {
                    return Err(refuse(format!(
                        "feed `{feed}`, given as the reference data `{name}`, has no column `{column}`"
                    )));
                }
            }
        }
        let rows = self.stored(object, RowScope::Accepted)?;
        let rows = self.hold(Box::new(rows.map(|row| row.map(|row| picked(&row, &places)))))?;
        self.held += rows.len() * layout.fields().len();
        Ok(rows)
    }

    fn apply<'r>(
        &'r self,
        step: &'r PlannedStep,
        rows: Rows<'r>,
        place: Place<'r>,
    ) -> Result<Rows<'r>, CalculateError> {
        Ok(match step {
            PlannedStep::Where(test) => {
                Box::new(rows.filter(|row| row.as_ref().map_or(true, |row| test.holds(row))))
            }
            PlannedStep::Derive(formula, at) => each(rows, move |mut row| {
                let value = place.evaluate(formula, &row)?;
                match row.get_mut(*at) {
                    Some(old) => *old = value,
                    None => row.push(value),
                }
                Ok(Some(row))
            }),
            PlannedStep::Select(places) => each(rows, |row| Ok(Some(picked(&row, places)))),
            PlannedStep::Unpivot(unpivot) => Box::new(rows.flat_map(move |row| match row {
                Ok(row) => unpivoted(&row, &unpivot.columns, &unpivot.keep),
                Err(error) => vec![Err(error)],
            })),
            PlannedStep::Group(group) => grouping::group(group, rows, place)?,
            PlannedStep::Sort(order) => {
                let mut held = self.hold(rows)?;
                held.sort_by(|a, b| in_order(&order.0, a, b));
                from(held)
            }
            PlannedStep::Window(window) => from(window::add(window, self.hold(rows)?, place)?),
            PlannedStep::Join(join) => join::join(join, self.all(join.source)?, rows, place),
            PlannedStep::Exchange(exchange) => {
                exchange::exchange(exchange, &self.all(exchange.rates)?, rows, place)
            }
            PlannedStep::LookUp(look_up) => {
                look_up::look_up(look_up, &self.all(look_up.source)?, rows, place)?
            }
            PlannedStep::Outliers(outliers) => from(outliers::mark(outliers, self.hold(rows)?, place)?),
            PlannedStep::Clawback(reversal) => reversal::reverse(reversal, rows, place),
            PlannedStep::Period => {
                let period = self.inputs.period;
                each(rows, move |mut row| {
                    row.push(period.map_or(Value::Null, |period| Value::Text(period.to_owned())));
                    Ok(Some(row))
                })
            }
            PlannedStep::Append(source, places) => {
                let more = self.rows(*source)?;
                let more = each(more, |row| {
                    let value = |place: &Option<usize>| place.and_then(|at| row.get(at)).cloned();
                    Ok(Some(places.iter().map(|place| value(place).unwrap_or_default()).collect()))
                });
                Box::new(rows.chain(more))
            }
        })
    }

    /// The warnings about tables that apply, by code.
    pub(crate) fn warnings(&self) -> Result<BTreeMap<String, Warned>, CalculateError> {
        let mut found = BTreeMap::new();
        for warning in &self.plan.warnings {
            let mut warned = Warned::default();
            for row in self.rows(warning.source)? {
                let row = row?;
                if warning.test.as_ref().is_some_and(|test| !test.holds(&row)) {
                    continue;
                }
                if warned.rows == 0 {
                    warned.first = format!("{}: {}", shown(&row), warning.reason);
                }
                warned.rows += 1;
            }
            if warned.rows > 0 {
                found.insert(warning.code.clone(), warned);
            }
        }
        Ok(found)
    }

    /// Every reconciliation of the spec must hold.
    pub(crate) fn reconcile(&self) -> Result<(), CalculateError> {
        for balance in &self.plan.reconciliations {
            let overflow =
                |error| CalculateError::arithmetic(error, &format!("the reconciliation `{}`", balance.name));
            let whole = self.total(&balance.total, &balance.name)?;
            let mut parts = Sum::default();
            for part in &balance.parts {
                parts.merge(self.total(part, &balance.name)?).map_err(overflow)?;
            }
            let (whole, parts) = (whole.value().map_err(overflow)?, parts.value().map_err(overflow)?);
            let difference = feed::number::subtract(whole, parts).map_err(overflow)?;
            if difference.abs() > balance.tolerance {
                return Err(CalculateError::ControlMismatch {
                    detail: format!(
                        "`{}`: the whole is {whole}, its parts come to {parts}; do not deliver, find the rows that are \
                         missing or counted twice",
                        balance.name
                    ),
                });
            }
        }
        Ok(())
    }

    fn total(&self, total: &Totalling, name: &str) -> Result<Sum, CalculateError> {
        let mut sum = Sum::default();
        for row in self.rows(total.source)? {
            let row = row?;
            if total.test.as_ref().is_some_and(|test| !test.holds(&row)) {
                continue;
            }
            let part = match total.column {
                None => Decimal::ONE,
                Some(column) => row.get(column).and_then(Value::number).unwrap_or_default(),
            };
            let place = || format!("the reconciliation `{name}`");
            sum.add(part).map_err(|error| CalculateError::arithmetic(error, &place()))?;
        }
        Ok(sum)
    }
}

/// Passes rows on one by one.
fn each<'r>(
    rows: Rows<'r>,
    mut change: impl FnMut(Row) -> Result<Option<Row>, CalculateError> + 'r,
) -> Rows<'r> {
    Box::new(rows.filter_map(move |row| row.and_then(&mut change).transpose()))
}

fn from<'r>(rows: Vec<Row>) -> Rows<'r> {
    Box::new(rows.into_iter().map(Ok))
}

pub(crate) fn picked(row: &[Value], places: &[usize]) -> Row {
    places.iter().map(|at| row.get(*at).cloned().unwrap_or_default()).collect()
}

fn unpivoted(row: &[Value], columns: &[(String, usize)], keep: &[usize]) -> Vec<Result<Row, CalculateError>> {
    let there =
        columns.iter().filter_map(|(name, at)| Some((name, row.get(*at).filter(|value| !value.is_null())?)));
    there
        .map(|(name, value)| {
            let mut new = picked(row, keep);
            new.extend([Value::Text(name.clone()), value.clone()]);
            Ok(new)
        })
        .collect()
}

/// A key of these positions that compares as conditions do: 1.5 and 1.50 are
/// one, and so are the integer 2 and the decimal 2.0. None when a part is null.
fn key(row: &[Value], places: impl IntoIterator<Item = usize>) -> Option<Vec<Value>> {
    places
        .into_iter()
        .map(|at| match row.get(at) {
            None | Some(Value::Null) => None,
            Some(value) => {
                Some(value.number().map_or_else(|| value.clone(), |n| Value::Decimal(n.normalize())))
            }
        })
        .collect()
}

/// Groups of equal values at these positions, null among them.
pub(crate) fn partition(row: &[Value], places: &[usize]) -> Vec<Value> {
    let one = |at: &usize| key(row, [*at]).and_then(|mut key| key.pop()).unwrap_or_default();
    places.iter().map(one).collect()
}

/// What was seen before.
type Seen = BTreeSet<Vec<Value>>;

//! Measures over the rows of other periods.

use std::collections::BTreeMap;

use feed::Value;
use feed::calculation::{Gaps, WindowOver, Windowing};
use feed::expression::day;
use feed::measure::{Budget, Tally};
use feed::spec::{Outcome, PeriodUnit};
use jiff::civil::Date;

use super::{Place, Row, partition};
use crate::error::CalculateError;
use crate::period::written;

/// A period's place on a line without gaps, and its year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Period {
    index: i64,
    year: i64,
}

/// The rows of a partition by period.
type Periods = BTreeMap<Period, Vec<usize>>;

/// Adds the measures to each row; rows keep their order.
pub(super) fn add(
    window: &Windowing,
    mut rows: Vec<Row>,
    place: Place<'_>,
) -> Result<Vec<Row>, CalculateError> {
    let mut partitions: BTreeMap<Vec<Value>, Periods> = BTreeMap::new();
    let mut without = vec![];
    for (index, row) in rows.iter().enumerate() {
        match period(window, row, place)? {
            Some(period) => {
                partitions
                    .entry(partition(row, &window.by))
                    .or_default()
                    .entry(period)
                    .or_default()
                    .push(index);
            }
            None => without.push(index),
        }
    }
    let mut results: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for periods in partitions.values() {
        let found = Measured { window, rows: &rows, periods, place };
        for (period, result) in found.all()? {
            for index in periods.get(&period).into_iter().flatten() {
                results.insert(*index, result.clone());
            }
        }
    }
    let nothing = finish(window, &start(window, place)?, place)?;
    results.extend(without.into_iter().map(|index| (index, nothing.clone())));
    for (index, result) in results {
        if let Some(row) = rows.get_mut(index) {
            row.extend(result);
        }
    }
    Ok(rows)
}

struct Measured<'r> {
    window: &'r Windowing,
    rows: &'r [Row],
    periods: &'r Periods,
    place: Place<'r>,
}

impl Measured<'_> {
    fn all(&self) -> Result<Vec<(Period, Vec<Value>)>, CalculateError> {
        match self.window.over {
            WindowOver::Last | WindowOver::Previous => {
                self.periods.keys().map(|period| Ok((*period, self.last(*period)?))).collect()
            }
            WindowOver::YearToDate | WindowOver::AllBefore => self.running(),
        }
    }

    fn take(&self, tallies: &mut [Tally], rows: &[usize]) -> Result<(), CalculateError> {
        let mut budget = Budget::default();
        for row in rows.iter().filter_map(|index| self.rows.get(*index)) {
            let added = self.window.measures.add(tallies, Outcome::Accept, row, &mut budget);
            added.map_err(|error| CalculateError::measure(&error, &self.place.of(row)))?;
        }
        Ok(())
    }

    /// The last periods before this one, or with it.
    fn last(&self, period: Period) -> Result<Vec<Value>, CalculateError> {
        let window = self.window;
        let before = self
            .periods
            .iter()
            .rev()
            .skip_while(|(other, _)| if window.current { **other > period } else { **other >= period });
        let wanted = i64::from(window.periods);
        // Without the own period the first one of n lies n before.
        let first = period.index.saturating_sub(wanted - i64::from(window.current));
        let chosen: Vec<&Vec<usize>> = match window.gaps {
            Gaps::Skip => {
                let count = usize::try_from(window.periods).unwrap_or(usize::MAX);
                before.take(count).map(|(_, rows)| rows).collect()
            }
            Gaps::Count => {
                before.take_while(|(other, _)| other.index >= first).map(|(_, rows)| rows).collect()
            }
        };
        let mut tallies = start(window, self.place)?;
        // Earliest first: `first` and `last` look at the order.
        for rows in chosen.into_iter().rev() {
            self.take(&mut tallies, rows)?;
        }
        finish(window, &tallies, self.place)
    }

    /// Everything until each period, each row added once.
    fn running(&self) -> Result<Vec<(Period, Vec<Value>)>, CalculateError> {
        let window = self.window;
        let mut tallies = start(window, self.place)?;
        let mut year = None;
        let mut results = vec![];
        for (period, rows) in self.periods {
            if window.over == WindowOver::YearToDate && year != Some(period.year) {
                tallies = start(window, self.place)?;
                year = Some(period.year);
            }
            if window.current {
                self.take(&mut tallies, rows)?;
            }
            results.push((*period, finish(window, &tallies, self.place)?));
            if !window.current {
                self.take(&mut tallies, rows)?;
            }
        }
        Ok(results)
    }
}

fn start(window: &Windowing, place: Place<'_>) -> Result<Vec<Tally>, CalculateError> {
    let tallies = window.measures.tallies(&mut Budget::default());
    tallies.map_err(|error| CalculateError::measure(&error, &place.of(&[])))
}

fn finish(window: &Windowing, tallies: &[Tally], place: Place<'_>) -> Result<Vec<Value>, CalculateError> {
    let results = window.measures.results(tallies);
    results.map_err(|error| CalculateError::measure(&error, &place.of(&[])))
}

/// The period of a row; none without a value.
fn period(window: &Windowing, row: &[Value], place: Place<'_>) -> Result<Option<Period>, CalculateError> {
    let value = row.get(window.period).unwrap_or(&Value::Null);
    let found = match (value, window.unit) {
        (Value::Null, _) => return Ok(None),
        (Value::Integer(number), _) => Some(Period { index: *number, year: *number }),
        (Value::Text(text), Some(unit)) => written(text, unit).map(|date| of(date, unit)),
        (value, Some(unit)) => day(value).map(|date| of(date, unit)),
        _ => None,
    };
    found.map(Some).ok_or_else(|| CalculateError::BadPeriod {
        detail: format!(
            "{:?} is not a period such as 2024, 2024-01 or 2024-01-31, in {}",
            value.to_string(),
            place.of(row)
        ),
    })
}

fn of(date: Date, unit: PeriodUnit) -> Period {
    let year = i64::from(date.year());
    let index = match unit {
        PeriodUnit::Year => year,
        PeriodUnit::Month => year * 12 + i64::from(date.month()) - 1,
        PeriodUnit::Day => {
            date.since(Date::constant(1970, 1, 1)).map_or(0, |span| i64::from(span.get_days()))
        }
    };
    Period { index, year }
}

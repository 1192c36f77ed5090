//! Measures over rows: compiled from a spec, fed one row at a time.
//!
//! What a measure holds is a [`Tally`]. Sums and counts hold a number; median
//! and percentile hold each different value once with its count, so that a
//! million delays in minutes cost a few hundred entries. What is held is
//! limited by a [`Budget`]: running out of it is an error, not of memory.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::condition::{Condition, Test};
use crate::number::{self, ArithmeticError, RoundingMode, Sum};
use crate::spec::{FeedSpec, Measure, MeasureKind, Outcome, PercentileMethod, RoundAt, Rounding, RowScope};
use crate::unit::Conversion;
use crate::value::{Kind, Layout, Value};

#[cfg(test)]
mod tests;

/// Most tallies and different values held at once: about 150 MiB.
pub const HELD_MAX: usize = 2_000_000;

/// Why a measure has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// A number cannot be kept exactly, or a conversion divides by zero.
    #[error("measure `{measure}`: {error}")]
    Arithmetic {
        /// The measure.
        measure: String,
        /// What went wrong.
        error: ArithmeticError,
    },
    /// More is held than [`HELD_MAX`].
    #[error(
        "the figures need more than {HELD_MAX} groups and different values in memory; group by fewer columns, or \
         calculate medians, percentiles and distinct values of coarser columns"
    )]
    TooMuch,
}

/// How much is held, over all groups.
#[derive(Debug, Default)]
pub struct Budget {
    held: usize,
}

impl Budget {
    /// Takes room for more.
    pub fn take(&mut self, more: usize) -> Result<(), MeasureError> {
        self.held = self.held.saturating_add(more);
        if self.held > HELD_MAX { Err(MeasureError::TooMuch) } else { Ok(()) }
    }
}

/// The measures of a spec, compiled for the rows of a layout.
#[derive(Debug)]
pub struct Measures {
    scope: Option<Test>,
    measures: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    name: String,
    kind: MeasureKind,
    rows: RowScope,
    column: Option<usize>,
    test: Option<Test>,
    convert: Option<Conversion>,
    percent: Decimal,
    method: PercentileMethod,
    /// What kind of value the result is.
    result: Kind,
    /// Positions of numerator and denominator.
    parts: Option<(usize, usize)>,
    /// Rounding of each value.
    round_value: Option<Rounding>,
    /// Rounding of the result.
    round_result: Option<Rounding>,
}

/// What one measure of one group holds.
#[derive(Debug, Clone)]
pub enum Tally {
    /// Rows or values.
    Count(u64),
    /// A sum and how many values it has.
    Sum(Sum, u64),
    /// Different numbers with their counts.
    Numbers(BTreeMap<Decimal, u64>),
    /// Different values.
    Different(BTreeSet<Value>),
    /// The smallest, largest, first or last value so far.
    Extreme(Value),
    /// Nothing: a ratio is made of other measures.
    Nothing,
}

impl Measures {
    /// Compiles the measures of a spec's figures.
    ///
    /// # Errors
    /// Says what does not fit; a spec that was checked always fits its own layout.
    pub fn compile(spec: &FeedSpec, layout: &Layout) -> Result<Self, String> {
        let scope = spec.figures.r#where.as_ref();
        Self::of(&spec.measures, scope, spec.figures.rounding, layout)
    }

    /// Compiles measures for the rows of a layout for which `scope` holds.
    ///
    /// # Errors
    /// As [`Measures::compile`].
    pub fn of(
        measures: &[Measure],
        scope: Option<&Condition>,
        rounding: Option<Rounding>,
        layout: &Layout,
    ) -> Result<Self, String> {
        let scope = scope.map(|test| test.compile(layout)).transpose()?;
        let measures = measures
            .iter()
            .map(|measure| compile(measures, rounding, layout, measure))
            .collect::<Result<_, _>>()?;
        Ok(Self { scope, measures })
    }

    /// Names and kinds of the results, in the order of the spec.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.measures.iter().map(|measure| (measure.name.as_str(), measure.result))
    }

    /// The measures' names in the order of the spec.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.measures.iter().map(|measure| measure.name.as_str())
    }

    /// Whether a row makes part of the figures at all.
    pub fn includes(&self, outcome: Outcome, row: &[Value]) -> bool {
        let seen = outcome == Outcome::Accept || self.measures.iter().any(|measure| measure.sees(outcome));
        seen && self.scope.as_ref().is_none_or(|test| test.holds(row))
    }

    /// Empty tallies for a group.
    pub fn tallies(&self, budget: &mut Budget) -> Result<Vec<Tally>, MeasureError> {
        budget.take(self.measures.len() + 1)?;
        Ok(self.measures.iter().map(Compiled::tally).collect())
    }

    /// Adds a row that [`Measures::includes`] to the tallies of its group.
    pub fn add(
        &self,
        tallies: &mut [Tally],
        outcome: Outcome,
        row: &[Value],
        budget: &mut Budget,
    ) -> Result<(), MeasureError> {
        for (measure, tally) in self.measures.iter().zip(tallies) {
            if measure.sees(outcome) && measure.test.as_ref().is_none_or(|test| test.holds(row)) {
                measure.add(tally, row, budget)?;
            }
        }
        Ok(())
    }

    /// The figures of a group, in the order of the spec.
    pub fn results(&self, tallies: &[Tally]) -> Result<Vec<Value>, MeasureError> {
        self.measures
            .iter()
            .zip(tallies)
            .map(|(measure, tally)| {
                let parts =
                    measure.parts.and_then(|(above, below)| Some((tallies.get(above)?, tallies.get(below)?)));
                measure.result(tally, parts).map_err(|error| measure.failed(error))
            })
            .collect()
    }

    /// The exact sum or count of a measure, before its result is rounded; none
    /// for measures that do not add up.
    pub fn exact(&self, name: &str, tallies: &[Tally]) -> Option<Sum> {
        let at = self.measures.iter().position(|measure| measure.name == name)?;
        tallies.get(at)?.exact()
    }
}

fn compile(
    measures: &[Measure],
    for_all: Option<Rounding>,
    layout: &Layout,
    measure: &Measure,
) -> Result<Compiled, String> {
    let found = measure.column.as_ref().map(|name| crate::condition::field(layout, name)).transpose()?;
    let column_kind = found.map_or(Kind::Decimal, |(_, kind)| kind);
    let is_integer = found.is_some() && column_kind != Kind::Decimal && measure.convert.is_none();
    let position = |name: &Option<String>| {
        let name = name.as_ref()?;
        measures.iter().position(|measure| measure.name == *name)
    };
    let rounding = measure.rounding(for_all, is_integer);
    let keeps_kind =
        matches!(measure.kind, MeasureKind::Min | MeasureKind::Max | MeasureKind::First | MeasureKind::Last);
    let result = match measure.kind {
        kind if kind.is_count() => Kind::Integer,
        _ if keeps_kind && measure.convert.is_none() && !(rounding.is_some() && column_kind.is_number()) => {
            column_kind
        }
        _ => Kind::Decimal,
    };
    Ok(Compiled {
        name: measure.name.clone(),
        kind: measure.kind,
        rows: measure.rows,
        column: found.map(|(index, _)| index),
        test: measure.r#where.as_ref().map(|test| test.compile(layout)).transpose()?,
        convert: measure.convert,
        percent: measure.percent.map_or(Decimal::ONE_HUNDRED, |percent| percent.0),
        method: measure.method.unwrap_or_default(),
        result,
        parts: position(&measure.numerator).zip(position(&measure.denominator)),
        round_value: rounding.filter(|rounding| rounding.at == RoundAt::Value),
        round_result: rounding,
    })
}

impl Compiled {
    fn sees(&self, outcome: Outcome) -> bool {
        self.rows.includes(outcome) && self.kind != MeasureKind::Ratio
    }

    fn failed(&self, error: ArithmeticError) -> MeasureError {
        MeasureError::Arithmetic { measure: self.name.clone(), error }
    }

    fn tally(&self) -> Tally {
        match self.kind {
            MeasureKind::Count | MeasureKind::CountIf | MeasureKind::CountNull => Tally::Count(0),
            MeasureKind::Distinct => Tally::Different(BTreeSet::new()),
            MeasureKind::Sum | MeasureKind::SumIf | MeasureKind::Mean => Tally::Sum(Sum::default(), 0),
            MeasureKind::Median | MeasureKind::Percentile => Tally::Numbers(BTreeMap::new()),
            MeasureKind::Min | MeasureKind::Max | MeasureKind::First | MeasureKind::Last => {
                Tally::Extreme(Value::Null)
            }
            MeasureKind::Ratio => Tally::Nothing,
        }
    }

    fn add(&self, tally: &mut Tally, row: &[Value], budget: &mut Budget) -> Result<(), MeasureError> {
        let value = self.column.and_then(|column| row.get(column)).unwrap_or(&Value::Null);
        match tally {
            Tally::Count(count) => {
                let counts = self.kind != MeasureKind::CountNull || value.is_null();
                *count += u64::from(counts);
                return Ok(());
            }
            Tally::Nothing => return Ok(()),
            _ if value.is_null() => return Ok(()),
            Tally::Different(values) => {
                if !values.contains(value) {
                    budget.take(1)?;
                    values.insert(value.clone());
                }
                return Ok(());
            }
            Tally::Extreme(_) if self.convert.is_none() && self.round_value.is_none() => {
                self.keep_extreme(tally, value.clone());
                return Ok(());
            }
            _ => {}
        }
        let Some(number) = value.number() else { return Ok(()) };
        let number = self.prepared(number).map_err(|error| self.failed(error))?;
        match tally {
            Tally::Sum(sum, count) => {
                sum.add(number).map_err(|error| self.failed(error))?;
                *count += 1;
            }
            Tally::Numbers(numbers) => {
                let number = number.normalize();
                if let Some(count) = numbers.get_mut(&number) {
                    *count += 1;
                } else {
                    budget.take(1)?;
                    numbers.insert(number, 1);
                }
            }
            _ => self.keep_extreme(tally, Value::Decimal(number)),
        }
        Ok(())
    }

    fn keep_extreme(&self, tally: &mut Tally, value: Value) {
        let Tally::Extreme(extreme) = tally else { return };
        let better = match self.kind {
            MeasureKind::Min => value < *extreme,
            MeasureKind::Max => value > *extreme,
            kind => kind == MeasureKind::Last,
        };
        // 1.5 and 1.50 are equal: the longer one stands, whichever came first.
        let longer = self.kind != MeasureKind::First && value == *extreme && scale(&value) > scale(extreme);
        if extreme.is_null() || better || longer {
            *extreme = value;
        }
    }

    /// A value converted and rounded as the measure wants it.
    fn prepared(&self, number: Decimal) -> Result<Decimal, ArithmeticError> {
        let converted = match self.convert {
            Some(conversion) => conversion.apply(number)?,
            None => number,
        };
        match self.round_value {
            Some(rounding) => number::round(converted, rounding.places, rounding.mode),
            None => Ok(converted),
        }
    }

    fn result(&self, tally: &Tally, parts: Option<(&Tally, &Tally)>) -> Result<Value, ArithmeticError> {
        let (places, mode) = self
            .round_result
            .map_or((0, RoundingMode::default()), |rounding| (rounding.places, rounding.mode));
        Ok(match tally {
            Tally::Count(count) => count_value(*count)?,
            Tally::Different(values) => count_value(values.len() as u64)?,
            Tally::Sum(_, 0) if self.kind == MeasureKind::Mean => Value::Null,
            Tally::Sum(sum, count) if self.kind == MeasureKind::Mean => {
                Value::Decimal(sum.mean(*count, places, mode)?)
            }
            Tally::Sum(sum, _) => Value::Decimal(match self.round_result {
                Some(_) => sum.rounded(places, mode)?,
                None => sum.value()?,
            }),
            Tally::Numbers(numbers) => self.rank(numbers, places, mode)?,
            Tally::Extreme(value) => match (value.number(), self.round_result) {
                (Some(number), Some(_)) => Value::Decimal(number::round(number, places, mode)?),
                _ => value.clone(),
            },
            Tally::Nothing => {
                let above_and_below = parts.and_then(|(above, below)| Some((above.exact()?, below.exact()?)));
                match above_and_below {
                    Some((above, below)) => match above.ratio(&below, places, mode) {
                        Err(ArithmeticError::DivisionByZero) => Value::Null,
                        ratio => Value::Decimal(ratio?),
                    },
                    None => Value::Null,
                }
            }
        })
    }

    /// Median, or nearest-rank percentile.
    fn rank(
        &self,
        numbers: &BTreeMap<Decimal, u64>,
        places: u32,
        mode: RoundingMode,
    ) -> Result<Value, ArithmeticError> {
        let total: u64 = numbers.values().sum();
        if total == 0 {
            return Ok(Value::Null);
        }
        if self.kind == MeasureKind::Median {
            let mut middle = Sum::default();
            middle.add(at_rank(numbers, total.div_ceil(2)))?;
            middle.add(at_rank(numbers, total / 2 + 1))?;
            return middle.mean(2, places, mode).map(Value::Decimal);
        }
        if self.method == PercentileMethod::Linear {
            let number = linear_quantile(numbers, self.percent)?.unwrap_or_default();
            return Ok(Value::Decimal(match self.round_result {
                Some(_) => number::round(number, places, mode)?,
                None => number,
            }));
        }
        // The smallest rank that covers the per cent: ceil(p/100 · n), exactly.
        let exact = number::multiply(self.percent, Decimal::from(total))?;
        let rank = (exact / Decimal::ONE_HUNDRED).ceil();
        let rank = u64::try_from(rank).map_err(|_| ArithmeticError::Overflow)?.clamp(1, total);
        let number = at_rank(numbers, rank);
        Ok(Value::Decimal(match self.round_result {
            Some(_) => number::round(number, places, mode)?,
            None => number,
        }))
    }
}

impl Tally {
    fn exact(&self) -> Option<Sum> {
        match self {
            Self::Count(count) => Some(Sum::from(*count)),
            Self::Different(values) => Some(Sum::from(values.len() as u64)),
            Self::Sum(sum, _) => Some(*sum),
            _ => None,
        }
    }
}

fn scale(value: &Value) -> u32 {
    if let Value::Decimal(number) = value { number.scale() } else { 0 }
}

fn count_value(count: u64) -> Result<Value, ArithmeticError> {
    i64::try_from(count).map(Value::Integer).map_err(|_| ArithmeticError::Overflow)
}

/// The quantile between the two numbers around `percent` · (n - 1) / 100, in
/// proportion; none without numbers.
pub fn linear_quantile(
    numbers: &BTreeMap<Decimal, u64>,
    percent: Decimal,
) -> Result<Option<Decimal>, ArithmeticError> {
    let total: u64 = numbers.values().sum();
    let Some(last) = total.checked_sub(1) else { return Ok(None) };
    let place = number::divide(number::multiply(percent, Decimal::from(last))?, Decimal::ONE_HUNDRED)?;
    let below = u64::try_from(place.floor()).map_err(|_| ArithmeticError::Overflow)?;
    let low = at_rank(numbers, below + 1);
    let part = number::subtract(place, place.floor())?;
    if part.is_zero() {
        return Ok(Some(low));
    }
    let step = number::subtract(at_rank(numbers, below + 2), low)?;
    number::add(low, number::multiply(step, part)?).map(|number| Some(number.normalize()))
}

/// The number at a rank counted from 1.
fn at_rank(numbers: &BTreeMap<Decimal, u64>, rank: u64) -> Decimal {
    let mut seen = 0;
    numbers
        .iter()
        .find(|(_, count)| {
            seen += *count;
            seen >= rank
        })
        .map_or(Decimal::ZERO, |(number, _)| *number)
}

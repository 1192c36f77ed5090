//! Rows that lie far from the others of their group.

use std::collections::BTreeMap;

use feed::Value;
use feed::calculation::{Outlying, Side};
use feed::measure::linear_quantile;
use feed::number::{self, ArithmeticError};
use rust_decimal::Decimal;

use super::{Place, Row, partition};
use crate::error::CalculateError;

/// The quartiles, in per cent.
const QUARTILES: [Decimal; 2] =
    [Decimal::from_parts(25, 0, 0, false, 0), Decimal::from_parts(75, 0, 0, false, 0)];

/// A number below the first or above the second is an outlier.
#[derive(Clone, Copy)]
struct Bounds(Option<Decimal>, Option<Decimal>);

pub(super) fn mark(
    outliers: &Outlying,
    mut rows: Vec<Row>,
    place: Place<'_>,
) -> Result<Vec<Row>, CalculateError> {
    let mut groups: BTreeMap<Vec<Value>, BTreeMap<Decimal, u64>> = BTreeMap::new();
    for row in &rows {
        let numbers = groups.entry(partition(row, &outliers.by)).or_default();
        if let Some(number) = row.get(outliers.column).and_then(Value::number) {
            *numbers.entry(number.normalize()).or_default() += 1;
        }
    }
    let mut bounds = BTreeMap::new();
    for (group, numbers) in groups {
        let found = Bounds::of(outliers, &numbers);
        let found = found.map_err(|error| CalculateError::arithmetic(error, &place.of(&group)))?;
        bounds.insert(group, found);
    }
    for row in &mut rows {
        let Bounds(lower, upper) =
            bounds.get(&partition(row, &outliers.by)).copied().unwrap_or(Bounds(None, None));
        let number = row.get(outliers.column).and_then(Value::number);
        let value = |number: Option<Decimal>| number.map_or(Value::Null, Value::Decimal);
        row.push(number.map_or(Value::Null, |number| {
            Value::Boolean(
                lower.is_some_and(|lower| number < lower) || upper.is_some_and(|upper| number > upper),
            )
        }));
        if outliers.named.0 {
            row.push(value(lower));
        }
        if outliers.named.1 {
            row.push(value(upper));
        }
    }
    Ok(rows)
}

impl Bounds {
    fn of(outliers: &Outlying, numbers: &BTreeMap<Decimal, u64>) -> Result<Self, ArithmeticError> {
        let (mut lower, mut upper) = (outliers.lower, outliers.upper);
        let [first, third] = QUARTILES;
        let quartiles = linear_quantile(numbers, first)?.zip(linear_quantile(numbers, third)?);
        if let Some((times, (first, third))) = outliers.iqr.zip(quartiles) {
            let reach = number::multiply(times, number::subtract(third, first)?)?;
            let (below, above) =
                (number::subtract(first, reach)?.normalize(), number::add(third, reach)?.normalize());
            // The tighter one of two bounds.
            if outliers.side != Side::Above {
                lower = Some(lower.map_or(below, |lower| lower.max(below)));
            }
            if outliers.side != Side::Below {
                upper = Some(upper.map_or(above, |upper| upper.min(above)));
            }
        }
        Ok(Self(lower, upper))
    }
}

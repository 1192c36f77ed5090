//! Matrices of two axes: which cell a pair of exact ratios falls into.

use std::collections::{BTreeMap, BTreeSet};

use feed::Value;
use feed::calculation::{Axis, LookUpMethod, LookingUp};
use feed::number::{self, ArithmeticError};
use rust_decimal::Decimal;

use super::{Place, Row, Rows, each, key};
use crate::error::CalculateError;

/// The status of a row whose cell was found.
const OK: &str = "OK";

pub(super) fn look_up<'r>(
    look_up: &'r LookingUp,
    cells: &[Row],
    rows: Rows<'r>,
    place: Place<'r>,
) -> Result<Rows<'r>, CalculateError> {
    let matrices = matrices(look_up, cells)?;
    Ok(each(rows, move |mut row| {
        let none = || CalculateError::Reference {
            detail: format!("`{}` has no matrix for {}", look_up.table, place.of(&row)),
        };
        let key = key(&row, look_up.on.iter().map(|(_, ours)| *ours)).ok_or_else(none)?;
        let matrix = matrices.get(&key).ok_or_else(none)?;
        let (value, status) = match matrix.find(look_up, &row, place)? {
            Ok(value) => (value, OK),
            Err(status) => (look_up.otherwise, status),
        };
        row.push(Value::Decimal(value));
        if look_up.status {
            row.push(Value::Text(status.to_owned()));
        }
        Ok(Some(row))
    }))
}

#[derive(Default)]
struct Matrix {
    y: BTreeSet<Decimal>,
    x: BTreeSet<Decimal>,
    cells: BTreeMap<(Decimal, Decimal), Decimal>,
}

fn matrices(look_up: &LookingUp, cells: &[Row]) -> Result<BTreeMap<Vec<Value>, Matrix>, CalculateError> {
    let mut matrices: BTreeMap<Vec<Value>, Matrix> = BTreeMap::new();
    for row in cells {
        let number = |at: usize| row.get(at).and_then(Value::number);
        let all = (number(look_up.y.from), number(look_up.x.from), number(look_up.value));
        let key = key(row, look_up.on.iter().map(|(theirs, _)| *theirs));
        let (Some(key), (Some(y), Some(x), Some(value))) = (key, all) else { continue };
        let matrix = matrices.entry(key).or_default();
        matrix.y.insert(y);
        matrix.x.insert(x);
        if matrix.cells.insert((y, x), value).is_some_and(|other| other != value) {
            return Err(CalculateError::Reference {
                detail: format!("`{}` has two values for the cell {y}, {x}", look_up.table),
            });
        }
    }
    Ok(matrices)
}

/// A ratio that is never divided.
struct Argument {
    above: Decimal,
    below: Decimal,
}

impl Argument {
    /// The argument of an axis, or the status of a row that has none.
    fn of<'x>(
        axis: &'x Axis,
        row: &[Value],
        place: Place<'_>,
    ) -> Result<Result<Self, &'x str>, CalculateError> {
        let above = place.evaluate(&axis.value, row)?.number();
        let below = match &axis.by {
            None => Some(Decimal::ONE),
            Some(by) => place.evaluate(by, row)?.number(),
        };
        Ok(match (above, below) {
            (_, Some(below)) if below.is_zero() => Err(&axis.zero),
            (Some(above), Some(below)) => Ok(Self { above, below }),
            _ => Err(&axis.missing),
        })
    }

    /// The axis value it falls to; none below the first one.
    fn on(&self, axis: &BTreeSet<Decimal>, method: LookUpMethod) -> Result<Option<Decimal>, ArithmeticError> {
        let mut found = None;
        for value in axis {
            let from = match (method, found) {
                (LookUpMethod::Floor, _) => *value,
                (LookUpMethod::Nearest, None) => {
                    found = Some(*value);
                    continue;
                }
                // From beyond the middle on the greater one is nearer.
                (LookUpMethod::Nearest, Some(last)) => {
                    number::divide(number::add(last, *value)?, Decimal::TWO)?
                }
            };
            let order = number::compare_ratio(self.above, self.below, from)?;
            let reached = if method == LookUpMethod::Floor { order.is_ge() } else { order.is_gt() };
            if !reached {
                break;
            }
            found = Some(*value);
        }
        Ok(found)
    }
}

impl Matrix {
    /// The value for a row, or the status of a row without one.
    fn find<'x>(
        &self,
        look_up: &'x LookingUp,
        row: &[Value],
        place: Place<'_>,
    ) -> Result<Result<Decimal, &'x str>, CalculateError> {
        let arguments = (Argument::of(&look_up.y, row, place)?, Argument::of(&look_up.x, row, place)?);
        let (y, x) = match arguments {
            (Ok(y), Ok(x)) => (y, x),
            (Err(status), _) | (_, Err(status)) => return Ok(Err(status)),
        };
        let failed = |error| CalculateError::arithmetic(error, &place.of(row));
        let Some(y) = y.on(&self.y, look_up.method).map_err(failed)? else {
            return Ok(Err(&look_up.y.below));
        };
        let Some(x) = x.on(&self.x, look_up.method).map_err(failed)? else {
            return Ok(Err(&look_up.x.below));
        };
        self.cells.get(&(y, x)).copied().map(Ok).ok_or_else(|| CalculateError::Reference {
            detail: format!("`{}` has no value for the cell {y}, {x}, in {}", look_up.table, place.of(row)),
        })
    }
}

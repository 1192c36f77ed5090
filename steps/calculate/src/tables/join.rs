//! Columns of the matching row of another table: equal keys, the latest before
//! a bound, with at least so much.

use std::borrow::Cow;
use std::cmp::Ordering;

use feed::Value;
use feed::calculation::{Join, Missing, Uses};

use super::{Place, Row, Rows, each, picked};
use crate::error::CalculateError;

pub(super) fn join<'r>(join: &'r Join, other: Cow<'r, [Row]>, rows: Rows<'r>, place: Place<'r>) -> Rows<'r> {
    let mut matches = Matches::of(join, other);
    each(rows, move |mut row| {
        let found = matches.find(&row, place)?;
        match (found, join.missing) {
            (Some(taken), _) => row.extend(taken),
            (None, Missing::Null) => row.extend(join.take.iter().map(|_| Value::Null)),
            (None, Missing::Drop) => return Ok(None),
            (None, Missing::Error) => {
                return Err(CalculateError::Reference {
                    detail: format!("nothing in `{}` matches {}", join.table, place.of(&row)),
                });
            }
        }
        Ok(Some(row))
    })
}

/// The other table's rows in the order of their keys, of equal ones earliest
/// first. Positions only: a table of many rows has about as many keys.
struct Matches<'r> {
    join: &'r Join,
    other: Cow<'r, [Row]>,
    ordered: Vec<usize>,
    used: Vec<bool>,
}

impl<'r> Matches<'r> {
    fn of(join: &'r Join, other: Cow<'r, [Row]>) -> Self {
        let there = |at: usize, row: &Row| row.get(at).is_some_and(|value| !value.is_null());
        let has_all = |row: &Row| {
            join.on.iter().all(|(theirs, _)| there(*theirs, row))
                && join.latest.is_none_or(|(at, _)| there(at, row))
        };
        let rows = other.iter().enumerate();
        let mut ordered: Vec<usize> = rows.filter(|(_, row)| has_all(row)).map(|(index, _)| index).collect();
        // Stable: of equal ones the last stays last.
        ordered.sort_by(|a, b| {
            let (a, b) = (other.get(*a).map(Vec::as_slice), other.get(*b).map(Vec::as_slice));
            let latest = join.latest.as_ref().map(|(at, _)| at);
            let columns = join.on.iter().map(|(theirs, _)| theirs).chain(latest);
            first_difference(columns.map(|at| compared(a, *at, b, *at)))
        });
        let used = vec![false; if join.uses == Uses::Once { other.len() } else { 0 }];
        Self { join, other, ordered, used }
    }

    /// Those with the key of a row; none when a part of it is null.
    fn with_key(&self, row: &[Value]) -> &[usize] {
        let join = self.join;
        if join.on.iter().any(|(_, ours)| row.get(*ours).is_none_or(Value::is_null)) {
            return &[];
        }
        let order = |index: usize| {
            let candidate = self.other.get(index).map(Vec::as_slice);
            first_difference(
                join.on.iter().map(|(theirs, ours)| compared(candidate, *theirs, Some(row), *ours)),
            )
        };
        let first = self.ordered.partition_point(|index| order(*index).is_lt());
        let rest = self.ordered.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|index| order(*index).is_eq())).unwrap_or_default()
    }

    fn find(&mut self, row: &[Value], place: Place<'_>) -> Result<Option<Row>, CalculateError> {
        let join = self.join;
        let indexes = self.with_key(row);
        if indexes.is_empty() {
            return Ok(None);
        }
        let least = match &join.at_least {
            None => None,
            Some((column, value)) => match place.evaluate(value, row)?.number() {
                None => return Ok(None),
                Some(least) => Some((*column, least)),
            },
        };
        let fits = |index: &usize| {
            let candidate = self.other.get(*index);
            let enough = least.is_none_or(|(column, least)| {
                let has = candidate.and_then(|row| row.get(column)?.number());
                has.is_some_and(|has| has >= least)
            });
            enough && (join.uses == Uses::Many || self.used.get(*index) == Some(&false))
        };
        let found = match join.latest {
            None => indexes.iter().copied().find(|index| fits(index)),
            Some((column, bound)) => {
                let until = match bound {
                    None => indexes.len(),
                    Some((at, included)) => {
                        let Some(bound) = row.get(at).filter(|bound| !bound.is_null()) else {
                            return Ok(None);
                        };
                        indexes.partition_point(|index| {
                            let candidate = self.other.get(*index).and_then(|row| row.get(column));
                            let order = candidate.and_then(|candidate| candidate.compare(bound));
                            order.is_some_and(|order| if included { order.is_le() } else { order.is_lt() })
                        })
                    }
                };
                indexes.iter().take(until).rev().copied().find(|index| fits(index))
            }
        };
        let Some(index) = found else { return Ok(None) };
        if let Some(used) = self.used.get_mut(index) {
            *used = true;
        }
        Ok(self.other.get(index).map(|row| picked(row, &join.take)))
    }
}

/// How two values stand that are both there and of one kind, or both numbers.
fn compared(a: Option<&[Value]>, at: usize, b: Option<&[Value]>, other: usize) -> Ordering {
    let values = a.and_then(|row| row.get(at)).zip(b.and_then(|row| row.get(other)));
    values.and_then(|(a, b)| a.compare(b)).unwrap_or(Ordering::Equal)
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

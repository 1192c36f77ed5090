//! Columns of the matching row of another table: equal keys, the latest before
//! a bound, with at least so much.

use std::borrow::Cow;
use std::collections::BTreeMap;

use feed::Value;
use feed::calculation::{Join, Missing, Uses};

use super::{Place, Row, Rows, each, key, picked};
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

/// The other table's rows by their keys, earliest first.
struct Matches<'r> {
    join: &'r Join,
    other: Cow<'r, [Row]>,
    by_key: BTreeMap<Vec<Value>, Vec<usize>>,
    used: Vec<bool>,
}

impl<'r> Matches<'r> {
    fn of(join: &'r Join, other: Cow<'r, [Row]>) -> Self {
        let mut by_key: BTreeMap<Vec<Value>, Vec<usize>> = BTreeMap::new();
        for (index, row) in other.iter().enumerate() {
            let dated = join.latest.is_none_or(|(at, _)| row.get(at).is_some_and(|value| !value.is_null()));
            if let Some(key) = key(row, join.on.iter().map(|(theirs, _)| *theirs))
                && dated
            {
                by_key.entry(key).or_default().push(index);
            }
        }
        if let Some((at, _)) = join.latest {
            for indexes in by_key.values_mut() {
                // Stable: of equal ones the last stays last.
                indexes.sort_by(|a, b| {
                    let value = |index: &usize| other.get(*index).and_then(|row| row.get(at));
                    value(a).cmp(&value(b))
                });
            }
        }
        let used = vec![false; other.len()];
        Self { join, other, by_key, used }
    }

    fn find(&mut self, row: &[Value], place: Place<'_>) -> Result<Option<Row>, CalculateError> {
        let join = self.join;
        let Some(key) = key(row, join.on.iter().map(|(_, ours)| *ours)) else { return Ok(None) };
        let Some(indexes) = self.by_key.get(&key) else { return Ok(None) };
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

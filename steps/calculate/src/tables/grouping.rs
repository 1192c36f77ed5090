//! Groups of a table, and orders.

use std::collections::BTreeMap;

use feed::Value;
use feed::calculation::Grouping;
use feed::measure::Budget;
use feed::spec::Outcome;

use super::{Place, Row, Rows, from, partition, picked};
use crate::error::CalculateError;
use crate::groups::Group;

/// One row for each group, in the order of the groups' columns.
pub(super) fn group<'r>(
    group: &Grouping,
    rows: Rows<'_>,
    place: Place<'_>,
) -> Result<Rows<'r>, CalculateError> {
    let measures = &group.measures;
    let mut budget = Budget::default();
    let mut groups: BTreeMap<Vec<Value>, Group> = BTreeMap::new();
    if group.by.is_empty() {
        let tallies = measures.tallies(&mut budget).map_err(|error| CalculateError::measure(&error, ""))?;
        groups.insert(vec![], Group::new(vec![], tallies));
    }
    for row in rows {
        let row = row?;
        let failed = |error| CalculateError::measure(&error, &place.of(&row));
        let key = partition(&row, &group.by);
        if !groups.contains_key(&key) {
            let tallies = measures.tallies(&mut budget).map_err(failed)?;
            groups.insert(key.clone(), Group::new(picked(&row, &group.by), tallies));
        }
        if let Some(found) = groups.get_mut(&key) {
            found.lengthen(group.by.iter().filter_map(|at| row.get(*at)));
            measures.add(&mut found.tallies, Outcome::Accept, &row, &mut budget).map_err(failed)?;
        }
    }
    let finished: Result<Vec<Row>, CalculateError> = groups
        .into_values()
        .map(|Group { columns: mut row, tallies }| {
            let results = measures.results(&tallies);
            let results = results.map_err(|error| CalculateError::measure(&error, &place.of(&row)))?;
            row.extend(results);
            Ok(row)
        })
        .collect();
    finished.map(from)
}

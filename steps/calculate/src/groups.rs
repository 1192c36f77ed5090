//! One pass over the rows: a set of tallies for each group.

use std::collections::BTreeMap;
use std::io::BufRead;

use feed::measure::{Budget, Measures, Tally};
use feed::number::Sum;
use feed::rows::RowReader;
use feed::{FeedSpec, Value};
use rust_decimal::Decimal;

use crate::error::CalculateError;
use crate::period::Period;

/// The groups of a feed with what their measures hold.
pub(crate) struct Groups<'s> {
    spec: &'s FeedSpec,
    pub(crate) measures: Measures,
    pub(crate) by_key: BTreeMap<Vec<Value>, Vec<Tally>>,
    period: Period<'s>,
}

impl<'s> Groups<'s> {
    /// Reads all rows.
    pub(crate) fn of(spec: &'s FeedSpec, rows: impl BufRead) -> Result<Self, CalculateError> {
        let unfit = |detail: String| CalculateError::Spec { detail };
        let mut reader = RowReader::new(rows).map_err(CalculateError::rows)?;
        let layout = spec.layout().map_err(unfit)?;
        if reader.header().layout() != layout || reader.header().feed != spec.feed {
            return Err(unfit(format!(
                "the stored rows are of feed `{}` with other columns than the spec of `{}` has; run the parse step with this spec",
                reader.header().feed,
                spec.feed
            )));
        }
        let measures = Measures::compile(spec, &layout).map_err(unfit)?;
        let keys: Vec<usize> = spec
            .figures
            .group_by
            .iter()
            .filter_map(|name| layout.find(name).map(|(index, _)| index))
            .collect();
        let mut groups = Self { spec, measures, by_key: BTreeMap::new(), period: Period::new(spec, &layout) };
        let mut budget = Budget::default();
        if keys.is_empty() {
            // Without group columns there is one group, also of no rows.
            groups.group(&[], &mut budget)?;
        }
        let mut row = Vec::new();
        let mut key: Vec<Value> = Vec::with_capacity(keys.len());
        while let Some(index) = reader.read(&mut row).map_err(CalculateError::rows)? {
            let Some(outcome) = reader.outcome(index).map(|outcome| outcome.outcome) else { continue };
            if !groups.measures.includes(outcome, &row) {
                continue;
            }
            groups.period.see(&row);
            key.clear();
            key.extend(keys.iter().map(|index| match row.get(*index) {
                // 1.5 and 1.50 are one group, whichever came first.
                Some(Value::Decimal(number)) => Value::Decimal(number.normalize()),
                value => value.cloned().unwrap_or_default(),
            }));
            groups.add(&key, outcome, &row, &mut budget)?;
        }
        Ok(groups)
    }

    fn group(&mut self, key: &[Value], budget: &mut Budget) -> Result<(), CalculateError> {
        if !self.by_key.contains_key(key) {
            let tallies =
                self.measures.tallies(budget).map_err(|error| CalculateError::measure(&error, ""))?;
            self.by_key.insert(key.to_vec(), tallies);
        }
        Ok(())
    }

    fn add(
        &mut self,
        key: &[Value],
        outcome: feed::spec::Outcome,
        row: &[Value],
        budget: &mut Budget,
    ) -> Result<(), CalculateError> {
        self.group(key, budget)?;
        let Some(tallies) = self.by_key.get_mut(key) else { return Ok(()) };
        let added = self.measures.add(tallies, outcome, row, budget);
        added.map_err(|error| CalculateError::measure(&error, &self.describe(key)))
    }

    /// A group, for messages.
    pub(crate) fn describe(&self, key: &[Value]) -> String {
        if key.is_empty() {
            return "the whole feed".to_owned();
        }
        let parts: Vec<String> = self
            .spec
            .figures
            .group_by
            .iter()
            .zip(key)
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        format!("the group {}", parts.join(", "))
    }

    /// The business period of the rows.
    pub(crate) fn period(&self) -> Result<String, CalculateError> {
        self.period.name()
    }

    /// The groups' control measures must be what they are over all rows at once.
    pub(crate) fn check_control(&self, wanted: &BTreeMap<String, String>) -> Result<(), CalculateError> {
        let mismatch = |detail: String| Err(CalculateError::ControlMismatch { detail });
        let names = &self.spec.figures.control;
        if let Some(name) = wanted.keys().find(|name| !names.contains(name)) {
            return mismatch(format!("`{name}` was reconciled, but is not a control measure of the spec"));
        }
        for name in names {
            let mut sum = Sum::default();
            for (key, tallies) in &self.by_key {
                let part = self.measures.exact(name, tallies).unwrap_or_default();
                sum.merge(part).map_err(|error| CalculateError::Overflow {
                    detail: format!("control measure `{name}`: {error}, in {}", self.describe(key)),
                })?;
            }
            let found = sum.value().map_err(|error| CalculateError::Overflow {
                detail: format!("control measure `{name}`: {error}"),
            })?;
            let expected = wanted.get(name).and_then(|text| text.parse::<Decimal>().ok());
            if expected != Some(found) {
                return mismatch(format!(
                    "`{name}` is {found} over all groups, but {} over all rows; do not deliver, report this as a defect",
                    wanted.get(name).map_or("missing", String::as_str)
                ));
            }
        }
        Ok(())
    }
}

//! One pass over the rows, of the feed or of a table: a set of tallies for each group.

use std::collections::BTreeMap;
use std::io::BufRead;

use feed::measure::{Budget, Measures, Tally};
use feed::number::Sum;
use feed::rows::RowReader;
use feed::spec::Outcome;
use feed::{FeedSpec, Layout, Value};
use rust_decimal::Decimal;

use crate::error::CalculateError;
use crate::period::Period;
use crate::tables::{Row, partition, picked};

/// One group: its columns as they are written, and what its measures hold.
pub(crate) struct Group {
    pub(crate) columns: Vec<Value>,
    pub(crate) tallies: Vec<Tally>,
}

impl Group {
    pub(crate) fn new(columns: Vec<Value>, tallies: Vec<Tally>) -> Self {
        Self { columns, tallies }
    }

    /// 1.5 and 1.50 are one group: the longer one is written, whichever came first.
    pub(crate) fn lengthen<'v>(&mut self, columns: impl Iterator<Item = &'v Value>) {
        for (shown, value) in self.columns.iter_mut().zip(columns) {
            if let (Value::Decimal(before), Value::Decimal(now)) = (&*shown, value)
                && now.scale() > before.scale()
            {
                *shown = value.clone();
            }
        }
    }
}

/// The groups of a feed with what their measures hold.
pub(crate) struct Groups<'s> {
    spec: &'s FeedSpec,
    pub(crate) measures: Measures,
    pub(crate) by_key: BTreeMap<Vec<Value>, Group>,
    period: Period<'s>,
    /// Positions of the group columns.
    keys: Vec<usize>,
    budget: Budget,
}

impl<'s> Groups<'s> {
    /// Measures the feed's stored rows.
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
        let mut groups = Self::new(spec, &layout, &spec.figures.group_by)?;
        let mut row = Vec::new();
        while let Some(index) = reader.read(&mut row).map_err(CalculateError::rows)? {
            if let Some(outcome) = reader.outcome(index).map(|outcome| outcome.outcome) {
                groups.see(outcome, &row)?;
            }
        }
        Ok(groups)
    }

    /// Measures the rows of a calculated table, in groups of these columns.
    pub(crate) fn of_table(
        spec: &'s FeedSpec,
        layout: &Layout,
        rows: &[Row],
        group_by: &[String],
    ) -> Result<Self, CalculateError> {
        let mut groups = Self::new(spec, layout, group_by)?;
        for row in rows {
            groups.see(Outcome::Accept, row)?;
        }
        Ok(groups)
    }

    fn new(spec: &'s FeedSpec, layout: &Layout, group_by: &[String]) -> Result<Self, CalculateError> {
        let measures = Measures::compile(spec, layout).map_err(|detail| CalculateError::Spec { detail })?;
        let keys = group_by.iter().filter_map(|name| layout.find(name).map(|(index, _)| index)).collect();
        let period = Period::new(spec, layout);
        let budget = Budget::default();
        let mut groups = Self { spec, measures, keys, by_key: BTreeMap::new(), period, budget };
        if groups.keys.is_empty() {
            // Without group columns there is one group, also of no rows.
            groups.group(&[], &[])?;
        }
        Ok(groups)
    }

    fn see(&mut self, outcome: Outcome, row: &[Value]) -> Result<(), CalculateError> {
        if !self.measures.includes(outcome, row) {
            return Ok(());
        }
        self.period.see(row);
        let key = partition(row, &self.keys);
        self.group(&key, row)?;
        let Some(group) = self.by_key.get_mut(&key) else { return Ok(()) };
        group.lengthen(self.keys.iter().filter_map(|at| row.get(*at)));
        let added = self.measures.add(&mut group.tallies, outcome, row, &mut self.budget);
        added.map_err(|error| CalculateError::measure(&error, &self.describe(&key)))
    }

    fn group(&mut self, key: &[Value], row: &[Value]) -> Result<(), CalculateError> {
        if !self.by_key.contains_key(key) {
            let tallies = self.measures.tallies(&mut self.budget);
            let tallies = tallies.map_err(|error| CalculateError::measure(&error, ""))?;
            self.by_key.insert(key.to_vec(), Group::new(picked(row, &self.keys), tallies));
        }
        Ok(())
    }

    /// The control measures over all rows at once: of groups that are one.
    pub(crate) fn control(&self) -> Result<BTreeMap<String, String>, CalculateError> {
        let tallies = self.by_key.values().next().map_or(&[][..], |group| &group.tallies);
        let names = self.spec.figures.control.iter();
        names
            .map(|name| {
                let sum = self.measures.exact(name, tallies).unwrap_or_default().value();
                let sum = sum.map_err(|error| CalculateError::Overflow {
                    detail: format!("control measure `{name}`: {error}"),
                })?;
                Ok((name.clone(), sum.to_string()))
            })
            .collect()
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
            for (key, group) in &self.by_key {
                let part = self.measures.exact(name, &group.tallies).unwrap_or_default();
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

//! One pass over the rows, of the feed or of a table: a set of tallies for each group.

use std::collections::BTreeMap;
use std::io::BufRead;

use feed::measure::{Budget, Measures, Tally};
use feed::number::Sum;
use feed::rows::RowReader;
use feed::spec::{Measure, Outcome};
use feed::{FeedSpec, Layout, Value};
use rust_decimal::Decimal;

use crate::error::CalculateError;
use crate::period::{Period, Within};
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
    /// The group columns, and where they are.
    by: Vec<&'s str>,
    keys: Vec<usize>,
    budget: Budget,
}

impl<'s> Groups<'s> {
    fn new(
        spec: &'s FeedSpec,
        layout: &Layout,
        by: Vec<&'s str>,
        measures: &[Measure],
    ) -> Result<Self, CalculateError> {
        let scope = spec.figures.r#where.as_ref();
        let measures = Measures::of(measures, scope, spec.figures.rounding, layout)
            .map_err(|detail| CalculateError::Spec { detail })?;
        let keys = by.iter().filter_map(|name| layout.find(name).map(|(index, _)| index)).collect();
        let period = Period::new(spec, layout);
        let budget = Budget::default();
        let mut groups = Self { spec, measures, keys, by, by_key: BTreeMap::new(), period, budget };
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

    /// A group, for messages.
    pub(crate) fn describe(&self, key: &[Value]) -> String {
        if key.is_empty() {
            return "the whole feed".to_owned();
        }
        let parts: Vec<String> =
            self.by.iter().zip(key).map(|(name, value)| format!("{name} = {value}")).collect();
        format!("the group {}", parts.join(", "))
    }

    /// The business period of the rows.
    pub(crate) fn period(&self) -> Result<String, CalculateError> {
        self.period.name()
    }

    /// The control measures added up over all groups, by the names of their totals.
    fn control(&self) -> Result<BTreeMap<String, Decimal>, CalculateError> {
        let figures = &self.spec.figures;
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        if figures.control_by.is_none() {
            // There is a total also of no groups.
            sums.extend(figures.control.iter().map(|name| (name.clone(), Sum::default())));
        }
        let by = figures.control_by.as_deref();
        let at = by.and_then(|by| self.by.iter().position(|name| *name == by));
        for (key, group) in &self.by_key {
            let value = at.and_then(|at| group.columns.get(at));
            for name in &figures.control {
                let part = self.measures.exact(name, &group.tallies).unwrap_or_default();
                let total = sums.entry(figures.total_name(name, value)).or_default();
                total.merge(part).map_err(|error| CalculateError::Overflow {
                    detail: format!("control measure `{name}`: {error}, in {}", self.describe(key)),
                })?;
            }
        }
        let value = |(name, sum): (String, Sum)| match sum.value() {
            Ok(value) => Ok((name, value)),
            Err(error) => {
                Err(CalculateError::Overflow { detail: format!("control measure `{name}`: {error}") })
            }
        };
        sums.into_iter().map(value).collect()
    }
}

/// The groups of the figures, and beside them what they are compared with: the
/// control measures over the same rows, and over the rows of all periods.
pub(crate) struct Measured<'s> {
    spec: &'s FeedSpec,
    within: Option<Within>,
    figures: Groups<'s>,
    alike: Option<Groups<'s>>,
    whole: Option<Groups<'s>>,
}

impl<'s> Measured<'s> {
    /// Measures the feed's stored rows. Their control measures, of all periods,
    /// must be the `reconciled` ones.
    pub(crate) fn rows(
        spec: &'s FeedSpec,
        period: Option<&str>,
        rows: impl BufRead,
        reconciled: &BTreeMap<String, String>,
    ) -> Result<Groups<'s>, CalculateError> {
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
        let mut measured = Self::new(spec, &layout, period)?;
        if measured.within.is_some() {
            measured.alike = Some(control_groups(spec, &layout)?);
            measured.whole = Some(control_groups(spec, &layout)?);
        }
        let mut row = Vec::new();
        while let Some(index) = reader.read(&mut row).map_err(CalculateError::rows)? {
            if let Some(outcome) = reader.outcome(index).map(|outcome| outcome.outcome) {
                measured.see(outcome, &row)?;
            }
        }
        let whole = measured.whole.as_ref().unwrap_or(&measured.figures);
        check_control(spec, &whole.control()?, reconciled)?;
        measured.checked()
    }

    /// Measures the rows of a calculated table.
    pub(crate) fn table(
        spec: &'s FeedSpec,
        period: Option<&str>,
        layout: &Layout,
        rows: &[Row],
    ) -> Result<Groups<'s>, CalculateError> {
        let mut measured = Self::new(spec, layout, period)?;
        measured.alike = Some(control_groups(spec, layout)?);
        for row in rows {
            measured.see(Outcome::Accept, row)?;
        }
        measured.checked()
    }

    fn new(spec: &'s FeedSpec, layout: &Layout, period: Option<&str>) -> Result<Self, CalculateError> {
        let within = period.map(|period| Within::of(spec, layout, period)).transpose()?;
        let by = spec.figures.group_by.iter().map(String::as_str).collect();
        let figures = Groups::new(spec, layout, by, &spec.measures)?;
        Ok(Self { spec, within, figures, alike: None, whole: None })
    }

    fn see(&mut self, outcome: Outcome, row: &[Value]) -> Result<(), CalculateError> {
        if let Some(whole) = &mut self.whole {
            whole.see(outcome, row)?;
        }
        if self.within.as_ref().is_some_and(|within| !within.holds(row)) {
            return Ok(());
        }
        if let Some(alike) = &mut self.alike {
            alike.see(outcome, row)?;
        }
        self.figures.see(outcome, row)
    }

    /// The groups, whose control measures add up to those of the same rows.
    fn checked(self) -> Result<Groups<'s>, CalculateError> {
        if let Some(alike) = &self.alike {
            let wanted = alike.control()?.into_iter().map(|(name, total)| (name, total.to_string()));
            check_control(self.spec, &self.figures.control()?, &wanted.collect())?;
        }
        Ok(self.figures)
    }
}

/// Groups of nothing but what control totals are told apart by.
fn control_groups<'s>(spec: &'s FeedSpec, layout: &Layout) -> Result<Groups<'s>, CalculateError> {
    let is_control = |measure: &&Measure| spec.figures.control.contains(&measure.name);
    let measures: Vec<Measure> = spec.measures.iter().filter(is_control).cloned().collect();
    Groups::new(spec, layout, spec.figures.control_by.as_deref().into_iter().collect(), &measures)
}

/// The groups' control measures must be what they are over all rows at once.
fn check_control(
    spec: &FeedSpec,
    found: &BTreeMap<String, Decimal>,
    wanted: &BTreeMap<String, String>,
) -> Result<(), CalculateError> {
    let mismatch = |detail: String| Err(CalculateError::ControlMismatch { detail });
    let names = &spec.figures.control;
    if let Some(name) = wanted.keys().find(|name| !names.iter().any(|known| known == measure_of(name))) {
        return mismatch(format!("`{name}` was reconciled, but is not a control measure of the spec"));
    }
    // A part that only one side has rows of is nothing on the other.
    let nothing = || spec.figures.control_by.as_ref().map(|_| Decimal::ZERO);
    for name in found.keys().chain(wanted.keys()) {
        let is = found.get(name).copied().or_else(nothing);
        let expected = match wanted.get(name) {
            Some(text) => text.parse::<Decimal>().ok(),
            None => nothing(),
        };
        if expected.is_none() || expected != is {
            return mismatch(format!(
                "`{name}` is {} over all groups, but {} over all rows; do not deliver, report this as a defect",
                is.map_or_else(|| "missing".to_owned(), |is| is.to_string()),
                wanted.get(name).map_or("missing", String::as_str)
            ));
        }
    }
    Ok(())
}

/// The measure of a total's name.
fn measure_of(name: &str) -> &str {
    name.split_once('[').map_or(name, |(measure, _)| measure)
}

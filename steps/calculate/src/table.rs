//! The table of figures: columns, order and text exactly as the spec says.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Write};

use feed::number::Sum;
use feed::{FeedSpec, Value};

use crate::error::CalculateError;
use crate::groups::Groups;

/// Figures, ready to be written.
pub(crate) struct Table<'s> {
    spec: &'s FeedSpec,
    /// Group columns, then all measures.
    names: Vec<&'s str>,
    rows: Vec<Vec<Value>>,
}

impl<'s> Table<'s> {
    /// Finishes the measures of all groups and puts them into order.
    pub(crate) fn of(spec: &'s FeedSpec, groups: &Groups<'s>) -> Result<Self, CalculateError> {
        let mut names: Vec<&str> = spec.figures.group_by.iter().map(String::as_str).collect();
        names.extend(spec.measures.iter().map(|measure| measure.name.as_str()));
        let mut rows = Vec::with_capacity(groups.by_key.len());
        for (key, group) in &groups.by_key {
            let results = groups
                .measures
                .results(&group.tallies)
                .map_err(|error| CalculateError::measure(&error, &groups.describe(key)))?;
            let mut row = group.columns.clone();
            row.extend(results);
            rows.push(row);
        }
        let mut table = Self { spec, names, rows };
        table.sort();
        Ok(table)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// Groups are in the order of their keys already; that order stands where
    /// the spec's keys are equal.
    fn sort(&mut self) {
        let keys: Vec<(usize, bool)> = self
            .spec
            .figures
            .order_by
            .iter()
            .filter_map(|order| self.position(&order.by).map(|at| (at, order.descending)))
            .collect();
        self.rows.sort_by(|a, b| in_order(&keys, a, b));
    }

    /// Rows without the header.
    pub(crate) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Writes CSV: header, commas, LF, quotes only where needed.
    pub(crate) fn write(&self, to: impl Write) -> io::Result<()> {
        let columns = self.spec.output_columns();
        let places: Vec<Option<usize>> = columns.iter().map(|name| self.position(name)).collect();
        let keys = self.spec.figures.group_by.len();
        let mut csv = csv::Writer::from_writer(to);
        csv.write_record(&columns)?;
        for row in &self.rows {
            for place in &places {
                match place.and_then(|at| Some((at, row.get(at)?))) {
                    Some((at, Value::Null)) if at < keys => csv.write_field(&self.spec.figures.null_text)?,
                    Some((_, Value::Text(text))) => csv.write_field(text)?,
                    Some((_, value)) => csv.write_field(value.to_string())?,
                    None => csv.write_field("")?,
                }
            }
            csv.write_record(None::<&[u8]>)?;
        }
        csv.flush()
    }

    /// The sums of the control measures' figures as they are written.
    pub(crate) fn totals(&self) -> Result<BTreeMap<String, String>, CalculateError> {
        let figures = &self.spec.figures;
        let mut totals: BTreeMap<String, Sum> = BTreeMap::new();
        if figures.control_by.is_none() {
            totals.extend(figures.control.iter().map(|name| (name.clone(), Sum::default())));
        }
        let by = figures.control_by.as_deref().and_then(|by| self.position(by));
        for name in &figures.control {
            let at = self.position(name);
            for row in &self.rows {
                let total = figures.total_name(name, by.and_then(|by| row.get(by)));
                let number = at.and_then(|at| row.get(at)?.number()).unwrap_or_default();
                let sum = totals.entry(total).or_default();
                sum.add(number).map_err(|error| overflow(name, error))?;
            }
        }
        let text = |(name, sum): (String, Sum)| match sum.value() {
            Ok(value) => Ok((name, value.to_string())),
            Err(error) => Err(overflow(&name, error)),
        };
        totals.into_iter().map(text).collect()
    }
}

fn overflow(name: &str, error: feed::number::ArithmeticError) -> CalculateError {
    CalculateError::Overflow { detail: format!("total of `{name}`: {error}") }
}

/// How two rows stand by these columns, some of them largest first.
pub(crate) fn in_order(keys: &[(usize, bool)], a: &[Value], b: &[Value]) -> Ordering {
    keys.iter()
        .map(|(at, descending)| {
            let order = a.get(*at).cmp(&b.get(*at));
            if *descending { order.reverse() } else { order }
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

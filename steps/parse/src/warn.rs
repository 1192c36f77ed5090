//! Warnings: rows that deserve a look and are not kept aside for it.

use std::collections::BTreeMap;

use feed::condition::Test;
use feed::spec::Warning;
use feed::{FeedSpec, Layout, Value, Warned};

use crate::sink::Place;

/// Most values that a warning about a steady rise remembers.
const VALUES_MAX: usize = 100_000;

/// The warnings of a spec while rows pass.
pub(crate) struct Warnings<'s> {
    rules: Vec<Rule<'s>>,
}

struct Rule<'s> {
    warning: &'s Warning,
    watch: Watch,
    warned: Warned,
}

enum Watch {
    Rows(Box<Test>),
    Steady(Steady),
}

/// Values by the groups in which they should rise.
struct Steady {
    column: usize,
    along: usize,
    within: Vec<usize>,
    groups: BTreeMap<Vec<Value>, Vec<(Value, Value, String)>>,
    count: usize,
}

impl<'s> Warnings<'s> {
    pub(crate) fn new(spec: &'s FeedSpec, layout: &Layout) -> Result<Self, String> {
        let find = |name: &str| {
            layout.find(name).map(|(index, _)| index).ok_or_else(|| format!("there is no column `{name}`"))
        };
        let mut rules = Vec::with_capacity(spec.warnings.len());
        for warning in spec.warnings.iter().filter(|warning| warning.table.is_none()) {
            let watch = match (&warning.when, &warning.steady) {
                (Some(condition), _) => Watch::Rows(Box::new(condition.compile(layout)?)),
                (None, Some(steady)) => Watch::Steady(Steady {
                    column: find(&steady.column)?,
                    along: find(&steady.along)?,
                    within: steady.within.iter().map(|name| find(name)).collect::<Result<_, _>>()?,
                    groups: BTreeMap::new(),
                    count: 0,
                }),
                (None, None) => continue,
            };
            rules.push(Rule { warning, watch, warned: Warned::default() });
        }
        Ok(Self { rules })
    }

    /// Looks at a row that was not rejected.
    pub(crate) fn row(&mut self, file: &str, place: Place, row: &[Value]) {
        for rule in &mut self.rules {
            match &mut rule.watch {
                Watch::Rows(test) if test.holds(row) => {
                    let reason = rule.warning.reason.as_deref().unwrap_or("a warning of the spec applies");
                    rule.warned.note(|| format!("{file}, line {}: {reason}", place.line));
                }
                Watch::Rows(_) => {}
                Watch::Steady(steady) => steady.row(file, place, row),
            }
        }
    }

    /// The warnings that applied, by code.
    pub(crate) fn finish(self) -> BTreeMap<String, Warned> {
        let mut found = BTreeMap::new();
        for mut rule in self.rules {
            if let Watch::Steady(steady) = rule.watch {
                let reason = rule.warning.reason.as_deref().unwrap_or("the value falls");
                steady.finish(reason, &mut rule.warned);
            }
            if rule.warned.rows > 0 {
                found.insert(rule.warning.code.clone(), rule.warned);
            }
        }
        found
    }
}

/// Counting what a warning is about.
trait Note {
    fn note(&mut self, first: impl FnOnce() -> String);
}

impl Note for Warned {
    fn note(&mut self, first: impl FnOnce() -> String) {
        if self.rows == 0 {
            self.first = first();
        }
        self.rows += 1;
    }
}

impl Steady {
    fn row(&mut self, file: &str, place: Place, row: &[Value]) {
        let value = |index: usize| row.get(index).cloned().unwrap_or_default();
        let (along, compared) = (value(self.along), value(self.column));
        if along.is_null() || compared.is_null() {
            return;
        }
        self.count += 1;
        if self.count <= VALUES_MAX {
            let group = self.within.iter().map(|index| value(*index)).collect();
            let place = format!("{file}, line {}", place.line);
            self.groups.entry(group).or_default().push((along, compared, place));
        }
    }

    fn finish(self, reason: &str, warned: &mut Warned) {
        for values in self.groups.into_values() {
            let mut values = values;
            values.sort_by(|a, b| a.0.cmp(&b.0));
            for pair in values.windows(2) {
                if let [(_, before, _), (along, value, place)] = pair
                    && value < before
                {
                    warned.note(|| format!("{place}: {reason} ({value} at {along}, after {before})"));
                }
            }
        }
        if self.count > VALUES_MAX {
            let left = self.count - VALUES_MAX;
            warned.note(|| format!("only the first {VALUES_MAX} rows were compared; {left} were not"));
        }
    }
}

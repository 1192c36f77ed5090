//! What the types cannot say: names that must exist, fields that belong
//! together, operations that make sense.

use rust_decimal::Decimal;

use super::document::Node;
use super::error::Problem;
use super::{Delivery, FeedSpec, FiguresTable, OrderBy, RejectPolicy, Rounding, suggest};
use crate::calculation::{Plan, ROWS};
use crate::number::ROUND_PLACES_MAX;
use crate::rejects::RejectCode;
use crate::value::{Kind, Layout};

pub(crate) mod measures;
mod source;
mod store;

/// Longest name of a feed, column or measure.
const NAME_CHARS_MAX: usize = 64;

/// Most columns, measures or rules of a spec: far above any real feed, low
/// enough that work and memory per row stay bounded.
pub(crate) const ITEMS_MAX: usize = 1000;

/// A mistake at a field; its place is looked up afterwards.
#[derive(Debug)]
pub struct Finding {
    pub(crate) field: String,
    pub(crate) message: String,
    allowed: Vec<String>,
    suggestion: Option<String>,
}

impl Finding {
    /// A mistake at a field such as `measures[2].column`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), allowed: vec![], suggestion: None }
    }

    /// A name that does not exist, and those that do.
    pub fn unknown(field: impl Into<String>, what: &str, name: &str, known: &[&str]) -> Self {
        Self {
            allowed: known.iter().map(|&name| name.to_owned()).collect(),
            suggestion: suggest::closest(name, known).map(str::to_owned),
            ..Self::new(field, format!("there is no {what} `{name}`"))
        }
    }

    pub(super) fn locate(self, document: &Node) -> Problem {
        Problem {
            span: document.span_of(&self.field),
            field: self.field,
            message: self.message,
            allowed: self.allowed,
            suggestion: self.suggestion,
        }
    }
}

/// What is wrong with a rounding.
pub(crate) fn rounding_places(at: &str, rounding: Rounding) -> Option<Finding> {
    let too_many = rounding.places > ROUND_PLACES_MAX;
    too_many.then(|| Finding::new(format!("{at}.places"), format!("at most {ROUND_PLACES_MAX} places")))
}

/// What is wrong with a name of a column, measure or table.
pub(crate) fn well_formed(field: &str, name: &str) -> Option<Finding> {
    let fine = |c: char| c.is_alphanumeric() || c == '_';
    let bad = name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(fine);
    bad.then(|| Finding::new(field, "a name has 1 to 64 letters, digits and `_`"))
}

/// Everything that is wrong with a spec.
pub(super) fn check(spec: &FeedSpec) -> Vec<Finding> {
    let mut check = Check { spec, layout: Layout::default(), findings: vec![] };
    check.feed();
    check.source();
    check.columns();
    check.derived();
    check.rejects();
    check.triage();
    check.warnings();
    check.store();
    check.reference_periods();
    if !check.tables() {
        // What is calculated from broken tables would only repeat their mistakes.
        return check.findings;
    }
    check.measures();
    check.entries();
    // A feed of reference data ends with its rows.
    if !spec.measures.is_empty() {
        check.figures();
        check.delivery();
    }
    check.findings
}

struct Check<'s> {
    spec: &'s FeedSpec,
    layout: Layout,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding::new(field, message));
    }

    fn unknown(&mut self, field: impl Into<String>, what: &str, name: &str, known: &[&str]) {
        self.findings.push(Finding::unknown(field, what, name, known));
    }

    fn feed(&mut self) {
        let name = &self.spec.feed;
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(fine) {
            self.find("feed", "a feed's name has 1 to 64 lower-case letters, digits and `-`");
        }
    }

    fn derived(&mut self) {
        let spec = self.spec;
        for (index, derived) in spec.derive.iter().enumerate() {
            let at = format!("derive[{index}]");
            self.name(&at, &derived.name);
            let kind = match derived.value.compile(&self.layout) {
                Ok(formula) => formula.kind(),
                Err(message) => {
                    self.find(format!("{at}.value"), message);
                    Kind::Decimal
                }
            };
            self.layout.push(&derived.name, kind);
        }
    }

    /// A column's name: well formed and not taken.
    fn name(&mut self, at: &str, name: &str) {
        self.well_formed(at, name);
        if self.layout.find(name).is_some() {
            self.find(format!("{at}.name"), format!("there is already a column `{name}`"));
        }
    }

    fn well_formed(&mut self, at: &str, name: &str) {
        self.findings.extend(well_formed(&format!("{at}.name"), name));
    }

    fn rejects(&mut self) {
        let rejects = &self.spec.rejects;
        match (rejects.policy, rejects.percent) {
            (RejectPolicy::Threshold, None) => {
                self.find("rejects", "the policy `threshold` needs `percent`");
            }
            (RejectPolicy::Threshold, Some(percent))
                if percent.0 < Decimal::ZERO || percent.0 > Decimal::ONE_HUNDRED =>
            {
                self.find("rejects.percent", "a per cent between 0 and 100 is needed");
            }
            (RejectPolicy::Threshold, Some(_)) => {}
            (_, Some(_)) => self.find("rejects.percent", "`percent` belongs to the policy `threshold`"),
            _ => {}
        }
    }

    fn triage(&mut self) {
        let spec = self.spec;
        if spec.triage.len() > ITEMS_MAX {
            self.find("triage", format!("a feed has at most {ITEMS_MAX} rules"));
        }
        let fine = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        for (index, rule) in spec.triage.iter().enumerate() {
            let at = format!("triage[{index}]");
            if rule.code.is_empty() || rule.code.len() > NAME_CHARS_MAX || !rule.code.chars().all(fine) {
                self.find(format!("{at}.code"), "a code has 1 to 64 capital letters, digits and `_`");
            } else if RejectCode::ALL.iter().any(|code| code.name() == rule.code) {
                self.find(format!("{at}.code"), format!("`{}` is a code of the parser", rule.code));
            }
            let same = spec.triage.iter().take(index).find(|other| other.code == rule.code);
            if same.is_some_and(|other| other.outcome != rule.outcome) {
                self.find(
                    format!("{at}.outcome"),
                    format!("another rule `{}` has a different outcome", rule.code),
                );
            }
            if let Err(message) = rule.when.compile(&self.layout) {
                self.find(format!("{at}.when"), message);
            }
        }
    }

    /// The calculated tables. From here on the layout is that of the table the
    /// figures are taken from.
    fn tables(&mut self) -> bool {
        match Plan::find(self.spec, &self.layout) {
            Ok(plan) => {
                let source = self.spec.figures.source();
                let Some(layout) = plan.layout(source) else {
                    let known: Vec<&str> = plan.names().collect();
                    self.unknown("figures.from", "table", source, &known);
                    return false;
                };
                self.layout = layout.clone();
                true
            }
            Err(findings) => {
                self.findings.extend(findings);
                false
            }
        }
    }

    fn measures(&mut self) {
        let spec = self.spec;
        let is_calculated = spec.figures != FiguresTable::default() || spec.delivery != Delivery::default();
        if spec.measures.is_empty() && is_calculated {
            self.find("measures", "figures need at least one measure");
        }
        let checked = measures::check(&measures::Context {
            at: "measures",
            measures: &spec.measures,
            group_by: &spec.figures.group_by,
            rounding: spec.figures.rounding,
            layout: &self.layout,
            of_rows: spec.figures.source() == ROWS,
        });
        self.findings.extend(checked);
    }

    fn rounding(&mut self, at: &str, rounding: Rounding) {
        self.findings.extend(rounding_places(at, rounding));
    }

    fn figures(&mut self) {
        let spec = self.spec;
        let figures = &spec.figures;
        let layout = self.layout.clone();
        let columns: Vec<&str> = layout.names().collect();
        for (index, name) in figures.group_by.iter().enumerate() {
            if layout.find(name).is_none() {
                self.unknown(format!("figures.group_by[{index}]"), "column", name, &columns);
            }
        }
        if let Some(condition) = &figures.r#where
            && let Err(message) = condition.compile(&layout)
        {
            self.find("figures.where", message);
        }
        if let Some(rounding) = figures.rounding {
            self.rounding("figures.rounding", rounding);
        }
        let mut outputs: Vec<&str> = figures.group_by.iter().map(String::as_str).collect();
        outputs.extend(spec.measures.iter().map(|measure| measure.name.as_str()));
        for (index, name) in figures.columns.iter().flatten().enumerate() {
            if !outputs.contains(&name.as_str()) {
                self.unknown(format!("figures.columns[{index}]"), "group column or measure", name, &outputs);
            }
        }
        if let Some(listed) = &figures.columns {
            for name in figures.group_by.iter().filter(|name| !listed.contains(name)) {
                self.find("figures.columns", format!("the group column `{name}` must be in the output"));
            }
            let mut sorted: Vec<&String> = listed.iter().collect();
            sorted.sort();
            if let Some([name, _]) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
                self.find("figures.columns", format!("`{name}` is in the output twice"));
            }
        }
        for (index, OrderBy { by, .. }) in figures.order_by.iter().enumerate() {
            if !outputs.contains(&by.as_str()) {
                self.unknown(
                    format!("figures.order_by[{index}].by"),
                    "group column or measure",
                    by,
                    &outputs,
                );
            }
        }
        self.control();
    }

    fn control(&mut self) {
        let spec = self.spec;
        if let Some(by) = &spec.figures.control_by {
            let known: Vec<&str> = spec.figures.group_by.iter().map(String::as_str).collect();
            match self.layout.find(by).filter(|_| known.contains(&by.as_str())) {
                None => self.unknown("figures.control_by", "group column", by, &known),
                Some((_, Kind::Text | Kind::Integer | Kind::Boolean)) => {}
                Some((_, kind)) => self.find(
                    "figures.control_by",
                    format!("column `{by}` is {kind}: totals are kept apart by texts, integers or booleans"),
                ),
            }
            if spec.figures.control.is_empty() {
                self.find("figures.control_by", "`control_by` belongs to `control`");
            }
        }
        let output = spec.output_columns();
        let additive: Vec<&str> = spec
            .measures
            .iter()
            .filter(|measure| measure.kind.is_additive())
            .map(|measure| measure.name.as_str())
            .collect();
        for (index, name) in spec.figures.control.iter().enumerate() {
            let at = format!("figures.control[{index}]");
            match spec.measure(name) {
                None => self.unknown(at, "measure", name, &additive),
                Some(measure) if !measure.kind.is_additive() => self
                    .find(at, format!("`{name}` is `{}`: only counts and sums add up", measure.kind.name())),
                Some(_) if !output.contains(&name.as_str()) => {
                    self.find(at, format!("`{name}` is not among the output's columns"));
                }
                Some(_) => {}
            }
        }
    }

    fn delivery(&mut self) {
        let delivery = &self.spec.delivery;
        match (&delivery.period, &delivery.period_from) {
            (Some(period), None) => {
                let fine = |c: char| c.is_ascii_alphanumeric() || "-/_.".contains(c);
                if period.is_empty() || period.len() > NAME_CHARS_MAX || !period.chars().all(fine) {
                    self.find("delivery.period", "a period is 1 to 64 letters, digits and `- / _ .`");
                }
                if delivery.period_unit.is_some() {
                    self.find("delivery.period_unit", "`period_unit` belongs to `period_from`");
                }
            }
            (None, Some(column)) => match self.layout.find(column) {
                None => {
                    let layout = self.layout.clone();
                    let known: Vec<&str> = layout.names().collect();
                    self.unknown("delivery.period_from", "column", column, &known);
                }
                Some((_, kind)) if kind.is_time() != delivery.period_unit.is_some() => {
                    let message = if kind.is_time() {
                        format!("column `{column}` is {kind}: `period_unit` is needed")
                    } else {
                        format!("column `{column}` is {kind}: `period_unit` is only for dates")
                    };
                    self.find("delivery", message);
                }
                Some((_, Kind::Decimal | Kind::Boolean)) => {
                    self.find("delivery.period_from", "a text, integer, date or timestamp column is needed");
                }
                Some(_) => {}
            },
            _ => self.find("delivery", "either `period` or `period_from` is needed"),
        }
    }
}

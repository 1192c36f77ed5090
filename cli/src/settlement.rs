//! What a run of several deliveries ends with, or one that took files in: what
//! became of the rows, what was delivered or kept, where the report is.
//!
//! Reads the workflow's output leniently, as `receipt` does. A settlement has a list
//! `deliveries`, an intake of reference data a list `revisions`; `loaded`, `totals`,
//! `period` and `report` are shown where they are.

use std::path::Path;

use serde_json::Value;

use crate::{
    data::DataDir,
    figures::Reference,
    receipt::{Frame, references, totals},
    terminal::{Ink, Paint},
    text::{count, duration, safe},
};

/// What `loaded` counts, in the words of people.
const LOADED: [(&str, &str); 6] = [
    ("rows", "new"),
    ("replaced", "replaced"),
    ("unchanged", "unchanged"),
    ("repeated", "repeated"),
    ("withdrawn", "withdrawn"),
    ("rejected", "rejected"),
];

/// The output of a workflow that settles a period, takes files in, or both.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    period: Option<String>,
    totals: Option<String>,
    deliveries: Vec<Value>,
    loaded: Vec<Value>,
    revisions: Vec<Value>,
    reports: Vec<Reference>,
}

impl Settlement {
    /// Reads an output; `None` if it is neither.
    pub(crate) fn of(output: &Value) -> Option<Self> {
        let list = |name: &str| output.get(name).and_then(Value::as_array).cloned();
        let (deliveries, revisions) = (list("deliveries"), list("revisions"));
        if deliveries.is_none() && revisions.is_none() {
            return None;
        }
        Some(Self {
            period: output.get("period").and_then(Value::as_str).map(safe),
            totals: output.get("totals").and_then(totals),
            deliveries: deliveries.unwrap_or_default(),
            loaded: list("loaded").unwrap_or_default(),
            revisions: revisions.unwrap_or_default(),
            reports: output.get("report").map(references).unwrap_or_default(),
        })
    }

    /// For people.
    pub(crate) fn to_text(&self, frame: Frame<'_>, data: &DataDir, paint: Paint) -> String {
        let period = self.period.as_ref().map(|period| format!(" {period}")).unwrap_or_default();
        let headline = format!("✓ {}{period}: {}", safe(frame.workflow), self.in_short());
        let mut lines =
            vec![format!("{}  ({})", paint.ink(Ink::Good, &headline), duration(frame.took_millis))];
        lines.push(String::new());
        for (label, value) in self.rows(frame, data) {
            lines.push(format!("  {}  {value}", paint.ink(Ink::Faint, &format!("{label:<9}"))));
        }
        lines.join("\n")
    }

    /// Where the report for people is; beside others of its run only that.
    pub(crate) fn page(&self, data: &DataDir) -> Option<String> {
        let is_page = |report: &&Reference| {
            Path::new(&report.key).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("html"))
        };
        let page = self.reports.iter().find(is_page)?;
        Some(safe(&page.path(data).display().to_string()))
    }

    /// `3 delivered`, `2 kept, 1 as it was`, `34 rows taken in`.
    pub(crate) fn in_short(&self) -> String {
        let mut words = Vec::new();
        let of = |list: &[Value], flag: &str| {
            let is_set = |value: &&Value| value.get(flag) == Some(&Value::Bool(true));
            list.iter().filter(is_set).count()
        };
        let number = self.deliveries.len();
        match of(&self.deliveries, "already_delivered") {
            _ if number == 0 => {}
            0 => words.push(format!("{number} delivered")),
            all if all == number => {
                words.push(format!("{number} delivered before, nothing was written twice"));
            }
            some => words.push(format!("{} delivered, {some} before", number - some)),
        }
        let number = self.revisions.len();
        match of(&self.revisions, "unchanged") {
            _ if number == 0 => {}
            0 => words.push(format!("{number} in force now")),
            all if all == number => words.push("nothing has changed".to_owned()),
            some => words.push(format!("{} in force now, {some} as before", number - some)),
        }
        if words.is_empty() {
            words.push(loaded(&self.loaded).unwrap_or_else(|| "nothing to do".to_owned()));
        } else if let Some(rejected) = sum(&self.loaded, "rejected").filter(|rejected| *rejected > 0) {
            words.push(format!("{} rejected", rows(rejected)));
        }
        words.join(" · ")
    }

    fn rows(&self, frame: Frame<'_>, data: &DataDir) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        let mut row = |label, value: Option<String>| rows.extend(value.map(|value| (label, value)));
        row("loaded", loaded(&self.loaded));
        for rejects in self.loaded.iter().filter_map(|loaded| loaded.get("rejects")).filter_map(Reference::of)
        {
            row("rejects", Some(safe(&rejects.path(data).display().to_string())));
        }
        for revision in &self.revisions {
            row("revision", Some(in_force(revision)));
            for warning in warnings(revision) {
                row("warning", Some(warning));
            }
        }
        row("totals", self.totals.clone());
        for delivery in &self.deliveries {
            row("delivered", Some(delivered(delivery)));
        }
        row("booked in", frame.booked_in.filter(|_| !self.deliveries.is_empty()).map(safe));
        for report in &self.reports {
            row("report", Some(safe(&report.path(data).display().to_string())));
        }
        row("exported", frame.exported.map(safe));
        row("execution", Some(safe(frame.execution)));
        rows
    }
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).map(safe).unwrap_or_default()
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// `1 row`, `1,234 rows`
fn rows(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "row" } else { "rows" })
}

/// A count over everything that was loaded; `None` where nothing counts it.
fn sum(loaded: &[Value], field: &str) -> Option<u64> {
    loaded.iter().filter_map(|one| one.get(field)?.as_u64()).reduce(u64::saturating_add)
}

/// `34 new · 2 replaced · 1 rejected`
fn loaded(all: &[Value]) -> Option<String> {
    let part = |(field, word): &(&str, &str)| {
        let number = sum(all, field)?;
        (number > 0 || *field == "rows").then(|| format!("{} {word}", count(number)))
    };
    let parts: Vec<String> = LOADED.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| format!("rows: {}", parts.join(" · ")))
}

/// `cells year=2024: revision 2, 88 rows`
fn in_force(revision: &Value) -> String {
    let scope = Some(text(revision, "scope")).filter(|scope| !scope.is_empty());
    let before = if revision.get("unchanged") == Some(&Value::Bool(true)) { ", as before" } else { "" };
    format!(
        "{}{}: revision {}, {}{before}",
        text(revision, "name"),
        scope.map(|scope| format!(" {scope}")).unwrap_or_default(),
        number(revision, "number"),
        rows(number(revision, "rows")),
    )
}

/// `YEAR_DIFFERS in 3 rows, the first: …`
fn warnings(revision: &Value) -> Vec<String> {
    let warnings = revision.get("warnings").and_then(Value::as_object);
    let one = |(code, warned): (&String, &Value)| {
        format!("{} in {}, the first: {}", safe(code), rows(number(warned, "rows")), text(warned, "first"))
    };
    warnings.into_iter().flatten().map(one).collect()
}

/// `north by coreview-database: 12 rows, CV-41, delivered before`
fn delivered(delivery: &Value) -> String {
    let before = if delivery.get("already_delivered") == Some(&Value::Bool(true)) { ", before" } else { "" };
    format!(
        "{} by {}: {} as {}{before}",
        text(delivery, "market"),
        text(delivery, "channel"),
        rows(number(delivery, "rows")),
        text(delivery, "coreview_id"),
    )
}

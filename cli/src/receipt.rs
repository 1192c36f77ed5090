//! What a run ends with: the receipt, where the rows are, the report.
//!
//! Reads the workflow's output leniently. A delivery has `receipt`; `figures`, `report` and
//! `rejects` are references or objects that hold one. Any other output is shown as JSON.

use serde_json::{Map, Value};

use crate::{
    arguments::Time,
    data::DataDir,
    figures::Reference,
    settlement::Settlement,
    terminal::{Ink, Paint},
    text::{self, count, duration, one_line, safe},
};

/// The output of a delivery workflow.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    receipt: Map<String, Value>,
    reports: Vec<Reference>,
    rejects: Option<Reference>,
    tables: Option<String>,
    source: Option<String>,
}

/// What the receipt stands under and beside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The workflow.
    pub(crate) workflow: &'a str,
    /// The execution's name.
    pub(crate) execution: &'a str,
    /// How long it took.
    pub(crate) took_millis: i64,
    /// Where CoreView is, without password.
    pub(crate) booked_in: Option<&'a str>,
    /// Whether the figures were exported, and where to.
    pub(crate) exported: Option<&'a str>,
}

impl Summary {
    /// Reads an output; `None` if it is not that of a delivery.
    pub(crate) fn of(output: &Value) -> Option<Self> {
        let receipt = output.get("receipt")?.as_object()?.clone();
        let reports = output.get("report").map(references).unwrap_or_default();
        Some(Self {
            receipt,
            reports,
            rejects: output.get("rejects").map(references).unwrap_or_default().into_iter().next(),
            tables: output.get("tables").and_then(list),
            source: output.get("stats").and_then(source),
        })
    }

    fn text(&self, field: &str) -> Option<String> {
        match self.receipt.get(field)? {
            Value::String(text) => Some(safe(text)),
            Value::Number(number) => Some(number.as_u64().map_or_else(|| number.to_string(), count)),
            _ => None,
        }
    }

    /// Whether an earlier run had delivered the same.
    pub(crate) fn was_there_before(&self) -> bool {
        self.receipt.get("already_delivered").and_then(Value::as_bool).unwrap_or(false)
    }

    /// For people.
    pub(crate) fn to_text(&self, frame: Frame<'_>, data: &DataDir, paint: Paint) -> String {
        let workflow = safe(frame.workflow);
        let took = duration(frame.took_millis);
        let mut lines = vec![if self.was_there_before() {
            let when =
                self.text("delivered_at").map_or_else(|| "an earlier day".to_owned(), |at| minute(&at));
            let headline = format!("✓ {workflow}: already delivered on {when}; nothing was written twice");
            format!("{}  ({took})", paint.ink(Ink::Good, &headline))
        } else {
            format!("{}  ({took})", paint.ink(Ink::Good, &format!("✓ {workflow}: delivered")))
        }];
        lines.push(String::new());
        for (label, value) in self.rows(frame, data) {
            lines.push(format!("  {}  {value}", paint.ink(Ink::Faint, &format!("{label:<9}"))));
        }
        lines.join("\n")
    }

    fn rows(&self, frame: Frame<'_>, data: &DataDir) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        let mut row = |label, value: Option<String>| rows.extend(value.map(|value| (label, value)));
        row("delivery", self.text("delivery_id"));
        row("booked as", self.text("coreview_id"));
        row("feed", self.text("feed"));
        row("period", self.text("period"));
        row("source", self.source.clone());
        row("rows", self.text("rows"));
        row("totals", self.receipt.get("totals").and_then(totals));
        row(
            "booked in",
            frame.booked_in.map(|place| match &self.tables {
                Some(tables) => format!("{place}  ({tables})"),
                None => place.to_owned(),
            }),
        );
        if self.was_there_before() {
            row("booked by", self.text("execution_arn"));
        }
        for report in &self.reports {
            row("report", Some(safe(&report.path(data).display().to_string())));
        }
        row(
            "rejects",
            self.rejects.as_ref().map(|rejects| {
                let path = safe(&rejects.path(data).display().to_string());
                rejects.rows.map_or_else(|| path.clone(), |number| format!("{}  {path}", count(number)))
            }),
        );
        row("exported", frame.exported.map(safe));
        row("execution", Some(safe(frame.execution)));
        rows
    }
}

/// One of several executions, in a line, and where its report is:
/// `✓ coreview-commission 2024-03: payable 12.00 · 3 delivered  (0.8 s)`.
pub(crate) fn line(label: &str, took_millis: i64, output: &Value, data: &DataDir, paint: Paint) -> String {
    let settlement = Settlement::of(output);
    let mut words = Vec::new();
    words.extend(output.get("totals").and_then(totals));
    words.extend(settlement.as_ref().map(Settlement::in_short));
    let what = if words.is_empty() { String::new() } else { format!(": {}", words.join(" · ")) };
    let headline = paint.ink(Ink::Good, &format!("✓ {label}"));
    let report = settlement.and_then(|settlement| settlement.page(data));
    let report = report.map(|page| format!("\n    {}", paint.ink(Ink::Faint, &format!("report {page}"))));
    format!("{headline}{what}  ({}){}", duration(took_millis), report.unwrap_or_default())
}

/// The reference to the figures: `figures` itself, or inside of it.
pub(crate) fn figures(output: &Value) -> Option<Reference> {
    let figures = output.get("figures")?;
    Reference::of(figures)
        .or_else(|| figures.get("figures").and_then(Reference::of))
        .or_else(|| references(figures).into_iter().next())
}

/// The references a value is or holds.
pub(crate) fn references(value: &Value) -> Vec<Reference> {
    match Reference::of(value) {
        Some(reference) => vec![reference],
        None => value
            .as_object()
            .into_iter()
            .flat_map(|object| object.values())
            .filter_map(Reference::of)
            .collect(),
    }
}

/// `flights 336,776 · distance 350217607`
pub(crate) fn totals(value: &Value) -> Option<String> {
    let totals = value.as_object().filter(|totals| !totals.is_empty())?;
    let one = |(name, value): (&String, &Value)| {
        format!("{} {}", safe(name), safe(value.as_str().unwrap_or(&value.to_string())))
    };
    Some(totals.iter().map(one).collect::<Vec<_>>().join(" · "))
}

/// `360 rows: 323 accepted · 23 cancelled · 14 rejected`
fn source(stats: &Value) -> Option<String> {
    let number = |name: &str| stats.get(name).and_then(Value::as_u64);
    let parts: Vec<String> = ["accepted", "cancelled", "rejected"]
        .into_iter()
        .filter_map(|name| Some(format!("{} {name}", count(number(name)?))))
        .collect();
    Some(format!("{} rows: {}", count(number("rows_in")?), parts.join(" · ")))
}

/// A time as tables have it; what is no time stays as it is.
fn minute(at: &str) -> String {
    let parsed = at.parse::<jiff::Timestamp>();
    parsed.map_or_else(|_| at.to_owned(), |at| text::moment(at.as_millisecond(), Time::Utc, 0))
}

fn list(value: &Value) -> Option<String> {
    let names: Vec<String> = value.as_array()?.iter().filter_map(|name| Some(safe(name.as_str()?))).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Any other output, for people.
pub(crate) fn plain(frame: Frame<'_>, output: &Value, paint: Paint) -> String {
    let headline = format!("✓ {} succeeded", safe(frame.workflow));
    let text = serde_json::to_string_pretty(output).unwrap_or_default();
    format!(
        "{}  ({})\n\n  execution  {}\n\n{}",
        paint.ink(Ink::Good, &headline),
        duration(frame.took_millis),
        one_line(frame.execution, 80),
        safe(&text)
    )
}

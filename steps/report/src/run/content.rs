//! What the report of a run says, before it has a form.

use std::collections::BTreeMap;
use std::io::BufRead;

use feed::number::{self, RoundingMode, Sum};
use feed::rejects::Reject;
use feed::{FeedSpec, Parsed, Warned};
use rust_decimal::Decimal;
use serde::Serialize;
use stepwright::objects::ObjectRef;

use super::RunReportRequest;
use crate::ReportError;
use crate::content::{
    Check, FIGURES_SHOWN_MAX, REJECTS_SHOWN_MAX, check, first_figures, first_rejects, policy, reasons, totals,
};

/// The column of figures whose values are counted.
const STATUS: &str = "status";

/// Everything on the page.
#[derive(Debug, Serialize)]
pub(super) struct RunContent<'r> {
    #[serde(skip)]
    pub(super) spec: &'r FeedSpec,
    pub(super) feed: &'r str,
    pub(super) description: Option<&'r str>,
    #[serde(flatten)]
    pub(super) request: &'r RunReportRequest,
    /// Totals by what they are kept apart by; the empty text when by nothing.
    pub(super) comparison: BTreeMap<String, Vec<Compared>>,
    /// How many rows of figures have a status, by status and market.
    pub(super) statuses: BTreeMap<String, BTreeMap<&'r str, u64>>,
    pub(super) rejected: Vec<Rejected<'r>>,
    pub(super) warnings: BTreeMap<&'r str, Warned>,
    pub(super) checks: Vec<Check>,
    pub(super) reject_policy: String,
    pub(super) columns: Vec<String>,
    pub(super) first_figures: Vec<Vec<String>>,
    pub(super) figures_rows: u64,
    pub(super) first_rejects: Vec<Reject>,
    pub(super) rejects_rows: u64,
}

/// A total and the same of the period before.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) measure: String,
    pub(super) total: String,
    pub(super) previous: Option<String>,
    pub(super) change: Option<String>,
    /// To one decimal place; none when there was nothing before.
    pub(super) change_percent: Option<String>,
}

/// Rows that were kept aside.
#[derive(Debug, Serialize)]
pub(super) struct Rejected<'r> {
    pub(super) code: &'r str,
    pub(super) rows: u64,
    pub(super) reason: Option<&'r str>,
}

impl<'r> RunContent<'r> {
    pub(super) fn gather<R: BufRead>(
        spec: &'r FeedSpec,
        request: &'r RunReportRequest,
        get: impl Fn(&ObjectRef) -> Result<R, ReportError>,
    ) -> Result<Self, ReportError> {
        let mut content = Self {
            spec,
            feed: &spec.feed,
            description: spec.description.as_deref(),
            request,
            comparison: comparison(request),
            statuses: BTreeMap::new(),
            rejected: rejected(spec, request),
            warnings: warnings(request),
            checks: checks(request),
            reject_policy: policy(spec),
            columns: vec![],
            first_figures: vec![],
            figures_rows: request.markets.iter().map(|market| market.figures.rows).sum(),
            first_rejects: vec![],
            rejects_rows: all_parsed(request).map(|parsed| parsed.stats.rejected).sum(),
        };
        for market in &request.markets {
            let figures = || get(&market.figures.figures);
            let left = FIGURES_SHOWN_MAX - content.first_figures.len();
            let (columns, rows) = first_figures(figures()?, left)?;
            content.columns = columns;
            content.first_figures.extend(rows);
            content.count_statuses(&market.market, figures()?)?;
        }
        for parsed in all_parsed(request) {
            let left = REJECTS_SHOWN_MAX - content.first_rejects.len();
            if left > 0 && parsed.stats.rejected > 0 {
                content.first_rejects.extend(first_rejects(get(&parsed.rejects)?, left)?);
            }
        }
        Ok(content)
    }

    /// Counts the rows of a market by their status, where figures have one.
    fn count_statuses(&mut self, market: &'r str, figures: impl BufRead) -> Result<(), ReportError> {
        let mut csv = csv::Reader::from_reader(figures);
        let header = csv.headers().map_err(|error| ReportError::figures(&error))?;
        let Some(at) = header.iter().position(|column| column == STATUS) else { return Ok(()) };
        let mut record = csv::StringRecord::new();
        while csv.read_record(&mut record).map_err(|error| ReportError::figures(&error))? {
            let status = record.get(at).unwrap_or_default();
            *self.statuses.entry(status.to_owned()).or_default().entry(market).or_default() += 1;
        }
        Ok(())
    }

    pub(super) fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// What this execution read, and what its figures were calculated from.
fn all_parsed(request: &RunReportRequest) -> impl Iterator<Item = &Parsed> {
    request.intake.iter().chain(request.markets.iter().map(|market| &market.parsed))
}

/// The measure of a total's name, and what it is kept apart by:
/// `payable[currency=EUR]` is `payable` of `EUR`.
fn parts_of(name: &str) -> (&str, &str) {
    let parts = name.strip_suffix(']').and_then(|name| name.split_once('['));
    match parts.and_then(|(measure, by)| Some((measure, by.split_once('=')?.1))) {
        Some((measure, value)) => (measure, value),
        None => (name, ""),
    }
}

fn comparison(request: &RunReportRequest) -> BTreeMap<String, Vec<Compared>> {
    let mut names: Vec<&String> = request.totals.keys().collect();
    // What there was before and is no more has come down to nothing.
    names.extend(request.previous.keys().filter(|name| !request.totals.contains_key(*name)));
    names.sort();
    let mut comparison: BTreeMap<String, Vec<Compared>> = BTreeMap::new();
    for name in names {
        let (measure, part) = parts_of(name);
        let total = request.totals.get(name).map_or("0", String::as_str);
        let previous = request.previous.get(name);
        let (change, change_percent) = previous.map_or((None, None), |before| change(total, before));
        comparison.entry(part.to_owned()).or_default().push(Compared {
            measure: measure.to_owned(),
            total: total.to_owned(),
            previous: previous.cloned(),
            change,
            change_percent,
        });
    }
    comparison
}

/// How much more it is, and how much that is in per cent of what it was.
pub(super) fn change(now: &str, before: &str) -> (Option<String>, Option<String>) {
    let numbers = now.parse::<Decimal>().ok().zip(before.parse::<Decimal>().ok());
    let Some((before, difference)) =
        numbers.and_then(|(now, before)| Some((before, number::subtract(now, before).ok()?)))
    else {
        return (None, None);
    };
    let percent = || {
        let hundredfold = number::product(difference, Decimal::ONE_HUNDRED).ok()?;
        let mut whole = Sum::default();
        whole.add(before.abs()).ok()?;
        hundredfold.ratio(&whole, 1, RoundingMode::HalfEven).ok()
    };
    (Some(difference.to_string()), percent().map(|percent| percent.to_string()))
}

fn rejected<'r>(spec: &'r FeedSpec, request: &'r RunReportRequest) -> Vec<Rejected<'r>> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, rows) in all_parsed(request).flat_map(|parsed| &parsed.stats.rejected_by_code) {
        *counts.entry(code).or_default() += rows;
    }
    let reasons = reasons(spec);
    counts
        .into_iter()
        .map(|(code, rows)| Rejected { code, rows, reason: reasons.get(code).copied() })
        .collect()
}

fn warnings(request: &RunReportRequest) -> BTreeMap<&str, Warned> {
    let mut warnings: BTreeMap<&str, Warned> = BTreeMap::new();
    let of_figures = request.markets.iter().flat_map(|market| &market.figures.warnings);
    for (code, warned) in all_parsed(request).flat_map(|parsed| &parsed.warnings).chain(of_figures) {
        let found = warnings.entry(code).or_default();
        found.rows += warned.rows;
        if found.first.is_empty() {
            found.first.clone_from(&warned.first);
        }
    }
    warnings
}

fn checks(request: &RunReportRequest) -> Vec<Check> {
    let mut checks = vec![];
    let (mut rows_in, mut parts) = (0, 0);
    for stats in all_parsed(request).map(|parsed| &parsed.stats) {
        rows_in += stats.rows_in;
        parts += stats.accepted + stats.cancelled + stats.rejected;
    }
    checks.push(check("rows in = accepted + cancelled + rejected", rows_in.to_string(), parts.to_string()));
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for (name, total) in request.markets.iter().flat_map(|market| &market.figures.totals) {
        let sum = sums.entry(name.clone()).or_default();
        // What is no number, or too large, is seen where the totals are compared.
        let _ = total.parse::<Decimal>().map(|total| sum.add(total));
    }
    let value = |(name, sum): (String, Sum)| {
        (name, sum.value().map_or_else(|error| error.to_string(), |sum| sum.to_string()))
    };
    let sums = sums.into_iter().map(value).collect();
    checks.extend(totals("all markets = the run", &sums, &request.totals));
    for market in &request.markets {
        let receipts: Vec<_> =
            request.receipts.iter().filter(|receipt| receipt.market == market.market).collect();
        let (name, rows) = (&market.market, market.figures.rows);
        if receipts.is_empty() && rows > 0 {
            checks.push(check(&format!("market {name} was delivered"), "yes".into(), "no receipt".into()));
        }
        checks.extend(receipts.into_iter().map(|receipt| {
            let what = format!("market {name}: figures = rows delivered by {}", receipt.channel);
            check(&what, rows.to_string(), receipt.rows.to_string())
        }));
    }
    checks
}

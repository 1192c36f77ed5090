//! What the report says, before it has a form.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use feed::FeedSpec;
use feed::rejects::{Reject, RejectReader};
use feed::spec::RejectPolicy;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::{ReportError, ReportRequest};

/// Figures shown on the page; all of them are in the export.
pub(crate) const FIGURES_SHOWN_MAX: usize = 200;

/// Rejected rows shown on the page; all of them are in the rejects object.
pub(crate) const REJECTS_SHOWN_MAX: usize = 50;

/// Characters of a raw row shown on the page.
const RAW_SHOWN_MAX: usize = 300;

/// Everything on the page.
#[derive(Debug, Serialize)]
pub(crate) struct Content<'r> {
    #[serde(skip)]
    pub(crate) spec: &'r FeedSpec,
    pub(crate) description: Option<&'r str>,
    #[serde(flatten)]
    pub(crate) request: &'r ReportRequest,
    pub(crate) checks: Vec<Check>,
    pub(crate) reject_policy: String,
    /// The reason of each triage code that was used.
    pub(crate) reasons: BTreeMap<&'r str, &'r str>,
    pub(crate) columns: Vec<String>,
    pub(crate) first_figures: Vec<Vec<String>>,
    pub(crate) first_rejects: Vec<Reject>,
}

/// Two numbers that had to be the same, and are.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) left: String,
    pub(crate) right: String,
    pub(crate) holds: bool,
}

impl<'r> Content<'r> {
    pub(crate) fn gather(
        spec: &'r FeedSpec,
        request: &'r ReportRequest,
        figures: impl Read,
        rejects: impl BufRead,
    ) -> Result<Self, ReportError> {
        let (columns, first_figures) = first_figures(figures, FIGURES_SHOWN_MAX)?;
        let first_rejects = first_rejects(rejects, REJECTS_SHOWN_MAX)?;
        Ok(Self {
            spec,
            description: spec.description.as_deref(),
            request,
            checks: checks(request),
            reject_policy: policy(spec),
            reasons: reasons(spec),
            columns,
            first_figures,
            first_rejects,
        })
    }

    pub(crate) fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The columns of figures, and their first rows.
pub(crate) fn first_figures(
    figures: impl Read,
    most: usize,
) -> Result<(Vec<String>, Vec<Vec<String>>), ReportError> {
    let mut csv = csv::Reader::from_reader(figures);
    let columns = csv.headers().map_err(|error| ReportError::figures(&error))?;
    let columns = columns.iter().map(str::to_owned).collect();
    let rows = csv.records().take(most);
    let rows = rows.map(|record| record.map(|record| record.iter().map(str::to_owned).collect()));
    let rows = rows.collect::<Result<_, _>>().map_err(|error| ReportError::figures(&error))?;
    Ok((columns, rows))
}

/// The first rejected rows, shortened.
pub(crate) fn first_rejects(rejects: impl BufRead, most: usize) -> Result<Vec<Reject>, ReportError> {
    let first = RejectReader::new(rejects).take(most).map(|reject| reject.map(shortened));
    first.collect::<Result<_, _>>().map_err(|error| ReportError::Damaged {
        detail: format!("the rejects cannot be read: {error}; run the parse step again"),
    })
}

/// The reason of each triage code.
pub(crate) fn reasons(spec: &FeedSpec) -> BTreeMap<&str, &str> {
    let rules = spec.triage.iter();
    rules.filter_map(|rule| Some((rule.code.as_str(), rule.reason.as_deref()?))).collect()
}

fn shortened(mut reject: Reject) -> Reject {
    if let Some((end, _)) = reject.raw.char_indices().nth(RAW_SHOWN_MAX) {
        reject.raw.truncate(end);
        reject.raw_cut = true;
    }
    reject
}

pub(crate) fn policy(spec: &FeedSpec) -> String {
    match (spec.rejects.policy, spec.rejects.percent) {
        (RejectPolicy::FailFast, _) => "none tolerated".to_owned(),
        (RejectPolicy::KeepGoing, _) => "tolerated, kept aside".to_owned(),
        (RejectPolicy::Threshold, percent) => {
            format!(
                "up to {} % tolerated",
                percent.map_or_else(|| "0".to_owned(), |percent| percent.0.to_string())
            )
        }
    }
}

fn checks(request: &ReportRequest) -> Vec<Check> {
    let stats = &request.parsed.stats;
    let parts = stats.accepted + stats.cancelled + stats.rejected;
    let mut checks = vec![
        check("rows in = accepted + cancelled + rejected", stats.rows_in.to_string(), parts.to_string()),
        check(
            "figures = delivered rows",
            request.figures.rows.to_string(),
            request.delivered.rows.to_string(),
        ),
        check(
            "delivered rows = rows read back",
            request.delivered.rows.to_string(),
            request.confirmed.rows.to_string(),
        ),
        check(
            "delivered content = content read back",
            request.delivered.batch_sha256.clone(),
            request.confirmed.batch_sha256.clone(),
        ),
    ];
    checks.extend(totals("figures = delivered", &request.figures.totals, &request.delivered.totals));
    checks
}

/// Each total of one side against the other's.
pub(crate) fn totals(
    what: &str,
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
) -> Vec<Check> {
    let check = |(name, total): (&String, &String)| {
        let other = right.get(name).cloned().unwrap_or_else(|| "missing".to_owned());
        // 7.5 and 7.50 are the same total.
        let number = |text: &str| text.parse::<Decimal>().ok();
        let holds = number(total).is_some() && number(total) == number(&other);
        Check { what: format!("Σ {name}: {what}"), left: total.clone(), right: other, holds }
    };
    left.iter().map(check).collect()
}

/// Two texts that had to be the same.
pub(crate) fn check(what: &str, left: String, right: String) -> Check {
    Check { what: what.to_owned(), holds: left == right, left, right }
}

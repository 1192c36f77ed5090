//! The steps `report` and `report_run`: what an operator wants to know about a
//! delivery, and about a run over several markets.
//!
//! Three objects: a page for people (HTML, one file, no scripts, nothing
//! loaded), the same as JSON for programs, and the figures as CSV for
//! spreadsheets. Everything shown was put into the run by somebody else:
//! it is escaped in HTML, and text that a spreadsheet would take for a formula
//! is disarmed in the CSV.
//!
//! Decides nothing: what is wrong by now has failed before.
#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};

use feed::{Drops, FeedSpec, Figures, Parsed, Staging, Stats};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::{ObjectError, ObjectRef};
use stepwright::{Read, Shape, StepError, Write, step};

mod content;
mod export;
mod html;
mod page;
mod run;
#[cfg(test)]
mod tests;

use content::Content;
pub use run::{ReportRun, RunReportRequest, RunReportRequestExpr, RunReported, report_run};

/// A receipt, as far as the report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Delivered {
    /// Identifies the delivery whatever execution asked for it.
    pub delivery_id: String,
    /// The number under which CoreView booked it.
    pub coreview_id: String,
    /// When it was booked (RFC 3339, UTC).
    pub delivered_at: String,
    /// Rows that were booked.
    pub rows: u64,
    /// Control totals of what was booked, as decimal text.
    pub totals: BTreeMap<String, String>,
    /// SHA-256 of the booked rows.
    pub batch_sha256: String,
    /// Whether it had been booked before this run.
    pub already_delivered: bool,
    /// The execution that booked it.
    pub execution_arn: String,
}

/// What reading back confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Confirmed {
    /// Rows CoreView holds for the period.
    pub rows: u64,
    /// SHA-256 of them.
    pub batch_sha256: String,
    /// When CoreView was asked (RFC 3339, UTC).
    pub verified_at: String,
}

/// What is to be reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ReportRequest {
    /// The feed's spec: TOML or JSON.
    pub spec: ObjectRef,
    /// The execution that is reported on.
    pub execution_arn: String,
    /// What parsing left behind.
    pub parsed: Parsed,
    /// What calculation left behind.
    pub figures: Figures,
    /// The receipt.
    pub delivered: Delivered,
    /// The verification.
    pub confirmed: Confirmed,
}

/// The report: its most important numbers, and where all of it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Summary {
    /// The feed's name.
    pub feed: String,
    /// The business period.
    pub period: String,
    /// What became of the source's rows.
    pub stats: Stats,
    /// Rows of figures.
    pub figures_rows: u64,
    /// Control totals of the figures, as decimal text.
    pub totals: BTreeMap<String, String>,
    /// The receipt.
    pub delivered: Delivered,
    /// When the receipt was verified (RFC 3339, UTC).
    pub verified_at: String,
    /// The page for people.
    pub html: ObjectRef,
    /// The same as JSON.
    pub json: ObjectRef,
    /// The figures as CSV, safe to open in a spreadsheet.
    pub export: ObjectRef,
    /// The rejected rows with their raw text.
    pub rejects: ObjectRef,
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Report"]
pub enum ReportError {
    /// The feed's spec has mistakes.
    #[message("{detail}")]
    Spec {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// Figures or rejects cannot be read.
    #[message("{detail}")]
    Damaged {
        /// What happened and what to do.
        detail: String,
    },
    /// The objects cannot be read or written.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
}

impl From<ObjectError> for ReportError {
    fn from(error: ObjectError) -> Self {
        Self::StorageFailed { detail: error.to_string() }
    }
}

impl ReportError {
    fn write(error: &std::io::Error) -> Self {
        Self::StorageFailed {
            detail: format!("the report cannot be written: {error}; try again when there is space"),
        }
    }

    fn figures(error: &csv::Error) -> Self {
        Self::Damaged { detail: format!("the figures cannot be read: {error}; run the calculate step again") }
    }
}

/// Writes the operator's report of a run and the figures for spreadsheets.
#[step(memory = 512, timeout = 300)]
pub async fn report(
    request: ReportRequest,
    drops: Read<Drops>,
    staging: Write<Staging>,
) -> Result<Summary, ReportError> {
    run(request, &drops, &staging)
}

/// The step without its wrapper.
///
/// # Errors
/// See [`ReportError`].
pub fn run(
    request: ReportRequest,
    drops: &Read<Drops>,
    staging: &Write<Staging>,
) -> Result<Summary, ReportError> {
    let name = request.spec.key.rsplit('/').next().unwrap_or(&request.spec.key);
    let spec = FeedSpec::read(name, drops.get(&request.spec)?)
        .map_err(|error| ReportError::Spec { detail: error.to_string() })?;
    let folder = folder_of(&request);
    let figures = || staging.get(&request.figures.figures).map(BufReader::new);

    let mut export = staging.create(&format!("{folder}/figures.csv"))?;
    export::write(&spec, [figures().map_err(ReportError::from)], &mut export)?;
    let export = export.finish(Some(request.figures.rows))?;

    let rejects = BufReader::new(staging.get(&request.parsed.rejects)?);
    let content = Content::gather(&spec, &request, figures()?, rejects)?;
    let json = write_object(staging, &format!("{folder}/report.json"), &content.to_json())?;
    let html = write_object(staging, &format!("{folder}/report.html"), &html::page(&content))?;
    Ok(Summary {
        feed: request.figures.feed,
        period: request.figures.period,
        stats: request.parsed.stats,
        figures_rows: request.figures.rows,
        totals: request.figures.totals,
        delivered: request.delivered,
        verified_at: request.confirmed.verified_at,
        html,
        json,
        export,
        rejects: request.parsed.rejects,
    })
}

fn write_object(staging: &Write<Staging>, key: &str, text: &str) -> Result<ObjectRef, ReportError> {
    let mut object = staging.create(key)?;
    object.write_all(text.as_bytes()).map_err(|error| ReportError::write(&error))?;
    Ok(object.finish(None)?)
}

/// The same input and code, the same place and bytes.
fn folder_of(request: &ReportRequest) -> String {
    // A request of strings and numbers always has a JSON form.
    let request_text = serde_json::to_string(request).unwrap_or_default();
    let parts = ["report/1", env!("CARGO_PKG_VERSION"), &request_text];
    format!("{}/{}", request.figures.feed, feed::fingerprint(parts))
}

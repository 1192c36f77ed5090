//! The step `report_run`: a run over several markets, as an operator looks at
//! it. What is paid in each currency and how that compares with the period
//! before, what the statuses are, what was kept aside and why, what was
//! delivered, from which references.

use std::collections::BTreeMap;
use std::io::BufReader;

use feed::{Correction, Drops, FeedSpec, MarketFigures, Parsed, PinnedRevision, ReceiptRef, Staging};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, Write, step};

use crate::{ReportError, export, write_object};

mod content;
mod html;
#[cfg(test)]
mod tests;

use content::RunContent;

/// The run that is to be reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct RunReportRequest {
    /// The feed's spec: TOML or JSON.
    pub spec: ObjectRef,
    /// The execution that is reported on.
    pub execution_arn: String,
    /// The run's id.
    pub run_id: String,
    /// The business period.
    pub period: String,
    /// SHA-256 of everything the run was calculated from.
    pub input_sha256: String,
    /// The reference data that was used, by name.
    #[serde(default)]
    pub references: BTreeMap<String, ObjectRef>,
    /// The revisions of it.
    #[serde(default)]
    pub revisions: Vec<PinnedRevision>,
    /// The markets.
    pub markets: Vec<MarketFigures>,
    /// The files this execution took in, where it took in any.
    #[serde(default)]
    pub intake: Vec<Parsed>,
    /// Control totals of all markets, as decimal text: `payable[currency=EUR]`.
    pub totals: BTreeMap<String, String>,
    /// The same of the period before.
    #[serde(default)]
    pub previous: BTreeMap<String, String>,
    /// Which period that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_period: Option<String>,
    /// Why a person had to look before anything was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Why an earlier delivery of the period was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// The receipts.
    pub receipts: Vec<ReceiptRef>,
    /// What was noticed when the input was pinned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Periods that were delivered before some of their rows came, went or changed, each with
    /// what to do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<String>,
}

/// Where the report is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct RunReported {
    /// The page for people.
    pub html: ObjectRef,
    /// The same as JSON.
    pub json: ObjectRef,
    /// The figures of all markets as CSV, safe to open in a spreadsheet.
    pub export: ObjectRef,
}

/// Writes the operator's report of a run over several markets.
#[step(memory = 512, timeout = 300)]
pub async fn report_run(
    request: RunReportRequest,
    drops: Read<Drops>,
    staging: Write<Staging>,
) -> Result<RunReported, ReportError> {
    write(&request, &drops, &staging)
}

/// The step without its wrapper.
///
/// # Errors
/// See [`ReportError`].
pub(crate) fn write(
    request: &RunReportRequest,
    drops: &Read<Drops>,
    staging: &Write<Staging>,
) -> Result<RunReported, ReportError> {
    let name = request.spec.key.rsplit('/').next().unwrap_or(&request.spec.key);
    let spec = FeedSpec::read(name, drops.get(&request.spec)?)
        .map_err(|error| ReportError::Spec { detail: error.to_string() })?;
    let folder = folder_of(&spec, request);
    let get = |object: &ObjectRef| staging.get(object).map(BufReader::new).map_err(ReportError::from);

    let mut object = staging.create(&format!("{folder}/figures.csv"))?;
    let figures = request.markets.iter().map(|market| get(&market.figures.figures));
    export::write(&spec, figures, &mut object)?;
    let rows = request.markets.iter().map(|market| market.figures.rows).sum();
    let export = object.finish(Some(rows))?;

    let content = RunContent::gather(&spec, request, get)?;
    let json = write_object(staging, &format!("{folder}/report.json"), &content.to_json())?;
    let html = write_object(staging, &format!("{folder}/report.html"), &html::page(&content))?;
    Ok(RunReported { html, json, export })
}

/// The same input and code, the same place and bytes.
fn folder_of(spec: &FeedSpec, request: &RunReportRequest) -> String {
    // A request of strings and numbers always has a JSON form.
    let request_text = serde_json::to_string(request).unwrap_or_default();
    let parts = ["report-run/1", env!("CARGO_PKG_VERSION"), &request_text];
    format!("{}/{}", spec.feed, feed::fingerprint(parts))
}

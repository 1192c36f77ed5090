//! The step `calculate`: rows in, figures out, as the feed's spec says.
//!
//! First the spec's tables, one step after the other; then the figures, in one
//! pass over a table or over the rows, groups in memory; of one business period
//! where one is asked for. Exact: sums do not depend on the
//! order of the rows, and every figure is rounded once. The groups' control
//! measures must add up to what reconciliation found over all rows.
//!
//! Knows no feed and no target: the result is a table.
#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::io::BufReader;

use feed::{Drops, FeedSpec, Figures, Staging};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, Write, step};

mod error;
mod groups;
mod period;
mod table;
mod tables;
#[cfg(test)]
mod tests;

pub use error::CalculateError;

use feed::calculation::{Plan, ROWS};
use groups::{Groups, Measured};
use tables::{Inputs, Tables};

/// What is to be calculated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct CalculateRequest {
    /// The feed's spec: TOML or JSON.
    pub spec: ObjectRef,
    /// The rows, as `parse` stored them.
    pub rows: ObjectRef,
    /// What the control measures are over all rows, as `reconcile` found them.
    pub control: BTreeMap<String, String>,
    /// The reference data the spec asks for, by name: rows of other feeds, as
    /// `parse` stored them.
    #[serde(default)]
    pub references: BTreeMap<String, ObjectRef>,
    /// The business period the figures are for: only rows whose
    /// `delivery.period_from` lies in it become figures. Rows of other periods
    /// are what tables look back at. Absent: the figures of all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

/// Calculates the figures of a feed from its rows.
#[step(memory = 1024, timeout = 900)]
pub async fn calculate(
    request: CalculateRequest,
    drops: Read<Drops>,
    staging: Write<Staging>,
) -> Result<Figures, CalculateError> {
    run(&request, &drops, &staging)
}

/// The step without its wrapper.
///
/// # Errors
/// See [`CalculateError`]. Nothing is visible in `staging` then.
pub fn run(
    request: &CalculateRequest,
    drops: &Read<Drops>,
    staging: &Write<Staging>,
) -> Result<Figures, CalculateError> {
    let spec_file = drops.get(&request.spec).map_err(CalculateError::storage)?;
    let name = request.spec.key.rsplit('/').next().unwrap_or(&request.spec.key);
    let spec = FeedSpec::read(name, spec_file)
        .map_err(|error| CalculateError::Spec { detail: error.to_string() })?;
    let groups = groups(&spec, request, staging)?;
    // A month without rows has figures too: none.
    let period = request.period.clone().map_or_else(|| groups.period(), Ok)?;

    let table = table::Table::of(&spec, &groups)?;
    // The same input and code, the same place and bytes.
    let mut parts =
        vec!["calculate/1", env!("CARGO_PKG_VERSION"), &request.spec.sha256, &request.rows.sha256];
    parts.extend(request.references.iter().flat_map(|(name, object)| [name.as_str(), &object.sha256]));
    parts.extend(request.period.as_deref());
    let key = format!("{}/{}/figures.csv", spec.feed, feed::fingerprint(parts));
    let mut object = staging.create(&key).map_err(CalculateError::storage)?;
    table.write(&mut object).map_err(CalculateError::write)?;
    let figures = object.finish(Some(table.len())).map_err(CalculateError::storage)?;
    Ok(Figures {
        feed: spec.feed.clone(),
        channel: spec.delivery.channel.name().to_owned(),
        period,
        figures,
        key_columns: spec.figures.group_by.clone(),
        rows: table.len(),
        totals: table.totals()?,
    })
}

/// The groups of the figures, whose control measures add up.
fn groups<'s>(
    spec: &'s FeedSpec,
    request: &CalculateRequest,
    staging: &Write<Staging>,
) -> Result<Groups<'s>, CalculateError> {
    let plan = Plan::of(spec).map_err(|detail| CalculateError::Spec { detail })?;
    let period = request.period.as_deref();
    let of_rows = || {
        let rows = staging.get(&request.rows).map_err(CalculateError::storage)?;
        Measured::rows(spec, period, BufReader::with_capacity(128 * 1024, rows), &request.control)
    };
    if plan.tables.is_empty() && plan.reconciliations.is_empty() && spec.figures.source() == ROWS {
        return of_rows();
    }
    let inputs = Inputs { feed: &spec.feed, rows: &request.rows, references: &request.references, staging };
    let tables = Tables::of(&plan, inputs)?;
    tables.reconcile()?;
    match plan.layout(spec.figures.source()).zip(tables.rows_of(spec.figures.source())) {
        Some((layout, held)) => Measured::table(spec, period, layout, held),
        None => of_rows(),
    }
}

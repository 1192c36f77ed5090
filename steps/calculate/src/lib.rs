//! The step `calculate`: rows in, figures out, as the feed's spec says.
//!
//! One pass over the rows, groups in memory. Exact: sums do not depend on the
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
#[cfg(test)]
mod tests;

pub use error::CalculateError;

use groups::Groups;

/// What is to be calculated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct CalculateRequest {
    /// The feed's spec: TOML or JSON.
    pub spec: ObjectRef,
    /// The rows, as `parse` stored them.
    pub rows: ObjectRef,
    /// What the control measures are over all rows, as `reconcile` found them.
    pub control: BTreeMap<String, String>,
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
    let rows = staging.get(&request.rows).map_err(CalculateError::storage)?;
    let groups = Groups::of(&spec, BufReader::with_capacity(128 * 1024, rows))?;
    groups.check_control(&request.control)?;
    let period = groups.period()?;

    let table = table::Table::of(&spec, &groups)?;
    // The same input and code, the same place and bytes.
    let parts = ["calculate/1", env!("CARGO_PKG_VERSION"), &request.spec.sha256, &request.rows.sha256];
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

//! The step `calculate`: rows in, figures out, as the feed's spec says.
//!
//! First the spec's tables, one step after the other; then the figures, in one
//! pass over a table or over the rows, groups in memory; of one business period
//! where one is asked for. Exact: sums do not depend on the
//! order of the rows, and every figure is rounded once. The groups' control
//! measures must add up to what reconciliation found over all rows.
//!
//! Where the spec has them kept, the rows the figures are made of are written
//! beside them: what a later period knows of what was delivered.
//!
//! Knows no feed and no target: the result is a table.
#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::io::BufReader;

use feed::{Drops, FeedSpec, Figures, Staging, Warned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, Write, step};

mod entries;
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
/// See [`CalculateError`]. Nothing is referred to in `staging` then.
pub fn run(
    request: &CalculateRequest,
    drops: &Read<Drops>,
    staging: &Write<Staging>,
) -> Result<Figures, CalculateError> {
    let spec_file = drops.get(&request.spec).map_err(CalculateError::storage)?;
    let name = request.spec.key.rsplit('/').next().unwrap_or(&request.spec.key);
    let spec = FeedSpec::read(name, spec_file)
        .map_err(|error| CalculateError::Spec { detail: error.to_string() })?;
    let Calculated { groups, entries, warnings } = calculated(&spec, request, staging)?;
    // A month without rows has figures too: none.
    let period = request.period.clone().map_or_else(|| groups.period(), Ok)?;

    let table = table::Table::of(&spec, &groups)?;
    let key = format!("{}/figures.csv", place_of(&spec, request));
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
        entries,
        warnings,
    })
}

/// The same input and code, the same place and bytes.
fn place_of(spec: &FeedSpec, request: &CalculateRequest) -> String {
    let mut parts =
        vec!["calculate/1", env!("CARGO_PKG_VERSION"), &request.spec.sha256, &request.rows.sha256];
    parts.extend(request.references.iter().flat_map(|(name, object)| [name.as_str(), &object.sha256]));
    parts.extend(request.period.as_deref());
    format!("{}/{}", spec.feed, feed::fingerprint(parts))
}

/// What comes of the rows.
struct Calculated<'s> {
    groups: Groups<'s>,
    entries: Option<ObjectRef>,
    warnings: BTreeMap<String, Warned>,
}

impl<'s> Calculated<'s> {
    fn of(groups: Groups<'s>) -> Self {
        Self { groups, entries: None, warnings: BTreeMap::new() }
    }
}

/// The groups of the figures, whose control measures add up, and what is kept of them.
fn calculated<'s>(
    spec: &'s FeedSpec,
    request: &CalculateRequest,
    staging: &Write<Staging>,
) -> Result<Calculated<'s>, CalculateError> {
    let plan = Plan::of(spec).map_err(|detail| CalculateError::Spec { detail })?;
    let period = request.period.as_deref();
    let of_rows = || {
        let rows = staging.get(&request.rows).map_err(CalculateError::storage)?;
        Measured::rows(spec, period, BufReader::with_capacity(128 * 1024, rows), &request.control)
    };
    if plan.tables.is_empty()
        && plan.reconciliations.is_empty()
        && plan.warnings.is_empty()
        && spec.figures.source() == ROWS
    {
        return Ok(Calculated::of(of_rows()?));
    }
    let inputs =
        Inputs { feed: &spec.feed, rows: &request.rows, references: &request.references, period, staging };
    let tables = Tables::of(&plan, inputs)?;
    tables.reconcile()?;
    let of_table = plan.layout(spec.figures.source()).zip(tables.rows_of(spec.figures.source()));
    let mut calculated = match of_table {
        None => Calculated::of(of_rows()?),
        Some((layout, held)) => {
            let groups = Measured::table(spec, period, layout, held)?;
            let entries = match (spec.delivered(), period) {
                (Some(kept), Some(period)) => {
                    let rows = entries::of(spec, period, layout, held, &groups)?;
                    let key = format!("{}/entries.jsonl", place_of(spec, request));
                    Some(entries::write(spec, kept, layout, &rows, staging, &key)?)
                }
                _ => None,
            };
            Calculated { entries, ..Calculated::of(groups) }
        }
    };
    calculated.warnings = tables.warnings()?;
    Ok(calculated)
}

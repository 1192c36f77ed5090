//! What a delivery leaves behind: the receipt, and what reading it back shows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::Shape;

use crate::tally::first_difference;

/// CoreView's acknowledgement of a batch, as its ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Receipt {
    /// Identifies the delivery whatever execution asked for it.
    pub delivery_id: String,
    /// The number under which CoreView booked it.
    pub coreview_id: String,
    /// How it was delivered.
    pub channel: String,
    /// The workflow that delivered it.
    pub workflow: String,
    /// The feed the figures were computed from.
    pub feed: String,
    /// The business period of the figures.
    pub period: String,
    /// 1 for the first delivery of the period, one more for each that replaced it.
    pub version: u64,
    /// SHA-256 of the canonical rows.
    pub batch_sha256: String,
    /// How many entities the period has.
    pub rows: u64,
    /// How many of them this delivery added, changed or withdrew.
    pub changed_rows: u64,
    /// Control totals: decimal texts by name.
    pub totals: BTreeMap<String, String>,
    /// The execution that delivered it: another one than asks when it was there before.
    pub execution_arn: String,
    /// When it was booked (RFC 3339, UTC).
    pub delivered_at: String,
    /// Whether it had been booked before this step ran.
    pub already_delivered: bool,
    /// Why an earlier delivery of the period was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<String>,
}

/// What the target says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlTotals {
    /// How many entities.
    pub rows: u64,
    /// Sums of their figures, by name.
    pub totals: BTreeMap<String, String>,
    /// SHA-256 of the rows in canonical form.
    pub sha256: String,
}

impl ControlTotals {
    /// How this differs from a receipt, in words; `None` when it does not.
    pub(crate) fn difference(&self, receipt: &Receipt) -> Option<String> {
        if self.rows != receipt.rows {
            return Some(format!("it holds {} rows instead of {}", self.rows, receipt.rows));
        }
        if let Some(name) = first_difference(&receipt.totals, &self.totals) {
            let text = |totals: &BTreeMap<String, String>| {
                totals.get(&name).map_or_else(|| "nothing".to_owned(), Clone::clone)
            };
            return Some(format!(
                "its `{name}` is {} instead of {}",
                text(&self.totals),
                text(&receipt.totals)
            ));
        }
        (self.sha256 != receipt.batch_sha256)
            .then(|| format!("its rows have sha256 {} instead of {}", self.sha256, receipt.batch_sha256))
    }
}

/// A delivery as the target knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// What was acknowledged, with `already_delivered` set.
    pub receipt: Receipt,
    /// Whether it still holds.
    pub standing: Standing,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its figures are the period's figures.
    Active,
    /// A correction took its place.
    Superseded {
        /// The correction's delivery id.
        by: String,
    },
    /// It was taken back.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

//! What the data steps hand each other: small JSON, the data itself by reference.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::Shape;
use stepwright::objects::ObjectRef;

/// How many rows came in, and what became of them.
///
/// `rows_in` = `accepted` + `cancelled` + `rejected`, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Stats {
    /// Source files; the entries of an archive count one by one.
    pub files: u64,
    /// Data rows of the source.
    pub rows_in: u64,
    /// Rows that count.
    pub accepted: u64,
    /// Rows kept as cancellations.
    pub cancelled: u64,
    /// Rows kept aside.
    pub rejected: u64,
    /// Accepted rows by triage code.
    pub accepted_by_code: BTreeMap<String, u64>,
    /// Cancelled rows by triage code.
    pub cancelled_by_code: BTreeMap<String, u64>,
    /// Rejected rows by code.
    pub rejected_by_code: BTreeMap<String, u64>,
}

/// A warning of the spec that applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Warned {
    /// How many rows it is about.
    pub rows: u64,
    /// The first of them: file, line and reason.
    pub first: String,
}

/// What parsing left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Parsed {
    /// The feed's name.
    pub feed: String,
    /// Accepted and cancelled rows, in the format of [`crate::rows`].
    pub rows: ObjectRef,
    /// Rejected rows, in the format of [`crate::rejects`].
    pub rejects: ObjectRef,
    /// Row counts.
    pub stats: Stats,
    /// Warnings of the spec by code; those that did not apply are not here.
    #[serde(default)]
    pub warnings: BTreeMap<String, Warned>,
}

/// What reconciliation confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Reconciled {
    /// The feed's name.
    pub feed: String,
    /// The rows that were counted again.
    pub rows: ObjectRef,
    /// Row counts, counted again from what is stored.
    pub stats: Stats,
    /// Control measures over all rows at once, as exact decimal text.
    pub control: BTreeMap<String, String>,
}

/// What calculation left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Figures {
    /// The feed's name.
    pub feed: String,
    /// The channel the figures are for.
    pub channel: String,
    /// The business period: `2024-01`, or `2024-01/2024-03`.
    pub period: String,
    /// The figures: CSV with a header, comma, LF.
    pub figures: ObjectRef,
    /// The columns that identify a row of figures.
    pub key_columns: Vec<String>,
    /// Rows of figures, without the header.
    pub rows: u64,
    /// Sum of each control measure over the rows of figures as they are written,
    /// as exact decimal text.
    pub totals: BTreeMap<String, String>,
    /// The rows the figures are made of, where the spec has them kept, in the
    /// format of [`crate::rows`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<ObjectRef>,
    /// Warnings of the spec about tables, by code; those that did not apply are
    /// not here.
    #[serde(default)]
    pub warnings: BTreeMap<String, Warned>,
}

/// The wish to replace what was delivered for a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Correction {
    /// Why; kept with every row that changes.
    pub reason: String,
}

/// A market's part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct MarketFigures {
    /// The market; `all` for a feed without markets.
    pub market: String,
    /// The rows its figures were calculated from.
    pub parsed: Parsed,
    /// Its figures.
    pub figures: Figures,
}

/// A revision of reference data that a run was calculated with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct PinnedRevision {
    /// The reference's name.
    pub name: String,
    /// What the revision is for, such as `year=2024`; empty for everything.
    pub scope: String,
    /// Its number.
    pub number: u64,
}

/// What is kept of a receipt beside its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ReceiptRef {
    /// The market whose figures were delivered.
    pub market: String,
    /// How they were delivered.
    pub channel: String,
    /// Identifies the delivery whatever execution asked for it.
    pub delivery_id: String,
    /// The number under which it was booked.
    pub coreview_id: String,
    /// Rows that were booked.
    pub rows: u64,
    /// SHA-256 of the booked rows.
    pub batch_sha256: String,
    /// Whether it had been booked before.
    pub already_delivered: bool,
}

//! A batch: the canonical form of the figures of one period, and its identity.
//!
//! The canonical form is JSON Lines, one line per entity, sorted by the bytes of
//! the entity's key, object members sorted, every value the text it had in the
//! figures. Same figures, same bytes, whoever computed them in whatever order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read};

use feed::Correction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwright::Shape;
use stepwright::objects::ObjectRef;

use crate::receipt::Receipt;

/// The channel that books into CoreView's database.
pub const DATABASE_CHANNEL: &str = "coreview-database";

/// The channel that drops files into a folder.
pub const FILE_CHANNEL: &str = "file-drop";

/// The channel that puts batches to an HTTPS endpoint.
pub const HTTPS_CHANNEL: &str = "https";

/// Every channel there is.
pub const CHANNELS: [&str; 3] = [DATABASE_CHANNEL, FILE_CHANNEL, HTTPS_CHANNEL];

/// A line of a batch; a row that needs more is not a row of figures. The rows of
/// an insert or of a page read back are in memory together: at most 64 MiB.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;

/// PostgreSQL indexes values up to about 2,700 bytes.
pub(crate) const ENTITY_KEY_BYTES_MAX: usize = 2000;

/// A batch ready to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Batch {
    /// Identifies the delivery whatever execution asks for it; see [`delivery_id`].
    pub delivery_id: String,
    /// How it is delivered.
    pub channel: String,
    /// The workflow that delivers it.
    pub workflow: String,
    /// The feed the figures were computed from.
    pub feed: String,
    /// The business period of the figures, such as `2024-06`.
    pub period: String,
    /// The market the figures are of, where a period has figures of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<String>,
    /// The canonical rows.
    pub batch: ObjectRef,
    /// SHA-256 of the canonical rows, 64 lower-case hexadecimal digits.
    pub batch_sha256: String,
    /// How many entities there are.
    pub rows: u64,
    /// Control totals: decimal texts by name.
    pub totals: BTreeMap<String, String>,
    /// The execution that staged the batch; not part of its identity.
    pub execution_arn: String,
    /// Present when the batch replaces one that was booked for the same period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// The delivery that a correction was compared with, before it was approved: the last one
    /// that was known for channel, period and market. Absent when none was. A channel that
    /// has had another one since refuses the correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl Batch {
    /// The identity its fields amount to.
    pub(crate) fn identity(&self) -> String {
        delivery_id(&Identity {
            channel: &self.channel,
            workflow: &self.workflow,
            feed: &self.feed,
            period: &self.period,
            market: self.market.as_deref(),
            batch_sha256: &self.batch_sha256,
            correction: self.correction.as_ref().map(|correction| correction.reason.as_str()),
            replaces: self.replaces.as_deref(),
        })
    }
}

/// What makes two deliveries the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// See [`Batch::channel`].
    pub channel: &'a str,
    /// See [`Batch::workflow`].
    pub workflow: &'a str,
    /// See [`Batch::feed`]; feed, period and market together are the business period.
    pub feed: &'a str,
    /// See [`Batch::period`].
    pub period: &'a str,
    /// See [`Batch::market`].
    pub market: Option<&'a str>,
    /// See [`Batch::batch_sha256`].
    pub batch_sha256: &'a str,
    /// The reason of a correction: going back to an earlier batch is a new
    /// delivery, not a repetition of the first.
    pub correction: Option<&'a str>,
    /// See [`Batch::replaces`]: going back and forth for the same reason is a delivery each
    /// time. Of no meaning without a correction.
    pub replaces: Option<&'a str>,
}

/// The idempotency key: SHA-256 over channel, workflow, business period and the
/// batch's SHA-256, in hexadecimal digits.
///
/// Never over the execution: a support engineer may start the work again as a
/// new execution, and that must not pay twice.
pub fn delivery_id(identity: &Identity<'_>) -> String {
    let Identity { channel, workflow, feed, period, market, batch_sha256, correction, replaces } = *identity;
    // The first form has no market: ids given before there were markets stay what they are.
    let mut parts = match market {
        None => vec!["stepwright delivery 1", channel, workflow, feed, period],
        Some(market) => vec!["stepwright delivery 2", channel, workflow, feed, period, market],
    };
    parts.push(batch_sha256);
    parts.extend(correction);
    parts.extend(correction.and(replaces));
    framed_sha256(&parts)
}

/// Which delivery is meant, and where its target keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryKey<'a> {
    /// See [`Batch::delivery_id`].
    pub delivery_id: &'a str,
    /// See [`Batch::feed`].
    pub feed: &'a str,
    /// See [`Batch::period`].
    pub period: &'a str,
    /// See [`Batch::market`].
    pub market: Option<&'a str>,
}

impl<'a> From<&'a Batch> for DeliveryKey<'a> {
    fn from(batch: &'a Batch) -> Self {
        let Batch { delivery_id, feed, period, market, .. } = batch;
        Self { delivery_id, feed, period, market: market.as_deref() }
    }
}

impl<'a> From<&'a Receipt> for DeliveryKey<'a> {
    fn from(receipt: &'a Receipt) -> Self {
        let Receipt { delivery_id, feed, period, market, .. } = receipt;
        Self { delivery_id, feed, period, market: market.as_deref() }
    }
}

impl std::fmt::Display for DeliveryKey<'_> {
    /// The business period, for messages: `commissions 2024-06`, `commissions 2024-06 (market north)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.feed, self.period)?;
        self.market.map_or(Ok(()), |market| write!(f, " (market {market})"))
    }
}

/// SHA-256 of texts, each preceded by its length, so that moving a character
/// from one to the next gives another hash.
pub(crate) fn framed_sha256(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One entity and its figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The key columns.
    pub(crate) entity: BTreeMap<String, String>,
    /// The other columns.
    pub(crate) figures: BTreeMap<String, String>,
}

impl Entry {
    pub(crate) fn to_row(&self) -> Row {
        Row { entity_key: object_text(&self.entity), figures: object_text(&self.figures) }
    }
}

/// An entry as the database holds it: two JSON texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) entity_key: String,
    pub(crate) figures: String,
}

impl Row {
    /// Its line in the canonical batch, with the line feed.
    pub(crate) fn line(&self) -> String {
        let Self { entity_key, figures } = self;
        format!("{{\"entity\":{entity_key},\"figures\":{figures}}}\n")
    }

    /// Fails when a text is not an object of texts.
    pub(crate) fn to_entry(&self) -> serde_json::Result<Entry> {
        Ok(Entry {
            entity: serde_json::from_str(&self.entity_key)?,
            figures: serde_json::from_str(&self.figures)?,
        })
    }
}

/// A JSON object with sorted members and no spaces. Control characters are
/// escaped, so that the text has no NUL, which PostgreSQL cannot store.
fn object_text(object: &BTreeMap<String, String>) -> String {
    // A map of texts always has a JSON form.
    serde_json::to_string(object).unwrap_or_default()
}

/// Reads the rows of a batch, refusing everything that is not canonical.
pub(crate) struct Rows<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
    previous_key: Option<String>,
}

/// Why a batch cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("cannot read the batch after line {line}: {source}")]
    Io { line: u64, source: io::Error },
    #[error("line {line} of the batch is not canonical: {problem}; stage the figures again")]
    NotCanonical { line: u64, problem: String },
}

impl<R: BufRead> Rows<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, line: Vec::new(), number: 0, previous_key: None }
    }

    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, BatchError> {
        self.line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        (&mut self.source)
            .take(limit)
            .read_until(b'\n', &mut self.line)
            .map_err(|source| BatchError::Io { line: self.number, source })?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let entry: Entry =
            serde_json::from_slice(&self.line).map_err(|error| self.not_canonical(&error.to_string()))?;
        let row = entry.to_row();
        if row.line().as_bytes() != self.line {
            return Err(self.not_canonical("written in another way than staging does"));
        }
        if self.previous_key.as_ref().is_some_and(|previous| *previous >= row.entity_key) {
            return Err(self.not_canonical("its entity is not after the one before it"));
        }
        self.previous_key = Some(row.entity_key.clone());
        Ok(Some(row))
    }

    fn not_canonical(&self, problem: &str) -> BatchError {
        BatchError::NotCanonical { line: self.number, problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests;

//! The manifest of a version, and where it lies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::receiver::{Answer, answer_in};
use super::shelf::read_small;
use crate::batch::{Batch, DeliveryKey, FILE_CHANNEL, framed_sha256, hex};
use crate::clock;
use crate::deliver::DeliverError;
use crate::receipt::{Receipt, RowError};
use sha2::{Digest as _, Sha256};
use stepwright::objects::Store;

/// The file that makes a version delivered.
pub(super) const MANIFEST: &str = "manifest.json";

/// What receivers have to understand; a change they cannot ignore is another number. Until 1
/// a correction never was whole, and did not name what it rested on.
const SCHEMA_VERSION: u32 = 2;
const SCHEMA_VERSION_WITHOUT_BASE: u32 = 1;

/// Names and totals fit many times over.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

/// Of a name of ours in a path, before it is cut; file systems end at 255.
const SEGMENT_BYTES_MAX: usize = 120;

/// What a version contains and what it makes of its period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    pub(super) kind: Kind,
    /// What the receiver must take once, and names in its answer.
    pub(super) delivery_id: String,
    pub(super) workflow: String,
    pub(super) feed: String,
    pub(super) period: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) market: Option<String>,
    pub(super) version: u64,
    /// Absent in a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<DataFile>,
    /// The delivery on top of which `data` is what changes. Absent where `data` is all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<String>,
    /// Entities of the period once this version is taken.
    pub(super) rows: u64,
    /// Their control totals.
    pub(super) totals: BTreeMap<String, String>,
    /// SHA-256 of their canonical rows.
    pub(super) batch_sha256: String,
    pub(super) execution_arn: String,
    pub(super) delivered_at: String,
    /// The reason of a correction or a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) correction: Option<String>,
    /// The delivery that a correction was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<String>,
    /// The delivery that a withdrawal takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) withdraws: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Delivery,
    Correction,
    Withdrawal,
}

/// The rows of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataFile {
    /// Its name, beside the manifest.
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) bytes: u64,
    /// Rows that are new or changed.
    pub(super) rows: u64,
    /// Rows that the period no longer has.
    pub(super) withdrawn_rows: u64,
}

impl Manifest {
    pub(super) fn of_batch(batch: &Batch, version: u64, base: Option<String>, data: DataFile) -> Self {
        let correction = batch.correction.as_ref().map(|correction| correction.reason.clone());
        Self {
            schema_version: SCHEMA_VERSION,
            kind: if correction.is_some() { Kind::Correction } else { Kind::Delivery },
            delivery_id: batch.delivery_id.clone(),
            workflow: batch.workflow.clone(),
            feed: batch.feed.clone(),
            period: batch.period.clone(),
            market: batch.market.clone(),
            version,
            data: Some(data),
            base,
            rows: batch.rows,
            totals: batch.totals.clone(),
            batch_sha256: batch.batch_sha256.clone(),
            execution_arn: batch.execution_arn.clone(),
            delivered_at: clock::now(),
            replaces: batch.correction.as_ref().and(batch.replaces.clone()),
            correction,
            withdraws: None,
        }
    }

    /// Takes a delivery back: the period has no rows.
    pub(super) fn of_withdrawal(receipt: &Receipt, version: u64, reason: &str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            kind: Kind::Withdrawal,
            delivery_id: framed_sha256(&["stepwright withdrawal 1", &receipt.delivery_id]),
            workflow: receipt.workflow.clone(),
            feed: receipt.feed.clone(),
            period: receipt.period.clone(),
            market: receipt.market.clone(),
            version,
            data: None,
            base: None,
            rows: 0,
            totals: BTreeMap::new(),
            batch_sha256: hex(&Sha256::digest(b"")),
            execution_arn: receipt.execution_arn.clone(),
            delivered_at: clock::now(),
            correction: Some(reason.to_owned()),
            replaces: None,
            withdraws: Some(receipt.delivery_id.clone()),
        }
    }

    /// The manifest in a version's folder; `None` when the version was not delivered.
    pub(super) fn read(store: &Store, folder: &str) -> Result<Option<Self>, DeliverError> {
        let key = format!("{folder}/{MANIFEST}");
        let Some(text) = read_small(store, &key, MANIFEST_BYTES_MAX)? else { return Ok(None) };
        let damaged = |problem: String| DeliverError::VerificationMismatch {
            detail: format!(
                "{} {problem}; find out who changed it and put it right, then redrive the execution",
                store.location_of(&key)
            ),
        };
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|error| damaged(format!("is not a manifest of this step ({error})")))?;
        if ![SCHEMA_VERSION_WITHOUT_BASE, SCHEMA_VERSION].contains(&manifest.schema_version) {
            return Err(damaged(format!("has schema version {}", manifest.schema_version)));
        }
        Ok(Some(manifest))
    }

    /// Whether its rows are all the period has, not what changes.
    pub(super) fn is_whole(&self) -> bool {
        match self.kind {
            Kind::Delivery => self.base.is_none(),
            Kind::Correction => self.base.is_none() && self.schema_version != SCHEMA_VERSION_WITHOUT_BASE,
            Kind::Withdrawal => false,
        }
    }

    pub(super) fn receipt(&self) -> Receipt {
        Receipt {
            delivery_id: self.delivery_id.clone(),
            // A folder numbers nothing: the delivery's own id, shortened.
            coreview_id: format!("FD-{}", self.delivery_id.get(..12).unwrap_or_default().to_uppercase()),
            channel: FILE_CHANNEL.to_owned(),
            workflow: self.workflow.clone(),
            feed: self.feed.clone(),
            period: self.period.clone(),
            market: self.market.clone(),
            version: self.version,
            batch_sha256: self.batch_sha256.clone(),
            rows: self.rows,
            changed_rows: self.data.as_ref().map_or(0, |data| data.rows + data.withdrawn_rows),
            totals: self.totals.clone(),
            execution_arn: self.execution_arn.clone(),
            delivered_at: self.delivered_at.clone(),
            already_delivered: false,
            correction: self.correction.clone(),
        }
    }
}

/// A version that was delivered.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// What the keys of its objects begin with, before a `/`.
    pub(super) folder: String,
    pub(super) manifest: Manifest,
    /// Whether the receiver has taken it.
    pub(super) is_taken: bool,
    /// Why the receiver did not take it.
    pub(super) refusal: Option<(String, Vec<RowError>)>,
}

impl Version {
    /// The version of this number in a period's folder.
    pub(super) fn read(
        store: &Store,
        period: &str,
        number: u64,
        delivery: DeliveryKey<'_>,
    ) -> Result<Option<Self>, DeliverError> {
        let folder = format!("{period}/{}", version_name(number));
        let Some(manifest) = Manifest::read(store, &folder)? else { return Ok(None) };
        let is_of = manifest.feed == delivery.feed
            && manifest.period == delivery.period
            && manifest.market.as_deref() == delivery.market
            && manifest.version == number;
        if !is_of {
            return Err(DeliverError::VerificationMismatch {
                detail: format!(
                    "{} has a manifest of something else (version {} of {} {}) than of {delivery}; do two names differ in case only, or did somebody move it?",
                    store.location_of(&folder),
                    manifest.version,
                    manifest.feed,
                    manifest.period
                ),
            });
        }
        let (is_taken, refusal) = match answer_in(store, &folder, &manifest.delivery_id)? {
            Some(Answer::Refused { detail, rows }) => (false, Some((detail, rows))),
            Some(Answer::Accepted(_)) => (true, None),
            None => (false, None),
        };
        Ok(Some(Self { folder, manifest, is_taken, refusal }))
    }
}

/// Where the versions of a period and market are.
pub(super) fn folder(delivery: DeliveryKey<'_>) -> String {
    let period = format!("{}/{}", segment(delivery.feed), segment(delivery.period));
    match delivery.market {
        None => period,
        Some(market) => format!("{period}/market-{}", segment(market)),
    }
}

/// `v0001`: sorts as numbers do.
pub(super) fn version_name(number: u64) -> String {
    format!("v{number:04}")
}

/// A name as one segment of a key: what is not a letter, digit, `-`, `_` or inner
/// `.` is percent-encoded; a long one is cut and told apart by its hash.
fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        if plain {
            segment.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    if segment.len() <= SEGMENT_BYTES_MAX {
        return segment;
    }
    segment.truncate(SEGMENT_BYTES_MAX - 20);
    let hash = framed_sha256(&[name]);
    format!("{segment}~{}", hash.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn names_are_one_segment_each_and_stay_apart() {
        for (name, expected) in [
            ("2024-06", "2024-06"),
            ("2024-01/2024-03", "2024-01%2F2024-03"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("a.part", "a.part"),
            ("it's 日", "it%27s%20%E6%97%A5"),
            ("%2F", "%252F"),
        ] {
            assert_eq!(segment(name), expected);
        }
        let long = ["x".repeat(150), "x".repeat(151), "日".repeat(66)].map(|name| segment(&name));
        assert!(long.iter().all(|segment| segment.len() < 120 && segment.contains('~')), "{long:?}");
        assert_ne!(long[0], long[1]);
    }
}

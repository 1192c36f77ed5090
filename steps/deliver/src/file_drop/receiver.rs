//! What the receiver answers to a manifest: `ack.json` or `nak.json` beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::Shape;
use stepwright::objects::Store;

use super::FileDrop;
use super::manifest::{Kind, Manifest};
use super::shelf::{failure, read_small};
use crate::batch::DeliveryKey;
use crate::deliver::DeliverError;
use crate::receipt::{RowError, name_rows, quoted};

const ACK: &str = "ack.json";
const NAK: &str = "nak.json";

/// Of an answer; some ten thousand row errors.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a receiver says about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has taken the batch.
    Accepted(Acknowledgement),
    /// It has taken nothing of the batch.
    Refused {
        /// Why, in words that name the first rows.
        detail: String,
        /// Because of which rows.
        rows: Vec<RowError>,
    },
}

/// A receiver's word that it has taken a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Acknowledgement {
    /// The delivery it is about.
    pub delivery_id: String,
    /// The receiver's own number for it, if it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it was taken, if the receiver says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<String>,
}

/// Both files have the same members; what does not apply is absent.
#[derive(Deserialize)]
struct AnswerFile {
    manifest_id: String,
    reference: Option<String>,
    acknowledged_at: Option<String>,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    rows: Vec<RowError>,
}

/// What the receiver has answered to a delivery; `None` while it has not, or when
/// the folder does not hold the delivery.
///
/// [`DeliverError::Unavailable`] when the answer cannot be read, which passes if
/// it was just being written; [`DeliverError::VerificationMismatch`] when it is
/// about something else.
pub fn read_ack(drop: &FileDrop, delivery: DeliveryKey<'_>) -> Result<Option<Answer>, DeliverError> {
    drop.check_root()?;
    let versions = drop.versions(delivery)?;
    let version = versions.iter().find(|version| version.manifest.delivery_id == delivery.delivery_id);
    version.map_or(Ok(None), |version| answer_in(&drop.store, &version.folder, delivery.delivery_id))
}

/// The answer in a version's folder. A refusal counts, whatever else is said.
pub(super) fn answer_in(
    store: &Store,
    folder: &str,
    delivery_id: &str,
) -> Result<Option<Answer>, DeliverError> {
    let nak = format!("{folder}/{NAK}");
    if let Some(AnswerFile { detail, rows, .. }) = read(store, &nak, delivery_id)? {
        let named = if rows.is_empty() { String::new() } else { format!(": {}", name_rows(&rows)) };
        let words = if detail.is_empty() { String::new() } else { format!(" ({})", quoted(&detail)) };
        let detail = format!(
            "the receiver has refused delivery {delivery_id}{words}{named}; correct the rows and deliver them again, see {}",
            store.location_of(&nak)
        );
        return Ok(Some(Answer::Refused { detail, rows }));
    }
    let Some(AnswerFile { reference, acknowledged_at, .. }) =
        read(store, &format!("{folder}/{ACK}"), delivery_id)?
    else {
        return Ok(None);
    };
    let delivery_id = delivery_id.to_owned();
    Ok(Some(Answer::Accepted(Acknowledgement { delivery_id, reference, acknowledged_at })))
}

/// What a file answers, by where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The delivery with this id.
    Delivery(String),
    /// Figures that were taken back, for which nobody waits.
    Withdrawal,
    /// There is no manifest beside it.
    Nothing,
}

/// What the file under a key answers.
///
/// [`DeliverError::VerificationMismatch`] when it is no answer, is gone, or names
/// something else than the manifest beside it.
pub(crate) fn answered_at(drop: &FileDrop, key: &str) -> Result<Answered, DeliverError> {
    drop.check_root()?;
    let place = drop.location_of(key);
    let refuse = |problem: String| DeliverError::VerificationMismatch {
        detail: format!("{place} {problem}; the receiver has to write it as docs/delivery.md says"),
    };
    let Some((folder, ACK | NAK)) = key.rsplit_once('/') else {
        return Err(refuse(format!("is neither {ACK} nor {NAK} beside a manifest")));
    };
    let Some(text) = read_small(&drop.store, key, ANSWER_BYTES_MAX)? else {
        return Err(refuse("is gone".to_owned()));
    };
    let answer: AnswerFile =
        serde_json::from_str(&text).map_err(|error| refuse(format!("is no answer ({error})")))?;
    let Some(manifest) = Manifest::read(&drop.store, folder)? else { return Ok(Answered::Nothing) };
    if answer.manifest_id != manifest.delivery_id {
        let named = quoted(&answer.manifest_id);
        return Err(refuse(format!("answers manifest {named}, not {} beside it", manifest.delivery_id)));
    }
    Ok(match manifest.kind {
        Kind::Withdrawal => Answered::Withdrawal,
        Kind::Delivery | Kind::Correction => Answered::Delivery(manifest.delivery_id),
    })
}

/// Whether a delivery has been taken and refused.
pub(crate) fn says_both(drop: &FileDrop, delivery: DeliveryKey<'_>) -> Result<bool, DeliverError> {
    let versions = drop.versions(delivery)?;
    let version = versions.iter().find(|version| version.manifest.delivery_id == delivery.delivery_id);
    let Some(version) = version else { return Ok(false) };
    let is_there = |name: &str| {
        let file = drop.store.look(&format!("{}/{name}", version.folder));
        file.map(|file| file.is_some()).map_err(|error| failure(&error))
    };
    Ok(is_there(ACK)? && is_there(NAK)?)
}

fn read(store: &Store, key: &str, delivery_id: &str) -> Result<Option<AnswerFile>, DeliverError> {
    let Some(text) = read_small(store, key, ANSWER_BYTES_MAX)? else { return Ok(None) };
    let answer: AnswerFile = serde_json::from_str(&text).map_err(|error| DeliverError::Unavailable {
        detail: format!(
            "{} cannot be read ({error}); the receiver has to write it under another name and rename it: it is tried again",
            store.location_of(key)
        ),
    })?;
    if answer.manifest_id != delivery_id {
        return Err(DeliverError::VerificationMismatch {
            detail: format!(
                "{} answers manifest {}, not {delivery_id} beside it; the receiver has to put it right, then redrive the execution",
                store.location_of(key),
                quoted(&answer.manifest_id)
            ),
        });
    }
    Ok(Some(answer))
}

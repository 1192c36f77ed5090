//! What the receiver answers to a manifest: `ack.json` or `nak.json` beside it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::Shape;

use super::FileDrop;
use super::durable::read_small;
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
    version.map_or(Ok(None), |version| answer_in(&version.folder, delivery.delivery_id))
}

/// The answer in a version's folder. A refusal counts, whatever else is said.
pub(super) fn answer_in(folder: &Path, delivery_id: &str) -> Result<Option<Answer>, DeliverError> {
    if let Some(AnswerFile { detail, rows, .. }) = read(&folder.join(NAK), delivery_id)? {
        let named = if rows.is_empty() { String::new() } else { format!(": {}", name_rows(&rows)) };
        let words = if detail.is_empty() { String::new() } else { format!(" ({})", quoted(&detail)) };
        let detail = format!(
            "the receiver has refused delivery {delivery_id}{words}{named}; correct the rows and deliver them again, see {}",
            folder.join(NAK).display()
        );
        return Ok(Some(Answer::Refused { detail, rows }));
    }
    let Some(AnswerFile { reference, acknowledged_at, .. }) = read(&folder.join(ACK), delivery_id)? else {
        return Ok(None);
    };
    let delivery_id = delivery_id.to_owned();
    Ok(Some(Answer::Accepted(Acknowledgement { delivery_id, reference, acknowledged_at })))
}

fn read(path: &Path, delivery_id: &str) -> Result<Option<AnswerFile>, DeliverError> {
    let Some(text) = read_small(path, ANSWER_BYTES_MAX)? else { return Ok(None) };
    let answer: AnswerFile = serde_json::from_str(&text).map_err(|error| DeliverError::Unavailable {
        detail: format!(
            "{} cannot be read ({error}); the receiver has to write it under another name and rename it: it is tried again",
            path.display()
        ),
    })?;
    if answer.manifest_id != delivery_id {
        return Err(DeliverError::VerificationMismatch {
            detail: format!(
                "{} answers manifest {}, not {delivery_id} beside it; the receiver has to put it right, then redrive the execution",
                path.display(),
                quoted(&answer.manifest_id)
            ),
        });
    }
    Ok(Some(answer))
}

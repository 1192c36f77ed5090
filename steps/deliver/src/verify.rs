//! The steps `verify`, `verify_file` and `verify_https`: ask the target again,
//! over a connection of their own, whether a receipt is true.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::{Look, Shape, StepError, Use, step};

use crate::batch::{DATABASE_CHANNEL, DeliveryKey, FILE_CHANNEL, HTTPS_CHANNEL};
use crate::channel::DeliveryChannel;
use crate::clock;
use crate::deliver::{DeliverError, check_channel};
use crate::file_drop::FileDrop;
use crate::https::{HttpsEndpoint, HttpsPatience};
use crate::ledger::Ledger;
use crate::receipt::{Booking, Receipt, Standing};
use crate::{CoreViewDrop, CoreViewHttps, CoreViewUrl};
use database::{DatabaseError, ErrorKind};

/// A receipt that was found to be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Verified {
    /// See [`Receipt::delivery_id`].
    pub delivery_id: String,
    /// See [`Receipt::coreview_id`].
    pub coreview_id: String,
    /// How many entities CoreView holds for period and market.
    pub rows: u64,
    /// SHA-256 of them in canonical form.
    pub batch_sha256: String,
    /// When CoreView was asked (RFC 3339, UTC).
    pub verified_at: String,
}

/// Why a receipt could not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Verify"]
pub enum VerifyError {
    /// CoreView is down or cannot be reached.
    #[message("{detail}")]
    Unavailable {
        /// What happened and what to do.
        detail: String,
    },
    /// CoreView is busy.
    #[message("{detail}")]
    Throttled {
        /// What happened and what to do.
        detail: String,
    },
    /// CoreView refuses to be read.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do.
        detail: String,
    },
    /// The figures do not hold any more: a correction or a withdrawal has replaced them
    /// since, or the receiver has refused them.
    #[message("{detail}")]
    Superseded {
        /// What took their place and what to do.
        detail: String,
    },
    /// Receipt, ledger and figures do not agree.
    #[message("{detail}")]
    Mismatch {
        /// What happened and what to do.
        detail: String,
    },
}

/// Verifies a receipt: rows, totals and hash of what CoreView holds, its ledger
/// and the receipt are the same.
#[step(memory = 256, timeout = 300)]
pub async fn verify(receipt: Receipt, coreview: Use<CoreViewUrl>) -> Result<Verified, VerifyError> {
    check_channel(&receipt.channel, DATABASE_CHANNEL)?;
    if crate::faults::no_idempotency() {
        return Ok(verified(&receipt));
    }
    let connection = database::warm(coreview.value()).await?;
    verify_through(&mut Ledger::open(connection).await?, &receipt).await
}

/// Verifies a receipt of files that were dropped: manifest, files and receipt
/// are the same.
#[step(memory = 256, timeout = 300)]
pub async fn verify_file(receipt: Receipt, drop: Look<CoreViewDrop>) -> Result<Verified, VerifyError> {
    check_channel(&receipt.channel, FILE_CHANNEL)?;
    verify_through(&mut FileDrop::of(drop), &receipt).await
}

/// Verifies a receipt of an HTTPS endpoint: what it says it holds now and the
/// receipt are the same.
#[step(memory = 256, timeout = 300)]
pub async fn verify_https(receipt: Receipt, endpoint: Use<CoreViewHttps>) -> Result<Verified, VerifyError> {
    check_channel(&receipt.channel, HTTPS_CHANNEL)?;
    verify_through(&mut HttpsEndpoint::open(endpoint.value(), HttpsPatience::default())?, &receipt).await
}

async fn verify_through(
    channel: &mut impl DeliveryChannel,
    receipt: &Receipt,
) -> Result<Verified, VerifyError> {
    let Some(Booking { receipt: booked, standing }) = channel.find(receipt.into()).await? else {
        return Err(mismatch(receipt, &format!("{} has no such delivery", channel.place())));
    };
    if let Some(field) = first_difference(receipt, &booked) {
        let difference = format!("{} has another `{field}` than the receipt", channel.place());
        return Err(mismatch(receipt, &difference));
    }
    still_standing(receipt, standing)?;
    let Some(difference) = channel.read_back(receipt).await?.difference(receipt) else {
        return Ok(verified(receipt));
    };
    // It may have been replaced in between.
    if let Some(Booking { standing, .. }) = channel.find(receipt.into()).await? {
        still_standing(receipt, standing)?;
    }
    Err(mismatch(receipt, &difference))
}

/// Nobody may take a receipt for what stands for its period when it does not.
fn still_standing(receipt: &Receipt, standing: Standing) -> Result<(), VerifyError> {
    let what = match standing {
        Standing::Active => return Ok(()),
        Standing::Superseded { by } => format!("was replaced by delivery {by}"),
        Standing::Withdrawn { reason } => format!("was withdrawn ({reason})"),
        Standing::Refused { detail, .. } => format!("was refused: {detail}"),
    };
    Err(VerifyError::Superseded {
        detail: format!(
            "delivery {} of {}, delivered at {}, {what}; look at what is there now and start again if that is not right",
            receipt.delivery_id,
            DeliveryKey::from(receipt),
            receipt.delivered_at
        ),
    })
}

fn verified(receipt: &Receipt) -> Verified {
    Verified {
        delivery_id: receipt.delivery_id.clone(),
        coreview_id: receipt.coreview_id.clone(),
        rows: receipt.rows,
        batch_sha256: receipt.batch_sha256.clone(),
        verified_at: clock::now(),
    }
}

fn mismatch(receipt: &Receipt, difference: &str) -> VerifyError {
    VerifyError::Mismatch {
        detail: format!(
            "CoreView does not confirm delivery {} of {}: {difference}; find out who changed it, put it right, then redrive the execution",
            receipt.delivery_id,
            DeliveryKey::from(receipt)
        ),
    }
}

/// The first field in which two receipts differ, apart from `already_delivered`,
/// which says something about the asking execution.
fn first_difference(receipt: &Receipt, booked: &Receipt) -> Option<&'static str> {
    let Receipt {
        delivery_id,
        coreview_id,
        channel,
        workflow,
        feed,
        period,
        market,
        version,
        batch_sha256,
        rows,
        changed_rows,
        totals,
        execution_arn,
        delivered_at,
        already_delivered: _,
        correction,
    } = booked;
    [
        ("delivery_id", *delivery_id == receipt.delivery_id),
        ("coreview_id", *coreview_id == receipt.coreview_id),
        ("channel", *channel == receipt.channel),
        ("workflow", *workflow == receipt.workflow),
        ("feed", *feed == receipt.feed),
        ("period", *period == receipt.period),
        ("market", *market == receipt.market),
        ("version", *version == receipt.version),
        ("batch_sha256", *batch_sha256 == receipt.batch_sha256),
        ("rows", *rows == receipt.rows),
        ("changed_rows", *changed_rows == receipt.changed_rows),
        ("totals", *totals == receipt.totals),
        ("execution_arn", *execution_arn == receipt.execution_arn),
        ("delivered_at", *delivered_at == receipt.delivered_at),
        ("correction", *correction == receipt.correction),
    ]
    .into_iter()
    .find_map(|(field, same)| (!same).then_some(field))
}

impl From<DatabaseError> for VerifyError {
    fn from(error: DatabaseError) -> Self {
        let detail = error.to_string();
        match error.kind {
            ErrorKind::Unavailable | ErrorKind::Unknown => Self::Unavailable { detail },
            ErrorKind::Throttled => Self::Throttled { detail },
            ErrorKind::Rejected | ErrorKind::Forbidden => Self::Rejected { detail },
        }
    }
}

impl From<DeliverError> for VerifyError {
    fn from(error: DeliverError) -> Self {
        let detail = error.to_string();
        match error {
            DeliverError::Unavailable { .. } | DeliverError::Unknown { .. } => Self::Unavailable { detail },
            DeliverError::Throttled { .. } => Self::Throttled { detail },
            DeliverError::VerificationMismatch { .. } => Self::Mismatch { detail },
            DeliverError::Rejected { .. }
            | DeliverError::NotAcknowledged { .. }
            | DeliverError::Answered { .. }
            | DeliverError::Conflict { .. }
            | DeliverError::BatchUnreadable { .. } => Self::Rejected { detail },
        }
    }
}

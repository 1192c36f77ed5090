//! The step `verify`: asks CoreView again, over a connection of its own, whether
//! a receipt is true.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::{Shape, StepError, Use, step};

use crate::CoreViewUrl;
use crate::channel::DeliveryChannel as _;
use crate::clock;
use crate::deliver::DeliverError;
use crate::ledger::Ledger;
use crate::receipt::{Booking, Receipt, Standing};
use database::{DatabaseError, ErrorKind};

/// A receipt that was found to be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Verified {
    /// See [`Receipt::delivery_id`].
    pub delivery_id: String,
    /// See [`Receipt::coreview_id`].
    pub coreview_id: String,
    /// How many entities CoreView holds for the period.
    pub rows: u64,
    /// SHA-256 of them in canonical form.
    pub batch_sha256: String,
    /// False when a correction or a withdrawal has replaced the figures since;
    /// then only the ledger was compared.
    pub current: bool,
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
    let verified = |receipt: &Receipt, current| Verified {
        delivery_id: receipt.delivery_id.clone(),
        coreview_id: receipt.coreview_id.clone(),
        rows: receipt.rows,
        batch_sha256: receipt.batch_sha256.clone(),
        current,
        verified_at: clock::now(),
    };
    if crate::faults::no_idempotency() {
        return Ok(verified(&receipt, true));
    }
    let connection = database::warm(coreview.value()).await?;
    let mut ledger = Ledger::open(connection).await?;
    let Some(Booking { receipt: booked, standing }) = ledger.find(&receipt.delivery_id).await? else {
        return Err(mismatch(&receipt, "its ledger (table coreview_ledger) has no such delivery"));
    };
    if let Some(field) = first_difference(&receipt, &booked) {
        return Err(mismatch(&receipt, &format!("its ledger has another `{field}` than the receipt")));
    }
    if standing != Standing::Active {
        return Ok(verified(&receipt, false));
    }
    match ledger.read_back(&receipt).await?.difference(&receipt) {
        None => Ok(verified(&receipt, true)),
        Some(difference) => Err(mismatch(&receipt, &difference)),
    }
}

fn mismatch(receipt: &Receipt, difference: &str) -> VerifyError {
    VerifyError::Mismatch {
        detail: format!(
            "CoreView does not confirm delivery {} of {} {}: {difference}; find out who changed it, put it right, then redrive the execution",
            receipt.delivery_id, receipt.feed, receipt.period
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
            ErrorKind::Rejected => Self::Rejected { detail },
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
            | DeliverError::Conflict { .. }
            | DeliverError::BatchUnreadable { .. } => Self::Rejected { detail },
        }
    }
}

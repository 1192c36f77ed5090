//! What a way to deliver has to offer, and how it is used.
//!
//! `find`, then `apply`, then `read_back` and compare: whatever dies in between,
//! the next attempt starts with `find` and changes nothing that is there.

use std::future::Future;
use std::io::BufRead;

use crate::batch::Batch;
use crate::deliver::DeliverError;
use crate::receipt::{Booking, ControlTotals, Receipt, Standing};

/// A way to deliver batches.
pub trait DeliveryChannel: Send {
    /// The delivery with this id, if the target has it.
    fn find(
        &mut self,
        delivery_id: &str,
    ) -> impl Future<Output = Result<Option<Booking>, DeliverError>> + Send;

    /// Delivers a batch completely or not at all. Of any number of calls with
    /// the same batch, at any time, one books it and all return its receipt.
    ///
    /// [`DeliverError::Conflict`] when the period has another batch already;
    /// [`DeliverError::Unknown`] when the answer was lost.
    fn apply(
        &mut self,
        batch: &Batch,
        rows: impl BufRead + Send,
    ) -> impl Future<Output = Result<Receipt, DeliverError>> + Send;

    /// What the target holds for the period of a receipt.
    fn read_back(
        &mut self,
        receipt: &Receipt,
    ) -> impl Future<Output = Result<ControlTotals, DeliverError>> + Send;

    /// Takes a delivery back. Twice is once.
    fn withdraw(
        &mut self,
        delivery_id: &str,
        reason: &str,
    ) -> impl Future<Output = Result<(), DeliverError>> + Send;
}

/// Delivers a batch through a channel, once, and checks what arrived.
///
/// `open_rows` is called when the rows are needed: not when the batch is there.
pub async fn deliver_through<R: BufRead + Send>(
    channel: &mut impl DeliveryChannel,
    batch: &Batch,
    open_rows: impl FnOnce() -> Result<R, DeliverError> + Send,
) -> Result<Receipt, DeliverError> {
    if batch.identity() != batch.delivery_id || batch.batch.sha256 != batch.batch_sha256 {
        return Err(DeliverError::Rejected {
            detail: format!(
                "the delivery id {} does not belong to this batch of {} {}; stage the figures again",
                batch.delivery_id, batch.feed, batch.period
            ),
        });
    }
    let receipt = match channel.find(&batch.delivery_id).await? {
        Some(booking) => standing_receipt(booking)?,
        None => channel.apply(batch, open_rows()?).await?,
    };
    if crate::faults::no_idempotency() {
        return Ok(receipt);
    }
    let found = channel.read_back(&receipt).await?;
    match found.difference(&receipt) {
        None => Ok(receipt),
        Some(difference) => Err(DeliverError::VerificationMismatch {
            detail: format!(
                "CoreView does not hold what delivery {} of {} {} put there: {difference}; find out who changed it (tables coreview_figure and coreview_ledger), put it right, then redrive the execution",
                receipt.delivery_id, receipt.feed, receipt.period
            ),
        }),
    }
}

/// The receipt of a delivery that holds; otherwise what to do instead.
pub(crate) fn standing_receipt(booking: Booking) -> Result<Receipt, DeliverError> {
    let Booking { receipt, standing } = booking;
    let what = match standing {
        Standing::Active => return Ok(receipt),
        Standing::Superseded { by } => format!("was replaced by delivery {by}"),
        Standing::Withdrawn { reason } => format!("was withdrawn ({reason})"),
    };
    Err(DeliverError::Conflict {
        detail: format!(
            "this very batch of {} {} was delivered at {} as {} and {what}; to book it again, start with a correction and its reason",
            receipt.feed, receipt.period, receipt.delivered_at, receipt.coreview_id
        ),
    })
}

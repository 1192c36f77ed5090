//! What a way to deliver has to offer, and how it is used.
//!
//! `find`, then `apply`, then `read_back` and compare: whatever dies in between,
//! the next attempt starts with `find` and changes nothing that is there.

use std::future::Future;
use std::io::BufRead;
use std::time::Duration;

use crate::batch::{Batch, DeliveryKey};
use crate::deliver::DeliverError;
use crate::receipt::{Booking, ControlTotals, Receipt, Standing};

/// A way to deliver batches.
pub trait DeliveryChannel: Send {
    /// The delivery with this id, if the target has it.
    fn find(
        &mut self,
        delivery: DeliveryKey<'_>,
    ) -> impl Future<Output = Result<Option<Booking>, DeliverError>> + Send;

    /// Delivers a batch completely or not at all. Of any number of calls with
    /// the same batch, at any time, one books it and all return its receipt.
    ///
    /// [`DeliverError::Conflict`] when period and market have another batch already, or, for a
    /// correction, when another delivery came after the one it was compared with;
    /// [`DeliverError::Unknown`] when the answer was lost.
    fn apply(
        &mut self,
        batch: &Batch,
        rows: impl BufRead + Send + 'static,
    ) -> impl Future<Output = Result<Receipt, DeliverError>> + Send;

    /// What the target holds for period and market of a receipt.
    fn read_back(
        &mut self,
        receipt: &Receipt,
    ) -> impl Future<Output = Result<ControlTotals, DeliverError>> + Send;

    /// Takes a delivery back. Twice is once.
    fn withdraw(
        &mut self,
        delivery: DeliveryKey<'_>,
        reason: &str,
    ) -> impl Future<Output = Result<(), DeliverError>> + Send;

    /// Where somebody has to look when the target holds something else than it
    /// was given: for messages.
    fn place(&self) -> String;

    /// How long the target asked to wait when it refused the last `apply` for
    /// being busy; `None` when it did not, or for longer than a step should wait.
    fn pause(&mut self) -> Option<Duration> {
        None
    }
}

/// How often a step waits as it was asked to, before it leaves waiting to the
/// workflow's retriers.
const PAUSES_MAX: u32 = 3;

/// Delivers a batch through a channel, once, and checks what arrived.
///
/// `open_rows` is called when the rows are needed: not when the batch is there,
/// and again when the target was busy and asked to wait for a moment.
pub async fn deliver_through<R: BufRead + Send + 'static>(
    channel: &mut impl DeliveryChannel,
    batch: &Batch,
    mut open_rows: impl FnMut() -> Result<R, DeliverError> + Send,
) -> Result<Receipt, DeliverError> {
    if batch.identity() != batch.delivery_id || batch.batch.sha256 != batch.batch_sha256 {
        return Err(DeliverError::rejected(format!(
            "the delivery id {} does not belong to this batch of {}; stage the figures again",
            batch.delivery_id,
            DeliveryKey::from(batch)
        )));
    }
    let receipt = find_or_apply(channel, batch, &mut open_rows).await?;
    if crate::faults::no_idempotency() {
        return Ok(receipt);
    }
    match found_wrong(channel, &receipt).await? {
        None => Ok(receipt),
        Some(difference) => Err(DeliverError::VerificationMismatch {
            detail: format!(
                "CoreView does not hold what delivery {} of {} put there: {difference}; find out who changed it ({}), put it right, then redrive the execution",
                receipt.delivery_id,
                DeliveryKey::from(&receipt),
                channel.place()
            ),
        }),
    }
}

/// What is wrong with what the target holds for a receipt; nothing when it holds what
/// was delivered, and when it need not any more: a correction may have come since.
pub(crate) async fn found_wrong(
    channel: &mut impl DeliveryChannel,
    receipt: &Receipt,
) -> Result<Option<String>, DeliverError> {
    let Some(difference) = channel.read_back(receipt).await?.difference(receipt) else { return Ok(None) };
    let still = channel.find(receipt.into()).await?;
    let has_ended = still.is_some_and(|booking| booking.standing != Standing::Active);
    Ok((!has_ended).then_some(difference))
}

/// Looks, delivers what is not there, and waits as the target asks to.
async fn find_or_apply<R: BufRead + Send + 'static>(
    channel: &mut impl DeliveryChannel,
    batch: &Batch,
    open_rows: &mut (impl FnMut() -> Result<R, DeliverError> + Send),
) -> Result<Receipt, DeliverError> {
    let mut pauses = 0;
    loop {
        let outcome = match channel.find(batch.into()).await {
            Ok(Some(booking)) => standing_receipt(booking),
            Ok(None) => channel.apply(batch, open_rows()?).await,
            Err(error) => Err(error),
        };
        match (outcome, channel.pause()) {
            (Err(_), Some(pause)) if pauses < PAUSES_MAX => tokio::time::sleep(pause).await,
            (outcome, _) => return outcome,
        }
        pauses += 1;
    }
}

/// The receipt of a delivery that holds; otherwise what to do instead.
pub(crate) fn standing_receipt(booking: Booking) -> Result<Receipt, DeliverError> {
    let Booking { receipt, standing } = booking;
    let what = match standing {
        Standing::Active => return Ok(receipt),
        Standing::Superseded { by } => format!("was replaced by delivery {by}"),
        Standing::Withdrawn { reason } => format!("was withdrawn ({reason})"),
        Standing::Refused { detail, rows } => return Err(DeliverError::Rejected { detail, rows }),
    };
    let next = match receipt.correction {
        None => "to book it again, start with a correction and its reason",
        Some(_) => "look at what is there now; to correct that, start again",
    };
    Err(DeliverError::Conflict {
        detail: format!(
            "this very batch of {} was delivered at {} as {} and {what}; {next}",
            DeliveryKey::from(&receipt),
            receipt.delivered_at,
            receipt.coreview_id
        ),
        active: None,
    })
}

/// The deliveries of a period, for a batch that is not among them.
pub(crate) struct Before {
    /// The delivery that holds, if one does.
    pub(crate) active: Option<Receipt>,
    /// Whether the delivery that a correction was compared with is the last one; for one that
    /// was compared with none, whether there is none.
    pub(crate) as_compared: bool,
}

impl Before {
    /// The receipt of what makes the batch needless, the conflict that forbids it, or nothing:
    /// it may be booked.
    pub(crate) fn judge(self, batch: &Batch, place: &str) -> Result<Option<Receipt>, DeliverError> {
        let Self { active, as_compared } = self;
        match active {
            Some(active) if active.batch_sha256 == batch.batch_sha256 => Ok(Some(active)),
            Some(active) if batch.correction.is_none() => Err(other_figures(batch, active, place)),
            active if batch.correction.is_some() && !as_compared => {
                Err(corrected_meanwhile(batch, active, place))
            }
            _ => Ok(None),
        }
    }
}

fn other_figures(batch: &Batch, active: Receipt, place: &str) -> DeliverError {
    let detail = format!(
        "{place} has other figures for {}: {}; if these are right, start again with a correction and its reason, else correct the input",
        DeliveryKey::from(batch),
        described(&active)
    );
    DeliverError::Conflict { detail, active: Some(Box::new(active)) }
}

/// The conflict of a correction with what came after the delivery it was compared with.
fn corrected_meanwhile(batch: &Batch, active: Option<Receipt>, place: &str) -> DeliverError {
    let compared = match &batch.replaces {
        Some(delivery_id) => format!("delivery {delivery_id}"),
        None => "no delivery at all".to_owned(),
    };
    let key = DeliveryKey::from(batch);
    let detail = match &active {
        Some(active) => format!(
            "{place}: {key} was corrected meanwhile by {}; this correction was compared with {compared}: look at it and start again",
            described(active)
        ),
        None => format!(
            "{place}: this correction of {key} was compared with {compared}, which is not the last one there: look at what it holds and start again"
        ),
    };
    DeliverError::Conflict { detail, active: active.map(Box::new) }
}

/// A delivery, so that somebody finds it.
fn described(receipt: &Receipt) -> String {
    let Receipt { delivery_id, coreview_id, rows, delivered_at, execution_arn, .. } = receipt;
    format!(
        "delivery {delivery_id} ({coreview_id}, {rows} rows), delivered at {delivered_at} by {execution_arn}"
    )
}

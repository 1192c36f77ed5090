//! The steps `deliver`, `deliver_file` and `deliver_https`: bring a staged batch
//! to where it belongs, exactly once.
//!
//! One step a channel, and not one that chooses: each step's role may use the
//! secret of its own channel only, and a channel that nobody has configured is
//! in nobody's way.

use std::fs::File;
use std::io::BufReader;

use stepwright::{Exchange, Read, StepError, Use, step};

use crate::batch::{Batch, BatchError, DATABASE_CHANNEL, FILE_CHANNEL, HTTPS_CHANNEL};
use crate::channel::{DeliveryChannel, deliver_through};
use crate::file_drop::FileDrop;
use crate::https::{HttpsEndpoint, HttpsPatience};
use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::receipt::{Receipt, RowError, quoted};
use crate::{CoreViewDrop, CoreViewHttps, CoreViewUrl, Staging};
use database::{DatabaseError, ErrorKind};

/// Why a batch was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Deliver"]
pub enum DeliverError {
    /// CoreView is down or cannot be reached; nothing was delivered.
    #[message("{detail}")]
    Unavailable {
        /// What happened and what to do.
        detail: String,
    },
    /// CoreView is busy; nothing was delivered.
    #[message("{detail}")]
    Throttled {
        /// What happened and what to do.
        detail: String,
    },
    /// CoreView's answer was lost; the next attempt looks whether the batch arrived.
    #[message("{detail}")]
    Unknown {
        /// What happened and what to do.
        detail: String,
    },
    /// The period has another batch already; nothing was delivered.
    #[message("{detail}")]
    Conflict {
        /// What happened and what to do.
        detail: String,
        /// The delivery in the way, where it is known.
        active: Option<Box<Receipt>>,
    },
    /// CoreView refuses the batch, or rows of it, or the step; nothing was delivered.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do; names the first rows that were refused.
        detail: String,
        /// The rows that were refused, where the receiver says which.
        rows: Vec<RowError>,
    },
    /// The receiver has not said yet whether it takes what was dropped.
    #[message("{detail}")]
    NotAcknowledged {
        /// What is awaited and what to do.
        detail: String,
    },
    /// The receiver answered just before it was waited for: its answer is there to be read.
    #[message("{detail}")]
    Answered {
        /// Which delivery.
        detail: String,
    },
    /// What CoreView holds is not what was delivered.
    #[message("{detail}")]
    VerificationMismatch {
        /// What happened and what to do.
        detail: String,
    },
    /// The staged batch is not there or not readable; nothing was delivered.
    #[message("{detail}")]
    BatchUnreadable {
        /// What happened and what to do.
        detail: String,
    },
}

impl DeliverError {
    /// A refusal that is not about single rows.
    pub(crate) fn rejected(detail: impl Into<String>) -> Self {
        Self::Rejected { detail: detail.into(), rows: Vec::new() }
    }
}

/// Delivers a batch to CoreView's database, once, and reads it back.
///
/// The same batch again returns the receipt of the first time with
/// `already_delivered` set, whatever execution asks.
#[step(memory = 512, timeout = 300)]
pub async fn deliver(
    batch: Batch,
    staging: Read<Staging>,
    coreview: Use<CoreViewUrl>,
) -> Result<Receipt, DeliverError> {
    check_channel(&batch.channel, DATABASE_CHANNEL)?;
    let connection = database::warm(coreview.value()).await?;
    let mut ledger = Ledger::open(connection).await?;
    deliver_through(&mut ledger, &batch, || rows_of(&batch, &staging)).await
}

/// Drops a batch as files into the bucket `coreview-drop`, once, and reads them
/// back. Repeated as [`deliver()`] is.
#[step(memory = 512, timeout = 300)]
pub async fn deliver_file(
    batch: Batch,
    staging: Read<Staging>,
    coreview: Use<CoreViewUrl>,
    drop: Exchange<CoreViewDrop>,
) -> Result<Receipt, DeliverError> {
    check_channel(&batch.channel, FILE_CHANNEL)?;
    deliver_noted(&mut FileDrop::of(drop), &batch, &staging, &coreview).await
}

/// Puts a batch to the endpoint of the secret `coreview-https`, once, and asks
/// what it holds. Repeated as [`deliver()`] is.
#[step(memory = 512, timeout = 300)]
pub async fn deliver_https(
    batch: Batch,
    staging: Read<Staging>,
    coreview: Use<CoreViewUrl>,
    endpoint: Use<CoreViewHttps>,
) -> Result<Receipt, DeliverError> {
    check_channel(&batch.channel, HTTPS_CHANNEL)?;
    let mut endpoint = HttpsEndpoint::open(endpoint.value(), HttpsPatience::default())?;
    deliver_noted(&mut endpoint, &batch, &staging, &coreview).await
}

/// Delivers through a channel that knows nothing of the planning database, and
/// notes attempt and receipt there. No connection is held in between: a large
/// batch takes minutes, and connections are few.
async fn deliver_noted(
    channel: &mut impl DeliveryChannel,
    batch: &Batch,
    staging: &Read<Staging>,
    coreview: &Use<CoreViewUrl>,
) -> Result<Receipt, DeliverError> {
    let connect = || database::warm(coreview.value());
    Outbox::open(connect().await?).await?.note_attempt(batch).await?;
    let delivered = deliver_through(channel, batch, || rows_of(batch, staging)).await;
    let receipt = match delivered {
        // Who delivered it may have died before it was noted; the next correction is compared with it.
        Err(DeliverError::Conflict { active: Some(ref active), .. }) => {
            Outbox::open(connect().await?).await?.note_receipt(active).await?;
            return delivered;
        }
        delivered => delivered?,
    };
    let mut outbox = Outbox::open(connect().await?).await?;
    outbox.note_receipt(&receipt).await?;
    outbox.note_delivered(batch).await?;
    Ok(receipt)
}

fn rows_of(batch: &Batch, staging: &Read<Staging>) -> Result<BufReader<File>, DeliverError> {
    let file = staging
        .get(&batch.batch)
        .map_err(|error| DeliverError::BatchUnreadable { detail: error.to_string() })?;
    Ok(BufReader::new(file))
}

/// Refuses a batch or receipt of another channel: its target would not know it.
pub(crate) fn check_channel(named: &str, served: &str) -> Result<(), DeliverError> {
    if named == served {
        return Ok(());
    }
    let step = match named {
        DATABASE_CHANNEL => "`deliver` and `verify` are the steps for it",
        FILE_CHANNEL => "`deliver_file` and `verify_file` are the steps for it",
        HTTPS_CHANNEL => "`deliver_https` and `verify_https` are the steps for it",
        _ => "there is no such channel",
    };
    Err(DeliverError::rejected(format!(
        "this step is for the channel `{served}`, not for `{}`: {step}; correct the workflow",
        quoted(named)
    )))
}

impl From<DatabaseError> for DeliverError {
    fn from(error: DatabaseError) -> Self {
        let detail = error.to_string();
        match error.kind {
            ErrorKind::Unavailable => Self::Unavailable { detail },
            ErrorKind::Throttled => Self::Throttled { detail },
            ErrorKind::Unknown => Self::Unknown { detail },
            ErrorKind::Rejected | ErrorKind::Forbidden => Self::rejected(detail),
        }
    }
}

impl From<BatchError> for DeliverError {
    fn from(error: BatchError) -> Self {
        let detail = error.to_string();
        match error {
            BatchError::Io { .. } => Self::BatchUnreadable { detail },
            BatchError::NotCanonical { .. } => Self::rejected(detail),
        }
    }
}

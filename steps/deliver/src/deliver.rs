//! The step `deliver`: books a staged batch in CoreView, exactly once.

use std::io::BufReader;

use stepwright::{Read, StepError, Use, step};

use crate::batch::{Batch, BatchError};
use crate::channel::deliver_through;
use crate::ledger::Ledger;
use crate::receipt::Receipt;
use crate::{CoreViewUrl, Staging};
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
    },
    /// CoreView refuses the batch or the step; nothing was delivered.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do.
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

/// Delivers a batch to CoreView, once, and reads it back.
///
/// The same batch again returns the receipt of the first time with
/// `already_delivered` set, whatever execution asks.
#[step(memory = 512, timeout = 300)]
pub async fn deliver(
    batch: Batch,
    staging: Read<Staging>,
    coreview: Use<CoreViewUrl>,
) -> Result<Receipt, DeliverError> {
    let connection = database::warm(coreview.value()).await?;
    let mut ledger = Ledger::open(connection).await?;
    deliver_through(&mut ledger, &batch, || {
        let file = staging
            .get(&batch.batch)
            .map_err(|error| DeliverError::BatchUnreadable { detail: error.to_string() })?;
        Ok(BufReader::new(file))
    })
    .await
}

impl From<DatabaseError> for DeliverError {
    fn from(error: DatabaseError) -> Self {
        let detail = error.to_string();
        match error.kind {
            ErrorKind::Unavailable => Self::Unavailable { detail },
            ErrorKind::Throttled => Self::Throttled { detail },
            ErrorKind::Unknown => Self::Unknown { detail },
            ErrorKind::Rejected => Self::Rejected { detail },
        }
    }
}

impl From<BatchError> for DeliverError {
    fn from(error: BatchError) -> Self {
        let detail = error.to_string();
        match error {
            BatchError::Io { .. } => Self::BatchUnreadable { detail },
            BatchError::NotCanonical { .. } => Self::Rejected { detail },
        }
    }
}

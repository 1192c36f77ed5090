//! Stages, delivers and verifies batches of figures in CoreView.
//!
//! [`stage()`] brings the figures of a period into one canonical form and gives
//! the delivery its identity; [`deliver()`], [`deliver_file()`] and
//! [`deliver_https()`] bring the batch to its target exactly once and read it
//! back; [`verify()`], [`verify_file()`] and [`verify_https()`] ask again
//! independently. [`acknowledged()`] and [`acknowledge()`] carry the answer of
//! whoever picks dropped files up.
//!
//! What CoreView itself offers is not known, so delivering is a
//! [`DeliveryChannel`]: a database that stands for it ([`Ledger`]), a bucket
//! ([`FileDrop`]), an endpoint ([`HttpsEndpoint`]). docs/delivery.md says what
//! each asks of its receiver. Owns the tables `delivery_*` and `coreview_*` of
//! the planning database. Knows nothing of how figures are computed.

#![warn(missing_docs)]

mod ack;
mod batch;
mod blocking;
mod channel;
mod clock;
mod deliver;
mod faults;
mod file_drop;
mod https;
mod ledger;
mod outbox;
mod receipt;
mod stage;
mod tally;
mod verify;

pub use ack::{
    Acknowledge, AcknowledgeError, AcknowledgeRequest, AcknowledgeRequestExpr, Acknowledged, Acknowledgement,
    Answer, AwaitAck, AwaitAckRequest, AwaitAckRequestExpr, TokenAnswer, TokenAnswers, acknowledge,
    acknowledged, await_ack, note_ack_token,
};
pub use batch::{
    Batch, CHANNELS, DATABASE_CHANNEL, DeliveryKey, FILE_CHANNEL, HTTPS_CHANNEL, Identity, delivery_id,
};
pub use channel::{DeliveryChannel, deliver_through};
pub use database::CoreViewUrl;
pub use deliver::{Deliver, DeliverError, DeliverFile, DeliverHttps, deliver, deliver_file, deliver_https};
pub use feed::Correction;
pub use file_drop::{DROP_MARK, FileDrop, read_ack};
pub use https::{HttpsEndpoint, HttpsPatience};
pub use ledger::Ledger;
pub use outbox::Outbox;
pub use receipt::{Booking, ControlTotals, Receipt, RowError, Standing};
pub use stage::{Stage, StageError, StageRequest, StageRequestExpr, stage};
pub use verify::{Verified, Verify, VerifyError, VerifyFile, VerifyHttps, verify, verify_file, verify_https};

/// Where a delivery can be looked at: the booked figures and the ledger of deliveries.
pub const TABLES: [&str; 2] = ["coreview_figure", "coreview_ledger"];

stepwright::bucket!(
    /// What travels between the steps of a delivery.
    pub Staging = "staging"
);
stepwright::bucket!(
    /// What is dropped for a receiver, and what the receiver answers.
    pub CoreViewDrop = "coreview-drop"
);
stepwright::secret!(
    /// The endpoint that takes batches: `https://keyid:secret@host/path`.
    pub CoreViewHttps = "coreview-https"
);

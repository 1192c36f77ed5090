//! Stages, delivers and verifies batches of figures in CoreView.
//!
//! Three steps: [`stage()`] brings the figures of a period into one canonical
//! form and gives the delivery its identity, [`deliver()`] books the batch
//! exactly once and reads it back, [`verify()`] asks again independently.
//!
//! What CoreView itself offers is not known, so delivering is a
//! [`DeliveryChannel`]; the one here books into a database ([`Ledger`]) that
//! stands for it. Owns the tables `delivery_outbox` and `coreview_*` of the planning database. Knows
//! nothing of how figures are computed.

#![warn(missing_docs)]

mod batch;
mod channel;
mod clock;
mod deliver;
mod faults;
mod ledger;
mod receipt;
mod stage;
mod tally;
mod verify;

pub use batch::{Batch, Correction, DATABASE_CHANNEL, Identity, delivery_id};
pub use channel::{DeliveryChannel, deliver_through};
pub use database::CoreViewUrl;
pub use deliver::{Deliver, DeliverError, deliver};
pub use ledger::Ledger;
pub use receipt::{Booking, ControlTotals, Receipt, Standing};
pub use stage::{Stage, StageError, StageRequest, StageRequestExpr, stage};
pub use verify::{Verified, Verify, VerifyError, verify};

/// Where a delivery can be looked at: the booked figures and the ledger of deliveries.
pub const TABLES: [&str; 2] = ["coreview_figure", "coreview_ledger"];

stepwright::bucket!(
    /// What travels between the steps of a delivery.
    pub Staging = "staging"
);

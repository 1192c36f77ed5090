//! What the data steps share: the feed spec, typed values, exact arithmetic, the
//! format of rows and rejects, and the messages between the steps.
//!
//! Pure apart from the readers and writers it is given: no files, no clock, no
//! environment. A feed is data; nothing here knows one.
#![warn(missing_docs)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod calculation;
pub mod condition;
pub mod expression;
mod fingerprint;
mod handover;
pub mod literal;
pub mod measure;
pub mod number;
pub mod rejects;
pub mod rows;
pub mod spec;
mod unit;
mod value;

pub use fingerprint::fingerprint;
pub use handover::{
    Correction, CorrectionExpr, Figures, MarketFigures, MarketFiguresExpr, Parsed, PinnedRevision,
    ReceiptRef, ReceiptRefExpr, Reconciled, Stats, Warned,
};
pub use spec::{FeedSpec, SpecError, SpecProblem};
pub use unit::Conversion;
pub use value::{Kind, Layout, Value};

stepwright::bucket!(
    /// Where source files and specs arrive.
    pub Drops = "drops"
);
stepwright::bucket!(
    /// Everything between the steps.
    pub Staging = "staging"
);

//! What the planning database keeps between runs.
//!
//! | step | does |
//! |---|---|
//! | [`take_in()`] | makes references of what arrived: files, and messages as a file |
//! | [`classify()`] | finds out what a file is, by its name |
//! | [`keep_revision()`] | keeps reference data as a revision |
//! | [`load()`] | keeps the rows of contracts |
//! | [`quarantine()`], [`replaced()`] | put a bad file aside with a report, and wait for another one in its place |
//! | [`open_run()`] | takes out what a period is calculated from, and pins it |
//! | [`ask()`], [`note_answer()`] | ask a person and wait; note what was said |
//! | [`control()`] | notes the figures and compares their totals with the period before |
//! | [`close_run()`] | notes the receipts |
//! | [`migrate()`] | makes the tables, and roles for those who use them |
//!
//! What a customer has, and how, is in `customer.toml` and the feed specs beside
//! it: nothing here knows a feed. Owns the tables `ingest_*`, `reference_*`,
//! `calc_*` and `ops_*`. Every step may be repeated: it changes what it changed the first
//! time, or nothing. Deletes nothing.
#![warn(missing_docs)]

mod ask;
mod classify;
mod clock;
mod close_run;
mod control;
mod customer;
mod failure;
mod figures;
mod hash;
mod keep_revision;
mod layout;
mod load;
mod migrate;
mod note_answer;
mod open_run;
mod period;
mod quarantine;
mod replaced;
mod tables;
mod take_in;

pub use ask::{Answer, AnswerExpr, Ask, AskError, Question, QuestionExpr, ask};
pub use classify::{
    CONTRACTS, Classified, Classify, ClassifyError, ClassifyRequest, ClassifyRequestExpr, REFERENCE, classify,
};
pub use close_run::{CloseError, CloseRequest, CloseRequestExpr, CloseRun, Closed, close_run};
pub use control::{
    Control, ControlError, ControlRequest, ControlRequestExpr, Controlled, Planned, RunRef, RunRefExpr,
    control,
};
pub use keep_revision::{KeepError, KeepRequest, KeepRequestExpr, KeepRevision, Revision, keep_revision};
pub use load::{Load, LoadError, LoadRequest, LoadRequestExpr, Loaded, load};
pub use migrate::{Migrate, MigrateError, MigrateRequest, MigrateRequestExpr, Migrated, migrate};
pub use note_answer::{AnswerError, AnswerRequest, AnswerRequestExpr, NoteAnswer, note_answer};
pub use open_run::{MarketRows, OpenError, OpenRequest, OpenRequestExpr, OpenRun, Run, open_run};
pub use quarantine::{
    Quarantine, QuarantineError, QuarantineRequest, QuarantineRequestExpr, Quarantined, quarantine,
};
pub use replaced::{Replaced, ReplacedError, ReplacedRequest, ReplacedRequestExpr, replaced};
pub use take_in::{TakeIn, TakeInError, TakeInRequest, TakeInRequestExpr, TakenIn, take_in};

stepwright::bucket!(
    /// Copies of files that could not be used, each with a report.
    pub Aside = "quarantine"
);

//! The journal: SQLite in WAL mode with full synchronisation, one writer
//! thread, group commit, records packed into segments.
//!
//! ```text
//! state_machines 1─n revisions n─1 definitions (by SHA-256)
//!        1                              1
//!        └──────────n executions n──────┘      executions 1─n segments (packed records)
//! ```
//! Beside them the tables of [`crate::registry`]: versions, aliases, activities,
//! tags, and the accepted starts of Express executions.
//!
//! A transaction holds the new segments of up to 512 executions. What an
//! append leads to (a caller's answer, a task's call, a timer, a notice) is
//! released after the commit of its transaction, never before. A commit that
//! fails is not tried again: the writer stops, and with it the engine.

mod backup;
mod checksum;
mod doctor;
mod lists;
mod map_runs;
mod pack;
mod reader;
mod redrives;
mod retention;
mod schema;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

pub use backup::{BackedUp, back_up};
pub use doctor::{Area, Examination, Finding, examine};
pub use lists::ExecutionFilter;
pub use reader::{ExecutionDescription, ExecutionSummary, OpenExecution, Reader, StateMachineDescription};
pub use retention::{Collected, collect_garbage};
pub use schema::JournalError;

pub(crate) use map_runs::{
    ChildRow, MapRunRow, close_map_run, fail_child, insert_map_run, note_fingerprint, note_items,
    update_limits,
};
pub(crate) use reader::{Readers, RevisionOfExecution};
pub(crate) use redrives::{PendingChild, begin_map_run_redrive, reopen_child, reopen_execution};
pub(crate) use retention::{Identity, Place, Removed, before, remove_some};
pub(crate) use schema::{FILE, FILES, open};
pub(crate) use segment::encode;
pub(crate) use writer::{Append, Backlog, Change, Closed, End, Message, NewExecution, Release, Writer};

/// Whether an engine, or somebody else who has to be alone, has the journal of a directory open
/// at this moment.
pub fn is_in_use(directory: &std::path::Path) -> bool {
    crate::database::is_in_use(directory, FILES)
}

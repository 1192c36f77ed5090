//! How an execution ends, and what is wrong with records that do not fit it.

use super::record::FrameId;

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum Status {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
    /// A child of a Map Run that waits to be redriven. No execution has it for itself.
    PendingRedrive,
}

impl Status {
    /// Every status, in the order of its number in the journal.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Succeeded, Self::Failed, Self::TimedOut, Self::Aborted, Self::PendingRedrive];

    /// The status of a number in the journal.
    pub(crate) fn of_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|number| Self::ALL.get(number).copied())
    }

    /// AWS's word, e.g. `TIMED_OUT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
            Self::PendingRedrive => "PENDING_REDRIVE",
        }
    }

    /// Whether it is an end that a redrive can follow: failed, timed out or aborted.
    pub const fn is_unsuccessful(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Aborted)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Records and a definition do not belong together. It cannot happen while
/// the journal names definitions by their hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A record names a state that the definition does not have.
    #[error(
        "the journal names the state '{name}', which the definition does not have: they do not belong together"
    )]
    UnknownState {
        /// The state.
        name: String,
    },
    /// A record is about a frame that does not exist, or that is elsewhere.
    #[error(
        "record {fact} does not fit frame {frame}: the journal is incomplete, or another version of the engine wrote it"
    )]
    Misplaced {
        /// The record, for people.
        fact: String,
        /// The frame.
        frame: FrameId,
    },
}

//! Whether the database works, and one line in the log when that changes.
//!
//! It can be written and not read, or read and not written: what is wrong with the one is not over
//! because the other works. Nor is it over because a smaller piece of work found room: only when a
//! probe says so, or for what is damaged never, until the next start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;

use super::Failure;
use crate::http::JsonError;

/// How long nothing that is read must have failed until it is looked whether reading works again:
/// a probe reads little, and need not meet what fails. Ours.
pub(super) const READS_QUIET: Duration = Duration::from_mins(1);

/// What is done with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

/// What is known of a database.
#[derive(Debug)]
pub(super) struct Health {
    path: PathBuf,
    problems: Mutex<Problems>,
}

#[derive(Debug, Default)]
struct Problems {
    write: Option<Problem>,
    read: Option<Problem>,
}

#[derive(Debug)]
struct Problem {
    text: String,
    /// What the log has of it.
    said: BTreeSet<String>,
    /// It is damaged: what still works says nothing of the rest.
    is_for_good: bool,
    last: Instant,
}

impl Problems {
    fn of(&mut self, access: Access) -> &mut Option<Problem> {
        match access {
            Access::Write => &mut self.write,
            Access::Read => &mut self.read,
        }
    }
}

impl Health {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_path_buf(), problems: Mutex::default() }
    }

    fn problems(&self) -> MutexGuard<'_, Problems> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        let problems = self.problems();
        problems.write.as_ref().or(problems.read.as_ref()).map(|problem| problem.text.clone())
    }

    /// Whether something is wrong at a time that may be over by now.
    pub(super) fn is_to_be_tried(&self, access: Access, now: Instant) -> bool {
        let quiet = if access == Access::Read { READS_QUIET } else { Duration::ZERO };
        self.problems().of(access).as_ref().is_some_and(|problem| {
            !problem.is_for_good && now.saturating_duration_since(problem.last) >= quiet
        })
    }

    /// A probe that was begun at a time has succeeded.
    pub(super) fn works(&self, access: Access, begun: Instant) {
        let mut problems = self.problems();
        let problem = problems.of(access);
        if problem.take_if(|problem| !problem.is_for_good && problem.last <= begun).is_some() {
            let can = if access == Access::Write { "written" } else { "read" };
            tracing::warn!(database = %self.path.display(), "queues and events can be {can} again");
        }
    }

    /// The database failed. Each cause is said once, until it is over.
    pub(super) fn failed(&self, access: Access, error: &rusqlite::Error) {
        let text = cause(error).unwrap_or_else(|| error.to_string());
        let code = error.sqlite_error_code();
        let is_for_good = matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
        self.note(access, text, is_for_good);
    }

    /// It is not what it was when it was written.
    pub(super) fn is_damaged(&self, problem: &str) {
        self.note(Access::Read, format!("{problem}: `stepwright doctor` says more"), true);
    }

    fn note(&self, access: Access, text: String, is_for_good: bool) {
        let (mut problems, last) = (self.problems(), Instant::now());
        let problem = problems.of(access).get_or_insert_with(|| Problem {
            text: String::new(),
            said: BTreeSet::new(),
            is_for_good: false,
            last,
        });
        problem.last = last;
        if problem.said.insert(text.clone()) {
            tracing::error!(
                database = %self.path.display(),
                problem = text,
                "queues and events cannot be written or read: what is asked of them is answered with an error until this is over"
            );
        }
        if is_for_good || !problem.is_for_good {
            (problem.text, problem.is_for_good) = (text, is_for_good);
        }
    }

    /// A failure as its caller is told it: of one that is nobody's in particular there is nothing
    /// more to say.
    pub(super) fn told(&self, access: Access, failure: Failure) -> Failure {
        match failure {
            Failure::Database(error) if cause(&error).is_some() => {
                self.failed(access, &error);
                JsonError::internal().into()
            }
            failure => failure,
        }
    }
}

/// What is wrong around the database, if it is not the work.
fn cause(error: &rusqlite::Error) -> Option<String> {
    let cause = match error.sqlite_error_code()? {
        ErrorCode::DiskFull => "the disk is full".to_owned(),
        // EFBIG comes as this one, too.
        ErrorCode::SystemIoFailure => {
            format!("{error}: look at the disk, and at the limit on the size of files (ulimit -f)")
        }
        ErrorCode::CannotOpen => {
            format!("{error}: look at permissions, and at the limit on open files (ulimit -n)")
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            format!("{error}: `stepwright doctor` says more")
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => error.to_string(),
        _ => return None,
    };
    Some(cause)
}

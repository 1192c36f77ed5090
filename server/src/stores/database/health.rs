//! Whether the database works, and one line in the log when that changes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::ErrorCode;

use super::Failure;
use crate::http::JsonError;

/// What is known of a database.
#[derive(Debug)]
pub(super) struct Health {
    path: PathBuf,
    problem: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_path_buf(), problem: Mutex::default() }
    }

    /// What is wrong, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A commit came to its end.
    pub(super) fn works(&self) {
        let before = self.problem.lock().unwrap_or_else(PoisonError::into_inner).take();
        if before.is_some() {
            tracing::warn!(database = %self.path.display(), "queues and events can be written again");
        }
    }

    /// The database failed. Said once, until something else is wrong or nothing is.
    pub(super) fn failed(&self, error: &rusqlite::Error) {
        let found = cause(error).unwrap_or_else(|| error.to_string());
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if problem.as_ref() != Some(&found) {
            tracing::error!(
                database = %self.path.display(),
                problem = found,
                "queues and events cannot be written or read: what is asked of them is answered with an error until this is over"
            );
            *problem = Some(found);
        }
    }

    /// A failure as its caller is told it: of one that is nobody's in particular there is nothing
    /// more to say.
    pub(super) fn told(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Database(error) if cause(&error).is_some() => {
                self.failed(&error);
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

//! A copy of a journal, also while an engine writes it: `SQLite`'s backup API
//! within one read transaction, so that the copy is of one moment and no
//! commit waits for it. What is copied is examined before it gets its name.

use std::path::Path;

use super::doctor::{self, Examination};
use super::schema::{self, FILES, JournalError};
use crate::database;

#[cfg(test)]
mod tests;

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Bytes of the copy.
    pub bytes: u64,
    /// What the examination of the copy found; its list of problems is empty
    /// unless the journal itself is damaged.
    pub examination: Examination,
}

/// Copies the journal of a data directory into a file that is not there yet.
pub fn back_up(directory: &Path, target: &Path) -> Result<BackedUp, JournalError> {
    let source_path = FILES.database_in(directory);
    database::check(directory, FILES)?;
    if !source_path.exists() {
        return Err(JournalError::Missing { directory: directory.to_path_buf() });
    }
    let source = schema::open_read_only(&source_path)?;
    let (examination, bytes) = database::copy(&source, &source_path, target, doctor::examine)?;
    Ok(BackedUp { bytes, examination })
}

//! A copy of a journal, also while an engine writes it: `SQLite`'s backup API
//! within one read transaction, so that the copy is of one moment and no
//! commit waits for it. What is copied is examined before it gets its name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::doctor::{self, Examination};
use super::lock::sync_directory;
use super::schema::{self, FILE, JournalError};

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
    let source_path = directory.join(FILE);
    super::lock::check(directory)?;
    if !source_path.exists() {
        return Err(JournalError::Missing { directory: directory.to_path_buf() });
    }
    let failed = |action: &'static str, path: &Path| {
        let path = path.to_path_buf();
        move |source| JournalError::File { action, path, source }
    };
    if target.exists() {
        let there = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(failed("write a backup to", target)(there));
    }
    let partial = partial_name(target);
    // What an interrupted backup left; nobody else uses this name.
    let _ = fs::remove_file(&partial);
    super::lock::private().open(&partial).map_err(failed("create", &partial))?;
    let examined = copy(&source_path, &partial).and_then(|()| doctor::examine(&partial));
    let examination = match examined {
        Ok(examination) => examination,
        Err(error) => {
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
    };
    let bytes = fs::metadata(&partial).map_err(failed("read", &partial))?.len();
    File::open(&partial).and_then(|file| file.sync_all()).map_err(failed("sync", &partial))?;
    fs::rename(&partial, target).map_err(failed("name the backup", target))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(folder).map_err(failed("sync", folder))?;
    Ok(BackedUp { bytes, examination })
}

fn copy(source_path: &Path, partial: &Path) -> Result<(), JournalError> {
    let failed = |source| JournalError::of(source_path, "copy", source);
    let source = schema::open_read_only(source_path)?;
    let mut target = Connection::open(partial).map_err(failed)?;
    let backup = Backup::new(&source, &mut target).map_err(failed)?;
    // All pages in one step: one read transaction. In several, every commit would start it again.
    loop {
        match backup.step(-1).map_err(failed)? {
            StepResult::Done => break,
            // The log is being recovered or reset by somebody else at this moment.
            _ => std::thread::yield_now(),
        }
    }
    drop(backup);
    target.close().map_err(|(_, source)| JournalError::of(partial, "close", source))
}

fn partial_name(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

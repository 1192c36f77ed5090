//! One program per database.
//!
//! The lock file holds the number of the process, and behind it a [`Mark`]:
//! whether there was a database, whether the last commits are in its
//! write-ahead log, and how far that went. So whoever comes next notices that
//! somebody has taken the database or the log away, or a part of it, and
//! touches nothing of what is left.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::log::{self, Position};
use super::{Files, length, private, sync_directory};
use crate::journal::JournalError;

#[cfg(test)]
mod tests;

/// Holds the lock of a database until it is dropped. The operating system lets
/// go of it when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    directory: PathBuf,
    files: Files,
    file: File,
    mark: Mark,
    /// The log, once there is one, and how far it went when it was looked at last.
    log: Option<File>,
    seen: Option<Position>,
}

/// What the lock file says about the database beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Nobody has made one here, or an earlier release has.
    Nothing,
    /// Somebody had it open and has closed it.
    Made,
    /// The last commits are in the write-ahead log, which goes to this place at least.
    Log(Option<Position>),
}

impl Mark {
    fn of(file: &mut File) -> Self {
        let text = contents(file);
        let mut words = text.split_whitespace().skip(1);
        match words.next() {
            Some("wal") => {
                let mut number = || words.next().and_then(|word| word.parse().ok());
                let position = number().zip(number());
                Self::Log(position.map(|(salt, frames)| Position { salt, frames }))
            }
            Some("db") => Self::Made,
            _ => Self::Nothing,
        }
    }

    /// Always as long: it is written over what was there before in one step.
    fn text(self) -> String {
        let (word, position) = match self {
            Self::Nothing => ("", None),
            Self::Made => ("db", None),
            Self::Log(position) => ("wal", position),
        };
        let [salt, frames] = position.map_or_else(Default::default, |Position { salt, frames }| {
            [salt.to_string(), frames.to_string()]
        });
        format!("{:<10} {word:<3} {salt:>10} {frames:>10}\n", std::process::id())
    }

    const fn is_log(self) -> bool {
        matches!(self, Self::Log(_))
    }
}

impl Lock {
    /// Creates the directory (for its owner only) and the database if need be, and locks it.
    ///
    /// # Errors
    /// [`JournalError`]: somebody else has it open, it was taken away or damaged, or a file
    /// operation failed.
    pub fn acquire(directory: &Path, files: Files) -> Result<Self, JournalError> {
        let not_made = |source| {
            let path = directory.to_path_buf();
            JournalError::File { action: "create directory", path, source }
        };
        bucket::make_durable_dir(directory).map_err(not_made)?;
        // Before there is a lock file: one beside a log without its database would be a trace that nobody left.
        settled(directory, files, |mark| lost(directory, files, mark))?;
        let path = files.lock_in(directory);
        let failed = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source| JournalError::File { action, path, source }
        };
        let mut file = private().open(&path).map_err(failed("open", &path))?;
        if let Err(refused) = patiently(&file) {
            return match refused {
                fs::TryLockError::WouldBlock => Err(in_use(directory, &mut file)),
                fs::TryLockError::Error(source) => Err(failed("lock", &path)(source)),
            };
        }
        let found = Mark::of(&mut file);
        if let Some(lost) = lost(directory, files, found) {
            return Err(lost);
        }
        let log = files.log_in(directory);
        let seen = if length(&log) > 0 { log::end(&log) } else { None };
        if let Some(damaged) = damaged_log(directory, files, found, seen) {
            return Err(damaged);
        }
        // A log that somebody left is not to get lost before the first commit of this one either.
        let mark = if length(&log) > 0 && !found.is_log() { Mark::Log(None) } else { found };
        let directory = directory.to_path_buf();
        let mut lock = Self { directory, files, file, mark, log: None, seen };
        // An earlier release wrote less, or more.
        lock.write(mark).map_err(failed("write", &path))?;
        lock.file.set_len(mark.text().len() as u64).map_err(failed("write", &path))?;
        // SQLite would create the database with the permissions of the umask. One that is there is
        // not opened: closing it would take SQLite's locks from all readers of this process.
        let database = files.database_in(&lock.directory);
        if !database.exists() {
            private().open(&database).map_err(failed("create", &database))?;
        }
        sync_directory(&lock.directory).map_err(failed("sync", &lock.directory))?;
        Ok(lock)
    }

    /// After a commit: notes how far the write-ahead log goes. What is noted is on the disk, for a
    /// commit that wrote something has synced the log, which the folder names for certain. (A
    /// commit of nothing makes no log: marked after one, a database from which nothing is missing
    /// would be refused after a loss of power.) The note itself is not synced: one that is too old
    /// only notices less.
    pub fn committed(&mut self, connection: &Connection) {
        let seen = self.position(connection);
        if seen.is_some() && seen != self.seen {
            self.seen = seen;
            // Without the mark a lost log is not noticed; nothing else follows from it.
            let _ = self.write(Mark::Log(seen));
        }
    }

    fn position(&mut self, connection: &Connection) -> Option<Position> {
        let mut noop = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)").ok()?;
        let frames = noop.query_row([], |row| row.get::<_, i64>(1)).ok()?;
        let frames = u32::try_from(frames).ok().filter(|frames| *frames > 0)?;
        if self.log.is_none() {
            // It is the same file until the last connection closes.
            self.log = File::open(self.files.log_in(&self.directory)).ok();
        }
        Some(Position { salt: log::salt(self.log.as_ref()?)?, frames })
    }

    /// The database is about to be closed, which moves the log into it.
    pub fn log_goes(&mut self) {
        let _ = self.write(Mark::Made);
    }

    fn write(&mut self, mark: Mark) -> std::io::Result<()> {
        let before = std::mem::replace(&mut self.mark, mark);
        self.file.write_all_at(mark.text().as_bytes(), 0)?;
        // The log may be removed after this: a loss of power must not bring its mark back without it.
        if before.is_log() && !mark.is_log() { self.file.sync_data() } else { Ok(()) }
    }
}

impl Drop for Lock {
    /// The database may have been closed without a writer: then the log is in it.
    fn drop(&mut self) {
        if self.mark.is_log() && length(&self.files.log_in(&self.directory)) == 0 {
            let _ = self.write(Mark::Made);
        }
    }
}

/// Locks a file. Who only asks who has it open holds it for a moment, too.
fn patiently(file: &File) -> Result<(), fs::TryLockError> {
    for _ in 0..4 {
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(5)),
            other => return other,
        }
    }
    file.try_lock()
}

/// Whether somebody who has to be alone has a database open at this moment.
pub fn is_in_use(directory: &Path, files: Files) -> bool {
    File::open(files.lock_in(directory))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

fn in_use(directory: &Path, file: &mut File) -> JournalError {
    let text = contents(file);
    let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
    JournalError::InUse { directory: PathBuf::from(directory), pid }
}

fn contents(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    if read.is_ok() { text } else { String::new() }
}

/// For who reads a database, whoever else has it open: an error if a part of it was taken away.
/// `SQLite` would make the missing part anew, and with an empty database it would remove a log
/// that is still there.
///
/// # Errors
/// [`JournalError::Gone`], [`JournalError::Damaged`].
pub fn check(directory: &Path, files: Files) -> Result<(), JournalError> {
    settled(directory, files, |mark| {
        let damaged = || read_log(directory, files, mark);
        // Whoever is at work on it writes in its log at this moment.
        lost(directory, files, mark).or_else(|| if is_in_use(directory, files) { None } else { damaged() })
    })
}

/// What is found by a mark that stands.
fn settled(
    directory: &Path,
    files: Files,
    found: impl Fn(Mark) -> Option<JournalError>,
) -> Result<(), JournalError> {
    let mark = || File::open(files.lock_in(directory)).map_or(Mark::Nothing, |mut file| Mark::of(&mut file));
    let before = mark();
    match found(before) {
        // Whoever closes the database changes the mark before the log goes: looked at in between.
        Some(_) if mark() != before => found(mark()).map_or(Ok(()), Err),
        Some(lost) => Err(lost),
        None => Ok(()),
    }
}

/// What was taken away from a database, if anything was. Looks at the files without opening the
/// database: closing it again would take SQLite's locks from all connections of this process.
fn lost(directory: &Path, files: Files, mark: Mark) -> Option<JournalError> {
    let (path, log) = (files.database_in(directory), files.log_in(directory));
    let (bytes, log_bytes) = (length(&path), length(&log));
    if bytes == 0 {
        let trace = match mark {
            Mark::Nothing if log_bytes > 0 => log,
            Mark::Nothing => return None,
            Mark::Made | Mark::Log(_) => files.lock_in(directory),
        };
        let what = if path.exists() { "empty" } else { "missing" };
        return Some(JournalError::Gone { path, what, trace });
    }
    (mark.is_log() && log_bytes == 0).then(|| bad_log(directory, files, "is missing"))
}

/// A log that does not go as far as it was said to go: somebody cut it or wrote over it.
fn damaged_log(directory: &Path, files: Files, mark: Mark, seen: Option<Position>) -> Option<JournalError> {
    let Mark::Log(Some(noted)) = mark else { return None };
    let is_whole = seen.is_some_and(|seen| noted.is_in(seen));
    (!is_whole).then(|| bad_log(directory, files, "was cut off or written over"))
}

/// Reads a log, if the mark says how far it has to go.
fn read_log(directory: &Path, files: Files, mark: Mark) -> Option<JournalError> {
    matches!(mark, Mark::Log(Some(_)))
        .then(|| damaged_log(directory, files, mark, log::end(&files.log_in(directory))))
        .flatten()
}

fn bad_log(directory: &Path, files: Files, what: &str) -> JournalError {
    JournalError::Damaged {
        path: files.database_in(directory),
        detail: format!(
            "its write-ahead log {} {what}, and with it the last commits are lost; to go on without them, remove {}",
            files.log_in(directory).display(),
            files.lock_in(directory).display()
        ),
    }
}

/// Who looks at a database without opening it for writing.
#[derive(Debug)]
pub enum Holder {
    /// Somebody has it open.
    Somebody,
    /// Nobody has. The lock keeps it so.
    Nobody {
        /// Held until this is dropped.
        lock: Option<File>,
        /// The last one was killed, and what is wrong with its write-ahead log since.
        lost_log: Option<JournalError>,
    },
}

/// Who holds a database. Changes nothing in its directory.
pub fn holder(directory: &Path, files: Files) -> Holder {
    let Ok(mut file) = File::open(files.lock_in(directory)) else {
        return Holder::Nobody { lock: None, lost_log: None };
    };
    if file.try_lock().is_err() {
        return Holder::Somebody;
    }
    let mark = Mark::of(&mut file);
    let lost = lost(directory, files, mark);
    let lost_log = lost.or_else(|| read_log(directory, files, mark));
    Holder::Nobody { lock: Some(file), lost_log }
}

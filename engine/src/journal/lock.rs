//! One engine per data directory.
//!
//! The lock file holds the number of the process, and behind it a [`Mark`]:
//! whether there was a journal, and whether the last commits are in its
//! write-ahead log. So whoever comes next notices that somebody has taken the
//! database or the log away, and touches nothing of what is left.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::schema::{FILE, JournalError, LOCK_FILE};

#[cfg(test)]
mod tests;

/// Holds the lock of a data directory until it is dropped. The operating
/// system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    directory: PathBuf,
    file: File,
    mark: Mark,
}

/// What the lock file says about the journal beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// No engine has made one here, or an earlier release has.
    Nothing,
    /// An engine had it open and has closed it.
    Made,
    /// The last commits are in the write-ahead log.
    Log,
}

impl Mark {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Made => "db",
            Self::Log => "wal",
        }
    }

    fn of(file: &mut File) -> Self {
        match contents(file).split_whitespace().nth(1) {
            Some("wal") => Self::Log,
            Some("db") => Self::Made,
            _ => Self::Nothing,
        }
    }
}

impl DirectoryLock {
    /// Creates the directory (for its owner only) if need be, and locks it.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, JournalError> {
        create_private_directory(directory)?;
        // Before there is a lock file: one beside a log without its database would be a trace that nobody left.
        check(directory)?;
        let path = directory.join(LOCK_FILE);
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
        if let Some(lost) = lost(directory, found) {
            return Err(lost);
        }
        // A log that an engine left is not to get lost before the first commit of this one either.
        let mark = if length(&log_of(directory)) > 0 { Mark::Log } else { found };
        let mut lock = Self { directory: directory.to_path_buf(), file, mark };
        lock.write(mark).map_err(failed("write", &path))?;
        // SQLite would create the database with the permissions of the umask. One that is there is
        // not opened: closing it would take SQLite's locks from all readers of this process.
        let database = directory.join(FILE);
        if !database.exists() {
            private().open(&database).map_err(failed("create", &database))?;
        }
        sync_directory(directory).map_err(failed("sync", directory))?;
        Ok(lock)
    }

    /// A commit that wrote something is durable, so there is a write-ahead log, which the folder
    /// names for certain. A commit of nothing makes no log: marked after one, a journal from which
    /// nothing is missing would be refused after a loss of power.
    pub(crate) fn log_is_there(&mut self) {
        if self.mark != Mark::Log && length(&log_of(&self.directory)) > 0 {
            // Without the mark a lost log is not noticed; nothing else follows from it.
            let _ = self.write(Mark::Log);
        }
    }

    /// The database is about to be closed, which moves the log into it.
    pub(crate) fn log_goes(&mut self) {
        let _ = self.write(Mark::Made);
    }

    fn write(&mut self, mark: Mark) -> std::io::Result<()> {
        let before = std::mem::replace(&mut self.mark, mark);
        let text = format!("{} {}", std::process::id(), mark.as_str());
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.trim_end().as_bytes())?;
        // The log may be removed after this: a loss of power must not bring its mark back without it.
        if before == Mark::Log && mark != Mark::Log { self.file.sync_data() } else { Ok(()) }
    }
}

impl Drop for DirectoryLock {
    /// The database may have been closed without a writer: then the log is in it.
    fn drop(&mut self) {
        if self.mark == Mark::Log && length(&log_of(&self.directory)) == 0 {
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

/// Whether an engine, or somebody else who has to be alone, has the journal of a directory open
/// at this moment.
pub fn is_in_use(directory: &Path) -> bool {
    File::open(directory.join(LOCK_FILE))
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

fn log_of(directory: &Path) -> PathBuf {
    directory.join(format!("{FILE}-wal"))
}

/// Bytes of a file; of one that is not there 0.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// For who reads the journal of a directory, whoever else has it open: an error if a part of it
/// was taken away. `SQLite` would make the missing part anew, and with an empty database it would
/// remove a log that is still there.
pub(super) fn check(directory: &Path) -> Result<(), JournalError> {
    let mark = || File::open(directory.join(LOCK_FILE)).map_or(Mark::Nothing, |mut file| Mark::of(&mut file));
    let before = mark();
    match lost(directory, before) {
        // An engine that closes the journal changes the mark before the log goes: looked at in between.
        Some(_) if mark() != before => lost(directory, mark()).map_or(Ok(()), Err),
        Some(lost) => Err(lost),
        None => Ok(()),
    }
}

/// What was taken away from a journal, if anything was. Looks at the files without opening the
/// database: closing it again would take SQLite's locks from all connections of this process.
fn lost(directory: &Path, mark: Mark) -> Option<JournalError> {
    let (path, log) = (directory.join(FILE), log_of(directory));
    let (bytes, log_bytes) = (length(&path), length(&log));
    if bytes == 0 {
        let trace = match mark {
            Mark::Nothing if log_bytes > 0 => log,
            Mark::Nothing => return None,
            Mark::Made | Mark::Log => directory.join(LOCK_FILE),
        };
        let what = if path.exists() { "empty" } else { "missing" };
        return Some(JournalError::Gone { path, what, trace });
    }
    if mark == Mark::Log && log_bytes == 0 {
        return Some(lost_log(directory));
    }
    None
}

fn lost_log(directory: &Path) -> JournalError {
    JournalError::Damaged {
        path: directory.join(FILE),
        detail: format!(
            "its write-ahead log {} is missing, and with it the last commits; to go on without them, remove {}",
            log_of(directory).display(),
            directory.join(LOCK_FILE).display()
        ),
    }
}

/// Who looks at a journal without opening it for writing.
pub(super) enum Holder {
    /// An engine has it open.
    Engine,
    /// Nobody has. The lock keeps it so.
    Nobody {
        _lock: Option<File>,
        /// The last engine was killed, and its write-ahead log is gone.
        log_is_lost: bool,
    },
}

/// Who holds a data directory. Changes nothing in it.
pub(super) fn holder(directory: &Path) -> Holder {
    let Ok(mut file) = File::open(directory.join(LOCK_FILE)) else {
        return Holder::Nobody { _lock: None, log_is_lost: false };
    };
    if file.try_lock().is_err() {
        return Holder::Engine;
    }
    let log_is_lost = Mark::of(&mut file) == Mark::Log && length(&log_of(directory)) == 0;
    Holder::Nobody { _lock: Some(file), log_is_lost }
}

/// A new file is for its owner only.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_private_directory(directory: &Path) -> Result<(), JournalError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|source| JournalError::File {
        action: "create directory",
        path: directory.to_path_buf(),
        source,
    })
}

/// A new file is only certain to be found after a power loss once its directory is synced.
pub(super) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

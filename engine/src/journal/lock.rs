//! One engine per data directory.
//!
//! The lock file holds the number of the process, and behind it [`LOG`] while
//! there is a write-ahead log that the last commits are in: when the process is
//! gone and so is the log, somebody has taken it away.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::schema::{FILE, JournalError, LOCK_FILE};

/// Holds the lock of a data directory until it is dropped. The operating
/// system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
    marked: bool,
}

/// What the lock file says while the last commits are in the write-ahead log.
const LOG: &str = "wal";

impl DirectoryLock {
    /// Creates the directory (for its owner only) if need be, and locks it.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, JournalError> {
        create_private_directory(directory)?;
        let path = directory.join(LOCK_FILE);
        let failed = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source| JournalError::File { action, path, source }
        };
        let mut file = private().open(&path).map_err(failed("open", &path))?;
        if let Err(refused) = file.try_lock() {
            return match refused {
                fs::TryLockError::WouldBlock => Err(in_use(directory, &mut file)),
                fs::TryLockError::Error(source) => Err(failed("lock", &path)(source)),
            };
        }
        let said_log = says_log(&mut file);
        if said_log && !log_of(directory).exists() {
            return Err(lost_log(directory));
        }
        let mut lock = Self { file, marked: said_log };
        lock.unmark().map_err(failed("write", &path))?;
        // SQLite would create the database with the permissions of the umask.
        let database = directory.join(FILE);
        private().open(&database).map_err(failed("create", &database))?;
        sync_directory(directory).map_err(failed("sync", directory))?;
        Ok(lock)
    }

    /// A commit that wrote something is durable, so there is a write-ahead log, which the folder
    /// names for certain. A commit of nothing makes no log: marked after one, a journal from which
    /// nothing is missing would be refused after a loss of power.
    pub(crate) fn log_is_there(&mut self) {
        if !self.marked {
            self.marked = true;
            // Without the mark a lost log is not noticed; nothing else follows from it.
            let _ = self.write(LOG);
        }
    }

    /// The database is about to be closed, which moves the log into it.
    pub(crate) fn log_goes(&mut self) {
        let _ = self.unmark();
    }

    /// Takes the mark away, for certain: the log may be removed after this, and a loss of power
    /// must not bring the mark back without the log.
    fn unmark(&mut self) -> std::io::Result<()> {
        self.write("")?;
        if std::mem::take(&mut self.marked) { self.file.sync_data() } else { Ok(()) }
    }

    fn write(&mut self, mark: &str) -> std::io::Result<()> {
        let text = format!("{} {mark}", std::process::id());
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.trim_end().as_bytes())
    }
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

fn says_log(file: &mut File) -> bool {
    contents(file).split_whitespace().nth(1) == Some(LOG)
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join(format!("{FILE}-wal"))
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
    let log_is_lost = says_log(&mut file) && !log_of(directory).exists();
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

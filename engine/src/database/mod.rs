//! What keeps a database of a data directory from getting lost: its lock, which also proves that
//! it was there and how far its write-ahead log went, and what can be told of its file.
//!
//! The journal is one, and who embeds the engine may have others beside it. `SQLite` makes a
//! missing database anew, takes a damaged log for one that ends earlier, and reads a cut page as
//! zeros: here all of that is refused instead, and nothing of what is left is touched.

mod lock;
mod log;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::journal::JournalError;

pub use lock::{Holder, Lock, check, holder, is_in_use};

/// Lines of a check of pages.
const CHECK_LINES_MAX: i64 = 100;

/// The files of a database in its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// The database.
    pub database: &'static str,
    /// The file that is locked, and proves that there is a database.
    pub lock: &'static str,
}

impl Files {
    /// The database in a directory.
    pub fn database_in(&self, directory: &Path) -> PathBuf {
        directory.join(self.database)
    }

    fn log_in(&self, directory: &Path) -> PathBuf {
        log_of(&self.database_in(directory))
    }

    fn lock_in(&self, directory: &Path) -> PathBuf {
        directory.join(self.lock)
    }
}

/// What a database says it is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// `PRAGMA application_id`.
    pub application_id: i64,
    /// The newest schema that is known; the oldest is 1.
    pub schema_max: i64,
}

/// How thorough pages are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// No page: only what tables there are.
    Tables,
    /// Every page on its own.
    Pages,
    /// Also whether every index has what its table has.
    Indexes,
}

/// Something that is not as it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A table or an index; empty = the database.
    pub subject: String,
    /// What is wrong.
    pub problem: String,
}

/// Refuses what somebody else's program wrote, what a newer release wrote, and a header that none
/// writes. Answers the version of the schema; 0 = nothing is there yet.
///
/// # Errors
/// [`JournalError::NotAJournal`], [`JournalError::Newer`], [`JournalError::Damaged`].
pub fn check_identity(connection: &Connection, path: &Path, identity: Identity) -> Result<i64, JournalError> {
    let failed = |source| JournalError::of(path, "read the header of", source);
    // Of one moment: somebody may be making the database.
    let header =
        "SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master),
                  (SELECT application_id FROM pragma_application_id)";
    let number = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at);
    let read = |row: &rusqlite::Row<'_>| Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?));
    let (found, tables, application) = connection.query_row(header, [], read).map_err(failed)?;
    if tables > 0 && application != identity.application_id {
        return Err(JournalError::NotAJournal { path: path.to_path_buf() });
    }
    if found > identity.schema_max {
        return Err(JournalError::Newer { path: path.to_path_buf(), found, known: identity.schema_max });
    }
    if found < 0 || (found == 0 && tables > 0) {
        let detail = format!("its header gives schema {found} to {tables} tables, which no release does");
        return Err(JournalError::Damaged { path: path.to_path_buf(), detail });
    }
    Ok(found)
}

/// Refuses a database whose end was cut off within a page, which `SQLite` reads as if zeros stood
/// there. (One that lacks whole pages it refuses itself.) With a write-ahead log it does not have
/// to be whole: what a crash tore is in there once more.
///
/// # Errors
/// [`JournalError::Damaged`].
pub fn check_length(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let page = connection.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0));
    let page = page.map_err(|source| JournalError::of(path, "read the header of", source))?.cast_unsigned();
    if length(&log_of(path)) > 0 || length(path).is_multiple_of(page.max(1)) {
        return Ok(());
    }
    let detail = "it was cut off: it does not end with a whole page".to_owned();
    Err(JournalError::Damaged { path: path.to_path_buf(), detail })
}

/// What is wrong with pages, rows and indexes, and with the tables where a database in memory
/// shows how they should be.
pub fn faults(connection: &Connection, depth: Depth, wanted: Option<&Connection>) -> Vec<Fault> {
    let of_database = |problem: String| Fault { subject: String::new(), problem };
    let pragma = if depth == Depth::Pages { "quick_check" } else { "integrity_check" };
    let lines = (|| {
        if depth == Depth::Tables {
            return Ok(Vec::new());
        }
        connection.pragma_update(None, "cell_size_check", true)?;
        let mut check = connection.prepare(&format!("PRAGMA {pragma}({CHECK_LINES_MAX})"))?;
        let lines = check.query_map([], |row| row.get::<_, String>(0))?;
        lines.collect::<rusqlite::Result<Vec<String>>>()
    })();
    let mut faults: Vec<Fault> = match lines {
        Ok(lines) => {
            let bad = lines.iter().filter(|line| *line != "ok");
            bad.map(|line| of_database(line.trim().to_owned())).collect()
        }
        Err(error) => vec![of_database(format!("the database cannot be checked: {error}"))],
    };
    let Some(wanted) = wanted else { return faults };
    match (tables(connection), tables(wanted)) {
        (Ok(found), Ok(wanted)) => {
            for (name, _) in wanted.into_iter().filter(|table| !found.contains(table)) {
                let problem = "it is missing, or not as this schema has it".to_owned();
                faults.push(Fault { subject: name, problem });
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            faults.push(of_database(format!("the tables cannot be listed: {error}")));
        }
    }
    faults
}

/// Names and texts of all tables and indexes.
fn tables(connection: &Connection) -> rusqlite::Result<BTreeSet<(String, Option<String>)>> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_master")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Opens a database so that nothing changes: without a write-ahead log it is read as a file that
/// nobody writes; with one, or in use, the log is only read.
///
/// # Errors
/// The database refused.
pub fn open_unchanged(file: &Path, is_in_use: bool) -> Result<Connection, JournalError> {
    let has_log = length(&log_of(file)) > 0;
    // With an empty database SQLite removes the log.
    let is_immutable = !(is_in_use || has_log) || length(file) == 0;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let opened = Connection::open_with_flags(uri(file, is_immutable), flags);
    opened.map_err(|source| JournalError::of(file, "open", source))
}

fn uri(file: &Path, is_immutable: bool) -> String {
    let mut uri = String::from("file:");
    for character in file.to_string_lossy().chars() {
        match character {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    if is_immutable { uri + "?immutable=1" } else { uri }
}

/// Copies a database into a file that is not there yet, as it is at one moment, also while it is
/// written. `examine` looks at the copy before it gets its name; the copy is durable then. Answers
/// what it said, and how many bytes the copy has.
///
/// # Errors
/// A file operation failed, the database refused, or the copy cannot be examined.
pub fn copy<T>(
    source: &Connection,
    source_path: &Path,
    target: &Path,
    examine: impl FnOnce(&Path) -> Result<T, JournalError>,
) -> Result<(T, u64), JournalError> {
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
    private().open(&partial).map_err(failed("create", &partial))?;
    let examined = match copy_pages(source, source_path, &partial).and_then(|()| examine(&partial)) {
        Ok(examined) => examined,
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
    Ok((examined, bytes))
}

fn copy_pages(source: &Connection, source_path: &Path, partial: &Path) -> Result<(), JournalError> {
    let failed = |source| JournalError::of(source_path, "copy", source);
    let mut target = Connection::open(partial).map_err(failed)?;
    let backup = Backup::new(source, &mut target).map_err(failed)?;
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

/// The write-ahead log of a database.
pub(crate) fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Bytes of a file; of one that is not there 0.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// A new file is for its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600);
    options
}

/// A new file is only certain to be found after a power loss once its directory is synced.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

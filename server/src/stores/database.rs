//! The database of the stores: one file beside the journal, one thread that writes it.
//!
//! Not the journal itself: a second writer would hold up its commits. What several callers
//! write at a time is committed together, with one sync of the disk, and a caller is
//! answered after that. Readers have connections of their own and never wait.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::schema::{APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION};
use crate::http::JsonError;

/// Name of the database in the data folder.
pub(crate) const FILE: &str = "stores.db";
/// Pieces of work in one transaction. Ours: as many as may wait for an answer at a time.
const WORK_MAX: usize = 512;
/// Pieces of work that may wait; who brings more waits until there is room.
const WAITING_MAX: usize = 1_024;
/// Connections for reading that are kept.
const READERS_KEPT: usize = 8;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// The file is something else.
    #[error("{} is not a database of stepwright's queues and events: move it away, or name another data directory", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "{} has schema {found}, this program knows up to {known}: use the newer stepwright that wrote it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// A file operation failed.
    #[error("create {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("{}: {action}: {source}", path.display())]
    Database {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// The program has no models of the services: it was not built as it should be.
    #[error("this program was built without the models of AWS's services")]
    Models,
    /// The system gives no threads.
    #[error("cannot start the threads of the queues and events: {source}")]
    Threads {
        /// Why not.
        source: std::io::Error,
    },
}

/// Why a piece of work changed nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was refused, in AWS's words.
    Refused(JsonError),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for JsonError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Database(error) => {
                tracing::error!(%error, "the database of queues and events failed");
                Self::internal()
            }
        }
    }
}

/// What a piece of work comes to.
pub(crate) type Done<T = ()> = Result<T, Failure>;
/// Tells whoever asked, after the commit.
type Release = Box<dyn FnOnce() + Send>;
/// A piece of work within a transaction; what it refuses is undone and told at once.
type Work = Box<dyn FnOnce(&Connection) -> Option<Release> + Send>;

/// The database. Closed when it is dropped: what was brought before is written.
pub(crate) struct Database {
    path: PathBuf,
    work: Mutex<Option<SyncSender<Work>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database of a folder, made for its owner only when it is not there.
    pub(crate) fn open(folder: &Path, now_millis: i64) -> Result<Self, StoresError> {
        let path = folder.join(FILE);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        drop(file.map_err(|source| StoresError::File { path: path.clone(), source })?);
        let connection = open(&path, now_millis)?;
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let writer = std::thread::Builder::new()
            .name("stepwright-stores".to_owned())
            .spawn(move || write_all(connection, &receiver))
            .map_err(|source| StoresError::Threads { source })?;
        Ok(Self {
            path,
            work: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::default(),
        })
    }

    /// Does a piece of work in the next transaction, and answers when it is on the disk.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Done<T> + Send + 'static,
    ) -> Done<T> {
        let (sender, receiver) = sync_channel(1);
        self.bring(Box::new(move |connection| match within(connection, work) {
            Ok(value) => Some(Box::new(move || drop(sender.send(Ok(value))))),
            Err(failure) => {
                let _ = sender.send(Err(failure));
                None
            }
        }));
        receiver.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Reads what is on the disk.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => reader(&self.path)?,
        };
        let found = work(&connection);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(connection);
        }
        found
    }

    /// Writes what was brought, and nothing more.
    pub(crate) fn close(&self) {
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A thread that panicked has said so.
            let _ = writer.join();
        }
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn bring(&self, work: Work) {
        let sender = self.work.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Work that is dropped tells whoever waits that it will not be done.
        if let Some(sender) = sender {
            let _ = sender.send(work);
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.close();
    }
}

/// How many a query counts.
pub(crate) fn count(connection: &Connection, query: &str, values: impl rusqlite::Params) -> Done<usize> {
    let count: i64 = connection.prepare_cached(query)?.query_row(values, |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

fn gone() -> Failure {
    tracing::error!("the database of queues and events was closed, or a commit failed");
    Failure::Refused(JsonError::internal())
}

/// Does a piece of work, and undoes it when it fails.
fn within<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
    let step = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(drop);
    step("SAVEPOINT work")?;
    let done = work(connection);
    if done.is_err() {
        step("ROLLBACK TO work")?;
    }
    step("RELEASE work")?;
    done
}

fn write_all(connection: Connection, work: &Receiver<Work>) {
    while let Ok(first) = work.recv() {
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            tracing::error!(%error, "the database of queues and events takes no changes");
            continue;
        }
        let mut releases: Vec<Release> = Vec::new();
        let more = work.try_iter().take(WORK_MAX - 1);
        for work in std::iter::once(first).chain(more) {
            releases.extend(work(&connection));
        }
        match connection.execute_batch("COMMIT") {
            Ok(()) => releases.into_iter().for_each(|release| release()),
            Err(error) => {
                tracing::error!(%error, "a commit of the database of queues and events failed");
                // Nothing of it was released; what cannot be rolled back is rolled back already.
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
    }
}

fn open(path: &Path, now_millis: i64) -> Result<Connection, StoresError> {
    let failed = |action| {
        let path = path.to_path_buf();
        move |source| StoresError::Database { action, path, source }
    };
    let mut connection = Connection::open(path).map_err(failed("open"))?;
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let found = number("PRAGMA user_version").map_err(failed("read the header"))?;
    let tables = number("SELECT count(*) FROM sqlite_master").map_err(failed("read the header"))?;
    let application = number("PRAGMA application_id").map_err(failed("read the header"))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(StoresError::NotOurs { path: path.to_path_buf() });
    }
    if found > SCHEMA_VERSION {
        return Err(StoresError::Newer { path: path.to_path_buf(), found, known: SCHEMA_VERSION });
    }
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; \
         PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(pragmas).map_err(failed("configure"))?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, found, now_millis).map_err(failed("migrate"))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, from: i64, now_millis: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (version, step) in (1_i64..).zip(MIGRATIONS) {
        if version > from {
            transaction.execute_batch(step)?;
            transaction.execute("INSERT INTO migrations VALUES (?1, ?2)", (version, now_millis))?;
        }
    }
    if from < SCHEMA_VERSION {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

#[cfg(test)]
mod tests;

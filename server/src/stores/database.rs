//! The database of the stores: one file beside the journal, one thread that writes it.
//!
//! Not the journal itself: a second writer would hold up its commits. What several callers
//! write at a time is committed together, with one sync of the disk, and a caller is
//! answered after that. Readers have connections of their own and never wait for the writer.
//! What keeps the file from getting lost is the journal's: [`engine::database`].

mod health;
mod pages;
mod readers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use asl::limits::QUEUE_MESSAGE_BYTES_MAX;
use engine::JournalError;
use engine::database::{self, Depth, Files, Holder, Identity, Lock};
use rusqlite::Connection;

use self::health::{Access, Health};
use self::pages::Look;
use self::readers::{Readers, open as open_reader};
use super::schema::{APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION};
use crate::http::JsonError;

/// The database in the data folder, and its lock.
pub(crate) const FILES: Files = Files { database: "stores.db", lock: "stores.lock" };
/// What it says it is.
const IDENTITY: Identity = Identity { application_id: APPLICATION_ID, schema_max: SCHEMA_VERSION };
/// Pieces of work in one transaction. Ours: as many as may wait for an answer at a time.
const WORK_MAX: usize = 512;
/// Pieces of work that may wait; who brings more waits until there is room.
const WAITING_MAX: usize = 1_024;
/// Of a database of so many bytes every page is looked at before it is served, which takes less than a
/// second; of a larger one while it is. Ours.
const LOOKED_AT_FIRST_BYTES_MAX: u64 = 64 << 20;
/// Bytes that a probe writes, in a table and its index: together as many as the largest message has.
const PROBE_BYTES: usize = QUEUE_MESSAGE_BYTES_MAX / 2;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// It was taken away or damaged, somebody else has it, or another program or release wrote it.
    #[error("queues and events: {0}")]
    Unusable(JournalError),
    /// A file operation failed, or the database refused.
    #[error("queues and events: {0}")]
    Failed(JournalError),
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

impl From<JournalError> for StoresError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::File { .. } | JournalError::Database { .. } => Self::Failed(error),
            error => Self::Unusable(error),
        }
    }
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
    work: Mutex<Option<SyncSender<Work>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Readers,
    health: Arc<Health>,
    path: PathBuf,
    /// While it is served, if it is.
    pages: Option<Look>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Database").field("readers", &self.readers).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database of a folder, made for its owner only when it never was there.
    pub(crate) fn open(folder: &Path, now_millis: i64) -> Result<Self, StoresError> {
        Self::open_at_first(folder, now_millis, LOOKED_AT_FIRST_BYTES_MAX)
    }

    /// The same; if it has more than so many bytes, its pages are looked at while it is served.
    fn open_at_first(folder: &Path, now_millis: i64, bytes_max: u64) -> Result<Self, StoresError> {
        let mut lock = Lock::acquire(folder, FILES)?;
        let path = FILES.database_in(folder);
        let is_large = std::fs::metadata(&path).is_ok_and(|file| file.len() > bytes_max);
        let connection = open(&path, now_millis, if is_large { Depth::Tables } else { Depth::Pages })?;
        lock.committed(&connection);
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let health = Arc::new(Health::of(&path));
        let writer = Writer { connection, lock, health: Arc::clone(&health) };
        let writer = std::thread::Builder::new()
            .name("stepwright-stores".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|source| StoresError::Threads { source })?;
        let pages = if is_large { Some(Look::begin(&path, Arc::clone(&health))?) } else { None };
        Ok(Self {
            pages,
            work: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            readers: Readers::of(path.clone()),
            health,
            path,
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
        // Without an answer it is closed, or was not committed, which the writer has said.
        let done = receiver.recv().unwrap_or_else(|_| Err(JsonError::internal().into()));
        done.map_err(|failure| self.health.told(Access::Write, failure))
    }

    /// Reads what is on the disk. Waits while too many do.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
        let done = self.readers.lend().and_then(|connection| work(&connection));
        done.map_err(|failure| self.health.told(Access::Read, failure))
    }

    /// What is wrong with it, if anything is. What was wrong is tried again: it may be over, and
    /// whoever heard of it brings nothing any more that could tell.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem_at(Instant::now())
    }

    fn problem_at(&self, now: Instant) -> Option<String> {
        for access in [Access::Write, Access::Read] {
            let begun = Instant::now();
            if self.health.is_to_be_tried(access, now) && self.probe(access).is_ok() {
                self.health.works(access, begun);
            }
        }
        self.health.problem()
    }

    /// Does what failed once more. What is written is as much as anybody may bring: a smaller piece
    /// finds room where others do not. What is read is read with a connection that has yet to be opened.
    fn probe(&self, access: Access) -> Done {
        if access == Access::Read {
            let read = || open_reader(&self.path)?.query_row("SELECT count(*) FROM queues", [], |_| Ok(()));
            return read().map_err(|error| self.health.told(access, error.into()));
        }
        let id = "x".repeat(PROBE_BYTES);
        let same = id.clone();
        self.write(move |connection| {
            // A process that is killed here leaves it: it is old, and goes with what is old.
            Ok(connection.execute("INSERT OR REPLACE INTO raised VALUES (?1, 0)", [id])?)
        })?;
        self.write(move |connection| {
            Ok(connection.execute("DELETE FROM raised WHERE event_id = ?1", [same]).map(drop)?)
        })
    }

    /// Writes what was brought, and nothing more. Afterwards the file alone holds everything.
    pub(crate) fn close(&self) {
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        // Before the writer: the last connection to close takes the log with it, and one that only
        // reads cannot.
        self.pages.iter().for_each(Look::end);
        self.readers.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A thread that panicked has said so.
            let _ = writer.join();
        }
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

/// Does a piece of work, and undoes it when it fails, however it fails.
fn within<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
    let step = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(drop);
    step("SAVEPOINT work")?;
    // Nothing of ours is seen afterwards that the work could have left half done.
    let done = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| {
        tracing::error!("a change of queues and events panicked: it was undone, and its caller told");
        Err(JsonError::internal().into())
    });
    // What the disk refuses, SQLite may have undone already, and everything before it.
    if done.is_err() && connection.is_autocommit() {
        return done;
    }
    if done.is_err() {
        step("ROLLBACK TO work")?;
    }
    step("RELEASE work")?;
    done
}

/// Owns the only connection that writes, and the lock.
struct Writer {
    connection: Connection,
    lock: Lock,
    health: Arc<Health>,
}

impl Writer {
    fn run(mut self, work: &Receiver<Work>) {
        while let Ok(first) = work.recv() {
            if let Err(error) = self.commit(first, work) {
                self.health.failed(Access::Write, &error);
                // What cannot be rolled back is rolled back already.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
    }

    /// One transaction. Nothing of one that fails is released.
    fn commit(&mut self, first: Work, work: &Receiver<Work>) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut releases: Vec<Release> = Vec::new();
        for work in std::iter::once(first).chain(work.try_iter().take(WORK_MAX - 1)) {
            releases.extend(work(&self.connection));
            if self.connection.is_autocommit() {
                // A failure took the transaction with it: what came before is not done either.
                return Ok(());
            }
        }
        self.connection.execute_batch("COMMIT")?;
        self.lock.committed(&self.connection);
        for release in releases {
            release();
        }
        Ok(())
    }
}

impl Drop for Writer {
    /// Moves the log into the database. Then the fields go in their order: the connection, the lock.
    fn drop(&mut self) {
        self.lock.log_goes();
        let moved =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        if !matches!(moved, Ok(0)) {
            tracing::warn!(
                ?moved,
                "the log of queues and events stays beside its database until it is opened again"
            );
        }
    }
}

fn open(path: &Path, now_millis: i64, depth: Depth) -> Result<Connection, JournalError> {
    let failed = |action| move |source| JournalError::of(path, action, source);
    let mut connection = Connection::open(path).map_err(failed("open"))?;
    let found = database::check_identity(&connection, path, IDENTITY)?;
    database::check_length(&connection, path)?;
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; \
         PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(pragmas).map_err(failed("configure"))?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, found, now_millis).map_err(failed("migrate"))?;
    let wanted = blank().map_err(failed("compare"))?;
    if let Some(fault) = database::faults(&connection, depth, Some(&wanted)).into_iter().next() {
        return Err(JournalError::Damaged { path: path.to_path_buf(), detail: told(fault) });
    }
    connection.execute_batch(super::queue::IN_FLIGHT).map_err(failed("configure"))?;
    Ok(connection)
}

/// A database in memory with the tables of this program.
fn blank() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    migrate(&mut connection, 0, 0)?;
    Ok(connection)
}

fn told(fault: database::Fault) -> String {
    let database::Fault { subject, problem } = fault;
    if subject.is_empty() { problem } else { format!("{subject}: {problem}") }
}

/// What is wrong with the queues and events of a folder, whoever has them open; `None` = there are
/// none. Changes nothing.
///
/// # Errors
/// [`StoresError`]: they cannot be read at all.
pub fn examine(folder: &Path) -> Result<Option<Vec<String>>, StoresError> {
    database::check(folder, FILES).or_else(|error| match error {
        // Where only the log is gone, the rest is examined all the same.
        JournalError::Damaged { .. } => Ok(()),
        error => Err(error),
    })?;
    let path = FILES.database_in(folder);
    if std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        return Ok(None);
    }
    let holder = database::holder(folder, FILES);
    let mut found = Vec::new();
    if let Holder::Nobody { lost_log: Some(lost), .. } = &holder {
        found.push(lost.to_string());
    }
    let connection = database::open_unchanged(&path, matches!(holder, Holder::Somebody))?;
    found.extend(faults_of(&connection, &path)?);
    drop(holder);
    Ok(Some(found))
}

fn faults_of(connection: &Connection, path: &Path) -> Result<Vec<String>, JournalError> {
    let schema = match database::check_identity(connection, path, IDENTITY) {
        Ok(schema) => schema,
        Err(damaged @ JournalError::Damaged { .. }) => return Ok(vec![damaged.to_string()]),
        Err(error) => return Err(error),
    };
    let wanted = if schema == SCHEMA_VERSION { blank().ok() } else { None };
    let length = database::check_length(connection, path).err().map(|error| error.to_string());
    let faults = database::faults(connection, Depth::Indexes, wanted.as_ref());
    Ok(length.into_iter().chain(faults.into_iter().map(told)).collect())
}

/// Copies the queues and events of a folder into a file that is not there yet, also while they are
/// served, and examines the copy. Answers its bytes and what is wrong with it; `None` = there are none.
///
/// # Errors
/// [`StoresError`]: they cannot be read, or the copy cannot be written.
pub fn back_up(folder: &Path, target: &Path) -> Result<Option<(u64, Vec<String>)>, StoresError> {
    database::check(folder, FILES)?;
    let path = FILES.database_in(folder);
    if std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        return Ok(None);
    }
    let source = open_reader(&path).map_err(|source| JournalError::of(&path, "open", source))?;
    let copied = database::copy(&source, &path, target, |copy| {
        faults_of(&database::open_unchanged(copy, false)?, copy)
    });
    let (found, bytes) = copied?;
    Ok(Some((bytes, found)))
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

#[cfg(test)]
mod tests;

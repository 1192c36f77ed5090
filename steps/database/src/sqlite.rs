//! SQLite: the embedded default.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, OpenFlags, ToSql, params_from_iter};

use crate::{Database, DatabaseError, Dialect, ErrorKind, Patience, Purpose, Record, Value};

/// Statements kept compiled; the channel has fewer.
const STATEMENTS_MAX: usize = 64;

/// A connection to a database file.
pub struct Sqlite {
    connection: rusqlite::Connection,
    target: String,
    path: PathBuf,
    /// Device and number of the file that was opened.
    file: Option<(u64, u64)>,
}

impl Sqlite {
    /// Opens a database file, making it when it is not there (its directory must be).
    pub fn open(path: &Path, patience: Patience) -> Result<Self, DatabaseError> {
        let target = format!("SQLite database {}", path.display());
        let fail = |action, error: &rusqlite::Error| failure(&target, action, error);
        if !path.is_absolute() {
            return Err(DatabaseError {
                kind: ErrorKind::Rejected,
                target,
                action: "open it",
                detail: "the path is not absolute".to_owned(),
                advice: "set the secret `coreview` to `sqlite:///absolute/path.db`",
            });
        }
        // A new one is for its owner only, and so are the files that SQLite puts beside it. What is
        // wrong with the place SQLite says better.
        let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            rusqlite::Connection::open_with_flags(path, flags).map_err(|error| fail("open it", &error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.busy_timeout(patience.lock).map_err(|error| fail("open it", &error))?;
        use_write_ahead_log(&connection, patience.lock).map_err(|error| fail("open it", &error))?;
        // An answered commit survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL").map_err(|error| fail("open it", &error))?;
        Ok(Self { connection, target, path: path.to_owned(), file: identity(path) })
    }

    fn failure(&self, action: &'static str, error: &rusqlite::Error) -> DatabaseError {
        failure(&self.target, action, error)
    }
}

/// What tells a file from another one that took its name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Readers (a console, a read-back) and the writer do not wait for each other
/// in this mode. Switching to it needs the file alone, and SQLite does not wait
/// for that by itself.
fn use_write_ahead_log(connection: &rusqlite::Connection, patience: Duration) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        let switched = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))
            .map(|_mode| ());
        match switched {
            Err(error) if is_busy(&error) && started.elapsed() < patience => {
                thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// `$1` is a named parameter to SQLite, `?1` the first one. No statement of
/// ours contains a `$` otherwise.
fn numbered(statement: &str) -> String {
    statement.replace('$', "?")
}

impl Database for Sqlite {
    fn target(&self) -> &str {
        &self.target
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn begin(&mut self, purpose: Purpose) -> Result<(), DatabaseError> {
        // A writer takes its lock at once: one that reads first and writes
        // later can deadlock with another, and SQLite then fails it.
        let statement = match purpose {
            Purpose::Read => "BEGIN DEFERRED",
            Purpose::Write => "BEGIN IMMEDIATE",
        };
        self.connection.execute_batch(statement).map_err(|error| self.failure("begin a transaction", &error))
    }

    async fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<u64, DatabaseError> {
        self.connection
            .prepare_cached(&numbered(statement))
            .and_then(|mut prepared| prepared.execute(params_from_iter(parameters)))
            .map(|count| count as u64)
            .map_err(|error| self.failure("write", &error))
    }

    async fn query(&mut self, statement: &str, parameters: &[Value]) -> Result<Vec<Record>, DatabaseError> {
        let read = || -> rusqlite::Result<Vec<Record>> {
            let mut prepared = self.connection.prepare_cached(&numbered(statement))?;
            let columns = prepared.column_count();
            let records = prepared.query_map(params_from_iter(parameters), |row| record(row, columns))?;
            records.collect()
        };
        read().map_err(|error| self.failure("read", &error))
    }

    async fn each<E: From<DatabaseError> + Send>(
        &mut self,
        statement: &str,
        parameters: &[Value],
        mut take: impl FnMut(Record) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let reading = |error| failure(&self.target, "read", &error);
        let mut prepared = self.connection.prepare_cached(&numbered(statement)).map_err(reading)?;
        let columns = prepared.column_count();
        let mut rows = prepared.query(params_from_iter(parameters)).map_err(reading)?;
        while let Some(row) = rows.next().map_err(reading)? {
            take(record(row, columns).map_err(reading)?)?;
        }
        Ok(())
    }

    async fn insert_many(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> Result<(), DatabaseError> {
        let places: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let statement =
            format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
        let insert = || -> rusqlite::Result<()> {
            let mut prepared = self.connection.prepare_cached(&statement)?;
            for row in rows {
                prepared.execute(params_from_iter(row))?;
            }
            Ok(())
        };
        insert().map_err(|error| self.failure("write", &error))
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        self.connection.execute_batch("COMMIT").map_err(|error| {
            let mut failure = self.failure("commit", &error);
            // Whether the journal reached the disk decides, and that failed.
            if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
                failure.kind = ErrorKind::Unknown;
            }
            failure
        })
    }

    async fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // Closing the connection rolls back what this cannot.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    async fn has_table(&mut self, name: &str) -> Result<bool, DatabaseError> {
        let found = self
            .query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1", &[name.into()])
            .await?;
        Ok(!found.is_empty())
    }

    async fn lock_schema(&mut self) -> Result<(), DatabaseError> {
        // `BEGIN IMMEDIATE` has locked the whole file already.
        Ok(())
    }

    async fn define(&mut self, statements: &str) -> Result<(), DatabaseError> {
        self.connection.execute_batch(statements).map_err(|error| self.failure("set up its tables", &error))
    }

    async fn answers(&mut self) -> bool {
        // A file that was deleted or replaced would take what is written with it.
        self.file.is_some() && self.file == identity(&self.path)
    }
}

fn record(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Record> {
    (0..columns)
        .map(|column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Integer(number) => Value::Integer(number),
                // Invalid text can only have been put there by someone else; it
                // must show up as different, not stop the comparison.
                ValueRef::Text(text) | ValueRef::Blob(text) => {
                    Value::Text(String::from_utf8_lossy(text).into_owned())
                }
                ValueRef::Real(number) => Value::Text(number.to_string()),
                ValueRef::Null => Value::Null,
            })
        })
        .collect::<rusqlite::Result<Vec<Value>>>()
        .map(Record)
}

fn failure(target: &str, action: &'static str, error: &rusqlite::Error) -> DatabaseError {
    let (kind, advice) = classify(error);
    DatabaseError { kind, target: target.to_owned(), action, detail: error.to_string(), advice }
}

/// SQLite's primary result codes, by what a caller can do.
fn classify(error: &rusqlite::Error) -> (ErrorKind, &'static str) {
    let Some(code) = error.sqlite_error_code() else {
        return (ErrorKind::Rejected, "this is a defect of the step; report it");
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => (
            ErrorKind::Throttled,
            "another process is writing to it; it is tried again, and if it stays locked find who keeps it open",
        ),
        ErrorCode::CannotOpen => (
            ErrorKind::Unavailable,
            "check that its directory exists and may be written to, then redrive the execution",
        ),
        ErrorCode::DiskFull => (ErrorKind::Unavailable, "free some disk space, then redrive the execution"),
        ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted => {
            (ErrorKind::Unavailable, "check the disk it is on, then redrive the execution")
        }
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => (
            ErrorKind::Rejected,
            "the file is damaged or not a SQLite database; put a good copy back, then redrive the execution",
        ),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => (
            ErrorKind::Rejected,
            "give the user that runs the step write access to the file and its directory, then redrive the execution",
        ),
        _ => (
            ErrorKind::Rejected,
            "its tables are not as this step made them; compare them with its migrations",
        ),
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("target", &self.target).finish_non_exhaustive()
    }
}

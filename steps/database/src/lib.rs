//! The planning database: SQLite or PostgreSQL behind one small trait, so that
//! every statement of the steps exists once; and its tables, as migrations.
//!
//! Statements use `$1`, `$2`, … and only what both databases understand.
//! Values travel as parameters, never inside the text of a statement.
//!
//! Errors are sorted by what a caller can do about them ([`ErrorKind`]); their
//! messages name host or path, never the password.

#![warn(missing_docs)]

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

pub mod migrations;
mod pool;
mod postgres;
pub mod roles;
mod sqlite;

pub use migrations::in_dialect;
pub use pool::{Warm, warm};
pub use postgres::Postgres;
pub use sqlite::Sqlite;

stepwright::secret!(
    /// Where the planning database is: `sqlite:///abs/path.db` or
    /// `postgres://user:password@host/database`, as a user who may work with its tables.
    pub CoreViewUrl = "coreview"
);
stepwright::secret!(
    /// The planning database as the user who owns its tables: who may make them.
    pub CoreViewOwnerUrl = "coreview-owner"
);

/// A connection to the database.
pub trait Database: Send {
    /// Host and database, or the path: for messages.
    fn target(&self) -> &str;

    /// The differences in how tables are declared.
    fn dialect(&self) -> Dialect;

    /// Starts a transaction.
    fn begin(&mut self, purpose: Purpose) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Runs a statement; the number of rows it inserted, changed or deleted.
    fn execute(
        &mut self,
        statement: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<u64, DatabaseError>> + Send;

    /// Runs a query; all its rows, so a query over many pages through them.
    fn query(
        &mut self,
        statement: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Vec<Record>, DatabaseError>> + Send;

    /// Runs a query of any size: hands its rows to `take` one by one, as they
    /// come, and stops at its first error. The rows are never in memory together.
    fn each<E: From<DatabaseError> + Send>(
        &mut self,
        statement: &str,
        parameters: &[Value],
        take: impl FnMut(Record) -> Result<(), E> + Send,
    ) -> impl Future<Output = Result<(), E>> + Send;

    /// Inserts rows as fast as the database can; texts become what the columns
    /// hold. Table and columns are the program's own names, never data.
    fn insert_many(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Commits. [`ErrorKind::Unknown`] when the answer was lost: the transaction
    /// may be there or not.
    fn commit(&mut self) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Gives the transaction up. Never fails: a lost connection rolls back, too.
    fn rollback(&mut self) -> impl Future<Output = ()> + Send;

    /// Whether a table exists.
    fn has_table(&mut self, name: &str) -> impl Future<Output = Result<bool, DatabaseError>> + Send;

    /// Keeps others from changing the schema until the transaction ends.
    fn lock_schema(&mut self) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Runs the statements of a migration.
    fn define(&mut self, statements: &str) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Whether the connection still leads to the database it was opened to.
    fn answers(&mut self) -> impl Future<Output = bool> + Send;
}

/// Where two databases declare the same column differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading one unchanging picture.
    Read,
    /// Writing.
    Write,
}

/// A parameter, or a value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a query's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record(pub Vec<Value>);

impl Record {
    /// The text in a column; `None` when there is none.
    pub fn text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number in a column; `None` when there is none.
    pub fn integer(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }
}

/// What a caller can do about a [`DatabaseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is down, unreachable or shutting down: try later.
    Unavailable,
    /// It is there but busy: locks, deadlocks, too many connections: try soon.
    Throttled,
    /// The answer to a commit was lost: look first, then try again.
    Unknown,
    /// It refuses, and will refuse again: someone has to change something.
    Rejected,
    /// It refuses because the user may not.
    Forbidden,
}

/// What went wrong between us and the database.
#[derive(Debug, Clone, thiserror::Error)]
pub struct DatabaseError {
    /// What to do about it.
    pub kind: ErrorKind,
    /// Host and database, or the path.
    pub target: String,
    /// What was attempted.
    pub action: &'static str,
    /// The database's words, and its code.
    pub detail: String,
    /// What to do next.
    pub advice: &'static str,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot {}: {}; {}", self.target, self.action, self.detail, self.advice)
    }
}

/// How long a session waits before it gives up, so that a stuck process cannot
/// stop the others.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection to be made.
    pub connect: Duration,
    /// For one statement.
    pub statement: Duration,
    /// For a lock (on SQLite: for the database). Below every step's timeout.
    pub lock: Duration,
    /// Between two statements of a transaction, after which the server ends it.
    /// Below `lock`: who waits for a process that was stopped outlives it.
    pub idle_in_transaction: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            statement: Duration::from_mins(2),
            lock: Duration::from_secs(30),
            idle_in_transaction: Duration::from_secs(20),
        }
    }
}

/// A connection to either database.
#[derive(Debug)]
pub enum Connection {
    /// PostgreSQL.
    Postgres(Box<Postgres>),
    /// SQLite.
    Sqlite(Box<Sqlite>),
}

impl Connection {
    /// Connects to what a URL names: `sqlite:///abs/path.db`, made when it is not
    /// there, or `postgres://user:password@host:port/database`.
    ///
    /// What follows `sqlite://` is the path as it is, without percent-encoding.
    pub async fn open(url: &str, patience: Patience) -> Result<Self, DatabaseError> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Self::Sqlite(Box::new(Sqlite::open(&PathBuf::from(path), patience)?)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(Postgres::connect(url, patience).await?)));
        }
        // The URL itself may hold a password in a form we do not understand.
        Err(DatabaseError {
            kind: ErrorKind::Rejected,
            target: "CoreView's database".to_owned(),
            action: "read its URL",
            detail: "it starts neither with `sqlite:///` nor with `postgres://`".to_owned(),
            advice: "set the secret `coreview` to `sqlite:///absolute/path.db` or `postgres://user:password@host/database`",
        })
    }
}

/// Passes a call on to the database at hand.
macro_rules! either {
    ($self:ident, $database:ident => $call:expr) => {
        match $self {
            Self::Postgres($database) => $call,
            Self::Sqlite($database) => $call,
        }
    };
}

impl Database for Connection {
    fn target(&self) -> &str {
        either!(self, database => database.target())
    }

    fn dialect(&self) -> Dialect {
        either!(self, database => database.dialect())
    }

    async fn begin(&mut self, purpose: Purpose) -> Result<(), DatabaseError> {
        either!(self, database => database.begin(purpose).await)
    }

    async fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<u64, DatabaseError> {
        either!(self, database => database.execute(statement, parameters).await)
    }

    async fn query(&mut self, statement: &str, parameters: &[Value]) -> Result<Vec<Record>, DatabaseError> {
        either!(self, database => database.query(statement, parameters).await)
    }

    async fn each<E: From<DatabaseError> + Send>(
        &mut self,
        statement: &str,
        parameters: &[Value],
        take: impl FnMut(Record) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        either!(self, database => database.each(statement, parameters, take).await)
    }

    async fn insert_many(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> Result<(), DatabaseError> {
        either!(self, database => database.insert_many(table, columns, rows).await)
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        either!(self, database => database.commit().await)
    }

    async fn rollback(&mut self) {
        either!(self, database => database.rollback().await);
    }

    async fn has_table(&mut self, name: &str) -> Result<bool, DatabaseError> {
        either!(self, database => database.has_table(name).await)
    }

    async fn lock_schema(&mut self) -> Result<(), DatabaseError> {
        either!(self, database => database.lock_schema().await)
    }

    async fn define(&mut self, statements: &str) -> Result<(), DatabaseError> {
        either!(self, database => database.define(statements).await)
    }

    async fn answers(&mut self) -> bool {
        either!(self, database => database.answers().await)
    }
}

#[cfg(test)]
mod tests;

//! The connection a process keeps.
//!
//! A Lambda process handles one invocation at a time, so one connection for each
//! URL is all it ever needs: the server sees as many connections as functions
//! run at once. It is kept between invocations and looked at before it is used
//! again; one that is broken, was left inside a transaction or in the middle of
//! a statement, or idled too long is closed instead.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Connection, Database, DatabaseError, Dialect, Patience, Purpose, Record, Value};

/// After this long unused a connection is not trusted any more. Below the five
/// minutes after which common firewalls forget one.
const IDLE_MAX: Duration = Duration::from_mins(4);

/// A kept connection answers in this time, or another one is made.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Databases a process keeps connections to: a step uses one or two.
const URLS_MAX: usize = 4;

struct Idle {
    connection: Connection,
    since: Instant,
}

static IDLE: Mutex<BTreeMap<String, Idle>> = Mutex::new(BTreeMap::new());

/// What is in it stays right whatever a thread that panicked was doing.
fn idle() -> MutexGuard<'static, BTreeMap<String, Idle>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection to what a URL names (see [`Connection::open`]): the one this
/// process kept, where it still answers, else a new one. Dropping it keeps it
/// for the next time.
pub async fn warm(url: &str) -> Result<Warm, DatabaseError> {
    let kept = idle().remove(url);
    if let Some(Idle { mut connection, since }) = kept
        && since.elapsed() < IDLE_MAX
        && tokio::time::timeout(ANSWER_MAX, connection.answers()).await.unwrap_or(false)
    {
        return Ok(Warm::new(connection, url));
    }
    Ok(Warm::new(Connection::open(url, Patience::default()).await?, url))
}

/// A connection that is kept when it is dropped.
#[derive(Debug)]
pub struct Warm {
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    url: String,
    in_transaction: bool,
    /// A statement is under way, or failed in a way that leaves the session in doubt.
    in_doubt: bool,
}

impl Warm {
    fn new(connection: Connection, url: &str) -> Self {
        Self { connection: Some(connection), url: url.to_owned(), in_transaction: false, in_doubt: false }
    }

    /// Notes how a statement ended. Only a refusal in words leaves the session as it was.
    fn settle<T>(&mut self, outcome: &Result<T, DatabaseError>) {
        use crate::ErrorKind::{Rejected, Throttled};
        self.in_doubt = outcome.as_ref().is_err_and(|error| !matches!(error.kind, Rejected | Throttled));
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.in_transaction || self.in_doubt {
            return;
        }
        let mut idle = idle();
        if idle.len() >= URLS_MAX
            && let Some(oldest) = idle.iter().min_by_key(|(_, kept)| kept.since).map(|(url, _)| url.clone())
        {
            idle.remove(&oldest);
        }
        idle.insert(std::mem::take(&mut self.url), Idle { connection, since: Instant::now() });
    }
}

/// Passes a call on and notes how it ended. A caller that stops waiting in
/// between leaves `in_doubt` as it is.
macro_rules! pass_on {
    ($self:ident, $connection:ident => $call:expr) => {{
        $self.in_doubt = true;
        let outcome = match &mut $self.connection {
            Some($connection) => $call.await,
            None => Err(gone()),
        };
        $self.settle(&outcome);
        outcome
    }};
}

/// Cannot happen: only dropping takes the connection.
fn gone() -> DatabaseError {
    DatabaseError {
        kind: crate::ErrorKind::Unavailable,
        target: "the planning database".to_owned(),
        action: "use its connection",
        detail: "it was given back".to_owned(),
        advice: "this is a defect of the step; report it",
    }
}

impl Database for Warm {
    fn target(&self) -> &str {
        self.connection.as_ref().map_or("the planning database", Database::target)
    }

    fn dialect(&self) -> Dialect {
        self.connection.as_ref().map_or(Dialect::Sqlite, Database::dialect)
    }

    async fn begin(&mut self, purpose: Purpose) -> Result<(), DatabaseError> {
        let outcome = pass_on!(self, connection => connection.begin(purpose));
        self.in_transaction = outcome.is_ok();
        outcome
    }

    async fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<u64, DatabaseError> {
        pass_on!(self, connection => connection.execute(statement, parameters))
    }

    async fn query(&mut self, statement: &str, parameters: &[Value]) -> Result<Vec<Record>, DatabaseError> {
        pass_on!(self, connection => connection.query(statement, parameters))
    }

    async fn each<E: From<DatabaseError> + Send>(
        &mut self,
        statement: &str,
        parameters: &[Value],
        take: impl FnMut(Record) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        // Rows that were not taken may still be on their way when this fails.
        self.in_doubt = true;
        match &mut self.connection {
            Some(connection) => connection.each(statement, parameters, take).await?,
            None => return Err(gone().into()),
        }
        self.in_doubt = false;
        Ok(())
    }

    async fn insert_many(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> Result<(), DatabaseError> {
        pass_on!(self, connection => connection.insert_many(table, columns, rows))
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        let outcome = pass_on!(self, connection => connection.commit());
        self.in_transaction = outcome.is_err();
        outcome
    }

    async fn rollback(&mut self) {
        self.in_doubt = true;
        if let Some(connection) = &mut self.connection {
            connection.rollback().await;
        }
        // Whether the server heard it is found out before the connection is used again.
        self.in_transaction = false;
        self.in_doubt = false;
    }

    async fn has_table(&mut self, name: &str) -> Result<bool, DatabaseError> {
        pass_on!(self, connection => connection.has_table(name))
    }

    async fn lock_schema(&mut self) -> Result<(), DatabaseError> {
        pass_on!(self, connection => connection.lock_schema())
    }

    async fn define(&mut self, statements: &str) -> Result<(), DatabaseError> {
        pass_on!(self, connection => connection.define(statements))
    }

    async fn answers(&mut self) -> bool {
        match &mut self.connection {
            Some(connection) => connection.answers().await,
            None => false,
        }
    }
}

//! PostgreSQL, version 12 or later.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::io::Cursor;
use std::pin::pin;
use std::time::Duration;

use futures_util::{SinkExt as _, TryStreamExt as _};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::{ToSql, Type, WrongType};
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::{Database, DatabaseError, Dialect, ErrorKind, Patience, Purpose, Record, Value};

/// The advisory lock that serialises migrations: any number nobody else uses.
const SCHEMA_LOCK: i64 = 0x7374_6570_7772_6974;

/// After this long without an answer to a probe the connection counts as dead.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// A session on a server.
pub struct Postgres {
    client: Client,
    statements: BTreeMap<String, Statement>,
    target: String,
}

/// What the server may use to sort the rows of a period: the default of 4 MB sends
/// them to disk. There are as many sessions as functions run at once.
const WORK_MEMORY: &str = "64MB";

/// What was going on when an error arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Working,
    Committing,
}

impl Postgres {
    /// Connects and sets the session's limits. Needs a tokio runtime with I/O and time.
    pub async fn connect(url: &str, patience: Patience) -> Result<Self, DatabaseError> {
        let mut config: Config = url.parse().map_err(|_error: tokio_postgres::Error| DatabaseError {
            kind: ErrorKind::Rejected,
            target: "CoreView's PostgreSQL database".to_owned(),
            action: "read its URL",
            // The error may quote a part of the URL, and that may be the password.
            detail: "it is not a valid `postgres://` URL".to_owned(),
            advice: "set the secret `coreview` to `postgres://user:password@host:5432/database`, with special characters percent-encoded",
        })?;
        config
            .application_name("stepwright")
            .connect_timeout(patience.connect)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .tcp_user_timeout(patience.lock);
        let target = target_of(&config);
        if config.get_ssl_mode() == SslMode::Require {
            return Err(DatabaseError {
                kind: ErrorKind::Rejected,
                target,
                action: "connect",
                detail: "its URL requires TLS, which this build does not speak".to_owned(),
                advice: "use a private network and `sslmode=disable` in the secret `coreview`",
            });
        }
        // The driver's own limit ends with the TCP handshake.
        let connecting = tokio::time::timeout(patience.connect, config.connect(NoTls)).await;
        let (client, connection) = match connecting {
            Ok(connected) => {
                connected.map_err(|error| failure(&target, "connect", Phase::Connecting, &error))?
            }
            Err(_elapsed) => {
                return Err(DatabaseError {
                    kind: ErrorKind::Unavailable,
                    target,
                    action: "connect",
                    detail: format!("no answer within {} s", patience.connect.as_secs_f32()),
                    advice: ADVICE_DOWN,
                });
            }
        };
        // Ends with the client; its error also reaches whoever waits for an answer.
        tokio::spawn(connection);
        let mut session = Self { client, statements: BTreeMap::new(), target };
        session.limit(patience).await?;
        Ok(session)
    }

    async fn limit(&mut self, patience: Patience) -> Result<(), DatabaseError> {
        let milliseconds = |duration: Duration| Value::Text(duration.as_millis().to_string());
        self.query(
            "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false), \
             set_config('idle_in_transaction_session_timeout', $3, false), set_config('work_mem', $4, false)",
            &[
                milliseconds(patience.statement),
                milliseconds(patience.lock),
                milliseconds(patience.idle_in_transaction),
                WORK_MEMORY.into(),
            ],
        )
        .await?;
        Ok(())
    }

    async fn prepared(&mut self, statement: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(prepared) = self.statements.get(statement) {
            return Ok(prepared.clone());
        }
        let prepared = self.client.prepare(statement).await?;
        self.statements.insert(statement.to_owned(), prepared.clone());
        Ok(prepared)
    }

    fn working<'a>(&'a self, action: &'static str) -> impl Fn(tokio_postgres::Error) -> DatabaseError + 'a {
        move |error| failure(&self.target, action, Phase::Working, &error)
    }
}

/// A missing text; no column of ours misses a number.
static NO_TEXT: Option<String> = None;

fn borrowed(parameters: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    parameters
        .iter()
        .map(|value| -> &(dyn ToSql + Sync) {
            match value {
                Value::Null => &NO_TEXT,
                Value::Integer(number) => number,
                Value::Text(text) => text,
            }
        })
        .collect()
}

impl Database for Postgres {
    fn target(&self) -> &str {
        &self.target
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn begin(&mut self, purpose: Purpose) -> Result<(), DatabaseError> {
        // A writer serialises on the ledger's keys, for which each statement
        // must see what was committed while it waited.
        let statement = match purpose {
            Purpose::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Purpose::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        };
        self.client.batch_execute(statement).await.map_err(self.working("begin a transaction"))
    }

    async fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<u64, DatabaseError> {
        let prepared = self.prepared(statement).await;
        let prepared = prepared.map_err(self.working("write"))?;
        self.client.execute(&prepared, &borrowed(parameters)).await.map_err(self.working("write"))
    }

    async fn query(&mut self, statement: &str, parameters: &[Value]) -> Result<Vec<Record>, DatabaseError> {
        let prepared = self.prepared(statement).await;
        let prepared = prepared.map_err(self.working("read"))?;
        let rows = self.client.query(&prepared, &borrowed(parameters)).await.map_err(self.working("read"))?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(self.working("read"))
    }

    async fn each<E: From<DatabaseError> + Send>(
        &mut self,
        statement: &str,
        parameters: &[Value],
        mut take: impl FnMut(Record) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let prepared = self.prepared(statement).await;
        let prepared = prepared.map_err(self.working("read"))?;
        let rows = self.client.query_raw(&prepared, borrowed(parameters)).await;
        // The driver reads on from the socket only as rows are taken.
        let mut rows = pin!(rows.map_err(self.working("read"))?);
        while let Some(row) = rows.try_next().await.map_err(self.working("read"))? {
            take(record(&row).map_err(self.working("read"))?)?;
        }
        Ok(())
    }

    async fn insert_many(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> Result<(), DatabaseError> {
        let statement = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
        let prepared = self.prepared(&statement).await.map_err(self.working("write"))?;
        let copying = self.client.copy_in::<_, Cursor<Vec<u8>>>(&prepared).await;
        let mut copying = pin!(copying.map_err(self.working("write"))?);
        copying.send(Cursor::new(copy_text(rows))).await.map_err(self.working("write"))?;
        copying.finish().await.map_err(self.working("write"))?;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        self.client
            .batch_execute("COMMIT")
            .await
            .map_err(|error| failure(&self.target, "commit", Phase::Committing, &error))
    }

    async fn rollback(&mut self) {
        // A connection that is gone has rolled back.
        let _ = self.client.batch_execute("ROLLBACK").await;
    }

    async fn has_table(&mut self, name: &str) -> Result<bool, DatabaseError> {
        let found =
            self.query("SELECT 1::bigint WHERE to_regclass($1::text) IS NOT NULL", &[name.into()]).await?;
        Ok(!found.is_empty())
    }

    async fn lock_schema(&mut self) -> Result<(), DatabaseError> {
        self.query("SELECT pg_advisory_xact_lock($1)::text", &[SCHEMA_LOCK.into()]).await?;
        Ok(())
    }

    async fn define(&mut self, statements: &str) -> Result<(), DatabaseError> {
        self.client.batch_execute(statements).await.map_err(self.working("set up its tables"))
    }

    async fn answers(&mut self) -> bool {
        // An empty statement: a round trip and no more.
        !self.client.is_closed() && self.client.batch_execute("").await.is_ok()
    }
}

/// Rows in the text format of `COPY` (PostgreSQL manual, `COPY`, "Text Format").
fn copy_text(rows: &[Vec<Value>]) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows.len() * 256);
    for row in rows {
        for (index, value) in row.iter().enumerate() {
            if index > 0 {
                text.push(b'\t');
            }
            match value {
                Value::Null => text.extend_from_slice(b"\\N"),
                Value::Integer(number) => text.extend_from_slice(number.to_string().as_bytes()),
                Value::Text(words) => copy_escaped(words, &mut text),
            }
        }
        text.push(b'\n');
    }
    text
}

fn copy_escaped(words: &str, text: &mut Vec<u8>) {
    for byte in words.bytes() {
        match byte {
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            other => text.push(other),
        }
    }
}

fn record(row: &tokio_postgres::Row) -> Result<Record, tokio_postgres::Error> {
    row.columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            Ok(match *column.type_() {
                Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
                Type::INT4 => row.try_get::<_, Option<i32>>(index)?.map(i64::from).into(),
                _ => row.try_get::<_, Option<String>>(index)?.into(),
            })
        })
        .collect::<Result<Vec<Value>, _>>()
        .map(Record)
}

/// Host and database for messages. A password with an unencoded `@` or `/`
/// ends up in what the driver takes for the host: such a host is not shown.
fn target_of(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) if name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c)) => {
            format!("{name}:{port}")
        }
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.join(format!(".s.PGSQL.{port}")).display().to_string(),
        Some(_) => "(host not shown: percent-encode the password)".to_owned(),
        None => "(no host)".to_owned(),
    };
    match config.get_dbname().or(config.get_user()) {
        Some(database) if database.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)) => {
            format!("PostgreSQL database `{database}` at {host}")
        }
        _ => format!("PostgreSQL at {host}"),
    }
}

fn failure(target: &str, action: &'static str, phase: Phase, error: &tokio_postgres::Error) -> DatabaseError {
    let (kind, detail, advice) = match error.as_db_error() {
        Some(answer) => {
            let (kind, advice) = classify(answer.code(), phase);
            (kind, words_of(answer), advice)
        }
        None if phase == Phase::Committing => (ErrorKind::Unknown, chain(error), ADVICE_LOOK_FIRST),
        // Values that do not fit their column are our defect, not the network's.
        None if error.source().is_some_and(<dyn std::error::Error>::is::<WrongType>) => {
            (ErrorKind::Rejected, chain(error), "this is a defect of the step; report it")
        }
        None => (ErrorKind::Unavailable, chain(error), ADVICE_DOWN),
    };
    DatabaseError { kind, target: target.to_owned(), action, detail, advice }
}

/// The server's message and code, without `DETAIL`: that quotes rows.
fn words_of(answer: &DbError) -> String {
    format!("{} (SQLSTATE {})", answer.message(), answer.code().code())
}

fn chain(error: &tokio_postgres::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

const ADVICE_DOWN: &str =
    "check that it runs and can be reached; the step is tried again, or redrive the execution";
const ADVICE_LOOK_FIRST: &str = "the next attempt looks whether the batch arrived before it does anything";

/// SQLSTATEs by what a caller can do (PostgreSQL manual, appendix A).
pub(crate) fn classify(state: &SqlState, phase: Phase) -> (ErrorKind, &'static str) {
    let code = state.code();
    match code.get(..2).unwrap_or_default() {
        // Too many connections; lock timeout; statement timeout.
        _ if ["53300", "55P03", "57014"].contains(&code) => {
            (ErrorKind::Throttled, "it is busy; the delivery is tried again")
        }
        // Transaction resolution or statement completion unknown.
        _ if ["08007", "40003"].contains(&code) => (ErrorKind::Unknown, ADVICE_LOOK_FIRST),
        // Serialization failure, deadlock.
        "40" => (ErrorKind::Throttled, "another transaction was in the way; the delivery is tried again"),
        // Connection lost, server shut down, I/O error, internal error: in a
        // commit the transaction may be complete when they arrive.
        "08" | "57" | "58" | "XX" if phase == Phase::Committing => (ErrorKind::Unknown, ADVICE_LOOK_FIRST),
        "08" | "57" | "58" | "XX" => (ErrorKind::Unavailable, ADVICE_DOWN),
        // Out of disk or memory.
        "53" => {
            (ErrorKind::Unavailable, "free disk space or memory on the server, then redrive the execution")
        }
        // Idle in transaction for too long: we were stopped or starved.
        _ if code == "25P03" => {
            (ErrorKind::Unavailable, "the step was stopped for too long; it is tried again")
        }
        // Read only: a standby, or a fail-over going on.
        _ if code == "25006" => (
            ErrorKind::Unavailable,
            "it is read only, as a standby is; point the secret `coreview` at the primary",
        ),
        "28" | "3D" => (
            ErrorKind::Rejected,
            "check user, password and database in the secret `coreview`, then redrive the execution",
        ),
        _ if code == "42501" => (
            ErrorKind::Forbidden,
            "grant the step's user access to CoreView's tables, then redrive the execution",
        ),
        "22" | "23" => {
            (ErrorKind::Rejected, "the batch does not fit CoreView's tables; correct it and start again")
        }
        _ => (
            ErrorKind::Rejected,
            "its tables are not as this step made them; compare them with its migrations",
        ),
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("target", &self.target).finish_non_exhaustive()
    }
}

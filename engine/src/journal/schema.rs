//! The database: its tables, how it is opened, and what can be wrong with it.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::segment::decode;
use crate::database::{Files, Identity, check_identity, check_length};
use crate::machine::HistoryEvent;

/// Name of the database in the data directory.
pub(crate) const FILE: &str = "journal.db";
/// The database in the data directory, and its lock.
pub(crate) const FILES: Files = Files { database: FILE, lock: "journal.lock" };

/// `PRAGMA application_id` of a journal: "Step" in ASCII.
const APPLICATION_ID: i64 = 0x5374_6570;

/// Each step brings the schema from its position to the next version.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_millis INTEGER NOT NULL) STRICT;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE definitions (sha256 BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE state_machines (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE revisions (
        machine_id INTEGER NOT NULL REFERENCES state_machines (id),
        revision INTEGER NOT NULL,
        sha256 BLOB NOT NULL REFERENCES definitions (sha256),
        role_arn TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        PRIMARY KEY (machine_id, revision)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE executions (
        id INTEGER PRIMARY KEY,
        machine_id INTEGER NOT NULL REFERENCES state_machines (id),
        name TEXT NOT NULL,
        sha256 BLOB NOT NULL REFERENCES definitions (sha256),
        status INTEGER NOT NULL,
        start_millis INTEGER NOT NULL,
        stop_millis INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX executions_name ON executions (machine_id, name);
    CREATE INDEX executions_status ON executions (machine_id, status, start_millis);
    CREATE INDEX executions_start ON executions (machine_id, start_millis);
    CREATE INDEX executions_open ON executions (id) WHERE status = 0;
    CREATE TABLE segments (
        execution_id INTEGER NOT NULL REFERENCES executions (id),
        first_record INTEGER NOT NULL,
        records BLOB NOT NULL,
        PRIMARY KEY (execution_id, first_record)
    ) STRICT, WITHOUT ROWID;
", "
    -- The name of a deleted state machine is free again: uniqueness holds among the others only.
    CREATE TABLE state_machines_2 (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        last_version INTEGER NOT NULL DEFAULT 0,
        deleting_millis INTEGER,
        deleted_millis INTEGER
    ) STRICT;
    INSERT INTO state_machines_2 (id, name, kind, created_millis)
        SELECT m.id, m.name, 'STANDARD',
            coalesce((SELECT min(created_millis) FROM revisions r WHERE r.machine_id = m.id), 0)
        FROM state_machines m;
    DROP TABLE state_machines;
    ALTER TABLE state_machines_2 RENAME TO state_machines;
    CREATE UNIQUE INDEX state_machines_name ON state_machines (name) WHERE deleted_millis IS NULL;
    -- An execution is found by the name of its state machine, deleted or not.
    CREATE INDEX state_machines_names ON state_machines (name);
    ALTER TABLE revisions ADD COLUMN revision_id TEXT;
    ALTER TABLE revisions ADD COLUMN configuration TEXT NOT NULL DEFAULT '{}';
    CREATE TABLE versions (
        machine_id INTEGER NOT NULL REFERENCES state_machines (id),
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        description TEXT,
        created_millis INTEGER NOT NULL,
        PRIMARY KEY (machine_id, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE aliases (
        machine_id INTEGER NOT NULL REFERENCES state_machines (id),
        name TEXT NOT NULL,
        description TEXT,
        routes TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        updated_millis INTEGER NOT NULL,
        PRIMARY KEY (machine_id, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE activities (
        name TEXT PRIMARY KEY,
        created_millis INTEGER NOT NULL,
        encryption TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- Tags keep the order in which their keys came.
    CREATE TABLE tags (
        id INTEGER PRIMARY KEY,
        resource TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (resource, key)
    ) STRICT;
    -- NULL in an execution of a journal that knew no revisions: found by its definition then.
    ALTER TABLE executions ADD COLUMN revision INTEGER;
    ALTER TABLE executions ADD COLUMN version INTEGER;
    ALTER TABLE executions ADD COLUMN alias TEXT;
    CREATE INDEX executions_version ON executions (machine_id, version, start_millis) WHERE version IS NOT NULL;
    CREATE INDEX executions_alias ON executions (machine_id, alias, start_millis) WHERE alias IS NOT NULL;
    -- Asynchronous Express executions that were accepted and have not ended.
    CREATE TABLE express (
        arn TEXT PRIMARY KEY,
        machine_id INTEGER NOT NULL REFERENCES state_machines (id),
        revision INTEGER NOT NULL,
        name TEXT NOT NULL,
        input TEXT NOT NULL,
        trace_header TEXT,
        version INTEGER,
        alias TEXT
    ) STRICT, WITHOUT ROWID;
", "
    -- The first journals of version 2 came without it.
    CREATE INDEX IF NOT EXISTS state_machines_names ON state_machines (name);
    -- A Map Run is the sum of its children: executions that name it.
    CREATE TABLE map_runs (
        id INTEGER PRIMARY KEY,
        arn TEXT NOT NULL UNIQUE,
        execution_arn TEXT NOT NULL,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        fingerprint TEXT,
        max_concurrency INTEGER NOT NULL,
        tolerated_count INTEGER,
        tolerated_percentage REAL,
        items_total INTEGER,
        is_batched INTEGER NOT NULL,
        status INTEGER NOT NULL,
        start_millis INTEGER NOT NULL,
        stop_millis INTEGER
    ) STRICT;
    CREATE INDEX map_runs_execution ON map_runs (execution_arn, id);
    CREATE INDEX map_runs_open ON map_runs (id) WHERE status = 0;
    ALTER TABLE executions ADD COLUMN map_run_id INTEGER;
    ALTER TABLE executions ADD COLUMN map_number INTEGER;
    ALTER TABLE executions ADD COLUMN map_items INTEGER;
    CREATE UNIQUE INDEX executions_map_run ON executions (map_run_id, map_number) WHERE map_run_id IS NOT NULL;
", "
    ALTER TABLE executions ADD COLUMN redrive_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE executions ADD COLUMN redrive_millis INTEGER;
    -- How many events the history had at the last end; NULL while it has none, or older journals did not note it.
    ALTER TABLE executions ADD COLUMN events INTEGER;
    -- 1: a child that waits to be redriven by its Map Run; its status is that of its last end.
    ALTER TABLE executions ADD COLUMN pending_redrive INTEGER;
    CREATE INDEX executions_pending ON executions (map_run_id, map_number) WHERE pending_redrive = 1;
    ALTER TABLE map_runs ADD COLUMN is_express INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE map_runs ADD COLUMN redrive_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE map_runs ADD COLUMN redrive_millis INTEGER;
", "
    -- The error of an execution that ended without success, for lists.
    ALTER TABLE executions ADD COLUMN error TEXT;
    CREATE INDEX executions_error ON executions (error, start_millis) WHERE error IS NOT NULL;
    -- Lists have the children of Map Runs or everybody else, and each index has one of both.
    DROP INDEX executions_status;
    DROP INDEX executions_start;
    CREATE INDEX executions_status ON executions (machine_id, status, start_millis) WHERE map_run_id IS NULL;
    CREATE INDEX executions_start ON executions (machine_id, start_millis) WHERE map_run_id IS NULL;
    CREATE INDEX executions_recent ON executions (start_millis) WHERE map_run_id IS NULL;
    CREATE INDEX executions_recent_status ON executions (status, start_millis) WHERE map_run_id IS NULL;
    CREATE INDEX executions_children ON executions (map_run_id, start_millis) WHERE map_run_id IS NOT NULL;
    CREATE INDEX executions_children_status ON executions (map_run_id, status, start_millis) WHERE map_run_id IS NOT NULL;
", "
    -- Where the last item of a child is in a dataset of several objects, as JSON.
    ALTER TABLE executions ADD COLUMN map_place TEXT;
"];

/// The version that noted the errors of executions.
const ERRORS_SINCE: i64 = 5;

/// The newest schema this engine knows.
pub(crate) const SCHEMA_VERSION: i64 = MIGRATIONS.len().cast_signed() as i64;

/// What is wrong with a journal, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another engine has it open.
    #[error(
        "journal {} is in use by another stepwright process{}: stop that process, or give this one another data directory",
        directory.display(),
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The process, if it left its number.
        pid: Option<u32>,
    },
    /// There is no journal to read.
    #[error("there is no journal in {}: start an engine there first, or name another data directory", directory.display())]
    Missing {
        /// The data directory.
        directory: PathBuf,
    },
    /// There was a journal, and its database was taken away.
    #[error(
        "{} is {what}, and {} shows that there was one. Put it back with all its files, or restore a \
         backup as docs/journal.md says; to begin anew, name another data directory",
        path.display(),
        trace.display()
    )]
    Gone {
        /// The database.
        path: PathBuf,
        /// Whether it is "missing" or "empty".
        what: &'static str,
        /// The file that shows it.
        trace: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no database that stepwright wrote: move it away, or name another data directory", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// A newer engine wrote it.
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
    /// The database is damaged.
    #[error(
        "{} is damaged: {detail}. Keep a copy of the directory, then restore a backup or recover what is \
         readable with `sqlite3 {} .recover`",
        path.display(),
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// One segment is damaged.
    #[error(
        "the journal of execution {execution} is damaged: segment {segment}: {problem}. Nothing of it was used; \
         restore a backup, or remove the execution"
    )]
    DamagedSegment {
        /// ARN of the execution.
        execution: String,
        /// The segment: the number of its first record.
        segment: u64,
        /// What is wrong.
        problem: String,
    },
    /// A definition is damaged.
    #[error(
        "the definition {sha256} of {owner} is damaged: {problem}. Nothing of it was used; restore a backup, or \
         remove what uses it"
    )]
    DamagedDefinition {
        /// What runs it: ARN of the execution or of the state machine.
        owner: String,
        /// The SHA-256 it should have, in hexadecimal digits.
        sha256: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file operation failed.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried, e.g. "create".
        action: &'static str,
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
}

impl JournalError {
    /// Sorts an error of the database by what a person has to do about it.
    pub fn of(path: &Path, action: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotAJournal { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, detail: source.to_string() },
            _ => Self::Database { action, path, source },
        }
    }
}

/// Opens the database for reading and writing, and brings its schema up to date.
pub(crate) fn open(path: &Path, now_millis: i64) -> Result<Connection, JournalError> {
    let failed = |action| move |source| JournalError::of(path, action, source);
    let mut connection = Connection::open(path).map_err(failed("open"))?;
    check(&connection, path)?;
    check_length(&connection, path)?;
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; \
         PRAGMA wal_autocheckpoint = 20000; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(pragmas).map_err(failed("configure"))?;
    keep_plans(&connection).map_err(failed("configure"))?;
    migrate(&mut connection, now_millis).map_err(failed("migrate"))?;
    Ok(connection)
}

/// Opens the database for reading only.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|source| JournalError::of(path, "open", source))?;
    check(&connection, path)?;
    check_length(&connection, path)?;
    keep_plans(&connection).map_err(|source| JournalError::of(path, "configure", source))?;
    Ok(connection)
}

/// A statement keeps its plan whatever values it is given. Otherwise `SQLite` plans
/// a query anew for each value that it compared with the condition of a partial
/// index, which took twice as long as the reading (measured with `describe_execution`).
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// A database in memory with the tables of this engine.
pub(super) fn blank() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    migrate(&mut connection, 0)?;
    Ok(connection)
}

/// Refuses files that are not journals, and journals of newer engines.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let identity = Identity { application_id: APPLICATION_ID, schema_max: SCHEMA_VERSION };
    check_identity(connection, path, identity).map(drop)
}

fn migrate(connection: &mut Connection, now_millis: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let from = transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
    for (version, step) in (1_i64..).zip(MIGRATIONS) {
        if version > from {
            transaction.execute_batch(step)?;
            if version == ERRORS_SINCE {
                note_errors(&transaction)?;
            }
            transaction.execute("INSERT INTO migrations VALUES (?1, ?2)", (version, now_millis))?;
        }
    }
    if from < SCHEMA_VERSION {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

/// Notes the errors of executions that ended before there was a column for them.
/// What cannot be read is left to the doctor.
fn note_errors(connection: &Connection) -> rusqlite::Result<()> {
    let query = "SELECT e.id, s.first_record, s.records FROM executions e JOIN segments s ON s.execution_id = e.id \
                 WHERE e.status > 1 AND s.first_record = \
                 (SELECT max(first_record) FROM segments WHERE execution_id = e.id)";
    let mut failed = connection.prepare(query)?;
    let mut note = connection.prepare("UPDATE executions SET error = ?2 WHERE id = ?1")?;
    let mut rows = failed.query([])?;
    let mut errors = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, first): (i64, i64) = (row.get(0)?, row.get(1)?);
        let records = decode(id, first.cast_unsigned(), row.get_ref(2)?.as_blob().unwrap_or_default());
        let last = records.ok().and_then(|mut records| records.pop()).as_ref().and_then(HistoryEvent::of);
        errors.extend(last.and_then(|event| Some((id, event.error()?.to_owned()))));
    }
    for (id, error) in errors {
        note.execute((id, error))?;
    }
    Ok(())
}

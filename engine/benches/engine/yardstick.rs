//! What bare SQLite does with the same events on the same disk: the same
//! settings as the journal, one connection, prepared statements, nothing else.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags, params};

/// Executions in one transaction: as many as the clients of the engine can have under way.
const PER_TRANSACTION: usize = 16;

fn number(count: usize) -> i64 {
    i64::try_from(count).expect("a small number")
}

fn database(directory: &Path, tables: &str) -> Connection {
    let connection = Connection::open(directory.join("bare.db")).expect("a database");
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;";
    connection.execute_batch(pragmas).expect("settings");
    connection.execute_batch(tables).expect("tables");
    connection
}

/// One row per event, found by execution and number. Executions per second.
pub(crate) fn rows(events: &[String], executions: usize) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let table = "CREATE TABLE events (execution_id INTEGER, id INTEGER, event TEXT, \
                 PRIMARY KEY (execution_id, id)) WITHOUT ROWID;";
    let mut connection = database(directory.path(), table);
    let began = Instant::now();
    for first in (0..executions).step_by(PER_TRANSACTION) {
        let transaction = connection.transaction().expect("a transaction");
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3)").expect("SQL");
            for execution in first..(first + PER_TRANSACTION).min(executions) {
                for (id, event) in events.iter().enumerate() {
                    insert.execute(params![number(execution), number(id + 1), event]).expect("a row");
                }
            }
        }
        transaction.commit().expect("a commit");
    }
    executions as f64 / began.elapsed().as_secs_f64()
}

/// The packed segments of the last execution of a journal.
pub(crate) fn segments_of(directory: &Path) -> Vec<Vec<u8>> {
    let file = directory.join("journal.db");
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the journal");
    let query = "SELECT records FROM segments WHERE execution_id = (SELECT max(id) FROM executions) ORDER BY first_record";
    let mut statement = connection.prepare(query).expect("SQL");
    let segments = statement.query_map([], |row| row.get(0)).expect("rows");
    segments.collect::<Result<_, _>>().expect("segments")
}

const PACKED: &str = "CREATE TABLE executions (id INTEGER PRIMARY KEY, name TEXT, status INTEGER, start INTEGER); \
    CREATE INDEX executions_status ON executions (status, start); \
    CREATE TABLE segments (execution_id INTEGER, first INTEGER, records BLOB, \
    PRIMARY KEY (execution_id, first)) WITHOUT ROWID;";

fn insert_packed(connection: &Connection, execution: usize, segments: &[Vec<u8>]) {
    let mut row = connection.prepare_cached("INSERT INTO executions VALUES (?1, ?2, 0, ?1)").expect("SQL");
    row.execute(params![number(execution), format!("execution-{execution}")]).expect("a row");
    let mut insert = connection.prepare_cached("INSERT INTO segments VALUES (?1, ?2, ?3)").expect("SQL");
    for (first, segment) in segments.iter().enumerate() {
        insert.execute(params![number(execution), number(first), segment]).expect("a row");
    }
}

/// The engine's own bytes, one row per segment and one per execution: what is
/// left when everything but the writing is free. Executions per second.
pub(crate) fn packed(segments: &[Vec<u8>], executions: usize) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let mut connection = database(directory.path(), PACKED);
    let began = Instant::now();
    for first in (0..executions).step_by(PER_TRANSACTION) {
        let transaction = connection.transaction().expect("a transaction");
        for execution in first..(first + PER_TRANSACTION).min(executions) {
            insert_packed(&transaction, execution, segments);
        }
        transaction.commit().expect("a commit");
    }
    executions as f64 / began.elapsed().as_secs_f64()
}

/// Milliseconds of single commits, each with one execution.
pub(crate) fn commits(segments: &[Vec<u8>], executions: usize) -> Vec<f64> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut connection = database(directory.path(), PACKED);
    let mut one = |execution: usize| {
        let began = Instant::now();
        let transaction = connection.transaction().expect("a transaction");
        insert_packed(&transaction, execution, segments);
        transaction.commit().expect("a commit");
        began.elapsed().as_secs_f64() * 1e3
    };
    (0..executions).map(&mut one).collect()
}

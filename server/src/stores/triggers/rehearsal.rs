//! Stores in which a document is tried before it is put: the definitions of the real ones, in a folder that
//! goes away.

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::stores::Inner;
use crate::stores::database::{Database, Done};

/// What says whether a document can be put. Messages and deliveries do not.
const TABLES: [&str; 7] = ["queues", "buses", "rules", "targets", "schedule_groups", "schedules", "pipes"];

/// Stores that nobody works in.
pub(super) struct Rehearsal {
    pub(super) stores: Inner,
    _folder: TempDir,
}

impl Rehearsal {
    /// Copies the definitions. `Err` = why that cannot be done.
    pub(super) fn of(real: &Inner) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let database = Database::open(folder.path(), real.shared.now()).map_err(|error| error.to_string())?;
        let shared = Arc::new(real.shared.beside(database));
        let definitions = |connection: &Connection| {
            TABLES.into_iter().map(|table| Ok((table, rows(connection, table)?))).collect::<Done<Vec<_>>>()
        };
        let tables = real.shared.database.read(definitions).map_err(|failure| format!("{failure:?}"))?;
        let write = move |connection: &Connection| {
            tables.into_iter().try_for_each(|(table, rows)| insert(connection, table, rows))
        };
        shared.database.write(write).map_err(|failure| format!("{failure:?}"))?;
        let stores = Inner::new(&shared, real.pipes.engine());
        let stores = stores.ok_or_else(|| "the program has no models of the services".to_owned())?;
        Ok(Self { stores, _folder: folder })
    }
}

fn rows(connection: &Connection, table: &str) -> Done<Vec<Vec<Value>>> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn insert(connection: &Connection, table: &str, rows: Vec<Vec<Value>>) -> Done {
    let Some(columns) = rows.first().map(Vec::len) else { return Ok(()) };
    let places = vec!["?"; columns].join(", ");
    let mut statement = connection.prepare(&format!("INSERT INTO {table} VALUES ({places})"))?;
    for row in rows {
        statement.execute(rusqlite::params_from_iter(row))?;
    }
    Ok(())
}

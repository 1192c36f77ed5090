//! Schedules and their groups in the database.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use super::schedule::DEFAULT_GROUP;
use crate::stores::database::{self, Done};

/// A schedule as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) document: Map<String, Value>,
    pub(super) created_millis: i64,
    pub(super) modified_millis: i64,
    pub(super) next_millis: Option<i64>,
}

const KEPT: &str =
    "SELECT group_name, name, document, created_millis, modified_millis, next_millis FROM schedules";

fn kept_of(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let document: String = row.get(2)?;
    Ok(Kept {
        group: row.get(0)?,
        name: row.get(1)?,
        document: serde_json::from_str(&document).unwrap_or_default(),
        created_millis: row.get(3)?,
        modified_millis: row.get(4)?,
        next_millis: row.get(5)?,
    })
}

pub(super) fn find(connection: &Connection, group: &str, name: &str) -> Done<Option<Kept>> {
    let mut statement = connection.prepare_cached(&format!("{KEPT} WHERE group_name = ?1 AND name = ?2"))?;
    Ok(statement.query_row((group, name), kept_of).optional()?)
}

/// All of a group, or of all groups, by group and name.
pub(super) fn list(connection: &Connection, group: Option<&str>) -> Done<Vec<Kept>> {
    let query = format!("{KEPT} WHERE ?1 IS NULL OR group_name = ?1 ORDER BY group_name, name");
    let mut statement = connection.prepare_cached(&query)?;
    let found = statement.query_map([group], kept_of)?.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

pub(super) fn count(connection: &Connection) -> Done<usize> {
    database::count(connection, "SELECT count(*) FROM schedules", [])
}

/// Makes or replaces a schedule; `due_millis`: when it fires, in its window.
pub(super) fn put(connection: &Connection, kept: &Kept, due_millis: Option<i64>) -> Done {
    let put = "INSERT INTO schedules (group_name, name, document, created_millis, modified_millis, next_millis, \
               due_millis) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (group_name, name) DO UPDATE SET \
               document = excluded.document, modified_millis = excluded.modified_millis, \
               next_millis = excluded.next_millis, due_millis = excluded.due_millis";
    let document = Value::Object(kept.document.clone()).to_string();
    connection.prepare_cached(put)?.execute(params![
        kept.group,
        kept.name,
        document,
        kept.created_millis,
        kept.modified_millis,
        kept.next_millis,
        due_millis
    ])?;
    Ok(())
}

/// Moves a schedule on from an instant; `false`: it has changed since.
pub(super) fn move_on(
    connection: &Connection,
    kept: &Kept,
    next_millis: Option<i64>,
    due_millis: Option<i64>,
) -> Done<bool> {
    let update = "UPDATE schedules SET next_millis = ?4, due_millis = ?5 \
                  WHERE group_name = ?1 AND name = ?2 AND next_millis = ?3";
    let values = (&kept.group, &kept.name, kept.next_millis, next_millis, due_millis);
    Ok(connection.prepare_cached(update)?.execute(values)? > 0)
}

pub(super) fn delete(connection: &Connection, group: &str, name: &str) -> Done<bool> {
    let delete = "DELETE FROM schedules WHERE group_name = ?1 AND name = ?2";
    Ok(connection.prepare_cached(delete)?.execute((group, name))? > 0)
}

/// Those that are due.
pub(super) fn due(connection: &Connection, now: i64) -> Done<Vec<Kept>> {
    let query = format!("{KEPT} WHERE due_millis <= ?1 ORDER BY due_millis LIMIT 100");
    let mut statement = connection.prepare_cached(&query)?;
    let found = statement.query_map([now], kept_of)?.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// Whether a schedule is still due for an instant, as it was noted: not as it would be reckoned now.
pub(super) fn is_due(connection: &Connection, kept: &Kept, instant: i64, now: i64) -> Done<bool> {
    let is_due = "SELECT 1 FROM schedules WHERE group_name = ?1 AND name = ?2 AND next_millis = ?3 \
                  AND due_millis <= ?4";
    Ok(connection.prepare_cached(is_due)?.exists((&kept.group, &kept.name, instant, now))?)
}

/// When the next is due.
pub(super) fn first_due(connection: &Connection) -> Done<Option<i64>> {
    Ok(connection.query_row("SELECT min(due_millis) FROM schedules", [], |row| row.get(0))?)
}

/// Name, made, changed.
pub(super) type Group = (String, i64, i64);

pub(super) fn groups(connection: &Connection) -> Done<Vec<Group>> {
    let list = "SELECT name, created_millis, modified_millis FROM schedule_groups \
                UNION ALL SELECT 'default', 0, 0 ORDER BY name";
    let mut statement = connection.prepare_cached(list)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn has_group(connection: &Connection, name: &str) -> Done<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM schedule_groups WHERE name = ?1")?;
    Ok(name == DEFAULT_GROUP || statement.exists([name])?)
}

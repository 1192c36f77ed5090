//! Executions whose time is over: which they are, and how they go, a few at a
//! time so that nobody waits long for the writer.
//!
//! An execution goes with its segments, its Map Runs and their children; its
//! name is free again, as on AWS. One that is open stays, however old it is.
//! Definitions and revisions stay: they are few.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::lock::DirectoryLock;
use super::reader::Reader;
use super::schema::{self, FILE, JournalError};
use crate::arn::{child_arn, execution_arn};

#[cfg(test)]
mod tests;

/// Executions, children included, that one transaction removes.
pub(crate) const BATCH: u64 = 200;

/// The ends that are too long ago. Nothing ends before it starts, so the index of starts finds
/// them; what it finds in vain are executions that took longer than they are kept.
const EXPIRED: &str = "FROM executions e CROSS JOIN state_machines m ON m.id = e.machine_id \
     WHERE e.map_run_id IS NULL AND e.start_millis < ?1 AND e.status <> 0 AND e.stop_millis < ?1 \
     ORDER BY e.start_millis";

/// What is collected by [`collect_garbage`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Executions that ended long enough ago; children of Map Runs are not counted.
    pub executions: u64,
    /// Bytes of their histories.
    pub history_bytes: u64,
    /// Bytes by which the files became smaller; of a dry run 0.
    pub freed_bytes: u64,
}

/// What one batch removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) executions: u64,
    pub(crate) children: u64,
    pub(crate) bytes: u64,
}

impl Removed {
    /// Whether there may be more to remove.
    pub(crate) fn is_full(self) -> bool {
        self.executions + self.children >= BATCH
    }
}

/// Whose ARNs the executions have.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) region: String,
    pub(crate) account: String,
}

/// Removes some executions that ended before a time, oldest start first. `is_open`
/// says which are open again although their rows do not say so yet.
pub(crate) fn remove_some(
    connection: &Connection,
    identity: &Identity,
    ended_before_millis: i64,
    is_open: &dyn Fn(i64) -> bool,
) -> rusqlite::Result<Removed> {
    let query = format!("SELECT e.id, m.name, e.name {EXPIRED} LIMIT ?2");
    let mut statement = connection.prepare_cached(&query)?;
    let found = statement.query_map(params![ended_before_millis, BATCH.cast_signed()], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let found: Vec<(i64, String, String)> = found.collect::<Result<_, _>>()?;
    let mut removed = Removed::default();
    for (id, machine, name) in found {
        if removed.is_full() {
            break;
        }
        if is_open(id) {
            continue;
        }
        let arn = execution_arn(&identity.region, &identity.account, &machine, &name);
        if remove_map_runs(connection, &arn, &mut removed)? {
            removed.bytes += remove(connection, id)?;
            removed.executions += 1;
        }
    }
    Ok(removed)
}

/// Removes the Map Runs of an execution with their children; `false` = there are
/// more than one batch removes, or one is still open.
fn remove_map_runs(connection: &Connection, arn: &str, removed: &mut Removed) -> rusqlite::Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT id, arn, status FROM map_runs WHERE execution_arn = ?1")?;
    let runs = statement.query_map([arn], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let runs: Vec<(i64, String, i64)> = runs.collect::<Result<_, _>>()?;
    for (run, run_arn, status) in runs {
        if status == 0 || !remove_children(connection, run, &run_arn, removed)? {
            return Ok(false);
        }
        connection.prepare_cached("DELETE FROM map_runs WHERE id = ?1")?.execute([run])?;
    }
    Ok(true)
}

fn remove_children(
    connection: &Connection,
    run: i64,
    run_arn: &str,
    removed: &mut Removed,
) -> rusqlite::Result<bool> {
    let query = "SELECT id, name, status FROM executions WHERE map_run_id = ?1 LIMIT ?2";
    let mut statement = connection.prepare_cached(query)?;
    let children = statement.query_map(params![run, BATCH.cast_signed()], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
    })?;
    let children: Vec<(i64, String, i64)> = children.collect::<Result<_, _>>()?;
    let all = (children.len() as u64) < BATCH;
    for (id, name, status) in children {
        if removed.is_full()
            || status == 0
            || !remove_map_runs(connection, &child_arn(run_arn, &name), removed)?
        {
            return Ok(false);
        }
        removed.bytes += remove(connection, id)?;
        removed.children += 1;
    }
    Ok(all)
}

/// Removes one execution; answers the bytes of its history.
fn remove(connection: &Connection, id: i64) -> rusqlite::Result<u64> {
    let bytes = history_bytes(connection, id)?;
    connection.prepare_cached("DELETE FROM segments WHERE execution_id = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM executions WHERE id = ?1")?.execute([id])?;
    Ok(bytes)
}

fn history_bytes(connection: &Connection, id: i64) -> rusqlite::Result<u64> {
    let sum = "SELECT coalesce(sum(length(records)), 0) FROM segments WHERE execution_id = ?1";
    connection.prepare_cached(sum)?.query_row([id], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// Removes the executions of a data directory that ended before a time, in
/// milliseconds since the epoch, and gives their space back to the file system.
/// No engine may have it open: an engine does this itself.
pub fn collect_garbage(directory: &Path, ended_before_millis: i64) -> Result<Collected, JournalError> {
    let reader = Reader::open(directory)?;
    let (region, account) = reader.region_and_account();
    let identity = Identity { region: region.to_owned(), account: account.to_owned() };
    let last_millis = reader.last_millis()?;
    drop(reader);
    let lock = DirectoryLock::acquire(directory)?;
    let path = directory.join(FILE);
    let mut connection = schema::open(&path, last_millis)?;
    let failed = |action| {
        let path = path.clone();
        move |source| JournalError::of(&path, action, source)
    };
    let before = size(directory);
    let mut collected = Collected::default();
    loop {
        let transaction = connection.transaction().map_err(failed("begin a change of"))?;
        let removed = remove_some(&transaction, &identity, ended_before_millis, &|_| false)
            .map_err(failed("remove executions from"))?;
        transaction.commit().map_err(failed("commit to"))?;
        collected.executions += removed.executions;
        collected.history_bytes += removed.bytes;
        if !removed.is_full() {
            break;
        }
    }
    let is_fragmented = connection
        .pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0))
        .map_err(failed("read the header of"))?
        > 0;
    if is_fragmented {
        connection.execute_batch("VACUUM").map_err(failed("pack"))?;
    }
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_row(checkpoint, [], |_| Ok(())).map_err(failed("checkpoint"))?;
    drop(connection);
    drop(lock);
    collected.freed_bytes = before.saturating_sub(size(directory));
    Ok(collected)
}

/// Bytes of the database and its write-ahead log.
fn size(directory: &Path) -> u64 {
    let bytes = |name: String| std::fs::metadata(directory.join(name)).map_or(0, |file| file.len());
    bytes(FILE.to_owned()) + bytes(format!("{FILE}-wal"))
}

/// Milliseconds since the epoch, some time ago.
pub(crate) fn before(now_millis: i64, time: Duration) -> i64 {
    now_millis.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

impl Reader {
    /// What [`collect_garbage`] would remove.
    pub fn garbage(&self, ended_before_millis: i64) -> Result<Collected, JournalError> {
        let query = format!("SELECT e.id {EXPIRED}");
        let ids: Vec<i64> = self.rows(&query, [ended_before_millis], |row| row.get(0))?;
        let mut collected = Collected { executions: ids.len() as u64, ..Collected::default() };
        for id in ids {
            collected.history_bytes += self.history_bytes(id)?;
        }
        Ok(collected)
    }

    fn history_bytes(&self, id: i64) -> Result<u64, JournalError> {
        let sum = "SELECT coalesce(sum(length(records)), 0) FROM segments WHERE execution_id = ?1";
        let bytes = self.rows(sum, [id], |row| row.get::<_, i64>(0))?.pop();
        Ok(bytes.unwrap_or_default().cast_unsigned())
    }
}

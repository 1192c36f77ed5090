//! Executions whose time is over: which they are, and how they go, a few at a
//! time so that nobody waits long for the writer.
//!
//! An execution goes with its segments, its Map Runs and their children; its
//! name is free again, as on AWS. One that is open stays, however old it is.
//! Definitions and revisions stay: they are few.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::reader::Reader;
use super::schema::{self, FILE, JournalError};
use crate::arn::{child_arn, execution_arn};
use crate::machine::Status;

#[cfg(test)]
mod tests;

/// Executions, children included, that one transaction removes.
pub(crate) const BATCH: u64 = 200;

/// Some ends that are too long ago, behind a start. Nothing ends before it starts, so the index of
/// starts finds them; what it finds in vain are executions that took longer than they are kept.
const EXPIRED: &str = "SELECT e.id, e.start_millis, m.name, e.name FROM executions e \
     CROSS JOIN state_machines m ON m.id = e.machine_id \
     WHERE e.map_run_id IS NULL AND e.start_millis < ?1 AND e.status <> 0 AND e.stop_millis < ?1 \
     AND e.start_millis >= ?2 AND (e.start_millis > ?2 OR e.id > ?3) \
     ORDER BY e.start_millis, e.id LIMIT ?4";

/// What is collected by [`collect_garbage`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Executions that ended long enough ago; children of Map Runs are not counted.
    pub executions: u64,
    /// Bytes of their histories and those of their children.
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
    /// From where to go on; `None` = everything was looked at.
    pub(crate) next: Option<Place>,
}

/// Behind an execution, in the order of starts: its start and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    start_millis: i64,
    id: i64,
}

impl Place {
    /// Before every execution.
    pub(crate) const FIRST: Self = Self { start_millis: i64::MIN, id: i64::MIN };
}

/// Whose ARNs the executions have.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) region: String,
    pub(crate) account: String,
}

/// Removes some executions that ended before a time, oldest start first, from a place
/// on. `is_open` says which are open again although their rows do not say so yet.
pub(crate) fn remove_some(
    connection: &Connection,
    identity: &Identity,
    ended_before_millis: i64,
    from: Place,
    is_open: &dyn Fn(i64) -> bool,
) -> rusqlite::Result<Removed> {
    let mut sweep = Sweep { connection, removes: true, removed: Removed::default() };
    sweep.some(identity, ended_before_millis, from, is_open)?;
    Ok(sweep.removed)
}

/// One way through what is too old, to remove it or to say what would be removed.
struct Sweep<'a> {
    connection: &'a Connection,
    removes: bool,
    removed: Removed,
}

impl Sweep<'_> {
    /// Whether enough was removed for one transaction.
    fn is_full(&self) -> bool {
        self.removes && self.removed.executions + self.removed.children >= BATCH
    }

    fn some(
        &mut self,
        identity: &Identity,
        ended_before_millis: i64,
        from: Place,
        is_open: &dyn Fn(i64) -> bool,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(EXPIRED)?;
        let parameters = params![ended_before_millis, from.start_millis, from.id, BATCH.cast_signed()];
        let found = statement.query_map(parameters, |row| {
            let place = Place { id: row.get(0)?, start_millis: row.get(1)? };
            Ok((place, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
        })?;
        let found: Vec<(Place, String, String)> = found.collect::<Result<_, _>>()?;
        let is_last = (found.len() as u64) < BATCH;
        let mut behind = from;
        for (place, machine, name) in found {
            if !is_open(place.id) {
                let arn = execution_arn(&identity.region, &identity.account, &machine, &name);
                if self.map_runs(&arn)? {
                    self.execution(place.id)?;
                    self.removed.executions += 1;
                } else if self.is_full() {
                    // The rest of it is for the next batch; one that is held by something open is skipped.
                    self.removed.next = Some(behind);
                    return Ok(());
                }
            }
            behind = place;
            if self.is_full() {
                self.removed.next = Some(behind);
                return Ok(());
            }
        }
        self.removed.next = (!is_last).then_some(behind);
        Ok(())
    }

    /// The Map Runs of an execution with their children; `false` = there are more than one
    /// batch removes, or one is still open.
    fn map_runs(&mut self, arn: &str) -> rusqlite::Result<bool> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, arn, status FROM map_runs WHERE execution_arn = ?1")?;
        let runs = statement.query_map([arn], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let runs: Vec<(i64, String, i64)> = runs.collect::<Result<_, _>>()?;
        if runs.iter().any(|(_, _, status)| *status == Status::Running as i64) {
            return Ok(false);
        }
        for (run, run_arn, _) in runs {
            if !self.children(run, &run_arn)? {
                return Ok(false);
            }
            if self.removes {
                self.connection.prepare_cached("DELETE FROM map_runs WHERE id = ?1")?.execute([run])?;
            }
        }
        Ok(true)
    }

    fn children(&mut self, run: i64, run_arn: &str) -> rusqlite::Result<bool> {
        let mut from = i64::MIN;
        loop {
            let query = "SELECT id, name, status, map_number FROM executions \
                         WHERE map_run_id = ?1 AND map_number > ?2 ORDER BY map_number LIMIT ?3";
            let mut statement = self.connection.prepare_cached(query)?;
            let children = statement.query_map(params![run, from, BATCH.cast_signed()], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
            })?;
            let children: Vec<(i64, String, i64, i64)> = children.collect::<Result<_, _>>()?;
            let is_last = (children.len() as u64) < BATCH;
            for (id, name, status, number) in children {
                if self.is_full()
                    || status == Status::Running as i64
                    || !self.map_runs(&child_arn(run_arn, &name))?
                {
                    return Ok(false);
                }
                self.execution(id)?;
                self.removed.children += 1;
                from = number;
            }
            if is_last {
                return Ok(true);
            }
        }
    }

    /// One execution, and the bytes of its history.
    fn execution(&mut self, id: i64) -> rusqlite::Result<()> {
        let sum = "SELECT coalesce(sum(length(records)), 0) FROM segments WHERE execution_id = ?1";
        let bytes = self.connection.prepare_cached(sum)?.query_row([id], |row| row.get::<_, i64>(0))?;
        self.removed.bytes += bytes.cast_unsigned();
        if self.removes {
            self.connection.prepare_cached("DELETE FROM segments WHERE execution_id = ?1")?.execute([id])?;
            self.connection.prepare_cached("DELETE FROM executions WHERE id = ?1")?.execute([id])?;
        }
        Ok(())
    }
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
    let mut lock = crate::database::Lock::acquire(directory, schema::FILES)?;
    let path = directory.join(FILE);
    let mut connection = schema::open(&path, last_millis)?;
    let failed = |action| {
        let path = path.clone();
        move |source| JournalError::of(&path, action, source)
    };
    let before = size(directory);
    let mut collected = Collected::default();
    let mut from = Some(Place::FIRST);
    while let Some(place) = from {
        let transaction = connection.transaction().map_err(failed("begin a change of"))?;
        let removed = remove_some(&transaction, &identity, ended_before_millis, place, &|_| false)
            .map_err(failed("remove executions from"))?;
        transaction.commit().map_err(failed("commit to"))?;
        collected.executions += removed.executions;
        collected.history_bytes += removed.bytes;
        from = removed.next;
    }
    let is_fragmented = connection
        .pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0))
        .map_err(failed("read the header of"))?
        > 0;
    if is_fragmented {
        connection.execute_batch("VACUUM").map_err(failed("pack"))?;
    }
    lock.log_goes();
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
        let (region, account) = self.region_and_account();
        let identity = Identity { region: region.to_owned(), account: account.to_owned() };
        self.at_one_moment(|| {
            let mut sweep =
                Sweep { connection: self.connection(), removes: false, removed: Removed::default() };
            let mut from = Some(Place::FIRST);
            while let Some(place) = from {
                sweep
                    .some(&identity, ended_before_millis, place, &|_| false)
                    .map_err(|source| self.failed(source))?;
                from = sweep.removed.next;
            }
            let Removed { executions, bytes, .. } = sweep.removed;
            Ok(Collected { executions, history_bytes: bytes, ..Collected::default() })
        })
    }
}

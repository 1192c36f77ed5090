//! Redrives in the journal: the rows of executions and Map Runs that are open
//! again. What was redriven, by whom and why is in their records.

use asl::limits::{REDRIVE_HISTORY_EVENTS_MAX, REDRIVE_WINDOW_SECONDS, STANDARD_EXECUTION_SECONDS_MAX};
use rusqlite::{Connection, params};

use super::reader::Reader;
use super::schema::JournalError;

/// A child that waits to be redriven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingChild {
    pub(crate) id: i64,
    pub(crate) number: u64,
    pub(crate) items: u64,
    pub(crate) execution_arn: String,
}

/// Of a child that failed: whether it can be redriven now. `?2` says whether it
/// is an Express execution, which can always start again; `?3` is the earliest
/// end, `?4` the earliest start, `?5` the least number of events that is too many.
const ELIGIBLE: &str = "(?2 = 1 OR (stop_millis >= ?3 AND start_millis >= ?4 AND coalesce(events, 0) < ?5))";
/// The status of a child that ended without success.
const UNSUCCESSFUL: &str = "status IN (2, 3, 4) AND pending_redrive IS NULL";

impl Reader {
    /// How many children of a Map Run that failed, with how many items, cannot be redriven.
    pub(crate) fn not_redrivable(
        &self,
        map_run_id: i64,
        is_express: bool,
        now_millis: i64,
    ) -> Result<(u64, u64), JournalError> {
        let query = format!(
            "SELECT count(*), coalesce(sum(map_items), 0) FROM executions \
             WHERE map_run_id = ?1 AND {UNSUCCESSFUL} AND NOT {ELIGIBLE}"
        );
        let (end, start) = earliest(now_millis);
        let parameters = params![map_run_id, is_express, end, start, events_max()];
        let counts = self.rows(&query, parameters, |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    /// Some children that wait to be redriven, from a number on.
    pub(crate) fn pending_children(
        &self,
        map_run_id: i64,
        from: u64,
        limit: u32,
    ) -> Result<Vec<PendingChild>, JournalError> {
        let Some(run) = self.map_run_by_id(map_run_id)? else { return Ok(Vec::new()) };
        let query = "SELECT id, map_number, map_items, name FROM executions WHERE map_run_id = ?1 AND pending_redrive = 1 \
                     AND map_number >= ?2 ORDER BY map_number LIMIT ?3";
        self.rows(query, params![map_run_id, from.cast_signed(), limit], |row| {
            Ok(PendingChild {
                id: row.get(0)?,
                number: row.get::<_, i64>(1)?.cast_unsigned(),
                items: row.get::<_, i64>(2)?.cast_unsigned(),
                execution_arn: crate::arn::child_arn(&run.arn, &row.get::<_, String>(3)?),
            })
        })
    }

    /// Whether the state machine of an execution is being deleted, or was.
    pub(crate) fn is_machine_deleting(&self, execution_id: i64) -> Result<bool, JournalError> {
        let query = "SELECT m.deleting_millis IS NOT NULL OR m.deleted_millis IS NOT NULL FROM executions e \
                     JOIN state_machines m ON m.id = e.machine_id WHERE e.id = ?1";
        Ok(self.rows(query, [execution_id], |row| row.get(0))?.pop().unwrap_or(true))
    }
}

/// An execution is open again.
pub(crate) fn reopen_execution(
    connection: &Connection,
    id: i64,
    redrive_count: u32,
    now_millis: i64,
) -> rusqlite::Result<()> {
    let update = "UPDATE executions SET status = 0, stop_millis = NULL, events = NULL, error = NULL, pending_redrive = NULL, \
                  redrive_count = ?2, redrive_millis = ?3 WHERE id = ?1";
    let updated = connection.prepare_cached(update)?.execute(params![id, redrive_count, now_millis])?;
    exactly_one(updated)
}

/// An Express child is open again. Developer guide: its redrives have no count and no date.
pub(crate) fn reopen_child(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    let update = "UPDATE executions SET status = 0, stop_millis = NULL, events = NULL, error = NULL, pending_redrive = NULL \
                  WHERE id = ?1";
    let updated = connection.prepare_cached(update)?.execute([id])?;
    exactly_one(updated)
}

/// Records of an execution that has no row would be nobody's: nothing of the transaction counts then.
pub(super) fn exactly_one(rows: usize) -> rusqlite::Result<()> {
    if rows == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(rows)) }
}

/// A Map Run is open again, and those of its children that failed and can be
/// redriven wait for it.
pub(crate) fn begin_map_run_redrive(
    connection: &Connection,
    id: i64,
    is_express: bool,
    redrive_count: u32,
    now_millis: i64,
) -> rusqlite::Result<()> {
    let update = "UPDATE map_runs SET status = 0, stop_millis = NULL, redrive_count = ?2, redrive_millis = ?3 \
                  WHERE id = ?1";
    connection.prepare_cached(update)?.execute(params![id, redrive_count, now_millis])?;
    let mark = format!(
        "UPDATE executions SET pending_redrive = 1 WHERE map_run_id = ?1 AND {UNSUCCESSFUL} AND {ELIGIBLE}"
    );
    let (end, start) = earliest(now_millis);
    connection.prepare_cached(&mark)?.execute(params![id, is_express, end, start, events_max()])?;
    Ok(())
}

/// The earliest end and the earliest start of an execution that can be redriven now.
fn earliest(now_millis: i64) -> (i64, i64) {
    let before = |seconds: u64| {
        now_millis.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
    };
    (before(REDRIVE_WINDOW_SECONDS), before(STANDARD_EXECUTION_SECONDS_MAX))
}

fn events_max() -> i64 {
    i64::try_from(REDRIVE_HISTORY_EVENTS_MAX).unwrap_or(i64::MAX)
}

//! Map Runs in the journal: their rows, and what their children add up to.

use rusqlite::{Connection, Row, params};

use super::reader::Reader;
use super::schema::JournalError;
use crate::items::{ChildResult, Place};
use crate::machine::{Payload, Status, errors};
use crate::map_run::Limits;

/// The row of a Map Run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MapRunRow {
    pub(crate) id: i64,
    pub(crate) arn: String,
    pub(crate) execution_arn: String,
    pub(crate) label: String,
    /// The name of the Map state, which is unique in its definition.
    pub(crate) state: String,
    pub(crate) fingerprint: Option<String>,
    pub(crate) max_concurrency: u64,
    pub(crate) tolerated_count: Option<u64>,
    pub(crate) tolerated_percentage: Option<f64>,
    pub(crate) items_total: Option<u64>,
    pub(crate) is_batched: bool,
    pub(crate) status: Status,
    pub(crate) start_millis: i64,
    pub(crate) stop_millis: Option<i64>,
    /// Its children are Express executions.
    pub(crate) is_express: bool,
    pub(crate) redrive_count: u32,
    pub(crate) redrive_millis: Option<i64>,
}

/// What the journal knows of a child without reading its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChildRow {
    pub(crate) number: u64,
    pub(crate) items: u64,
    pub(crate) status: Status,
    pub(crate) execution_arn: String,
}

impl MapRunRow {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_concurrency: self.max_concurrency,
            tolerated_count: self.tolerated_count,
            tolerated_percentage: self.tolerated_percentage,
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let count = |index: usize| {
            Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(i64::cast_unsigned))
        };
        Ok(Self {
            id: row.get(0)?,
            arn: row.get(1)?,
            execution_arn: row.get(2)?,
            label: row.get(3)?,
            state: row.get(4)?,
            fingerprint: row.get(5)?,
            max_concurrency: count(6)?.unwrap_or_default(),
            tolerated_count: count(7)?,
            tolerated_percentage: row.get(8)?,
            items_total: count(9)?,
            is_batched: row.get(10)?,
            status: status(row.get(11)?)?,
            start_millis: row.get(12)?,
            stop_millis: row.get(13)?,
            is_express: row.get(14)?,
            redrive_count: row.get(15)?,
            redrive_millis: row.get(16)?,
        })
    }
}

pub(super) fn status(number: i64) -> rusqlite::Result<Status> {
    Status::of_number(number).ok_or(rusqlite::Error::InvalidQuery)
}

const COLUMNS: &str = "SELECT id, arn, execution_arn, label, state, fingerprint, max_concurrency, tolerated_count, \
     tolerated_percentage, items_total, is_batched, status, start_millis, stop_millis, is_express, redrive_count, redrive_millis \
     FROM map_runs";

/// The status of a child.
const STATUS: &str = "CASE WHEN pending_redrive = 1 THEN 5 ELSE status END";

impl Reader {
    /// The Map Run of an ARN.
    pub(crate) fn map_run(&self, arn: &str) -> Result<Option<MapRunRow>, JournalError> {
        Ok(self.rows(&format!("{COLUMNS} WHERE arn = ?1"), [arn], MapRunRow::read)?.pop())
    }

    /// The Map Run of a number.
    pub(crate) fn map_run_by_id(&self, id: i64) -> Result<Option<MapRunRow>, JournalError> {
        Ok(self.rows(&format!("{COLUMNS} WHERE id = ?1"), [id], MapRunRow::read)?.pop())
    }

    /// The Map Runs of an execution, newest first: at most `limit` after the first `from`.
    pub(crate) fn map_runs_of(
        &self,
        execution_arn: &str,
        from: usize,
        limit: usize,
    ) -> Result<Vec<MapRunRow>, JournalError> {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let query = format!("{COLUMNS} WHERE execution_arn = ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3");
        self.rows(&query, params![execution_arn, number(limit), number(from)], MapRunRow::read)
    }

    /// The Map Runs that have not ended.
    pub(crate) fn open_map_runs(&self) -> Result<Vec<MapRunRow>, JournalError> {
        self.rows(&format!("{COLUMNS} WHERE status = 0 ORDER BY id"), [], MapRunRow::read)
    }

    /// Where the last item is that a child of a Map Run got; `None` = its dataset is one object, or an
    /// older engine started it.
    pub(crate) fn map_run_place(&self, id: i64) -> Result<Option<Place>, JournalError> {
        let query = "SELECT map_place FROM executions WHERE map_run_id = ?1 ORDER BY map_number DESC LIMIT 1";
        let place = self.rows(query, [id], |row| row.get::<_, Option<String>>(0))?.pop().flatten();
        Ok(place.and_then(|place| serde_json::from_str(&place).ok()))
    }

    /// Shows the children of a Map Run in their order, one at a time: there
    /// may be more than memory should hold. All are of one moment.
    pub(crate) fn map_run_children(
        &self,
        id: i64,
        visit: &mut dyn FnMut(ChildRow),
    ) -> Result<(), JournalError> {
        let Some(run) = self.map_run_by_id(id)? else { return Ok(()) };
        let query = format!(
            "SELECT map_number, map_items, {STATUS}, name FROM executions WHERE map_run_id = ?1 ORDER BY map_number"
        );
        let shown = self.rows(&query, [id], |row| {
            visit(ChildRow {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                items: row.get::<_, i64>(1)?.cast_unsigned(),
                status: status(row.get(2)?)?,
                execution_arn: crate::arn::child_arn(&run.arn, &row.get::<_, String>(3)?),
            });
            Ok(())
        });
        shown.map(drop)
    }

    /// How many executions with how many items there are of each status.
    pub(crate) fn map_run_sums(&self, id: i64) -> Result<Vec<(Status, u64, u64)>, JournalError> {
        let query = format!(
            "SELECT {STATUS}, count(*), sum(map_items) FROM executions WHERE map_run_id = ?1 GROUP BY 1"
        );
        self.rows(&query, [id], |row| {
            let (count, items): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok((status(row.get(0)?)?, count.cast_unsigned(), items.cast_unsigned()))
        })
    }

    /// The results of some children, from a number on; and from where to read next.
    pub(crate) fn map_run_results(
        &self,
        id: i64,
        from: u64,
        limit: u32,
    ) -> Result<(Vec<ChildResult>, Option<u64>), JournalError> {
        self.at_one_moment(|| self.results_of(id, from, limit))
    }

    fn results_of(
        &self,
        id: i64,
        from: u64,
        limit: u32,
    ) -> Result<(Vec<ChildResult>, Option<u64>), JournalError> {
        let Some(run) = self.map_run_by_id(id)? else { return Ok((Vec::new(), None)) };
        let query = "SELECT map_number, name FROM executions WHERE map_run_id = ?1 AND map_number >= ?2 \
                     ORDER BY map_number LIMIT ?3";
        let rows: Vec<(i64, String)> =
            self.rows(query, params![id, from.cast_signed(), limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let next = rows
            .last()
            .filter(|_| rows.len() == limit as usize)
            .map(|(number, _)| number.cast_unsigned() + 1);
        let state_machine_arn = crate::arn::map_run_state_machine_arn(&run.arn);
        let mut results = Vec::with_capacity(rows.len());
        for (_, name) in rows {
            let arn = crate::arn::child_arn(&run.arn, &name);
            let child = match self.describe_execution(&arn) {
                Err(error @ JournalError::DamagedSegment { .. }) => {
                    results.push(self.result_of_damaged(arn, state_machine_arn.clone(), name, error)?);
                    continue;
                }
                described => described?,
            };
            let Some(child) = child else { continue };
            results.push(ChildResult {
                execution_arn: arn,
                state_machine_arn: state_machine_arn.clone(),
                name,
                status: child.status,
                input: child.input,
                output: child.output.as_deref().map(Payload::from_journal),
                error: child.error,
                cause: child.cause,
                start_millis: child.start_millis,
                stop_millis: child.stop_millis,
                redrive_count: child.redrive_count,
            });
        }
        Ok((results, next))
    }

    /// What a child came to whose records are damaged: a failure can be told without them. Of a
    /// success the output is lost, and with it the result of the Map Run.
    fn result_of_damaged(
        &self,
        arn: String,
        state_machine_arn: String,
        name: String,
        problem: JournalError,
    ) -> Result<ChildResult, JournalError> {
        let Some((_, row)) = self.find(&arn)? else { return Err(problem) };
        if matches!(row.status, Status::Succeeded | Status::Running) {
            return Err(problem);
        }
        Ok(ChildResult {
            execution_arn: arn,
            state_machine_arn,
            name,
            status: row.status,
            input: "null".to_owned(),
            output: None,
            error: row.error,
            cause: Some(problem.to_string()),
            start_millis: row.start_millis,
            stop_millis: row.stop_millis,
            redrive_count: row.redrive_count,
        })
    }
}

/// Makes a Map Run.
pub(crate) fn insert_map_run(connection: &Connection, row: &MapRunRow) -> rusqlite::Result<()> {
    let insert = "INSERT INTO map_runs (arn, execution_arn, label, state, fingerprint, max_concurrency, tolerated_count, \
                  tolerated_percentage, items_total, is_batched, status, start_millis, is_express, redrive_count, \
                  redrive_millis) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13, ?14)";
    connection.prepare_cached(insert)?.execute(params![
        row.arn,
        row.execution_arn,
        row.label,
        row.state,
        row.fingerprint,
        row.max_concurrency.cast_signed(),
        row.tolerated_count.map(u64::cast_signed),
        row.tolerated_percentage,
        row.items_total.map(u64::cast_signed),
        row.is_batched,
        row.start_millis,
        row.is_express,
        row.redrive_count,
        row.redrive_millis
    ])?;
    Ok(())
}

/// Notes what the items are read from.
pub(crate) fn note_fingerprint(
    connection: &Connection,
    id: i64,
    fingerprint: Option<&str>,
) -> rusqlite::Result<()> {
    let update = "UPDATE map_runs SET fingerprint = ?2 WHERE id = ?1";
    connection.prepare_cached(update)?.execute(params![id, fingerprint])?;
    Ok(())
}

/// Notes how many items there were.
pub(crate) fn note_items(connection: &Connection, id: i64, total: u64) -> rusqlite::Result<()> {
    let update = "UPDATE map_runs SET items_total = ?2 WHERE id = ?1";
    connection.prepare_cached(update)?.execute(params![id, total.cast_signed()])?;
    Ok(())
}

/// Notes new limits.
pub(crate) fn update_limits(connection: &Connection, id: i64, limits: Limits) -> rusqlite::Result<()> {
    let update = "UPDATE map_runs SET max_concurrency = ?2, tolerated_count = ?3, tolerated_percentage = ?4 WHERE id = ?1";
    let Limits { max_concurrency, tolerated_count, tolerated_percentage } = limits;
    connection.prepare_cached(update)?.execute(params![
        id,
        max_concurrency.cast_signed(),
        tolerated_count.map(u64::cast_signed),
        tolerated_percentage
    ])?;
    Ok(())
}

/// A child that is damaged, and will never end by itself, has failed. Its records stay as they are.
pub(crate) fn fail_child(
    connection: &Connection,
    id: i64,
    number: u64,
    now_millis: i64,
) -> rusqlite::Result<()> {
    let update = "UPDATE executions SET status = ?3, stop_millis = ?4, error = ?5 \
                  WHERE map_run_id = ?1 AND map_number = ?2 AND status = 0";
    let status = Status::Failed as i64;
    let values = params![id, number.cast_signed(), status, now_millis, errors::RUNTIME];
    connection.prepare_cached(update)?.execute(values)?;
    Ok(())
}

/// Notes the end of a Map Run; the first one counts.
pub(crate) fn close_map_run(
    connection: &Connection,
    id: i64,
    status: Status,
    now_millis: i64,
) -> rusqlite::Result<()> {
    let update = "UPDATE map_runs SET status = ?2, stop_millis = ?3 WHERE id = ?1 AND status = 0";
    let closed = connection.prepare_cached(update)?.execute(params![id, status as i64, now_millis])?;
    // Whoever still waits to be redriven keeps the end it had.
    let give_up =
        "UPDATE executions SET pending_redrive = NULL WHERE map_run_id = ?1 AND pending_redrive = 1";
    if closed > 0 {
        connection.prepare_cached(give_up)?.execute([id])?;
    }
    Ok(())
}

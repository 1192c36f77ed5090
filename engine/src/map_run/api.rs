//! `DescribeMapRun`, `ListMapRuns` and `UpdateMapRun`.

use super::driver::change_limits;
use super::tally::{Limits, MapRunCounts};
use crate::arn::map_run_state_machine_arn;
use crate::engine::{Engine, EngineError};
use crate::journal::{JournalError, MapRunRow, Reader};
use crate::machine::Status;

/// A Map Run, as `DescribeMapRun` has it.
#[derive(Debug, Clone, PartialEq)]
pub struct MapRunDescription {
    /// ARN of the Map Run.
    pub map_run_arn: String,
    /// ARN of the execution whose Map Run it is.
    pub execution_arn: String,
    /// ARN of the state machine with the label of the Map Run, as `ListMapRuns` has it.
    pub state_machine_arn: String,
    /// `Running`, `Succeeded`, `Failed` or `Aborted`.
    pub status: Status,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
    /// When it ended, in milliseconds since the epoch.
    pub stop_millis: Option<i64>,
    /// `MaxConcurrency`; 0 = as many as AWS allows.
    pub max_concurrency: u64,
    /// `ToleratedFailurePercentage`.
    pub tolerated_failure_percentage: f64,
    /// `ToleratedFailureCount`.
    pub tolerated_failure_count: u64,
    /// Where the items are.
    pub item_counts: MapRunCounts,
    /// Where the child executions are.
    pub execution_counts: MapRunCounts,
    /// How often it was redriven.
    pub redrive_count: u32,
    /// When it was last redriven, in milliseconds since the epoch.
    pub redrive_millis: Option<i64>,
}

/// What to change of a Map Run that runs; `None` = nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UpdateMapRun {
    /// `maxConcurrency`; 0 = as many as AWS allows.
    pub max_concurrency: Option<u64>,
    /// `toleratedFailurePercentage`, 0 to 100.
    pub tolerated_failure_percentage: Option<f64>,
    /// `toleratedFailureCount`.
    pub tolerated_failure_count: Option<u64>,
}

impl Engine {
    /// Describes a Map Run.
    pub fn describe_map_run(&self, map_run_arn: &str) -> Result<MapRunDescription, EngineError> {
        let now = self.now_millis();
        let described = self.scheduler.readers.with(|reader| reader.describe_map_run(map_run_arn, now))?;
        described.ok_or_else(|| EngineError::MapRunDoesNotExist { map_run_arn: map_run_arn.to_owned() })
    }

    /// The Map Runs of an execution, newest first.
    pub fn list_map_runs(&self, execution_arn: &str) -> Result<Vec<MapRunDescription>, EngineError> {
        self.map_runs_page(execution_arn, 0, usize::MAX)
    }

    /// A part of the Map Runs of an execution, newest first: at most `limit` after the first `from`.
    pub fn map_runs_page(
        &self,
        execution_arn: &str,
        from: usize,
        limit: usize,
    ) -> Result<Vec<MapRunDescription>, EngineError> {
        self.describe_execution(execution_arn)?;
        let now = self.now_millis();
        let list = |reader: &Reader| reader.list_map_runs(execution_arn, from, limit, now);
        Ok(self.scheduler.readers.with(list)?)
    }

    /// Changes the limits of a Map Run that runs. When this answers, the
    /// change is durable; children that run already go on.
    pub fn update_map_run(&self, map_run_arn: &str, update: UpdateMapRun) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.map_runs.changing();
        let found = self.scheduler.readers.with(|reader| reader.map_run(map_run_arn))?;
        let found =
            found.ok_or_else(|| EngineError::MapRunDoesNotExist { map_run_arn: map_run_arn.to_owned() })?;
        let limits = found.limits();
        let limits = Limits {
            max_concurrency: update.max_concurrency.unwrap_or(limits.max_concurrency),
            tolerated_count: update.tolerated_failure_count.or(limits.tolerated_count),
            tolerated_percentage: update.tolerated_failure_percentage.or(limits.tolerated_percentage),
        };
        if change_limits(&self.scheduler, &found, limits)? {
            Ok(())
        } else {
            Err(EngineError::MapRunHasEnded { map_run_arn: map_run_arn.to_owned() })
        }
    }
}

impl Reader {
    /// Describes a Map Run at a time, on which depends which failures can be
    /// redriven; `None` = there is none of this ARN.
    pub fn describe_map_run(
        &self,
        map_run_arn: &str,
        now_millis: i64,
    ) -> Result<Option<MapRunDescription>, JournalError> {
        self.map_run(map_run_arn)?.map(|row| self.described(row, now_millis)).transpose()
    }

    /// The Map Runs of an execution, newest first: at most `limit` after the first `from`.
    pub fn list_map_runs(
        &self,
        execution_arn: &str,
        from: usize,
        limit: usize,
        now_millis: i64,
    ) -> Result<Vec<MapRunDescription>, JournalError> {
        self.at_one_moment(|| {
            let rows = self.map_runs_of(execution_arn, from, limit)?;
            rows.into_iter().map(|row| self.described(row, now_millis)).collect()
        })
    }

    fn described(&self, row: MapRunRow, now_millis: i64) -> Result<MapRunDescription, JournalError> {
        let (mut item_counts, mut execution_counts) = (MapRunCounts::default(), MapRunCounts::default());
        for (status, executions, items) in self.map_run_sums(row.id)? {
            item_counts.add(status, items);
            execution_counts.add(status, executions);
        }
        let pending = row.items_total.unwrap_or_default().saturating_sub(item_counts.total);
        item_counts.pending = pending;
        item_counts.total += pending;
        if !row.is_batched {
            execution_counts.pending = pending;
            execution_counts.total += pending;
        }
        (execution_counts.failures_not_redrivable, item_counts.failures_not_redrivable) =
            self.not_redrivable(row.id, row.is_express, now_millis)?;
        // Recorded on AWS: the results of a success count as written, also without a result writer.
        if row.status == Status::Succeeded {
            item_counts.results_written = item_counts.total;
            execution_counts.results_written = execution_counts.total;
        }
        Ok(MapRunDescription {
            state_machine_arn: map_run_state_machine_arn(&row.arn),
            map_run_arn: row.arn,
            execution_arn: row.execution_arn,
            status: row.status,
            start_millis: row.start_millis,
            stop_millis: row.stop_millis,
            max_concurrency: row.max_concurrency,
            tolerated_failure_percentage: row.tolerated_percentage.unwrap_or_default(),
            tolerated_failure_count: row.tolerated_count.unwrap_or_default(),
            item_counts,
            execution_counts,
            redrive_count: row.redrive_count,
            redrive_millis: row.redrive_millis,
        })
    }
}

//! The counts of a Map Run, and what follows from them.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use asl::limits::MAP_RUN_CONCURRENCY_MAX;

use crate::machine::{Failure, MapRun, Nature, Status, errors};

/// How many items or child executions of a Map Run are where. The names are AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub struct MapRunCounts {
    pub pending: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub aborted: u64,
    pub total: u64,
    pub results_written: u64,
    pub failures_not_redrivable: u64,
    pub pending_redrive: u64,
}

impl MapRunCounts {
    /// Adds to the count of a status.
    pub(crate) fn add(&mut self, status: Status, count: u64) {
        let slot = match status {
            Status::Running => &mut self.running,
            Status::Succeeded => &mut self.succeeded,
            Status::Failed => &mut self.failed,
            Status::TimedOut => &mut self.timed_out,
            Status::Aborted => &mut self.aborted,
            Status::PendingRedrive => &mut self.pending_redrive,
        };
        *slot += count;
        self.total += count;
    }

    fn ended(&mut self, status: Status, count: u64) {
        self.running = self.running.saturating_sub(count);
        self.total = self.total.saturating_sub(count);
        self.add(status, count);
    }

    fn redriven(&mut self, count: u64) {
        self.pending_redrive = self.pending_redrive.saturating_sub(count);
        self.total = self.total.saturating_sub(count);
        self.add(Status::Running, count);
    }
}

/// What `UpdateMapRun` can change.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Limits {
    /// 0 = as many as AWS allows.
    pub(crate) max_concurrency: u64,
    pub(crate) tolerated_count: Option<u64>,
    pub(crate) tolerated_percentage: Option<f64>,
}

impl Limits {
    pub(crate) fn of(run: &MapRun) -> Self {
        Self {
            max_concurrency: run.max_concurrency,
            tolerated_count: run.tolerated_failure_count,
            tolerated_percentage: run.tolerated_failure_percentage(),
        }
    }

    /// Whether so many failed items of so many are too many. Developer guide,
    /// "Failure threshold": either value can be exceeded; without both, none
    /// may fail. Of how many items they are a percentage is known at the end.
    fn are_exceeded(&self, failed: u64, total: Option<u64>) -> bool {
        let by_percentage = |percentage: f64, total: u64| {
            // Counts are far below 2^52.
            #[expect(clippy::cast_precision_loss, reason = "at most 100,000,000 items")]
            let (failed, total) = (failed as f64, total as f64);
            failed * 100.0 > percentage * total
        };
        match (self.tolerated_count, self.tolerated_percentage) {
            (None, None) => failed > 0,
            (count, percentage) => {
                count.is_some_and(|count| failed > count)
                    || percentage
                        .zip(total)
                        .is_some_and(|(percentage, total)| failed > 0 && by_percentage(percentage, total))
            }
        }
    }
}

/// Where a Map Run stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tally {
    limits: Limits,
    items: MapRunCounts,
    /// Children that run: their number → how many items they have.
    running: BTreeMap<u64, u64>,
    /// Children that wait to be redriven: how many.
    pending: u64,
    next_number: u64,
    /// How many items there are: known when the source says so, or when it is read to its end.
    total: Option<u64>,
    is_exhausted: bool,
    failure: Option<Failure>,
    is_stopped: bool,
}

impl Tally {
    /// `total`: how many items there are, if they are known.
    pub(crate) fn new(limits: Limits, total: Option<u64>) -> Self {
        Self {
            limits,
            items: MapRunCounts::default(),
            running: BTreeMap::new(),
            pending: 0,
            next_number: 0,
            total,
            is_exhausted: false,
            failure: None,
            is_stopped: false,
        }
    }

    /// A child of an earlier life of the engine.
    pub(crate) fn recall(&mut self, number: u64, items: u64, status: Status) {
        self.items.add(status, items);
        self.next_number = self.next_number.max(number + 1);
        match status {
            Status::Running => drop(self.running.insert(number, items)),
            Status::PendingRedrive => self.pending += 1,
            _ => {}
        }
        self.judge();
    }

    /// How many items children have taken.
    pub(crate) fn position(&self) -> u64 {
        self.items.total
    }

    /// Whether one more child may start.
    pub(crate) fn wants_child(&self) -> bool {
        let most = MAP_RUN_CONCURRENCY_MAX as u64;
        let limit =
            if self.limits.max_concurrency == 0 { most } else { self.limits.max_concurrency.min(most) };
        (!self.is_exhausted || self.has_pending()) && !self.is_ending() && (self.running.len() as u64) < limit
    }

    /// Whether children wait to be redriven. They go before new ones.
    pub(crate) fn has_pending(&self) -> bool {
        self.pending > 0
    }

    /// A child that waited is redriven.
    pub(crate) fn redrive(&mut self, number: u64, items: u64) {
        self.pending = self.pending.saturating_sub(1);
        self.items.redriven(items);
        self.running.insert(number, items);
    }

    /// Whether all items are taken.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Starts a child; answers its number.
    pub(crate) fn start(&mut self, items: u64) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.items.add(Status::Running, items);
        self.running.insert(number, items);
        number
    }

    /// A child ended. One that does not run (it was counted before) changes nothing.
    pub(crate) fn end(&mut self, number: u64, status: Status) {
        if let Some(items) = self.running.remove(&number) {
            self.items.ended(status, items);
            self.judge();
        }
    }

    /// There are no more items.
    pub(crate) fn exhaust(&mut self) {
        self.is_exhausted = true;
        self.total = Some(self.items.total);
        self.judge();
    }

    /// The Map Run fails; the first failure counts.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Nobody waits for the Map Run any more.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.judge();
    }

    /// Whether the children that run are to be aborted.
    pub(crate) fn is_ending(&self) -> bool {
        self.failure.is_some() || self.is_stopped
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether nothing more will happen.
    pub(crate) fn is_done(&self) -> bool {
        self.running.is_empty() && (self.is_ending() || self.is_exhausted && !self.has_pending())
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The numbers of the children that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = u64> {
        self.running.keys().copied()
    }

    fn judge(&mut self) {
        let failed = self.items.failed + self.items.timed_out;
        if !self.is_ending() && self.limits.are_exceeded(failed, self.total) {
            let cause = "The specified tolerated failure threshold was exceeded";
            self.fail(Failure::new(Nature::Raised, errors::EXCEED_TOLERATED_FAILURE_THRESHOLD, cause));
        }
    }
}

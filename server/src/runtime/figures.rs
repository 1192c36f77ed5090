//! What a function's invocations took.

use std::time::Duration;

use serde::Serialize;

/// Figures of one function since the host started. Durations in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionFigures {
    /// Invocations answered, failures included.
    pub invocations: u64,
    /// Of them, those that failed.
    pub errors: u64,
    /// Invocations refused because the function's reserved concurrency was used up.
    pub throttles: u64,
    /// Processes started that became ready.
    pub cold_starts: u64,
    /// Time from start to the first `next`, summed over the cold starts.
    pub init_micros_total: u64,
    /// The longest of them.
    pub init_micros_max: u64,
    /// Time from handing over the event to the answer, summed over the invocations.
    pub duration_micros_total: u64,
    /// The longest of them.
    pub duration_micros_max: u64,
    /// The most memory any process had, in KiB; 0 where the system does not tell.
    pub memory_kib_max: u64,
}

impl FunctionFigures {
    pub(super) fn cold_start(&mut self, init: Duration) {
        let micros = micros(init);
        self.cold_starts += 1;
        self.init_micros_total += micros;
        self.init_micros_max = self.init_micros_max.max(micros);
    }

    pub(super) fn invocation(&mut self, duration: Duration, failed: bool, memory_kib: Option<u64>) {
        let micros = micros(duration);
        self.invocations += 1;
        self.errors += u64::from(failed);
        self.duration_micros_total += micros;
        self.duration_micros_max = self.duration_micros_max.max(micros);
        self.memory_kib_max = self.memory_kib_max.max(memory_kib.unwrap_or(0));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

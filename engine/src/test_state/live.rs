//! Tests on an engine: its time, its place, and its task host for tasks
//! without a mock.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::{TestHost, TestStateError, TestStateInput, TestStateOutput, test_state};
use crate::engine::Engine;
use crate::machine::{TaskRequest, errors};
use crate::scheduler::Scheduler;
use crate::task::{Completion, TaskOutcome};

impl Engine {
    /// Tests a state, without an execution. A task without a mock is run by
    /// the engine's task host; this waits for it, for up to five minutes.
    pub fn test_state(&self, request: &TestStateInput) -> Result<TestStateOutput, TestStateError> {
        let seed = getrandom::u64().unwrap_or_else(|_| self.now_millis().cast_unsigned());
        test_state(request, &Live { scheduler: &self.scheduler, now_millis: self.now_millis(), seed })
    }
}

struct Live<'e> {
    scheduler: &'e Scheduler,
    now_millis: i64,
    seed: u64,
}

impl TestHost for Live<'_> {
    fn now_millis(&self) -> i64 {
        self.now_millis
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn region_and_account(&self) -> (&str, &str) {
        (&self.scheduler.region, &self.scheduler.account)
    }

    fn run(&self, task: TaskRequest) -> TaskOutcome {
        let seconds = task
            .timeout_seconds
            .unwrap_or(asl::limits::TEST_STATE_SECONDS_MAX)
            .min(asl::limits::TEST_STATE_SECONDS_MAX);
        let key = task.key.clone();
        let (outcome, outcomes) = sync_channel(1);
        let done = Completion::new(move |ended| {
            // Nobody listens any more after a timeout.
            let _ = outcome.send(ended);
        });
        self.scheduler.task_host.invoke(task, done);
        match outcomes.recv_timeout(Duration::from_secs(seconds)) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Disconnected) => {
                TaskOutcome::unknown("The task host gave the task up without an outcome.")
            }
            Err(RecvTimeoutError::Timeout) => {
                self.scheduler.task_host.cancel(&key);
                TaskOutcome::Failed { error: errors::TIMEOUT.to_owned(), cause: String::new() }
            }
        }
    }
}

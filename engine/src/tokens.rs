//! Tasks that are completed by their token, and the queues of activities.
//!
//! Both are derived from open executions: a token is part of its execution's
//! journal, and a task that no worker has taken is offered again when the
//! engine is opened. So neither is lost in a crash, and nothing is stored twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::Engine;
use crate::engine::EngineError;
use crate::machine::{Input, TaskKey, TaskRequest, WaitingTask, execution_arn};
use crate::scheduler::lock;

/// Tasks that wait for a worker.
#[derive(Default)]
pub(crate) struct Activities {
    queues: Mutex<Queues>,
    offered: Condvar,
    listener: OnceLock<OfferListener>,
}

/// Hears the ARN of an activity that has one more task; `None` = the engine has stopped.
pub type OfferListener = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// The tasks of each activity, oldest first, and where each task is.
#[derive(Default)]
struct Queues {
    by_activity: HashMap<String, BTreeMap<u64, TaskRequest>>,
    places: HashMap<TaskKey, (String, u64)>,
    /// How many tasks were offered so far: the place of the next one.
    offered: u64,
}

impl Queues {
    fn push(&mut self, task: TaskRequest) {
        let (activity, place) = (task.resource.clone(), self.offered);
        self.offered += 1;
        self.places.insert(task.key.clone(), (activity.clone(), place));
        self.by_activity.entry(activity).or_default().insert(place, task);
    }

    fn pop(&mut self, activity_arn: &str) -> Option<TaskRequest> {
        let (_, task) = self.by_activity.get_mut(activity_arn)?.pop_first()?;
        self.places.remove(&task.key);
        self.forget_if_empty(activity_arn);
        Some(task)
    }

    fn remove(&mut self, key: &TaskKey) {
        let Some((activity, place)) = self.places.remove(key) else { return };
        if let Some(queue) = self.by_activity.get_mut(&activity) {
            queue.remove(&place);
        }
        self.forget_if_empty(&activity);
    }

    fn forget_if_empty(&mut self, activity: &str) {
        if self.by_activity.get(activity).is_some_and(BTreeMap::is_empty) {
            self.by_activity.remove(activity);
        }
    }
}

impl Activities {
    /// A task waits for a worker.
    pub(crate) fn offer(&self, task: TaskRequest) {
        let activity = self.listener.get().map(|listener| (listener, task.resource.clone()));
        lock(&self.queues).push(task);
        self.offered.notify_all();
        if let Some((listener, activity)) = activity {
            listener(Some(&activity));
        }
    }

    /// Nobody waits for the task any more.
    pub(crate) fn withdraw(&self, key: &TaskKey) {
        lock(&self.queues).remove(key);
    }

    /// The oldest task of an activity, waiting for one until a time, or until nothing is done any more.
    fn take(&self, activity_arn: &str, until: Instant, stopped: impl Fn() -> bool) -> Option<TaskRequest> {
        let mut queues = lock(&self.queues);
        loop {
            if let Some(task) = queues.pop(activity_arn) {
                return Some(task);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || stopped() {
                return None;
            }
            let waited = self.offered.wait_timeout(queues, left).unwrap_or_else(PoisonError::into_inner);
            queues = waited.0;
        }
    }

    /// Wakes everybody who waits for a task: the engine has stopped.
    pub(crate) fn wake(&self) {
        drop(lock(&self.queues));
        self.offered.notify_all();
        if let Some(listener) = self.listener.get() {
            listener(None);
        }
    }
}

/// A task that a worker has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityTask {
    /// What completes the task.
    pub task_token: String,
    /// The JSON text of the task's input.
    pub input: String,
}

impl Engine {
    /// The oldest task of an activity, recorded as started before it is handed
    /// out; waits for one at most this long (AWS: 60 seconds). `None` = there was none.
    pub fn get_activity_task(
        &self,
        activity_arn: &str,
        worker: Option<&str>,
        wait: Duration,
    ) -> Result<Option<ActivityTask>, EngineError> {
        let scheduler = &self.scheduler;
        // A task that is handed out is written down first.
        scheduler.admit()?;
        #[expect(clippy::disallowed_methods, reason = "a poll ends by the clock on the wall, also in tests")]
        let until = Instant::now() + wait;
        while let Some(task) =
            scheduler.activities.take(activity_arn, until, || scheduler.stopped().is_some())
        {
            scheduler.check()?;
            let slot = lock(&scheduler.open).by_arn(&task.execution_arn);
            let (Some(slot), Some(token)) = (slot, &task.token) else { continue };
            let event_id = task.key.event_id;
            scheduler.input(&slot, Input::ActivityStarted { event_id, worker: worker.map(str::to_owned) });
            scheduler.sync()?;
            // It may have been stopped in the meantime.
            if lock(&slot.live).execution.task_of_token(token) == Some(event_id) {
                let input = task.arguments.to_string();
                return Ok(Some(ActivityTask { task_token: token.clone(), input }));
            }
        }
        scheduler.check().map(|()| None)
    }

    /// Has somebody called whenever a task is offered to workers of an activity,
    /// so that many can wait for one without a thread each. The first listener
    /// stays; `false` = there is one already. It must not wait.
    pub fn on_activity_task_offered(&self, listener: OfferListener) -> bool {
        self.scheduler.activities.listener.set(listener).is_ok()
    }

    /// Whether an open execution goes on only when somebody answers a task of it by its token.
    pub fn waits_only_for_answers(&self, execution_arn: &str) -> bool {
        let slot = lock(&self.scheduler.open).by_arn(execution_arn);
        slot.is_some_and(|slot| lock(&slot.live).execution.waits_only_for_answers())
    }

    /// The tasks of an open execution that wait to be answered by their token.
    pub fn waiting_tasks(&self, execution_arn: &str) -> Vec<WaitingTask> {
        let slot = lock(&self.scheduler.open).by_arn(execution_arn);
        slot.map(|slot| lock(&slot.live).execution.waiting_tasks()).unwrap_or_default()
    }

    /// `SendTaskSuccess`: the task of this token succeeded with this JSON text.
    pub fn send_task_success(&self, token: &str, output: &str) -> Result<(), EngineError> {
        // Recorded on AWS: that the token is none is told before that the output is none.
        if execution_arn(token).is_none() {
            return Err(EngineError::InvalidToken);
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(output) {
            return Err(EngineError::InvalidOutput { problem: error.to_string() });
        }
        self.complete(token, |event_id| Input::TokenSucceeded { event_id, output: output.to_owned() })
    }

    /// `SendTaskFailure`: the task of this token failed.
    pub fn send_task_failure(
        &self,
        token: &str,
        error: Option<&str>,
        cause: Option<&str>,
    ) -> Result<(), EngineError> {
        let (error, cause) = (error.map(str::to_owned), cause.map(str::to_owned));
        self.complete(token, |event_id| Input::TokenFailed { event_id, error, cause })
    }

    /// `SendTaskHeartbeat`: the task of this token lives.
    pub fn send_task_heartbeat(&self, token: &str) -> Result<(), EngineError> {
        self.complete(token, |event_id| Input::TaskHeartbeat { event_id })
    }

    fn complete(&self, token: &str, input: impl FnOnce(u64) -> Input) -> Result<(), EngineError> {
        let scheduler = &self.scheduler;
        scheduler.admit()?;
        let arn = execution_arn(token).ok_or(EngineError::InvalidToken)?;
        let slot = lock(&scheduler.open).by_arn(&arn);
        let Some(slot) = slot else {
            // It ended, and with it the task; or there never was one.
            let known = scheduler.readers.with(|reader| reader.describe_execution(&arn))?.is_some();
            return Err(if known { EngineError::TaskTimedOut } else { EngineError::InvalidToken });
        };
        // Under one lock: of two answers to one token, one is told that it came too late.
        let is_taken = scheduler.input_if(&slot, |execution| execution.task_of_token(token).map(input));
        // Also what ended the task may still be on its way to the journal.
        scheduler.sync()?;
        if is_taken { Ok(()) } else { Err(EngineError::TaskTimedOut) }
    }
}

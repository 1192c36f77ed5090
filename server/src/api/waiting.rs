//! Operations whose answer can take minutes, for who has many of them under way
//! and no thread for each. [`Api::call`] answers the same, and waits.

use std::time::Duration;

use engine::registry::StateMachineType;
use engine::{Accepted, EngineError};
use serde_json::Value;

use super::error::{Answer, ApiError};
use super::{Api, activities, executions};

impl Api {
    /// Whether there is an operation of this name.
    pub(crate) fn has(operation: &str) -> bool {
        super::shapes::operation(operation).is_some()
    }

    /// The names of all operations.
    #[cfg(test)]
    pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
        super::operations::ALL.iter().map(|operation| operation.name)
    }

    /// Whether a request is for an Express workflow.
    pub(crate) fn is_for_express(&self, parameters: &Value) -> bool {
        let arn = parameters.get("stateMachineArn").and_then(Value::as_str);
        let machine = arn.and_then(|arn| self.place.state_machine(arn).ok());
        let kind = machine.and_then(|machine| self.engine.state_machine_type(machine.name));
        kind == Some(StateMachineType::Express)
    }

    /// Too many ask for tasks of one activity. Model: the error; Quotas: the words.
    pub(crate) fn too_many_workers() -> ApiError {
        ApiError::new(
            "ActivityWorkerLimitExceeded",
            "The maximum number of workers concurrently polling for activity tasks has been reached.",
        )
    }

    /// How long `GetActivityTask` waits for a task.
    pub(crate) fn activity_poll(&self) -> Duration {
        self.activity_poll
    }

    /// `StartExecution`: starts, and calls back when the start is durable. `Err` = it did not start.
    pub(crate) fn begin_start(
        &self,
        parameters: &Value,
        durable: impl FnOnce(Accepted) + Send + 'static,
    ) -> Answer<()> {
        let (_, parameters) = super::checked("StartExecution", parameters)?;
        let (arn, request) = executions::start_request(self, parameters)?;
        self.engine.begin_execution(request, durable).map_err(|error| ApiError::of(error, arn))
    }

    /// `StartExecution`: the answer to a start that is durable.
    pub(crate) fn started(&self, accepted: Accepted) -> Answer {
        let started = self.engine.go_on(accepted).map_err(|error| ApiError::of(error, ""))?;
        Ok(executions::started_answer(&started))
    }

    /// `StartSyncExecution`: starts, and calls back with the answer. `Err` = it did not start.
    pub(crate) fn begin_start_sync(
        &self,
        parameters: &Value,
        ended: impl FnOnce(Answer) + Send + 'static,
    ) -> Answer<()> {
        let (_, parameters) = super::checked("StartSyncExecution", parameters)?;
        let (arn, request) = executions::start_request(self, parameters)?;
        let asked_for = executions::SyncRequest::of(parameters);
        let of_arn = arn.to_owned();
        let began = self.engine.begin_sync_execution(&request, move |end: Result<_, EngineError>| {
            ended(match end {
                Ok(end) => Ok(executions::sync_answer(&end, &asked_for)),
                Err(error) => Err(ApiError::of(error, &of_arn)),
            });
        });
        began.map_err(|error| ApiError::of(error, arn))
    }

    /// `GetActivityTask`: the ARN of an activity that is there, and who asks.
    pub(crate) fn read_activity_poll(&self, parameters: &Value) -> Answer<(String, Option<String>)> {
        let (_, parameters) = super::checked("GetActivityTask", parameters)?;
        let (arn, worker) = activities::poll(self, parameters)?;
        Ok((arn.to_owned(), worker.map(str::to_owned)))
    }

    /// `GetActivityTask`: a task that is there now.
    pub(crate) fn activity_task_now(
        &self,
        activity_arn: &str,
        worker: Option<&str>,
    ) -> Answer<Option<Value>> {
        let task = self.engine.get_activity_task(activity_arn, worker, Duration::ZERO);
        let task = task.map_err(|error| ApiError::of(error, activity_arn))?;
        Ok(task.map(|task| activities::task_answer(Some(task))))
    }

    /// `GetActivityTask`: nobody had a task in time.
    pub(crate) fn no_activity_task() -> Value {
        activities::task_answer(None)
    }
}

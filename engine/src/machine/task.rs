//! Task states: what is scheduled, and what comes back.

use asl::Task;

use super::context::Extra;
use super::execution::{Execution, Phase};
use super::history::Integration;
use super::payload::{Payload, is_too_deep};
use super::record::{Fact, FrameId, Scheduled, Text, Timer, TimerId};
use super::retry::{Failure, Nature, errors};
use super::run::{Run, Step, TaskKey, TaskRequest, Trouble, bounded, in_state};
use super::states::number;

/// Resources that end like this wait for somebody who has the task's token.
const WITH_TOKEN: &str = ".waitForTaskToken";

impl Run<'_> {
    /// Schedules and starts the task of a state.
    pub(super) fn schedule(&mut self, id: FrameId, task: &Task) -> Step {
        let scheduled = match self.scheduled(id, task) {
            Ok(scheduled) => scheduled,
            Err(trouble) => return self.trouble(id, trouble),
        };
        let timeout = scheduled.timeout_seconds.map(|seconds| self.timer_in(seconds));
        let heartbeat = scheduled.heartbeat_seconds.map(|seconds| {
            let timer = self.timer_in(seconds);
            Timer { id: TimerId(timer.id.0 + 1), ..timer }
        });
        let resource = scheduled.resource.clone();
        self.push(id, Fact::TaskScheduled { task: Box::new(scheduled), timeout, heartbeat })?;
        self.push(id, Fact::TaskStarted { resource })
    }

    fn scheduled(&self, id: FrameId, task: &Task) -> Result<Scheduled, Trouble> {
        let (frame, visit) = self.visit(id)?;
        if task.resource.ends_with(WITH_TOKEN) {
            let cause = format!(
                "The resource '{}' needs a task token, which this engine does not hand out.",
                task.resource
            );
            return Err(Trouble::Failure(Failure::runtime(in_state(visit, &cause))));
        }
        let evaluator = self.evaluator(frame, visit, Extra::Nothing);
        let arguments = match &task.arguments {
            Some(template) => {
                bounded(visit, Payload::from_value(evaluator.evaluate(template, "Arguments")?))?
            }
            None => visit.input.clone(),
        };
        let seconds = |field: Option<&asl::NumberOrExpression>, name: &str| {
            field.map(|field| number(&evaluator, field, name)).transpose()
        };
        let timeout_seconds = seconds(task.timeout_seconds.as_ref(), "TimeoutSeconds")?;
        let heartbeat_seconds = seconds(task.heartbeat_seconds.as_ref(), "HeartbeatSeconds")?;
        let credentials = match &task.credentials {
            Some(template) => Some(Payload::from_value(evaluator.evaluate(template, "Credentials")?)),
            None => None,
        };
        let resource = task.resource.as_str().into();
        let region = self.region();
        Ok(Scheduled { resource, region, arguments, timeout_seconds, heartbeat_seconds, credentials })
    }

    /// The region of the execution, from its ARN.
    fn region(&self) -> Text {
        let arn = self.execution.started().map(|started| &*started.execution_arn).unwrap_or_default();
        arn.split(':').nth(3).unwrap_or_default().into()
    }

    /// A task ended well. Too large or not JSON: it failed.
    pub(super) fn task_succeeded(&mut self, event_id: u64, output: &str) -> Step {
        let Some((id, resource)) = self.running(event_id) else { return Ok(()) };
        if output.len() > asl::limits::PAYLOAD_BYTES_MAX {
            let name = Integration::of(&resource).name_in_causes(&resource);
            let failure = Failure::result_too_large(name);
            return self.attempt_failed(id, resource, failure);
        }
        let fact = match Payload::parse(output) {
            Ok(output) if !is_too_deep(output.text()) => Fact::TaskSucceeded { resource, output },
            Ok(_) => {
                let cause = "The result of the task is nested more than 127 levels deep.";
                let failure = Failure::new(Nature::Raised, errors::TASK_FAILED, cause);
                return self.attempt_failed(id, resource, failure);
            }
            Err(error) => {
                let cause = format!("The result of the task is not JSON: {error}.");
                let failure = Failure::new(Nature::Raised, errors::TASK_FAILED, cause);
                return self.attempt_failed(id, resource, failure);
            }
        };
        self.push(id, fact)?;
        self.wake(id);
        Ok(())
    }

    /// A task failed.
    pub(super) fn task_failed(&mut self, event_id: u64, error: &str, cause: &str) -> Step {
        let Some((id, resource)) = self.running(event_id) else { return Ok(()) };
        let error = truncated(error, asl::limits::ERROR_CHARS_MAX);
        let cause = truncated(cause, asl::limits::CAUSE_CHARS_MAX);
        // Developer guide, "Handling errors": no retrier and no catcher takes `States.Runtime`.
        let nature = if error == errors::RUNTIME { Nature::Runtime } else { Nature::Raised };
        self.attempt_failed(id, resource, Failure::new(nature, error, cause))
    }

    /// A task lives: its heartbeat timer starts anew.
    pub(super) fn task_heartbeat(&mut self, event_id: u64) -> Step {
        let Some((id, _)) = self.running(event_id) else { return Ok(()) };
        match self.execution.frames.get(&id).map(|frame| &frame.phase) {
            Some(Phase::Task { scheduled, .. }) => match scheduled.heartbeat_seconds {
                Some(seconds) => {
                    let heartbeat = self.timer_in(seconds);
                    self.push(id, Fact::HeartbeatReceived { heartbeat })
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// A task took too long, or its heartbeat did not come.
    pub(super) fn task_timed_out(&mut self, id: FrameId, heartbeat: bool) -> Step {
        let Some(Phase::Task { scheduled, .. }) = self.execution.frames.get(&id).map(|frame| &frame.phase)
        else {
            return Ok(());
        };
        let resource = scheduled.resource.clone();
        let nature = if heartbeat { Nature::HeartbeatMissed } else { Nature::TimedOut };
        let failure = Failure { error: Some(errors::TIMEOUT.into()), cause: None, nature };
        self.push(id, Fact::TaskTimedOut { resource, failure })?;
        self.wake(id);
        Ok(())
    }

    /// Nobody knows how the running tasks ended: their attempts fail.
    pub(super) fn lose_tasks(&mut self) -> Step {
        let running: Vec<u64> = self.execution.tasks.keys().copied().collect();
        for event_id in running {
            if let Some((id, resource)) = self.running(event_id) {
                self.attempt_failed(id, resource, Failure::unknown_outcome())?;
            }
        }
        Ok(())
    }

    fn attempt_failed(&mut self, id: FrameId, resource: Text, failure: Failure) -> Step {
        self.push(id, Fact::TaskFailed { resource, failure })?;
        self.wake(id);
        Ok(())
    }

    /// The frame and the resource of a task that runs.
    fn running(&self, event_id: u64) -> Option<(FrameId, Text)> {
        let id = *self.execution.tasks.get(&event_id)?;
        match &self.execution.frames.get(&id)?.phase {
            Phase::Task { scheduled, .. } => Some((id, scheduled.resource.clone())),
            _ => None,
        }
    }
}

/// The request of a task that was just scheduled.
pub(super) fn request(execution: &Execution, id: FrameId, key: TaskKey) -> Option<TaskRequest> {
    let frame = execution.frames.get(&id)?;
    let visit = frame.visit.as_ref()?;
    let Phase::Task { scheduled, .. } = &frame.phase else { return None };
    Some(TaskRequest {
        execution_arn: key.execution_arn.to_string(),
        key,
        state_name: visit.name.to_string(),
        attempt: visit.retry_count,
        resource: scheduled.resource.to_string(),
        arguments: scheduled.arguments.value().clone(),
        timeout_seconds: scheduled.timeout_seconds,
    })
}

fn truncated(text: &str, chars_max: usize) -> &str {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

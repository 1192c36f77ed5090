//! Task states: what is scheduled, and what comes back. What that may be
//! depends on the resource: the answer of a call, the end of a job that a call
//! has submitted, or what somebody who has the task's token says.

use asl::Task;
use sha2::{Digest as _, Sha256};

use super::execution::{Execution, Phase, Stage};
use super::flow::NumberField;
use super::integration::{Integration, Pattern};
use super::payload::{Payload, is_too_deep};
use super::record::{Fact, FrameId, Scheduled, Started, Text, Timer, TimerId};
use super::retry::{Failure, Nature, errors};
use super::run::{Run, Step, TaskKey, TaskRequest, Trouble, bounded};
use super::token;

/// Who says something about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The task host.
    Host,
    /// Somebody who has the task's token.
    Bearer,
}

impl Run<'_> {
    /// Schedules and starts the task of a state.
    pub(super) fn schedule(&mut self, id: FrameId, task: &Task) -> Step {
        let pattern = Integration::of(&task.resource).pattern();
        if matches!(pattern, Pattern::Callback | Pattern::Worker) {
            let token = token::issue(self.execution, &self.host);
            self.push(id, Fact::TaskTokenIssued { token })?;
        }
        let scheduled = match self.scheduled(id, task) {
            Ok(scheduled) => scheduled,
            Err(trouble) => return self.trouble(id, trouble),
        };
        // Developer guide, "Task workflow state": an activity's time begins when a worker takes it.
        let (timeout, heartbeat) = match pattern {
            Pattern::Worker => (None, None),
            _ => self.timers_of(&scheduled),
        };
        let resource = scheduled.resource.clone();
        self.push(id, Fact::TaskScheduled { task: Box::new(scheduled), timeout, heartbeat })?;
        match pattern {
            Pattern::Worker => Ok(()),
            _ => self.push(id, Fact::TaskStarted { resource }),
        }
    }

    fn timers_of(&self, scheduled: &Scheduled) -> (Option<Timer>, Option<Timer>) {
        let timeout = scheduled.timeout_seconds.map(|seconds| self.timer_in(seconds));
        let heartbeat = scheduled.heartbeat_seconds.map(|seconds| {
            let timer = self.timer_in(seconds);
            Timer { id: TimerId(timer.id.0 + 1), ..timer }
        });
        (timeout, heartbeat)
    }

    fn scheduled(&self, id: FrameId, task: &Task) -> Result<Scheduled, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        let effective = flow.effective_input(&visit.input)?;
        let arguments = bounded(visit, flow.arguments(task.arguments.as_ref(), &effective)?)?;
        let seconds = |field: Option<&asl::NumberOrExpression>, name: &str| {
            field.map(|field| flow.number(field, name, NumberField::Timeout, &effective)).transpose()
        };
        let timeout_seconds = seconds(task.timeout_seconds.as_ref(), "TimeoutSeconds")?;
        let heartbeat_seconds = seconds(task.heartbeat_seconds.as_ref(), "HeartbeatSeconds")?;
        let credentials = match &task.credentials {
            Some(template) => Some(flow.evaluate(template, "Credentials", &effective)?),
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

    /// A call was answered, or a token was completed. Too large or not JSON: the task failed.
    pub(super) fn task_succeeded(&mut self, event_id: u64, output: &str, speaker: Speaker) -> Step {
        let Some(running) = self.running(event_id, speaker) else { return Ok(()) };
        let Running { id, resource, pattern, .. } = running;
        let output = match readable(&resource, output) {
            Ok(output) => output,
            Err(failure) => return self.attempt_failed(id, Fact::TaskFailed { resource, failure }),
        };
        if speaker == Speaker::Host && pattern == Pattern::Callback {
            return self.push(id, Fact::TaskSubmitted { resource, output });
        }
        self.push(id, Fact::TaskSucceeded { resource, output })?;
        self.wake(id);
        Ok(())
    }

    /// The call of a job was answered: the job runs.
    pub(super) fn task_submitted(&mut self, event_id: u64, output: &str) -> Step {
        let Some(running) = self.running(event_id, Speaker::Host) else { return Ok(()) };
        let Running { id, resource, stage: Stage::Called, .. } = running else { return Ok(()) };
        match readable(&resource, output) {
            Ok(output) => self.push(id, Fact::TaskSubmitted { resource, output }),
            Err(failure) => self.attempt_failed(id, Fact::TaskSubmitFailed { resource, failure }),
        }
    }

    /// A worker has taken the task of an activity.
    pub(super) fn activity_started(&mut self, event_id: u64, worker: Option<String>) -> Step {
        let Some((id, Stage::Called, scheduled)) = self.task(event_id) else { return Ok(()) };
        if Integration::of(&scheduled.resource) != Integration::Activity {
            return Ok(());
        }
        let (timeout, heartbeat) = self.timers_of(scheduled);
        let worker = worker.map(Text::from);
        self.push(id, Fact::ActivityStarted { worker, timeout, heartbeat })
    }

    /// A task failed.
    pub(super) fn task_failed(
        &mut self,
        event_id: u64,
        error: Option<&str>,
        cause: Option<&str>,
        speaker: Speaker,
    ) -> Step {
        let Some(running) = self.running(event_id, speaker) else { return Ok(()) };
        let Running { id, resource, pattern, stage } = running;
        let failure = Failure {
            error: error.map(|error| truncated(error, asl::limits::ERROR_CHARS_MAX).into()),
            cause: cause.map(|cause| truncated(cause, asl::limits::CAUSE_CHARS_MAX).into()),
            // Developer guide, "Handling errors": no retrier and no catcher takes `States.Runtime`.
            nature: if error == Some(errors::RUNTIME) { Nature::Runtime } else { Nature::Raised },
        };
        let refused = speaker == Speaker::Host
            && stage == Stage::Called
            && matches!(pattern, Pattern::Job | Pattern::Callback);
        self.attempt_failed(
            id,
            if refused {
                Fact::TaskSubmitFailed { resource, failure }
            } else {
                Fact::TaskFailed { resource, failure }
            },
        )
    }

    /// A task could not be scheduled, e.g. because its activity does not exist.
    pub(super) fn task_not_scheduled(&mut self, event_id: u64, error: &str, cause: &str) -> Step {
        let Some((id, Stage::Called, scheduled)) = self.task(event_id) else { return Ok(()) };
        let resource = scheduled.resource.clone();
        let failure = Failure::new(Nature::Raised, error, cause);
        self.attempt_failed(id, Fact::TaskScheduleFailed { resource, failure })
    }

    /// A task lives: its heartbeat timer starts anew.
    pub(super) fn task_heartbeat(&mut self, event_id: u64) -> Step {
        let Some((id, _, scheduled)) = self.task(event_id) else { return Ok(()) };
        match scheduled.heartbeat_seconds {
            Some(seconds) => {
                let heartbeat = self.timer_in(seconds);
                self.push(id, Fact::HeartbeatReceived { heartbeat })
            }
            None => Ok(()),
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
        self.attempt_failed(id, Fact::TaskTimedOut { resource, failure })
    }

    /// Nobody knows how the tasks ended that a host was calling: their
    /// attempts fail. Tokens that were handed out, jobs that were submitted and
    /// activities are not lost.
    pub(super) fn lose_tasks(&mut self) -> Step {
        let running: Vec<u64> = self.execution.tasks.keys().copied().collect();
        for event_id in running {
            let Some((id, stage, scheduled)) = self.task(event_id) else { continue };
            let is_activity = Integration::of(&scheduled.resource) == Integration::Activity;
            if *stage == Stage::Called && !is_activity {
                let resource = scheduled.resource.clone();
                let failure = Failure::unknown_outcome();
                self.attempt_failed(id, Fact::TaskFailed { resource, failure })?;
            }
        }
        Ok(())
    }

    fn attempt_failed(&mut self, id: FrameId, fact: Fact) -> Step {
        self.push(id, fact)?;
        self.wake(id);
        Ok(())
    }

    /// A task that runs, with its frame.
    fn task(&self, event_id: u64) -> Option<(FrameId, &Stage, &Scheduled)> {
        let id = *self.execution.tasks.get(&event_id)?;
        match &self.execution.frames.get(&id)?.phase {
            Phase::Task { scheduled, stage, .. } => Some((id, stage, scheduled)),
            _ => None,
        }
    }

    /// A task that runs, if what somebody says about it counts now: a host
    /// speaks of calls and jobs and of the submission of callbacks; a bearer of
    /// callbacks, and of activities that a worker has.
    fn running(&self, event_id: u64, speaker: Speaker) -> Option<Running> {
        let (id, stage, scheduled) = self.task(event_id)?;
        let pattern = Integration::of(&scheduled.resource).pattern();
        let counts = match (speaker, pattern) {
            (Speaker::Host, Pattern::Call | Pattern::Job) | (Speaker::Bearer, Pattern::Callback) => true,
            (Speaker::Host, Pattern::Callback) => *stage == Stage::Called,
            (Speaker::Bearer, Pattern::Worker) => *stage == Stage::WithWorker,
            (Speaker::Host, Pattern::Worker) | (Speaker::Bearer, Pattern::Call | Pattern::Job) => false,
        };
        counts.then(|| Running { id, resource: scheduled.resource.clone(), pattern, stage: stage.clone() })
    }
}

struct Running {
    id: FrameId,
    resource: Text,
    pattern: Pattern,
    stage: Stage,
}

/// A result within AWS's limits.
fn readable(resource: &str, output: &str) -> Result<Payload, Failure> {
    if output.len() > asl::limits::PAYLOAD_BYTES_MAX {
        return Err(Failure::result_too_large(Integration::of(resource).name_in_causes(resource)));
    }
    match Payload::parse(output) {
        Ok(output) if !is_too_deep(output.text()) => Ok(output),
        Ok(_) => {
            let cause = "The result of the task is nested more than 127 levels deep.";
            Err(Failure::new(Nature::Raised, errors::TASK_FAILED, cause))
        }
        Err(error) => {
            let cause = format!("The result of the task is not JSON: {error}.");
            Err(Failure::new(Nature::Raised, errors::TASK_FAILED, cause))
        }
    }
}

/// The request of a task that was just scheduled, or goes on after a recovery.
pub(super) fn request(execution: &Execution, id: FrameId, key: TaskKey) -> Option<TaskRequest> {
    let frame = execution.frames.get(&id)?;
    let visit = frame.visit.as_ref()?;
    let Phase::Task { scheduled, .. } = &frame.phase else { return None };
    let has_token =
        matches!(Integration::of(&scheduled.resource).pattern(), Pattern::Callback | Pattern::Worker);
    Some(TaskRequest {
        execution_arn: key.execution_arn.to_string(),
        key,
        state_name: visit.name.to_string(),
        attempt: visit.retry_count,
        resource: scheduled.resource.to_string(),
        arguments: scheduled.arguments.value().clone(),
        timeout_seconds: scheduled.timeout_seconds,
        token: visit.token.as_ref().filter(|_| has_token).map(ToString::to_string),
        trace_header: execution.started().map(|started| trace_header(started, execution.start_millis)),
    })
}

/// The trace all tasks of an execution belong to. One that the caller did not give is made from
/// the execution's name and start: the same after a recovery.
/// Form: X-Ray developer guide, "Tracing header"; the time in a root is that of the first request.
fn trace_header(started: &Started, start_millis: i64) -> String {
    if let Some(header) = &started.trace_header {
        return header.to_string();
    }
    let digest = Sha256::digest(started.execution_arn.as_bytes());
    let (high, low) = digest.split_at(8);
    let number =
        |bytes: &[u8]| bytes.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    // 96 random bits.
    let (high, low) = (number(high), number(low) >> 32);
    format!("Root=1-{:08x}-{high:016x}{low:08x};Sampled=0", start_millis.max(0) / 1000)
}

/// What the submission of a task answered that a host has to go on with after a recovery.
pub(super) fn submission(execution: &Execution, id: FrameId) -> Option<&Payload> {
    match &execution.frames.get(&id)?.phase {
        Phase::Task { scheduled, stage: Stage::Submitted(answer), .. }
            if Integration::of(&scheduled.resource).pattern() == Pattern::Job =>
        {
            Some(answer)
        }
        _ => None,
    }
}

/// Whether the task waits for a worker of its activity.
pub(super) fn is_offered(execution: &Execution, id: FrameId) -> bool {
    execution.frames.get(&id).is_some_and(|frame| match &frame.phase {
        Phase::Task { scheduled, stage: Stage::Called, .. } => {
            Integration::of(&scheduled.resource) == Integration::Activity
        }
        _ => false,
    })
}

fn truncated(text: &str, chars_max: usize) -> &str {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

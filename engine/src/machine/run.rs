//! [`advance`]: takes an input, works until every frame waits for something
//! or the execution is at its end, and answers records and effects.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use asl::QueryError;
use serde_json::Value;

use super::context::Replayable;
use super::execution::{Execution, Frame, Phase, Purpose, Visit};
use super::integration::Integration;
use super::map_run::{self, MapRunOutcome, MapRunPlan};
use super::payload::{Payload, is_too_deep};
use super::record::{Fact, FrameId, Record, Started, Text, Timer, TimerId};
use super::redrive::Redrive;
use super::retry::{Failure, errors};
use super::status::ReplayError;
use super::task::{self, Speaker};

/// The timer of an execution that paused in the middle of its work: due at once,
/// and known to nobody else.
const GO_ON: TimerId = TimerId(u64::MAX);

/// The id of the last event an execution can have. Quotas: 25,000 events.
const LAST_EVENT_ID: u64 = asl::limits::HISTORY_EVENTS_MAX as u64;

/// One attempt of one task: the execution and the id of its scheduled event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// ARN of the execution.
    pub execution_arn: Text,
    /// The id of the `TaskScheduled` (or `LambdaFunctionScheduled`) event.
    pub event_id: u64,
}

impl fmt::Display for TaskKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.execution_arn, self.event_id)
    }
}

/// A task to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRequest {
    /// Unique for each attempt.
    pub key: TaskKey,
    /// ARN of the execution.
    pub execution_arn: String,
    /// Name of the Task state.
    pub state_name: String,
    /// Retries before this attempt: 0 first.
    pub attempt: u32,
    /// `Resource` of the state, e.g. `arn:aws:states:::lambda:invoke`.
    pub resource: String,
    /// What to call the resource with.
    pub arguments: Value,
    /// `TimeoutSeconds` of the state. The engine keeps it; a host may use it to give up early.
    pub timeout_seconds: Option<u64>,
    /// The task's token: of `.waitForTaskToken` and of activities.
    pub token: Option<String>,
    /// `X-Amzn-Trace-Id` of the execution: what the caller of `StartExecution` sent, or else a trace
    /// of its own that nobody samples.
    pub trace_header: Option<String>,
}

impl TaskRequest {
    /// Whether a worker of an activity takes the task, and no task host.
    pub fn is_of_activity(&self) -> bool {
        Integration::of(&self.resource) == Integration::Activity
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The execution starts.
    Start(Box<Started>),
    /// A call was answered. `output` is the JSON text of the result of the
    /// integration; of `lambda:invoke` that is the object with `Payload`. With
    /// `.waitForTaskToken` this submits the task; what ends it comes by its
    /// token. With `.sync` it is the end of the job.
    TaskSucceeded {
        /// The scheduled event.
        event_id: u64,
        /// JSON text.
        output: String,
    },
    /// A call, or the job it submitted, failed.
    TaskFailed {
        /// The scheduled event.
        event_id: u64,
        /// The error.
        error: String,
        /// The cause.
        cause: String,
    },
    /// The call of a `.sync` resource was answered: its job runs.
    TaskSubmitted {
        /// The scheduled event.
        event_id: u64,
        /// JSON text.
        output: String,
    },
    /// The task cannot be scheduled: its activity does not exist.
    TaskNotScheduled {
        /// The scheduled event.
        event_id: u64,
        /// The error.
        error: String,
        /// The cause.
        cause: String,
    },
    /// A worker has taken the task of an activity.
    ActivityStarted {
        /// The scheduled event.
        event_id: u64,
        /// What the worker calls itself.
        worker: Option<String>,
    },
    /// Somebody completed the task's token: `SendTaskSuccess`. Whoever makes
    /// this input has found the task with [`Execution::task_of_token`].
    TokenSucceeded {
        /// The scheduled event.
        event_id: u64,
        /// JSON text.
        output: String,
    },
    /// `SendTaskFailure`, as [`Input::TokenSucceeded`].
    TokenFailed {
        /// The scheduled event.
        event_id: u64,
        /// The error, if one was given.
        error: Option<String>,
        /// The cause, if one was given.
        cause: Option<String>,
    },
    /// A task says that it lives.
    TaskHeartbeat {
        /// The scheduled event.
        event_id: u64,
    },
    /// A timer fired.
    TimerFired(TimerId),
    /// A standard execution has run for a year. AWS quota: it ends then.
    Overdue,
    /// A Map Run ended.
    MapRunEnded {
        /// The id of its `MapRunStarted` event.
        event_id: u64,
        /// How.
        outcome: MapRunOutcome,
    },
    /// Somebody stops the execution.
    Stop {
        /// The error, if one was given.
        error: Option<String>,
        /// The cause, if one was given.
        cause: Option<String>,
    },
    /// The process that ran the execution is gone; its records were replayed.
    Recovered,
    /// Somebody redrives the execution, which ended without success. One that
    /// did not, or whose history has no room, takes no notice.
    Redrive(Redrive),
    /// An Express child execution that ended without success starts again from
    /// its first state. Developer guide, "Redriving Map Runs".
    Restart,
}

/// What the shell has to do once the records are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Run a task; of an activity: offer it to its workers.
    Invoke(TaskRequest),
    /// Wait for a job that was submitted before the engine was opened again.
    Resume {
        /// The task.
        task: TaskRequest,
        /// What the submission answered.
        submission: Payload,
    },
    /// Wake the execution up.
    SetTimer {
        /// The timer.
        timer: TimerId,
        /// When it is due, in milliseconds since the epoch.
        at_millis: i64,
    },
    /// The timer is no longer needed.
    CancelTimer(TimerId),
    /// Nobody waits for the task any more.
    CancelTask(TaskKey),
    /// Run a Map Run, or go on with it after a crash.
    StartMapRun(Box<MapRunPlan>),
    /// Nobody waits for the Map Run any more: it and its child executions are aborted.
    StopMapRun {
        /// ARN of the Map Run.
        map_run_arn: Text,
    },
    /// The execution is at its end.
    Finished,
}

/// What an input led to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transition {
    /// To be made durable, in order; already applied.
    pub records: Vec<Record>,
    /// To be released after that.
    pub effects: Vec<Effect>,
}

/// Why work stops before every frame waits.
pub(super) enum Halt {
    /// The next event would be the last one, and does not end the execution.
    HistoryFull,
    Replay(ReplayError),
}

impl Halt {
    /// A frame is not where a step expects it: cannot happen, and is not worth a panic.
    pub(super) fn misplaced(frame: FrameId) -> Self {
        Self::Replay(ReplayError::Misplaced { fact: "a step".to_owned(), frame })
    }
}

impl From<ReplayError> for Halt {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}

pub(super) type Step = Result<(), Halt>;

/// Why the fields of a state have no value.
pub(super) enum Trouble {
    /// An expression failed: there is an event for that.
    Query(QueryError),
    /// There is no event for anything else.
    Failure(Failure),
}

impl Trouble {
    /// The failure of the state; a failed query says where it happened.
    pub(super) fn into_failure(self, visit: &Visit) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::Query(error) if error.error == errors::DATA_LIMIT_EXCEEDED => {
                Failure::of_limit(&error, &visit.name, |cause| in_state(visit, cause))
            }
            Self::Query(error) => Failure::of_query(error.error, in_state(visit, &error.cause)),
        }
    }
}

impl From<QueryError> for Trouble {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// Takes one input. Inputs that come too late (a timer that was cancelled, a
/// second outcome of a task, anything after the end) lead to nothing.
///
/// `now_millis` may run backwards; the execution's time does not.
pub fn advance(execution: &mut Execution, input: Input, now_millis: i64) -> Result<Transition, ReplayError> {
    if !is_for(execution, &input) {
        return Ok(Transition::default());
    }
    let timers: Vec<TimerId> = execution.timers.keys().copied().collect();
    let tasks: BTreeMap<u64, FrameId> = execution.tasks.clone();
    let map_runs = execution.map_runs.clone();
    let recovered = input == Input::Recovered;
    let reported = match &input {
        Input::TaskSucceeded { event_id, .. }
        | Input::TaskFailed { event_id, .. }
        | Input::MapRunEnded { event_id, .. } => Some(*event_id),
        _ => None,
    };
    let mut run = Run::new(execution, now_millis);
    match run.take(input).and_then(|()| run.work()) {
        Ok(()) => {}
        Err(Halt::HistoryFull) => run.end_of_history()?,
        Err(Halt::Replay(error)) => return Err(error),
    }
    let (records, paused) = (run.records, run.paused);
    let known_timers = if recovered { Vec::new() } else { timers };
    let mut effects = effects(execution, &known_timers, &tasks);
    effects.extend(map_run_effects(execution, &map_runs, recovered, reported));
    if paused {
        effects.push(Effect::SetTimer { timer: GO_ON, at_millis: execution.last_millis });
    }
    if recovered {
        effects.extend(resumed(execution, &tasks));
    }
    // Nobody needs to be told that a task is over who has just said so, or whose process is gone.
    effects.retain(|effect| match effect {
        Effect::CancelTask(key) => !recovered && Some(key.event_id) != reported,
        _ => true,
    });
    Ok(Transition { records, effects })
}

/// Whether an execution can take an input where it stands.
fn is_for(execution: &Execution, input: &Input) -> bool {
    match input {
        Input::Start(_) => execution.started.is_none(),
        Input::Redrive(_) => execution.can_be_redriven(),
        Input::Restart => execution.status.is_unsuccessful(),
        _ => execution.started.is_some() && execution.status == super::Status::Running,
    }
}

/// Effects follow from what was armed and running before and after.
fn effects(execution: &Execution, timers: &[TimerId], tasks: &BTreeMap<u64, FrameId>) -> Vec<Effect> {
    let arn = execution.started().map_or_else(|| "".into(), |started| started.execution_arn.clone());
    let key = |event_id: u64| TaskKey { execution_arn: arn.clone(), event_id };
    let gone =
        timers.iter().filter(|id| !execution.timers.contains_key(id)).map(|id| Effect::CancelTimer(*id));
    let mut effects: Vec<Effect> = gone.collect();
    let stopped =
        tasks.keys().filter(|id| !execution.tasks.contains_key(id)).map(|id| Effect::CancelTask(key(*id)));
    effects.extend(stopped);
    for (id, at_millis) in execution.timers() {
        if timers.binary_search(&id).is_err() {
            effects.push(Effect::SetTimer { timer: id, at_millis });
        }
    }
    for (event_id, frame) in &execution.tasks {
        if !tasks.contains_key(event_id) {
            effects.extend(task::request(execution, *frame, key(*event_id)).map(Effect::Invoke));
        }
    }
    if execution.status != super::Status::Running {
        effects.push(Effect::Finished);
    }
    effects
}

/// Map Runs that started, or that nobody waits for any more and that do not
/// know it. After a crash all that are open start again.
fn map_run_effects(
    execution: &Execution,
    before: &BTreeMap<u64, (FrameId, Text)>,
    recovered: bool,
    reported: Option<u64>,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (event_id, (_, arn)) in before {
        if !execution.map_runs.contains_key(event_id) && Some(*event_id) != reported {
            effects.push(Effect::StopMapRun { map_run_arn: arn.clone() });
        }
    }
    for (event_id, (frame, _)) in &execution.map_runs {
        if recovered || !before.contains_key(event_id) {
            let plan = map_run::plan(execution, *frame, *event_id);
            effects.extend(plan.map(Box::new).map(Effect::StartMapRun));
        }
    }
    effects
}

/// What has to be taken up again of the tasks that a crash did not end.
fn resumed(execution: &Execution, tasks: &BTreeMap<u64, FrameId>) -> Vec<Effect> {
    let arn = execution.started().map_or_else(|| "".into(), |started| started.execution_arn.clone());
    let survived = tasks.iter().filter(|(event_id, _)| execution.tasks.contains_key(event_id));
    let effect = |(event_id, frame): (&u64, &FrameId)| {
        let key = TaskKey { execution_arn: arn.clone(), event_id: *event_id };
        let task = task::request(execution, *frame, key)?;
        if let Some(submission) = task::submission(execution, *frame) {
            return Some(Effect::Resume { task, submission: submission.clone() });
        }
        task::is_offered(execution, *frame).then_some(Effect::Invoke(task))
    };
    survived.filter_map(effect).collect()
}

/// One call of [`advance`].
pub(super) struct Run<'a> {
    pub(super) execution: &'a mut Execution,
    pub(super) host: Replayable,
    records: Vec<Record>,
    ready: VecDeque<FrameId>,
    /// The input of the iteration that started last: often the next one has the same.
    pub(super) iteration_input: Option<Payload>,
    /// What the records made, in bytes of memory.
    made: usize,
    /// The work is not done; it goes on when the records are durable.
    paused: bool,
}

impl<'a> Run<'a> {
    fn new(execution: &'a mut Execution, now_millis: i64) -> Self {
        let host = Replayable {
            now_millis: now_millis.max(execution.last_millis),
            seed: execution.started().map_or(0, |started| started.seed),
            draws: execution.draws.into(),
            steps: Rc::default(),
        };
        Self {
            execution,
            host,
            records: Vec::new(),
            ready: VecDeque::new(),
            iteration_input: None,
            made: 0,
            paused: false,
        }
    }

    fn take(&mut self, input: Input) -> Step {
        match input {
            Input::Start(started) => self.start(started),
            Input::TaskSucceeded { event_id, output } => {
                self.task_succeeded(event_id, &output, Speaker::Host)
            }
            Input::TaskFailed { event_id, error, cause } => {
                self.task_failed(event_id, Some(&error), Some(&cause), Speaker::Host)
            }
            Input::TaskSubmitted { event_id, output } => self.task_submitted(event_id, &output),
            Input::TaskNotScheduled { event_id, error, cause } => {
                self.task_not_scheduled(event_id, &error, &cause)
            }
            Input::ActivityStarted { event_id, worker } => self.activity_started(event_id, worker),
            Input::TokenSucceeded { event_id, output } => {
                self.task_succeeded(event_id, &output, Speaker::Bearer)
            }
            Input::TokenFailed { event_id, error, cause } => {
                self.task_failed(event_id, error.as_deref(), cause.as_deref(), Speaker::Bearer)
            }
            Input::TaskHeartbeat { event_id } => self.task_heartbeat(event_id),
            Input::TimerFired(timer) => self.timer_fired(timer),
            Input::Overdue => self.time_out(),
            Input::MapRunEnded { event_id, outcome } => self.map_run_ended(event_id, outcome),
            Input::Stop { error, cause } => {
                let (error, cause) = (error.map(Text::from), cause.map(Text::from));
                // Recorded on AWS: the event follows nothing.
                self.push_after(0, 0, Fact::ExecutionAborted { error, cause })
            }
            Input::Recovered => {
                self.lose_tasks()?;
                self.wake_all();
                Ok(())
            }
            Input::Redrive(redrive) => self.redrive(redrive),
            Input::Restart => match self.execution.started.clone() {
                Some(started) => self.start(started),
                None => Ok(()),
            },
        }
    }

    fn start(&mut self, started: Box<Started>) -> Step {
        self.host.seed = started.seed;
        let timeout = self.execution.definition.timeout_seconds.map(|seconds| self.timer_in(seconds));
        self.push_after(0, 0, Fact::ExecutionStarted { started, timeout })?;
        self.ready.push_back(0);
        Ok(())
    }

    fn timer_fired(&mut self, id: TimerId) -> Step {
        if id == GO_ON {
            self.ready.append(&mut self.execution.unfinished.0);
            return Ok(());
        }
        let Some(armed) = self.execution.timers.get(&id).copied() else { return Ok(()) };
        match armed.purpose {
            Purpose::ExecutionTimeout => self.time_out(),
            Purpose::Wait => self.complete(armed.frame),
            Purpose::Retry => {
                self.push(armed.frame, Fact::RetryStarted)?;
                self.ready.push_back(armed.frame);
                Ok(())
            }
            Purpose::TaskTimeout => self.task_timed_out(armed.frame, false),
            Purpose::Heartbeat => self.task_timed_out(armed.frame, true),
        }
    }

    fn time_out(&mut self) -> Step {
        let error = Some(errors::TIMEOUT.into());
        self.push_after(0, 0, Fact::ExecutionTimedOut { error, cause: None })
    }

    /// Works on frames in turn until all of them wait, or until the transition is full.
    fn work(&mut self) -> Step {
        while let Some(id) = self.ready.pop_front() {
            // One that ended without success keeps its frames for a redrive; none of them goes on.
            if self.execution.status != super::Status::Running {
                self.ready.clear();
                return Ok(());
            }
            self.step(id)?;
            if self.is_full() && !self.ready.is_empty() {
                self.execution.unfinished.0.append(&mut self.ready);
                self.paused = true;
            }
        }
        Ok(())
    }

    /// Whether so much has been made that it has to become durable, and leave the memory, before
    /// more is; or so much done that stops and time-outs have to have their turn.
    pub(super) fn is_full(&self) -> bool {
        self.made > asl::limits::TRANSITION_BYTES_MAX
            || self.host.steps.get() > asl::limits::TRANSITION_STEPS_MAX
    }

    /// One step of one frame.
    fn step(&mut self, id: FrameId) -> Step {
        // The frames of an execution that failed stay, for a redrive; nothing happens in them before that.
        if self.execution.status != super::Status::Running {
            return Ok(());
        }
        let Some(frame) = self.execution.frames.get(&id) else { return Ok(()) };
        match &frame.phase {
            Phase::Next { name, input } => {
                let (name, input) = (name.clone(), input.clone());
                self.enter(id, name, input)
            }
            Phase::Entered => self.execute(id),
            Phase::Result { .. } => self.complete(id),
            Phase::Failed { .. } => self.handle_failure(id),
            Phase::Children(_) => self.tend_children(id),
            Phase::MapRun(_) => self.tend_map_run(id),
            Phase::Ended { .. } => self.end_frame(id),
            Phase::Waiting { due_millis } if *due_millis <= self.host.now_millis => self.complete(id),
            Phase::Task { .. } | Phase::Waiting { .. } | Phase::RetryWaiting => Ok(()),
        }
    }

    /// Every frame may have something to do.
    pub(super) fn wake_all(&mut self) {
        self.ready.extend(self.execution.frames.keys().copied());
    }

    /// The frame goes on before all others.
    pub(super) fn wake_first(&mut self, id: FrameId) {
        self.ready.push_front(id);
    }

    /// The frame has something to do.
    pub(super) fn wake(&mut self, id: FrameId) {
        self.ready.push_back(id);
    }

    /// Records a fact of a frame, following the frame's last event.
    pub(super) fn push(&mut self, frame: FrameId, fact: Fact) -> Step {
        let chain = self.execution.frames.get(&frame).map_or(0, |frame| frame.chain);
        self.push_after(frame, chain, fact)
    }

    /// Records a fact that follows a given event.
    pub(super) fn push_after(&mut self, frame: FrameId, previous: u64, fact: Fact) -> Step {
        let mut record = Record {
            id: 0,
            previous: 0,
            at_millis: self.host.now_millis,
            draws: self.host.draws.get(),
            frame,
            fact,
        };
        if record.fact.is_public() {
            record.id = self.execution.last_event_id + 1;
            record.previous = previous;
            if record.id >= LAST_EVENT_ID && !record.fact.is_terminal() {
                return Err(Halt::HistoryFull);
            }
        }
        self.made = self.made.saturating_add(made_by(&record.fact));
        self.execution.apply(&record)?;
        self.records.push(record);
        Ok(())
    }

    fn end_of_history(&mut self) -> Result<(), ReplayError> {
        let failure = Failure::runtime(format!(
            "The execution reached the maximum number of history events ({LAST_EVENT_ID})."
        ));
        let fact = Fact::ExecutionFailed { error: failure.error, cause: failure.cause };
        match self.push_after(0, self.execution.last_event_id, fact) {
            Err(Halt::Replay(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// A new timer that is due in some seconds.
    pub(super) fn timer_in(&self, seconds: u64) -> Timer {
        let millis = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        self.timer_at(self.host.now_millis.saturating_add(millis))
    }

    /// A new timer with a due time.
    pub(super) fn timer_at(&self, due_millis: i64) -> Timer {
        Timer { id: TimerId(self.execution.next_timer), due_millis }
    }

    /// The frame and its stay in a state.
    pub(super) fn visit(&self, id: FrameId) -> Result<(&Frame, &Visit), Halt> {
        let frame = self.execution.frames.get(&id).map(Box::as_ref);
        match frame.and_then(|frame| frame.visit.as_ref().map(|visit| (frame, visit))) {
            Some(both) => Ok(both),
            None => Err(Halt::misplaced(id)),
        }
    }

    /// Turns trouble into a failure of the state. A failed expression in
    /// JSONata has an event, which follows the event before the last one;
    /// other failures have none. Both say where the state was entered.
    pub(super) fn trouble(&mut self, id: FrameId, trouble: Trouble) -> Step {
        match trouble {
            Trouble::Query(error) if error.error == errors::QUERY_EVALUATION => {
                let (frame, _) = self.visit(id)?;
                let before = frame.before;
                let location = (!error.field.is_empty()).then_some(error.field.as_str());
                self.evaluation_failed(id, before, location, &error.cause)
            }
            trouble => {
                let failure = trouble.into_failure(self.visit(id)?.1);
                self.fail(id, &failure)
            }
        }
    }

    /// Writes `EvaluationFailed`; the frame goes on with the failure.
    pub(super) fn evaluation_failed(
        &mut self,
        id: FrameId,
        previous: u64,
        location: Option<&str>,
        cause: &str,
    ) -> Step {
        let (_, visit) = self.visit(id)?;
        let fact = Fact::EvaluationFailed {
            state: visit.name.clone(),
            location: location.map(Text::from),
            error: errors::QUERY_EVALUATION.into(),
            cause: in_state(visit, cause).into(),
        };
        self.push_after(id, previous, fact)?;
        self.wake(id);
        Ok(())
    }
}

/// What a fact makes that other facts only repeat, in bytes of memory.
fn made_by(fact: &Fact) -> usize {
    match fact {
        Fact::StateExited { output, assigned, .. } => {
            let assigned = assigned.iter().map(|(_, payload)| payload.memory_bytes());
            output.memory_bytes().saturating_add(assigned.sum())
        }
        Fact::MapIterationStarted { input, .. } => input.memory_bytes(),
        _ => 0,
    }
}

/// A cause with AWS's words in front of it that say where it happened.
pub(super) fn in_state(visit: &Visit, cause: &str) -> String {
    in_state_named(&visit.name, visit.entered_id, cause)
}

/// The same of a state that is known by its name and the event that entered it.
pub(super) fn in_state_named(name: &str, entered_id: u64, cause: &str) -> String {
    format!(
        "An error occurred while executing the state '{name}' (entered at the event id #{entered_id}). {cause}"
    )
}

/// A payload of what a state hands on, if it is within AWS's limit.
pub(super) fn bounded(visit: &Visit, payload: Payload) -> Result<Payload, Trouble> {
    check_size(visit, &payload)?;
    Ok(payload)
}

/// Refuses a payload that is larger or deeper than it may be.
pub(super) fn check_size(visit: &Visit, payload: &Payload) -> Result<(), Trouble> {
    if payload.is_larger_than(asl::limits::PAYLOAD_BYTES_MAX) {
        return Err(Trouble::Failure(Failure::output_too_large(&visit.name)));
    }
    if is_too_deep(payload.text()) {
        let cause = format!("A value is nested more than {} levels deep.", asl::limits::PAYLOAD_DEPTH_MAX);
        let cause = in_state(visit, &cause);
        return Err(Trouble::Failure(Failure::runtime(cause)));
    }
    Ok(())
}

//! The state of an execution and the only way to change it: [`Execution::apply`].
//!
//! An execution is a tree of frames. Frame 0 runs the state machine, every
//! branch of a Parallel and every iteration of a Map has a frame of its own.
//! Where a frame stands is its [`Phase`]; what happens next follows from the
//! phases alone, so an execution can be picked up after any of its records.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use asl::{State, StateKind, StateMachine, States};
use indexmap::IndexMap;
use serde_json::Value;

use super::integration::Integration;
use super::map_run::MapRunPhase;
use super::payload::Payload;
use super::record::{Fact, FrameId, Record, Scheduled, Started, Text, Timer, TimerId};
use super::redrive::TakenRedrive;
use super::retry::Failure;
use super::status::{ReplayError, Status};

/// One execution: a fold over its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    pub(super) definition: Arc<StateMachine>,
    pub(super) started: Option<Box<Started>>,
    pub(super) status: Status,
    pub(super) start_millis: i64,
    pub(super) stop_millis: Option<i64>,
    pub(super) output: Option<Payload>,
    pub(super) error: Option<Text>,
    pub(super) cause: Option<Text>,
    pub(super) last_event_id: u64,
    pub(super) last_millis: i64,
    pub(super) draws: u64,
    /// Boxed: a node of the map has room for eleven, and most executions have one.
    pub(super) frames: BTreeMap<FrameId, Box<Frame>>,
    pub(super) next_frame: FrameId,
    pub(super) next_timer: u64,
    pub(super) timers: BTreeMap<TimerId, Armed>,
    /// Running tasks: the id of the scheduled event → the frame.
    pub(super) tasks: BTreeMap<u64, FrameId>,
    /// Map Runs under way: the id of the started event → the frame and the ARN.
    pub(super) map_runs: BTreeMap<u64, (FrameId, Text)>,
    /// The redrives so far, in their order.
    pub(super) redrives: Vec<TakenRedrive>,
    pub(super) unfinished: Unfinished,
}

/// Frames that had something to do when a transition paused. No part of what
/// the records say: a recovery wakes every frame, so all are equal.
#[derive(Debug, Clone, Default)]
pub(super) struct Unfinished(pub(super) VecDeque<FrameId>);

impl PartialEq for Unfinished {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A timer that is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Armed {
    pub(super) frame: FrameId,
    pub(super) due_millis: i64,
    pub(super) purpose: Purpose,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    ExecutionTimeout,
    Wait,
    Retry,
    TaskTimeout,
    Heartbeat,
}

/// Where the states of a frame are found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Region {
    Machine,
    Branch(Arc<State>, usize),
    Processor(Arc<State>),
}

/// One strand of an execution.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    pub(super) parent: Option<FrameId>,
    /// The number of the branch or iteration.
    pub(super) index: u32,
    pub(super) region: Region,
    /// The `previousEventId` of the next event.
    pub(super) chain: u64,
    /// What `chain` was before the last event: `EvaluationFailed` follows this one.
    pub(super) before: u64,
    /// All variables the frame can read, those of outer frames included.
    pub(super) variables: Arc<IndexMap<String, Value>>,
    /// Bytes of the names' values, for AWS's limit.
    pub(super) variable_bytes: usize,
    /// `Map.Item` of the nearest iteration.
    pub(super) item: Option<Arc<Item>>,
    pub(super) visit: Option<Visit>,
    pub(super) phase: Phase,
}

/// The item an iteration works on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) index: u32,
    /// The name of the item, when the items are those of an object.
    pub(super) key: Option<String>,
    pub(super) value: Value,
}

impl Item {
    /// The item at a position of an array or an object.
    pub(super) fn of(items: &Value, index: u32) -> Option<Self> {
        let position = index as usize;
        let (key, value) = match items {
            Value::Array(items) => (None, items.get(position)?),
            Value::Object(items) => {
                let (key, value) = items.iter().nth(position)?;
                (Some(key.clone()), value)
            }
            _ => return None,
        };
        Some(Self { index, key, value: value.clone() })
    }
}

/// One stay in a state, from entered to exited, with all its retries.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Visit {
    pub(super) name: Text,
    pub(super) state: Arc<State>,
    pub(super) input: Payload,
    pub(super) entered_id: u64,
    pub(super) entered_millis: i64,
    /// `State.RetryCount`: retries so far, of all retriers.
    pub(super) retry_count: u32,
    /// Retries so far, by retrier.
    pub(super) attempts: Vec<u32>,
    /// `Task.Token` of the attempt, once it is issued.
    pub(super) token: Option<Text>,
    /// An expression of a catcher failed: no retrier or catcher of this state applies any more.
    pub(super) catcher_failed: bool,
    /// The error that nothing took: the state failed, and with it its frame.
    pub(super) failed_with: Option<Text>,
    /// Of a state that failed: what its branches, its iterations or its Map Run came to.
    pub(super) remains: Option<Box<Phase>>,
}

/// Where a frame stands; what happens next follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// A state is to be entered.
    Next { name: Text, input: Payload },
    /// The state was entered (or is retried) and has not done anything yet.
    Entered,
    /// A task runs.
    Task { event_id: u64, scheduled: Box<Scheduled>, stage: Stage },
    /// A Wait waits.
    Waiting { due_millis: i64 },
    /// A retrier waits.
    RetryWaiting,
    /// Branches or iterations run.
    Children(Box<Children>),
    /// A Map Run is under way, or about to start, or its results are there.
    MapRun(Box<MapRunPhase>),
    /// A task, or all branches or iterations, ended well.
    Result { payload: Payload },
    /// The state failed. `announced`: the event that says so is written.
    Failed { failure: Failure, announced: bool },
    /// The frame is at its end.
    Ended { output: Payload },
}

/// How far a task that runs has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// It is with the task host; of an activity: it waits for a worker.
    Called,
    /// The call is made, and this was its answer; the task goes on elsewhere.
    Submitted(Payload),
    /// A worker has it.
    WithWorker,
}

/// The branches or iterations of a state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Children {
    /// Of a Map: its items. Of a Parallel: the branches' input.
    pub(super) given: Payload,
    pub(super) is_map: bool,
    pub(super) length: u32,
    pub(super) limit: u32,
    pub(super) next: u32,
    pub(super) running: u32,
    /// The `previousEventId` of the next iteration's start.
    pub(super) spawn_from: u64,
    pub(super) results: Vec<Option<Payload>>,
    /// Bytes of the results so far, each with its comma. Once they are more
    /// than a payload may have, the state can only fail, and nothing is kept.
    pub(super) result_bytes: usize,
    pub(super) failing: Option<(Failure, u64)>,
    /// The event that says that all ended well is written.
    pub(super) announced: bool,
    /// Those that failed or were aborted, for a redrive.
    pub(super) fallen: BTreeMap<FrameId, Box<Frame>>,
}

impl Children {
    /// Whether the results are more than a payload may have.
    pub(super) fn is_too_large(&self) -> bool {
        self.result_bytes >= asl::limits::PAYLOAD_BYTES_MAX
    }

    /// The results of all, in order.
    pub(super) fn joined(&self, state: &str) -> Result<Payload, Failure> {
        if self.is_too_large() {
            return Err(Failure::output_too_large(state));
        }
        Ok(Payload::array(self.results.iter().flatten()))
    }
}

impl Execution {
    /// An execution of which no record has been applied yet.
    pub fn new(definition: Arc<StateMachine>) -> Self {
        Self {
            definition,
            unfinished: Unfinished::default(),
            started: None,
            status: Status::Running,
            start_millis: 0,
            stop_millis: None,
            output: None,
            error: None,
            cause: None,
            last_event_id: 0,
            last_millis: 0,
            draws: 0,
            frames: BTreeMap::new(),
            next_frame: 0,
            next_timer: 0,
            timers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            map_runs: BTreeMap::new(),
            redrives: Vec::new(),
        }
    }

    /// Folds records into the execution they belong to.
    pub fn replay<'a>(
        definition: Arc<StateMachine>,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<Self, ReplayError> {
        let mut execution = Self::new(definition);
        for record in records {
            execution.apply(record)?;
        }
        Ok(execution)
    }

    /// Where the execution stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Who was started; `None` before the first record.
    pub fn started(&self) -> Option<&Started> {
        self.started.as_deref()
    }

    /// When it started, in milliseconds since the epoch.
    pub fn start_millis(&self) -> i64 {
        self.start_millis
    }

    /// When it ended, in milliseconds since the epoch.
    pub fn stop_millis(&self) -> Option<i64> {
        self.stop_millis
    }

    /// The output of a success.
    pub fn output(&self) -> Option<&Payload> {
        self.output.as_ref()
    }

    /// The error of a failure.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The cause of a failure.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// How many events the history has.
    pub fn event_count(&self) -> u64 {
        self.last_event_id
    }

    /// The time of the last record, in milliseconds since the epoch.
    pub fn last_millis(&self) -> i64 {
        self.last_millis
    }

    /// The timers that are armed, with their due times in milliseconds since the epoch.
    pub fn timers(&self) -> impl Iterator<Item = (TimerId, i64)> {
        self.timers.iter().map(|(id, armed)| (*id, armed.due_millis))
    }

    /// The names of the states the execution is in, inner states last.
    pub fn current_states(&self) -> Vec<String> {
        let is_open = self.status == Status::Running;
        self.frames
            .values()
            .filter(|_| is_open)
            .filter_map(|frame| frame.visit.as_ref())
            .map(|visit| visit.name.to_string())
            .collect()
    }

    /// How many tasks are with the task host: neither submitted nor offered to workers.
    pub fn calls_under_way(&self) -> usize {
        let is_called = |frame: &FrameId| match self.frames.get(frame).map(|frame| &frame.phase) {
            Some(Phase::Task { scheduled, stage: Stage::Called, .. }) => {
                Integration::of(&scheduled.resource) != Integration::Activity
            }
            _ => false,
        };
        self.tasks.values().filter(|frame| is_called(frame)).count()
    }

    /// The task that waits for this token: the id of its scheduled event.
    pub fn task_of_token(&self, token: &str) -> Option<u64> {
        self.tasks.iter().find_map(|(event_id, frame)| {
            let issued = self.frames.get(frame)?.visit.as_ref()?.token.as_deref()?;
            (issued == token).then_some(*event_id)
        })
    }

    /// Applies one record. The only function that changes an execution.
    pub fn apply(&mut self, record: &Record) -> Result<(), ReplayError> {
        self.last_millis = self.last_millis.max(record.at_millis);
        self.draws = record.draws;
        if record.id != 0 {
            self.last_event_id = record.id;
        }
        match &record.fact {
            Fact::ExecutionStarted { started, timeout } => {
                self.begin(record, started);
                self.arm(record.frame, *timeout, Purpose::ExecutionTimeout);
                Ok(())
            }
            fact if fact.is_terminal() => {
                self.end(record);
                Ok(())
            }
            Fact::ExecutionRedriven { redrive, timeout, .. } => {
                self.revive(record.at_millis, redrive);
                self.arm(record.frame, *timeout, Purpose::ExecutionTimeout);
                Ok(())
            }
            Fact::StateEntered { name, input, .. } => self.enter(record, name, input),
            Fact::StateExited { .. } => self.exit(record),
            Fact::MapStateStarted { .. } | Fact::ParallelStateStarted { .. } => self.open_children(record),
            Fact::MapIterationStarted { child, index, input, .. } => {
                self.spawn(record, *child, *index, Some(input))
            }
            Fact::BranchStarted { child, index } => self.spawn(record, *child, *index, None),
            Fact::MapIterationSucceeded { child, index, .. } | Fact::BranchSucceeded { child, index } => {
                self.join(record, *child, *index)
            }
            Fact::MapIterationFailed { child, failure, .. } | Fact::BranchFailed { child, failure } => {
                self.break_children(record, *child, failure)
            }
            Fact::MapIterationAborted { child, .. } | Fact::BranchAborted { child } => {
                self.drop_child(record, *child)
            }
            _ => self.apply_in_frame(record),
        }
    }

    fn begin(&mut self, record: &Record, started: &Started) {
        // An Express child that starts again has an end behind it.
        self.reopen();
        self.frames.clear();
        self.start_millis = record.at_millis;
        let start_at: Text = self.definition.start_at.as_str().into();
        let frame = Frame::new(
            None,
            0,
            Region::Machine,
            Phase::Next { name: start_at, input: started.input.clone() },
        );
        self.frames.insert(0, Box::new(frame));
        self.next_frame = 1;
        self.started = Some(Box::new(started.clone()));
    }

    fn end(&mut self, record: &Record) {
        self.stop_millis = Some(record.at_millis);
        (self.status, self.error, self.cause) = match &record.fact {
            Fact::ExecutionFailed { error, cause } => (Status::Failed, error.clone(), cause.clone()),
            Fact::ExecutionAborted { error, cause } => (Status::Aborted, error.clone(), cause.clone()),
            Fact::ExecutionTimedOut { error, cause } => (Status::TimedOut, error.clone(), cause.clone()),
            Fact::ExecutionSucceeded { output } => {
                self.output = Some(output.clone());
                (Status::Succeeded, None, None)
            }
            _ => return,
        };
        // Where it stood is where a redrive goes on.
        match (self.status, self.frames.get_mut(&0).and_then(|root| root.visit.as_mut())) {
            (Status::Succeeded, _) => self.frames.clear(),
            (Status::Failed, Some(visit)) => visit.failed_with.clone_from(&self.error),
            _ => {}
        }
        self.timers.clear();
        self.tasks.clear();
        self.map_runs.clear();
        self.unfinished.0.clear();
    }

    /// Takes an end back.
    pub(super) fn reopen(&mut self) {
        self.status = Status::Running;
        (self.stop_millis, self.output, self.error, self.cause) = (None, None, None, None);
    }

    fn enter(&mut self, record: &Record, name: &Text, input: &Payload) -> Result<(), ReplayError> {
        let definition = Arc::clone(&self.definition);
        let frame = self.frame_mut(record)?;
        let state = frame
            .region
            .states(&definition)
            .get(&**name)
            .cloned()
            .ok_or_else(|| ReplayError::UnknownState { name: name.to_string() })?;
        let attempts = vec![0; state.retry.len()];
        frame.link(record.id);
        frame.visit = Some(Visit {
            name: name.clone(),
            state,
            input: input.clone(),
            entered_id: record.id,
            entered_millis: record.at_millis,
            retry_count: 0,
            attempts,
            token: None,
            catcher_failed: false,
            failed_with: None,
            remains: None,
        });
        frame.phase = Phase::Entered;
        Ok(())
    }

    fn exit(&mut self, record: &Record) -> Result<(), ReplayError> {
        let Fact::StateExited { output, assigned, next, .. } = &record.fact else { return Ok(()) };
        self.disarm(record.frame);
        let frame = self.frame_mut(record)?;
        frame.link(record.id);
        frame.assign(assigned);
        frame.visit = None;
        frame.phase = match next {
            Some(name) => Phase::Next { name: name.clone(), input: output.clone() },
            None => Phase::Ended { output: output.clone() },
        };
        Ok(())
    }

    /// Facts that only concern the frame they happen in.
    fn apply_in_frame(&mut self, record: &Record) -> Result<(), ReplayError> {
        if let Fact::TaskSucceeded { .. }
        | Fact::TaskFailed { .. }
        | Fact::TaskSubmitFailed { .. }
        | Fact::TaskScheduleFailed { .. }
        | Fact::TaskTimedOut { .. }
        | Fact::EvaluationFailed { .. }
        | Fact::MapRunSucceeded { .. }
        | Fact::MapRunFailed { .. }
        | Fact::MapRunAborted
        | Fact::RetryStarted = &record.fact
        {
            self.disarm(record.frame);
        }
        match &record.fact {
            Fact::TaskScheduled { timeout, heartbeat, .. } => {
                self.arm(record.frame, *timeout, Purpose::TaskTimeout);
                self.arm(record.frame, *heartbeat, Purpose::Heartbeat);
                self.tasks.insert(record.id, record.frame);
            }
            Fact::ActivityStarted { timeout, heartbeat, .. } => {
                self.arm(record.frame, *timeout, Purpose::TaskTimeout);
                self.arm(record.frame, *heartbeat, Purpose::Heartbeat);
            }
            Fact::HeartbeatReceived { heartbeat } => {
                self.timers
                    .retain(|_, armed| armed.frame != record.frame || armed.purpose != Purpose::Heartbeat);
                self.arm(record.frame, Some(*heartbeat), Purpose::Heartbeat);
            }
            Fact::MapRunStarted { run } => {
                self.map_runs.insert(record.id, (record.frame, run.arn.clone()));
            }
            Fact::MapRunRedriven { arn, .. } => {
                self.map_runs.insert(record.id, (record.frame, arn.clone()));
            }
            Fact::WaitArmed { timer } => self.arm(record.frame, Some(*timer), Purpose::Wait),
            Fact::RetryArmed { timer, .. } => self.arm(record.frame, Some(*timer), Purpose::Retry),
            _ => {}
        }
        let frame = self.frame_mut(record)?;
        if record.id != 0
            && !matches!(
                record.fact,
                Fact::StateAborted { .. } | Fact::MapStateSucceeded | Fact::ParallelStateSucceeded
            )
        {
            frame.link(record.id);
        }
        frame.follow(record)
    }

    fn arm(&mut self, frame: FrameId, timer: Option<Timer>, purpose: Purpose) {
        if let Some(timer) = timer {
            self.next_timer = self.next_timer.max(timer.id.0 + 1);
            self.timers.insert(timer.id, Armed { frame, due_millis: timer.due_millis, purpose });
        }
    }

    /// Takes away everything that is under way in a frame.
    pub(super) fn disarm(&mut self, id: FrameId) {
        self.timers.retain(|_, armed| armed.frame != id || armed.purpose == Purpose::ExecutionTimeout);
        self.tasks.retain(|_, frame| *frame != id);
        self.map_runs.retain(|_, (frame, _)| *frame != id);
    }

    pub(super) fn frame_mut(&mut self, record: &Record) -> Result<&mut Frame, ReplayError> {
        self.frames.get_mut(&record.frame).map(Box::as_mut).ok_or_else(|| misplaced(record))
    }
}

pub(super) fn misplaced(record: &Record) -> ReplayError {
    let fact = format!("{:?}", record.fact);
    let name = fact.split([' ', '{']).next().unwrap_or_default();
    ReplayError::Misplaced { fact: name.to_owned(), frame: record.frame }
}

/// How the `location` of a failed expression of a catcher starts.
pub(super) const CATCH_FIELD: &str = "Catch[";

impl Region {
    pub(super) fn states<'a>(&'a self, definition: &'a StateMachine) -> &'a States {
        match self {
            Self::Machine => &definition.states,
            Self::Processor(state) => match &state.kind {
                StateKind::Map(map) => &map.processor.states,
                _ => &definition.states,
            },
            Self::Branch(state, index) => match &state.kind {
                StateKind::Parallel(parallel) => {
                    parallel.branches.get(*index).map_or(&definition.states, |branch| &branch.states)
                }
                _ => &definition.states,
            },
        }
    }
}

impl Frame {
    pub(super) fn new(parent: Option<FrameId>, index: u32, region: Region, phase: Phase) -> Self {
        Self {
            parent,
            index,
            region,
            chain: 0,
            before: 0,
            variables: Arc::default(),
            variable_bytes: 0,
            item: None,
            visit: None,
            phase,
        }
    }

    pub(super) fn link(&mut self, id: u64) {
        self.before = self.chain;
        self.chain = id;
    }

    fn assign(&mut self, assigned: &[(Text, Payload)]) {
        if assigned.is_empty() {
            return;
        }
        let variables = Arc::make_mut(&mut self.variables);
        for (name, payload) in assigned {
            let size = payload.len();
            // The text of the old value is not kept; a variable that is set again is measured again.
            let old = variables.insert(name.to_string(), payload.value().clone());
            let old_size = old.map_or(0, |value| value.to_string().len());
            self.variable_bytes = (self.variable_bytes + size).saturating_sub(old_size);
        }
    }

    /// Goes on to another phase. What branches, iterations or a Map Run came
    /// to stays with the visit: a redrive needs it.
    fn turn(&mut self, phase: Phase) {
        let left = std::mem::replace(&mut self.phase, phase);
        if let (Phase::Children(_) | Phase::MapRun(_), Some(visit)) = (&left, &mut self.visit) {
            visit.remains = Some(Box::new(left));
        }
    }

    fn advance_task(&mut self, reached: Stage) {
        if let Phase::Task { stage, .. } = &mut self.phase {
            *stage = reached;
        }
    }

    /// Whether the end of the Parallel or Map the frame is in, good or bad, is written.
    pub(super) fn has_announced(&self) -> bool {
        match &self.phase {
            Phase::Failed { announced, .. } => *announced,
            Phase::Children(children) => children.announced,
            Phase::MapRun(phase) => phase.announced,
            _ => false,
        }
    }

    fn fail_evaluation(&mut self, error: &Text, cause: &Text, location: Option<&str>) {
        let of_catcher = location.is_some_and(|location| location.starts_with(CATCH_FIELD));
        if let Some(visit) = &mut self.visit {
            visit.catcher_failed |= of_catcher;
        }
        let announced = of_catcher || self.has_announced();
        let nature = super::retry::Nature::Evaluation;
        let failure = Failure { error: Some(error.clone()), cause: Some(cause.clone()), nature };
        self.turn(Phase::Failed { failure, announced });
    }

    /// The phase that follows from a fact of this frame.
    fn follow(&mut self, record: &Record) -> Result<(), ReplayError> {
        match &record.fact {
            Fact::TaskScheduled { task, .. } => {
                self.phase =
                    Phase::Task { event_id: record.id, scheduled: task.clone(), stage: Stage::Called };
            }
            Fact::TaskTokenIssued { token } => {
                self.visit.as_mut().ok_or_else(|| misplaced(record))?.token = Some(token.clone());
            }
            Fact::TaskSubmitted { output, .. } => self.advance_task(Stage::Submitted(output.clone())),
            Fact::ActivityStarted { .. } => self.advance_task(Stage::WithWorker),
            Fact::TaskSucceeded { output, .. } => self.phase = Phase::Result { payload: output.clone() },
            Fact::TaskFailed { failure, .. }
            | Fact::TaskSubmitFailed { failure, .. }
            | Fact::TaskScheduleFailed { failure, .. }
            | Fact::MapRunFailed { failure }
            | Fact::TaskTimedOut { failure, .. } => {
                if let Phase::MapRun(phase) = &mut self.phase {
                    phase.failure = Some(failure.clone());
                }
                self.turn(Phase::Failed { failure: failure.clone(), announced: false });
            }
            Fact::EvaluationFailed { error, cause, location, .. } => {
                self.fail_evaluation(error, cause, location.as_deref());
            }
            Fact::WaitArmed { timer } => self.phase = Phase::Waiting { due_millis: timer.due_millis },
            Fact::RetryArmed { retrier, .. } => {
                let visit = self.visit.as_mut().ok_or_else(|| misplaced(record))?;
                visit.retry_count += 1;
                if let Some(count) = visit.attempts.get_mut(*retrier as usize) {
                    *count += 1;
                }
                self.turn(Phase::RetryWaiting);
            }
            Fact::RetryStarted => self.phase = Phase::Entered,
            Fact::MapRunStarted { run } => {
                let Phase::MapRun(phase) = &mut self.phase else { return Err(misplaced(record)) };
                phase.run = Some(run.clone());
            }
            Fact::MapRunRedriven { redrive_count, .. } => {
                let Phase::MapRun(phase) = &mut self.phase else { return Err(misplaced(record)) };
                phase.redrives = *redrive_count;
                phase.redrive_is_due = false;
            }
            Fact::MapRunSucceeded { output } => {
                let Phase::MapRun(phase) = &mut self.phase else { return Err(misplaced(record)) };
                phase.output = Some(output.clone());
            }
            Fact::MapStateFailed | Fact::ParallelStateFailed => {
                if let Phase::Failed { announced, .. } = &mut self.phase {
                    *announced = true;
                }
            }
            Fact::MapStateSucceeded | Fact::ParallelStateSucceeded => match &mut self.phase {
                Phase::Children(children) => children.announced = true,
                Phase::MapRun(phase) => phase.announced = true,
                _ => {}
            },
            Fact::ChildrenDropped { chain } => {
                let Phase::Children(children) = &mut self.phase else { return Err(misplaced(record)) };
                let (failure, _) = children.failing.take().ok_or_else(|| misplaced(record))?;
                self.chain = *chain;
                self.turn(Phase::Failed { failure, announced: false });
            }
            _ => {}
        }
        Ok(())
    }
}

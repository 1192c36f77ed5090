//! An execution from start to end in virtual time, without a journal and
//! without threads: for tests of definitions, and for tests of the machine.
//!
//! Tasks are answered by a closure. Time stands still while anything can
//! happen, and then jumps to the next timer, so a Wait of a year costs
//! nothing. The same definition, input, seed and answers give the same run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use asl::StateMachine;
use serde_json::Value;

use crate::arn::{DEFAULT_ACCOUNT, DEFAULT_REGION, execution_arn, role_arn, state_machine_arn};
use crate::machine::{
    Effect, Execution, HistoryEvent, Input, Payload, Record, Redrive, Started, Status, TaskRequest, TimerId,
    advance,
};
use crate::object_store::{MemoryStore, ObjectStore};
use crate::task::TaskOutcome;

mod map_runs;

pub use map_runs::SimulatedChild;
use map_runs::SimulatedMapRun;

/// Timers that may fire before a simulation gives up. Ours: a definition that
/// waits for ever in a circle ends at its 25,000th event, long before this.
const TIMERS_MAX: usize = 1_000_000;

/// Who runs, and when.
#[derive(Debug, Clone)]
pub struct SimulationOptions {
    /// Where random numbers come from.
    pub seed: u64,
    /// When the execution starts, in milliseconds since the epoch.
    pub start_millis: i64,
    /// Name of the state machine.
    pub state_machine_name: String,
    /// Name of the execution.
    pub execution_name: String,
    /// Account in ARNs.
    pub account: String,
    /// Region in ARNs.
    pub region: String,
    /// ARN of the role; `None` = one made from the name of the state machine.
    pub role_arn: Option<String>,
    /// Stop the execution this long after its start, in milliseconds.
    pub stop_after_millis: Option<i64>,
    /// Redrive the execution after each of its first ends without success:
    /// how long after, in milliseconds.
    pub redrive_after_millis: Vec<i64>,
    /// Watch the execution only this long, in milliseconds; then it may still be running.
    pub watch_millis: Option<i64>,
    /// What item readers read and result writers write.
    pub objects: Arc<dyn ObjectStore>,
}

impl Default for SimulationOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            // 2026-01-01T00:00:00Z: any fixed time will do.
            start_millis: 1_767_225_600_000,
            state_machine_name: "simulation".to_owned(),
            execution_name: "run".to_owned(),
            account: DEFAULT_ACCOUNT.to_owned(),
            region: DEFAULT_REGION.to_owned(),
            role_arn: None,
            stop_after_millis: None,
            redrive_after_millis: Vec::new(),
            watch_millis: None,
            objects: Arc::new(MemoryStore::new()),
        }
    }
}

/// What a simulated task host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The task ends at once.
    Now(TaskOutcome),
    /// The task takes this long, in milliseconds of virtual time.
    After(i64, TaskOutcome),
    /// The task never ends: only its timeout, or a stop, goes on.
    Never,
    /// Several things happen to the task, each this long after its call, in
    /// milliseconds of virtual time; those of the same time in this order.
    Steps(Vec<(i64, TaskStep)>),
}

impl Reply {
    /// The same, everything this much later, in milliseconds of virtual time.
    #[must_use]
    pub fn delayed(self, millis: i64) -> Self {
        match self {
            Self::Now(outcome) => Self::After(millis, outcome),
            Self::After(after, outcome) => Self::After(after.saturating_add(millis), outcome),
            Self::Never => Self::Never,
            Self::Steps(steps) => {
                let later = |(after, step): (i64, TaskStep)| (after.saturating_add(millis), step);
                Self::Steps(steps.into_iter().map(later).collect())
            }
        }
    }
}

/// Something that happens to a simulated task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStep {
    /// The call of a `.sync` or `.waitForTaskToken` resource is answered with this JSON text.
    Submitted(String),
    /// A worker takes it, under this name; of an activity.
    Taken(Option<String>),
    /// It says that it lives.
    Heartbeat,
    /// It ends; of activities and `.waitForTaskToken` by its token, where an
    /// empty error or cause is none.
    Ended(TaskOutcome),
}

impl From<TaskOutcome> for Reply {
    fn from(outcome: TaskOutcome) -> Self {
        Self::Now(outcome)
    }
}

/// A jump of virtual time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedWait {
    /// The states the execution was in.
    pub states: Vec<String>,
    /// From when, in milliseconds since the start of the execution.
    pub from_millis: i64,
    /// How long, in milliseconds.
    pub millis: i64,
}

/// How a simulated execution went.
#[derive(Debug, Clone)]
pub struct SimulatedRun {
    /// How it ended. `Running` = it waits for a task that never ends.
    pub status: Status,
    /// The output of a success.
    pub output: Option<Value>,
    /// The error of a failure.
    pub error: Option<String>,
    /// The cause of a failure.
    pub cause: Option<String>,
    /// The history.
    pub history: Vec<HistoryEvent>,
    /// Virtual time from start to end, in milliseconds.
    pub elapsed_millis: i64,
    /// The waits that were skipped, in order.
    pub waits: Vec<SkippedWait>,
    /// Everything a journal would hold.
    pub records: Vec<Record>,
    /// The child executions of Map Runs, in the order of their ends.
    pub children: Vec<SimulatedChild>,
    /// The state of the machine at the end.
    pub execution: Execution,
}

/// Runs an execution to its end. `tasks` answers every attempt of every task,
/// in the order of their schedule.
///
/// # Examples
/// ```
/// let definition = asl::StateMachine::parse(r#"{
///     "QueryLanguage": "JSONata", "StartAt": "Rest",
///     "States": { "Rest": { "Type": "Wait", "Seconds": 3600, "End": true } }
/// }"#).unwrap();
/// let input = serde_json::json!({ "n": 1 });
/// let run = engine::simulate::run(&definition, input.clone(), 0, &mut |_| unreachable!());
/// assert_eq!(run.status, engine::Status::Succeeded);
/// assert_eq!(run.output, Some(input));
/// assert_eq!(run.elapsed_millis, 3_600_000);
/// ```
pub fn run(
    definition: &StateMachine,
    input: Value,
    seed: u64,
    tasks: &mut dyn FnMut(&TaskRequest) -> TaskOutcome,
) -> SimulatedRun {
    let options = SimulationOptions { seed, ..SimulationOptions::default() };
    run_with(&options, &Arc::new(definition.clone()), input, &mut |task| Reply::Now(tasks(task)))
}

/// Like [`run`], with everything to choose: names, times, and tasks that take
/// time or never end.
pub fn run_with(
    options: &SimulationOptions,
    definition: &Arc<StateMachine>,
    input: Value,
    tasks: &mut dyn FnMut(&TaskRequest) -> Reply,
) -> SimulatedRun {
    let mut simulation = Simulation::new(options, definition);
    let started = Box::new(started(options, input));
    simulation.take(0, Input::Start(started));
    simulation.drive(tasks);
    simulation.finish()
}

/// Goes on after a crash: folds the records that were durable (any number of
/// the first records of a run), recovers, and runs to the end. A task that
/// was scheduled and has no outcome among the records fails with
/// `Lambda.ServiceException`; `Retry` decides, as in the engine. `None` = the
/// records are empty, or do not belong to the definition.
pub fn resume(
    definition: &Arc<StateMachine>,
    records: &[Record],
    tasks: &mut dyn FnMut(&TaskRequest) -> Reply,
) -> Option<SimulatedRun> {
    resume_with(&SimulationOptions::default(), definition, records, tasks)
}

/// Like [`resume`]; of the options count those that say what becomes of the
/// execution from here on: redrives, the stop, the objects.
pub fn resume_with(
    options: &SimulationOptions,
    definition: &Arc<StateMachine>,
    records: &[Record],
    tasks: &mut dyn FnMut(&TaskRequest) -> Reply,
) -> Option<SimulatedRun> {
    let execution = Execution::replay(Arc::clone(definition), records).ok()?;
    execution.started()?;
    let options = SimulationOptions { start_millis: execution.start_millis(), ..options.clone() };
    let mut simulation = Simulation::new(&options, definition);
    simulation.now_millis = execution.last_millis();
    simulation.executions = vec![execution];
    simulation.records = records.to_vec();
    simulation.take(0, Input::Recovered);
    simulation.drive(tasks);
    Some(simulation.finish())
}

/// The identity of a simulated execution.
fn started(options: &SimulationOptions, input: Value) -> Started {
    let SimulationOptions { account, region, state_machine_name, execution_name, .. } = options;
    let role = options.role_arn.clone().unwrap_or_else(|| role_arn(account, state_machine_name));
    Started {
        execution_arn: execution_arn(region, account, state_machine_name, execution_name).into(),
        name: execution_name.as_str().into(),
        state_machine_arn: state_machine_arn(region, account, state_machine_name).into(),
        state_machine_name: state_machine_name.as_str().into(),
        role_arn: role.into(),
        input: Payload::from_value(input),
        seed: options.seed,
        trace_header: None,
    }
}

/// What is due next, and of which execution: a timer, a step of a task, or the stop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Timer(usize, TimerId),
    /// A step of a task: its event, and which step of all.
    Task(usize, u64, u64),
    Stop,
}

/// The executions of a simulation; 0 is the one that was asked for, others
/// are children of Map Runs.
struct Simulation {
    executions: Vec<Execution>,
    now_millis: i64,
    start_millis: i64,
    calls: VecDeque<(usize, TaskRequest)>,
    due: BTreeSet<(i64, Due)>,
    steps: BTreeMap<(usize, u64, u64), TaskStep>,
    steps_planned: u64,
    watched_until_millis: i64,
    /// The events of tasks that are completed by their token.
    with_token: BTreeSet<(usize, u64)>,
    waits: Vec<SkippedWait>,
    records: Vec<Record>,
    objects: Arc<dyn ObjectStore>,
    map_runs: BTreeMap<String, SimulatedMapRun>,
    /// Map Runs that are over, for a redrive.
    ended_map_runs: BTreeMap<String, SimulatedMapRun>,
    /// How long after its next ends the execution is redriven.
    redrives: VecDeque<i64>,
    /// Map Runs that may have something to do.
    to_pump: VecDeque<String>,
    /// Children: execution → Map Run and number.
    child_of: BTreeMap<usize, (String, u64)>,
    child_records: BTreeMap<usize, Vec<Record>>,
    children: Vec<SimulatedChild>,
}

impl Simulation {
    fn new(options: &SimulationOptions, definition: &Arc<StateMachine>) -> Self {
        let mut due = BTreeSet::new();
        if let Some(millis) = options.stop_after_millis {
            due.insert((options.start_millis + millis, Due::Stop));
        }
        Self {
            executions: vec![Execution::new(Arc::clone(definition))],
            now_millis: options.start_millis,
            start_millis: options.start_millis,
            calls: VecDeque::new(),
            due,
            steps: BTreeMap::new(),
            steps_planned: 0,
            watched_until_millis: options
                .watch_millis
                .map_or(i64::MAX, |millis| options.start_millis.saturating_add(millis)),
            with_token: BTreeSet::new(),
            waits: Vec::new(),
            records: Vec::new(),
            objects: Arc::clone(&options.objects),
            map_runs: BTreeMap::new(),
            ended_map_runs: BTreeMap::new(),
            redrives: options.redrive_after_millis.iter().copied().collect(),
            to_pump: VecDeque::new(),
            child_of: BTreeMap::new(),
            child_records: BTreeMap::new(),
            children: Vec::new(),
        }
    }

    fn drive(&mut self, tasks: &mut dyn FnMut(&TaskRequest) -> Reply) {
        for _ in 0..TIMERS_MAX {
            loop {
                if let Some(arn) = self.to_pump.pop_front() {
                    self.pump(&arn);
                } else if let Some((index, task)) = self.calls.pop_front() {
                    let reply = tasks(&task);
                    self.reply(index, &task, reply);
                } else {
                    break;
                }
            }
            if self.executions.first().is_none_or(|root| root.status() != Status::Running) {
                if self.redrive() {
                    continue;
                }
                return;
            }
            let Some((at_millis, due)) = self.due.pop_first() else { return };
            if at_millis > self.watched_until_millis {
                return;
            }
            self.skip_to(at_millis);
            match due {
                Due::Timer(index, timer) => self.take(index, Input::TimerFired(timer)),
                Due::Task(index, event_id, number) => {
                    if let Some(step) = self.steps.remove(&(index, event_id, number)) {
                        self.step(index, event_id, step);
                    }
                }
                Due::Stop => self.take(0, Input::Stop { error: None, cause: None }),
            }
        }
    }

    /// Redrives the execution after its end, if that is planned; answers whether it goes on.
    fn redrive(&mut self) -> bool {
        let can_be_redriven = self.executions.first().is_some_and(Execution::can_be_redriven);
        let Some(after) = self.redrives.pop_front().filter(|_| can_be_redriven) else { return false };
        self.skip_to(self.now_millis.saturating_add(after.max(0)));
        self.take(0, Input::Redrive(Redrive::default()));
        true
    }

    fn reply(&mut self, index: usize, task: &TaskRequest, reply: Reply) {
        let event_id = task.key.event_id;
        if task.token.is_some() {
            self.with_token.insert((index, event_id));
        }
        if task.is_of_activity() && !matches!(reply, Reply::Steps(_)) {
            self.step(index, event_id, TaskStep::Taken(None));
        }
        match reply {
            Reply::Now(outcome) => self.step(index, event_id, TaskStep::Ended(outcome)),
            Reply::After(millis, outcome) => self.plan(index, event_id, millis, TaskStep::Ended(outcome)),
            Reply::Never => {}
            Reply::Steps(steps) => {
                for (millis, step) in steps {
                    self.plan(index, event_id, millis, step);
                }
            }
        }
    }

    fn plan(&mut self, index: usize, event_id: u64, millis: i64, step: TaskStep) {
        self.steps_planned += 1;
        self.steps.insert((index, event_id, self.steps_planned), step);
        let at_millis = self.now_millis.saturating_add(millis.max(0));
        self.due.insert((at_millis, Due::Task(index, event_id, self.steps_planned)));
    }

    fn step(&mut self, index: usize, event_id: u64, step: TaskStep) {
        let has_token = self.with_token.contains(&(index, event_id));
        let input = match step {
            TaskStep::Submitted(output) if has_token => Input::TaskSucceeded { event_id, output },
            TaskStep::Submitted(output) => Input::TaskSubmitted { event_id, output },
            TaskStep::Taken(worker) => Input::ActivityStarted { event_id, worker },
            TaskStep::Heartbeat => Input::TaskHeartbeat { event_id },
            TaskStep::Ended(outcome) if has_token => by_token(event_id, outcome),
            TaskStep::Ended(outcome) => outcome.into_input(event_id),
        };
        self.take(index, input);
    }

    fn skip_to(&mut self, at_millis: i64) {
        if at_millis > self.now_millis {
            let running = self.executions.iter().filter(|execution| execution.status() == Status::Running);
            self.waits.push(SkippedWait {
                states: running.flat_map(Execution::current_states).collect(),
                from_millis: self.now_millis - self.start_millis,
                millis: at_millis - self.now_millis,
            });
            self.now_millis = at_millis;
        }
    }

    fn take(&mut self, index: usize, input: Input) {
        let Some(execution) = self.executions.get_mut(index) else { return };
        // Live state and definition belong together by construction.
        let Ok(transition) = advance(execution, input, self.now_millis) else { return };
        if index == 0 {
            self.records.extend(transition.records);
        } else {
            self.child_records.entry(index).or_default().extend(transition.records);
        }
        for effect in transition.effects {
            self.release(index, effect);
        }
    }

    fn release(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Invoke(task) | Effect::Resume { task, .. } => self.calls.push_back((index, task)),
            Effect::SetTimer { timer, at_millis } => {
                self.due.insert((at_millis, Due::Timer(index, timer)));
            }
            Effect::CancelTimer(timer) => self.due.retain(|(_, due)| *due != Due::Timer(index, timer)),
            Effect::CancelTask(key) => {
                self.calls.retain(|(_, task)| task.key != key);
                let is_other = |of: usize, event_id: u64| of != index || event_id != key.event_id;
                self.steps.retain(|(of, event_id, _), _| is_other(*of, *event_id));
                self.due.retain(|(_, due)| match due {
                    Due::Task(of, event_id, _) => is_other(*of, *event_id),
                    _ => true,
                });
            }
            Effect::StartMapRun(plan) => self.start_map_run(index, *plan),
            Effect::StopMapRun { map_run_arn } => self.stop_map_run(&map_run_arn),
            Effect::Finished => self.child_ended(index),
        }
    }

    fn finish(mut self) -> SimulatedRun {
        let execution = self.executions.swap_remove(0);
        SimulatedRun {
            status: execution.status(),
            output: execution.output().map(|payload| payload.value().clone()),
            error: execution.error().map(str::to_owned),
            cause: execution.cause().map(str::to_owned),
            history: self.records.iter().filter_map(HistoryEvent::of).collect(),
            elapsed_millis: self.now_millis - self.start_millis,
            waits: self.waits,
            records: self.records,
            children: self.children,
            execution,
        }
    }
}

/// What somebody says who has the task's token.
fn by_token(event_id: u64, outcome: TaskOutcome) -> Input {
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    match outcome {
        TaskOutcome::Succeeded(output) => Input::TokenSucceeded { event_id, output },
        TaskOutcome::Failed { error, cause } => {
            Input::TokenFailed { event_id, error: said(error), cause: said(cause) }
        }
    }
}

#[cfg(test)]
mod tests;

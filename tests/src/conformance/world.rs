//! The API on a real engine: a journal in a folder of its own, a clock that
//! jumps to the next thing that is due when everything waits, and the stubs of
//! the case as task host.

use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use engine::object_store::MemoryStore;
use engine::simulate::{Reply, SimulationOptions, TaskStep};
use engine::{
    Clock, Completion, Engine, EngineOptions, ManualClock, MemoryLogSink, Status, TaskHost, TaskOutcome,
    TaskRequest,
};
use serde_json::{Value, json};
use server::Api;
use tempfile::TempDir;

use super::Transport;
use super::bindings::Bindings;
use super::case::Case;
use super::exec::prepare_objects;
use super::report::Verdict;
use super::script::{Refusal, Service, run_script};
use super::stubs::Stubs;
use super::wire::Wire;

/// How long is waited for the end of an execution, in milliseconds of virtual time.
const PATIENCE_MILLIS: i64 = 90_000;

/// Runs a case of the API.
pub(super) fn run(case: &Case, bindings: Bindings, transport: Transport) -> Verdict {
    let stubs = match Stubs::new(case, &bindings).and_then(|stubs| stubs.served(transport)) {
        Ok(stubs) => stubs,
        Err(reason) => return Verdict::not_run(case, &reason),
    };
    match World::open(stubs, transport) {
        Ok(mut world) => {
            let differences = run_script(case, &mut world, bindings);
            world.close();
            let differences: Vec<String> = differences.into_iter().map(|difference| difference.0).collect();
            let api = if differences.is_empty() { Ok(()) } else { Err(differences) };
            Verdict { api: Some(api), ..Verdict::default() }
        }
        Err(problem) => Verdict::not_run(case, &problem),
    }
}

pub(super) struct World {
    pub(super) api: Api,
    pub(super) clock: ManualClock,
    pub(super) host: Arc<StubHost>,
    logs: Arc<MemoryLogSink>,
    log_groups: Arc<Mutex<BTreeSet<String>>>,
    pub(super) objects: Arc<MemoryStore>,
    /// The way through the endpoint, if that is taken.
    wire: Option<Wire>,
    /// Deleted with everything in it when the case is over.
    _folder: TempDir,
}

impl World {
    pub(super) fn open(stubs: Stubs, transport: Transport) -> Result<Self, String> {
        let folder = folder().map_err(|error| format!("no folder for the journal: {error}"))?;
        let clock = ManualClock::at(SimulationOptions::default().start_millis);
        let host = Arc::new(StubHost {
            stubs: Mutex::new(stubs),
            later: Mutex::default(),
            never: Mutex::default(),
            deeds: Mutex::default(),
            clock: clock.clone(),
        });
        let logs = Arc::new(MemoryLogSink::default());
        let objects = Arc::new(MemoryStore::new());
        let options = EngineOptions {
            objects: objects.clone(),
            clock: Arc::new(clock.clone()),
            logs: Some(logs.clone()),
            ..EngineOptions::new(folder.path(), host.clone())
        };
        let engine = Engine::open(options).map_err(|error| format!("the engine does not open: {error}"))?;
        let log_groups: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let known = Arc::clone(&log_groups);
        // arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*
        let exists = move |arn: &str| arn.split(':').nth(6).is_some_and(|name| lock(&known).contains(name));
        let api = Api::new(engine).with_log_groups(Arc::new(exists)).with_activity_poll(Duration::ZERO);
        let wire = match transport {
            Transport::InProcess | Transport::Processes => None,
            Transport::Http => Some(Wire::open(&api)?),
        };
        Ok(Self { api, clock, host, logs, log_groups, objects, wire, _folder: folder })
    }

    pub(super) fn close(self) {
        if let Some(wire) = self.wire {
            wire.close();
        }
        self.api.engine().clone().shutdown();
    }

    /// Jumps to the next thing that is due, at most to a time; `false` = there is none.
    pub(super) fn jump(&mut self, until_millis: i64) -> bool {
        let engine = self.api.engine();
        let due = [engine.next_timer_millis(), self.host.next_due_millis(), self.host.next_deed_millis()];
        let Some(due) = due.into_iter().flatten().min().filter(|due| *due <= until_millis) else {
            return false;
        };
        // What is late is due now: time does not go back.
        let now = due.max(self.clock.now_millis());
        self.clock.set_millis(now);
        self.host.answer_due(now);
        while let Some((token, step)) = self.host.next_deed(now) {
            self.act(&token, step);
            self.settle();
        }
        true
    }

    /// Somebody outside does something with a task token. That it is no longer good is what some
    /// cases are about.
    fn act(&mut self, token: &str, step: TaskStep) {
        let (operation, mut parameters) = match step {
            TaskStep::Heartbeat => ("SendTaskHeartbeat", json!({ "taskToken": token })),
            TaskStep::Ended(TaskOutcome::Succeeded(output)) => {
                ("SendTaskSuccess", json!({ "taskToken": token, "output": output }))
            }
            TaskStep::Ended(TaskOutcome::Failed { error, cause }) => {
                ("SendTaskFailure", json!({ "taskToken": token, "error": error, "cause": cause }))
            }
            TaskStep::Taken(_) | TaskStep::Submitted(_) => return,
        };
        // Who has no error and no cause names none.
        if let Some(parameters) = parameters.as_object_mut() {
            parameters.retain(|name, value| value != "" || !matches!(name.as_str(), "error" | "cause"));
        }
        let _ = self.call(operation, parameters);
    }

    fn until_millis(&self) -> i64 {
        self.clock.now_millis() + PATIENCE_MILLIS
    }

    pub(super) fn is_over(&self, arn: &str) -> bool {
        let engine = self.api.engine();
        match engine.describe_execution(arn) {
            Ok(described) => described.status != Status::Running,
            // Not the ARN of an execution with a history: whatever runs is waited for.
            Err(_) => engine.open_executions().is_empty(),
        }
    }
}

impl Service for World {
    fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, Refusal> {
        let api = self.api.clone();
        let wire = self.wire.take();
        let until_millis = self.until_millis();
        let answer = thread::scope(|scope| {
            let call = scope.spawn(|| match &wire {
                Some(wire) => wire.call(operation, &parameters),
                None => api.call(operation, parameters).map_err(|error| Refusal {
                    code: error.code.to_owned(),
                    message: error.message,
                    http_status: error.http_status,
                }),
            });
            // A call that waits for an execution needs the time to pass meanwhile.
            while operation == "StartSyncExecution" && !call.is_finished() {
                self.settle();
                self.jump(until_millis);
            }
            call.join()
        });
        self.wire = wire;
        match answer {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn prepare(&mut self, service: &str, operation: &str, parameters: &Value) {
        if service == "s3" {
            prepare_objects(&self.objects, operation, parameters);
        }
        if let ("logs", Some(name)) = (service, parameters["logGroupName"].as_str()) {
            let mut groups = lock(&self.log_groups);
            match operation {
                "create_log_group" => drop(groups.insert(name.to_owned())),
                "delete_log_group" => drop(groups.remove(name)),
                _ => {}
            }
        }
    }

    fn wait_for_end(&mut self, arn: &str) {
        let until_millis = self.until_millis();
        self.settle();
        while !self.is_over(arn) && self.jump(until_millis) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        // An engine that has stopped says so at the next call.
        let _ = self.api.engine().settle();
    }

    fn logs(&mut self) -> Vec<Value> {
        self.logs.events().into_iter().map(|event| event.document).collect()
    }
}

/// Answers tasks as the case describes, those that take time when their time has come.
pub(super) struct StubHost {
    pub(super) stubs: Mutex<Stubs>,
    later: Mutex<BTreeMap<(i64, u64), (TaskOutcome, Completion)>>,
    never: Mutex<Vec<Completion>>,
    deeds: Mutex<Deeds>,
    clock: ManualClock,
}

/// What somebody outside will do with task tokens, by its time and in the order it was noted.
#[derive(Default)]
struct Deeds {
    due: BTreeMap<(i64, usize), (String, TaskStep)>,
    noted: usize,
}

impl StubHost {
    fn next_deed_millis(&self) -> Option<i64> {
        lock(&self.deeds).due.first_key_value().map(|((due, _), _)| *due)
    }

    fn next_deed(&self, now_millis: i64) -> Option<(String, TaskStep)> {
        let mut deeds = lock(&self.deeds);
        let first = deeds.due.first_entry().filter(|first| first.key().0 <= now_millis)?;
        Some(first.remove())
    }

    /// Notes what will be done with a task token; times count from now.
    pub(super) fn intend(&self, token: &str, steps: Vec<(i64, TaskStep)>) {
        let now = self.clock.now_millis();
        let mut deeds = lock(&self.deeds);
        for (millis, step) in steps {
            deeds.noted += 1;
            let due = (now + millis, deeds.noted);
            deeds.due.insert(due, (token.to_owned(), step));
        }
    }

    fn next_due_millis(&self) -> Option<i64> {
        lock(&self.later).first_key_value().map(|((due, _), _)| *due)
    }

    fn answer_due(&self, now_millis: i64) {
        loop {
            let next = lock(&self.later)
                .first_entry()
                .filter(|next| next.key().0 <= now_millis)
                .map(OccupiedEntry::remove);
            let Some((outcome, done)) = next else { return };
            done.finish(outcome);
        }
    }
}

impl TaskHost for StubHost {
    fn invoke(&self, task: TaskRequest, mut done: Completion) {
        let reply = lock(&self.stubs).answer(&task);
        let steps = match reply {
            Reply::Now(outcome) => vec![(0, TaskStep::Ended(outcome))],
            Reply::After(millis, outcome) => vec![(millis, TaskStep::Ended(outcome))],
            Reply::Never => Vec::new(),
            Reply::Steps(steps) => steps,
        };
        let mut steps = steps.into_iter();
        while let Some((millis, step)) = steps.next() {
            match step {
                TaskStep::Submitted(answer) => {
                    done.submitted(answer);
                    // From here on only its token completes it.
                    if let Some(token) = &task.token {
                        self.intend(token, steps.collect());
                        break;
                    }
                }
                TaskStep::Ended(outcome) if millis == 0 => return done.finish(outcome),
                TaskStep::Ended(outcome) => {
                    let due = (self.clock.now_millis() + millis, task.key.event_id);
                    lock(&self.later).insert(due, (outcome, done));
                    return;
                }
                TaskStep::Taken(_) | TaskStep::Heartbeat => {}
            }
        }
        // A task that never ends: it is kept, for a completion that is dropped fails its task.
        lock(&self.never).push(done);
    }
}

/// In memory, where there is such a folder: nothing here is about what a disk keeps.
fn folder() -> std::io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

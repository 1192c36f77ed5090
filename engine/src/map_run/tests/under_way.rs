//! Map Runs of an engine: how many threads they take, how much runs at once,
//! and what becomes of children that are damaged in the journal.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{machine, task};
use crate::journal::FILE;
use crate::map_run::driver::RUNNING_INPUT_BYTES_MAX;
use crate::map_run::pool::THREADS_MAX;
use crate::scheduler::lock;
use crate::{
    Completion, Engine, EngineOptions, ManualClock, MapRunDescription, RedriveExecution, StartExecution,
    Status, TaskHost, TaskOutcome, TaskRequest, examine, lambda_invoke_result,
};

/// Keeps every call until it is told how to answer.
#[derive(Default)]
struct Keeper(Mutex<Vec<(TaskRequest, Completion)>>);

impl Keeper {
    fn kept(&self) -> usize {
        lock(&self.0).len()
    }

    /// Answers what was kept so far; a payload of `"fail"` fails.
    fn answer(&self) {
        for (task, done) in std::mem::take(&mut *lock(&self.0)) {
            let payload = &task.arguments["Payload"];
            done.finish(if *payload == json!("fail") {
                TaskOutcome::Failed { error: "My.Error".into(), cause: "because".into() }
            } else {
                TaskOutcome::Succeeded(lambda_invoke_result("1"))
            });
        }
    }
}

impl TaskHost for Keeper {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        lock(&self.0).push((task, done));
    }
}

fn open(directory: &Path, host: &Arc<Keeper>) -> Engine {
    let options = EngineOptions::new(directory, Arc::clone(host) as Arc<dyn TaskHost>);
    Engine::open(EngineOptions { clock: Arc::new(ManualClock::at(1_790_000_000_000)), ..options }).unwrap()
}

fn start(engine: &Engine, input: &Value) -> String {
    let input = input.to_string();
    let request = StartExecution { state_machine: "m".into(), input, ..StartExecution::default() };
    engine.start_execution(request).unwrap().execution_arn
}

fn map_run(engine: &Engine, execution: &str) -> MapRunDescription {
    engine.list_map_runs(execution).unwrap().pop().unwrap()
}

/// Issue: executions that wait cost memory, not threads. Also more of them than may keep their
/// dataset open, which the others open again behind the item where they were.
#[test]
fn many_map_runs_share_a_few_threads() {
    const MAP_RUNS: usize = 400;
    let (directory, host) = (tempfile::tempdir().unwrap(), Arc::<Keeper>::default());
    let engine = open(directory.path(), &host);
    let definition = machine(&json!({ "MaxConcurrency": 1 }), &task());
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    let executions: Vec<String> = (0..MAP_RUNS).map(|_| start(&engine, &json!(["a", "b", "c"]))).collect();
    for _ in 0..3 {
        engine.settle().unwrap();
        assert_eq!((host.kept(), engine.open_executions().len()), (MAP_RUNS, 2 * MAP_RUNS));
        assert_eq!(engine.scheduler.map_runs.threads(), THREADS_MAX);
        host.answer();
    }
    engine.settle().unwrap();
    for execution in &executions {
        assert_eq!(engine.describe_execution(execution).unwrap().output.as_deref(), Some("[1,1,1]"));
        assert_eq!(map_run(&engine, execution).item_counts.succeeded, 3);
    }
    engine.shutdown();
}

/// A hostile definition cannot have 10,000 children with 256 KiB each at once.
#[test]
fn children_with_large_inputs_run_a_few_at_a_time() {
    const BYTES: usize = 200_000;
    let (directory, host) = (tempfile::tempdir().unwrap(), Arc::<Keeper>::default());
    let engine = open(directory.path(), &host);
    let large = json!({ "ItemSelector": { "text": "{% $pad('', 199900, 'x') %}" } });
    let mut child = task();
    child["Arguments"]["Payload"] = json!(1);
    engine.put_state_machine("m", &machine(&large, &child).to_string(), None).unwrap();
    let execution = start(&engine, &json!((0..20).collect::<Vec<_>>()));
    engine.settle().unwrap();
    let at_once = RUNNING_INPUT_BYTES_MAX.div_ceil(BYTES);
    assert_eq!(host.kept(), at_once);
    while host.kept() > 0 {
        assert!(host.kept() <= at_once);
        host.answer();
        engine.settle().unwrap();
    }
    assert_eq!(engine.describe_execution(&execution).unwrap().status, Status::Succeeded);
    engine.shutdown();
}

/// A journal in which a Map Run has three children that run, the second of them damaged.
fn with_a_damaged_child(map: &Value) -> (tempfile::TempDir, String) {
    let (directory, host) = (tempfile::tempdir().unwrap(), Arc::<Keeper>::default());
    let engine = open(directory.path(), &host);
    engine.put_state_machine("m", &machine(map, &task()).to_string(), None).unwrap();
    let execution = start(&engine, &json!(["a", "b", "c"]));
    engine.settle().unwrap();
    assert_eq!(host.kept(), 3);
    engine.shutdown();
    damage(directory.path(), "map_number = 1");
    (directory, execution)
}

fn damage(directory: &Path, which: &str) {
    let database = Connection::open(directory.join(FILE)).unwrap();
    let sql = format!(
        "UPDATE segments SET records = zeroblob(40) WHERE execution_id = (SELECT id FROM executions WHERE {which})"
    );
    assert!(database.execute(&sql, []).unwrap() > 0);
}

#[test]
fn a_damaged_child_has_failed_and_its_map_run_ends() {
    let (directory, execution) = with_a_damaged_child(&json!({ "ToleratedFailureCount": 3 }));
    let host = Arc::<Keeper>::default();
    let engine = open(directory.path(), &host);
    assert_eq!(engine.left_out().len(), 1);
    engine.settle().unwrap();
    let counts = map_run(&engine, &execution).item_counts;
    assert_eq!((counts.running, counts.failed, counts.total), (0, 3, 3), "what ran has an unknown outcome");
    engine.shutdown();
}

/// Children whose attempts go on after a crash, beside one that is damaged.
fn retried() -> Value {
    let mut child = task();
    child["Retry"] = json!([{ "ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 3 }]);
    child
}

#[test]
fn a_damaged_child_counts_against_what_is_tolerated() {
    for (tolerated, status) in [(0, Status::Failed), (1, Status::Succeeded)] {
        let (directory, host) = (tempfile::tempdir().unwrap(), Arc::<Keeper>::default());
        let engine = open(directory.path(), &host);
        let definition = machine(&json!({ "ToleratedFailureCount": tolerated }), &retried());
        engine.put_state_machine("m", &definition.to_string(), None).unwrap();
        let execution = start(&engine, &json!(["a", "b", "c"]));
        engine.settle().unwrap();
        engine.shutdown();
        damage(directory.path(), "map_number = 1");

        let (host, clock) = (Arc::<Keeper>::default(), ManualClock::at(1_790_000_000_000));
        let options = EngineOptions::new(directory.path(), Arc::clone(&host) as Arc<dyn TaskHost>);
        let engine = Engine::open(EngineOptions { clock: Arc::new(clock.clone()), ..options }).unwrap();
        engine.settle().unwrap();
        while let Some(next) = engine.next_timer_millis() {
            clock.set_millis(next);
            engine.settle().unwrap();
            host.answer();
            engine.settle().unwrap();
        }
        let ended = engine.describe_execution(&execution).unwrap();
        assert_eq!(ended.status, status, "{tolerated} tolerated: {:?}", ended.cause);
        let counts = map_run(&engine, &execution).item_counts;
        assert_eq!((counts.running, counts.failed), (0, 1), "{tolerated} tolerated");
        engine.shutdown();

        // It is no open execution any more that could begin to run behind its Map Run.
        let engine = open(directory.path(), &Arc::default());
        assert_eq!((engine.left_out().len(), engine.open_executions().len()), (0, 0));
        engine.shutdown();
        let examination = examine(directory.path()).unwrap();
        assert_eq!(examination.findings.len(), 1, "the damage is still told: {examination:?}");
    }
}

#[test]
fn a_redrive_leaves_a_damaged_child_as_it_ended() {
    let (directory, host) = (tempfile::tempdir().unwrap(), Arc::<Keeper>::default());
    let engine = open(directory.path(), &host);
    let definition = machine(&json!({ "ToleratedFailureCount": 1 }), &task());
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    let execution = start(&engine, &json!(["fail", "fail", "c"]));
    engine.settle().unwrap();
    host.answer();
    engine.settle().unwrap();
    assert_eq!(engine.describe_execution(&execution).unwrap().status, Status::Failed);
    engine.shutdown();
    damage(directory.path(), "map_number = 1");

    let engine = open(directory.path(), &host);
    let request = RedriveExecution { execution_arn: execution.clone(), ..RedriveExecution::default() };
    engine.redrive_execution(&request).unwrap();
    engine.settle().unwrap();
    assert_eq!((host.kept(), engine.stopped()), (1, None), "the sound one is redriven");
    host.answer();
    engine.settle().unwrap();
    assert_eq!(engine.describe_execution(&execution).unwrap().status, Status::Failed, "both failed again");
    engine.shutdown();
}

/// Nobody knows whether the execution itself will be restored: its children are not aborted.
#[test]
fn the_map_run_of_a_damaged_execution_is_left_alone() {
    let (directory, host) = (tempfile::tempdir().unwrap(), Arc::<Keeper>::default());
    let engine = open(directory.path(), &host);
    engine.put_state_machine("m", &machine(&json!({}), &retried()).to_string(), None).unwrap();
    let execution = start(&engine, &json!(["a", "b", "c"]));
    engine.settle().unwrap();
    let run = map_run(&engine, &execution).map_run_arn;
    engine.shutdown();
    damage(directory.path(), "map_number IS NULL");
    let engine = open(directory.path(), &host);
    engine.settle().unwrap();
    assert_eq!(engine.left_out()[0].arn, execution);
    let run = engine.describe_map_run(&run).unwrap();
    assert_eq!((run.status, run.item_counts.running), (Status::Running, 3));
    assert_eq!(engine.open_executions().len(), 3);
    engine.shutdown();
}

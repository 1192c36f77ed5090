//! Map Runs on a real journal: crashes at every point, stops, updates,
//! datasets that change.

mod redrive;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::object_store::{GetObject, ListObjects, ListPage, MemoryStore, Object, ObjectError, ObjectStore};
use engine::{
    Completion, Crash, CrashPlan, Engine, EngineError, EngineOptions, ExecutionFilter, HistoryEvent,
    ManualClock, StartExecution, Status, TaskHost, TaskOutcome, TaskRequest, UpdateMapRun,
    lambda_invoke_result,
};
use serde_json::{Value, json};

const T0: i64 = 1_767_225_600_000;

/// Doubles numbers; keeps the calls it is told to keep.
#[derive(Default)]
struct Doubler {
    keeps: bool,
    kept: Mutex<Vec<(TaskRequest, Completion)>>,
    /// How often each number was asked for.
    calls: Mutex<BTreeMap<i64, u32>>,
}

impl Doubler {
    fn keeping() -> Arc<Self> {
        Arc::new(Self { keeps: true, ..Self::default() })
    }

    fn kept(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    /// Answers the calls that were kept so far.
    fn answer(&self) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        for (task, done) in kept {
            done.finish(doubled(&task));
        }
    }
}

fn doubled(task: &TaskRequest) -> TaskOutcome {
    match task.arguments["Payload"].as_i64() {
        Some(number) => TaskOutcome::Succeeded(lambda_invoke_result(&(2 * number).to_string())),
        None => TaskOutcome::Failed { error: "Not.ANumber".into(), cause: "because".into() },
    }
}

impl TaskHost for Doubler {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        let number = task.arguments["Payload"].as_i64().unwrap_or_default();
        *self.calls.lock().unwrap().entry(number).or_default() += 1;
        if self.keeps {
            self.kept.lock().unwrap().push((task, done));
        } else {
            done.finish(doubled(&task));
        }
    }
}

/// A Map over the lines of an object, whose children double a number.
fn machine(more: &Value) -> Value {
    let mut map = json!({
        "Type": "Map", "Label": "Each", "MaxConcurrency": 2, "End": true,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "JSONL" },
            "Arguments": { "Bucket": "in", "Key": "numbers" }
        },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Double", "States": { "Double": {
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": { "FunctionName": "double", "Payload": "{% $states.input %}" },
                "Output": "{% $states.result.Payload %}", "End": true,
                "Retry": [{ "ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 50, "BackoffRate": 1 }]
            } }
        }
    });
    for (key, value) in more.as_object().unwrap() {
        map[key] = value.clone();
    }
    json!({ "QueryLanguage": "JSONata", "StartAt": "Map", "States": { "Map": map } })
}

fn numbers(count: i64) -> MemoryStore {
    let store = MemoryStore::new();
    let lines: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    store.insert("in", "numbers", lines.join("\n"));
    store.create_bucket("out");
    store
}

struct Lab {
    directory: tempfile::TempDir,
    clock: ManualClock,
    store: MemoryStore,
}

impl Lab {
    fn new(store: MemoryStore) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: ManualClock::at(T0), store }
    }

    fn open(&self, host: &Arc<Doubler>, crash: Option<CrashPlan>) -> Result<Engine, EngineError> {
        Engine::open(EngineOptions {
            clock: Arc::new(self.clock.clone()),
            objects: Arc::new(self.store.clone()),
            crash,
            ..EngineOptions::new(self.path(), Arc::clone(host) as Arc<dyn TaskHost>)
        })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn start(&self, host: &Arc<Doubler>, definition: &Value) -> (Engine, String) {
        let engine = self.open(host, None).unwrap();
        engine.put_state_machine("m", &definition.to_string(), None).unwrap();
        let arn = engine.start_execution(named()).unwrap().execution_arn;
        engine.settle().unwrap();
        (engine, arn)
    }

    /// Lets the time pass until nothing waits for it any more.
    fn run_to_the_end(&self, engine: &Engine) {
        while engine.settle().is_ok() {
            let Some(next) = engine.next_timer_millis() else { return };
            self.clock.set_millis(next);
        }
    }
}

fn named() -> StartExecution {
    StartExecution { state_machine: "m".into(), name: Some("run".into()), ..StartExecution::default() }
}

fn children(engine: &Engine, map_run: &str, status: Option<Status>) -> usize {
    let filter = ExecutionFilter { map_run: Some(map_run.to_owned()), status, ..ExecutionFilter::default() };
    engine.list_executions(&filter).unwrap().len()
}

#[test]
fn a_map_run_from_start_to_end() {
    let lab = Lab::new(numbers(5));
    let (engine, arn) = lab.start(&Arc::default(), &machine(&json!({})));
    let ended = engine.wait(&arn).unwrap();
    assert_eq!((ended.status, ended.output.as_deref()), (Status::Succeeded, Some("[0,2,4,6,8]")));
    let types: Vec<_> = engine.execution_history(&arn, false, 0, None).unwrap();
    let types: Vec<_> = types.iter().map(HistoryEvent::event_type).collect();
    assert_eq!(
        types,
        [
            "ExecutionStarted",
            "MapStateEntered",
            "MapStateStarted",
            "MapRunStarted",
            "MapRunSucceeded",
            "MapStateSucceeded",
            "MapStateExited",
            "ExecutionSucceeded"
        ]
    );
    let runs = engine.list_map_runs(&arn).unwrap();
    assert_eq!(runs.len(), 1);
    let run = engine.describe_map_run(&runs[0].map_run_arn).unwrap();
    assert_eq!((run.status, run.max_concurrency, run.stop_millis), (Status::Succeeded, 2, Some(T0)));
    assert_eq!(
        (run.item_counts.total, run.item_counts.succeeded, run.item_counts.results_written),
        (5, 5, 5)
    );
    assert_eq!(run.execution_counts, run.item_counts);
    assert_eq!(run.state_machine_arn, "arn:aws:states:us-east-1:123456789012:stateMachine:m/Each");
    assert_eq!(children(&engine, &run.map_run_arn, Some(Status::Succeeded)), 5);
    assert_eq!(
        engine.list_executions(&ExecutionFilter::default()).unwrap().len(),
        1,
        "children are not listed"
    );
    let filter = ExecutionFilter { map_run: Some(run.map_run_arn.clone()), ..ExecutionFilter::default() };
    let child = engine.list_executions(&filter).unwrap().pop().unwrap();
    let child = engine.describe_execution(&child.execution_arn).unwrap();
    assert!(child.execution_arn.starts_with("arn:aws:states:us-east-1:123456789012:execution:m/Each:"));
    assert_eq!((child.input.as_str(), child.output.as_deref()), ("0", Some("0")));
    assert_eq!(child.map_run_arn, Some(run.map_run_arn));
    assert!(engine.execution_history(&child.execution_arn, false, 0, None).unwrap().len() > 4);
    assert!(matches!(engine.describe_map_run("arn:no"), Err(EngineError::MapRunDoesNotExist { .. })));
    engine.shutdown();
}

/// Crashes at a point, goes on, and looks whether all is as if there had been
/// no crash. Answers how many points there were.
fn crash_at(at: u64, definition: &Value, output: &Value) -> u64 {
    let lab = Lab::new(numbers(5));
    let host: Arc<Doubler> = Arc::default();
    let engine = lab.open(&host, Some(CrashPlan { at, how: Crash::Freeze })).unwrap();
    let put = engine.put_state_machine("m", &definition.to_string(), None);
    let started = put.and_then(|_| engine.start_execution(named()));
    if started.is_ok() {
        lab.run_to_the_end(&engine);
    }
    let passed = engine.crash_points_passed();
    engine.shutdown();
    let engine = lab.open(&host, None).unwrap();
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    let arn = match engine.start_execution(named()) {
        Ok(started) => started.execution_arn,
        // It had ended before the crash.
        Err(EngineError::ExecutionAlreadyExists { execution_arn }) => execution_arn,
        Err(error) => panic!("crash at {at}: {error}"),
    };
    lab.run_to_the_end(&engine);
    let ended = engine.wait(&arn).unwrap();
    assert_eq!(ended.status, Status::Succeeded, "crash at {at}: {:?} {:?}", ended.error, ended.cause);
    let result: Value = serde_json::from_str(ended.output.as_deref().unwrap()).unwrap();
    if !output.is_null() {
        assert_eq!(&result, output, "crash at {at}");
    }
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!((run.item_counts.total, run.item_counts.succeeded), (5, 5), "crash at {at}: {run:?}");
    assert_eq!((run.status, run.stop_millis), (ended.status, ended.stop_millis), "crash at {at}");
    let filter = ExecutionFilter { map_run: Some(run.map_run_arn), ..ExecutionFilter::default() };
    let children = engine.list_executions(&filter).unwrap();
    let inputs: Vec<String> =
        children.iter().map(|child| engine.describe_execution(&child.execution_arn).unwrap().input).collect();
    let distinct: BTreeSet<&String> = inputs.iter().collect();
    assert_eq!(distinct.len(), inputs.len(), "crash at {at}: no child is there twice");
    // A call may be repeated only because its outcome was lost.
    assert!(host.calls.lock().unwrap().values().all(|calls| (1..=2).contains(calls)), "crash at {at}");
    engine.shutdown();
    passed
}

#[test]
fn a_crash_at_any_point_loses_no_child_and_doubles_none() {
    let definition = machine(&json!({}));
    let output = json!([0, 2, 4, 6, 8]);
    let points = crash_at(u64::MAX, &definition, &output);
    assert!(points > 40, "{points}");
    for at in 1..=points {
        crash_at(at, &definition, &output);
    }
}

#[test]
fn a_crash_at_any_point_writes_the_results_once() {
    let definition = machine(&json!({
        "ResultWriter": { "Resource": "arn:aws:states:::s3:putObject", "Arguments": { "Bucket": "out" } }
    }));
    let points = crash_at(u64::MAX, &definition, &Value::Null);
    // The children are the same as without a writer: every third point will do.
    for at in (1..=points).step_by(3) {
        crash_at(at, &definition, &Value::Null);
    }
}

#[test]
fn limits_change_while_it_runs() {
    let lab = Lab::new(numbers(6));
    let host = Doubler::keeping();
    let (engine, arn) = lab.start(&host, &machine(&json!({ "MaxConcurrency": 1 })));
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!((host.kept(), run.item_counts.running, run.stop_millis), (1, 1, None));
    let update = UpdateMapRun { max_concurrency: Some(3), ..UpdateMapRun::default() };
    engine.update_map_run(&run.map_run_arn, update).unwrap();
    engine.settle().unwrap();
    assert_eq!(host.kept(), 3);
    engine.shutdown();
    // Another engine knows the change, and how many children there are.
    let host = Doubler::keeping();
    let engine = lab.open(&host, None).unwrap();
    engine.settle().unwrap();
    let described = engine.describe_map_run(&run.map_run_arn).unwrap();
    assert_eq!((described.max_concurrency, described.item_counts.running), (3, 3));
    for _ in 0..6 {
        lab.run_to_the_end(&engine);
        host.answer();
    }
    lab.run_to_the_end(&engine);
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some("[0,2,4,6,8,10]"));
    let late = engine.update_map_run(&run.map_run_arn, update);
    assert!(matches!(late, Err(EngineError::MapRunHasEnded { .. })));
    engine.shutdown();
}

#[test]
fn a_stop_aborts_the_map_run_and_its_children() {
    let lab = Lab::new(numbers(6));
    let (engine, arn) = lab.start(&Doubler::keeping(), &machine(&json!({})));
    engine.stop_execution(&arn, None, None).unwrap();
    engine.settle().unwrap();
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!((run.status, run.item_counts.aborted, run.item_counts.running), (Status::Aborted, 2, 0));
    assert_eq!(children(&engine, &run.map_run_arn, Some(Status::Aborted)), 2);
    assert!(engine.open_executions().is_empty());
    engine.shutdown();
}

#[test]
fn a_stop_and_a_crash_leave_no_orphans() {
    for at in 1..=16 {
        let lab = Lab::new(numbers(6));
        let (engine, arn) = lab.start(&Doubler::keeping(), &machine(&json!({})));
        engine.shutdown();
        let engine = lab.open(&Doubler::keeping(), Some(CrashPlan { at, how: Crash::Freeze }));
        // The engine may freeze while it opens.
        if let Ok(engine) = engine {
            let _ = engine.stop_execution(&arn, None, None);
            engine.shutdown();
        }
        let engine = lab.open(&Doubler::keeping(), None).unwrap();
        engine.stop_execution(&arn, None, None).unwrap();
        engine.settle().unwrap();
        let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
        assert_eq!((run.status, run.item_counts.aborted), (Status::Aborted, 2), "crash at {at}");
        assert!(engine.open_executions().is_empty(), "crash at {at}");
        engine.shutdown();
    }
}

#[test]
fn a_dataset_that_changes_is_not_read_on() {
    let lab = Lab::new(numbers(6));
    let (engine, arn) = lab.start(&Doubler::keeping(), &machine(&json!({})));
    engine.shutdown();
    lab.store.insert("in", "numbers", "7\n8\n9\n10\n");
    let engine = lab.open(&Arc::default(), None).unwrap();
    lab.run_to_the_end(&engine);
    let ended = engine.wait(&arn).unwrap();
    assert_eq!((ended.status, ended.error.as_deref()), (Status::Failed, Some("States.ItemReaderFailed")));
    assert!(
        ended.cause.unwrap().starts_with("S3://in/numbers has changed since the Map Run began to read it")
    );
    engine.shutdown();
}

/// A store that breaks down in the middle of an answer.
#[derive(Debug)]
struct Panicking;

impl ObjectStore for Panicking {
    fn get(&self, _: &GetObject) -> Result<Object, ObjectError> {
        panic!("the store broke down")
    }

    fn put(&self, _: &str, _: &str, _: &mut dyn std::io::Read) -> Result<String, ObjectError> {
        panic!("the store broke down")
    }

    fn list(&self, _: &ListObjects) -> Result<ListPage, ObjectError> {
        panic!("the store broke down")
    }
}

#[test]
fn a_map_run_that_cannot_go_on_stops_the_engine_and_not_for_ever() {
    let lab = Lab::new(numbers(2));
    let host = Arc::new(Doubler::default());
    let engine = Engine::open(EngineOptions {
        clock: Arc::new(lab.clock.clone()),
        objects: Arc::new(Panicking),
        ..EngineOptions::new(lab.path(), Arc::clone(&host) as Arc<dyn TaskHost>)
    })
    .unwrap();
    engine.put_state_machine("m", &machine(&json!({})).to_string(), None).unwrap();
    let arn = engine.start_execution(named()).unwrap().execution_arn;
    let stopped = engine.wait(&arn).unwrap_err().to_string();
    assert!(stopped.contains("its thread panicked"), "{stopped}");
    engine.shutdown();

    let engine = lab.open(&host, None).unwrap();
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some("[0,2]"));
    engine.shutdown();
}

#[test]
fn a_failure_aborts_the_other_children() {
    let lab = Lab::new(numbers(6));
    lab.store.insert("in", "numbers", "1\n\"x\"\n3\n4\n");
    let host = Doubler::keeping();
    let (engine, arn) = lab.start(&host, &machine(&json!({ "MaxConcurrency": 3 })));
    let (task, done) = host.kept.lock().unwrap().remove(1);
    done.finish(doubled(&task));
    engine.settle().unwrap();
    let ended = engine.wait(&arn).unwrap();
    assert_eq!(ended.error.as_deref(), Some("States.ExceedToleratedFailureThreshold"));
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!((run.status, run.item_counts.failed, run.item_counts.aborted), (Status::Failed, 1, 2));
    engine.shutdown();
}

#[test]
fn a_sibling_that_fails_aborts_the_map_run() {
    let lab = Lab::new(numbers(3));
    let map = machine(&json!({}))["States"]["Map"].clone();
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Both", "States": { "Both": {
        "Type": "Parallel", "End": true, "Branches": [
            { "StartAt": "Map", "States": { "Map": map } },
            { "StartAt": "Later", "States": {
                "Later": { "Type": "Wait", "Seconds": 5, "Next": "No" },
                "No": { "Type": "Fail", "Error": "E", "Cause": "c" }
            } }
        ]
    } } });
    let (engine, arn) = lab.start(&Doubler::keeping(), &definition);
    lab.run_to_the_end(&engine);
    assert_eq!(engine.wait(&arn).unwrap().error.as_deref(), Some("E"));
    let history = engine.execution_history(&arn, false, 0, None).unwrap();
    let types: Vec<_> = history.iter().map(HistoryEvent::event_type).collect();
    assert!(types.contains(&"MapRunAborted"), "{types:?}");
    engine.settle().unwrap();
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!((run.status, run.item_counts.aborted), (Status::Aborted, 2));
    engine.shutdown();
}

#[test]
#[ignore = "measures"]
fn pace_of_a_map_run() {
    const ITEMS: i64 = 20_000;
    let lab = Lab::new(numbers(ITEMS));
    let mut definition = machine(
        &json!({ "MaxConcurrency": 1000, "ItemSelector": "{% {'n': $states.context.Map.Item.Value} %}" }),
    );
    definition["States"]["Map"]["ItemProcessor"]["States"]["Double"] =
        json!({ "Type": "Pass", "Output": 1, "End": true });
    let begin = std::time::Instant::now();
    let (engine, arn) = lab.start(&Arc::default(), &definition);
    engine.wait(&arn).unwrap();
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!(run.item_counts.succeeded, 20_000);
    let seconds = begin.elapsed().as_secs_f64();
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    // Shown by `--no-capture`.
    std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("{ITEMS} children in {seconds:.2} s, {memory}\n").as_bytes(),
    )
    .unwrap();
    engine.shutdown();
}

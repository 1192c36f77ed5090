//! Map Runs on a real journal: crashes at every point, stops, updates,
//! datasets that change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::object_store::{GetObject, ListObjects, ListPage, MemoryStore, Object, ObjectError, ObjectStore};
use engine::{
    Completion, Crash, CrashPlan, Engine, EngineError, EngineOptions, ExecutionFilter, ExecutionSummary,
    HistoryEvent, ManualClock, RedriveExecution, RedriveStatus, Redriven, StartExecution, Status, TaskHost,
    TaskOutcome, TaskRequest, UpdateMapRun, lambda_invoke_result,
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

/// Doubles numbers; other items fail until it is healed.
#[derive(Default)]
struct Healing {
    is_healed: std::sync::atomic::AtomicBool,
    calls: Mutex<Vec<(String, String)>>,
}

impl Healing {
    fn heal(&self) {
        self.is_healed.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    fn calls_for(&self, payload: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|(_, asked)| asked == payload).count()
    }
}

impl TaskHost for Healing {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        let payload = task.arguments["Payload"].to_string();
        self.calls.lock().unwrap().push((task.state_name.clone(), payload));
        let is_healed = self.is_healed.load(std::sync::atomic::Ordering::SeqCst);
        done.finish(match task.arguments["Payload"].as_str() {
            Some(text) if is_healed => TaskOutcome::Succeeded(lambda_invoke_result(&json!(text).to_string())),
            _ => doubled(&task),
        });
    }
}

fn open_healing(lab: &Lab, host: &Arc<Healing>, crash: Option<CrashPlan>) -> Result<Engine, EngineError> {
    Engine::open(EngineOptions {
        clock: Arc::new(lab.clock.clone()),
        objects: Arc::new(lab.store.clone()),
        crash,
        ..EngineOptions::new(lab.path(), Arc::clone(host) as Arc<dyn TaskHost>)
    })
}

fn redrive(engine: &Engine, arn: &str) -> Result<Redriven, EngineError> {
    let request = RedriveExecution {
        execution_arn: arn.to_owned(),
        client_token: Some("once".to_owned()),
        reason: None,
    };
    engine.redrive_execution(&request)
}

fn list(engine: &Engine, map_run: &str, filter: ExecutionFilter) -> Vec<ExecutionSummary> {
    engine.list_executions(&ExecutionFilter { map_run: Some(map_run.to_owned()), ..filter }).unwrap()
}

fn last_types(engine: &Engine, arn: &str, count: usize) -> Vec<&'static str> {
    let mut history = engine.execution_history(arn, true, 0, Some(count)).unwrap();
    history.reverse();
    history.iter().map(HistoryEvent::event_type).collect()
}

/// Two tasks for each item; of the second the odd ones fail until the host is healed.
fn in_two_steps(execution_type: &str, more: &Value) -> Value {
    let mut definition = machine(more);
    let processor = &mut definition["States"]["Map"]["ItemProcessor"];
    processor["ProcessorConfig"]["ExecutionType"] = json!(execution_type);
    let mut double = processor["States"]["Double"].clone();
    let mut first = double.clone();
    first["Arguments"]["Payload"] = json!(1);
    first["Output"] = json!("{% $states.input %}");
    first["Next"] = json!("Double");
    first.as_object_mut().unwrap().shift_remove("End");
    double["End"] = json!(true);
    processor["StartAt"] = json!("First");
    processor["States"] = json!({ "First": first, "Double": double });
    definition
}

#[test]
fn a_redrive_goes_on_with_the_children_that_failed() {
    let lab = Lab::new(numbers(0));
    lab.store.insert("in", "numbers", "1\n\"x\"\n3\n\"y\"\n5\n");
    let host = Arc::new(Healing::default());
    let engine = open_healing(&lab, &host, None).unwrap();
    let definition = in_two_steps("STANDARD", &json!({ "MaxConcurrency": 1, "ToleratedFailureCount": 1 }));
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    let arn = engine.start_execution(named()).unwrap().execution_arn;
    lab.run_to_the_end(&engine);
    assert_eq!(engine.wait(&arn).unwrap().error.as_deref(), Some("States.ExceedToleratedFailureThreshold"));
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!((run.status, run.item_counts.failed, run.item_counts.total), (Status::Failed, 2, 4));
    let child = list(
        &engine,
        &run.map_run_arn,
        ExecutionFilter { status: Some(Status::Failed), ..ExecutionFilter::default() },
    );
    let described = engine.describe_execution(&child[0].execution_arn).unwrap();
    assert_eq!(engine.redrive_status(&described).unwrap(), RedriveStatus::RedrivableByMapRun);
    let alone = redrive(&engine, &child[0].execution_arn);
    assert!(matches!(alone, Err(EngineError::ChildNotRedrivable { .. })));

    host.heal();
    lab.clock.advance_millis(1_000);
    redrive(&engine, &arn).unwrap();
    lab.run_to_the_end(&engine);
    let ended = engine.wait(&arn).unwrap();
    assert_eq!((ended.status, ended.output.as_deref()), (Status::Succeeded, Some(r#"[2,"x",6,"y",10]"#)));
    assert_eq!(
        last_types(&engine, &arn, 7),
        [
            "ExecutionFailed",
            "ExecutionRedriven",
            "MapRunRedriven",
            "MapRunSucceeded",
            "MapStateSucceeded",
            "MapStateExited",
            "ExecutionSucceeded"
        ]
    );
    let history = engine.execution_history(&arn, false, 0, None).unwrap();
    let redriven = history.iter().find(|event| event.event_type() == "MapRunRedriven").unwrap();
    let redriven = serde_json::to_value(redriven).unwrap();
    assert_eq!(
        redriven["mapRunRedrivenEventDetails"],
        json!({ "mapRunArn": run.map_run_arn, "redriveCount": 1 })
    );
    let runs = engine.list_map_runs(&arn).unwrap();
    assert_eq!(runs.len(), 1, "it is the same Map Run");
    let run = &runs[0];
    assert_eq!((run.status, run.redrive_count, run.redrive_millis), (Status::Succeeded, 1, Some(T0 + 1_000)));
    assert_eq!((run.item_counts.succeeded, run.item_counts.failed, run.item_counts.total), (5, 0, 5));
    let redriven = |redriven| {
        list(
            &engine,
            &run.map_run_arn,
            ExecutionFilter { redriven: Some(redriven), ..ExecutionFilter::default() },
        )
    };
    assert_eq!((redriven(true).len(), redriven(false).len()), (2, 3));
    assert!(
        redriven(true)
            .iter()
            .all(|child| (child.redrive_count, child.redrive_millis) == (1, Some(T0 + 1_000)))
    );
    // The first task of a child that failed in its second did not run again.
    assert_eq!(host.calls.lock().unwrap().iter().filter(|(state, _)| state == "First").count(), 5);
    assert_eq!((host.calls_for("\"x\""), host.calls_for("\"y\""), host.calls_for("3")), (2, 2, 1));
    engine.shutdown();
}

#[test]
fn express_children_start_again() {
    let lab = Lab::new(numbers(0));
    lab.store.insert("in", "numbers", "2\n\"x\"\n");
    let host = Arc::new(Healing::default());
    let engine = open_healing(&lab, &host, None).unwrap();
    let definition = in_two_steps("EXPRESS", &json!({ "MaxConcurrency": 1 }));
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    let arn = engine.start_execution(named()).unwrap().execution_arn;
    lab.run_to_the_end(&engine);
    let map_run = engine.list_map_runs(&arn).unwrap().pop().unwrap().map_run_arn;
    let before: BTreeSet<_> = list(&engine, &map_run, ExecutionFilter::default())
        .into_iter()
        .map(|child| child.execution_arn)
        .collect();
    host.heal();
    // However long ago that was.
    lab.clock.advance_millis(13 * 86_400_000);
    redrive(&engine, &arn).unwrap();
    lab.run_to_the_end(&engine);
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some(r#"[4,"x"]"#));
    let after = list(&engine, &map_run, ExecutionFilter::default());
    assert!(after.iter().all(|child| child.redrive_count == 0 && child.redrive_millis.is_none()));
    assert_eq!(after.into_iter().map(|child| child.execution_arn).collect::<BTreeSet<_>>(), before);
    assert_eq!(host.calls.lock().unwrap().iter().filter(|(state, _)| state == "First").count(), 3);
    engine.shutdown();
}

#[test]
fn children_wait_for_their_redrive() {
    let lab = Lab::new(numbers(3));
    let host = Doubler::keeping();
    let (engine, arn) = lab.start(&host, &machine(&json!({ "MaxConcurrency": 3 })));
    let map_run = engine.list_map_runs(&arn).unwrap().pop().unwrap().map_run_arn;
    let one = UpdateMapRun { max_concurrency: Some(1), ..UpdateMapRun::default() };
    engine.update_map_run(&map_run, one).unwrap();
    engine.stop_execution(&arn, None, None).unwrap();
    // Before all its children are cancelled, perhaps: the redrive waits for that.
    redrive(&engine, &arn).unwrap();
    engine.settle().unwrap();
    let run = engine.describe_map_run(&map_run).unwrap();
    assert_eq!(
        (run.status, run.item_counts.running, run.item_counts.pending_redrive),
        (Status::Running, 1, 2)
    );
    assert_eq!((run.execution_counts, run.item_counts.total), (run.item_counts, 3));
    let pending = ExecutionFilter { status: Some(Status::PendingRedrive), ..ExecutionFilter::default() };
    let pending = list(&engine, &map_run, pending);
    assert_eq!((pending.len(), pending[0].status), (2, Status::PendingRedrive));
    assert_eq!(children(&engine, &map_run, Some(Status::Aborted)), 0);
    // Another engine goes on with those that wait.
    engine.shutdown();
    let host = Doubler::keeping();
    let engine = lab.open(&host, None).unwrap();
    for _ in 0..6 {
        lab.run_to_the_end(&engine);
        host.answer();
    }
    lab.run_to_the_end(&engine);
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some("[0,2,4]"));
    engine.shutdown();
}

#[test]
fn those_that_still_wait_when_it_fails_keep_their_ends() {
    let lab = Lab::new(numbers(3));
    let host = Doubler::keeping();
    let (engine, arn) = lab.start(&host, &machine(&json!({ "MaxConcurrency": 3 })));
    let map_run = engine.list_map_runs(&arn).unwrap().pop().unwrap().map_run_arn;
    let one = UpdateMapRun { max_concurrency: Some(1), ..UpdateMapRun::default() };
    engine.update_map_run(&map_run, one).unwrap();
    engine.stop_execution(&arn, None, None).unwrap();
    redrive(&engine, &arn).unwrap();
    engine.settle().unwrap();
    engine.stop_execution(&arn, None, None).unwrap();
    engine.settle().unwrap();
    let run = engine.describe_map_run(&map_run).unwrap();
    assert_eq!(
        (run.status, run.item_counts.aborted, run.item_counts.pending_redrive),
        (Status::Aborted, 3, 0)
    );
    assert!(engine.open_executions().is_empty());
    engine.shutdown();
}

#[test]
fn a_map_run_that_never_had_a_child_reads_its_items_anew() {
    let lab = Lab::new(MemoryStore::new());
    let (engine, arn) = lab.start(&Arc::default(), &machine(&json!({})));
    assert_eq!(engine.wait(&arn).unwrap().error.as_deref(), Some("States.ItemReaderFailed"));
    lab.store.insert("in", "numbers", "4\n5\n");
    redrive(&engine, &arn).unwrap();
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some("[8,10]"));
    engine.shutdown();
}

#[test]
fn results_are_written_when_they_can_be() {
    let lab = Lab::new(numbers(2));
    let definition = machine(&json!({
        "ResultWriter": { "Resource": "arn:aws:states:::s3:putObject", "Arguments": { "Bucket": "later" } }
    }));
    let host: Arc<Doubler> = Arc::default();
    let (engine, arn) = lab.start(&host, &definition);
    assert_eq!(engine.wait(&arn).unwrap().error.as_deref(), Some("States.ResultWriterFailed"));
    lab.store.create_bucket("later");
    // All items were taken: nobody reads them again.
    lab.store.insert("in", "numbers", "changed");
    redrive(&engine, &arn).unwrap();
    assert_eq!(engine.wait(&arn).unwrap().status, Status::Succeeded);
    assert!(host.calls.lock().unwrap().values().all(|calls| *calls == 1));
    engine.shutdown();
}

#[test]
fn another_map_run_when_data_was_too_large() {
    let lab = Lab::new(numbers(3));
    let mut definition = machine(&json!({}));
    definition["States"]["Map"]["ItemProcessor"]["States"]["Double"] = json!({
        "Type": "Pass", "End": true,
        "Output": "{% $states.context.Execution.RedriveCount = 0 ? $pad('', 100000, 'x') : 'small' %}"
    });
    let host: Arc<Doubler> = Arc::default();
    let (engine, arn) = lab.start(&host, &definition);
    assert_eq!(engine.wait(&arn).unwrap().error.as_deref(), Some("States.DataLimitExceeded"));
    redrive(&engine, &arn).unwrap();
    engine.wait(&arn).unwrap();
    let runs = engine.list_map_runs(&arn).unwrap();
    assert_eq!(runs.len(), 2);
    assert_ne!(runs[0].map_run_arn, runs[1].map_run_arn);
    assert!(runs.iter().all(|run| run.redrive_count == 0));
    let started = engine.execution_history(&arn, false, 0, None).unwrap();
    let started = started.iter().filter(|event| event.event_type() == "MapRunStarted").count();
    assert_eq!(started, 2);
    engine.shutdown();
}

#[test]
fn a_child_that_failed_too_long_ago_counts_as_failed() {
    let lab = Lab::new(numbers(0));
    lab.store.insert("in", "numbers", "\"early\"\n\"late\"\n");
    let host = Arc::new(Healing::default());
    let engine = open_healing(&lab, &host, None).unwrap();
    let mut definition = machine(&json!({ "MaxConcurrency": 2, "ToleratedFailureCount": 1 }));
    let processor = &mut definition["States"]["Map"]["ItemProcessor"];
    processor["StartAt"] = json!("Wait");
    processor["States"]["Wait"] = json!({
        "Type": "Wait", "Seconds": "{% $states.input = 'late' ? 86400 * 10 : 1 %}", "Next": "Double"
    });
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    let arn = engine.start_execution(named()).unwrap().execution_arn;
    lab.run_to_the_end(&engine);
    let map_run = engine.list_map_runs(&arn).unwrap().pop().unwrap().map_run_arn;
    let counts = || engine.describe_map_run(&map_run).unwrap().item_counts;
    assert_eq!((counts().failed, counts().failures_not_redrivable), (2, 0));
    lab.clock.advance_millis(5 * 86_400_000);
    assert_eq!((counts().failed, counts().failures_not_redrivable), (2, 1), "15 days after the first one");
    host.heal();
    redrive(&engine, &arn).unwrap();
    lab.run_to_the_end(&engine);
    let ended = engine.wait(&arn).unwrap();
    assert_eq!(ended.status, Status::Succeeded, "one failure is tolerated");
    assert_eq!((counts().succeeded, counts().failed, counts().failures_not_redrivable), (1, 1, 1));
    engine.shutdown();
}

/// Fails, is redriven and ends, with a crash at a point. Answers how many points there were.
fn crash_in_redrive(at: u64) -> u64 {
    let lab = Lab::new(numbers(0));
    lab.store.insert("in", "numbers", "1\n\"x\"\n3\n");
    let host = Arc::new(Healing::default());
    let definition = machine(&json!({ "MaxConcurrency": 2 })).to_string();
    let begin = |crash| -> Result<(Engine, String), EngineError> {
        let engine = open_healing(&lab, &host, crash)?;
        let put = engine.put_state_machine("m", &definition, None);
        let arn = match put.and_then(|_| engine.start_execution(named())) {
            Ok(started) => started.execution_arn,
            Err(EngineError::ExecutionAlreadyExists { execution_arn }) => execution_arn,
            Err(error) => {
                engine.shutdown();
                return Err(error);
            }
        };
        lab.run_to_the_end(&engine);
        Ok((engine, arn))
    };
    let mut points = 0;
    let mut acknowledged = None;
    if let Ok((engine, arn)) = begin(Some(CrashPlan { at, how: Crash::Freeze })) {
        host.heal();
        acknowledged = redrive(&engine, &arn).ok();
        lab.run_to_the_end(&engine);
        points = engine.crash_points_passed();
        engine.shutdown();
    }
    let (engine, arn) = begin(None).unwrap();
    host.heal();
    let ended = engine.wait(&arn).unwrap();
    if acknowledged.is_some() {
        assert_eq!((ended.status, ended.redrive_count), (Status::Succeeded, 1), "crash at {at}");
    }
    if ended.status != Status::Succeeded {
        redrive(&engine, &arn).unwrap();
        lab.run_to_the_end(&engine);
    }
    let ended = engine.wait(&arn).unwrap();
    assert_eq!(ended.output.as_deref(), Some(r#"[2,"x",6]"#), "crash at {at}: {:?}", ended.cause);
    let run = engine.list_map_runs(&arn).unwrap().pop().unwrap();
    assert_eq!(
        (run.status, run.item_counts.succeeded, run.item_counts.total),
        (Status::Succeeded, 3, 3),
        "crash at {at}"
    );
    assert!(run.redrive_count <= 1, "crash at {at}");
    assert_eq!(children(&engine, &run.map_run_arn, None), 3, "crash at {at}");
    assert!(engine.open_executions().is_empty(), "crash at {at}");
    engine.shutdown();
    points
}

#[test]
fn a_crash_at_any_point_of_a_redrive_loses_no_child_and_doubles_none() {
    let points = crash_in_redrive(u64::MAX);
    assert!(points > 40, "{points}");
    for at in 1..=points {
        crash_in_redrive(at);
    }
}

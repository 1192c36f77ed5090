//! Map Runs whose execution is redriven.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use engine::object_store::MemoryStore;
use engine::{
    Completion, Crash, CrashPlan, Engine, EngineError, EngineOptions, ExecutionFilter, ExecutionSummary,
    HistoryEvent, RedriveExecution, RedriveStatus, Redriven, Status, TaskHost, TaskOutcome, TaskRequest,
    UpdateMapRun, lambda_invoke_result,
};
use serde_json::{Value, json};

use super::{Doubler, Lab, T0, children, doubled, machine, named, numbers};

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

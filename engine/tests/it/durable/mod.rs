//! The engine on a real journal: with a clock that stands still and a task
//! host in the process, so that nothing sleeps.

mod crash;
mod redrive;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use engine::{
    Completion, CrashPlan, Engine, EngineError, EngineOptions, ExecutionFilter, ManualClock, StartExecution,
    Status, TaskHost, TaskKey, TaskOutcome, TaskRequest, lambda_invoke_result,
};
use serde_json::{Value, json};

/// Answers at once, or keeps what it cannot answer.
#[derive(Default)]
struct Host {
    answers: Mutex<Vec<(String, TaskOutcome)>>,
    kept: Mutex<Vec<(TaskRequest, Completion)>>,
    invoked: Mutex<Vec<TaskKey>>,
    cancelled: Mutex<Vec<TaskKey>>,
    resumed: Mutex<Vec<(TaskRequest, Value, Completion)>>,
    /// Gives every job up at once that it is to go on with.
    forgets_jobs: bool,
    /// A journal in which the cause of every call has to be when the call comes.
    journal: Option<PathBuf>,
    /// Calls that came before that.
    early: Mutex<Vec<TaskKey>>,
}

impl Host {
    /// Looks from outside: another connection sees what is committed, and nothing else.
    fn is_journalled(directory: &Path, key: &TaskKey) -> bool {
        let reader = Engine::open_read_only(directory).unwrap();
        let history = reader.execution_history(&key.execution_arn).unwrap().unwrap_or_default();
        history.iter().any(|event| event.id == key.event_id && event.event_type() == "TaskScheduled")
    }

    fn answering(answers: &[(&str, TaskOutcome)]) -> Arc<Self> {
        let answers = answers.iter().map(|(state, outcome)| ((*state).to_owned(), outcome.clone())).collect();
        Arc::new(Self { answers: Mutex::new(answers), ..Self::default() })
    }
}

impl TaskHost for Host {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        self.invoked.lock().unwrap().push(task.key.clone());
        if let Some(journal) = &self.journal
            && !Self::is_journalled(journal, &task.key)
        {
            self.early.lock().unwrap().push(task.key.clone());
        }
        let answer = self
            .answers
            .lock()
            .unwrap()
            .iter()
            .find(|(state, _)| *state == task.state_name)
            .map(|(_, outcome)| outcome.clone());
        match answer {
            Some(outcome) => done.finish(outcome),
            None => self.kept.lock().unwrap().push((task, done)),
        }
    }

    fn resume(&self, task: TaskRequest, submission: Value, done: Completion) {
        if !self.forgets_jobs {
            self.resumed.lock().unwrap().push((task, submission, done));
        }
    }

    fn cancel(&self, task: &TaskKey) {
        self.cancelled.lock().unwrap().push(task.clone());
    }
}

const T0: i64 = 1_767_225_600_000;

fn returned(payload: &Value) -> TaskOutcome {
    TaskOutcome::Succeeded(lambda_invoke_result(&payload.to_string()))
}

fn failed(error: &str) -> TaskOutcome {
    TaskOutcome::Failed { error: error.to_owned(), cause: "because".to_owned() }
}

fn definition(states: &Value, start_at: &str) -> String {
    json!({ "QueryLanguage": "JSONata", "StartAt": start_at, "States": states }).to_string()
}

fn task(name: &str, more: &Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": name, "Payload": "{% $states.input %}" },
        "Output": "{% $states.result.Payload %}",
        "Retry": [{ "ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 50, "BackoffRate": 1 }]
    });
    for (key, value) in more.as_object().unwrap() {
        state[key] = value.clone();
    }
    state
}

/// A chain of two tasks with a wait of an hour between them.
fn chain() -> String {
    let states = json!({
        "A": task("a", &json!({ "Next": "W" })),
        "W": { "Type": "Wait", "Seconds": 3600, "Next": "B" },
        "B": task("b", &json!({ "End": true }))
    });
    definition(&states, "A")
}

fn open(
    directory: &Path,
    clock: &ManualClock,
    host: &Arc<Host>,
    crash: Option<CrashPlan>,
) -> Result<Engine, EngineError> {
    Engine::open(EngineOptions {
        clock: Arc::new(clock.clone()),
        crash,
        ..EngineOptions::new(directory, Arc::clone(host) as Arc<dyn TaskHost>)
    })
}

fn named(name: &str, input: &str) -> StartExecution {
    StartExecution {
        state_machine: "m".into(),
        name: Some(name.into()),
        input: input.into(),
        ..StartExecution::default()
    }
}

/// Jumps from timer to timer until nothing is left to do.
fn run_to_the_end(engine: &Engine, clock: &ManualClock) {
    while engine.settle().is_ok() {
        let Some(due) = engine.next_timer_millis() else { break };
        clock.set_millis(due);
    }
}

#[test]
fn an_execution_from_start_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[("A", returned(&json!(1))), ("B", returned(&json!(2)))]);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    let notices = engine.subscribe();
    let put = engine.put_state_machine("m", &chain(), None).unwrap();
    assert_eq!(put.state_machine_arn, "arn:aws:states:us-east-1:123456789012:stateMachine:m");
    let started = engine.start_execution(named("run", r#"{"n": 1}"#)).unwrap();
    assert_eq!(started.start_millis, T0);
    engine.settle().unwrap();
    let open_now = engine.open_executions();
    assert_eq!(open_now, [(started.execution_arn.clone(), vec!["W".to_owned()])]);
    assert_eq!(engine.describe_execution(&started.execution_arn).unwrap().status, Status::Running);
    assert_eq!(engine.next_timer_millis(), Some(T0 + 3_600_000));

    clock.advance_millis(3_600_000);
    let ended = engine.wait(&started.execution_arn).unwrap();
    assert_eq!(ended.status, Status::Succeeded);
    assert_eq!((ended.input.as_str(), ended.output.as_deref()), (r#"{"n": 1}"#, Some("2")));
    assert_eq!(ended.stop_millis, Some(T0 + 3_600_000));
    let history = engine.execution_history(&started.execution_arn, false, 0, None).unwrap();
    assert!(host.cancelled.lock().unwrap().is_empty(), "a task that has ended is not cancelled");
    let heard: Vec<_> = notices.try_iter().map(|notice| notice.event).collect();
    assert_eq!(heard, history);
    let last = engine.execution_history(&started.execution_arn, true, 0, Some(2)).unwrap();
    assert_eq!(last.iter().map(|event| event.id).collect::<Vec<_>>(), [14, 13]);
    let event = serde_json::to_value(&history[2]).unwrap();
    assert_eq!(
        event,
        json!({
            "timestamp": 1_767_225_600.0, "type": "TaskScheduled", "id": 3, "previousEventId": 2,
            "taskScheduledEventDetails": {
                "resourceType": "lambda", "resource": "invoke", "region": "us-east-1",
                "parameters": r#"{"FunctionName":"a","Payload":{"n":1}}"#
            }
        })
    );
    engine.shutdown();
}

#[test]
fn names_are_idempotent_while_the_execution_runs() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[("A", returned(&json!(1))), ("B", failed("E"))]);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let first = engine.start_execution(named("x", r#"{"a":1}"#)).unwrap();
    assert_eq!(engine.start_execution(named("x", r#"{ "a": 1 }"#)).unwrap(), first);
    let exists = |input: &str| {
        matches!(engine.start_execution(named("x", input)), Err(EngineError::ExecutionAlreadyExists { .. }))
    };
    assert!(exists(r#"{"a":2}"#));
    clock.advance_millis(3_600_000);
    let ended = engine.wait(&first.execution_arn).unwrap();
    assert_eq!((ended.status, ended.error.as_deref()), (Status::Failed, Some("E")));
    assert!(exists(r#"{"a":1}"#), "after its end the name stays taken");
    let unnamed = StartExecution { state_machine: "m".into(), ..StartExecution::default() };
    let arn = engine.start_execution(unnamed).unwrap().execution_arn;
    assert_eq!(engine.describe_execution(&arn).unwrap().input, "{}");
    engine.shutdown();
}

#[test]
fn what_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path(), &ManualClock::at(T0), &Host::answering(&[]), None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let start = |request| engine.start_execution(request).unwrap_err().to_string();
    assert!(start(named("a b", "")).contains("is not valid"));
    assert!(start(named(&"x".repeat(81), "")).contains("1 to 80 characters"));
    assert!(start(named("x", "{")).contains("it is not JSON"));
    let large = Value::String("x".repeat(262_143)).to_string();
    assert_eq!(
        start(named("x", &large)),
        "the input of the execution is refused: it has 262145 bytes, the limit is 262,144"
    );
    let other = StartExecution { state_machine: "other".into(), ..StartExecution::default() };
    assert!(start(other).contains("'other' does not exist"));
    assert!(matches!(engine.put_state_machine("m", "{}", None), Err(EngineError::InvalidDefinition { .. })));
    let unknown = "arn:aws:states:us-east-1:123456789012:execution:m:none";
    assert!(matches!(engine.wait(unknown), Err(EngineError::ExecutionDoesNotExist { .. })));
    assert!(matches!(engine.describe_execution("nonsense"), Err(EngineError::ExecutionDoesNotExist { .. })));
    engine.shutdown();
}

#[test]
fn running_executions_keep_their_definition() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[("A", returned(&json!(1))), ("B", returned(&json!("old")))]);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    let old = chain();
    assert_eq!(engine.put_state_machine("m", &old, None).unwrap().revision, 1);
    assert!(!engine.put_state_machine("m", &old, None).unwrap().changed);
    let first = engine.start_execution(named("first", "")).unwrap().execution_arn;
    let new = definition(&json!({ "P": { "Type": "Pass", "Output": "new", "End": true } }), "P");
    let put = engine.put_state_machine("m", &new, Some("arn:aws:iam::123456789012:role/r")).unwrap();
    assert_eq!((put.revision, put.changed), (2, true));
    let second = engine.start_execution(named("second", "")).unwrap().execution_arn;
    engine.settle().unwrap();
    engine.shutdown();

    let engine = open(directory.path(), &clock, &host, None).unwrap();
    assert_eq!(engine.definition_of(&first).unwrap(), old);
    assert_eq!(engine.state_machines().unwrap()[0].definition, new);
    assert_eq!(engine.wait(&second).unwrap().output.as_deref(), Some(r#""new""#));
    clock.advance_millis(3_600_000);
    assert_eq!(engine.wait(&first).unwrap().output.as_deref(), Some(r#""old""#));
    let of_machine =
        |status| ExecutionFilter { state_machine: Some("m".into()), status, ..ExecutionFilter::default() };
    let names = |filter: &ExecutionFilter| {
        engine.list_executions(filter).unwrap().into_iter().map(|summary| summary.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&of_machine(None)), ["second", "first"]);
    assert_eq!(names(&of_machine(Some(Status::Running))), [""; 0]);
    assert_eq!(
        names(&ExecutionFilter { limit: Some(1), offset: 1, ..of_machine(Some(Status::Succeeded)) }),
        ["first"]
    );
    engine.shutdown();
}

#[test]
fn a_stop_cancels_what_runs() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::answering(&[]);
    let engine = open(directory.path(), &ManualClock::at(T0), &host, None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
    engine.settle().unwrap();
    let stopped = engine.stop_execution(&arn, Some("Operator".into()), Some("enough".into())).unwrap();
    assert_eq!(stopped, T0);
    assert_eq!(engine.stop_execution(&arn, None, None).unwrap(), T0, "once more is fine");
    let described = engine.describe_execution(&arn).unwrap();
    assert_eq!((described.status, described.cause.as_deref()), (Status::Aborted, Some("enough")));
    engine.settle().unwrap();
    assert_eq!(*host.cancelled.lock().unwrap(), *host.invoked.lock().unwrap());
    let (_, late) = host.kept.lock().unwrap().pop().unwrap();
    late.finish(returned(&json!(1)));
    engine.settle().unwrap();
    assert_eq!(engine.describe_execution(&arn).unwrap().status, Status::Aborted);
    engine.shutdown();
}

#[test]
fn outcomes_come_from_any_thread_and_a_dropped_one_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[("B", returned(&json!(2)))]);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
    engine.settle().unwrap();
    drop(host.kept.lock().unwrap().pop().unwrap());
    engine.settle().unwrap();
    let retry_at = engine.next_timer_millis().unwrap();
    clock.set_millis(retry_at);
    engine.settle().unwrap();
    let (task, done) = host.kept.lock().unwrap().pop().unwrap();
    assert_eq!(task.attempt, 1);
    std::thread::spawn(move || done.finish(returned(&json!(1)))).join().unwrap();
    engine.settle().unwrap();
    clock.advance_millis(3_600_000);
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some("2"));
    engine.shutdown();
}

#[test]
fn recovery_fails_attempts_of_unknown_outcome_and_keeps_timers() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let silent = Host::answering(&[]);
    let engine = open(directory.path(), &clock, &silent, None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
    engine.settle().unwrap();
    engine.shutdown();

    // The clock of the next process is behind: the engine's time is not.
    clock.set_millis(T0 - 1_000_000);
    let host = Host::answering(&[("A", returned(&json!(1))), ("B", returned(&json!(2)))]);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.settle().unwrap();
    assert_eq!(host.invoked.lock().unwrap().len(), 0, "never silently run again");
    let history = engine.execution_history(&arn, false, 0, None).unwrap();
    let unknown = history.last().unwrap();
    assert_eq!((unknown.event_type(), unknown.error()), ("TaskFailed", Some("Lambda.ServiceException")));
    assert_eq!(unknown.timestamp_millis, T0);
    assert_eq!(engine.next_timer_millis(), Some(T0 + 1_000), "Retry decides");
    run_to_the_end(&engine, &clock);
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some("2"));
    engine.shutdown();
}

#[test]
fn many_executions_wait_without_threads_and_survive() {
    const COUNT: usize = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[("A", returned(&json!(1))), ("B", returned(&json!(2)))]);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..COUNT / 8 {
                    engine
                        .start_execution(StartExecution {
                            state_machine: "m".into(),
                            ..StartExecution::default()
                        })
                        .unwrap();
                }
            });
        }
    });
    engine.settle().unwrap();
    assert_eq!(engine.open_executions().len(), COUNT);
    engine.shutdown();
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    assert_eq!(engine.open_executions().len(), COUNT);
    clock.advance_millis(3_600_000);
    for (arn, _) in engine.open_executions() {
        assert_eq!(engine.wait(&arn).unwrap().status, Status::Succeeded);
    }
    assert_eq!(host.invoked.lock().unwrap().len(), 2 * COUNT);
    engine.shutdown();
}

#[test]
fn reading_beside_a_running_engine() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::answering(&[("A", returned(&json!(1)))]);
    let engine = open(directory.path(), &ManualClock::at(T0), &host, None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let reader = Engine::open_read_only(directory.path()).unwrap();
    assert_eq!(reader.list_executions(&ExecutionFilter::default()).unwrap(), []);
    let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
    assert_eq!(reader.describe_execution(&arn).unwrap().unwrap().status, Status::Running);
    engine.settle().unwrap();
    let seen = reader.execution_history(&arn).unwrap().unwrap();
    assert_eq!(seen, engine.execution_history(&arn, false, 0, None).unwrap());
    engine.shutdown();
    assert_eq!(
        Engine::open_read_only(directory.path()).unwrap().state_machine("m").unwrap().unwrap().revision,
        1
    );
}

/// Keeps every task, and the writer in each call until it is told to go on.
struct Gate {
    kept: Mutex<Vec<Completion>>,
    entered: SyncSender<()>,
    leave: Mutex<Receiver<()>>,
}

impl TaskHost for Gate {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        self.kept.lock().unwrap().push(done);
        self.entered.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
    }
}

#[test]
fn a_subscriber_hears_what_is_on_its_way_to_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let ((entered, arrivals), (go_on, leave)) = (sync_channel(2), sync_channel(2));
    let gate = Arc::new(Gate { kept: Mutex::default(), entered, leave: Mutex::new(leave) });
    let engine = Engine::open(EngineOptions {
        clock: Arc::new(ManualClock::at(T0)),
        ..EngineOptions::new(directory.path(), Arc::clone(&gate) as Arc<dyn TaskHost>)
    })
    .unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let first = engine.start_execution(named("first", "")).unwrap().execution_arn;
    arrivals.recv().unwrap();
    go_on.send(()).unwrap();
    engine.start_execution(named("second", "")).unwrap();
    arrivals.recv().unwrap();

    // The writer is busy with the second: what the first does now waits for it.
    let done = gate.kept.lock().unwrap().remove(0);
    done.finish(returned(&json!(1)));
    let notices = engine.subscribe();
    let before = engine.execution_history(&first, false, 0, None).unwrap();
    go_on.send(()).unwrap();
    engine.settle().unwrap();
    let heard: Vec<_> = notices.try_iter().map(|notice| notice.event).collect();
    let after = engine.execution_history(&first, false, 0, None).unwrap();
    assert!(after.len() > before.len());
    assert_eq!(heard, after[before.len()..]);

    let other = engine.clone();
    engine.shutdown();
    assert!(notices.recv().is_err(), "the end of the engine ends the channel");
    assert!(other.subscribe().recv().is_err(), "a stopped engine has no subscribers");
}

#[test]
fn a_journal_that_fails_stops_the_engine_and_is_not_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[("A", returned(&json!(1)))]);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.put_state_machine("m", &chain(), None).unwrap();
    let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
    engine.settle().unwrap();
    let database = rusqlite::Connection::open(directory.path().join("journal.db")).unwrap();
    database.execute_batch("ALTER TABLE segments RENAME TO hidden").unwrap();
    let invoked = host.invoked.lock().unwrap().len();
    let refused = engine.start_execution(named("y", "")).unwrap_err();
    assert!(refused.to_string().contains("no such table"), "who asked is told why: {refused}");
    assert!(matches!(engine.wait(&arn), Err(EngineError::Stopped { .. })), "who waits is told");
    database.execute_batch("ALTER TABLE hidden RENAME TO segments").unwrap();
    assert!(
        matches!(engine.start_execution(named("y", "")), Err(EngineError::Stopped { .. })),
        "not tried again"
    );
    assert!(engine.stopped().unwrap().contains("no such table"), "{:?}", engine.stopped());
    assert_eq!(host.invoked.lock().unwrap().len(), invoked, "no effect of what did not become durable");
    engine.shutdown();
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    assert_eq!(engine.open_executions().len(), 1);
    engine.shutdown();
}

/// Prints what a transition costs here. Judged by no limit: machines differ.
#[test]
#[ignore = "measures, does not judge: run with --run-ignored and --no-capture"]
fn pace_of_a_chain_and_of_a_map() {
    let pass = |next: usize| json!({ "Type": "Pass", "Next": format!("S{next}") });
    let mut states: serde_json::Map<String, Value> = (0..9).map(|n| (format!("S{n}"), pass(n + 1))).collect();
    states.insert("S9".into(), json!({ "Type": "Pass", "End": true }));
    let chain = definition(&Value::Object(states), "S0");
    let inner = json!({ "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } });
    let map =
        json!({ "M": { "Type": "Map", "Items": "{% [1..100] %}", "ItemProcessor": inner, "End": true } });
    for (name, text, transitions, count) in
        [("chain", chain, 10, 4_000), ("map", definition(&map, "M"), 101, 800)]
    {
        let directory = tempfile::tempdir().unwrap();
        let options = EngineOptions::new(directory.path(), Host::answering(&[]) as Arc<dyn TaskHost>);
        let engine = Engine::open(options).unwrap();
        engine.put_state_machine("m", &text, None).unwrap();
        let start = std::time::Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..count / 16 {
                        let request =
                            StartExecution { state_machine: "m".into(), ..StartExecution::default() };
                        engine.start_execution(request).unwrap();
                    }
                });
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}: {:.0} transitions/s, durable", f64::from(transitions * count) / seconds);
        engine.shutdown();
    }
}

//! Overload: a writer that stands still.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::lock;
use crate::journal::Message;
use crate::registry::CreateActivity;
use crate::{
    Completion, Engine, EngineError, EngineOptions, HistoryEvent, Observed, Observer, RedriveExecution,
    StartExecution, Started, Status, TaskHost, TaskOutcome, TaskRequest,
};

/// Answers every call at once, and keeps the tokens of those that wait for somebody else.
#[derive(Default)]
struct Tokens(Mutex<Vec<String>>);

impl TaskHost for Tokens {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        lock(&self.0).extend(task.token);
        done.finish(TaskOutcome::Succeeded("{}".to_owned()));
    }
}

const BACKLOG_BYTES: usize = 100_000;
const INPUT_BYTES: usize = 10_000;

fn start(engine: &Engine) -> Result<Started, EngineError> {
    let input = format!(r#""{}""#, "x".repeat(INPUT_BYTES));
    engine.start_execution(StartExecution { state_machine: "m".into(), input, ..StartExecution::default() })
}

const PASS: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
const ASK: &str = r#"{"StartAt":"A","States":{"A":{"Type":"Task","End":true,
    "Resource":"arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Parameters":{"QueueUrl":"https://q","MessageBody.$":"$$.Task.Token"}}}}"#;
const FAIL: &str = r#"{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"E"}}}"#;

/// Lets the writer stand still until what is answered is dropped.
fn stall(engine: &Engine) -> Sender<()> {
    let ((open_gate, gate), (arrived, stands)) = (channel::<()>(), channel());
    let stall = move |_: &rusqlite::Connection| {
        arrived.send(()).unwrap();
        let _ = gate.recv();
        Ok(())
    };
    engine.scheduler.send(Message::Change(Box::new(stall), Box::new(|| {}))).unwrap();
    stands.recv().unwrap();
    open_gate
}

/// Starts executions, which nobody answers while the writer stands still, until one is refused.
fn fill(engine: &Engine) -> Vec<thread::JoinHandle<Result<Started, EngineError>>> {
    let mut accepted = Vec::new();
    loop {
        let before = engine.scheduler.backlog.bytes();
        let caller = thread::spawn({
            let engine = engine.clone();
            move || start(&engine)
        });
        while engine.scheduler.backlog.bytes() == before && !caller.is_finished() {
            thread::yield_now();
        }
        if caller.is_finished() {
            let refused = caller.join().unwrap().unwrap_err();
            assert!(matches!(refused, EngineError::Throttled), "{refused}");
            return accepted;
        }
        accepted.push(caller);
    }
}

/// Promise 4: while the writer is behind, starts are refused as AWS refuses them, memory stays
/// bounded, and what was accepted before ends.
#[test]
fn a_writer_that_stands_still_refuses_starts_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let options = EngineOptions::new(directory.path(), Arc::new(Tokens::default()));
    let engine = Engine::open(EngineOptions { backlog_bytes_max: BACKLOG_BYTES, ..options }).unwrap();
    engine.put_state_machine("m", PASS, None).unwrap();
    let open_gate = stall(&engine);
    let accepted = fill(&engine);
    let most = BACKLOG_BYTES / INPUT_BYTES + 1;
    assert!((2..=most).contains(&accepted.len()), "{} were accepted", accepted.len());
    assert!(engine.scheduler.backlog.bytes() < BACKLOG_BYTES + 2 * INPUT_BYTES);
    assert!(matches!(start(&engine), Err(EngineError::Throttled)), "as long as it stands still");

    drop(open_gate);
    for caller in accepted {
        let started = caller.join().unwrap().unwrap();
        assert_eq!(engine.wait(&started.execution_arn).unwrap().status, Status::Succeeded);
    }
    engine.settle().unwrap();
    assert_eq!(engine.scheduler.backlog.bytes(), 0);
    start(&engine).unwrap();
    engine.shutdown();
}

/// A call that writes something.
type Call = Box<dyn Fn(&Engine) -> Result<(), EngineError>>;

/// Calls that write, each of which would be taken if the writer were not behind; `asking` are
/// executions that wait for `tokens`, `failed` one that failed.
fn calls(asking: &[String], tokens: &[String], failed: &str) -> Vec<(&'static str, Call)> {
    let (first, second) = (tokens[0].clone(), tokens[1].clone());
    let (beating, third, failed) = (tokens[0].clone(), asking[2].clone(), failed.to_owned());
    vec![
        ("SendTaskHeartbeat", Box::new(move |engine| engine.send_task_heartbeat(&beating))),
        ("SendTaskSuccess", Box::new(move |engine| engine.send_task_success(&first, "1"))),
        ("SendTaskFailure", Box::new(move |engine| engine.send_task_failure(&second, Some("No"), None))),
        ("StopExecution", Box::new(move |engine| engine.stop_execution(&third, None, None).map(drop))),
        (
            "RedriveExecution",
            Box::new(move |engine| {
                let execution_arn = failed.clone();
                engine
                    .redrive_execution(&RedriveExecution { execution_arn, ..RedriveExecution::default() })
                    .map(drop)
            }),
        ),
        (
            "CreateActivity",
            Box::new(|engine| {
                let request = CreateActivity { name: "a".to_owned(), ..CreateActivity::default() };
                engine.create_activity(request).map(drop)
            }),
        ),
        (
            "GetActivityTask",
            Box::new(|engine| engine.get_activity_task("arn:a", None, Duration::ZERO).map(drop)),
        ),
        ("DeleteActivity", Box::new(|engine| engine.delete_activity("a"))),
        ("CreateStateMachine", Box::new(|engine| engine.put_state_machine("new", PASS, None).map(drop))),
        ("UpdateStateMachine", Box::new(|engine| engine.put_state_machine("new", FAIL, None).map(drop))),
        ("PublishVersion", Box::new(|engine| engine.publish_version("new", None, None).map(drop))),
        ("DeleteStateMachine", Box::new(|engine| engine.delete_state_machine("new"))),
    ]
}

/// Promise 4 for everything else that is written: it is refused, what is read is answered, and the
/// same calls are taken when the writer has caught up.
#[test]
fn whatever_would_be_written_is_refused_while_the_writer_is_behind() {
    let directory = tempfile::tempdir().unwrap();
    let host = Arc::new(Tokens::default());
    let options = EngineOptions::new(directory.path(), Arc::clone(&host) as Arc<dyn TaskHost>);
    let engine = Engine::open(EngineOptions { backlog_bytes_max: BACKLOG_BYTES, ..options }).unwrap();
    for (name, definition) in [("m", PASS), ("asks", ASK), ("fails", FAIL)] {
        engine.put_state_machine(name, definition, None).unwrap();
    }
    let begin = |name: &str| {
        let state_machine = name.to_owned();
        let request = StartExecution { state_machine, ..StartExecution::default() };
        let arn = engine.start_execution(request).unwrap().execution_arn;
        engine.settle().unwrap();
        arn
    };
    let asking: Vec<String> = (0..3).map(|_| begin("asks")).collect();
    let failed = begin("fails");
    let tokens = lock(&host.0).clone();
    assert_eq!(tokens.len(), 3);
    let calls = calls(&asking, &tokens, &failed);

    let open_gate = stall(&engine);
    let accepted = fill(&engine);
    for (name, call) in &calls {
        assert!(matches!(call(&engine), Err(EngineError::Throttled)), "{name}");
    }
    for arn in &asking {
        assert_eq!(engine.describe_execution(arn).unwrap().status, Status::Running);
    }
    drop(open_gate);
    for caller in accepted {
        let started = caller.join().unwrap().unwrap();
        assert_eq!(engine.wait(&started.execution_arn).unwrap().status, Status::Succeeded);
    }
    for (name, call) in &calls {
        call(&engine).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    engine.settle().unwrap();
    let statuses: Vec<Status> =
        asking.iter().map(|arn| engine.describe_execution(arn).unwrap().status).collect();
    assert_eq!(statuses, [Status::Succeeded, Status::Failed, Status::Aborted]);
    assert_eq!(engine.describe_execution(&failed).unwrap().redrive_count, 1);
    engine.shutdown();
}

/// An execution is described from memory or from the journal, and nobody can tell.
#[test]
fn what_memory_says_is_what_the_journal_says() {
    let directory = tempfile::tempdir().unwrap();
    let host = Arc::new(Tokens::default());
    let engine = Engine::open(EngineOptions::new(directory.path(), host)).unwrap();
    let begin = |name: &str, definition: &str| {
        engine.put_state_machine(name, definition, None).unwrap();
        let request = StartExecution { state_machine: name.into(), ..StartExecution::default() };
        engine.start_execution(request).unwrap().execution_arn
    };
    let arns = [begin("pass", PASS), begin("ask", ASK), begin("fail", FAIL)];
    engine.settle().unwrap();
    let same = |arn: &str| {
        let told = engine.describe_execution(arn).unwrap();
        let kept =
            Engine::open_read_only(directory.path()).unwrap().describe_execution(arn).unwrap().unwrap();
        assert_eq!(told, kept);
        told.status
    };
    let statuses = arns.each_ref().map(|arn| same(arn));
    assert_eq!(statuses, [Status::Succeeded, Status::Running, Status::Failed]);
    assert!(arns.iter().all(|arn| engine.scheduler.described(arn).is_some()), "no journal was read");

    // A redrive takes the end back, and the next end counts.
    let again = RedriveExecution { execution_arn: arns[2].clone(), client_token: None, reason: None };
    engine.redrive_execution(&again).unwrap();
    engine.settle().unwrap();
    assert_eq!(same(&arns[2]), Status::Failed);
    assert_eq!(engine.describe_execution(&arns[2]).unwrap().redrive_count, 1);
}

/// What is not durable is not shown: neither a start nor an end.
#[test]
fn nothing_is_described_before_it_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(EngineOptions::new(directory.path(), Arc::new(Tokens::default()))).unwrap();
    engine.put_state_machine("ask", ASK, None).unwrap();
    let named = |name: &str| StartExecution {
        state_machine: "ask".into(),
        name: Some(name.into()),
        ..StartExecution::default()
    };
    let runs = engine.start_execution(named("runs")).unwrap().execution_arn;
    engine.settle().unwrap();

    let gate = stall(&engine);
    let (told, durable) = channel();
    engine
        .begin_execution(named("begins"), move |accepted| {
            let _ = told.send(accepted);
        })
        .unwrap();
    let begins = runs.replace(":runs", ":begins");
    assert!(matches!(engine.describe_execution(&begins), Err(EngineError::ExecutionDoesNotExist { .. })));
    assert!(durable.try_recv().is_err());
    let stopping = thread::spawn({
        let (engine, runs) = (engine.clone(), runs.clone());
        move || engine.stop_execution(&runs, None, None)
    });
    let slot = lock(&engine.scheduler.open).by_arn(&runs).unwrap();
    while lock(&slot.live).execution.stop_millis().is_none() {
        thread::yield_now();
    }
    assert_eq!(engine.describe_execution(&runs).unwrap().status, Status::Running);

    drop(gate);
    let started = engine.go_on(durable.recv().unwrap()).unwrap();
    assert_eq!(started.execution_arn, begins);
    assert_eq!(engine.describe_execution(&begins).unwrap().status, Status::Running);
    stopping.join().unwrap().unwrap();
    assert_eq!(engine.describe_execution(&runs).unwrap().status, Status::Aborted);
}

/// Asks for an execution the moment its end is told, before the engine has put it away.
#[derive(Default)]
struct Asks {
    engine: std::sync::OnceLock<Engine>,
    told: Mutex<Vec<Status>>,
}

impl Observer for Asks {
    fn observe(&self, observed: &Observed<'_>) {
        let is_end =
            observed.records.iter().filter_map(HistoryEvent::of).any(|event| event.output().is_some());
        if let (true, Some(engine)) = (is_end, self.engine.get()) {
            lock(&self.told).push(engine.describe_execution(observed.execution_arn).unwrap().status);
        }
    }
}

#[test]
fn an_end_that_is_told_is_an_end_for_who_asks() {
    let directory = tempfile::tempdir().unwrap();
    let asks = Arc::<Asks>::default();
    let mut options = EngineOptions::new(directory.path(), Arc::new(Tokens::default()));
    let host = Arc::new(Tokens::default());
    options.task_host = host.clone();
    options.observer = Some(asks.clone());
    let engine = Engine::open(options).unwrap();
    assert!(asks.engine.set(engine.clone()).is_ok());
    engine.put_state_machine("m", ASK, None).unwrap();
    start(&engine).unwrap();
    engine.settle().unwrap();
    let token = lock(&host.0).first().cloned().unwrap();
    engine.send_task_success(&token, "{}").unwrap();
    engine.settle().unwrap();
    assert_eq!(lock(&asks.told).last(), Some(&Status::Succeeded));
}

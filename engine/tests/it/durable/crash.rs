//! Crashes: at every point of the writer, in the process and of the process.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use engine::{Crash, CrashPlan, Engine, EngineError, ExecutionFilter, ManualClock, Status};
use serde_json::json;

use super::{Host, T0, definition, failed, named, open, returned, run_to_the_end, task};

/// Everything at once: retries, a Map with tasks, a caught failure.
fn busy() -> String {
    let item = json!({ "StartAt": "Item", "States": { "Item": task("item", &json!({ "End": true })) } });
    let states = json!({
        "A": task("a", &json!({ "Next": "M" })),
        "M": { "Type": "Map", "Items": "{% [1..8] %}", "MaxConcurrency": 1, "ItemProcessor": item, "Next": "W" },
        "W": { "Type": "Wait", "Seconds": 60, "Next": "Bad" },
        "Bad": task("bad", &json!({ "Next": "B", "Catch": [{ "ErrorEquals": ["E"], "Next": "B" }] })),
        "B": task("b", &json!({ "End": true }))
    });
    definition(&states, "A")
}

/// Crashes at a point, comes back, and finishes. Answers how many points there were.
fn crash_at(at: u64) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[
        ("A", returned(&json!(1))),
        ("Item", returned(&json!("i"))),
        ("Bad", failed("E")),
        ("B", returned(&json!("done"))),
    ]);
    let plan = CrashPlan { at, how: Crash::Freeze };
    let engine = open(directory.path(), &clock, &host, Some(plan)).unwrap();
    let put = engine.put_state_machine("m", &busy(), None);
    let started = put.and_then(|_| engine.start_execution(named("x", "")));
    run_to_the_end(&engine, &clock);
    let points = engine.crash_points_passed();
    engine.shutdown();

    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.put_state_machine("m", &busy(), None).unwrap();
    let acknowledged = started.map(|started| started.execution_arn);
    if let Ok(arn) = &acknowledged {
        assert!(engine.describe_execution(arn).is_ok(), "crash at {at}: an acknowledged start is lost");
    }
    let arn = match engine.start_execution(named("x", "")) {
        Ok(started) => started.execution_arn,
        Err(EngineError::ExecutionAlreadyExists { execution_arn }) => execution_arn,
        Err(other) => panic!("crash at {at}: {other}"),
    };
    run_to_the_end(&engine, &clock);
    let ended = engine.wait(&arn).unwrap();
    assert_eq!(
        (ended.status, ended.output.as_deref()),
        (Status::Succeeded, Some(r#""done""#)),
        "crash at {at}"
    );
    let history = engine.execution_history(&arn, false, 0, None).unwrap();
    assert!(history.iter().zip(1..).all(|(event, id)| event.id == id), "crash at {at}: ids have gaps");
    let invoked = host.invoked.lock().unwrap();
    let unique: BTreeSet<_> = invoked.iter().collect();
    assert_eq!(unique.len(), invoked.len(), "crash at {at}: an attempt ran twice");
    for key in unique {
        let scheduled =
            history.iter().find(|event| event.id == key.event_id).map(engine::HistoryEvent::event_type);
        assert_eq!(
            scheduled,
            Some("TaskScheduled"),
            "crash at {at}: an attempt ran that is not in the history"
        );
    }
    engine.shutdown();
    points
}

/// Invariant I3 by what another connection sees when an effect comes. That a
/// commit is synced is up to the settings `journal::tests` looks at.
#[test]
fn every_effect_comes_after_its_cause_is_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Host::answering(&[
        ("A", returned(&json!(1))),
        ("Item", returned(&json!("i"))),
        ("Bad", failed("E")),
        ("B", returned(&json!("done"))),
    ]);
    let mut host = Arc::into_inner(host).unwrap();
    host.journal = Some(directory.path().to_path_buf());
    let host = Arc::new(host);
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.put_state_machine("m", &busy(), None).unwrap();
    let notices = engine.subscribe();
    let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
    let reader = Engine::open_read_only(directory.path()).unwrap();
    assert!(reader.describe_execution(&arn).unwrap().is_some(), "an answered start is in the journal");
    let announced = arn.clone();
    // Every notice is looked up the moment it comes, while the engine goes on.
    let listener = std::thread::spawn(move || {
        notices
            .iter()
            .all(|notice| reader.execution_history(&announced).unwrap().unwrap().contains(&notice.event))
    });
    run_to_the_end(&engine, &clock);
    assert_eq!(engine.wait(&arn).unwrap().status, Status::Succeeded);
    engine.shutdown();
    assert!(listener.join().unwrap(), "an event was announced before it was in the journal");
    assert!(host.invoked.lock().unwrap().len() >= 11, "calls were looked at");
    assert_eq!(*host.early.lock().unwrap(), [], "tasks ran before their schedule was in the journal");
}

#[test]
fn a_crash_at_any_point_loses_nothing_and_repeats_nothing() {
    let all = crash_at(u64::MAX);
    assert!(all > 40, "{all} crash points are too few to say anything");
    for at in 1..=all {
        crash_at(at);
    }
    println!("{all} crash points, each crashed at and recovered from");
}

/// Names the directory and the crash point of a child process.
const CHILD: &str = "STEPWRIGHT_TEST_CRASH";

/// What the test below starts as a process of its own.
#[test]
#[ignore = "a process for another test"]
fn child_that_aborts() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (at, directory) = told.split_once(' ').unwrap();
    let host = Host::answering(&[("A", returned(&json!(1))), ("Item", returned(&json!("i")))]);
    let plan = CrashPlan { at: at.parse().unwrap(), how: Crash::Abort };
    let engine = open(Path::new(directory), &ManualClock::at(T0), &host, Some(plan)).unwrap();
    engine.put_state_machine("m", &busy(), None).unwrap();
    engine.start_execution(named("x", "")).unwrap();
    println!("acknowledged");
    engine.settle().unwrap();
}

#[test]
fn a_process_that_aborts_leaves_a_journal_that_goes_on() {
    for at in [2, 5, 6, 7, 9, 12] {
        let directory = tempfile::tempdir().unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durable::crash::child_that_aborts", "--ignored", "--nocapture"])
            .env(CHILD, format!("{at} {}", directory.path().display()))
            .output()
            .unwrap();
        assert!(!child.status.success(), "the child did not crash at {at}");
        let acknowledged = String::from_utf8_lossy(&child.stdout).contains("acknowledged");

        let clock = ManualClock::at(T0);
        let host = Host::answering(&[
            ("A", returned(&json!(1))),
            ("Item", returned(&json!("i"))),
            ("Bad", failed("E")),
            ("B", returned(&json!("done"))),
        ]);
        let engine = open(directory.path(), &clock, &host, None).unwrap();
        engine.put_state_machine("m", &busy(), None).unwrap();
        let found = engine.list_executions(&ExecutionFilter::default()).unwrap().len();
        assert!(found == 1 || !acknowledged, "crash at {at}: an acknowledged start is lost");
        let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
        run_to_the_end(&engine, &clock);
        assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some(r#""done""#), "crash at {at}");
        engine.shutdown();
    }
}

//! What is kept and what goes, by the engine itself and by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::{BATCH, collect_garbage};
use crate::journal::{FILE, Reader, examine};
use crate::{
    Completion, Engine, EngineError, EngineOptions, ExecutionFilter, ManualClock, StartExecution, TaskHost,
    TaskRequest,
};

const DAY: i64 = 86_400_000;
const T0: i64 = 1_800_000_000_000;

struct Nobody;

impl TaskHost for Nobody {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        drop(done);
    }
}

fn open(directory: &Path, clock: &ManualClock, retention: Option<Duration>) -> Engine {
    let options = EngineOptions::new(directory, Arc::new(Nobody));
    let engine =
        Engine::open(EngineOptions { clock: Arc::new(clock.clone()), retention, ..options }).unwrap();
    let pass = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    let wait = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":99999999,"End":true}}}"#;
    let map = r#"{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","End":true,"ItemProcessor":{
        "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}"#;
    for (name, definition) in [("pass", pass), ("wait", wait), ("map", map)] {
        engine.put_state_machine(name, definition, None).unwrap();
    }
    engine
}

fn start(engine: &Engine, machine: &str, name: &str, input: &str) -> String {
    let request = StartExecution {
        state_machine: machine.to_owned(),
        name: Some(name.to_owned()),
        input: input.to_owned(),
        ..StartExecution::default()
    };
    engine.start_execution(request).unwrap().execution_arn
}

fn rows(directory: &Path) -> (i64, i64, i64) {
    let database = Connection::open(directory.join(FILE)).unwrap();
    let count = |table: &str| {
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    (count("executions"), count("segments"), count("map_runs"))
}

const NINETY_DAYS: Option<Duration> = Some(Duration::from_secs(asl::limits::EXECUTION_RETENTION_SECONDS));

#[test]
fn an_engine_removes_what_ended_ninety_days_ago() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let engine = open(directory.path(), &clock, NINETY_DAYS);
    let many = usize::try_from(BATCH).unwrap() * 2 + 50;
    let old: Vec<String> =
        (0..many).map(|number| start(&engine, "pass", &format!("old{number}"), "{}")).collect();
    let items: Vec<String> = (0..many).map(|number| number.to_string()).collect();
    let mapped = start(&engine, "map", "mapped", &format!(r#"{{"items":[{}]}}"#, items.join(",")));
    let waiting = start(&engine, "wait", "waiting", "{}");
    engine.settle().unwrap();
    assert_eq!(engine.describe_execution(&mapped).unwrap().status, crate::Status::Succeeded);
    clock.advance_millis(60 * DAY);
    let younger = start(&engine, "pass", "younger", "{}");
    clock.advance_millis(31 * DAY);
    let last = start(&engine, "pass", "last", "{}");
    engine.settle().unwrap();
    for gone in [&old[0], &old[many - 1], &mapped] {
        let described = engine.describe_execution(gone);
        assert!(matches!(described, Err(EngineError::ExecutionDoesNotExist { .. })), "{gone}");
    }
    for kept in [&waiting, &younger, &last] {
        engine.describe_execution(kept).unwrap();
    }
    start(&engine, "pass", "old0", "{}");
    engine.shutdown();
    let (executions, segments, map_runs) = rows(directory.path());
    assert_eq!((executions, map_runs), (4, 0), "the children went with their Map Run");
    assert!(segments >= 4, "{segments}");
    assert!(examine(directory.path()).unwrap().is_sound());
}

#[test]
fn an_engine_may_keep_everything() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let engine = open(directory.path(), &clock, None);
    let old = start(&engine, "pass", "old", "{}");
    clock.advance_millis(4_000 * DAY);
    start(&engine, "pass", "new", "{}");
    engine.settle().unwrap();
    engine.describe_execution(&old).unwrap();
    engine.shutdown();
}

#[test]
fn garbage_is_collected_by_hand_and_gives_its_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let engine = open(directory.path(), &clock, None);
    let input = format!(r#"{{"text":"{}"}}"#, "x".repeat(20_000));
    for number in 0..100 {
        start(&engine, "pass", &format!("old{number}"), &input);
    }
    let waiting = start(&engine, "wait", "waiting", "{}");
    clock.advance_millis(10 * DAY);
    start(&engine, "pass", "new", "{}");
    engine.settle().unwrap();
    assert!(collect_garbage(directory.path(), T0 + DAY).is_err(), "an engine has it open");
    engine.shutdown();

    let reader = Reader::open(directory.path()).unwrap();
    let announced = reader.garbage(T0 + DAY).unwrap();
    drop(reader);
    assert_eq!((announced.executions, announced.freed_bytes, rows(directory.path()).0), (100, 0, 102));
    let collected = collect_garbage(directory.path(), T0 + DAY).unwrap();
    assert_eq!((collected.executions, collected.history_bytes), (100, announced.history_bytes));
    assert!(collected.freed_bytes > 1_500_000, "{collected:?}");
    assert_eq!(collect_garbage(directory.path(), T0 + DAY).unwrap().executions, 0);
    let examination = examine(directory.path()).unwrap();
    assert!(examination.is_sound() && examination.executions == 2, "{examination:?}");

    let engine = open(directory.path(), &clock, None);
    assert_eq!(engine.open_executions().first().map(|(arn, _)| arn.as_str()), Some(waiting.as_str()));
    assert_eq!(engine.list_executions(&ExecutionFilter::default()).unwrap().len(), 2);
    engine.shutdown();
}

/// What is held by something open keeps nothing behind it, and is not announced either.
#[test]
fn what_cannot_go_is_passed_by() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let engine = open(directory.path(), &clock, None);
    let held = usize::try_from(BATCH).unwrap() + 10;
    for number in 0..held {
        start(&engine, "map", &format!("held{number}"), r#"{"items":[1]}"#);
    }
    engine.settle().unwrap();
    clock.advance_millis(DAY);
    start(&engine, "pass", "behind", "{}");
    let mapped = start(&engine, "map", "behind-with-children", r#"{"items":[1,2,3]}"#);
    engine.settle().unwrap();
    engine.shutdown();
    let database = Connection::open(directory.path().join(FILE)).unwrap();
    database
        .execute("UPDATE map_runs SET status = 0, stop_millis = NULL WHERE execution_arn <> ?1", [&mapped])
        .unwrap();
    drop(database);

    let announced = Reader::open(directory.path()).unwrap().garbage(T0 + 2 * DAY).unwrap();
    let collected = collect_garbage(directory.path(), T0 + 2 * DAY).unwrap();
    assert_eq!(collected.executions, 2, "both behind those that are held");
    assert_eq!(
        (announced.executions, announced.history_bytes),
        (collected.executions, collected.history_bytes),
        "what is announced is what goes, children included"
    );
}

/// AWS quota: an execution runs for a year at most, without a timer of its own.
#[test]
fn an_execution_ends_after_a_year() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let engine = open(directory.path(), &clock, None);
    let first = start(&engine, "wait", "first", "{}");
    clock.advance_millis(DAY);
    let second = start(&engine, "wait", "second", "{}");
    engine.settle().unwrap();
    let alarm = engine.next_timer_millis().unwrap();
    assert_eq!(alarm, T0 + 99_999_999_000, "that of the Wait");
    clock.advance_millis(364 * DAY);
    engine.settle().unwrap();
    let ended = engine.describe_execution(&first).unwrap();
    assert_eq!(
        (ended.status, ended.error.as_deref(), ended.stop_millis),
        (crate::Status::TimedOut, Some("States.Timeout"), Some(T0 + 365 * DAY))
    );
    assert_eq!(engine.describe_execution(&second).unwrap().status, crate::Status::Running);
    engine.shutdown();
    clock.advance_millis(2 * DAY);
    let engine = open(directory.path(), &clock, None);
    engine.settle().unwrap();
    assert_eq!(
        engine.describe_execution(&second).unwrap().status,
        crate::Status::TimedOut,
        "found by the next engine"
    );
    engine.shutdown();
    assert!(examine(directory.path()).unwrap().is_sound());
}

/// What is about to be redriven is not removed, however old it is.
#[test]
fn what_is_held_stays() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let engine = open(directory.path(), &clock, NINETY_DAYS);
    let old = start(&engine, "pass", "old", "{}");
    engine.settle().unwrap();
    let hold = |id| engine.scheduler.open.lock().unwrap().hold(id);
    hold(Some(1));
    clock.advance_millis(91 * DAY);
    start(&engine, "pass", "new", "{}");
    engine.settle().unwrap();
    engine.describe_execution(&old).unwrap();
    hold(None);
    clock.advance_millis(DAY);
    start(&engine, "pass", "newer", "{}");
    engine.settle().unwrap();
    assert!(matches!(engine.describe_execution(&old), Err(EngineError::ExecutionDoesNotExist { .. })));
    engine.shutdown();
}

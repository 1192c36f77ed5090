//! Redrives on a real journal: who may be redriven, tokens, reasons, crashes.

use std::collections::BTreeSet;

use engine::registry::{CreateAlias, Route};
use engine::{
    Crash, ExecutionDescription, HistoryEvent, NotRedrivable, RedriveExecution, RedriveStatus, Redriven,
};

use super::*;

const DAY_MILLIS: i64 = 86_400_000;

/// A, then B.
fn two() -> String {
    let states = json!({ "A": task("a", &json!({ "Next": "B" })), "B": task("b", &json!({ "End": true })) });
    definition(&states, "A")
}

struct Lab {
    directory: tempfile::TempDir,
    clock: ManualClock,
    host: Arc<Host>,
}

impl Lab {
    fn at(millis: i64) -> Self {
        let host = Host::answering(&[("A", returned(&json!(1))), ("B", failed("E"))]);
        Self { directory: tempfile::tempdir().unwrap(), clock: ManualClock::at(millis), host }
    }

    fn open(&self, crash: Option<CrashPlan>) -> Result<Engine, EngineError> {
        open(self.directory.path(), &self.clock, &self.host, crash)
    }

    /// From now on B is done.
    fn heal(&self) {
        *self.host.answers.lock().unwrap() =
            vec![("A".into(), returned(&json!(1))), ("B".into(), returned(&json!("done")))];
    }

    /// From now on B fails.
    fn break_down(&self) {
        *self.host.answers.lock().unwrap() =
            vec![("A".into(), returned(&json!(1))), ("B".into(), failed("E"))];
    }

    fn calls(&self) -> usize {
        self.host.invoked.lock().unwrap().len()
    }

    /// An engine with an execution of this definition that has gone as far as it goes.
    fn start(&self, definition: &str) -> (Engine, String) {
        let engine = self.open(None).unwrap();
        engine.put_state_machine("m", definition, None).unwrap();
        let arn = engine.start_execution(named("x", "")).unwrap().execution_arn;
        engine.settle().unwrap();
        (engine, arn)
    }
}

fn redrive(engine: &Engine, arn: &str, token: Option<&str>) -> Result<Redriven, EngineError> {
    let request = RedriveExecution {
        execution_arn: arn.to_owned(),
        client_token: token.map(str::to_owned),
        reason: Some("CoreView is back".to_owned()),
    };
    engine.redrive_execution(&request)
}

#[track_caller]
fn refused(engine: &Engine, arn: &str, expected: NotRedrivable) {
    match redrive(engine, arn, Some("t")) {
        Err(EngineError::ExecutionNotRedrivable { reason, .. }) => assert_eq!(reason, expected),
        other => panic!("{other:?}"),
    }
    let described = engine.describe_execution(arn).unwrap();
    assert_eq!(engine.redrive_status(&described).unwrap(), RedriveStatus::NotRedrivable(expected));
}

fn types(engine: &Engine, arn: &str) -> Vec<&'static str> {
    engine.execution_history(arn, false, 0, None).unwrap().iter().map(HistoryEvent::event_type).collect()
}

fn counts(described: &ExecutionDescription) -> (Status, u32, Option<i64>) {
    (described.status, described.redrive_count, described.redrive_millis)
}

#[test]
fn a_redriven_execution_goes_on_and_ends() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    let before = engine.wait(&arn).unwrap();
    assert_eq!(counts(&before), (Status::Failed, 0, None));
    assert_eq!(engine.redrive_status(&before).unwrap(), RedriveStatus::Redrivable);
    lab.heal();
    lab.clock.advance_millis(5_000);
    let redriven = redrive(&engine, &arn, None).unwrap();
    assert_eq!(redriven, Redriven { redrive_millis: T0 + 5_000, redrive_count: 1 });
    let ended = engine.wait(&arn).unwrap();
    assert_eq!(counts(&ended), (Status::Succeeded, 1, Some(T0 + 5_000)));
    assert_eq!((ended.output.as_deref(), ended.error), (Some("\"done\""), None));
    assert_eq!((ended.start_millis, ended.stop_millis), (T0, Some(T0 + 5_000)));
    assert_eq!(
        types(&engine, &arn)[9..],
        [
            "TaskFailed",
            "ExecutionFailed",
            "ExecutionRedriven",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded"
        ]
    );
    assert_eq!(lab.calls(), 3, "A ran once");
    // Why is in the journal.
    let reader = Engine::open_read_only(lab.directory.path()).unwrap();
    let execution = reader.execution(&arn).unwrap().unwrap();
    assert_eq!(execution.redrives()[0].redrive.reason.as_deref(), Some("CoreView is back"));
    let list = |redriven| {
        let filter = ExecutionFilter { redriven: Some(redriven), ..ExecutionFilter::default() };
        engine.list_executions(&filter).unwrap()
    };
    assert_eq!((list(true).len(), list(false).len()), (1, 0));
    assert_eq!((list(true)[0].redrive_count, list(true)[0].redrive_millis), (1, Some(T0 + 5_000)));
    engine.shutdown();
}

#[test]
fn while_it_runs_again_it_is_as_any_other() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    lab.host.answers.lock().unwrap().clear();
    redrive(&engine, &arn, None).unwrap();
    engine.settle().unwrap();
    let running = engine.describe_execution(&arn).unwrap();
    assert_eq!((running.status, running.stop_millis, running.error), (Status::Running, None, None));
    assert_eq!(engine.open_executions(), [(arn.clone(), vec!["B".to_owned()])]);
    refused(&engine, &arn, NotRedrivable::Running);
    assert!(engine.start_execution(named("x", "")).is_ok(), "the same name and input is the same execution");
    engine.stop_execution(&arn, Some("Stop".into()), None).unwrap();
    assert_eq!(engine.describe_execution(&arn).unwrap().status, Status::Aborted);
    lab.heal();
    assert_eq!(redrive(&engine, &arn, None).unwrap().redrive_count, 2);
    assert_eq!(engine.wait(&arn).unwrap().status, Status::Succeeded);
    refused(&engine, &arn, NotRedrivable::Succeeded);
    let missing = redrive(&engine, &format!("{arn}y"), None);
    assert!(matches!(missing, Err(EngineError::ExecutionDoesNotExist { .. })));
    engine.shutdown();
}

#[test]
fn a_client_token_is_good_for_15_minutes_and_10_others() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    let first = redrive(&engine, &arn, Some("first")).unwrap();
    engine.settle().unwrap();
    let calls = lab.calls();
    lab.clock.advance_millis(899_999);
    assert_eq!(redrive(&engine, &arn, Some("first")).unwrap(), first, "it failed again, and is not redriven");
    assert_eq!(lab.calls(), calls);
    lab.clock.advance_millis(1);
    let again = redrive(&engine, &arn, Some("first")).unwrap();
    assert_eq!(again, Redriven { redrive_millis: T0 + 900_000, redrive_count: 2 });
    engine.settle().unwrap();
    for other in 0..9 {
        redrive(&engine, &arn, Some(&format!("other{other}"))).unwrap();
        engine.settle().unwrap();
        redrive(&engine, &arn, None).unwrap();
        engine.settle().unwrap();
    }
    assert_eq!(redrive(&engine, &arn, Some("first")).unwrap(), again, "it is the tenth of the last");
    redrive(&engine, &arn, Some("tenth")).unwrap();
    engine.settle().unwrap();
    lab.heal();
    assert_eq!(redrive(&engine, &arn, Some("first")).unwrap().redrive_count, 22);
    assert_eq!(engine.wait(&arn).unwrap().status, Status::Succeeded);
    // Whatever became of it, and in another engine: the same request has the same answer.
    engine.shutdown();
    let engine = lab.open(None).unwrap();
    assert_eq!(redrive(&engine, &arn, Some("first")).unwrap().redrive_count, 22);
    refused(&engine, &arn, NotRedrivable::Succeeded);
    engine.shutdown();
}

#[test]
fn two_weeks_after_the_end_it_is_too_late() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    lab.clock.advance_millis(14 * DAY_MILLIS);
    redrive(&engine, &arn, None).unwrap();
    engine.settle().unwrap();
    // It failed again: the time counts from here.
    lab.clock.advance_millis(14 * DAY_MILLIS);
    let described = engine.describe_execution(&arn).unwrap();
    assert_eq!(engine.redrive_status(&described).unwrap(), RedriveStatus::Redrivable);
    lab.clock.advance_millis(1);
    refused(&engine, &arn, NotRedrivable::PeriodExceeded);
    engine.shutdown();
}

#[test]
fn an_execution_of_last_year() {
    let lab = Lab::at(T0);
    let wait = json!({ "W": { "Type": "Wait", "Seconds": 99_999_999, "End": true } });
    let (engine, arn) = lab.start(&definition(&wait, "W"));
    lab.clock.advance_millis(365 * DAY_MILLIS);
    engine.stop_execution(&arn, None, None).unwrap();
    let described = engine.describe_execution(&arn).unwrap();
    assert_eq!(engine.redrive_status(&described).unwrap(), RedriveStatus::Redrivable);
    lab.clock.advance_millis(1);
    refused(&engine, &arn, NotRedrivable::MaxExecutionTimeExceeded);
    engine.shutdown();
}

#[test]
fn an_execution_from_before_there_were_redrives() {
    for (millis, is_before) in [(1_700_006_399_999, true), (1_700_006_400_000, false)] {
        let lab = Lab::at(millis);
        let (engine, arn) = lab.start(&two());
        if is_before {
            refused(&engine, &arn, NotRedrivable::StartedBeforeLaunch);
        } else {
            redrive(&engine, &arn, None).unwrap();
        }
        engine.shutdown();
    }
}

#[test]
fn a_full_history_has_no_room() {
    let states = json!({
        "A": { "Type": "Pass", "Next": "B" },
        "B": { "Type": "Choice", "Choices": [{ "Condition": false, "Next": "Z" }], "Default": "A" },
        "Z": { "Type": "Succeed" }
    });
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&definition(&states, "A"));
    refused(&engine, &arn, NotRedrivable::HistoryLimitExceeded);
    engine.shutdown();
}

#[test]
fn an_execution_of_a_deleted_state_machine() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    engine.delete_state_machine("m").unwrap();
    engine.settle().unwrap();
    refused(&engine, &arn, NotRedrivable::StateMachineDeleting);
    engine.shutdown();
}

#[test]
fn the_definition_is_that_of_the_start() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    let other = json!({ "A": task("a", &json!({ "Next": "B" })), "B": { "Type": "Pass", "Output": "other", "End": true } });
    engine.put_state_machine("m", &definition(&other, "A"), None).unwrap();
    lab.heal();
    redrive(&engine, &arn, None).unwrap();
    assert_eq!(engine.wait(&arn).unwrap().output.as_deref(), Some("\"done\""));
    engine.shutdown();
}

#[test]
fn of_two_redrives_at_once_one_takes_place() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    lab.host.answers.lock().unwrap().clear();
    let both: Vec<_> = (0..2)
        .map(|_| {
            let (engine, arn) = (engine.clone(), arn.clone());
            std::thread::spawn(move || redrive(&engine, &arn, None).is_ok())
        })
        .collect();
    let done = both.into_iter().map(|thread| thread.join().unwrap()).filter(|done| *done).count();
    assert_eq!(done, 1);
    assert_eq!(types(&engine, &arn).iter().filter(|kind| **kind == "ExecutionRedriven").count(), 1);
    // The same request twice has one answer.
    engine.stop_execution(&arn, None, None).unwrap();
    let both: Vec<_> = (0..2)
        .map(|_| {
            let (engine, arn) = (engine.clone(), arn.clone());
            std::thread::spawn(move || redrive(&engine, &arn, Some("same")).unwrap())
        })
        .collect();
    let answers: Vec<_> = both.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!((answers[0], answers[0].redrive_count), (answers[1], 2));
    engine.shutdown();
}

/// Everything that can stand when an execution ends: a Parallel with a chain, a
/// Map and a Wait, of which one fails.
fn busy() -> String {
    let item = json!({ "StartAt": "Item", "States": { "Item": task("item", &json!({ "End": true })) } });
    let chain = json!({ "StartAt": "A", "States": {
        "A": task("a", &json!({ "Next": "W" })), "W": { "Type": "Wait", "Seconds": 60, "Next": "B" },
        "B": task("b", &json!({ "End": true })) } });
    let map = json!({ "StartAt": "M", "States": { "M": {
        "Type": "Map", "Items": [1, 2, 3], "MaxConcurrency": 1, "ItemProcessor": item, "End": true } } });
    let wait = json!({ "StartAt": "L", "States": { "L": { "Type": "Wait", "Seconds": 100, "End": true } } });
    let states = json!({ "P": { "Type": "Parallel", "Branches": [chain, map, wait], "End": true } });
    definition(&states, "P")
}

fn answer(lab: &Lab, b: TaskOutcome) {
    *lab.host.answers.lock().unwrap() =
        vec![("A".into(), returned(&json!("a"))), ("Item".into(), returned(&json!("i"))), ("B".into(), b)];
}

/// Starts, fails, redrives and ends, with a crash at a point; then goes on
/// after it. Answers how many points there were.
fn crash_at(at: u64) -> u64 {
    let lab = Lab::at(T0);
    answer(&lab, failed("E"));
    let engine = lab.open(Some(CrashPlan { at, how: Crash::Freeze })).unwrap();
    let put = engine.put_state_machine("m", &busy(), None);
    let started = put.and_then(|_| engine.start_execution(named("x", "")));
    run_to_the_end(&engine, &lab.clock);
    answer(&lab, returned(&json!("b")));
    let acknowledged = started.and_then(|started| redrive(&engine, &started.execution_arn, Some("once")));
    run_to_the_end(&engine, &lab.clock);
    let points = engine.crash_points_passed();
    engine.shutdown();

    let engine = lab.open(None).unwrap();
    engine.put_state_machine("m", &busy(), None).unwrap();
    let arn = match engine.start_execution(named("x", "")) {
        Ok(started) => started.execution_arn,
        Err(EngineError::ExecutionAlreadyExists { execution_arn }) => execution_arn,
        Err(other) => panic!("crash at {at}: {other}"),
    };
    run_to_the_end(&engine, &lab.clock);
    let ended = engine.wait(&arn).unwrap();
    if let Ok(redriven) = acknowledged {
        assert_eq!(counts(&ended), (Status::Succeeded, 1, Some(redriven.redrive_millis)), "crash at {at}");
        assert_eq!(redrive(&engine, &arn, Some("once")).unwrap(), redriven, "crash at {at}");
    } else if ended.status == Status::Failed {
        // It was not acknowledged, and did not take place.
        assert_eq!(ended.redrive_count, 0, "crash at {at}");
        redrive(&engine, &arn, Some("once")).unwrap();
        run_to_the_end(&engine, &lab.clock);
    }
    let ended = engine.wait(&arn).unwrap();
    assert_eq!(
        (ended.status, ended.output.as_deref()),
        (Status::Succeeded, Some(r#"["b",["i","i","i"],{}]"#)),
        "crash at {at}"
    );
    let history = engine.execution_history(&arn, false, 0, None).unwrap();
    assert!(history.iter().zip(1..).all(|(event, id)| event.id == id), "crash at {at}: ids have gaps");
    let of = |kind: &str| history.iter().filter(|event| event.event_type() == kind).count();
    assert!(of("ExecutionRedriven") <= 1, "crash at {at}: redriven twice");
    assert_eq!(of("TaskStateEntered"), of("TaskStateExited"), "crash at {at}");
    let invoked = lab.host.invoked.lock().unwrap();
    let unique: BTreeSet<_> = invoked.iter().collect();
    assert_eq!(unique.len(), invoked.len(), "crash at {at}: an attempt ran twice");
    engine.shutdown();
    points
}

#[test]
fn a_crash_at_any_point_of_a_redrive_loses_nothing_and_repeats_nothing() {
    let all = crash_at(u64::MAX);
    assert!(all > 40, "{all} crash points are too few to say anything");
    for at in 1..=all {
        crash_at(at);
    }
}

#[test]
fn what_has_ended_is_not_folded_when_the_journal_is_opened() {
    let lab = Lab::at(T0);
    let (engine, arn) = lab.start(&two());
    redrive(&engine, &arn, None).unwrap();
    engine.settle().unwrap();
    lab.host.answers.lock().unwrap().clear();
    let open = engine.start_execution(named("y", "")).unwrap().execution_arn;
    engine.shutdown();
    let reader = Engine::open_read_only(lab.directory.path()).unwrap();
    let found: Vec<_> =
        reader.open_executions().unwrap().into_iter().map(|open| open.execution_arn).collect();
    assert_eq!(found, [open]);
    let engine = lab.open(None).unwrap();
    lab.break_down();
    assert_eq!(redrive(&engine, &arn, None).unwrap().redrive_count, 2);
    engine.shutdown();
}

#[test]
fn who_waited_is_told_what_the_journal_says() {
    let lab = Lab::at(T0);
    let (engine, failed) = lab.start(&two());
    engine.publish_version("m", None, None).unwrap();
    let alias = CreateAlias {
        state_machine: "m".to_owned(),
        name: "live".to_owned(),
        description: None,
        routes: vec![Route { version: 1, weight: 100 }],
    };
    engine.create_alias(alias).unwrap();
    let machine = engine.describe_execution(&failed).unwrap().state_machine_arn;
    let start = |suffix: &str, name: &str| {
        let request = StartExecution {
            state_machine: format!("{machine}{suffix}"),
            name: Some(name.to_owned()),
            input: r#"{"a": 1}"#.to_owned(),
            trace_header: Some("Root=1-5e9b1f5d-000000000000000000000000".to_owned()),
        };
        engine.start_execution(request).unwrap().execution_arn
    };
    lab.heal();
    lab.clock.advance_millis(1_000);
    engine
        .redrive_execution(&RedriveExecution { execution_arn: failed.clone(), ..RedriveExecution::default() })
        .unwrap();
    let arns = [failed, start(":1", "by-version"), start(":live", "by-alias"), start("", "by-name")];
    let waited = arns.map(|arn| engine.wait(&arn).unwrap());
    for waited in waited {
        let described = engine.describe_execution(&waited.execution_arn).unwrap();
        assert_eq!(waited, described);
        assert_eq!(waited.status, Status::Succeeded);
    }
    engine.shutdown();
}

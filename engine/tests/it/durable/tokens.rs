//! Callbacks, activities and jobs: what waits for somebody outside survives the engine.

use std::sync::Arc;

use engine::registry::CreateActivity;
use engine::{Engine, EngineError, ManualClock, Status, TaskOutcome};
use serde_json::json;

use super::{Host, T0, named, open};

/// In JSONPath: a callback, an activity and a job, one after the other.
fn patterns() -> String {
    let states = json!({
        "Callback": {
            "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "HeartbeatSeconds": 60,
            "Parameters": { "QueueUrl": "q", "MessageBody": { "token.$": "$$.Task.Token" } }, "Next": "Activity"
        },
        "Activity": {
            "Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:work",
            "TimeoutSeconds": 60, "Next": "Job"
        },
        "Job": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": {}, "End": true }
    });
    json!({ "StartAt": "Callback", "States": states }).to_string()
}

const NO_WAIT: std::time::Duration = std::time::Duration::ZERO;
const ACTIVITY: &str = "arn:aws:states:us-east-1:123456789012:activity:work";

#[test]
fn tokens_activities_and_jobs_survive_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Arc::new(Host::default());
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.create_activity(CreateActivity { name: "work".into(), ..CreateActivity::default() }).unwrap();
    engine.put_state_machine("m", &patterns(), None).unwrap();
    let arn = engine.start_execution(named("e", "{}")).unwrap().execution_arn;
    engine.settle().unwrap();
    let (call, done) = host.kept.lock().unwrap().pop().unwrap();
    let token = call.token.unwrap();
    assert_eq!(call.arguments["MessageBody"]["token"], json!(token));
    done.finish(TaskOutcome::Succeeded("{}".into()));
    engine.settle().unwrap();
    engine.shutdown();

    // The token outlives the engine that issued it; the activity's task waits for a worker.
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.send_task_heartbeat(&token).unwrap();
    assert!(matches!(engine.send_task_success(&token, "{").unwrap_err(), EngineError::InvalidOutput { .. }));
    engine.send_task_success(&token, r#"{"from":"token"}"#).unwrap();
    assert!(matches!(engine.send_task_success(&token, "{}").unwrap_err(), EngineError::TaskTimedOut));
    for wrong in ["", "Invalid token", &format!("{token}00"), &token.replace('a', "b")] {
        let error = engine.send_task_failure(wrong, None, None).unwrap_err();
        assert!(matches!(error, EngineError::InvalidToken | EngineError::TaskTimedOut), "{wrong} {error}");
    }
    engine.settle().unwrap();
    engine.shutdown();

    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.settle().unwrap();
    let work = engine.get_activity_task(ACTIVITY, Some("w"), NO_WAIT).unwrap().unwrap();
    assert_eq!(work.input, r#"{"from":"token"}"#);
    assert_eq!(engine.get_activity_task(ACTIVITY, None, NO_WAIT).unwrap(), None);
    engine.shutdown();

    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.settle().unwrap();
    assert_eq!(engine.get_activity_task(ACTIVITY, None, NO_WAIT).unwrap(), None, "a worker has it");
    engine.send_task_success(&work.task_token, "[1]").unwrap();
    engine.settle().unwrap();
    let (_, mut done) = host.kept.lock().unwrap().pop().unwrap();
    done.submitted(r#"{"run":7}"#.into());
    engine.settle().unwrap();
    engine.shutdown();
    drop(done);

    // The host goes on with the job, and does not start it again.
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.settle().unwrap();
    assert!(host.kept.lock().unwrap().is_empty());
    let (_, submission, done) = host.resumed.lock().unwrap().pop().unwrap();
    assert_eq!(submission, json!({ "run": 7 }));
    done.finish(TaskOutcome::Succeeded("2".into()));
    let ended = engine.wait(&arn).unwrap();
    assert_eq!((ended.status, ended.output.as_deref()), (Status::Succeeded, Some("2")));
    let types: Vec<_> = engine
        .execution_history(&arn, false, 0, None)
        .unwrap()
        .iter()
        .map(engine::HistoryEvent::event_type)
        .collect();
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types, expected);
    engine.shutdown();
}

/// What a recovery releases, it releases without holding the execution.
#[test]
fn a_job_that_the_host_has_forgotten_fails_when_the_engine_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(T0);
    let host = Arc::new(Host { forgets_jobs: true, ..Host::default() });
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    let job = json!({ "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": {}, "End": true });
    let definition = json!({ "StartAt": "Job", "States": { "Job": job } });
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    let arn = engine.start_execution(named("e", "{}")).unwrap().execution_arn;
    engine.settle().unwrap();
    let (_, mut done) = host.kept.lock().unwrap().pop().unwrap();
    done.submitted("{}".into());
    engine.settle().unwrap();
    engine.shutdown();
    drop(done);

    let engine = open(directory.path(), &clock, &host, None).unwrap();
    let ended = engine.wait(&arn).unwrap();
    assert_eq!((ended.status, ended.error.as_deref()), (Status::Failed, Some("Lambda.ServiceException")));
    engine.shutdown();
}

/// A machine with one state, which waits for a worker of the activity.
fn start_at_the_activity(engine: &Engine) -> String {
    let state = json!({ "Type": "Task", "Resource": ACTIVITY, "End": true });
    let definition = json!({ "StartAt": "A", "States": { "A": state } });
    engine.put_state_machine("m", &definition.to_string(), None).unwrap();
    engine.start_execution(named("e", "{}")).unwrap().execution_arn
}

fn ends_without_its_activity(engine: &Engine, execution: &str) {
    let ended = engine.wait(execution).unwrap();
    assert_eq!((ended.status, ended.error.as_deref()), (Status::Failed, Some("ActivityDoesNotExist")));
}

#[test]
fn a_task_whose_activity_was_deleted_fails_when_the_engine_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, host) = (ManualClock::at(T0), Arc::new(Host::default()));
    let engine = open(directory.path(), &clock, &host, None).unwrap();
    engine.create_activity(CreateActivity { name: "work".into(), ..CreateActivity::default() }).unwrap();
    let execution = start_at_the_activity(&engine);
    engine.settle().unwrap();
    engine.delete_activity("work").unwrap();
    engine.shutdown();

    let engine = open(directory.path(), &clock, &host, None).unwrap();
    ends_without_its_activity(&engine, &execution);
    engine.shutdown();
}

#[test]
fn a_task_of_an_activity_that_is_not_there_fails() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path(), &ManualClock::at(T0), &Arc::new(Host::default()), None).unwrap();
    let execution = start_at_the_activity(&engine);
    ends_without_its_activity(&engine, &execution);
    assert_eq!(engine.get_activity_task(ACTIVITY, None, NO_WAIT).unwrap(), None);
    engine.shutdown();
}

/// Found by the crash lab: two answers that came together were both told that they were taken.
#[test]
fn of_two_answers_at_once_one_is_taken_and_the_other_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let host = Arc::new(Host::default());
    let engine = open(directory.path(), &ManualClock::at(T0), &host, None).unwrap();
    let ask = json!({
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": true,
        "Parameters": { "QueueUrl": "q", "MessageBody": { "token.$": "$$.Task.Token" } }
    });
    engine
        .put_state_machine("m", &json!({ "StartAt": "Ask", "States": { "Ask": ask } }).to_string(), None)
        .unwrap();
    for round in 0..50 {
        let arn = engine.start_execution(named(&format!("e{round}"), "{}")).unwrap().execution_arn;
        engine.settle().unwrap();
        let (call, done) = host.kept.lock().unwrap().pop().unwrap();
        done.finish(TaskOutcome::Succeeded("{}".into()));
        let token = call.token.unwrap();
        let together = std::sync::Barrier::new(2);
        let answer = |output: &'static str| {
            together.wait();
            engine.send_task_success(&token, output).map(|()| output)
        };
        let answers = std::thread::scope(|scope| {
            let answers = ["1", "2"].map(|output| {
                let answer = &answer;
                scope.spawn(move || answer(output))
            });
            answers.map(|answer| answer.join().unwrap())
        });
        let taken: Vec<&str> = answers.iter().flatten().copied().collect();
        let ended = engine.wait(&arn).unwrap();
        assert_eq!(ended.output.as_deref().into_iter().collect::<Vec<_>>(), taken, "round {round}");
    }
    engine.shutdown();
}

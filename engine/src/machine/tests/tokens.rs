//! Tasks that go on after their call: callbacks, jobs, activities.

use super::*;
use crate::machine::{Effect, Transition};
use crate::simulate::{TaskStep, resume};

fn callback(more: Value) -> Arc<StateMachine> {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": { "QueueUrl": "q", "MessageBody": { "token.$": "$$.Task.Token" } }, "End": true
    });
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut states = json!({ "T": state });
    if states["T"].get("Catch").is_some() {
        states["C"] = json!({ "Type": "Pass", "End": true });
    }
    document(json!({ "StartAt": "T", "States": states }))
}

fn of_resource(resource: &str) -> Arc<StateMachine> {
    let state = json!({ "Type": "Task", "Resource": resource, "TimeoutSeconds": 60, "HeartbeatSeconds": 10, "End": true });
    document(json!({ "StartAt": "T", "States": { "T": state } }))
}

fn succeeded(output: &str) -> TaskOutcome {
    TaskOutcome::Succeeded(output.to_owned())
}

fn steps(definition: &Arc<StateMachine>, steps: &[(i64, TaskStep)]) -> SimulatedRun {
    run_with(&SimulationOptions::default(), definition, json!({}), &mut |_| Reply::Steps(steps.to_vec()))
}

const ACTIVITY: &str = "arn:aws:states:us-east-1:123456789012:activity:work";

#[test]
fn a_callback_waits_for_its_token() {
    let definition = callback(json!({ "HeartbeatSeconds": 10 }));
    let steps_of = [
        (0, TaskStep::Submitted("{}".to_owned())),
        (9_000, TaskStep::Heartbeat),
        (18_000, TaskStep::Ended(succeeded("7"))),
    ];
    let run = steps(&definition, &steps_of);
    check(
        &run,
        Status::Succeeded,
        &[
            "2 <- 0 TaskStateEntered T",
            "3 <- 2 TaskScheduled",
            "4 <- 3 TaskStarted",
            "5 <- 4 TaskSubmitted",
            "6 <- 5 TaskSucceeded",
            "7 <- 6 TaskStateExited T",
            "8 <- 7 ExecutionSucceeded",
        ],
    );
    assert_eq!((run.output, run.elapsed_millis), (Some(json!(7)), 18_000));
    let late = steps(&definition, &[(0, TaskStep::Submitted("{}".to_owned()))]);
    assert_eq!((late.error.as_deref(), late.elapsed_millis), (Some("States.Timeout"), 10_000));
}

#[test]
fn a_failure_by_token_needs_neither_error_nor_cause() {
    let definition =
        callback(json!({ "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "C" }] }));
    let silent = TaskOutcome::Failed { error: String::new(), cause: String::new() };
    let run = steps(&definition, &[(0, TaskStep::Submitted("{}".to_owned())), (0, TaskStep::Ended(silent))]);
    assert_eq!(run.output, Some(json!({ "e": { "Error": null, "Cause": null } })));
    let failed = run.history.iter().find(|event| event.event_type() == "TaskFailed").unwrap();
    let event = serde_json::to_value(failed).unwrap();
    let service = json!({ "resourceType": "sqs", "resource": "sendMessage.waitForTaskToken" });
    assert_eq!(event["taskFailedEventDetails"], service);
}

#[test]
fn a_call_that_is_refused_submits_nothing() {
    for resource in
        ["arn:aws:states:::sqs:sendMessage.waitForTaskToken", "arn:aws:states:::glue:startJobRun.sync"]
    {
        let definition =
            if resource.ends_with("Token") { callback(json!({})) } else { of_resource(resource) };
        let mut execution = Execution::new(definition);
        advance(&mut execution, Input::Start(Box::new(start())), 0).unwrap();
        let refused = Input::TaskFailed { event_id: 3, error: "E".into(), cause: "C".into() };
        let records = advance(&mut execution, refused, 0).unwrap().records;
        assert!(matches!(records[0].fact, Fact::TaskSubmitFailed { .. }), "{:?}", records[0].fact);
        assert_eq!(execution.status(), Status::Failed);
    }
}

#[test]
fn a_token_is_good_for_one_attempt() {
    let definition = callback(json!({ "Retry": [{ "ErrorEquals": ["E"], "MaxAttempts": 1 }] }));
    let mut execution = Execution::new(definition);
    let started = advance(&mut execution, Input::Start(Box::new(start())), 0).unwrap();
    let token_in = |transition: &Transition| {
        transition.effects.iter().find_map(|effect| match effect {
            Effect::Invoke(task) => task.token.clone(),
            _ => None,
        })
    };
    let first = token_in(&started).unwrap();
    assert_eq!(execution.task_of_token(&first), Some(3));
    assert_eq!(
        super::super::execution_arn(&first).as_deref(),
        execution.started().map(|s| &*s.execution_arn)
    );
    let failed = Input::TokenFailed { event_id: 3, error: Some("E".into()), cause: None };
    advance(&mut execution, failed, 0).unwrap();
    assert_eq!(execution.task_of_token(&first), None);
    let timer = execution.timers().next().unwrap();
    let again = advance(&mut execution, Input::TimerFired(timer.0), timer.1).unwrap();
    let second = token_in(&again).unwrap();
    assert_ne!(first, second);
    assert_eq!(execution.task_of_token(&first), None);
    assert!(execution.task_of_token(&second).is_some());
}

#[test]
fn a_task_waits_from_when_its_token_is_handed_out_until_it_is_answered() {
    let mut execution = Execution::new(callback(json!({ "TimeoutSeconds": 60 })));
    advance(&mut execution, Input::Start(Box::new(start())), 5_000).unwrap();
    assert_eq!(execution.waiting_tasks(), []);
    assert!(!execution.waits_only_for_answers());
    advance(&mut execution, Input::TaskSucceeded { event_id: 3, output: "{}".into() }, 6_000).unwrap();
    let waiting = execution.waiting_tasks();
    let [task] = &*waiting else { panic!("{waiting:?}") };
    assert!(execution.waits_only_for_answers());
    assert_eq!(execution.task_of_token(&task.token), Some(3));
    assert_eq!((task.since_millis, task.until_millis), (5_000, Some(65_000)));
    assert_eq!(task.place(), execution.current_states().join(" / "));
    advance(&mut execution, Input::TokenSucceeded { event_id: 3, output: "1".into() }, 7_000).unwrap();
    assert_eq!(execution.waiting_tasks(), []);
    assert!(!execution.waits_only_for_answers());
}

#[test]
fn nobody_but_the_bearer_ends_a_callback() {
    let mut execution = Execution::new(callback(json!({})));
    advance(&mut execution, Input::Start(Box::new(start())), 0).unwrap();
    let answer = || Input::TaskSucceeded { event_id: 3, output: "{}".into() };
    assert_eq!(advance(&mut execution, answer(), 0).unwrap().records.len(), 1);
    // The host has said what it had to say.
    assert_eq!(advance(&mut execution, answer(), 0).unwrap(), Transition::default());
    let failed = Input::TaskFailed { event_id: 3, error: "E".into(), cause: String::new() };
    assert_eq!(advance(&mut execution, failed, 0).unwrap(), Transition::default());
    let answer = Input::TokenSucceeded { event_id: 3, output: "1".into() };
    advance(&mut execution, answer, 0).unwrap();
    assert_eq!(execution.status(), Status::Succeeded);
}

#[test]
fn an_activity_counts_from_when_a_worker_takes_it() {
    let steps_of = [
        (1_000_000, TaskStep::Taken(Some("w".to_owned()))),
        (1_009_000, TaskStep::Heartbeat),
        (1_018_000, TaskStep::Ended(succeeded("7"))),
    ];
    let run = steps(&of_resource(ACTIVITY), &steps_of);
    check(
        &run,
        Status::Succeeded,
        &[
            "2 <- 0 TaskStateEntered T",
            "3 <- 2 ActivityScheduled",
            "4 <- 3 ActivityStarted",
            "5 <- 4 ActivitySucceeded",
            "6 <- 5 TaskStateExited T",
            "7 <- 6 ExecutionSucceeded",
        ],
    );
    let silent = steps(&of_resource(ACTIVITY), &[(5_000, TaskStep::Taken(None))]);
    assert_eq!((silent.error.as_deref(), silent.elapsed_millis), (Some("States.Timeout"), 15_000));
    let mut execution = Execution::new(of_resource(ACTIVITY));
    advance(&mut execution, Input::Start(Box::new(start())), 0).unwrap();
    let missing = Input::TaskNotScheduled { event_id: 3, error: "E".into(), cause: "C".into() };
    let records = advance(&mut execution, missing, 0).unwrap().records;
    assert!(matches!(records[0].fact, Fact::TaskScheduleFailed { .. }));
}

/// What is taken up again after a crash that kept the records up to a fact.
fn taken_up(
    definition: &Arc<StateMachine>,
    run: &SimulatedRun,
    until: impl Fn(&Fact) -> bool,
) -> Vec<Effect> {
    let cut = run.records.iter().position(|record| until(&record.fact)).unwrap();
    let mut execution = Execution::replay(Arc::clone(definition), &run.records[..=cut]).unwrap();
    let recovered = advance(&mut execution, Input::Recovered, 0).unwrap();
    assert!(recovered.records.is_empty(), "nothing is lost: {:?}", recovered.records);
    recovered.effects.into_iter().filter(|effect| !matches!(effect, Effect::SetTimer { .. })).collect()
}

#[test]
fn a_crash_ends_no_task_that_goes_on_elsewhere() {
    let definition = of_resource(ACTIVITY);
    let run = steps(&definition, &[(0, TaskStep::Taken(None)), (0, TaskStep::Ended(succeeded("1")))]);
    let offered = taken_up(&definition, &run, |fact| matches!(fact, Fact::TaskScheduled { .. }));
    assert!(matches!(&offered[..], [Effect::Invoke(task)] if task.is_of_activity()), "{offered:?}");
    let worked_on = taken_up(&definition, &run, |fact| matches!(fact, Fact::ActivityStarted { .. }));
    assert_eq!(worked_on, []);

    let answers = [(0, TaskStep::Submitted(r#"{"id":1}"#.to_owned())), (0, TaskStep::Ended(succeeded("1")))];
    let submitted = |fact: &Fact| matches!(fact, Fact::TaskSubmitted { .. });
    let definition = of_resource("arn:aws:states:::glue:startJobRun.sync");
    let jobs = taken_up(&definition, &steps(&definition, &answers), submitted);
    assert!(matches!(&jobs[..], [Effect::Resume { submission, .. }] if submission.text() == r#"{"id":1}"#));

    let definition = callback(json!({}));
    let run = steps(&definition, &answers);
    assert_eq!(taken_up(&definition, &run, submitted), []);
    let cut = run.records.iter().position(|record| submitted(&record.fact)).unwrap();
    let resumed = resume(&definition, &run.records[..=cut], &mut |_| unreachable!("it was called")).unwrap();
    assert_eq!(resumed.status, Status::Running);
}

#[test]
fn resources_have_their_names_in_events() {
    use crate::machine::{Integration, Pattern};
    let service = |resource_type, resource| Integration::Service { resource_type, resource };
    for (resource, expected, pattern) in [
        ("arn:aws:lambda:us-east-1:1:function:f", Integration::Function, Pattern::Call),
        (ACTIVITY, Integration::Activity, Pattern::Worker),
        ("arn:aws:states:::lambda:invoke", service("lambda", "invoke"), Pattern::Call),
        ("arn:aws:states:::aws-sdk:s3:listBuckets", service("aws-sdk:s3", "listBuckets"), Pattern::Call),
        (
            "arn:aws:states:::states:startExecution.sync",
            service("states", "startExecution.sync"),
            Pattern::Job,
        ),
        (
            "arn:aws:states:::states:startExecution.sync:2",
            service("states", "startExecution.sync:2"),
            Pattern::Job,
        ),
        (
            "arn:aws:states:::lambda:invoke.waitForTaskToken",
            service("lambda", "invoke.waitForTaskToken"),
            Pattern::Callback,
        ),
    ] {
        let integration = Integration::of(resource);
        assert_eq!((integration, integration.pattern()), (expected, pattern), "{resource}");
    }
}

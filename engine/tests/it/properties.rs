//! Laws: live state is replayed state, and a crash after any record changes
//! nothing about how an execution ends.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use asl::StateMachine;
use engine::machine::{Execution, Fact, Record};
use engine::simulate::{Reply, SimulatedRun, SimulationOptions, TaskStep, resume_with, run_with};
use engine::{Status, TaskOutcome, TaskRequest, lambda_invoke_result};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Definitions in which every construct of the language meets tasks.
fn definitions() -> Vec<Arc<StateMachine>> {
    let retry = json!([
        { "ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 1000, "IntervalSeconds": 1, "BackoffRate": 1 },
        { "ErrorEquals": ["Custom"], "MaxAttempts": 2, "IntervalSeconds": 2, "JitterStrategy": "FULL" }
    ]);
    let task = |name: &str, more: Value| {
        let mut state = json!({
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 10, "Retry": retry,
            "Arguments": { "FunctionName": name, "Payload": "{% $states.input %}" },
            "Output": "{% $states.result.Payload %}"
        });
        for (key, value) in more.as_object().unwrap() {
            state[key] = value.clone();
        }
        state
    };
    let end = json!({ "End": true });
    let one = |name: &str| json!({ "StartAt": name, "States": { name: task(name, end.clone()) } });
    let catch = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Caught", "Assign": { "error": "{% $states.errorOutput.Error %}" } }]);
    let caught = json!({ "Type": "Pass", "Output": { "caught": "{% $error %}" }, "End": true });
    let chain = json!({
        "A": task("A", json!({ "Next": "Wait" })),
        "Wait": { "Type": "Wait", "Seconds": 3600, "Next": "B" },
        "B": task("B", json!({ "Assign": { "b": "{% $states.result.Payload %}" }, "Next": "Choose", "Catch": catch })),
        "Choose": { "Type": "Choice", "Choices": [{ "Condition": "{% $b > 100 %}", "Next": "C" }], "Default": "Done" },
        "C": task("C", end.clone()),
        "Done": { "Type": "Succeed", "Output": "{% $b %}" },
        "Caught": caught
    });
    let map = json!({
        "Start": { "Type": "Pass", "Output": "{% [1..6] %}", "Next": "M" },
        "M": { "Type": "Map", "MaxConcurrency": 3, "ItemProcessor": one("Item"), "Catch": catch, "End": true, "Retry": [
            { "ErrorEquals": ["Custom"], "MaxAttempts": 1 } ] },
        "Caught": caught
    });
    let inner = json!({ "StartAt": "Inner", "States": {
        "Inner": { "Type": "Map", "Items": [1, 2, 3], "MaxConcurrency": 2, "ItemProcessor": one("Deep"), "End": true } } });
    let rest = json!({ "StartAt": "Rest", "States": {
        "Rest": { "Type": "Wait", "Seconds": 5, "Next": "After" }, "After": task("After", end.clone()) } });
    let parallel = json!({
        "P": { "Type": "Parallel", "Branches": [one("Left"), inner, rest], "Catch": catch, "Next": "Last" },
        "Last": task("Last", end.clone()),
        "Caught": caught
    });
    [
        ("JSONata", "A", chain),
        ("JSONata", "Start", map),
        ("JSONata", "P", parallel),
        ("JSONPath", "Items", patterns()),
    ]
    .into_iter()
    .map(|(language, start, states)| {
        let text = json!({ "QueryLanguage": language, "StartAt": start, "States": states }).to_string();
        Arc::new(StateMachine::parse(&text).unwrap_or_else(|found| panic!("{found}")))
    })
    .collect()
}

/// In JSONPath: an object's items, and tasks that go on after their call.
fn patterns() -> Value {
    let retry = json!([
        { "ErrorEquals": ["Lambda.ServiceException", "States.Timeout"], "MaxAttempts": 1000, "IntervalSeconds": 1, "BackoffRate": 1 },
        { "ErrorEquals": ["Custom"], "MaxAttempts": 2, "IntervalSeconds": 2 }
    ]);
    let catch = json!([{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Assign": { "why.$": "$.Error" }, "Next": "Caught" }]);
    let callback = json!({ "StartAt": "Callback", "States": { "Callback": {
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "TimeoutSeconds": 30, "Retry": retry,
        "Parameters": { "QueueUrl": "q", "MessageBody": { "n.$": "$.n", "token.$": "$$.Task.Token" } },
        "ResultSelector": { "got.$": "$" }, "ResultPath": "$.result", "End": true } } });
    json!({
        "Items": { "Type": "Pass", "Result": { "o": { "a": 1, "b": 2, "c": 3 }, "limit": "2" }, "ResultPath": "$.data", "Next": "Each" },
        "Each": {
            "Type": "Map", "ItemsPath": "$.data.o", "MaxConcurrencyPath": "$.data.limit", "ItemProcessor": callback,
            "ItemSelector": { "key.$": "$$.Map.Item.Key", "n.$": "$$.Map.Item.Value" },
            "ResultPath": "$.each", "Catch": catch, "Next": "Activity"
        },
        "Activity": {
            "Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:work", "Retry": retry, "Catch": catch,
            "TimeoutSeconds": 30, "HeartbeatSeconds": 20, "InputPath": "$.each", "ResultPath": "$.activity", "Next": "Choose"
        },
        "Choose": { "Type": "Choice", "Choices": [
            { "And": [{ "Variable": "$.activity", "IsPresent": true }, { "Variable": "$.activity", "NumericLessThan": 150 }],
              "Next": "Job", "Assign": { "chosen.$": "$.activity" } }], "Default": "Caught" },
        "Job": {
            "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "TimeoutSeconds": 30, "Retry": retry,
            "Parameters": { "Arguments.$": "States.Array($chosen)" }, "OutputPath": "$", "End": true
        },
        "Caught": { "Type": "Pass", "Parameters": { "seen.$": "$" }, "End": true }
    })
}

/// What a task answers depends on who asks, not on when.
fn reply(task: &TaskRequest, salt: u64, by_attempt: bool) -> Reply {
    let mut hasher = DefaultHasher::new();
    let asked = task.arguments.pointer("/MessageBody/n").unwrap_or(&task.arguments);
    (salt, &task.state_name, asked.to_string()).hash(&mut hasher);
    if by_attempt {
        task.attempt.hash(&mut hasher);
    }
    let drawn = hasher.finish();
    let number = drawn / 100 % 200;
    let failed = |error: &str| TaskOutcome::Failed { error: error.to_owned(), cause: format!("{number}") };
    if task.resource != "arn:aws:states:::lambda:invoke" {
        let ended = match drawn % 8 {
            0 => failed("Custom"),
            _ => TaskOutcome::Succeeded(json!(number).to_string()),
        };
        let begun = match &task.token {
            Some(_) if task.is_of_activity() => TaskStep::Taken(Some("worker".to_owned())),
            _ => TaskStep::Submitted(json!({ "id": number }).to_string()),
        };
        let millis = i64::try_from(number).unwrap() * 10;
        return Reply::Steps(vec![(millis / 2, begun), (millis, TaskStep::Ended(ended))]);
    }
    let returned = TaskOutcome::Succeeded(lambda_invoke_result(&json!(number).to_string()));
    match drawn % 20 {
        0 => Reply::Now(failed("Custom")),
        1 => Reply::Now(failed("Fatal")),
        2 => Reply::Never,
        3 if by_attempt => Reply::Now(failed("Lambda.ServiceException")),
        4..=9 => Reply::After(i64::try_from(number).unwrap() * 10, returned),
        10 => Reply::After(60_000, returned),
        _ => Reply::Now(returned),
    }
}

fn options(seed: u64, redrives: usize) -> SimulationOptions {
    SimulationOptions { seed, redrive_after_millis: vec![1_000; redrives], ..SimulationOptions::default() }
}

fn redrives(records: &[Record]) -> usize {
    records.iter().filter(|record| matches!(record.fact, Fact::ExecutionRedriven { .. })).count()
}

/// Runs; what tasks answer drifts, so that a redrive gets further than what it redrives.
fn drifting(definition: &Arc<StateMachine>, salt: u64, redrives: usize) -> SimulatedRun {
    let mut calls = 0;
    run_with(&options(salt, redrives), definition, json!(7), &mut |task| {
        calls += 1;
        reply(task, salt ^ (calls / 16), true)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn live_state_is_replayed_state(which in 0..4_usize, salt: u64, redriven in 0..4_usize) {
        let definition = &definitions()[which];
        let run = drifting(definition, salt, redriven);
        prop_assert_ne!(run.status, Status::Running);
        let replayed = Execution::replay(Arc::clone(definition), &run.records).unwrap();
        prop_assert_eq!(&replayed, &run.execution);
        for (index, event) in run.history.iter().enumerate() {
            prop_assert_eq!(event.id, index as u64 + 1, "ids have no gaps");
            prop_assert!(event.previous_event_id < event.id);
        }
        let again = drifting(definition, salt, redriven);
        prop_assert_eq!(&again.records, &run.records, "the same seed and answers give the same records");
        prop_assert!(run.status == Status::Succeeded || redrives(&run.records) == redriven);
        prop_assert_eq!(run.execution.redrive_count() as usize, redrives(&run.records));
        let of = |end: &str| run.history.iter().filter(|event| event.event_type().ends_with(end)).count();
        prop_assert!(of("StateExited") <= of("StateEntered"), "one exit for each entry");
        prop_assert_eq!(of("ExecutionStarted"), 1);
    }

    #[test]
    fn a_crash_after_any_record_changes_no_status(which in 0..4_usize, salt: u64, redriven in 0..3_usize) {
        let definition = &definitions()[which];
        let run = run_with(&options(salt, redriven), definition, json!(7), &mut |task| reply(task, salt, false));
        for cut in 1..run.records.len() {
            let records = &run.records[..cut];
            let left = options(salt, redriven - redrives(records));
            let resumed = resume_with(&left, definition, records, &mut |task| reply(task, salt, false)).unwrap();
            prop_assert_eq!(resumed.status, run.status, "after {} of {} records", cut, run.records.len());
            let replayed = Execution::replay(Arc::clone(definition), &resumed.records).unwrap();
            prop_assert_eq!(&replayed, &resumed.execution);
        }
    }
}

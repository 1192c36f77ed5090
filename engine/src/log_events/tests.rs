//! Which events a level logs, and what of them.

use serde_json::{Value, json};

use super::{log_document, without_execution_data};
use crate::machine::HistoryEvent;
use crate::registry::{LogLevel, Logging};
use crate::simulate;
use crate::task::TaskOutcome;

const ARN: &str = "arn:aws:states:us-east-1:123456789012:execution:m:e";

/// A task that fails and is caught, and a state that fails the execution.
fn history() -> Vec<HistoryEvent> {
    let definition = asl::StateMachine::parse(
        r#"{"QueryLanguage": "JSONata", "StartAt": "T", "States": {
            "T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                  "Arguments": {"FunctionName": "f", "Payload": {"secret": 1}},
                  "Catch": [{"ErrorEquals": ["E"], "Next": "P", "Assign": {"v": "secret"}}], "End": true},
            "P": {"Type": "Pass", "Assign": {"w": "secret"}, "Next": "F"},
            "F": {"Type": "Fail", "Error": "Bad", "Cause": "by hand"}}}"#,
    );
    let definition = definition.unwrap_or_else(|found| panic!("{found}"));
    let fail = TaskOutcome::Failed { error: "E".into(), cause: "C".into() };
    simulate::run(&definition, json!({ "secret": 1 }), 0, &mut |_| fail.clone()).history
}

fn documents(level: LogLevel, include_execution_data: bool) -> Vec<Value> {
    let logging = Logging { level, include_execution_data, destinations: None };
    history().iter().filter_map(|event| log_document(event, ARN, &logging, 0)).collect()
}

fn types(level: LogLevel) -> Vec<String> {
    documents(level, true)
        .iter()
        .map(|document| document["type"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn levels_log_what_they_name() {
    let all: Vec<String> = history().iter().map(|event| event.event_type().to_owned()).collect();
    assert_eq!(types(LogLevel::All), all);
    assert_eq!(types(LogLevel::Error), ["TaskFailed", "FailStateEntered", "ExecutionFailed"]);
    assert_eq!(types(LogLevel::Fatal), ["ExecutionFailed"]);
    assert_eq!(types(LogLevel::Off), [""; 0]);
}

#[test]
fn a_document_has_texts_for_numbers() {
    let documents = documents(LogLevel::All, true);
    assert_eq!(
        documents.first(),
        Some(&json!({
            "id": "1", "type": "ExecutionStarted",
            "details": {
                "input": "{\"secret\":1}", "inputDetails": { "truncated": false },
                "roleArn": "arn:aws:iam::123456789012:role/simulation"
            },
            "redrive_count": "0", "previous_event_id": "0", "event_timestamp": "1767225600000", "execution_arn": ARN
        }))
    );
    let last = documents.last().map(|document| document["details"].clone());
    assert_eq!(last, Some(json!({ "error": "Bad", "cause": "by hand" })));
}

#[test]
fn data_stay_away_where_they_are_not_wanted() {
    let without = documents(LogLevel::All, false);
    assert_eq!(without.len(), documents(LogLevel::All, true).len());
    let text = json!(without).to_string();
    assert!(!text.contains("secret") && !text.contains("truncated"), "{text}");
    assert!(text.contains("by hand"), "causes are no data: {text}");
    for event in history() {
        let mut value = serde_json::to_value(&event).unwrap();
        without_execution_data(&mut value);
        assert!(!value.to_string().contains("secret"), "{value}");
    }
}

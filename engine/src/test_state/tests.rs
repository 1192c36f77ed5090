use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::task::lambda_invoke_result;

/// Answers the calls of the recorded cases as their functions did.
struct Functions(Alone);

impl TestHost for Functions {
    fn now_millis(&self) -> i64 {
        self.0.now_millis
    }

    fn seed(&self) -> u64 {
        self.0.seed
    }

    fn region_and_account(&self) -> (&str, &str) {
        self.0.region_and_account()
    }

    fn run(&self, task: TaskRequest) -> TaskOutcome {
        TaskOutcome::Succeeded(match task.resource.as_str() {
            "arn:aws:states:::lambda:invoke" => lambda_invoke_result("{}"),
            _ => r#""HelloWorld!""#.to_owned(),
        })
    }
}

fn ask(request: Value) -> Result<Value, TestStateError> {
    let request: TestStateInput = serde_json::from_value(request).expect("a request");
    let answer = test_state(&request, &Functions(Alone::default()))?;
    Ok(serde_json::to_value(answer).expect("JSON"))
}

/// Texts that hold JSON are compared as JSON, and what a call adds to its
/// result on the way through HTTP is left out.
fn canonical(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).map_or_else(|_| value.clone(), |read: Value| canonical(&read))
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "SdkHttpMetadata" | "SdkResponseMetadata"))
            .map(|(key, item)| (key.clone(), canonical(item)))
            .collect(),
        other => other.clone(),
    }
}

/// Whether a value is the recorded one; `{{*name}}` is anything, `{{name}}`
/// the same text wherever it is.
fn same(recorded: &Value, value: &Value, bound: &mut BTreeMap<String, String>) -> bool {
    match (recorded, value) {
        (Value::String(recorded), Value::String(text)) => same_text(recorded, text, bound),
        (Value::String(recorded), Value::Null) => recorded.starts_with("{{*"),
        (Value::Array(recorded), Value::Array(items)) => {
            recorded.len() == items.len()
                && recorded.iter().zip(items).all(|(recorded, item)| same(recorded, item, bound))
        }
        (Value::Object(recorded), Value::Object(fields)) => {
            recorded.len() == fields.len()
                && recorded
                    .iter()
                    .all(|(key, recorded)| fields.get(key).is_some_and(|item| same(recorded, item, bound)))
        }
        _ => recorded == value,
    }
}

fn same_text(recorded: &str, text: &str, bound: &mut BTreeMap<String, String>) -> bool {
    let Some((before, rest)) = recorded.split_once("{{") else { return recorded == text };
    let Some((name, after)) = rest.split_once("}}") else { return recorded == text };
    let Some(text) = text.strip_prefix(before) else { return false };
    let stop = after.split("{{").next().unwrap_or_default();
    let end = if stop.is_empty() && after.is_empty() { Some(text.len()) } else { text.find(stop) };
    let Some((found, text)) = end.map(|end| text.split_at(end)) else { return false };
    if !name.starts_with('*') && bound.entry(name.to_owned()).or_insert_with(|| found.to_owned()) != found {
        return false;
    }
    same_text(after, text, bound)
}

fn difference(step: &Value, bound: &mut BTreeMap<String, String>) -> Option<String> {
    let answer = ask(step["params"].clone());
    match (&answer, step["expect_error"].as_object()) {
        (Ok(answer), None) => {
            let (recorded, answer) = (canonical(&step["expect"][0]["response"]), canonical(answer));
            (!same(&recorded, &answer, bound)).then(|| format!("recorded {recorded}\n       got {answer}"))
        }
        (Err(error), Some(recorded)) => {
            let agrees = recorded["code"] == error.code && recorded["message"] == error.message.as_str();
            // Refused by the caller's client, which is not here.
            let by_client = recorded.contains_key("client_side");
            (!agrees && !by_client).then(|| format!("recorded {recorded:?}\n       got {error}"))
        }
        (Ok(answer), Some(recorded)) => Some(format!("recorded {recorded:?}\n       got {answer}")),
        (Err(error), None) => Some(format!("recorded {}\n       got {error}", step["expect"][0])),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the recorded cases are files")]
fn recorded_answers_of_aws() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/sfn/test-state.json");
    let Ok(text) = std::fs::read_to_string(file) else {
        println!("SKIPPED: ../shared/conformance is not there");
        return;
    };
    let text = text.replace("{{region}}", "us-east-1").replace("{{account}}", "123456789012");
    let recorded: Value = serde_json::from_str(&text).expect("JSON");
    let cases = recorded["cases"].as_array().expect("cases");
    let mut differences = Vec::new();
    for case in cases {
        let mut bound = BTreeMap::new();
        for step in case["steps"].as_array().expect("steps") {
            if let Some(difference) = difference(step, &mut bound) {
                differences.push(format!("{}\n  {difference}", case["id"]));
                break;
            }
        }
    }
    println!("{} of {} cases are answered as recorded", cases.len() - differences.len(), cases.len());
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn a_request_has_to_make_sense() {
    let pass = r#"{"Type": "Pass", "End": true}"#;
    let task = r#"{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}"#;
    let job = r#"{"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "End": true}"#;
    for (request, code, message) in [
        (json!({ "definition": "{" }), "InvalidDefinition", "INVALID_JSON_DESCRIPTION"),
        (json!({ "definition": pass, "input": "{" }), "InvalidExecutionInput", "EOF"),
        (json!({ "definition": pass, "variables": "[]" }), "ValidationException", "variables"),
        (json!({ "definition": pass, "context": "{}" }), "ValidationException", "Context object"),
        (json!({ "definition": task, "mock": {} }), "ValidationException", "[result, errorOutput]"),
        (json!({ "definition": task, "mock": { "result": "{" } }), "ValidationException", "Mocked result"),
        (json!({ "definition": job, "roleArn": "r" }), "InvalidDefinition", ".sync"),
        (
            json!({ "definition": task, "mock": { "result": "{}" }, "context": r#"{"State": 1}"# }),
            "ValidationException",
            "Invalid Context object provided: State must be an object",
        ),
        (
            json!({ "definition": r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#, "stateName": "B" }),
            "ValidationException",
            "State 'B'",
        ),
    ] {
        let error = ask(request.clone()).expect_err(&request.to_string());
        assert!(error.code == code && error.message.contains(message), "{request}\n{error}");
    }
}

/// What is not recorded: the stages of a Map, failures that are caught after retries, variables.
#[test]
fn the_stages_of_a_map_are_shown() {
    let definition = json!({
        "Type": "Map", "ItemsPath": "$.items", "End": true,
        "ItemSelector": { "n.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "all.$": "$.all" },
        "ItemBatcher": { "MaxItemsPerBatch": 2, "BatchInput": { "all.$": "$.all" } },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" },
            "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } },
        },
        "ToleratedFailurePercentage": 30,
    });
    let request = |failures: u64| {
        json!({
            "definition": definition.to_string(), "inspectionLevel": "DEBUG",
            "input": r#"{"items": ["a", "b", "c"], "all": 1}"#, "mock": { "result": "[]" },
            "stateConfiguration": { "mapIterationFailureCount": failures },
        })
    };
    let answer = ask(request(0)).expect("an answer");
    let data = canonical(&answer["inspectionData"]);
    let input = |n: u64, v: &str| json!({ "n": n, "v": v, "all": 1 });
    assert_eq!(data["afterItemSelector"], json!([input(0, "a"), input(1, "b"), input(2, "c")]));
    assert_eq!(
        data["afterItemBatcher"],
        json!([
            { "BatchInput": { "all": 1 }, "Items": [input(0, "a"), input(1, "b")] },
            { "BatchInput": { "all": 1 }, "Items": [input(2, "c")] },
        ])
    );
    assert_eq!(data["toleratedFailurePercentage"], json!(30.0));
    assert_eq!(answer["status"], "SUCCEEDED");
    assert_eq!(ask(request(1)).expect("an answer")["error"], "States.ExceedToleratedFailureThreshold");
}

#[test]
fn a_catcher_takes_what_a_retrier_gives_up() {
    let definition = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B",
        "Parameters": { "FunctionName": "f", "Payload.$": "$.no.such" },
        "Retry": [{ "ErrorEquals": ["E"], "IntervalSeconds": 3, "BackoffRate": 1.5, "MaxAttempts": 2 }],
        "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "C", "ResultPath": "$.error", "Assign": { "x": 1 } }],
    });
    let failing = |parameters: Value, count: u64| {
        let mut definition = definition.clone();
        definition["Parameters"] = parameters;
        ask(json!({
            "definition": definition.to_string(), "input": r#"{"a": 1}"#, "inspectionLevel": "DEBUG",
            "mock": { "errorOutput": { "error": "E", "cause": "c" } },
            "stateConfiguration": { "retrierRetryCount": count },
        }))
        .expect("an answer")
    };
    let first = failing(json!({}), 1);
    assert_eq!(first["status"], "RETRIABLE");
    assert_eq!(
        first["inspectionData"]["errorDetails"],
        json!({ "retryIndex": 0, "retryBackoffIntervalSeconds": 4 })
    );
    let last = failing(json!({}), 2);
    assert_eq!((&last["status"], &last["nextState"]), (&json!("CAUGHT_ERROR"), &json!("C")));
    assert_eq!(canonical(&last["output"]), json!({ "a": 1, "error": { "Error": "E", "Cause": "c" } }));
    assert_eq!(last["inspectionData"]["errorDetails"], json!({ "catchIndex": 0, "retryIndex": 0 }));
    assert_eq!(last["inspectionData"]["variables"], r#"{"x":1}"#);
    // Nothing takes `States.Runtime`.
    let broken = failing(definition["Parameters"].clone(), 0);
    assert_eq!((&broken["status"], &broken["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    assert_eq!(
        broken["cause"],
        "The JSONPath '$.no.such' specified for the field 'Payload.$' could not be found in the input '{\"a\":1}'"
    );
    assert_eq!(broken["inspectionData"].as_object().map(serde_json::Map::len), Some(2));
}

#[test]
fn what_an_execution_would_not_keep_is_not_kept_here() {
    let assign = |value: &str| {
        let state = json!({
            "Type": "Pass", "QueryLanguage": "JSONata", "Assign": { "x": value }, "Output": 1, "End": true,
        });
        ask(json!({ "definition": state.to_string() })).expect("an answer")
    };
    assert_eq!(assign("{% $join([1..1000].('ab')) %}")["status"], "SUCCEEDED");
    let answer = assign("{% $join([1..200000].('ab')) %}");
    assert_eq!((&answer["status"], &answer["error"]), (&json!("FAILED"), &json!("States.DataLimitExceeded")));
}

#[test]
fn fields_of_a_batcher_are_named_as_in_executions() {
    let state = json!({
        "Type": "Map", "QueryLanguage": "JSONata", "Items": [1, 2], "End": true,
        "ItemBatcher": { "MaxItemsPerBatch": "{% $states.input.nothing %}" },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" },
            "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } },
        },
    });
    let answer =
        ask(json!({ "definition": state.to_string(), "mock": { "result": "[]" } })).expect("an answer");
    let cause = answer["cause"].as_str().expect("a cause");
    assert!(cause.contains("'ItemBatcher/MaxItemsPerBatch' returned nothing"), "{cause}");
}

#[test]
fn an_item_reader_reads_its_data_as_it_was_found() {
    let request = |kind: Value, data: &str| {
        let definition = json!({
            "Type": "Map", "End": true, "ItemSelector": { "v.$": "$$.Map.Item.Value" },
            "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": kind,
                            "Parameters": { "Bucket": "b", "Key": "k" } },
            "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
                               "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } },
        });
        ask(json!({
            "definition": definition.to_string(), "inspectionLevel": "DEBUG", "mock": { "result": "[]" },
            "stateConfiguration": { "mapItemReaderData": data },
        }))
        .expect("an answer")
    };
    let selected = |answer: &Value| {
        let text = answer["inspectionData"]["afterItemSelector"].as_str().expect("items").to_owned();
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let csv = json!({ "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" });
    let answer = request(csv.clone(), "a,b\n1,2\n3,4\n");
    assert_eq!(selected(&answer), json!([{ "v": { "a": "1", "b": "2" } }, { "v": { "a": "3", "b": "4" } }]));
    let answer = request(json!({ "InputType": "JSONL" }), "{\"a\": 1}\n[2]\n");
    assert_eq!(selected(&answer), json!([{ "v": { "a": 1 } }, { "v": [2] }]));
    let answer = request(csv, "a,b\n\"1,2");
    assert_eq!(answer["error"], "States.ItemReaderFailed", "{answer}");
}

#[test]
fn data_that_is_too_large_is_caught_by_its_name_only() {
    let caught = |name: &str| {
        let definition = json!({
            "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
            "Parameters": { "QueueUrl": "q", "MessageBody": "m" },
            "Catch": [{ "ErrorEquals": [name], "Next": "Apologise" }],
        });
        let mock = json!({ "errorOutput": { "error": "States.DataLimitExceeded", "cause": "c" } });
        ask(json!({ "definition": definition.to_string(), "mock": mock })).expect("an answer")["status"]
            .clone()
    };
    assert_eq!(caught("States.ALL"), "FAILED");
    assert_eq!(caught("States.DataLimitExceeded"), "CAUGHT_ERROR");
}

//! What optimised integrations do to parameters and results beyond the call.
//!
//! Source: developer guide, the pages of the integrations.

use engine::TaskRequest;
use serde_json::{Map, Value};

use super::arguments::as_text;
use super::client::Answer;
use super::problem::Problem;

/// The arguments of the operation that an integration calls.
pub(super) fn arguments(service: &str, action: &str, task: &TaskRequest) -> Result<Value, Problem> {
    let mut arguments = task.arguments.clone();
    let Some(fields) = arguments.as_object_mut() else { return Ok(arguments) };
    match (service, action) {
        ("sqs", "sendMessage") => {
            // The guide's name of the parameter is in the singular.
            if let Some(attributes) = fields.shift_remove("MessageAttribute") {
                fields.entry("MessageAttributes").or_insert(attributes);
            }
        }
        ("events", "putEvents") => {
            for entry in fields.get_mut("Entries").and_then(Value::as_array_mut).into_iter().flatten() {
                name_execution(entry, &task.execution_arn);
            }
        }
        ("bedrock", "invokeModel") if fields.contains_key("Input") || fields.contains_key("Output") => {
            return Err(Problem::Failed(
                "States.Runtime".to_owned(),
                "Input and Output of bedrock:invokeModel in S3 are not supported here: give the model's Body."
                    .to_owned(),
            ));
        }
        ("lambda", "invoke") => {
            let payload = engine::lambda_invoke_payload(&task.arguments);
            fields.insert("Payload".to_owned(), Value::String(payload));
        }
        _ => {}
    }
    Ok(arguments)
}

/// An event names the execution it comes from, and its state machine.
fn name_execution(entry: &mut Value, execution_arn: &str) {
    let Some(entry) = entry.as_object_mut() else { return };
    let machine = engine::arn::execution_names(execution_arn).map_or_else(String::new, |(machine, _)| {
        let parts: Vec<&str> = execution_arn.splitn(6, ':').collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or_default();
        engine::arn::state_machine_arn(part(3), part(4), machine)
    });
    let resources = entry.entry("Resources").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(resources) = resources.as_array_mut() {
        let own = [execution_arn.to_owned(), machine].into_iter().filter(|arn| !arn.is_empty());
        resources.extend(own.map(Value::String));
    }
}

/// The result that an integration makes of an answer.
pub(super) fn result(service: &str, action: &str, answer: Answer) -> Result<String, Problem> {
    let Answer { value, metadata } = answer;
    let Value::Object(mut fields) = value else { return Ok(value.to_string()) };
    match (service, action) {
        // Recorded on AWS: one entry that fails is a failed task, whose cause is the answer.
        ("events", "putEvents") if fields.get("FailedEntryCount").is_some_and(|count| count != 0) => {
            return Err(Problem::Failed(
                "EventBridge.FailedEntry".to_owned(),
                Value::Object(fields).to_string(),
            ));
        }
        ("bedrock", "invokeModel") => {
            let body = fields.get("Body").map(as_text).and_then(|text| serde_json::from_str(&text).ok());
            fields.extend(body.map(|body: Value| ("Body".to_owned(), body)));
        }
        _ => {}
    }
    let payload = match (service, action) {
        ("lambda", "invoke") => fields.get("Payload").map(as_text),
        _ => None,
    };
    if let Some(metadata) = metadata {
        metadata.write(&mut fields);
    }
    fields.sort_keys();
    match payload {
        Some(payload) => with_payload(&fields, &payload),
        None => Ok(Value::Object(fields).to_string()),
    }
}

/// The result of a function around what it returned, digit for digit as it returned it.
fn with_payload(fields: &Map<String, Value>, payload: &str) -> Result<String, Problem> {
    let payload = if payload.trim().is_empty() { "null" } else { payload };
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(payload) {
        return Err(Problem::Failed(
            "States.Runtime".to_owned(),
            format!("The function's response is not JSON: {error}."),
        ));
    }
    let fields = fields.iter().map(|(name, value)| match name.as_str() {
        "Payload" => format!("\"Payload\":{payload}"),
        name => format!("{}:{value}", Value::from(name)),
    });
    Ok(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use engine::TaskKey;
    use serde_json::json;

    use super::*;

    fn task(arguments: Value) -> TaskRequest {
        let arn = "arn:aws:states:us-east-1:123456789012:execution:m:e";
        TaskRequest {
            key: TaskKey { execution_arn: arn.into(), event_id: 1 },
            execution_arn: arn.to_owned(),
            state_name: "S".to_owned(),
            attempt: 0,
            resource: String::new(),
            arguments,
            timeout_seconds: None,
            token: None,
            trace_header: None,
        }
    }

    fn answer(value: Value) -> Answer {
        Answer { value, metadata: None }
    }

    #[test]
    fn events_name_their_execution() {
        let entries = json!({ "Entries": [{ "Source": "s" }, { "Resources": ["own"] }] });
        let given = arguments("events", "putEvents", &task(entries)).unwrap();
        let execution = "arn:aws:states:us-east-1:123456789012:execution:m:e";
        let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
        assert_eq!(given["Entries"][0]["Resources"], json!([execution, machine]));
        assert_eq!(given["Entries"][1]["Resources"], json!(["own", execution, machine]));
    }

    #[test]
    fn an_event_that_is_refused_fails_the_task() {
        let entries = json!([{ "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." }]);
        let refused = answer(json!({ "Entries": entries, "FailedEntryCount": 1 }));
        let cause = r#"{"Entries":[{"ErrorCode":"MalformedDetail","ErrorMessage":"Detail is malformed."}],"FailedEntryCount":1}"#;
        assert_eq!(
            result("events", "putEvents", refused),
            Err(Problem::Failed("EventBridge.FailedEntry".to_owned(), cause.to_owned()))
        );
        let taken = answer(json!({ "Entries": [{ "EventId": "1" }], "FailedEntryCount": 0 }));
        assert!(result("events", "putEvents", taken).is_ok());
    }

    #[test]
    fn what_a_function_or_a_model_returns_is_json() {
        let invoked =
            answer(json!({ "StatusCode": 200, "Payload": "{\"a\": 1.0}", "ExecutedVersion": "$LATEST" }));
        let expected = r#"{"ExecutedVersion":"$LATEST","Payload":{"a": 1.0},"StatusCode":200}"#;
        assert_eq!(result("lambda", "invoke", invoked).as_deref(), Ok(expected));
        let model = answer(json!({ "ContentType": "application/json", "Body": "{\"x\":[1]}" }));
        assert_eq!(
            result("bedrock", "invokeModel", model).as_deref(),
            Ok(r#"{"Body":{"x":[1]},"ContentType":"application/json"}"#)
        );
        assert!(
            arguments("bedrock", "invokeModel", &task(json!({ "Input": { "S3Uri": "s3://a/b" } }))).is_err()
        );
    }

    #[test]
    fn messages_take_their_attributes_under_both_names() {
        let given = task(json!({ "MessageAttribute": { "a": 1 } }));
        assert_eq!(arguments("sqs", "sendMessage", &given), Ok(json!({ "MessageAttributes": { "a": 1 } })));
    }
}

//! Starting, describing, stopping and listing executions, and their histories.

use serde_json::{Value, json};

use super::{Lab, PASS, ROLE, WAIT, arn, texts};

#[test]
fn inputs_of_executions() {
    let lab = Lab::new();
    let machine = lab.machine("m", PASS);
    for (input, problem) in [
        ("", "Invalid execution input."),
        (
            "not some json",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
             'false')",
        ),
        ("{'a': 1}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name"),
        (
            r#"{"a" 1}"#,
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
        ),
        (
            r#"{"a": 1 "b"}"#,
            "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
        ),
        ("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries"),
        (
            "[1,]",
            "Unexpected character (']' (code 93)): expected a valid value (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false')",
        ),
        ("\"a", "Unexpected end-of-input: was expecting closing quote for a string value"),
        ("[[1]", "Unexpected end-of-input: expected close marker for Array"),
        ("{\"a\": 01}", "Invalid numeric value: Leading zeroes not allowed"),
        (r#""\x""#, "Unrecognized character escape 'x' (code 120)"),
        ("   ", "No content to map due to end-of-input"),
    ] {
        assert_eq!(
            lab.error("StartExecution", json!({ "stateMachineArn": machine, "input": input })),
            format!("InvalidExecutionInput: Invalid State Machine Execution Input: '{problem}'"),
            "{input}"
        );
    }
    for input in ["2", "\"text\"", "null", " [1]\n"] {
        lab.ok("StartExecution", json!({ "stateMachineArn": machine, "input": input }));
    }
    // Deep nesting is an answer, not an overflow.
    for deep in ["[".repeat(200_000), "{\"a\":".repeat(40_000)] {
        let parameters = json!({ "stateMachineArn": machine, "input": deep });
        assert_eq!(lab.refused("StartExecution", parameters).code, "InvalidExecutionInput");
    }
}

#[test]
fn executions_are_described_and_stopped() {
    let lab = Lab::new();
    let machine = lab.machine("m", WAIT);
    let started = lab.ok(
        "StartExecution",
        json!({ "stateMachineArn": machine, "name": "e", "input": "{\"a\": 1}", "traceHeader": "Root=1" }),
    );
    let execution = arn("execution", "m:e");
    assert_eq!(started, json!({ "executionArn": execution, "startDate": 1_767_225_600.25 }));
    let again = json!({ "stateMachineArn": machine, "name": "e", "input": "{\"a\":1}" });
    assert_eq!(lab.ok("StartExecution", again), started, "the same input is the same request");
    let exists = format!("ExecutionAlreadyExists: Execution Already Exists: '{execution}'");
    assert_eq!(lab.error("StartExecution", json!({ "stateMachineArn": machine, "name": "e" })), exists);
    assert_eq!(
        lab.ok("DescribeExecution", json!({ "executionArn": execution })),
        json!({
            "executionArn": execution, "stateMachineArn": machine, "name": "e", "status": "RUNNING",
            "startDate": 1_767_225_600.25, "input": "{\"a\": 1}", "inputDetails": { "included": true },
            "traceHeader": "Root=1", "redriveCount": 0, "redriveStatus": "NOT_REDRIVABLE",
            "redriveStatusReason": "Execution is RUNNING and cannot be redriven"
        })
    );
    lab.clock.advance_millis(500);
    let stop = json!({ "executionArn": execution, "error": "E", "cause": "C" });
    assert_eq!(lab.ok("StopExecution", stop.clone()), json!({ "stopDate": 1_767_225_600.75 }));
    assert_eq!(lab.ok("StopExecution", stop), json!({ "stopDate": 1_767_225_600.75 }), "it has ended");
    assert_eq!(
        lab.error(
            "StartExecution",
            json!({ "stateMachineArn": machine, "name": "e", "input": "{\"a\": 1}" })
        ),
        exists
    );
    let described =
        |data: &str| lab.ok("DescribeExecution", json!({ "executionArn": execution, "includedData": data }));
    let all = described("ALL_DATA");
    assert_eq!(
        (&all["status"], &all["error"], &all["cause"], &all["redriveStatus"]),
        (&json!("ABORTED"), &json!("E"), &json!("C"), &json!("REDRIVABLE"))
    );
    let metadata = described("METADATA_ONLY");
    assert_eq!((metadata.get("input"), metadata.get("error")), (None, None));
    assert_eq!(metadata["inputDetails"], json!({ "included": false }));
    // The period in which it can be redriven ends.
    lab.clock.advance_millis(1_000 * 1_209_601);
    assert_eq!(all["redriveStatusReason"], Value::Null);
    assert_eq!(described("ALL_DATA")["redriveStatusReason"], "Execution redrivable period exceeded");
    let missing = arn("execution", "m:x");
    for operation in
        ["DescribeExecution", "StopExecution", "GetExecutionHistory", "DescribeStateMachineForExecution"]
    {
        assert_eq!(
            lab.error(operation, json!({ "executionArn": missing })),
            format!("ExecutionDoesNotExist: Execution Does Not Exist: '{missing}'")
        );
    }
}

#[test]
fn executions_are_listed_by_what_they_were_started_with() {
    let lab = Lab::new();
    let arn = lab.versions("m");
    let routes = json!([{ "stateMachineVersionArn": format!("{arn}:1"), "weight": 100 }]);
    lab.ok("CreateStateMachineAlias", json!({ "name": "live", "routingConfiguration": routes }));
    lab.start(&arn, "plain");
    lab.start(&format!("{arn}:2"), "two");
    lab.start(&format!("{arn}:live"), "live");
    lab.settle();
    let names = |parameters: Value| texts(&lab.ok("ListExecutions", parameters)["executions"], "name");
    assert_eq!(names(json!({ "stateMachineArn": arn })), ["live", "two", "plain"]);
    assert_eq!(names(json!({ "stateMachineArn": format!("{arn}:1") })), ["live"]);
    assert_eq!(names(json!({ "stateMachineArn": format!("{arn}:2") })), ["two"]);
    assert_eq!(names(json!({ "stateMachineArn": format!("{arn}:live") })), ["live"]);
    assert_eq!(names(json!({ "stateMachineArn": arn, "statusFilter": "FAILED" })), [""; 0]);
    assert_eq!(names(json!({ "stateMachineArn": arn, "statusFilter": "PENDING_REDRIVE" })), [""; 0]);
    let listed =
        lab.ok("ListExecutions", json!({ "stateMachineArn": arn, "maxResults": 1 }))["executions"][0].clone();
    assert_eq!(
        (&listed["stateMachineVersionArn"], &listed["stateMachineAliasArn"]),
        (&json!(format!("{arn}:1")), &json!(format!("{arn}:live")))
    );
    let of_version =
        lab.ok("DescribeStateMachineForExecution", json!({ "executionArn": listed["executionArn"] }));
    assert_eq!((&of_version["definition"], &of_version["stateMachineArn"]), (&json!(PASS), &json!(arn)));

    assert_eq!(
        lab.error("ListExecutions", json!({ "stateMachineArn": format!("{arn}x") })),
        format!("StateMachineDoesNotExist: State Machine Does Not Exist: '{arn}x'")
    );
    let express = json!({ "name": "e", "definition": PASS, "roleArn": ROLE, "type": "EXPRESS" });
    let express = lab.ok("CreateStateMachine", express)["stateMachineArn"].clone();
    let not_supported =
        "StateMachineTypeNotSupported: This operation is not supported by this type of state machine";
    assert_eq!(lab.error("ListExecutions", json!({ "stateMachineArn": express })), not_supported);
    assert_eq!(lab.error("StartSyncExecution", json!({ "stateMachineArn": arn })), not_supported);
    assert_eq!(lab.refused("ListExecutions", json!({})).code, "ValidationException");
}

#[test]
fn a_synchronous_execution_answers_everything_at_once() {
    let lab = Lab::new();
    let create = json!({ "name": "e", "definition": PASS, "roleArn": ROLE, "type": "EXPRESS" });
    let arn = lab.ok("CreateStateMachine", create)["stateMachineArn"].clone();
    let start =
        json!({ "stateMachineArn": arn, "name": "n", "input": "{\"a\": 1}", "traceHeader": "Root=1" });
    let ended = lab.ok("StartSyncExecution", start.clone());
    let execution = ended["executionArn"].as_str().unwrap();
    assert!(execution.starts_with("arn:aws:states:us-east-1:123456789012:express:e:n:"), "{execution}");
    assert_eq!(
        ended,
        json!({
            "executionArn": execution, "stateMachineArn": arn, "name": "n", "status": "SUCCEEDED",
            "startDate": 1_767_225_600.25, "stopDate": 1_767_225_600.25, "input": "{\"a\": 1}",
            "inputDetails": { "included": true }, "output": "{\"a\": 1}", "outputDetails": { "included": true },
            "traceHeader": "Root=1",
            "billingDetails": { "billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": 100 }
        })
    );
    let mut metadata = start;
    metadata["includedData"] = json!("METADATA_ONLY");
    let ended = lab.ok("StartSyncExecution", metadata);
    assert_eq!((ended.get("input"), ended.get("output")), (None, None));
    assert_eq!(ended["outputDetails"], json!({ "included": false }));
}

#[test]
fn a_history_without_data() {
    let lab = Lab::new();
    let machine = lab.machine("m", PASS);
    let execution = lab.start(&machine, "e");
    lab.settle();
    let history =
        lab.ok("GetExecutionHistory", json!({ "executionArn": execution, "includeExecutionData": false }));
    assert_eq!(history["events"][0]["executionStartedEventDetails"], json!({ "roleArn": ROLE }));
    assert_eq!(history["events"][1]["stateEnteredEventDetails"], json!({ "name": "A" }));
    assert_eq!(history["events"][1]["timestamp"], 1_767_225_600.25);
}

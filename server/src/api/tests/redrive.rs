//! `RedriveExecution`, and what the other operations say of redrives.

use super::*;

const FAILS: &str = r#"{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"E","Cause":"C"}}}"#;
/// Its child executions fail, one of two may.
const MAP: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","Label":"L","End":true,"ItemsPath":"$",
    "ToleratedFailureCount":0,"ItemProcessor":{
        "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"F","States":{"F":{"Type":"Fail","Error":"E"}}}}}}"#;

#[test]
fn an_execution_is_redriven() {
    let lab = Lab::new();
    let machine = lab.machine("m", FAILS);
    let execution = lab.start(&machine, "e");
    lab.settle();
    lab.clock.advance_millis(1_000);
    let answer = lab.ok("RedriveExecution", json!({ "executionArn": execution, "clientToken": "once" }));
    assert_eq!(answer, json!({ "redriveDate": 1_767_225_601.25 }));
    lab.settle();
    lab.clock.advance_millis(1_000);
    let again = lab.ok("RedriveExecution", json!({ "executionArn": execution, "clientToken": "once" }));
    assert_eq!(again, answer, "the same request");
    let described = lab.ok("DescribeExecution", json!({ "executionArn": execution }));
    assert_eq!(
        (
            &described["status"],
            &described["redriveCount"],
            &described["redriveDate"],
            &described["redriveStatus"]
        ),
        (&json!("FAILED"), &json!(1), &json!(1_767_225_601.25), &json!("REDRIVABLE"))
    );
    assert_eq!(described.get("redriveStatusReason"), None);
    assert_eq!((&described["error"], &described["cause"]), (&json!("E"), &json!("C")));
    let listed = lab.ok("ListExecutions", json!({ "stateMachineArn": machine }));
    assert_eq!(
        (&listed["executions"][0]["redriveCount"], &listed["executions"][0]["redriveDate"]),
        (&json!(1), &json!(1_767_225_601.25))
    );
    let history = lab.ok("GetExecutionHistory", json!({ "executionArn": execution }));
    let events: Vec<_> =
        history["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "ExecutionStarted",
            "FailStateEntered",
            "ExecutionFailed",
            "ExecutionRedriven",
            "FailStateEntered",
            "ExecutionFailed"
        ]
    );
    assert_eq!(history["events"][3]["executionRedrivenEventDetails"], json!({ "redriveCount": 1 }));
}

#[test]
fn redrives_that_are_refused() {
    let lab = Lab::new();
    let redrive = |execution: &str| lab.error("RedriveExecution", json!({ "executionArn": execution }));
    let missing = arn("execution", "m:x");
    assert_eq!(redrive(&missing), format!("ExecutionDoesNotExist: Execution Does Not Exist: '{missing}'"));
    assert_eq!(
        redrive(&arn("express", "m:x:y")),
        "InvalidArn: Invalid Arn: 'Resource type not valid in this context: express'"
    );
    let machine = lab.machine("w", WAIT);
    let waiting = lab.start(&machine, "e");
    assert_eq!(redrive(&waiting), "ExecutionNotRedrivable: Execution is RUNNING and cannot be redriven");
    let machine = lab.machine("p", PASS);
    let passed = lab.start(&machine, "e");
    lab.settle();
    assert_eq!(redrive(&passed), "ExecutionNotRedrivable: Execution is SUCCEEDED and cannot be redriven");
    let token =
        |token: &str| lab.error("RedriveExecution", json!({ "executionArn": missing, "clientToken": token }));
    assert_eq!(
        token("two words"),
        "ValidationException: 1 validation error detected: Value 'two words' at 'clientToken' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [!-~]+"
    );
    assert!(token(&"t".repeat(65)).contains("Member must have length less than or equal to 64"));
    assert!(token("").contains("Member must have length greater than or equal to 1"));
    // Of a state machine that is gone.
    let machine = lab.machine("f", FAILS);
    let failed = lab.start(&machine, "e");
    lab.settle();
    lab.ok("DeleteStateMachine", json!({ "stateMachineArn": machine }));
    lab.settle();
    assert_eq!(redrive(&failed), "ExecutionNotRedrivable: State machine is in DELETING status");
}

#[test]
fn map_runs_and_their_children() {
    let lab = Lab::new();
    let machine = lab.machine("m", MAP);
    let started =
        lab.ok("StartExecution", json!({ "stateMachineArn": machine, "name": "e", "input": "[1]" }));
    let execution = started["executionArn"].as_str().unwrap();
    lab.settle();
    let runs = lab.ok("ListMapRuns", json!({ "executionArn": execution }));
    let map_run = runs["mapRuns"][0]["mapRunArn"].as_str().unwrap();
    let children = |more: Value| {
        let mut parameters = json!({ "mapRunArn": map_run });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        lab.ok("ListExecutions", parameters)["executions"].as_array().unwrap().clone()
    };
    let child = children(json!({}))[0]["executionArn"].as_str().unwrap().to_owned();
    let described = lab.ok("DescribeExecution", json!({ "executionArn": child }));
    assert_eq!(
        (&described["status"], &described["redriveStatus"], described.get("redriveStatusReason")),
        (&json!("FAILED"), &json!("REDRIVABLE_BY_MAP_RUN"), None)
    );
    let refused = lab.refused("RedriveExecution", json!({ "executionArn": child }));
    assert_eq!(refused.code, "ExecutionNotRedrivable");
    let described = lab.ok("DescribeMapRun", json!({ "mapRunArn": map_run }));
    assert_eq!((&described["redriveCount"], described.get("redriveDate")), (&json!(0), None));
    assert_eq!(described["itemCounts"].get("pendingRedrive"), None);
    assert_eq!(
        (
            children(json!({ "redriveFilter": "REDRIVEN" })).len(),
            children(json!({ "redriveFilter": "NOT_REDRIVEN" })).len()
        ),
        (0, 1)
    );

    lab.ok("RedriveExecution", json!({ "executionArn": execution }));
    lab.settle();
    let described = lab.ok("DescribeMapRun", json!({ "mapRunArn": map_run }));
    assert_eq!(
        (&described["status"], &described["redriveCount"], &described["redriveDate"]),
        (&json!("FAILED"), &json!(1), &json!(1_767_225_600.25))
    );
    let redriven = children(json!({ "redriveFilter": "REDRIVEN" }));
    assert_eq!((redriven.len(), &redriven[0]["redriveCount"]), (1, &json!(1)));
    assert_eq!(children(json!({ "redriveFilter": "NOT_REDRIVEN" })).len(), 0);
    // Two weeks after the end of the child nothing redrives it any more.
    lab.clock.advance_millis(1_000 * 1_209_600 + 1);
    let described = lab.ok("DescribeMapRun", json!({ "mapRunArn": map_run }));
    assert_eq!(
        (&described["itemCounts"]["failuresNotRedrivable"], &described["executionCounts"]["pendingRedrive"]),
        (&json!(1), &json!(0))
    );
    let described = lab.ok("DescribeExecution", json!({ "executionArn": child }));
    assert_eq!(
        (&described["redriveStatus"], &described["redriveStatusReason"]),
        (&json!("NOT_REDRIVABLE"), &json!("Execution redrivable period exceeded"))
    );
}

#[test]
fn all_operations_of_the_model_are_answered() {
    assert_eq!(operations::ALL.len(), 37);
}

use serde_json::{Value, json};

use super::*;

/// Cases that must be equal; raise them when more are.
const OUTCOMES_MIN: usize = 681;
const HISTORIES_MIN: usize = 377;
const API_MIN: usize = 282;

#[test]
fn recorded_cases() {
    hold(Transport::InProcess);
}

#[test]
fn recorded_cases_over_http() {
    hold(Transport::Http);
}

fn hold(transport: Transport) {
    let Some(folder) = recordings() else {
        println!("SKIPPED: ../shared/conformance is not there, no recording was compared");
        return;
    };
    let report = run(load(&folder).unwrap(), transport);
    println!("{}", report.text(false));
    let (outcome, history, api) = report.counts();
    assert!(
        outcome.equal >= OUTCOMES_MIN,
        "{} outcomes are equal, at least {OUTCOMES_MIN} were",
        outcome.equal
    );
    assert!(
        history.equal >= HISTORIES_MIN,
        "{} histories are equal, at least {HISTORIES_MIN} were",
        history.equal
    );
    assert!(api.equal >= API_MIN, "{} API cases are equal, at least {API_MIN} were", api.equal);
}

/// Cases whose executions are equal when moto answers; raise them when more are.
const SERVICE_OUTCOMES_MIN: usize = 88;
const SERVICE_HISTORIES_MIN: usize = 26;

#[test]
fn recorded_cases_with_services() {
    let Some(folder) = recordings() else {
        println!("SKIPPED: ../shared/conformance is not there, no recording was compared");
        return;
    };
    let Some(moto) = crate::processes::Moto::start() else { return };
    let mut cases = load(&folder).unwrap();
    cases.retain(needs_services);
    let report = run_with(&Services::at(&moto.endpoint).unwrap(), cases);
    println!("{}", report.text(false));
    let (outcome, history, _) = report.counts();
    assert!(outcome.equal >= SERVICE_OUTCOMES_MIN, "{} outcomes are equal", outcome.equal);
    assert!(history.equal >= SERVICE_HISTORIES_MIN, "{} histories are equal", history.equal);
}

#[test]
fn functions_as_processes_make_no_difference() {
    let Some(folder) = recordings() else {
        println!("SKIPPED: ../shared/conformance is not there, no recording was compared");
        return;
    };
    let mut cases = load(&folder).unwrap();
    cases.retain(|case| case.body["lambda_stubs"].as_object().is_some_and(|stubs| !stubs.is_empty()));
    assert!(cases.len() >= 50, "{} cases call functions", cases.len());
    let stubs = run(cases.clone(), Transport::InProcess);
    let processes = run(cases, Transport::Processes);
    println!("{}", processes.text(false));
    assert_eq!(processes.counts(), stubs.counts());
    let (outcome, ..) = processes.counts();
    assert!(outcome.equal >= 50, "{} outcomes are equal", outcome.equal);
}

fn compare(expected: &Value, actual: &Value, bindings: &mut Bindings) -> Result<(), String> {
    unify(&Tree::of(expected, &[]), &Tree::of(actual, &[]), bindings, "$").map_err(|difference| difference.0)
}

fn same(expected: &Value, actual: &Value) -> bool {
    compare(expected, actual, &mut Bindings::default()).is_ok()
}

#[test]
fn numbers_compare_by_type() {
    assert!(same(&json!(1), &json!(1)));
    assert!(!same(&json!(1), &json!(1.0)));
    assert!(!same(&json!(1), &json!(true)));
    assert!(!same(&json!("1"), &json!(1)));
}

#[test]
fn json_in_a_string_is_compared_as_json() {
    assert!(same(&json!(r#"{"a": [1]}"#), &json!(r#"{"a":[1]}"#)));
    assert!(!same(&json!(r#"{"a":[1]}"#), &json!({ "a": [1] })), "a text is no object");
    assert!(!same(&json!("[1]"), &json!("[2]")));
    assert!(!same(&json!("\"a\""), &json!("\"b\"")));
}

#[test]
fn a_starred_placeholder_matches_anything_each_time() {
    let expected = json!(["{{*any}}", "{{*any}}", "arn:{{*x}}:end"]);
    assert!(same(&expected, &json!([1, { "a": null }, "arn:a:b:end"])));
    assert!(!same(&expected, &json!([1, 2, "arn:a:b:ende"])));
}

#[test]
fn a_placeholder_is_bound_once() {
    let expected = json!(["id-{{a}}", "{{a}}"]);
    assert!(same(&expected, &json!(["id-7", "7"])));
    assert!(!same(&expected, &json!(["id-7", "8"])));
    assert!(!same(&expected, &json!(["id-", ""])), "it stands for at least one character");
    assert!(!same(&json!("{{a}}"), &json!(null)), "nothing binds to null");
    assert!(same(&json!("{{a}}:{{b}}:{{a}}"), &json!("1:2:3:1")));
    assert!(!same(&json!("{{a}}:{{b}}:{{a}}"), &json!("1:2:3")));
}

#[test]
fn a_placeholder_may_be_a_key() {
    let expected = json!({ "{{name}}": 1, "again": "{{name}}" });
    assert!(same(&expected, &json!({ "again": "k", "k": 1 })));
    assert!(!same(&expected, &json!({ "again": "l", "k": 1 })));
    assert!(!same(&expected, &json!({ "again": "k", "k": 1, "other": 2 })));
}

#[test]
fn what_aws_added_later_may_be_there() {
    assert!(same(&json!({ "a": 1 }), &json!({ "a": 1, "redriveCount": 0 })));
    assert!(!same(&json!({ "a": 1, "redriveCount": 0 }), &json!({ "a": 1 })));
    assert!(!same(&json!({ "a": 1 }), &json!({ "a": 1, "b": 0 })));
}

#[test]
fn http_metadata_and_ignored_keys_are_dropped() {
    let ignored = ["at".to_owned()];
    let expected = Tree::of(&json!({ "a": [{ "at": 1, "SdkHttpMetadata": {} }] }), &ignored);
    let actual = Tree::of(&json!({ "a": [{ "at": 2 }] }), &ignored);
    assert_eq!(unify(&expected, &actual, &mut Bindings::default(), "$"), Ok(()));
}

#[test]
fn metadata_is_what_outcomes_do_not_need() {
    let answer = Tree::of(&json!({ "name": "a", "location": "/", "tracingConfiguration": {} }), &[]);
    assert_eq!(answer.without_metadata(), Tree::of(&json!({ "name": "a" }), &[]));
}

#[test]
fn references_reach_into_earlier_answers() {
    let mut bindings = Bindings::default();
    bindings
        .answer(3, json!({ "executionArn": "arn:aws:states:r:a:execution:m:e", "events": [{ "id": 1 }] }));
    assert_eq!(bindings.fill_text("{{c3.$exec}}/{{c3.events[0].id}}/{{c3.none}}"), "e/1/{{c3.none}}");
}

#[test]
fn the_first_difference_has_a_path() {
    let expected = json!({ "events": [{ "id": 1, "input": "{\"a\":1}" }] });
    let actual = json!({ "events": [{ "id": 1, "input": "{\"a\":2}" }] });
    let difference = compare(&expected, &actual, &mut Bindings::default()).unwrap_err();
    assert_eq!(difference, "$.events[0].input(json).a: expected 1, got 2");
}

#[test]
fn the_recorder_reads_objects_in_strings_once() {
    let mut value =
        json!({ "a": r#"{"b":"{\"c\":1}"}"#, "list": [[r#"{"d":1}"#], { "e": r#"{"f":1}"# }], "g": "[1]" });
    tree::parse_once(&mut value);
    let expected =
        json!({ "a": { "b": "{\"c\":1}" }, "list": [[r#"{"d":1}"#], { "e": { "f": 1 } }], "g": "[1]" });
    assert_eq!(value, expected);
}

fn events(types: &[&str]) -> Vec<Tree> {
    let event = |(at, kind): (usize, &&str)| json!({ "id": at + 1, "previousEventId": at, "type": kind });
    types.iter().enumerate().map(|pair| Tree::of(&event(pair), &[])).collect()
}

/// Started, two branches, succeeded, exited: the recorder lost `ParallelStateSucceeded`.
#[test]
fn the_inside_of_a_parallel_is_a_set() {
    let actual =
        events(&["ParallelStateStarted", "B", "A", "ParallelStateSucceeded", "ParallelStateExited", "End"]);
    let inside = |kind: &str| Tree::of(&json!({ "id": [0], "previousEventId": 0, "type": kind }), &[]);
    let mut expected = events(&["ParallelStateStarted", "", "", "", "ParallelStateExited", "End"]);
    expected.remove(3);
    expected[1] = inside("A");
    expected[2] = inside("B");
    assert_eq!(unify_histories(&expected, &actual, true, &mut Bindings::default()), Ok(()));
    expected[2] = inside("C");
    assert!(unify_histories(&expected, &actual, true, &mut Bindings::default()).is_err());
    assert!(unify_histories(&expected, &actual, false, &mut Bindings::default()).is_err());
}

#[test]
fn variables_are_sorted_where_the_order_is_not_recorded() {
    let mut value = json!({ "variableReferences": { "S": ["b", "a"] }, "other": ["b", "a"] });
    tree::sort_variable_references(&mut value);
    assert_eq!(value, json!({ "variableReferences": { "S": ["a", "b"] }, "other": ["b", "a"] }));
}

/// Answers what it is told to, and keeps what it was asked.
#[derive(Default)]
struct Scripted {
    answers: Vec<Result<Value, Refusal>>,
    calls: Vec<(String, Value)>,
    waits: Vec<String>,
}

impl Service for Scripted {
    fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, Refusal> {
        self.calls.push((operation.to_owned(), parameters));
        self.answers.remove(0)
    }
    fn wait_for_end(&mut self, arn: &str) {
        self.waits.push(arn.to_owned());
    }
    fn prepare(&mut self, _: &str, _: &str, _: &Value) {}
    fn settle(&mut self) {}
    fn logs(&mut self) -> Vec<Value> {
        vec![json!({ "id": "1" }), json!({ "id": "2" })]
    }
}

fn script(steps: &Value, answers: Vec<Result<Value, Refusal>>) -> (Vec<String>, Scripted) {
    let body = json!({ "id": "a", "kind": "api", "feature": "f", "steps": steps });
    let case = Case { id: "a".to_owned(), feature: "f".to_owned(), kind: Kind::Api, body };
    let mut service = Scripted { answers, ..Scripted::default() };
    let mut bindings = Bindings::default();
    bindings.bind("u1", "one");
    let differences = run_script(&case, &mut service, bindings);
    (differences.into_iter().map(|difference| difference.0).collect(), service)
}

#[test]
fn steps_call_and_reach_into_earlier_answers() {
    let steps = json!([
        { "id": 1, "op": "start_execution", "params": { "name": "{{u1}}" },
          "expect": [{ "key": "start", "response": { "executionArn": "{{arn}}", "startDate": "{{*date}}" } }] },
        { "id": 2, "await": "await_execution_terminated", "arn": "{{c1.executionArn}}" },
        { "id": 3, "op": "describe_execution", "params": { "executionArn": "{{c1.executionArn}}" },
          "expect": [{ "key": "described", "response": { "executionArn": "{{arn}}", "startDate": "{{c1.startDate}}" } }] },
    ]);
    let answer = json!({ "executionArn": "arn:1", "startDate": 1_767_225_600.5 });
    let (differences, service) = script(&steps, vec![Ok(answer.clone()), Ok(answer)]);
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(service.calls[0], ("StartExecution".to_owned(), json!({ "name": "one" })));
    assert_eq!(service.calls[1], ("DescribeExecution".to_owned(), json!({ "executionArn": "arn:1" })));
    assert_eq!(service.waits, ["arn:1"]);
}

#[test]
fn a_refusal_differs_in_code_or_in_message() {
    let steps = json!([{ "id": 1, "op": "create_activity", "params": {},
        "expect_error": { "key": "e", "code": "InvalidName", "message": "no", "http_status": 400 } }]);
    let refusal = |code: &str, message: &str, http_status| {
        Err(Refusal { code: code.to_owned(), message: message.to_owned(), http_status })
    };
    let differences = |answer| script(&steps, vec![answer]).0;
    assert_eq!(differences(refusal("InvalidName", "no", 400)), Vec::<String>::new());
    assert_eq!(
        differences(refusal("InvalidName", "yes", 400)),
        ["e/message: $.message: expected \"no\", got \"yes\""]
    );
    assert_eq!(
        differences(refusal("InvalidName", "no", 500)),
        ["e/message: $.http_status: expected 400, got 500"]
    );
    assert_eq!(
        differences(refusal("Other", "no", 400)),
        ["e/code: $.code: expected \"InvalidName\", got \"Other\": no"]
    );
    assert_eq!(differences(Ok(json!({}))), ["e: expected error \"InvalidName\", but the call succeeded"]);
}

#[test]
fn what_the_sdk_refuses_is_not_sent() {
    let steps = json!([{ "id": 1, "op": "tag_resource", "params": { "tags": null },
        "expect_error": { "key": "e", "client_side": true, "code": "ParamValidationError", "message": "" } }]);
    let (differences, service) = script(&steps, Vec::new());
    assert!(differences.is_empty() && service.calls.is_empty());
}

#[test]
fn metadata_differs_apart_from_the_rest() {
    let steps = json!([{ "id": 1, "op": "describe_state_machine", "params": {},
        "expect": [{ "key": "d", "response": { "name": "a", "tracingConfiguration": { "enabled": false } } }] }]);
    let differences = |answer| script(&steps, vec![Ok(answer)]).0;
    assert_eq!(
        differences(json!({ "name": "a" })),
        ["d/metadata: $: missing keys [\"tracingConfiguration\"], unexpected keys []"]
    );
    assert_eq!(differences(json!({ "name": "b" })), ["d: $.name: expected \"a\", got \"b\""]);
}

#[test]
fn an_unexpected_refusal_is_a_difference() {
    let steps = json!([{ "id": 4, "op": "list_activities", "params": {} }, { "id": 5, "await": "await_on_execution_logs",
        "arn": "group", "expect": [{ "key": "logs", "logs": "|logs[-1]", "value": { "id": "2" } }] }]);
    let refusal = Refusal { code: "InvalidToken".to_owned(), message: "no".to_owned(), http_status: 400 };
    let (differences, _) = script(&steps, vec![Err(refusal)]);
    assert_eq!(differences, ["step 4 list_activities: unexpected error InvalidToken: no"]);
}

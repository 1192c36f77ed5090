use super::*;

const INVOKE: &str = "arn:aws:states:::lambda:invoke";

fn config(responses: &str) -> Result<MockConfig, MockConfigError> {
    MockConfig::parse(&format!(
        r#"{{ "StateMachines": {{ "m": {{ "TestCases": {{ "t": {{ "S": "r" }} }} }} }}, "MockedResponses": {responses} }}"#
    ))
}

#[test]
fn attempts_are_counted_by_state_over_the_execution() {
    let config = config(r#"{ "r": { "0": { "Return": 1 }, "1-2": { "Return": 2 } } }"#).unwrap();
    let mut tasks = config.test_case("m", "t").unwrap();
    let mut next = || match tasks.answer("S", INVOKE).unwrap() {
        TaskOutcome::Succeeded(output) => output,
        TaskOutcome::Failed { error, cause } => format!("{error}: {cause}"),
    };
    assert_eq!([next(), next(), next()], ["1", "2", "2"]);
    assert_eq!(
        next(),
        "States.Runtime: The mocked response 'r' has no answer for attempt 3 of the state 'S'."
    );
    assert!(
        config.test_case("m", "t").unwrap().answer("S", INVOKE).is_some(),
        "each execution counts for itself"
    );
}

#[test]
fn what_is_not_mocked_has_no_answer() {
    let config = config(r#"{ "r": { "0": { "Return": null } } }"#).unwrap();
    assert_eq!(config.test_case("m", "t").unwrap().answer("Other", INVOKE), None);
    assert!(config.test_case("m", "other").is_none());
    assert!(config.test_case("other", "t").is_none());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let problem = |responses: &str| config(responses).unwrap_err().to_string();
    assert_eq!(
        problem("{}"),
        "mock configuration, StateMachines.m.TestCases.t.S: MockedResponses has no 'r'"
    );
    assert_eq!(
        problem(r#"{ "r": { "one": { "Return": 1 } } }"#),
        "mock configuration, MockedResponses.r.one: expected an attempt like \"0\" or a range like \"1-2\""
    );
    assert_eq!(
        problem(r#"{ "r": { "2-1": { "Return": 1 } } }"#),
        "mock configuration, MockedResponses.r.2-1: expected an attempt like \"0\" or a range like \"1-2\""
    );
    assert_eq!(
        problem(r#"{ "r": { "0": { "Throw": { "Error": "E" } } } }"#),
        "mock configuration, MockedResponses.r.0: Throw needs a text 'Cause'"
    );
    assert_eq!(
        problem(r#"{ "r": { "0": {} } }"#),
        "mock configuration, MockedResponses.r.0: expected either Return or Throw"
    );
    assert!(MockConfig::parse("nothing").is_err());
}

#[test]
fn a_function_by_its_arn_answers_its_payload() {
    let config =
        config(r#"{ "r": { "0-1": { "Return": { "StatusCode": 200, "Payload": { "a": 1 } } } } }"#).unwrap();
    let mut tasks = config.test_case("m", "t").unwrap();
    let function = "arn:aws:lambda:us-east-1:123456789012:function:f";
    assert_eq!(tasks.answer("S", function), Some(TaskOutcome::Succeeded(r#"{"a":1}"#.to_owned())));
    let whole = r#"{"StatusCode":200,"Payload":{"a":1}}"#;
    assert_eq!(tasks.answer("S", INVOKE), Some(TaskOutcome::Succeeded(whole.to_owned())));
}

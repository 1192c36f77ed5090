mod advice;
mod distributed;
mod jsonpath;
mod large;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::diagnostic::{Code, Severity};

/// A machine in JSONata whose only state, `A`, has these fields.
fn machine(state: &Value) -> String {
    json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": state}}).to_string()
}

/// A machine in JSONPath whose only state, `A`, has these fields.
fn jsonpath(state: &Value) -> String {
    json!({"StartAt": "A", "States": {"A": state}}).to_string()
}

/// A machine in JSONata with these states.
fn machine_of(states: &Value) -> String {
    json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": states}).to_string()
}

/// The findings as `SEVERITY CODE location: message`.
fn findings(text: &str) -> Vec<String> {
    validate(text)
        .iter()
        .map(|item| format!("{} {} {}: {}", item.severity, item.code, item.location, item.message))
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(findings(text), expected, "{text}");
    let has_errors = expected.iter().any(|finding| finding.starts_with("ERROR"));
    match StateMachine::parse(text) {
        Ok(_) => assert!(!has_errors, "{text}"),
        Err(diagnostics) => assert!(has_errors && diagnostics.has_errors(), "{text}"),
    }
}

const TASK: &str = "arn:aws:states:::lambda:invoke";

#[test]
fn a_whole_machine_becomes_a_model() {
    let text = r#"{
        "Comment": "c", "QueryLanguage": "JSONata", "StartAt": "Call", "TimeoutSeconds": 60, "Version": "1.0",
        "States": {
            "Call": {
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"},
                "TimeoutSeconds": "{% 10 + 5 %}", "HeartbeatSeconds": 5,
                "Retry": [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 2, "MaxAttempts": 8,
                           "BackoffRate": 1.5, "MaxDelaySeconds": 30, "JitterStrategy": "FULL"},
                          {"ErrorEquals": ["States.ALL"]}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed",
                           "Assign": {"why": "{% $states.errorOutput.Cause %}"}}],
                "Assign": {"answer": "{% $states.result.Payload %}", "plain": [1]},
                "Output": {"a": 1, "b": ["{% $states.result.Payload.n %}"]},
                "Next": "Which"
            },
            "Which": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $answer.n > 3 %}", "Next": "Wait", "Output": 1, "Assign": {"big": true}}],
                "Default": "Each"
            },
            "Wait": {"Type": "Wait", "Seconds": 3, "Next": "Each"},
            "Each": {
                "Type": "Map", "Items": [1, "{% $answer %}"], "MaxConcurrency": 4, "ItemSelector": {"v": 1},
                "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "One",
                                  "States": {"One": {"Type": "Pass", "Output": "{% $plain %}", "End": true}}},
                "Next": "Both"
            },
            "Both": {
                "Type": "Parallel",
                "Branches": [{"StartAt": "Until", "States": {"Until": {"Type": "Wait", "Timestamp": "2030-01-01T00:00:00Z", "End": true}}}],
                "Next": "Done"
            },
            "Done": {"Type": "Succeed", "Output": "{% $states.input %}"},
            "Failed": {"Type": "Fail", "Error": "E", "Cause": "{% $why %}"}
        }
    }"#;
    check(text, &[]);
    let machine = StateMachine::parse(text).expect("accepted");
    insta::assert_debug_snapshot!(machine);
}

#[test]
fn texts_that_are_not_json_are_refused() {
    let json = "INVALID_JSON_DESCRIPTION /";
    let values = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    for (text, code, message, underlined) in [
        ("", "MISSING_DESCRIPTION /", "The definition is empty".to_owned(), ""),
        ("{", json, "Unexpected end-of-input: was expecting double-quote to start field name".to_owned(), ""),
        ("{\"a\": nope}", json, format!("Unrecognized token 'nope': was expecting {values}"), "nope"),
        ("{\"a\": }", json, format!("Unexpected character ('}}' (code 125)): was expecting {values}"), "}"),
        (
            "{'a': 1}",
            json,
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name".to_owned(),
            "'",
        ),
        (
            "{\"a\" 1}",
            json,
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value"
                .to_owned(),
            "1",
        ),
        (
            "{\"a\": 1 \"b\": 2}",
            json,
            "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries"
                .to_owned(),
            "\"",
        ),
        (
            "{} x",
            json,
            "Unexpected character ('x' (code 120)): was expecting the end of the text".to_owned(),
            "x",
        ),
        ("{\"a\": 1, \"a\": 2}", json, "Duplicate field 'a'".to_owned(), "\"a\""),
        ("{\"a\": 01}", json, "Invalid numeric value".to_owned(), "01"),
        (
            "{\"a\": \"\\q\"}",
            json,
            "Unrecognized character escape or control character in a string value".to_owned(),
            "\"\\q\"",
        ),
        (
            "[1, 2",
            json,
            "Unexpected end-of-input: was expecting comma to separate Array entries".to_owned(),
            "",
        ),
        (
            "{\"a\": \"b",
            json,
            "Unexpected end-of-input: was expecting closing quote for a string value".to_owned(),
            "\"b",
        ),
        ("[]", "SCHEMA_VALIDATION_FAILED /", "Expected value of type Object".to_owned(), "[]"),
        ("{}", "SCHEMA_VALIDATION_FAILED /", "These fields are required: [States, StartAt]".to_owned(), "{}"),
    ] {
        check(text, &[&format!("ERROR {code}: {message}")]);
        let diagnostics = validate(text);
        let span = diagnostics.iter().next().expect("a finding").span.clone();
        assert_eq!(text.get(span), Some(underlined), "{text}");
    }
    for depth in [300, 1_000, 1_000_000] {
        let found = findings(&"[".repeat(depth));
        assert!(found[0].ends_with("Arrays and objects are nested deeper than 256"), "{found:?}");
    }
    let long = format!("\"{}\"", "x".repeat(1_048_576));
    assert!(findings(&long)[0].contains("at most 1048576 are allowed"));
}

#[test]
fn spans_point_into_the_text() {
    let text =
        r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Gone"}}}"#;
    let diagnostics = validate(text);
    let first = diagnostics.iter().next().expect("a finding");
    assert_eq!(&text[first.span.clone()], "\"Gone\"");
    assert_eq!(first.severity, Severity::Error);
    assert_eq!(first.code, Code::MissingTransitionTarget);
    assert_eq!(first.to_string(), "MISSING_TRANSITION_TARGET: Missing 'Next' target: Gone at /States/A/Next");
}

#[test]
fn each_language_has_its_fields() {
    check(
        r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "QueryLanguage": "JSONata", "End": true}}}"#,
        &[],
    );
    check(
        &machine(&json!({"Type": "Pass", "QueryLanguage": "JSONPath", "ResultPath": "$.x", "End": true})),
        &[
            "ERROR SCHEMA_VALIDATION_FAILED /States/A: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
        ],
    );
    check(
        &machine(&json!({"Type": "Pass", "ResultPath": "$.x", "Foo": 1, "End": true})),
        &[
            "ERROR SCHEMA_VALIDATION_FAILED /States/A: The QueryLanguage is set to 'JSONata', but field 'ResultPath' is only supported for the 'JSONPath' QueryLanguage",
            "ERROR SCHEMA_VALIDATION_FAILED /States/A: Field 'Foo' is not supported",
        ],
    );
    check(
        &jsonpath(&json!({"Type": "Pass", "Output": 1, "End": true})),
        &[
            "ERROR SCHEMA_VALIDATION_FAILED /States/A: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
        ],
    );
    // What is not exactly `JSONPath` counts as JSONata.
    check(
        r#"{"QueryLanguage": "jsonpath", "StartAt": "A", "States": {"A": {"Type": "Pass", "Output": 1, "End": true}}}"#,
        &[
            "ERROR SCHEMA_VALIDATION_FAILED /QueryLanguage: The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]",
        ],
    );
    // Nested states take the machine's language, and a processor has none of its own.
    let inner = json!({"QueryLanguage": "JSONata", "StartAt": "B", "States": {"B": {"Type": "Pass", "Output": 1, "End": true}}});
    check(
        &jsonpath(&json!({"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": inner, "End": true})),
        &[
            "ERROR SCHEMA_VALIDATION_FAILED /States/A/ItemProcessor: Field 'QueryLanguage' is not supported",
            "ERROR SCHEMA_VALIDATION_FAILED /States/A/ItemProcessor/States/B: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
        ],
    );
}

#[test]
fn the_graph_is_checked_as_aws_does() {
    check(
        &machine_of(
            &json!({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}, "D": {"Type": "Pass", "Next": "A"}}),
        ),
        &["ERROR MISSING_END_STATE : Workflow has no terminal state"],
    );
    check(
        &machine_of(
            &json!({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}, "C": {"Type": "Succeed"}}),
        ),
        &["ERROR MISSING_TRANSITION_TARGET /States/C: State \"C\" is not reachable."],
    );
    check(
        &machine(&json!({"Type": "Pass", "Next": "NOPE"})),
        &[
            "ERROR MISSING_TRANSITION_TARGET /States/A/Next: Missing 'Next' target: NOPE",
            "ERROR MISSING_END_STATE : Workflow has no terminal state",
        ],
    );
    check(
        &machine_of(&json!({
            "A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "X"}], "Default": "Y"},
            "B": {"Type": "Task", "Resource": TASK, "Catch": [{"ErrorEquals": ["E"], "Next": "Z"}], "End": true}
        })),
        &[
            "ERROR MISSING_TRANSITION_TARGET /States/A/Choices[0]/Next: Missing 'Next' target: X",
            "ERROR MISSING_TRANSITION_TARGET /States/A/Default: Missing 'Next' target: Y",
            "ERROR MISSING_TRANSITION_TARGET /States/B: State \"B\" is not reachable.",
            "ERROR MISSING_TRANSITION_TARGET /States/B/Catch[0]/Next: Missing 'Next' target: Z",
        ],
    );
    let inner = json!({"StartAt": "Q", "States": {"B": {"Type": "Pass", "End": true}}});
    check(
        &machine(&json!({"Type": "Map", "ItemProcessor": inner, "End": true})),
        &[
            "ERROR MISSING_TRANSITION_TARGET /States/A/ItemProcessor/StartAt: Missing 'Next' target: Q",
            "ERROR MISSING_TRANSITION_TARGET /States/A/ItemProcessor/States/B: State \"B\" is not reachable.",
        ],
    );
    let leaves =
        json!({"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "C"}, "D": {"Type": "Succeed"}}});
    assert!(
        findings(&machine_of(
            &json!({"A": {"Type": "Parallel", "Branches": [leaves], "Next": "C"}, "C": {"Type": "Succeed"}})
        ))
        .contains(
            &"ERROR MISSING_TRANSITION_TARGET /States/A/Branches[0]/States/B/Next: Missing 'Next' target: C"
                .to_owned()
        )
    );
}

#[test]
fn names_are_unique_and_short() {
    let long = "x".repeat(81);
    let text =
        json!({"QueryLanguage": "JSONata", "StartAt": long, "States": {long.as_str(): {"Type": "Succeed"}}})
            .to_string();
    assert!(findings(&text)[0].ends_with("The name of a state has 1 to 80 characters, this one has 81"));
    let inner = json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}});
    let found = findings(&machine(&json!({"Type": "Parallel", "Branches": [inner], "End": true})));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("ERROR DUPLICATE_STATE_NAME /States/A/Branches[0]/States/A: "), "{found:?}");
}

/// One line per rule about a single state: its fields, and what is said.
#[test]
fn every_rule_of_form_has_its_finding() {
    let task = |extra: Value| {
        let mut state = json!({"Type": "Task", "Resource": TASK, "End": true});
        let (Value::Object(state_fields), Value::Object(extra)) = (&mut state, extra) else {
            panic!("objects")
        };
        state_fields.extend(extra);
        state
    };
    let retry = |retrier: Value| task(json!({"Retry": [retrier]}));
    for (state, location, message) in [
        (json!({"End": true}), "", "These fields are required: [Type]"),
        (
            json!({"Type": "Foo", "End": true}),
            "/Type",
            "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
        ),
        (json!({"Type": "Pass"}), "", "One of these fields is required: [Next, End]"),
        (
            json!({"Type": "Pass", "Next": "A", "End": true}),
            "",
            "Only one of these fields is allowed: [Next, End]",
        ),
        (json!({"Type": "Pass", "End": "yes"}), "/End", "Expected value of type Boolean"),
        (json!({"Type": "Pass", "Retry": [], "End": true}), "", "Field 'Retry' is not supported"),
        (json!({"Type": "Succeed", "End": true}), "", "Field 'End' is not supported"),
        (json!({"Type": "Fail", "Next": "A"}), "", "Field 'Next' is not supported"),
        (
            json!({"Type": "Wait", "TimeoutSeconds": 1, "Seconds": 1, "End": true}),
            "",
            "Field 'TimeoutSeconds' is not supported",
        ),
        (json!({"Type": "Wait", "End": true}), "", "One of these fields is required: [Seconds, Timestamp]"),
        (
            json!({"Type": "Wait", "Seconds": 1, "Timestamp": "2030-01-01T00:00:00Z", "End": true}),
            "",
            "Only one of these fields is allowed: [Seconds, Timestamp]",
        ),
        (
            json!({"Type": "Wait", "Seconds": 100_000_000, "End": true}),
            "/Seconds",
            "Maximum value is 99999999",
        ),
        (
            json!({"Type": "Wait", "Seconds": "3", "End": true}),
            "/Seconds",
            "Expected a JSONata expression, a text that starts with {% and ends with %}",
        ),
        (
            json!({"Type": "Wait", "Timestamp": "tomorrow", "End": true}),
            "/Timestamp",
            "String does not match RFC3339 timestamp",
        ),
        (json!({"Type": "Task", "End": true}), "", "These fields are required: [Resource]"),
        (
            json!({"Type": "Task", "Resource": "arn:aws:states:::nope:doIt", "End": true}),
            "/Resource",
            "The resource provided arn:aws:states:::nope:doIt is not recognized. The value is not a valid resource ARN, or the resource is not available in this region.",
        ),
        (
            task(json!({"TimeoutSeconds": 5, "HeartbeatSeconds": 5})),
            "/HeartbeatSeconds",
            "HeartbeatSeconds (5) must be less than TimeoutSeconds (5)",
        ),
        (task(json!({"TimeoutSeconds": 0})), "/TimeoutSeconds", "Minimum value is 1"),
        (
            task(json!({"Credentials": {"Role": "x"}})),
            "/Credentials",
            "The field 'RoleArn' is required but was missing",
        ),
        (task(json!({"Arguments": [1]})), "/Arguments", "Expected value of type Object"),
        (
            task(json!({"Parameters": {}})),
            "",
            "The QueryLanguage is set to 'JSONata', but field 'Parameters' is only supported for the 'JSONPath' QueryLanguage",
        ),
        (task(json!({"Retry": {}})), "/Retry", "Expected value of type Array"),
        (retry(json!({})), "/Retry[0]", "These fields are required: [ErrorEquals]"),
        (retry(json!({"ErrorEquals": []})), "/Retry[0]/ErrorEquals", "Value cannot be empty"),
        (
            retry(json!({"ErrorEquals": ["States.ALL", "X"]})),
            "/Retry[0]/ErrorEquals[0]",
            "States.ALL must appear alone and at end of list",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["X"]}]})),
            "/Retry[0]/ErrorEquals[0]",
            "States.ALL must appear alone and at end of list",
        ),
        (
            retry(json!({"ErrorEquals": ["X"], "MaxAttempts": -1})),
            "/Retry[0]/MaxAttempts",
            "Minimum value is 0",
        ),
        (
            retry(json!({"ErrorEquals": ["X"], "IntervalSeconds": 0})),
            "/Retry[0]/IntervalSeconds",
            "Minimum value is 1",
        ),
        (
            retry(json!({"ErrorEquals": ["X"], "BackoffRate": 0.5})),
            "/Retry[0]/BackoffRate",
            "Minimum value is 1.0",
        ),
        (
            retry(json!({"ErrorEquals": ["X"], "IntervalSeconds": 10, "MaxDelaySeconds": 10})),
            "/Retry[0]/MaxDelaySeconds",
            "MaxDelaySeconds (10) must be greater than IntervalSeconds (10)",
        ),
        (
            retry(json!({"ErrorEquals": ["X"], "JitterStrategy": "SOME"})),
            "/Retry[0]/JitterStrategy",
            "The field 'JitterStrategy' should have one of these values: [FULL, NONE]",
        ),
        (retry(json!({"ErrorEquals": ["X"], "Foo": 1})), "/Retry[0]", "Field 'Foo' is not supported"),
        (task(json!({"Catch": [{"ErrorEquals": ["X"]}]})), "/Catch[0]", "These fields are required: [Next]"),
        (json!({"Type": "Parallel", "Branches": [], "End": true}), "/Branches", "Value cannot be empty"),
        (json!({"Type": "Map", "End": true}), "", "These fields are required: [ItemProcessor]"),
        (
            json!({"Type": "Pass", "Assign": {"1x": 1}, "End": true}),
            "/Assign",
            "The variable name '1x' is not valid: it starts with a letter, then come letters, digits and underscores",
        ),
        (
            json!({"Type": "Pass", "Assign": {"states": 1}, "End": true}),
            "/Assign",
            "The variable name 'states' is reserved",
        ),
        (
            json!({"Type": "Pass", "Assign": "{% 1 %}", "End": true}),
            "/Assign",
            "Expected value of type Object",
        ),
    ] {
        let expected = format!("ERROR SCHEMA_VALIDATION_FAILED /States/A{location}: {message}");
        let found = findings(&machine(&state));
        let without_end: Vec<&String> =
            found.iter().filter(|finding| !finding.contains("MISSING_END_STATE")).collect();
        assert_eq!(without_end, [&expected], "{state}");
    }
}

#[test]
fn choices_are_checked() {
    let choice = |rule: Value| {
        findings(&machine_of(
            &json!({"A": {"Type": "Choice", "Choices": [rule], "Default": "B"}, "B": {"Type": "Succeed"}}),
        ))
    };
    assert_eq!(choice(json!({"Condition": "{% true %}", "Next": "B"})), Vec::<String>::new());
    assert_eq!(
        choice(json!({"Condition": "x > 3", "Next": "B"})),
        [
            "ERROR SCHEMA_VALIDATION_FAILED /States/A/Choices[0]/Condition: Expected a JSONata expression, a text that starts with {% and ends with %}"
        ]
    );
    assert_eq!(
        choice(json!({"Condition": true, "Variable": "$.x", "Next": "B"})),
        [
            "ERROR SCHEMA_VALIDATION_FAILED /States/A/Choices[0]: The QueryLanguage is set to 'JSONata', but field 'Variable' is only supported for the 'JSONPath' QueryLanguage"
        ]
    );
    assert_eq!(
        choice(json!({"Condition": true})),
        ["ERROR SCHEMA_VALIDATION_FAILED /States/A/Choices[0]: These fields are required: [Next]"]
    );
    assert!(
        findings(&machine_of(&json!({"A": {"Type": "Choice", "Default": "B"}, "B": {"Type": "Succeed"}})))
            .contains(
                &"ERROR SCHEMA_VALIDATION_FAILED /States/A: These fields are required: [Choices]".to_owned()
            )
    );
}

#[test]
fn only_distributed_maps_have_their_fields() {
    let processor = |config: Value| json!({"ProcessorConfig": config, "StartAt": "B", "States": {"B": {"Type": "Succeed"}}});
    check(
        &machine(
            &json!({"Type": "Map", "ItemReader": {}, "ItemProcessor": processor(json!({"Mode": "DISTRIBUTED"})), "End": true}),
        ),
        &[
            "ERROR SCHEMA_VALIDATION_FAILED /States/A/ItemReader: These fields are required: [Resource]",
            "ERROR SCHEMA_VALIDATION_FAILED /States/A/ItemProcessor/ProcessorConfig: These fields are required: [ExecutionType]",
        ],
    );
    check(
        &machine(
            &json!({"Type": "Map", "ItemReader": {}, "ItemProcessor": processor(json!({"Mode": "INLINE"})), "End": true}),
        ),
        &["ERROR SCHEMA_VALIDATION_FAILED /States/A: Field 'ItemReader' is not supported"],
    );
    check(
        &machine(
            &json!({"Type": "Map", "ToleratedFailureCount": "{% $x := 1 %}", "ItemProcessor": processor(json!({})), "End": true}),
        ),
        &[],
    );
}

#[test]
fn expressions_are_checked_where_they_stand() {
    let output = |source: &str| {
        findings(&machine(
            &json!({"Type": "Pass", "Output": {"v": format!("{{% {source} %}}")}, "End": true}),
        ))
    };
    assert_eq!(output("$states.input.a + 1"), Vec::<String>::new());
    assert_eq!(
        output("phone"),
        [
            "ERROR UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/v: Reference to 'phone' at the top level is not supported."
        ]
    );
    assert_eq!(
        output("$$"),
        [
            "ERROR UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/v: Reference to '$$' at the top level is not supported."
        ]
    );
    assert_eq!(
        output("1 +"),
        ["ERROR INVALID_JSONATA_EXPRESSION /States/A/Output/v: Unexpected end of expression"]
    );
    assert_eq!(
        output("$states.input.a ?? 1"),
        [
            "ERROR INVALID_JSONATA_EXPRESSION /States/A/Output/v: The symbol \"?\" cannot be used as a unary operator"
        ]
    );
    assert_eq!(
        output("$states.errorOutput"),
        [
            "ERROR UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/v: Reference to '$states.errorOutput' is not supported in this field."
        ]
    );
    assert_eq!(
        output("$eval('1')"),
        [
            "WARNING UNKNOWN_FUNCTION /States/A/Output/v: Step Functions does not have the function $eval: the state will fail"
        ]
    );
    assert_eq!(
        output("$nope(1)"),
        [
            "WARNING UNKNOWN_FUNCTION /States/A/Output/v: There is no function $nope: the state will fail if it is called"
        ]
    );
    assert_eq!(
        findings(&machine(
            &json!({"Type": "Task", "Resource": TASK, "Arguments": {"Payload": "{% $states.result %}"}, "End": true})
        )),
        [
            "ERROR UNSUPPORTED_JSONATA_EXPRESSION /States/A/Arguments/Payload: Reference to '$states.result' is not supported in this field."
        ]
    );
}

#[test]
fn callback_tasks_have_to_hand_their_token_over() {
    let task = |arguments: Value| {
        findings(&machine(
            &json!({"Type": "Task", "Resource": format!("{TASK}.waitForTaskToken"), "Arguments": arguments, "End": true}),
        ))
    };
    assert_eq!(task(json!({"Payload": {"t": "{% $states.context.Task.Token %}"}})), Vec::<String>::new());
    assert_eq!(task(json!({"Payload": "{% $states.context %}"})), Vec::<String>::new());
    let found = task(json!({"Payload": "{% $states.input %}"}));
    assert!(found[0].starts_with("WARNING MISSING_TASK_TOKEN /States/A/Resource: "), "{found:?}");
}

#[test]
fn variables_are_followed_along_every_way() {
    let undefined = |states: Value| -> Vec<String> {
        let found = findings(&machine_of(&states));
        assert!(found.iter().all(|finding| finding.starts_with("WARNING UNDEFINED_VARIABLE")), "{found:?}");
        found.iter().filter_map(|finding| finding.split(' ').nth(2)).map(str::to_owned).collect()
    };
    let none: Vec<String> = Vec::new();
    // Assigned on one of two ways: no finding.
    assert_eq!(
        undefined(json!({
            "A": {"Type": "Choice", "Choices": [{"Condition": true, "Assign": {"x": 1}, "Next": "B"}], "Default": "B"},
            "B": {"Type": "Pass", "Output": "{% $x %}", "End": true}
        })),
        none
    );
    // In a loop, and from outside into a map.
    assert_eq!(
        undefined(json!({
            "A": {"Type": "Pass", "Assign": {"n": 0}, "Next": "B"},
            "B": {"Type": "Choice", "Choices": [{"Condition": "{% $n > 3 or $m > 1 %}", "Next": "C"}], "Default": "D"},
            "D": {"Type": "Pass", "Assign": {"n": "{% $n + 1 %}", "m": 1}, "Next": "B"},
            "C": {"Type": "Map", "ItemProcessor": {"StartAt": "E", "States": {"E": {"Type": "Pass", "Output": "{% $n + $m %}", "End": true}}}, "End": true}
        })),
        none
    );
    // The values of a state are those from before it; its catchers assign only on their way.
    assert_eq!(
        undefined(json!({
            "A": {"Type": "Task", "Resource": TASK, "Assign": {"x": 1}, "Output": "{% $x %}",
                  "Catch": [{"ErrorEquals": ["E"], "Assign": {"e": 1}, "Next": "C"}], "Next": "B"},
            "B": {"Type": "Pass", "Output": "{% [$x, $e] %}", "End": true},
            "C": {"Type": "Pass", "Output": ["{% $x %}", "{% $e %}"], "End": true}
        })),
        ["/States/A/Output:", "/States/B/Output:", "/States/C/Output[0]:"]
    );
    // What a branch assigns stays in it.
    assert_eq!(
        undefined(json!({
            "A": {"Type": "Parallel", "Branches": [{"StartAt": "P", "States": {"P": {"Type": "Pass", "Assign": {"x": 1}, "End": true}}}], "Next": "B"},
            "B": {"Type": "Pass", "Output": "{% $x %}", "End": true}
        })),
        ["/States/B/Output:"]
    );
}

#[test]
fn inner_states_do_not_assign_outer_variables() {
    let inner = |state: &str, variable: &str| {
        let pass = json!({"Type": "Pass", "Assign": {variable: 1}, "End": true});
        json!({"StartAt": state, "States": {state: pass}})
    };
    let shadows = |name: &str| -> Vec<String> {
        findings(&machine_of(&json!({
            "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"},
            "M": {"Type": "Map", "ItemProcessor": inner("P", name), "Next": "Q"},
            "Q": {"Type": "Parallel", "Branches": [inner("O", "own")], "End": true}
        })))
    };
    // Branches and iterations have variables of their own, and may share names with each other.
    assert_eq!(shadows("own"), [""; 0]);
    let found = shadows("x");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .starts_with("ERROR SHADOWED_VARIABLE /States/M/ItemProcessor/States/P/Assign: The variable $x"),
        "{found:?}"
    );
}

#[test]
fn nesting_is_bounded() {
    let mut states = json!({"S0": {"Type": "Pass", "End": true}});
    for depth in 1..40 {
        let start = format!("S{}", depth - 1);
        states = json!({format!("S{depth}"): {"Type": "Parallel", "Branches": [{"StartAt": start, "States": states}], "End": true}});
    }
    let text = json!({"QueryLanguage": "JSONata", "StartAt": "S39", "States": states}).to_string();
    assert!(findings(&text).iter().any(|finding| finding.starts_with("ERROR TOO_DEEPLY_NESTED")));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("JSON has no infinity", |number| serde_json::Number::from_f64(number)
            .map(Value::Number)),
        ".*".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((".*", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Objects that look like states, right and wrong.
fn any_state_like() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "Type",
        "Next",
        "End",
        "StartAt",
        "States",
        "Choices",
        "Condition",
        "Retry",
        "Catch",
        "ErrorEquals",
        "Branches",
        "ItemProcessor",
        "ProcessorConfig",
        "Mode",
        "Items",
        "Assign",
        "Output",
        "Arguments",
        "Resource",
        "Seconds",
        "Timestamp",
        "QueryLanguage",
        "A",
        "B",
    ]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "A",
            "B",
            "Pass",
            "Task",
            "Choice",
            "Map",
            "Parallel",
            "Wait",
            "Fail",
            "Succeed",
            "JSONata",
            "{% $x %}",
            "{% 1 + %}",
            "States.ALL",
            "INLINE",
            "DISTRIBUTED",
            "2030-01-01T00:00:00Z",
        ])
        .prop_map(|text| Value::String(text.to_owned())),
        any::<bool>().prop_map(Value::Bool),
        (-2i64..5).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..7).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

/// Whatever the text: no panic, spans inside it, and a machine or an error.
fn has_sense(text: &str) {
    let diagnostics = validate(text);
    for item in &diagnostics {
        assert!(item.span.start <= item.span.end && item.span.end <= text.len(), "{item:?}");
    }
    match StateMachine::parse(text) {
        Ok(_) => assert!(!diagnostics.has_errors()),
        Err(found) => assert!(found.has_errors(), "refused without a reason: {text}"),
    }
}

proptest! {
    #[test]
    fn printing_and_reading_is_the_identity(value in any_json()) {
        let text = print(&value);
        let node = source::read(&text).expect("reads what was printed");
        prop_assert_eq!(node.to_value(), value);
        prop_assert_eq!(print(&node.to_value()), text);
    }

    #[test]
    fn the_reader_agrees_with_serde(text in "[\\[\\]{}:,\"0-9eE+.\\-a-f \\\\ulnrst]{0,40}") {
        let ours = source::read(&text).map(|node| node.to_value()).ok();
        let serde = serde_json::from_str::<Value>(&text).ok();
        if ours.is_none() && serde.is_some() {
            prop_assert!(source::read(&text).is_err_and(|error| error.message.contains("twice")));
        } else {
            prop_assert_eq!(ours, serde);
        }
    }

    #[test]
    fn any_text_is_answered(text in ".*") {
        has_sense(&text);
    }

    #[test]
    fn any_json_is_answered(value in any_json()) {
        has_sense(&value.to_string());
    }

    #[test]
    fn anything_like_a_machine_is_answered(states in prop::collection::vec(any_state_like(), 1..4)) {
        let names = ["A", "B", "C", "D"];
        let states: Value = Value::Object(names.iter().map(|name| (*name).to_owned()).zip(states).collect());
        has_sense(&machine_of(&states));
    }
}

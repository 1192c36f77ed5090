//! States written in JSONPath: what becomes of their fields, and what is said of wrong ones.

use serde_json::{Value, json};

use super::{TASK, check, findings, jsonpath};
use crate::document::{
    Comparand, Condition, Items, NumberOrExpression, Operand, Relation, ResultPath, Selection, State,
    StateKind, Test, TextOrExpression, Wait,
};
use crate::jsonpath::{Path, Query};
use crate::template::Template;
use crate::{StateMachine, variable_references};

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

/// The state `A` of a machine that consists of it and of `B`.
fn state(fields: &Value) -> State {
    let text = json!({"StartAt": "A", "States": {"A": fields, "B": {"Type": "Succeed"}}}).to_string();
    let machine = StateMachine::parse(&text).unwrap_or_else(|diagnostics| panic!("{diagnostics}\n{text}"));
    State::clone(&machine.states["A"])
}

#[test]
fn fields_that_select_are_read() {
    let read = state(&json!({
        "Type": "Task", "Resource": TASK, "InputPath": "$.a[0]", "OutputPath": null, "ResultPath": "$.r.s",
        "Parameters": {"p.$": "$$.Execution.Id", "n": {"q.$": "States.Format('{}', $v)"}, "l": [1]},
        "ResultSelector": {"s.$": "$.x"}, "TimeoutSecondsPath": "$.t", "HeartbeatSecondsPath": "$beat",
        "Credentials": {"RoleArn.$": "$.role"}, "Assign": {"w.$": "$.z"},
        "Catch": [{"ErrorEquals": ["E"], "ResultPath": null, "Next": "B"}], "Next": "B"
    }));
    assert_eq!(read.paths.input, Selection::Path(path("$.a[0]")));
    assert_eq!(read.paths.output, Selection::Nothing);
    assert_eq!(read.paths.result, ResultPath::Path(path("$.r.s")));
    let Some(Template::Object(selector)) = &read.paths.result_selector else { panic!("an object") };
    assert_eq!(selector["s"], Template::Query(Query::Path(path("$.x"))));
    assert_eq!(read.catch[0].result_path, ResultPath::Discard);
    assert_eq!(read.reads, ["beat", "v"]);
    let StateKind::Task(task) = &read.kind else { panic!("a Task") };
    assert_eq!(task.timeout_seconds, Some(NumberOrExpression::Path(path("$.t"))));
    let Some(Template::Object(parameters)) = &task.arguments else { panic!("an object") };
    assert_eq!(parameters.keys().collect::<Vec<_>>(), ["p", "n", "l"]);
    assert_eq!(parameters["l"], Template::Literal(json!([1])));
    let Template::Object(nested) = &parameters["n"] else { panic!("an object") };
    assert!(matches!(nested["q"], Template::Query(Query::Intrinsic(_))));
}

#[test]
fn defaults_and_the_whole_document_are_the_same() {
    let read =
        state(&json!({"Type": "Pass", "InputPath": "$", "OutputPath": "$", "ResultPath": "$", "Next": "B"}));
    assert_eq!(read.paths, crate::Paths::default());
    let read = state(&json!({"Type": "Pass", "Result": {"a.$": "$.b"}, "Parameters": {"c": 1}, "Next": "B"}));
    let StateKind::Pass(pass) = &read.kind else { panic!("a Pass") };
    assert_eq!(pass.result, Some(json!({"a.$": "$.b"})), "not evaluated");
    assert_eq!(pass.parameters, Some(Template::Literal(json!({"c": 1}))));
}

#[test]
fn waits_and_failures_take_paths() {
    let read = state(&json!({"Type": "Wait", "SecondsPath": "$.s", "Next": "B"}));
    assert_eq!(read.kind, StateKind::Wait(Wait::Seconds(NumberOrExpression::Path(path("$.s")))));
    let read = state(&json!({"Type": "Wait", "TimestampPath": "$$.Execution.StartTime", "Next": "B"}));
    let query = Query::Path(path("$$.Execution.StartTime"));
    assert_eq!(read.kind, StateKind::Wait(Wait::Timestamp(TextOrExpression::Query(query))));
    check(
        &jsonpath(&json!({"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}', $.c)"})),
        &[],
    );
}

#[test]
fn conditions_become_what_they_say() {
    let condition = |rule: &Value| {
        let read = state(&json!({"Type": "Choice", "Choices": [rule], "Default": "B"}));
        let StateKind::Choice(choice) = read.kind else { panic!("a Choice") };
        choice.rules.into_iter().next().expect("a rule").condition
    };
    let test = |operator, test| Condition::Test { variable: path("$.x"), operator, test };
    assert_eq!(
        condition(&json!({"Variable": "$.x", "NumericLessThanEqualsPath": "$.y", "Next": "B"})),
        test(
            "NumericLessThanEqualsPath",
            Test::Compare {
                comparand: Comparand::Numeric,
                relation: Relation::LessThanEquals,
                to: Operand::Path(path("$.y"))
            }
        )
    );
    assert_eq!(
        condition(&json!({"Variable": "$.x", "StringMatches": "a*", "Next": "B"})),
        test("StringMatches", Test::Matches("a*".to_owned()))
    );
    let nested = condition(&json!({
        "And": [{"Not": {"Variable": "$.x", "IsPresent": true}},
                {"Or": [{"Variable": "$.x", "TimestampEquals": "2030-01-01T00:00:00Z", "Comment": "c"}]}],
        "Next": "B", "Assign": {"v": 1}, "Comment": "c"
    }));
    let Condition::And(parts) = nested else { panic!("And") };
    assert!(matches!((&parts[0], &parts[1]), (Condition::Not(_), Condition::Or(_))));
}

/// Every operator of the language takes a value of its type and no other.
#[test]
fn every_operator_checks_its_value() {
    let relations = ["Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals"];
    let mut operators: Vec<(String, Value)> = Vec::new();
    for (kind, value) in
        [("String", json!("s")), ("Numeric", json!(1.5)), ("Timestamp", json!("2030-01-01T00:00:00Z"))]
    {
        for relation in relations {
            operators.push((format!("{kind}{relation}"), value.clone()));
            operators.push((format!("{kind}{relation}Path"), json!("$.y")));
        }
    }
    operators.push(("BooleanEquals".to_owned(), json!(true)));
    operators.push(("BooleanEqualsPath".to_owned(), json!("$.y")));
    operators.push(("StringMatches".to_owned(), json!("*")));
    for what in ["IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp"] {
        operators.push((what.to_owned(), json!(true)));
    }
    assert_eq!(operators.len(), 39);
    let choice = |operator: &str, value: &Value| {
        let rule = json!({"Variable": "$.x", operator: value, "Next": "B"});
        let text = json!({"StartAt": "A", "States": {
            "A": {"Type": "Choice", "Choices": [rule], "Default": "B"}, "B": {"Type": "Succeed"}}});
        findings(&text.to_string())
    };
    for (operator, value) in &operators {
        assert_eq!(choice(operator, value), [""; 0], "{operator}");
        let wrong = choice(operator, &json!({}));
        assert_eq!(wrong.len(), 1, "{operator}: {wrong:?}");
        let expected = format!(
            "ERROR SCHEMA_VALIDATION_FAILED /States/A/Choices[0]/{operator}: Expected value of type "
        );
        assert!(wrong[0].starts_with(&expected), "{wrong:?}");
    }
}

#[test]
fn maps_of_old_are_read() {
    let read = state(&json!({
        "Type": "Map", "ItemsPath": "$.items", "MaxConcurrencyPath": "$.n", "Parameters": {"v.$": "$$.Map.Item.Value"},
        "Iterator": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}, "Next": "B"
    }));
    let StateKind::Map(map) = &read.kind else { panic!("a Map") };
    assert_eq!(map.items, Items::Path(path("$.items")));
    assert_eq!(map.item_selector_field, "Parameters");
    assert!(map.item_selector.is_some());
    assert_eq!(map.max_concurrency, Some(NumberOrExpression::Path(path("$.n"))));
}

#[test]
fn references_to_variables_are_listed_for_each_state() {
    let text = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"x": 1, "y": {"z": 1}}, "Next": "M"},
        "M": {"Type": "Map", "ItemsPath": "$y.z", "ItemSelector": {"b.$": "States.MathAdd($x, $x)"},
              "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "InputPath": "$x", "End": true}}},
              "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Variable": "$x", "NumericEqualsPath": "$y.z", "Next": "D"}], "Default": "D"},
        "D": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $y.z + $sum($x) %}", "End": true}
    }})
    .to_string();
    check(&text, &[]);
    let references = variable_references(&StateMachine::parse(&text).expect("accepted"));
    let listed: Vec<(&str, Vec<&str>)> = references
        .iter()
        .map(|(name, variables)| (name.as_str(), variables.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        listed,
        [("M", vec!["x", "y"]), ("I", vec!["x"]), ("C", vec!["x", "y"]), ("D", vec!["x", "y"])]
    );
}

#[test]
fn undefined_variables_are_found_in_paths() {
    let undefined = findings(&jsonpath(&json!({"Type": "Pass", "InputPath": "$gone.x", "End": true})));
    assert_eq!(undefined.len(), 1, "{undefined:?}");
    assert!(undefined[0].starts_with("WARNING UNDEFINED_VARIABLE /States/A/InputPath: "), "{undefined:?}");
    // A distributed Map's children do not see the variables outside of it.
    let map = |mode: Value| {
        let text = json!({"StartAt": "S", "States": {
            "S": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"},
            "M": {"Type": "Map", "ItemSelector": {"x.$": "$x"}, "ItemProcessor": {"ProcessorConfig": mode, "StartAt": "P",
                  "States": {"P": {"Type": "Pass", "InputPath": "$x", "Assign": {"x": 2}, "End": true}}}, "End": true}}});
        findings(&text.to_string())
    };
    assert!(map(json!({"Mode": "INLINE"}))[0].starts_with("ERROR SHADOWED_VARIABLE "));
    let isolated = map(json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}));
    assert_eq!(isolated.len(), 1, "{isolated:?}");
    let place = "/States/M/ItemProcessor/States/P/InputPath: ";
    assert!(isolated[0].starts_with(&format!("WARNING UNDEFINED_VARIABLE {place}")), "{isolated:?}");
}

/// One line per rule: a state, where the finding is, and what it says.
#[test]
fn every_rule_of_jsonpath_has_its_finding() {
    let task = |extra: Value| with(json!({"Type": "Task", "Resource": TASK, "End": true}), extra);
    let rule = |rule: Value| json!({"Type": "Choice", "Choices": [rule], "Default": "B"});
    let query = "must be a valid JSONPath or a valid intrinsic function call";
    for (state, location, message) in [
        (json!({"Type": "Pass", "InputPath": "Test", "End": true}), "/InputPath", "Value must be a valid JSONPath.".to_owned()),
        (json!({"Type": "Pass", "OutputPath": "$.[", "End": true}), "/OutputPath", "Value must be a valid JSONPath.".to_owned()),
        (json!({"Type": "Pass", "InputPath": 1, "End": true}), "/InputPath", "Expected value of type String".to_owned()),
        (
            json!({"Type": "Pass", "ResultPath": "x", "End": true}),
            "/ResultPath",
            "Value is not a Reference Path: Reference path didn't start with '$'".to_owned(),
        ),
        (
            json!({"Type": "Pass", "ResultPath": "$.a[*]", "End": true}),
            "/ResultPath",
            "Value is not a Reference Path: the path can find more than one value".to_owned(),
        ),
        (
            json!({"Type": "Pass", "ResultPath": "$$.x", "End": true}),
            "/ResultPath",
            "Value is not a Reference Path: ResultPath starts with '$.'".to_owned(),
        ),
        (json!({"Type": "Pass", "Parameters": [1], "End": true}), "/Parameters", "Expected value of type Object".to_owned()),
        (
            json!({"Type": "Pass", "Parameters": {"a.$": "hello"}, "End": true}),
            "/Parameters",
            format!("The value for the field 'a.$' {query}"),
        ),
        (
            json!({"Type": "Pass", "Parameters": {"o": [{"a.$": 1}]}, "End": true}),
            "/Parameters/o[0]",
            format!("The value for the field 'a.$' {query}"),
        ),
        (
            json!({"Type": "Pass", "Assign": {"a.$": "States.Nope()"}, "End": true}),
            "/Assign",
            format!("The value for the field 'a.$' {query}"),
        ),
        (
            json!({"Type": "Pass", "Parameters": {"a.$": "$.x", "a": 1}, "End": true}),
            "/Parameters",
            "The field 'a' cannot be used together with 'a.$'".to_owned(),
        ),
        (
            json!({"Type": "Wait", "Seconds": 1, "SecondsPath": "$.s", "End": true}),
            "",
            "Only one of these fields is allowed: [Seconds, SecondsPath, Timestamp, TimestampPath]".to_owned(),
        ),
        (
            json!({"Type": "Wait", "Seconds": "{% 1 %}", "End": true}),
            "/Seconds",
            "Expected value of type Integer".to_owned(),
        ),
        (
            json!({"Type": "Wait", "SecondsPath": "States.MathAdd(1, 2)", "End": true}),
            "/SecondsPath",
            "Value is not a Reference Path: Reference path didn't start with '$'".to_owned(),
        ),
        (
            task(json!({"TimeoutSeconds": 5, "TimeoutSecondsPath": "$.t"})),
            "",
            "Only one of these fields is allowed: [TimeoutSeconds, TimeoutSecondsPath]".to_owned(),
        ),
        (
            json!({"Type": "Fail", "Error": "a", "ErrorPath": "$.e"}),
            "",
            "Only one of these fields is allowed: [Error, ErrorPath]".to_owned(),
        ),
        (
            json!({"Type": "Fail", "CausePath": "States.MathAdd(1, 2)"}),
            "/CausePath",
            "Value must be a valid JSONPath or a call of one of these intrinsic functions: [States.Format, \
             States.JsonToString, States.ArrayGetItem, States.Base64Encode, States.Base64Decode, States.Hash, \
             States.UUID]"
                .to_owned(),
        ),
        (
            json!({"Type": "Fail", "CausePath": "oops"}),
            "/CausePath",
            "Value must be a valid JSONPath or a valid intrinsic function call".to_owned(),
        ),
        (
            task(json!({"Catch": [{"ErrorEquals": ["E"], "Next": "B", "Output": 1}]})),
            "/Catch[0]",
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage".to_owned(),
        ),
        (rule(json!({"Variable": "$.x", "IsNull": true})), "/Choices[0]", "These fields are required: [Next]".to_owned()),
        (rule(json!({"IsNull": true, "Next": "B"})), "/Choices[0]", "These fields are required: [Variable]".to_owned()),
        (rule(json!({"IsNull": true})), "/Choices[0]", "These fields are required: [Variable, Next]".to_owned()),
        (
            rule(json!({"Variable": "Test", "StringMatches": "Test", "Next": "B"})),
            "/Choices[0]/Variable",
            "Value is not a Reference Path: Reference path didn't start with '$'".to_owned(),
        ),
        (rule(json!({"Variable": "$.x", "Next": "B"})), "/Choices[0]", "A choice rule needs a comparison operator".to_owned()),
        (
            rule(json!({"Variable": "$.x", "IsNull": true, "StringEquals": "x", "Next": "B"})),
            "/Choices[0]",
            "Only one of these fields is allowed: [IsNull, StringEquals]".to_owned(),
        ),
        (
            rule(json!({"Variable": "$.x", "And": [{"Variable": "$.x", "IsNull": true}], "Next": "B"})),
            "/Choices[0]",
            "Only one of these fields is allowed: [Variable, And]".to_owned(),
        ),
        (rule(json!({"Or": [], "Next": "B"})), "/Choices[0]/Or", "Value cannot be empty".to_owned()),
        (
            rule(json!({"Not": {"Variable": "$.x", "IsNull": true, "Next": "B"}, "Next": "B"})),
            "/Choices[0]/Not",
            "Field 'Next' is not supported".to_owned(),
        ),
        (
            rule(json!({"Variable": "$.x", "TimestampEquals": "tomorrow", "Next": "B"})),
            "/Choices[0]/TimestampEquals",
            "String does not match RFC3339 timestamp".to_owned(),
        ),
        (
            rule(json!({"Condition": "{% true %}", "Variable": "$.x", "IsNull": true, "Next": "B"})),
            "/Choices[0]",
            "The QueryLanguage is set to 'JSONPath', but field 'Condition' is only supported for the 'JSONata' QueryLanguage".to_owned(),
        ),
        (
            rule(json!({"Variable": "$.x", "NumericEqual": 1, "IsNull": true, "Next": "B"})),
            "/Choices[0]",
            "Field 'NumericEqual' is not supported".to_owned(),
        ),
    ] {
        let text = json!({"StartAt": "A", "States": {"A": state, "B": {"Type": "Succeed"}}}).to_string();
        let found = findings(&text);
        let own: Vec<&String> = found.iter().filter(|finding| !finding.contains("is not reachable")).collect();
        let expected = format!("ERROR SCHEMA_VALIDATION_FAILED /States/A{location}: {message}");
        assert_eq!(own, [&expected], "{state}");
    }
}

#[test]
fn what_looks_like_a_path_is_warned_of() {
    let warned = |state: &Value, code: &str, place: &str| {
        let found = findings(&jsonpath(state));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("WARNING {code} /States/A{place}: ")), "{found:?}");
    };
    warned(
        &json!({"Type": "Pass", "Parameters": {"a": {"b": "$.x"}}, "End": true}),
        "NO_DOLLAR",
        "/Parameters/a/b",
    );
    warned(&json!({"Type": "Fail", "Cause": "States.Format('{}', $.c)"}), "NO_PATH", "/Cause");
    warned(
        &json!({"Type": "Pass", "Result": [{"a.$": "$.x"}], "End": true}),
        "PASS_RESULT_IS_STATIC",
        "/Result[0]/a.$",
    );
    check(
        &jsonpath(
            &json!({"Type": "Pass", "Parameters": {"price": "$5", "why": "States.of mind"}, "End": true}),
        ),
        &[],
    );
}

#[test]
fn tokens_handed_over_by_path_are_seen() {
    let task = |payload: Value| {
        findings(&jsonpath(
            &json!({"Type": "Task", "Resource": format!("{TASK}.waitForTaskToken"), "Parameters": {"Payload": payload}, "End": true}),
        ))
    };
    for payload in [
        json!({"t.$": "$$.Task.Token"}),
        json!({"t.$": "$$"}),
        json!({"t.$": "$$['Task']"}),
        json!({"t.$": "States.Format('{}', $$.Task.Token)"}),
    ] {
        assert_eq!(task(payload.clone()), [""; 0], "{payload}");
    }
    assert!(task(json!({"t.$": "$.Task.Token"}))[0].starts_with("WARNING MISSING_TASK_TOKEN "));
}

fn with(mut fields: Value, extra: Value) -> Value {
    let (Value::Object(all), Value::Object(extra)) = (&mut fields, extra) else { panic!("objects") };
    all.extend(extra);
    fields
}

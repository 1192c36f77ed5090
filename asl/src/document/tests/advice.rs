//! What is said beside AWS's findings: causes and consequences, warnings of ours, what was meant.

use super::*;

/// The findings that are no consequences, each with its advice.
fn causes(text: &str) -> Vec<(String, String)> {
    let causes = validate(text);
    let one = |item: &crate::Diagnostic| (item.message.clone(), item.advice.clone().unwrap_or_default());
    causes.causes().map(one).collect()
}

#[test]
fn one_mistake_has_one_cause() {
    let rest = r#""B": {"Type": "Pass", "Next": "C"}, "C": {"Type": "Succeed"}"#;
    for (text, expected) in [
        (format!(r#"{{"StartAt": "a", "States": {{"A": {{"Type": "Pass", "Next": "B"}}, {rest}}}}}"#), "Missing 'Next' target: a"),
        (format!(r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Pass", "Next": "Bee"}}, {rest}}}}}"#), "Missing 'Next' target: Bee"),
        (format!(r#"{{"StartAt": "A", "States": {{"A": "Pass", {rest}}}}}"#), "Expected value of type Object"),
        (format!(r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Pass", "Nxt": "B"}}, {rest}}}}}"#), "Field 'Nxt' is not supported"),
        (
            format!(r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Pass", "Next": "B"}}}}, {rest}}}"#),
            "Field 'B' is not supported",
        ),
        (
            format!(r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Pass", "Next": "B", {rest}}}}}}}"#),
            "Field 'B' is not supported",
        ),
        (
            format!(r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Choise", "Choices": [{{"Next": "B"}}]}}, {rest}}}}}"#),
            "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
        ),
        (
            r#"{"QueryLanguage": "jsonpath", "StartAt": "A", "States": {"A": {"Type": "Pass", "InputPath": "$.a", "Parameters": {}, "End": true}}}"#.to_owned(),
            "The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]",
        ),
        (
            r#"{"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "B"}]}, "B": {"Type": "Pass", "Output": 1, "End": true}}}"#.to_owned(),
            "The QueryLanguage is set to 'JSONPath', but field 'Condition' is only supported for the 'JSONata' QueryLanguage",
        ),
    ] {
        let found = causes(&text);
        assert_eq!(found.iter().map(|(message, _)| message.as_str()).collect::<Vec<_>>(), [expected], "{text}");
        assert!(found.iter().all(|(_, advice)| !advice.is_empty()), "{text}");
        assert!(validate(&text).has_errors());
    }
}

#[test]
fn of_states_nobody_leads_to_the_first_ones_are_told() {
    let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true},
        "C": {"Type": "Pass", "Next": "D"}, "D": {"Type": "Succeed"}, "B": {"Type": "Pass", "Next": "C"},
        "X": {"Type": "Pass", "Next": "Y"}, "Y": {"Type": "Pass", "Next": "X"}}}"#;
    let found = causes(text).into_iter().map(|(message, _)| message).collect::<Vec<_>>();
    assert_eq!(found, ["State \"B\" is not reachable.", "State \"X\" is not reachable."]);
    assert_eq!(validate(text).len(), 5, "AWS tells all");
}

#[test]
fn texts_that_were_meant_as_expressions_are_warned_of() {
    for (text, code, meant) in [
        ("{% $states.input.x }", Code::JsonataDelimiters, r#"write "{% $states.input.x %}""#),
        ("{$states.input.x%}", Code::JsonataDelimiters, r#"write "{% $states.input.x %}""#),
        ("{{% $states.input.x %}}", Code::JsonataDelimiters, r#"write "{% $states.input.x %}""#),
        (" {% 1 %}", Code::JsonataDelimiters, r#"write "{% 1 %}""#),
        ("Hi {% $states.input.n %}!", Code::JsonataDelimiters, r#""{% 'Hi ' & $states.input.n & '!' %}""#),
        ("$states.input.x", Code::NotEvaluated, r#"write "{% $states.input.x %}""#),
        ("$.a.b", Code::NotEvaluated, r#"write "{% $states.input.a.b %}""#),
        ("$$.Execution.Name", Code::NotEvaluated, r#"write "{% $states.context.Execution.Name %}""#),
        ("$uuid()", Code::NotEvaluated, r#"write "{% $uuid() %}""#),
        ("States.UUID()", Code::NotEvaluated, r#"write "{% $uuid() %}""#),
    ] {
        let definition = machine(&json!({"Type": "Pass", "Output": {"x": text}, "End": true}));
        let found = validate(&definition);
        let found: Vec<_> = found.iter().map(|item| (item.severity, item.code)).collect();
        assert_eq!(found, [(Severity::Warning, code)], "{text}");
        assert!(causes(&definition)[0].1.contains(meant), "{text}: {:?}", causes(&definition));
    }
    for plain in
        ["", "$", "$$", "100%", "{}", "{ %}x", "a {b} %c", "$5", "$unknown", "costs $.50 or so", "States.ALL"]
    {
        check(&machine(&json!({"Type": "Pass", "Output": {"x": plain}, "End": true})), &[]);
    }
}

#[test]
fn a_text_that_names_a_variable_is_warned_of_where_there_is_one() {
    let text = machine_of(&json!({
        "A": {"Type": "Pass", "Assign": {"total": 1}, "Next": "B"},
        "B": {"Type": "Pass", "Output": ["$total", "$other"], "End": true},
    }));
    let expected = "WARNING NOT_EVALUATED /States/B/Output[0]: This looks like the variable $total, but is passed on as text";
    check(&text, &[expected]);
}

#[test]
fn fields_of_states_that_do_not_exist_are_warned_of() {
    for (expression, advice) in [
        ("$states.inputs.x", "did you mean `$states.input`?"),
        ("$states.result", "what a Pass gets is `$states.input`"),
        ("$state.input", "did you mean `$states`?"),
    ] {
        let text = machine(&json!({"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true}));
        let found = validate(&text);
        let [finding] = found.iter().collect::<Vec<_>>()[..] else { panic!("{expression}: {found}") };
        assert_eq!((finding.severity, finding.advice.as_deref()), (Severity::Warning, Some(advice)));
        let name = expression.split('.').take(if advice.contains("`$states`") { 1 } else { 2 });
        let name = name.collect::<Vec<_>>().join(".");
        assert_eq!(text.get(finding.place().clone()), Some(name.as_str()), "underlined");
    }
}

#[test]
fn calls_with_a_wrong_number_of_arguments_and_open_brackets_are_warned_of() {
    let warned = |value: &str| {
        let text = jsonpath(&json!({"Type": "Pass", "Parameters": {"x.$": value}, "End": true}));
        validate(&text).iter().map(|item| format!("{}: {}", item.code, item.message)).collect::<Vec<_>>()
    };
    for (value, expected) in [
        ("States.ArrayLength($.x, 2)", "States.ArrayLength takes 1 argument, and 2 are given"),
        ("States.Array(States.UUID(1))", "States.UUID takes no arguments, and 1 is given"),
        ("States.MathRandom(1)", "States.MathRandom takes 2 or 3 arguments, and 1 is given"),
        ("States.Format('{} {}', $.x)", "States.Format has 2 {} in its text, and 1 argument for them"),
    ] {
        assert_eq!(warned(value), [format!("ARGUMENT_COUNT: {expected}: the state will fail")], "{value}");
    }
    assert_eq!(warned("$.x[").len(), 1);
    for fine in ["States.Format('\\{} {}', $.x)", "States.Array()", "$['a[b'].c", "$.x[0]"] {
        assert_eq!(warned(fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn names_of_errors_nothing_raises_are_warned_of() {
    let state = |name: &str| {
        jsonpath(&json!({"Type": "Task", "Resource": TASK, "Retry": [{"ErrorEquals": [name]}], "End": true}))
    };
    for (name, advice) in [
        ("States.Al", "did you mean `States.ALL`?"),
        ("States.TaskFaild", "did you mean `States.TaskFailed`?"),
        ("Lambda.ServiceExeption", "did you mean `Lambda.ServiceException`?"),
        ("*", "`States.ALL` takes every error"),
    ] {
        let found = causes(&state(name));
        assert_eq!(found.iter().map(|(_, advice)| advice.as_str()).collect::<Vec<_>>(), [advice], "{name}");
    }
    for fine in ["States.ALL", "States.Http.Socket", "Lambda.Unknown", "Lambda.MyOwnError", "Timeout"] {
        check(&state(fine), &[]);
    }
}

#[test]
fn a_part_of_a_string_is_found_behind_escapes() {
    let text = r#"{"a": "x\n\u00e9\"é𝄞 y"}"#;
    let span = 6..text.len() - 1;
    for (units, expected) in
        [(0..1, "x"), (1..2, "\\n"), (2..3, "\\u00e9"), (3..4, "\\\""), (5..7, "𝄞"), (8..9, "y")]
    {
        let part = crate::document::source::part_of_string(text, &span, units.clone());
        assert_eq!(part.and_then(|part| text.get(part)), Some(expected), "{units:?}");
    }
}

#[test]
fn handlers_are_told_what_handlers_have() {
    let task = |language: &str, handlers: &str| {
        format!(
            r#"{{"QueryLanguage": "{language}", "StartAt": "T", "States": {{
                "T": {{"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", {handlers}, "End": true,
                       "{}": {{"QueueUrl": "q", "MessageBody": "m"}}}}, "P": {{"Type": "Succeed"}}}}}}"#,
            if language == "JSONata" { "Arguments" } else { "Parameters" }
        )
    };
    for (language, handlers, advice) in [
        ("JSONPath", r#""Catch": [{"ErrorEquals": ["E"], "Next": "P", "Output": {}}]"#, "write `ResultPath`"),
        (
            "JSONata",
            r#""Catch": [{"ErrorEquals": ["E"], "Next": "P", "ResultPath": "$.e"}]"#,
            "$states.errorOutput",
        ),
        (
            "JSONata",
            r#""Retry": [{"ErrorEquals": ["E"], "ResultPath": "$.e"}]"#,
            "a retrier hands nothing on",
        ),
    ] {
        let found = causes(&task(language, handlers));
        assert!(found.iter().any(|(_, said)| said.contains(advice)), "{handlers}: {found:?}");
    }
    // What is missing is told, and not that what it leads to is lost.
    for handlers in
        [r#""Catch": [{"ErrorEquals": ["E"]}]"#, r#""Retry": [{"ErrorEquals": ["E"], "Next": "P"}]"#]
    {
        let found = causes(&task("JSONPath", handlers));
        assert_eq!(found.len(), 1, "{handlers}: {found:?}");
        assert!(!found[0].0.contains("not reachable"), "{found:?}");
    }
    let twice = r#""Retry": [{"ErrorEquals": ["E"]}, {"ErrorEquals": ["F", "E"]}],
        "Catch": [{"ErrorEquals": ["States.Runtime"], "Next": "P"}]"#;
    let found = causes(&task("JSONPath", twice));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].0.contains("'E' is named before") && found[1].0.contains("States.Runtime"), "{found:?}");
}

#[test]
fn a_fail_that_leads_somewhere_says_it_for_what_it_leads_to() {
    let text =
        r#"{"StartAt": "F", "States": {"F": {"Type": "Fail", "Next": "P"}, "P": {"Type": "Succeed"}}}"#;
    let found = causes(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "Field 'Next' is not supported");
}

#[test]
fn fields_of_the_context_object_that_do_not_exist_are_warned_of() {
    let said = |language: &str, state: &serde_json::Value| {
        let text = json!({"QueryLanguage": language, "StartAt": "S", "States": {"S": state}}).to_string();
        causes(&text)
    };
    let jsonpath =
        |value: &str| said("JSONPath", &json!({"Type": "Pass", "Parameters": {"x.$": value}, "End": true}));
    let found = jsonpath("States.Format('{}', $$.Exection.Id)");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0.contains("`$$.Exection`") && found[0].1.contains("`Execution`"), "{found:?}");
    assert!(jsonpath("$$.State.Nmae")[0].1.contains("`Name`"));
    let jsonata =
        said("JSONata", &json!({"Type": "Pass", "Output": "{% $states.context.Executon.Id %}", "End": true}));
    assert!(jsonata[0].0.contains("`$states.context.Executon`"), "{jsonata:?}");
    for right in ["$$", "$$.Execution.Input.order", "$$.Map.Item.Value", "$$['Execution']"] {
        assert!(jsonpath(right).iter().all(|(message, _)| !message.contains("context object")), "{right}");
    }
    let both = said("JSONPath", &json!({"Type": "Pass", "Result": 1, "Parameters": {"a": 1}, "End": true}));
    assert!(both[0].0.contains("Parameters do nothing"), "{both:?}");
}

#[test]
fn formats_are_said_in_words_of_aws() {
    let advice = |config: serde_json::Value| {
        let map = json!({"Type": "Map", "End": true,
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config,
                           "Parameters": {"Bucket": "b", "Key": "k"}},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                              "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}});
        causes(&json!({"StartAt": "M", "States": {"M": map}}).to_string())
    };
    let found = advice(json!({"InputType": "TSV"}));
    assert!(found[0].1.contains("TAB"), "{found:?}");
    let found = advice(json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": ";"}));
    assert!(found[0].1.contains("SEMICOLON"), "{found:?}");
}

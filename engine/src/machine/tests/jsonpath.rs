//! How JSON flows through states in JSONPath, and what fails on the way.

use indexmap::IndexMap;

use super::*;
use crate::machine::{Flow, Payload, Surroundings};

fn in_jsonpath(states: Value, start_at: &str) -> Arc<StateMachine> {
    document(json!({ "StartAt": start_at, "States": states }))
}

/// One state at the end of a machine, and the output or the cause of its failure.
fn outcome_of(state: Value, input: Value) -> Result<Value, String> {
    let run = run(&in_jsonpath(json!({ "S": state }), "S"), input, vec![]);
    run.output.ok_or_else(|| {
        let cause = run.cause.unwrap_or_default();
        let stripped = cause.split_once("(entered at the event id #2). ").map(|(_, rest)| rest.to_owned());
        stripped.unwrap_or(cause)
    })
}

#[test]
fn json_flows_through_a_task_in_seven_steps() {
    let states = json!({ "T": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "InputPath": "$.in",
        "Parameters": { "FunctionName": "f", "Payload": { "n.$": "$.n", "whole.$": "$", "who.$": "$$.State.Name" } },
        "ResultSelector": { "got.$": "$.Payload", "name.$": "$$.Execution.Name" },
        "Assign": { "kept.$": "$.got" },
        "ResultPath": "$.result.of.task",
        "OutputPath": "$.result",
        "Next": "P"
    }, "P": { "Type": "Pass", "Parameters": { "before.$": "$", "kept.$": "$kept" }, "End": true } });
    let definition = in_jsonpath(states, "T");
    let mut called = Value::Null;
    let input = json!({ "in": { "n": 1 }, "other": true });
    let run = run_with(&SimulationOptions::default(), &definition, input, &mut |task| {
        called = task.arguments["Payload"].clone();
        returns(json!([7]))
    });
    assert_eq!(called, json!({ "n": 1, "whole": { "n": 1 }, "who": "T" }));
    let before = json!({ "of": { "task": { "got": [7], "name": "run" } } });
    assert_eq!(run.output, Some(json!({ "before": before, "kept": [7] })));
}

#[test]
fn the_result_goes_into_the_raw_input() {
    let pass = |fields: Value| {
        let mut state = json!({ "Type": "Pass", "End": true });
        state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        outcome_of(state, json!({ "a": { "b": 1 } })).unwrap()
    };
    assert_eq!(
        pass(json!({ "InputPath": "$.a", "ResultPath": "$.r" })),
        json!({ "a": { "b": 1 }, "r": { "b": 1 } })
    );
    assert_eq!(pass(json!({ "InputPath": "$.a", "ResultPath": null })), json!({ "a": { "b": 1 } }));
    assert_eq!(pass(json!({ "InputPath": null, "Parameters": { "x.$": "$" } })), json!({ "x": {} }));
    assert_eq!(pass(json!({ "OutputPath": null })), json!({}));
    assert_eq!(pass(json!({ "OutputPath": "$$.State.Name" })), json!("S"));
    // `Result` is a value, whatever its keys look like.
    assert_eq!(pass(json!({ "Result": { "x.$": "$.a" } })), json!({ "x.$": "$.a" }));
}

#[test]
fn what_a_path_does_not_find_is_said_in_the_words_of_its_field() {
    let end = |mut state: Value| {
        state["End"] = json!(true);
        state
    };
    let task = json!({ "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f" });
    let with = |state: &Value, field: &str, value: Value| {
        let mut state = state.clone();
        state[field] = value;
        end(state)
    };
    let map = json!({ "Type": "Map", "ItemProcessor": { "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } } });
    let table = [
        (
            with(&json!({ "Type": "Pass" }), "InputPath", json!("$.x")),
            "Invalid path '$.x' : No results for path: $['x']",
        ),
        (with(&task, "TimeoutSecondsPath", json!("$.x")), "Invalid path '$.x' : No results for path: $['x']"),
        (
            with(&json!({ "Type": "Pass" }), "Parameters", json!({ "deep": { "v.$": "$.x" } })),
            "The JSONPath '$.x' specified for the field 'v.$' could not be found in the input '{\"n\":1.5,\"t\":\"later\"}'",
        ),
        (
            with(&json!({ "Type": "Wait" }), "SecondsPath", json!("$.x")),
            "The SecondsPath parameter does not reference an input value: $.x",
        ),
        (
            with(&json!({ "Type": "Wait" }), "SecondsPath", json!("$.n")),
            "The SecondsPath parameter cannot be parsed as a long value: $.n == 1.5",
        ),
        (
            with(&json!({ "Type": "Wait" }), "TimestampPath", json!("$.t")),
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format \
             string: $.t == later",
        ),
        (with(&map, "ItemsPath", json!("$.t")), "Reference path \"$.t\" must point to array."),
        (
            with(&with(&map, "MaxConcurrencyPath", json!("$.t")), "ItemsPath", json!("$$.Execution.Input")),
            "The MaxConcurrencyPath field refers to value \"later\" which is not a valid integer: $.t",
        ),
        (
            json!({ "Type": "Fail", "CausePath": "$.x" }),
            "The JSONPath '$.x' specified for the field 'CausePath' could not be found in the input \
             '{\"n\":1.5,\"t\":\"later\"}'",
        ),
    ];
    for (state, cause) in table {
        let input = json!({ "n": 1.5, "t": "later" });
        assert_eq!(outcome_of(state.clone(), input), Err(cause.to_owned()), "{state}");
    }
}

#[test]
fn counts_of_a_map_are_whole_and_not_negative() {
    let with = |state: &Value, field: &str, value: Value| {
        let mut state = state.clone();
        state[field] = value;
        state
    };
    let processor = |mode: &str| {
        json!({
            "ProcessorConfig": { "Mode": mode },
            "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } }
        })
    };
    let inline = json!({ "Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor("INLINE") });
    let mut distributed = with(&inline, "ItemProcessor", processor("DISTRIBUTED"));
    distributed["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = json!("STANDARD");
    let part = "refers to value \"2.5\" which is not a valid integer: $.part";
    let table = [
        (
            with(&inline, "MaxConcurrencyPath", json!("$.below")),
            "MaxConcurrency must be greater than or equal to 0.".to_owned(),
        ),
        (
            with(&inline, "MaxConcurrencyPath", json!("$.part")),
            format!("The MaxConcurrencyPath field {part}"),
        ),
        (
            with(&distributed, "ToleratedFailureCountPath", json!("$.below")),
            "ToleratedFailureCount must be greater than or equal to 0.".to_owned(),
        ),
        (
            with(&distributed, "ItemBatcher", json!({ "MaxItemsPerBatchPath": "$.part" })),
            format!("The MaxItemsPerBatchPath field {part}"),
        ),
        (
            json!({
                "Type": "Map", "QueryLanguage": "JSONata", "Items": [1],
                "ItemBatcher": { "MaxItemsPerBatch": "{% $states.input.nothing %}" },
                "ItemProcessor": distributed["ItemProcessor"]
            }),
            "The JSONata expression '$states.input.nothing' specified for the field \
             'ItemBatcher/MaxItemsPerBatch' returned nothing (undefined)."
                .to_owned(),
        ),
    ];
    for (state, cause) in table {
        let input = json!({ "items": [1], "below": -1, "part": 2.5 });
        assert_eq!(outcome_of(with(&state, "End", json!(true)), input), Err(cause), "{state}");
    }
}

#[test]
fn nothing_catches_a_path_that_finds_nothing() {
    let states = json!({
        "T": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f", "OutputPath": "$.no.such",
            "Retry": [{ "ErrorEquals": ["States.ALL"] }],
            "Catch": [{ "ErrorEquals": ["States.Runtime"], "Next": "P" }, { "ErrorEquals": ["States.ALL"], "Next": "P" }],
            "End": true
        },
        "P": { "Type": "Pass", "End": true }
    });
    let reply = Reply::Now(TaskOutcome::Succeeded("{}".to_owned()));
    let run = run(&in_jsonpath(states, "T"), json!({}), vec![reply]);
    check(
        &run,
        Status::Failed,
        &[
            "2 <- 0 TaskStateEntered T",
            "3 <- 2 LambdaFunctionScheduled",
            "4 <- 3 LambdaFunctionStarted",
            "5 <- 4 LambdaFunctionSucceeded",
            "6 <- 5 ExecutionFailed ! States.Runtime",
        ],
    );
}

#[test]
fn a_catcher_puts_the_error_where_it_says() {
    let states = json!({
        "T": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f",
            "InputPath": "$.in", "ResultPath": "$.r", "OutputPath": "$.never",
            "Catch": [{ "ErrorEquals": ["E"], "ResultPath": "$.error", "Assign": { "why.$": "$.Error" }, "Next": "P" }],
            "End": true
        },
        "P": { "Type": "Pass", "Parameters": { "all.$": "$", "why.$": "$why" }, "End": true }
    });
    let run = run(&in_jsonpath(states, "T"), json!({ "in": 1 }), vec![fails("E")]);
    let all = json!({ "in": 1, "error": { "Error": "E", "Cause": "cause of E" } });
    assert_eq!(run.output, Some(json!({ "all": all, "why": "E" })));
}

#[test]
fn a_choice_needs_its_variable() {
    let choice = |rule: Value| {
        let mut rule = rule;
        rule["Next"] = json!("Yes");
        let states = json!({
            "S": { "Type": "Choice", "Choices": [rule], "Default": "No" },
            "Yes": { "Type": "Pass", "Result": true, "End": true },
            "No": { "Type": "Pass", "Result": false, "End": true }
        });
        let run = run(
            &in_jsonpath(states, "S"),
            json!({ "a": 1, "s": "x*y", "t": "2020-01-01T00:00:00Z" }),
            vec![],
        );
        run.output.ok_or(run.cause.unwrap_or_default())
    };
    for (rule, expected) in [
        (json!({ "Variable": "$.a", "NumericEquals": 1.0 }), true),
        (json!({ "Variable": "$.a", "StringEquals": "1" }), false),
        (json!({ "Variable": "$.b", "IsPresent": false }), true),
        (json!({ "Variable": "$.s", "StringMatches": "x\\*y" }), true),
        (json!({ "Variable": "$.t", "TimestampLessThan": "2020-01-01T00:00:01+00:00" }), true),
        (json!({ "Variable": "$.t", "IsTimestamp": true }), true),
        (json!({ "Variable": "$.a", "NumericLessThanPath": "$.s" }), false),
        (json!({ "Not": { "Variable": "$.a", "IsNumeric": false } }), true),
        (
            json!({ "And": [{ "Variable": "$.b", "IsPresent": true }, { "Variable": "$.b", "IsNull": true }] }),
            false,
        ),
        (
            json!({ "Or": [{ "Variable": "$.a", "IsNumeric": true }, { "Variable": "$.b", "IsNull": true }] }),
            true,
        ),
    ] {
        assert_eq!(choice(rule.clone()), Ok(json!(expected)), "{rule}");
    }
    let missing = choice(json!({ "Variable": "$.b", "IsNull": true })).unwrap_err();
    assert!(
        missing
            .ends_with("Invalid path '$.b': The choice state's condition path references an invalid value."),
        "{missing}"
    );
}

#[test]
fn a_map_iterates_over_an_object() {
    let processor = json!({ "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } });
    let map = json!({
        "Type": "Map", "ItemsPath": "$.o", "ItemProcessor": processor, "End": true, "ItemSelector": {
            "i.$": "$$.Map.Item.Index", "k.$": "$$.Map.Item.Key", "v.$": "$$.Map.Item.Value", "from.$": "$$.Map.Item.Source"
        }
    });
    let expected = json!([
        { "i": 0, "k": "b", "v": [1], "from": "STATE_DATA" },
        { "i": 1, "k": "a", "v": null, "from": "STATE_DATA" }
    ]);
    assert_eq!(outcome_of(map.clone(), json!({ "o": { "b": [1], "a": null } })), Ok(expected));
    let mut plain = map;
    plain.as_object_mut().unwrap().shift_remove("ItemSelector");
    let pairs = json!([{ "Key": "b", "Value": [1] }]);
    assert_eq!(outcome_of(plain, json!({ "o": { "b": [1] } })), Ok(pairs));
}

#[test]
fn an_inner_scope_reads_outer_variables_and_sets_its_own() {
    let inner = json!({ "StartAt": "I", "States": {
        "I": { "Type": "Pass", "Assign": { "own.$": "$" }, "Parameters": { "sum.$": "States.MathAdd($outer, $)" }, "Next": "O" },
        "O": { "Type": "Pass", "Parameters": { "sum.$": "$.sum", "own.$": "$own" }, "End": true } } });
    let states = json!({
        "A": { "Type": "Pass", "Assign": { "outer": 10 }, "Result": [1, 2], "Next": "M" },
        "M": { "Type": "Map", "ItemProcessor": inner, "End": true }
    });
    let run = run(&in_jsonpath(states, "A"), json!({}), vec![]);
    let expected = json!([{ "sum": 11, "own": { "sum": 11 } }, { "sum": 12, "own": { "sum": 12 } }]);
    assert_eq!(run.output, Some(expected));
}

#[test]
fn every_stage_can_be_seen() {
    let definition = in_jsonpath(
        json!({ "T": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f", "InputPath": "$.in",
            "Parameters": { "p.$": "$.x" }, "ResultSelector": { "s.$": "$.r" }, "ResultPath": "$.out",
            "OutputPath": "$.out", "Assign": { "v.$": "$.s", "c.$": "$$.Given" }, "End": true
        } }),
        "T",
    );
    let state = &definition.states["T"];
    let asl::StateKind::Task(task) = &state.kind else { panic!("a task") };
    let (context, variables) = (json!({ "Given": "context" }), IndexMap::new());
    let host = crate::machine::context::Replayable::new(0, 0);
    let flow = Flow::new(state, Surroundings::given(&context, &variables, &host));
    let raw = Payload::from_value(json!({ "in": { "x": 1 } }));
    let effective = flow.effective_input(&raw).unwrap();
    assert_eq!(effective.text(), r#"{"x":1}"#);
    assert_eq!(flow.arguments(task.arguments.as_ref(), &effective).unwrap().text(), r#"{"p":1}"#);
    let outcome = flow.with_result(&raw, &Payload::from_value(json!({ "r": 2 }))).unwrap();
    assert_eq!(outcome.selected.unwrap().text(), r#"{"s":2}"#);
    assert_eq!(outcome.combined.unwrap().text(), r#"{"in":{"x":1},"out":{"s":2}}"#);
    assert_eq!(outcome.output.text(), r#"{"s":2}"#);
    let assigned: Vec<_> = outcome.assigned.iter().map(|(name, value)| (&**name, value.text())).collect();
    assert_eq!(assigned, [("v", "2"), ("c", r#""context""#)]);
}

//! What a state may make, and what an execution holds while it goes on.

use super::*;
use crate::machine::{Effect, TimerId, Transition};

/// A payload of about that many bytes.
fn text(bytes: usize) -> Value {
    json!({ "a": "a".repeat(bytes) })
}

fn fields(count: usize, key: &str, value: &str) -> Value {
    Value::Object((0..count).map(|index| (key.replace('#', &index.to_string()), json!(value))).collect())
}

const TOO_LARGE: &str =
    "The state/task 'A' returned a result with a size exceeding the maximum number of bytes service limit.";

/// What is far too large fails as what is a little too large does.
#[test]
fn fields_that_make_too_much_fail_with_the_error_of_a_payload_that_is_too_large() {
    for count in [2, 20_000] {
        for (language, state) in [
            ("JSONPath", json!({ "Type": "Pass", "Parameters": fields(count, "x#.$", "$"), "End": true })),
            (
                "JSONata",
                json!({ "Type": "Pass", "Output": fields(count, "x#", "{% $states.input %}"), "End": true }),
            ),
        ] {
            let definition = json!({ "QueryLanguage": language, "StartAt": "A", "States": { "A": state } });
            let run = run(&document(definition), text(200_000), Vec::new());
            assert_eq!(run.status, Status::Failed);
            assert_eq!(run.error.as_deref(), Some("States.DataLimitExceeded"), "{language}");
            assert_eq!(run.cause.as_deref(), Some(TOO_LARGE), "{language}");
        }
    }
}

#[test]
fn variables_that_are_too_large_are_told_apart() {
    let together = "An error occurred while executing the state 'A' (entered at the event id #2). \
                    The size of the variables exceeds the service limit.";
    for (assign, cause) in [
        (fields(2, "x#", "{% $pad('', 200000) %}"), together),
        (fields(2_000, "x#", "{% $pad('', 200000) %}"), together),
        (fields(1, "x#", "{% $pad('', 300000) %}"), TOO_LARGE),
        (fields(2_000, "x#", "{% $pad('', 300000) %}"), TOO_LARGE),
    ] {
        let definition = machine(json!({ "A": { "Type": "Pass", "Assign": assign, "End": true } }), "A");
        let run = run(&definition, json!({}), Vec::new());
        assert_eq!(run.error.as_deref(), Some("States.DataLimitExceeded"));
        assert_eq!(run.cause.as_deref(), Some(cause));
    }
}

/// A handler that names the error takes it; `States.ALL` does not.
#[test]
fn who_names_the_error_catches_it() {
    let definition = machine(
        json!({
            "A": {
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": fields(20_000, "x#", "{% $states.input %}"),
                "Catch": [
                    { "ErrorEquals": ["States.DataLimitExceeded"], "Next": "B" },
                    { "ErrorEquals": ["States.ALL"], "Next": "C" }
                ],
                "End": true
            },
            "B": { "Type": "Pass", "Output": "small", "End": true },
            "C": { "Type": "Fail" }
        }),
        "A",
    );
    let run = run(&definition, text(200_000), Vec::new());
    assert_eq!(run.output, Some(json!("small")), "{:?}", run.error);
}

/// Once the results of branches are too large, no result is kept.
#[test]
fn results_that_can_only_fail_are_not_kept() {
    let branch = |index: u32| {
        let name = format!("P{index}");
        let output = "{% $pad('', 100000) & $string($random()) %}";
        json!({ "StartAt": name, "States": { &name: { "Type": "Pass", "Output": output, "End": true } } })
    };
    let branches: Vec<Value> = (0..100).map(branch).collect();
    let definition = machine(json!({ "A": { "Type": "Parallel", "Branches": branches, "End": true } }), "A");
    let run = run(&definition, json!({}), Vec::new());
    assert_eq!(run.cause.as_deref(), Some(TOO_LARGE));
    let ended = run.history.iter().filter(|event| event.event_type() == "PassStateExited").count();
    assert_eq!(ended, 100, "all branches run to their end");
}

/// A Map whose iterations wait for nothing.
fn burst(selector: Value) -> Arc<StateMachine> {
    document(json!({
        "StartAt": "A",
        "States": { "A": {
            "Type": "Map", "ItemsPath": "$.items", "ItemSelector": selector,
            "ItemProcessor": { "StartAt": "P", "States": {
                "P": { "Type": "Pass", "Result": 1, "End": true }
            } },
            "ResultPath": null, "OutputPath": "$.items[0]", "End": true
        } }
    }))
}

/// Runs an execution as a shell does: each transition becomes durable, and goes on by its timers.
fn transitions(definition: &Arc<StateMachine>, input: Value) -> (Execution, Vec<Transition>) {
    let mut execution = Execution::new(Arc::clone(definition));
    let started = Started { input: super::super::Payload::from_value(input), ..start() };
    let mut inputs = vec![Input::Start(Box::new(started))];
    let mut transitions = Vec::new();
    while let Some(input) = inputs.pop() {
        let transition = advance(&mut execution, input, 1_000).unwrap();
        inputs.extend(transition.effects.iter().filter_map(|effect| match effect {
            Effect::SetTimer { timer, at_millis } if *at_millis <= 1_000 => Some(Input::TimerFired(*timer)),
            _ => None,
        }));
        transitions.push(transition);
    }
    (execution, transitions)
}

fn inputs_of_iterations(transition: &Transition) -> Vec<super::super::Payload> {
    let inputs = transition.records.iter().filter_map(|record| match &record.fact {
        Fact::MapIterationStarted { input, .. } => Some(input.clone()),
        _ => None,
    });
    inputs.collect()
}

#[test]
fn a_burst_becomes_durable_in_parts() {
    let definition = burst(json!({ "i.$": "$$.Map.Item.Index", "a.$": "$.a" }));
    let input = json!({ "a": "a".repeat(200_000), "items": vec![7; 1_000] });
    let (execution, transitions) = transitions(&definition, input);
    assert_eq!(execution.status(), Status::Succeeded, "{:?}", execution.cause());
    let mut started = 0;
    for transition in &transitions {
        let inputs = inputs_of_iterations(transition);
        started += inputs.len();
        let bytes: usize = inputs.iter().map(super::super::Payload::memory_bytes).sum();
        // One step more may start as many as run at a time.
        let most = asl::limits::TRANSITION_BYTES_MAX + 41 * 400_200;
        assert!(bytes < most, "{bytes}");
    }
    assert_eq!(started, 1_000);
    assert!(transitions.len() > 5, "{}", transitions.len());
    // The same records as ever: what pauses is no part of the history.
    let records: Vec<Record> = transitions.into_iter().flat_map(|transition| transition.records).collect();
    assert!(records.windows(2).all(|pair| pair[0].id < pair[1].id || !pair[1].fact.is_public()));
    assert_eq!(Execution::replay(Arc::clone(&definition), &records).unwrap(), execution);
}

#[test]
fn an_input_that_does_not_depend_on_the_item_is_kept_once() {
    let definition = burst(json!({ "a.$": "$.a" }));
    let input = json!({ "a": "a".repeat(100_000), "items": vec![7; 100] });
    let (_, transitions) = transitions(&definition, input);
    let inputs: Vec<_> = transitions.iter().flat_map(inputs_of_iterations).collect();
    assert_eq!(inputs.len(), 100);
    assert!(inputs.windows(2).all(|pair| pair[0].same(&pair[1])));
}

/// A pause that a crash cuts off: the recovery goes on by itself.
#[test]
fn a_crash_in_a_pause_loses_nothing() {
    let definition = burst(json!({ "i.$": "$$.Map.Item.Index", "a.$": "$.a" }));
    let input = json!({ "a": "a".repeat(200_000), "items": vec![7; 200] });
    let (whole, parts) = transitions(&definition, input);
    assert!(parts.len() > 1);
    let mut execution = Execution::replay(Arc::clone(&definition), &parts[0].records).unwrap();
    let mut input = Input::Recovered;
    loop {
        let transition = advance(&mut execution, input, 1_000).unwrap();
        let goes_on = transition
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::SetTimer { timer: TimerId(u64::MAX), .. }));
        if !goes_on {
            break;
        }
        input = Input::TimerFired(TimerId(u64::MAX));
    }
    assert_eq!(execution.status(), whole.status());
    assert_eq!(execution.output(), whole.output());
}

/// States that compute for long do so in parts: a stop or a time-out has its turn in between.
#[test]
fn much_work_is_done_in_parts() {
    let work = "{% $sum($map([1..20000], function($n) { $n % 7 })) %}";
    let definition = document(json!({
        "QueryLanguage": "JSONata", "StartAt": "A",
        "States": { "A": {
            "Type": "Map", "Items": "{% [1..200] %}", "ItemSelector": { "n": work },
            "ItemProcessor": { "StartAt": "P", "States": { "P": { "Type": "Pass", "Output": work, "End": true } } },
            "End": true
        } }
    }));
    let (execution, transitions) = transitions(&definition, json!({}));
    assert_eq!(execution.status(), Status::Succeeded, "{:?}", execution.cause());
    assert!(transitions.len() > 5, "{}", transitions.len());
    let mut stopped = Execution::new(Arc::clone(&definition));
    advance(&mut stopped, Input::Start(Box::new(start())), 1_000).unwrap();
    assert_eq!(stopped.status(), Status::Running);
    advance(&mut stopped, Input::Stop { error: None, cause: None }, 1_000).unwrap();
    assert_eq!(stopped.status(), Status::Aborted);
}

/// What only looks and makes nothing is paid for, too: a document has room for thousands of such looks.
#[test]
fn rules_that_look_through_too_much_fail() {
    let rule = json!({ "Variable": "$.a", "StringMatches": "*aab*", "Next": "B" });
    let states = json!({
        "A": { "Type": "Choice", "Choices": vec![rule; 5_000], "Default": "B" },
        "B": { "Type": "Succeed" }
    });
    let definition = document(json!({ "StartAt": "A", "States": states }));
    let run = run(&definition, text(250_000), Vec::new());
    assert_eq!(run.status, Status::Failed, "{:?}", run.output);
    let cause = run.cause.unwrap_or_default();
    assert!(cause.contains("take more than 20000000 steps"), "{cause}");
}

//! Redrives: the rules of the developer guide's "Redriving executions", row by row.

use super::*;
use crate::machine::{HistoryEvent, Redrive, Rerun, StateType};
use crate::simulate::resume_with;

/// Runs with redrives an hour after each end without success. Tasks answer by
/// the name of their state and how often it asked before.
fn redriven(
    definition: &Arc<StateMachine>,
    input: Value,
    redrives: usize,
    tasks: &mut dyn FnMut(&str, usize) -> Reply,
) -> SimulatedRun {
    let options = redriving(redrives);
    let mut calls: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    run_with(&options, definition, input, &mut |task| {
        let count = calls.entry(task.state_name.clone()).or_default();
        *count += 1;
        tasks(&task.state_name, *count - 1)
    })
}

fn redriving(redrives: usize) -> SimulationOptions {
    SimulationOptions { redrive_after_millis: vec![3_600_000; redrives], ..SimulationOptions::default() }
}

/// Fails the first `times` calls of each state in the list.
fn failing<'a>(states: &'a [&str], times: usize) -> impl FnMut(&str, usize) -> Reply + 'a {
    move |state, count| {
        if states.contains(&state) && count < times {
            fails("E")
        } else {
            returns(json!(format!("{state}{count}")))
        }
    }
}

fn types(run: &SimulatedRun) -> Vec<&'static str> {
    run.history.iter().map(HistoryEvent::event_type).collect()
}

fn after_redrive(run: &SimulatedRun) -> Vec<String> {
    let from = run.history.iter().position(|event| event.event_type() == "ExecutionRedriven").unwrap();
    run.history[from..].iter().map(ToString::to_string).collect()
}

#[test]
fn a_task_is_scheduled_again_and_not_entered_again() {
    let states = json!({
        "A": task(json!({ "Next": "B", "Assign": { "a": "{% $states.result.Payload %}" } })),
        "B": task(json!({ "Output": "{% [$a, $states.result.Payload] %}" }))
    });
    let run = redriven(&machine(states, "A"), json!(1), 1, &mut failing(&["B"], 1));
    check(
        &run,
        Status::Succeeded,
        &[
            "2 <- 0 TaskStateEntered A",
            "3 <- 2 TaskScheduled",
            "4 <- 3 TaskStarted",
            "5 <- 4 TaskSucceeded",
            "6 <- 5 TaskStateExited A",
            "7 <- 6 TaskStateEntered B",
            "8 <- 7 TaskScheduled",
            "9 <- 8 TaskStarted",
            "10 <- 9 TaskFailed ! E",
            "11 <- 10 ExecutionFailed ! E",
            "12 <- 11 ExecutionRedriven",
            "13 <- 10 TaskScheduled",
            "14 <- 13 TaskStarted",
            "15 <- 14 TaskSucceeded",
            "16 <- 15 TaskStateExited B",
            "17 <- 16 ExecutionSucceeded",
        ],
    );
    assert_eq!(run.output.unwrap(), json!(["A0", "B1"]), "variables are kept");
    let event = serde_json::to_value(&run.history[11]).unwrap();
    assert_eq!(event["executionRedrivenEventDetails"], json!({ "redriveCount": 1 }));
}

#[test]
fn the_context_object_tells_of_redrives() {
    let context = "{% {'count': $states.context.Execution.RedriveCount, 'time': $states.context.Execution.RedriveTime, \
                   'start': $states.context.Execution.StartTime, 'retries': $states.context.State.RetryCount} %}";
    let states = json!({ "T": task(json!({ "Arguments": { "FunctionName": "f", "Payload": context } })) });
    let mut seen = Vec::new();
    let run = run_with(&redriving(2), &machine(states, "T"), json!(1), &mut |task| {
        seen.push(task.arguments["Payload"].clone());
        fails("E")
    });
    assert_eq!(run.status, Status::Failed);
    let start = "2026-01-01T00:00:00.000Z";
    assert_eq!(seen[0], json!({ "count": 0, "start": start, "retries": 0 }));
    assert_eq!(
        seen[1],
        json!({ "count": 1, "time": "2026-01-01T01:00:00.000Z", "start": start, "retries": 0 })
    );
    assert_eq!(seen[2]["count"], 2);
    assert_eq!(seen[2]["time"], "2026-01-01T02:00:00.000Z");
    assert_eq!(run.execution.redrive_count(), 2);
    assert_eq!(run.execution.redrives()[0].at_millis, 1_767_225_600_000 + 3_600_000);
}

#[test]
fn retriers_count_from_0_again() {
    let retry = json!([{ "ErrorEquals": ["E"], "MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 2 }]);
    let item = json!({ "StartAt": "T", "States": { "T": task(json!({})) } });
    let map = json!({ "Type": "Map", "Items": [1], "ItemProcessor": item, "Retry": retry, "End": true });
    let parallel = json!({ "Type": "Parallel", "Branches": [item], "Retry": retry, "End": true });
    for state in [task(json!({ "Retry": retry })), map, parallel] {
        let run = redriven(&machine(json!({ "T0": state }), "T0"), json!(1), 1, &mut |_, _| fails("E"));
        let waits: Vec<i64> = run.waits.iter().map(|wait| wait.millis).collect();
        assert_eq!(waits, [1_000, 2_000, 3_600_000, 1_000, 2_000], "{state}");
        let scheduled = types(&run).iter().filter(|kind| **kind == "TaskScheduled").count();
        assert_eq!(scheduled, 6, "{state}");
    }
}

#[test]
fn timeouts_begin_anew() {
    // Of the execution: 10 seconds, of which the first part used 6.
    let states = json!({ "A": task(json!({ "Next": "B" })), "B": task(json!({})) });
    let definition = document(json!({
        "QueryLanguage": "JSONata", "StartAt": "A", "States": states, "TimeoutSeconds": 10
    }));
    let slow = |outcome: Reply| outcome.delayed(6_000);
    let run = redriven(&definition, json!(1), 1, &mut |state, count| match (state, count) {
        ("B", 0) => fails("E"),
        _ => slow(returns(json!(1))),
    });
    assert_eq!((run.status, run.elapsed_millis), (Status::Succeeded, 6_000 + 3_600_000 + 6_000));
    let run = redriven(&definition, json!(1), 1, &mut |_, _| Reply::Never);
    assert_eq!((run.status, run.elapsed_millis), (Status::TimedOut, 10_000 + 3_600_000 + 10_000));
    let ends: Vec<_> = types(&run).into_iter().filter(|kind| kind.starts_with("Execution")).collect();
    assert_eq!(ends, ["ExecutionStarted", "ExecutionTimedOut", "ExecutionRedriven", "ExecutionTimedOut"]);
    // Of a task.
    let definition =
        machine(json!({ "T": task(json!({ "TimeoutSeconds": 7, "HeartbeatSeconds": 5 })) }), "T");
    let run = redriven(&definition, json!(1), 1, &mut |_, _| Reply::Never);
    assert_eq!((run.status, run.elapsed_millis), (Status::Failed, 5_000 + 3_600_000 + 5_000));
}

#[test]
fn a_choice_is_evaluated_again() {
    let states = json!({
        "C": { "Type": "Choice", "Choices": [
            { "Condition": "{% $states.context.Execution.RedriveCount > 0 %}", "Next": "Done" }] },
        "Done": { "Type": "Succeed" }
    });
    let run = redriven(&machine(states, "C"), json!(1), 1, &mut |_, _| Reply::Never);
    check(
        &run,
        Status::Succeeded,
        &[
            "2 <- 0 ChoiceStateEntered C",
            "3 <- 2 ExecutionFailed ! States.Runtime",
            "4 <- 3 ExecutionRedriven",
            "5 <- 2 ChoiceStateExited C",
            "6 <- 5 SucceedStateEntered Done",
            "7 <- 6 SucceedStateExited Done",
            "8 <- 7 ExecutionSucceeded",
        ],
    );
}

#[test]
fn a_wait_whose_time_is_past_is_over() {
    let wait = |field: &str, value: Value| {
        let mut state = json!({ "Type": "Wait", "Next": "T" });
        state[field] = value;
        machine(json!({ "W": state, "T": task(json!({})) }), "W")
    };
    let options = |stop| SimulationOptions { stop_after_millis: Some(stop), ..redriving(1) };
    // Stopped after 10 minutes; redriven an hour later, when the time is past.
    let timestamp = wait("Timestamp", json!("2026-01-01T00:30:00Z"));
    let run = run_with(&options(600_000), &timestamp, json!(1), &mut |_| returns(json!(1)));
    assert_eq!((run.status, run.elapsed_millis), (Status::Succeeded, 600_000 + 3_600_000));
    assert_eq!(after_redrive(&run)[1], "5 <- 2 WaitStateExited W");
    // A time that is not past is waited for.
    let later = wait("Timestamp", json!("2026-01-01T02:00:00Z"));
    let run = run_with(&options(600_000), &later, json!(1), &mut |_| returns(json!(1)));
    assert_eq!((run.status, run.elapsed_millis), (Status::Succeeded, 7_200_000));
    let seconds = wait("Seconds", json!(1_800));
    let run = run_with(&options(600_000), &seconds, json!(1), &mut |_| returns(json!(1)));
    assert_eq!((run.status, run.elapsed_millis), (Status::Succeeded, 600_000 + 3_600_000 + 1_800_000));
}

#[test]
fn a_fail_state_is_entered_again_and_fails_again() {
    let states =
        json!({ "A": task(json!({ "Next": "F" })), "F": { "Type": "Fail", "Error": "No", "Cause": "way" } });
    let run = redriven(&machine(states, "A"), json!(1), 2, &mut failing(&[], 0));
    assert_eq!(
        (run.status, run.error.as_deref(), run.cause.as_deref()),
        (Status::Failed, Some("No"), Some("way"))
    );
    assert_eq!(
        history(&run)[5..],
        [
            "7 <- 6 FailStateEntered F",
            "8 <- 7 ExecutionFailed ! No",
            "9 <- 8 ExecutionRedriven",
            "10 <- 7 FailStateEntered F",
            "11 <- 10 ExecutionFailed ! No",
            "12 <- 11 ExecutionRedriven",
            "13 <- 10 FailStateEntered F",
            "14 <- 13 ExecutionFailed ! No"
        ]
    );
}

#[test]
fn a_pass_that_failed_is_evaluated_again_and_others_are_not() {
    let states = json!({
        "P": { "Type": "Pass", "Output": "{% $states.context.Execution.RedriveCount %}", "Next": "Q" },
        "Q": { "Type": "Pass", "Next": "S", "Output": {
            "before": "{% $states.input %}",
            "now": "{% $states.context.Execution.RedriveCount = 0 ? $error('too early') : $states.context.Execution.RedriveCount %}"
        } },
        "S": { "Type": "Succeed" }
    });
    let run = redriven(&machine(states, "P"), json!(1), 1, &mut |_, _| Reply::Never);
    assert_eq!(run.output.as_ref().unwrap(), &json!({ "before": 0, "now": 1 }));
    let entered = types(&run).iter().filter(|kind| **kind == "PassStateEntered").count();
    assert_eq!(entered, 2);
}

#[test]
fn success_is_final() {
    let run =
        redriven(&machine(json!({ "S": { "Type": "Succeed" } }), "S"), json!(1), 1, &mut |_, _| Reply::Never);
    let mut execution = run.execution;
    let before = execution.clone();
    let nothing = advance(&mut execution, Input::Redrive(Redrive::default()), 1_767_225_600_000).unwrap();
    assert_eq!((nothing.records.len(), execution == before), (0, true));
    assert!(!execution.can_be_redriven() && execution.reruns().is_empty());
}

/// A Parallel of three branches: a chain of two tasks, one task, a Map.
fn three_branches() -> Arc<StateMachine> {
    let chain = json!({ "StartAt": "A1", "States": {
        "A1": task(json!({ "Next": "A2", "Assign": { "x": "{% $states.result.Payload %}" } })),
        "A2": task(json!({ "Output": "{% [$x, $states.result.Payload] %}" })) } });
    let one = json!({ "StartAt": "B1", "States": { "B1": task(json!({})) } });
    let map = json!({ "StartAt": "M", "States": { "M": {
        "Type": "Map", "Items": [10, 20, 30], "MaxConcurrency": 2, "End": true,
        "ItemProcessor": { "StartAt": "I", "States": { "I": task(json!({})) } } } } });
    machine(json!({ "P": { "Type": "Parallel", "Branches": [chain, one, map], "End": true } }), "P")
}

#[test]
fn only_branches_and_iterations_that_did_not_succeed_go_on() {
    let mut calls = Vec::new();
    // B1 ends well after a second, A2 fails after two; the Map is in its first two iterations.
    let run = run_with(&redriving(1), &three_branches(), json!(0), &mut |task| {
        let asked = (task.state_name.clone(), task.arguments["Payload"].clone());
        let before = calls.iter().filter(|call| **call == asked).count();
        calls.push(asked);
        match (task.state_name.as_str(), before, &task.arguments["Payload"]) {
            ("B1", ..) => returns(json!("b")).delayed(1_000),
            ("A2", 0, _) => fails("E").delayed(2_000),
            ("I", 0, item) if *item == json!(10) => returns(json!(11)).delayed(500),
            ("I", 0, _) => Reply::Never,
            ("I", _, item) => returns(json!(item.as_i64().unwrap() + 1)),
            (name, ..) => returns(json!(name)),
        }
    });
    assert_eq!(run.status, Status::Succeeded);
    assert_eq!(run.output.as_ref().unwrap(), &json!([["A1", "A2"], "b", [11, 21, 31]]));
    let count = |name: &str, payload: Value| {
        calls.iter().filter(|call| **call == (name.to_owned(), payload.clone())).count()
    };
    assert_eq!((count("A1", json!(0)), count("B1", json!(0)), count("I", json!(10))), (1, 1, 1), "{calls:?}");
    assert_eq!(
        (count("A2", json!("A1")), count("I", json!(20)), count("I", json!(30))),
        (2, 2, 2),
        "{calls:?}"
    );
    // What goes on was entered and started once.
    let of = |kind: &str| types(&run).iter().filter(|found| **found == kind).count();
    assert_eq!((of("ParallelStateStarted"), of("MapStateStarted"), of("MapIterationStarted")), (1, 1, 3));
    assert_eq!((of("TaskStateEntered"), of("TaskStateExited")), (6, 6));
    let replayed = Execution::replay(Arc::clone(&run.execution.definition), &run.records).unwrap();
    assert_eq!(replayed, run.execution);
}

#[test]
fn what_a_redrive_would_run_again() {
    let run = run_with(&SimulationOptions::default(), &three_branches(), json!(0), &mut |task| match task
        .state_name
        .as_str()
    {
        "A2" => fails("E").delayed(2_000),
        "I" if task.arguments["Payload"] != json!(10) => Reply::Never,
        name => returns(json!(name)),
    });
    let reruns = run.execution.reruns();
    let shown: Vec<_> = reruns
        .iter()
        .map(|rerun| {
            let path: Vec<_> = rerun
                .path
                .iter()
                .map(|(name, index)| match index {
                    Some(index) => format!("{name}[{index}]"),
                    None => name.clone(),
                })
                .collect();
            (path.join("/"), rerun.kind, rerun.rerun.clone())
        })
        .collect();
    let partly = |kept, again, first_time| Rerun::Partly { kept, again, first_time };
    assert_eq!(
        shown,
        [
            ("P".to_owned(), StateType::Parallel, partly(1, 2, 0)),
            ("P[0]/A2".to_owned(), StateType::Task, Rerun::Again),
            ("P[2]/M".to_owned(), StateType::Map, partly(1, 2, 0)),
            ("P[2]/M[1]/I".to_owned(), StateType::Task, Rerun::Again),
            ("P[2]/M[2]/I".to_owned(), StateType::Task, Rerun::Again),
        ]
    );
}

#[test]
fn iterations_that_never_started_start() {
    let map = json!({
        "Type": "Map", "MaxConcurrency": 1, "End": true,
        "ItemProcessor": { "StartAt": "I", "States": { "I": task(json!({})) } }
    });
    let run = redriven(&machine(json!({ "M": map }), "M"), json!([1, 2, 3]), 1, &mut failing(&["I"], 1));
    assert_eq!(run.output.unwrap(), json!(["I1", "I2", "I3"]));
    let map = types_of(&run.history, "MapIteration");
    assert_eq!(
        map,
        [
            "MapIterationStarted 0",
            "MapIterationFailed 0",
            "MapIterationSucceeded 0",
            "MapIterationStarted 1",
            "MapIterationSucceeded 1",
            "MapIterationStarted 2",
            "MapIterationSucceeded 2"
        ]
    );
}

fn types_of(history: &[HistoryEvent], prefix: &str) -> Vec<String> {
    let shown = history.iter().filter(|event| event.event_type().starts_with(prefix)).map(|event| {
        let index = match &event.fact {
            Fact::MapIterationStarted { index, .. }
            | Fact::MapIterationSucceeded { index, .. }
            | Fact::MapIterationFailed { index, .. } => *index,
            _ => 99,
        };
        format!("{} {index}", event.event_type())
    });
    shown.collect()
}

#[test]
fn all_branches_run_again_when_data_was_too_large() {
    let branch = |name: &str| json!({ "StartAt": name, "States": { name: task(json!({})) } });
    let states = json!({ "P": { "Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true } });
    let definition = machine(states, "P");
    let large = "x".repeat(150_000);
    let mut calls = Vec::new();
    // Each is within the limit, both together are not.
    let run = redriven(&definition, json!(1), 1, &mut |state, count| {
        calls.push(state.to_owned());
        returns(if count == 0 { json!(large) } else { json!("small") })
    });
    assert_eq!(run.output.as_ref().unwrap(), &json!(["small", "small"]));
    assert_eq!(calls, ["A", "B", "A", "B"]);
    let of = |kind: &str| types(&run).iter().filter(|found| **found == kind).count();
    assert_eq!(
        (of("ParallelStateEntered"), of("ParallelStateStarted"), of("ParallelStateExited")),
        (1, 2, 1)
    );
    // With another error of the same place, all results are kept.
    let states = json!({ "P": { "Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true,
        "Output": "{% $states.context.Execution.RedriveCount = 0 ? $error('no') : $states.result %}" } });
    let run = redriven(&machine(states, "P"), json!(1), 1, &mut failing(&[], 0));
    assert_eq!(run.output.as_ref().unwrap(), &json!(["A0", "B0"]));
    assert_eq!(types_of(&run.history, "ParallelStateSucceeded").len(), 1);
}

#[test]
fn a_parallel_that_waits_for_its_retry_keeps_what_succeeded() {
    let branch = |name: &str| json!({ "StartAt": name, "States": { name: task(json!({})) } });
    let retry = json!([{ "ErrorEquals": ["E"], "IntervalSeconds": 1_000 }]);
    let states = json!({ "P": { "Type": "Parallel", "Branches": [branch("A"), branch("B")], "Retry": retry, "End": true } });
    let options = SimulationOptions { stop_after_millis: Some(500_000), ..redriving(1) };
    let mut calls = Vec::new();
    let run = run_with(&options, &machine(states, "P"), json!(1), &mut |task| {
        calls.push(task.state_name.clone());
        if calls.len() == 2 { fails("E") } else { returns(json!(calls.len())) }
    });
    assert_eq!((run.output.unwrap(), calls), (json!([1, 3]), vec!["A".into(), "B".into(), "B".into()]));
}

#[test]
fn a_redrive_is_taken_up_after_any_record() {
    let definition = three_branches();
    let answer = |task: &crate::TaskRequest, redriven: bool| match task.state_name.as_str() {
        "A2" if !redriven => fails("E").delayed(2_000),
        "I" if !redriven && task.arguments["Payload"] != json!(10) => returns(json!(1)).delayed(5_000),
        name => returns(json!(name)),
    };
    // Attempts whose outcome is lost fail; only the second redrive has none of those.
    let mut scheduled = 0;
    let run = run_with(&redriving(1), &definition, json!(0), &mut |task| {
        scheduled += 1;
        answer(task, scheduled > 5)
    });
    assert_eq!(run.status, Status::Succeeded);
    let from =
        run.records.iter().position(|record| matches!(record.fact, Fact::ExecutionRedriven { .. })).unwrap();
    for cut in from + 1..run.records.len() {
        let resumed =
            resume_with(&redriving(3), &definition, &run.records[..cut], &mut |task| answer(task, true))
                .unwrap();
        assert_eq!(resumed.status, Status::Succeeded, "after {cut} records");
        let replayed = Execution::replay(Arc::clone(&definition), &resumed.records).unwrap();
        assert_eq!(replayed, resumed.execution);
    }
}

#[test]
fn an_execution_ends_once_whatever_else_was_to_be_done() {
    let branch = |name: &str| json!({ "StartAt": name, "States": { name: task(json!({})) } });
    let states = json!({ "P": { "Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true } });
    for definition in [machine(states, "P"), machine(json!({ "T": task(json!({})) }), "T")] {
        let options = SimulationOptions { watch_millis: Some(1), ..SimulationOptions::default() };
        let run = run_with(&options, &definition, json!(1), &mut |_| Reply::Never);
        let mut execution = Execution::replay(Arc::clone(&definition), &run.records).unwrap();
        // The tasks are lost, and every frame may have something to do.
        let recovered = advance(&mut execution, Input::Recovered, 0).unwrap();
        let ends = recovered.records.iter().filter(|record| record.fact.is_terminal()).count();
        assert_eq!((execution.status(), ends), (Status::Failed, 1), "{:?}", recovered.records);
        assert!(recovered.records.last().unwrap().fact.is_terminal());
    }
}

#[test]
fn a_full_history_cannot_be_redriven() {
    let states = json!({
        "A": { "Type": "Pass", "Next": "B" },
        "B": { "Type": "Choice", "Choices": [{ "Condition": false, "Next": "Z" }], "Default": "A" },
        "Z": { "Type": "Succeed" }
    });
    let run = redriven(&machine(states, "A"), json!(1), 1, &mut |_, _| Reply::Never);
    assert_eq!(run.history.len(), 25_000);
    assert_eq!(run.execution.redrive_count(), 0);
}

#[test]
fn a_map_run_is_redriven_1000_times() {
    let map = json!({
        "Type": "Map", "End": true,
        "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "JSONL" },
            "Arguments": { "Bucket": "b", "Key": "missing" } },
        "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } }
    });
    let definition = machine(json!({ "M": map }), "M");
    let options = SimulationOptions { redrive_after_millis: vec![0; 1_002], ..SimulationOptions::default() };
    let run = run_with(&options, &definition, json!(1), &mut |_| Reply::Never);
    let redriven: Vec<_> = run
        .history
        .iter()
        .filter_map(|event| match &event.fact {
            Fact::MapRunRedriven { redrive_count, .. } => Some(*redrive_count),
            _ => None,
        })
        .collect();
    assert_eq!(redriven, (1..=1_000).collect::<Vec<_>>());
    assert_eq!((run.execution.redrive_count(), run.error.as_deref()), (1_002, Some("States.Runtime")));
    assert!(run.cause.unwrap().contains("redriven 1000 times"));
}

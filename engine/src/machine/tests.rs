//! Tables of what the machine does: a definition, what tasks answer, the history.
#![expect(clippy::needless_pass_by_value, reason = "tables read better with values")]

mod jsonpath;
mod limits;
mod redrive;
mod tokens;

use std::sync::Arc;

use asl::StateMachine;
use serde_json::{Value, json};

use super::{Execution, Fact, Input, Record, Started, Status, advance};
use crate::simulate::{Reply, SimulatedRun, SimulationOptions, run_with};
use crate::task::TaskOutcome;

fn machine(states: Value, start_at: &str) -> Arc<StateMachine> {
    document(json!({ "QueryLanguage": "JSONata", "StartAt": start_at, "States": states }))
}

fn document(definition: Value) -> Arc<StateMachine> {
    Arc::new(StateMachine::parse(&definition.to_string()).unwrap_or_else(|found| panic!("{found}")))
}

fn task(more: Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": "f", "Payload": "{% $states.input %}" },
        "Output": "{% $states.result.Payload %}", "End": true
    });
    for (key, value) in more.as_object().unwrap() {
        state[key] = value.clone();
    }
    if state.get("Next").is_some() {
        state.as_object_mut().unwrap().shift_remove("End");
    }
    state
}

fn returns(payload: Value) -> Reply {
    Reply::Now(TaskOutcome::Succeeded(crate::task::lambda_invoke_result(&payload.to_string())))
}

fn fails(error: &str) -> Reply {
    Reply::Now(TaskOutcome::Failed { error: error.to_owned(), cause: format!("cause of {error}") })
}

fn run(definition: &Arc<StateMachine>, input: Value, mut replies: Vec<Reply>) -> SimulatedRun {
    replies.reverse();
    run_with(&SimulationOptions::default(), definition, input, &mut |task| {
        replies.pop().unwrap_or_else(|| panic!("no reply for {}", task.state_name))
    })
}

/// The history without its common start, one event per line.
fn history(run: &SimulatedRun) -> Vec<String> {
    run.history.iter().skip(1).map(ToString::to_string).collect()
}

#[track_caller]
fn check(run: &SimulatedRun, status: Status, expected: &[&str]) {
    assert_eq!(history(run), expected);
    assert_eq!(run.status, status, "{:?} {:?}", run.error, run.cause);
    let replayed = Execution::replay(Arc::clone(&run.execution.definition), &run.records).unwrap();
    assert_eq!(replayed, run.execution);
}

#[test]
fn retriers_count_on_their_own_and_in_order() {
    let retry = json!([
        { "ErrorEquals": ["A"], "MaxAttempts": 1, "IntervalSeconds": 10 },
        { "ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 3 }
    ]);
    let definition = machine(json!({ "T": task(json!({ "Retry": retry })) }), "T");
    let replies = vec![fails("B"), fails("A"), fails("B"), fails("A")];
    let run = run(&definition, json!(1), replies);
    check(
        &run,
        Status::Failed,
        &[
            "2 <- 0 TaskStateEntered T",
            "3 <- 2 TaskScheduled",
            "4 <- 3 TaskStarted",
            "5 <- 4 TaskFailed ! B",
            "6 <- 5 TaskScheduled",
            "7 <- 6 TaskStarted",
            "8 <- 7 TaskFailed ! A",
            "9 <- 8 TaskScheduled",
            "10 <- 9 TaskStarted",
            "11 <- 10 TaskFailed ! B",
            "12 <- 11 TaskScheduled",
            "13 <- 12 TaskStarted",
            "14 <- 13 TaskFailed ! A",
            "15 <- 14 ExecutionFailed ! A",
        ],
    );
    let waits: Vec<i64> = run.waits.iter().map(|wait| wait.millis).collect();
    assert_eq!(waits, [1_000, 10_000, 3_000]);
    assert_eq!(run.waits[0].states, ["T"]);
}

#[test]
fn jitter_comes_from_the_seed() {
    let retry = json!([{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 3, "IntervalSeconds": 100, "JitterStrategy": "FULL" }]);
    let definition = machine(json!({ "T": task(json!({ "Retry": retry })) }), "T");
    let waits = |seed| {
        let options = SimulationOptions { seed, ..SimulationOptions::default() };
        let run = run_with(&options, &definition, json!(1), &mut |_| fails("E"));
        run.waits.iter().map(|wait| wait.millis).collect::<Vec<_>>()
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
    assert!(waits(1).iter().zip([100_000, 200_000, 400_000]).all(|(wait, longest)| *wait <= longest));
}

#[test]
fn nobody_takes_a_runtime_error_of_a_task() {
    let all = |more: Value| {
        let mut all = json!({ "ErrorEquals": ["States.ALL"] });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([all])
    };
    let handlers = json!({ "Retry": all(json!({})), "Catch": all(json!({ "Next": "C" })) });
    let states = json!({ "T": task(handlers), "C": { "Type": "Succeed" } });
    let run = run(&machine(states, "T"), json!(1), vec![fails("States.Runtime")]);
    check(
        &run,
        Status::Failed,
        &[
            "2 <- 0 TaskStateEntered T",
            "3 <- 2 TaskScheduled",
            "4 <- 3 TaskStarted",
            "5 <- 4 TaskFailed ! States.Runtime",
            "6 <- 5 ExecutionFailed ! States.Runtime",
        ],
    );
}

#[test]
fn catchers_assign_and_hand_on() {
    let catch = json!([
        { "ErrorEquals": ["Other"], "Next": "Done" },
        { "ErrorEquals": ["E"], "Next": "Done", "Assign": { "why": "{% $states.errorOutput.Error %}" },
          "Output": "{% $states.errorOutput.Cause %}" }
    ]);
    let states = json!({
        "T": task(json!({ "Catch": catch })),
        "Done": { "Type": "Pass", "Output": { "cause": "{% $states.input %}", "why": "{% $why %}" }, "End": true }
    });
    let run = run(&machine(states, "T"), json!(1), vec![fails("E")]);
    assert_eq!(run.output, Some(json!({ "cause": "cause of E", "why": "E" })));
}

#[test]
fn a_catcher_that_fails_is_not_caught_by_itself() {
    let catch = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Done", "Output": "{% $nothing %}" }]);
    let retry = json!([{ "ErrorEquals": ["States.QueryEvaluationError"], "MaxAttempts": 5 }]);
    let states = json!({
        "T": task(json!({ "Catch": catch, "Retry": retry })),
        "Done": { "Type": "Succeed" }
    });
    let run = run(&machine(states, "T"), json!(1), vec![fails("E")]);
    assert_eq!(run.error.as_deref(), Some("States.QueryEvaluationError"));
    assert_eq!(
        history(&run)[4..],
        [
            "6 <- 4 EvaluationFailed T ! States.QueryEvaluationError",
            "7 <- 6 ExecutionFailed ! States.QueryEvaluationError"
        ]
    );
}

#[test]
fn timeouts_of_tasks_and_late_outcomes() {
    let states = json!({ "T": task(json!({ "TimeoutSeconds": 5 })) });
    let definition = machine(states, "T");
    let slow = Reply::After(6_000, TaskOutcome::Succeeded("{}".into()));
    let run = run(&definition, json!(1), vec![slow]);
    check(
        &run,
        Status::Failed,
        &[
            "2 <- 0 TaskStateEntered T",
            "3 <- 2 TaskScheduled",
            "4 <- 3 TaskStarted",
            "5 <- 4 TaskTimedOut ! States.Timeout",
            "6 <- 5 ExecutionFailed ! States.Timeout",
        ],
    );
    assert_eq!(run.elapsed_millis, 5_000);
    assert_eq!(run.cause, None);
}

#[test]
fn heartbeats_put_the_timeout_off() {
    let states = json!({ "T": task(json!({ "HeartbeatSeconds": 5, "TimeoutSeconds": 60 })) });
    let mut execution = Execution::new(machine(states, "T"));
    let mut records: Vec<Record> = Vec::new();
    let mut take = |execution: &mut Execution, input, now| {
        let transition = advance(execution, input, now).unwrap();
        records.extend(transition.records);
        execution.timers().map(|(id, at)| (id.0, at)).collect::<Vec<_>>()
    };
    let timers = take(&mut execution, Input::Start(Box::new(start())), 0);
    assert_eq!(timers, [(0, 60_000), (1, 5_000)]);
    let timers = take(&mut execution, Input::TaskHeartbeat { event_id: 3 }, 4_000);
    assert_eq!(timers, [(0, 60_000), (2, 9_000)]);
    let stale = take(&mut execution, Input::TimerFired(super::TimerId(1)), 5_000);
    assert_eq!(stale.len(), 2, "a timer that was replaced does nothing");
    take(&mut execution, Input::TimerFired(super::TimerId(2)), 9_000);
    assert_eq!(execution.status(), Status::Failed);
    assert_eq!(execution.error(), Some("States.Timeout"));
    assert_eq!(Execution::replay(Arc::clone(&execution.definition), &records).unwrap(), execution);
}

fn start() -> Started {
    Started {
        execution_arn: "arn:aws:states:us-east-1:123456789012:execution:m:e".into(),
        name: "e".into(),
        state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:m".into(),
        state_machine_name: "m".into(),
        role_arn: "arn:aws:iam::123456789012:role/m".into(),
        input: super::Payload::from_value(json!({})),
        seed: 7,
        trace_header: None,
    }
}

#[test]
fn an_execution_takes_too_long_or_is_stopped() {
    let definition = document(json!({
        "QueryLanguage": "JSONata", "StartAt": "W", "TimeoutSeconds": 30,
        "States": { "W": { "Type": "Wait", "Seconds": 60, "End": true } }
    }));
    let late = run(&definition, json!({}), vec![]);
    check(
        &late,
        Status::TimedOut,
        &["2 <- 0 WaitStateEntered W", "3 <- 0 ExecutionTimedOut ! States.Timeout"],
    );
    let options = SimulationOptions { stop_after_millis: Some(1_000), ..SimulationOptions::default() };
    let stopped = run_with(&options, &definition, json!({}), &mut |_| Reply::Never);
    check(&stopped, Status::Aborted, &["2 <- 0 WaitStateEntered W", "3 <- 0 ExecutionAborted"]);
    assert_eq!(stopped.elapsed_millis, 1_000);
}

#[test]
fn a_branch_that_fails_takes_the_others_with_it() {
    let branch = |name: &str, state: Value| json!({ "StartAt": name, "States": { name: state } });
    let states = json!({
        "P": {
            "Type": "Parallel", "End": true,
            "Branches": [
                branch("Ok", json!({ "Type": "Pass", "End": true })),
                branch("Bad", task(json!({}))),
                branch("Rest", json!({ "Type": "Wait", "Seconds": 9, "End": true }))
            ],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "C" }]
        },
        "C": { "Type": "Pass", "End": true }
    });
    let run = run(&machine(states, "P"), json!(1), vec![fails("E")]);
    check(
        &run,
        Status::Succeeded,
        &[
            "2 <- 0 ParallelStateEntered P",
            "3 <- 2 ParallelStateStarted",
            "4 <- 3 PassStateEntered Ok",
            "5 <- 3 TaskStateEntered Bad",
            "6 <- 3 WaitStateEntered Rest",
            "7 <- 4 PassStateExited Ok",
            "8 <- 5 TaskScheduled",
            "9 <- 8 TaskStarted",
            "10 <- 9 TaskFailed ! E",
            "11 <- 10 TaskStateAborted",
            "12 <- 6 WaitStateAborted",
            "13 <- 10 ParallelStateFailed",
            "14 <- 13 ParallelStateExited P",
            "15 <- 14 PassStateEntered C",
            "16 <- 15 PassStateExited C",
            "17 <- 16 ExecutionSucceeded",
        ],
    );
    assert_eq!(run.elapsed_millis, 0, "the wait of the aborted branch is not waited for");
    assert_eq!(run.output, Some(json!({ "Error": "E", "Cause": "cause of E" })));
}

#[test]
fn iterations_run_at_most_so_many_at_a_time() {
    let processor = json!({ "StartAt": "T", "States": { "T": task(json!({})) } });
    let states = json!({
        "M": { "Type": "Map", "Items": "{% [1..5] %}", "MaxConcurrency": 2, "ItemProcessor": processor,
               "ItemSelector": "{% $states.context.Map.Item.Value * 10 + $states.context.Map.Item.Index %}", "End": true }
    });
    let definition = machine(states, "M");
    let (mut running, mut most) = (0_i32, 0);
    let run = run_with(&SimulationOptions::default(), &definition, json!({}), &mut |task| {
        // Each takes a second; those of the same second run together.
        running += 1;
        most = most.max(running);
        if running == 2 {
            running = 0;
        }
        let payload = task.arguments["Payload"].to_string();
        Reply::After(1_000, TaskOutcome::Succeeded(crate::task::lambda_invoke_result(&payload)))
    });
    assert_eq!(run.output, Some(json!([10, 21, 32, 43, 54])));
    assert_eq!((most, run.elapsed_millis), (2, 3_000));
}

#[test]
fn a_failed_iteration_aborts_the_others() {
    let processor = json!({ "StartAt": "T", "States": { "T": task(json!({})) } });
    let states = json!({ "M": { "Type": "Map", "Items": [1, 2], "ItemProcessor": processor, "End": true } });
    let run = run(&machine(states, "M"), json!({}), vec![Reply::Never, fails("E")]);
    check(
        &run,
        Status::Failed,
        &[
            "2 <- 0 MapStateEntered M",
            "3 <- 2 MapStateStarted",
            "4 <- 3 MapIterationStarted M",
            "5 <- 3 MapIterationStarted M",
            "6 <- 4 TaskStateEntered T",
            "7 <- 5 TaskStateEntered T",
            "8 <- 6 TaskScheduled",
            "9 <- 8 TaskStarted",
            "10 <- 7 TaskScheduled",
            "11 <- 10 TaskStarted",
            "12 <- 11 TaskFailed ! E",
            "13 <- 12 MapIterationFailed M",
            "14 <- 9 TaskStateAborted",
            "15 <- 9 MapIterationAborted M",
            "16 <- 12 MapStateFailed",
            "17 <- 16 ExecutionFailed ! E",
        ],
    );
}

#[test]
fn an_item_selector_that_fails_takes_the_iterations_with_it() {
    let processor = json!({ "StartAt": "T", "States": { "T": task(json!({})) } });
    let selector = "{% $states.context.Map.Item.Value > 1 ? $nothing : 1 %}";
    let states = json!({
        "M": { "Type": "Map", "Items": [1, 2], "ItemSelector": selector, "ItemProcessor": processor, "End": true,
               "Catch": [{ "ErrorEquals": ["States.QueryEvaluationError"], "Next": "C" }] },
        "C": { "Type": "Pass", "Output": "caught", "End": true }
    });
    let run = run(&machine(states, "M"), json!({}), vec![]);
    check(
        &run,
        Status::Succeeded,
        &[
            "2 <- 0 MapStateEntered M",
            "3 <- 2 MapStateStarted",
            "4 <- 3 MapIterationStarted M",
            "5 <- 4 MapIterationAborted M",
            "6 <- 2 EvaluationFailed M ! States.QueryEvaluationError",
            "7 <- 6 MapStateFailed",
            "8 <- 7 MapStateExited M",
            "9 <- 8 PassStateEntered C",
            "10 <- 9 PassStateExited C",
            "11 <- 10 ExecutionSucceeded",
        ],
    );
}

#[test]
fn inner_scopes_read_outer_variables_and_keep_their_own() {
    let inner = json!({ "StartAt": "I", "States": {
        "I": { "Type": "Pass", "Assign": { "own": "{% $outer + $states.input %}" }, "Next": "J" },
        "J": { "Type": "Pass", "Output": "{% $own %}", "End": true }
    } });
    let states = json!({
        "A": { "Type": "Pass", "Assign": { "outer": 100, "seen": "{% $exists($outer) %}" }, "Next": "M" },
        "M": { "Type": "Map", "Items": [1, 2], "ItemProcessor": inner, "Assign": { "sum": "{% $sum($states.result) %}" }, "Next": "Z" },
        "Z": { "Type": "Pass", "Output": { "sum": "{% $sum %}", "seen": "{% $seen %}" }, "End": true }
    });
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": states });
    let run = match StateMachine::parse(&definition.to_string()) {
        Ok(parsed) => run(&Arc::new(parsed), json!({}), vec![]),
        Err(found) => panic!("{found}"),
    };
    assert_eq!(run.output.map(|output| output["sum"].clone()), Some(json!(203)), "{:?}", run.cause);
}

#[test]
fn no_rule_no_default_no_next_state() {
    let states = json!({
        "C": { "Type": "Choice", "Choices": [{ "Condition": "{% false %}", "Next": "D" }] },
        "D": { "Type": "Succeed" }
    });
    let run = run(&machine(states, "C"), json!({}), vec![]);
    check(&run, Status::Failed, &["2 <- 0 ChoiceStateEntered C", "3 <- 2 ExecutionFailed ! States.Runtime"]);
    assert_eq!(
        run.cause.as_deref(),
        Some(
            "An error occurred while executing the state 'C' (entered at the event id #2). Failed to transition \
             out of the state. The state does not point to a next state."
        )
    );
}

#[test]
fn payloads_are_limited_at_the_byte() {
    let text = |bytes: usize| Value::String("x".repeat(bytes - 2));
    let direct = json!({ "T": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true } });
    let definition = machine(direct, "T");
    let max = asl::limits::PAYLOAD_BYTES_MAX;
    let ok = run(&definition, json!({}), vec![Reply::Now(TaskOutcome::Succeeded(text(max).to_string()))]);
    assert_eq!(ok.status, Status::Succeeded);
    let large =
        run(&definition, json!({}), vec![Reply::Now(TaskOutcome::Succeeded(text(max + 1).to_string()))]);
    assert_eq!(large.error.as_deref(), Some("States.DataLimitExceeded"));
    let pass = |bytes: usize| {
        let output = format!("{{% $join([1..{}].('x')) %}}", bytes - 2);
        run(
            &machine(json!({ "P": { "Type": "Pass", "Output": output, "End": true } }), "P"),
            json!({}),
            vec![],
        )
    };
    assert_eq!(pass(max).status, Status::Succeeded);
    let large = pass(max + 1);
    assert_eq!(large.error.as_deref(), Some("States.DataLimitExceeded"));
    assert_eq!(
        large.cause.as_deref(),
        Some(
            "The state/task 'P' returned a result with a size exceeding the maximum number of bytes service limit."
        )
    );
}

#[test]
fn the_history_ends_at_25_000_events() {
    let states = json!({ "A": { "Type": "Pass", "Next": "B" }, "B": { "Type": "Choice", "Choices": [
        { "Condition": "{% $states.input = 0 %}", "Next": "End" } ], "Default": "A" }, "End": { "Type": "Succeed" } });
    let run = run(&machine(states, "A"), json!(1), vec![]);
    assert_eq!(run.error.as_deref(), Some("States.Runtime"));
    assert_eq!(
        run.cause.as_deref(),
        Some("The execution reached the maximum number of history events (25000).")
    );
    let last = run.history.last().unwrap();
    assert_eq!((last.id, last.previous_event_id, run.history.len()), (25_000, 24_999, 25_000));
}

#[test]
fn success_may_be_event_25_000() {
    // 1 start, 2 per Pass, 2 to start the Map, 4 per iteration, 2 to end the Map, 1 success.
    let inner = json!({ "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } });
    let states = |items: usize| {
        let items = format!("{{% [1..{items}] %}}");
        json!({ "P": { "Type": "Pass", "Next": "M" },
                "M": { "Type": "Map", "Items": items, "ItemProcessor": inner, "End": true } })
    };
    let fits = run(&machine(states(6_248), "P"), json!({}), vec![]);
    assert_eq!((fits.status, fits.history.len()), (Status::Succeeded, 25_000));
    let full = run(&machine(states(6_249), "P"), json!({}), vec![]);
    assert_eq!((full.status, full.history.len()), (Status::Failed, 25_000));
}

#[test]
fn a_state_that_is_too_large_for_states_all() {
    let inner = json!({ "StartAt": "I", "States": { "I": { "Type": "Pass", "Output": "{% $join([1..100000].('x')) %}", "End": true } } });
    let map = |catch: &str| {
        let states = json!({
            "M": { "Type": "Map", "Items": [1, 2, 3], "ItemProcessor": inner, "End": true,
                   "Catch": [{ "ErrorEquals": [catch], "Next": "C" }] },
            "C": { "Type": "Succeed" }
        });
        run(&machine(states, "M"), json!({}), vec![])
    };
    assert_eq!(map("States.ALL").error.as_deref(), Some("States.DataLimitExceeded"));
    assert_eq!(map("States.DataLimitExceeded").status, Status::Succeeded);
}

#[test]
fn expressions_replay_from_their_results() {
    let states = json!({
        "A": { "Type": "Pass", "Output": { "id": "{% $uuid() %}", "number": "{% $random() %}" }, "Next": "W" },
        "W": { "Type": "Wait", "Seconds": 1, "Next": "B" },
        "B": { "Type": "Pass", "Output": { "before": "{% $states.input %}", "id": "{% $uuid() %}" }, "End": true }
    });
    let definition = machine(states, "A");
    let one = run(&definition, json!({}), vec![]);
    let two = run(&definition, json!({}), vec![]);
    assert_eq!(one.output, two.output);
    let output = one.output.clone().unwrap();
    assert_ne!(output["id"], output["before"]["id"]);
    for cut in 1..one.records.len() {
        let resumed =
            crate::simulate::resume(&definition, &one.records[..cut], &mut |_| Reply::Never).unwrap();
        assert_eq!(resumed.output, one.output, "after {cut} records");
    }
}

#[test]
fn time_does_not_run_backwards() {
    let states = json!({ "T": task(json!({})) });
    let mut execution = Execution::new(machine(states, "T"));
    advance(&mut execution, Input::Start(Box::new(start())), 5_000).unwrap();
    let output = r#"{"Payload":1}"#.to_owned();
    let transition = advance(&mut execution, Input::TaskSucceeded { event_id: 3, output }, 1_000).unwrap();
    assert!(transition.records.iter().all(|record| record.at_millis == 5_000));
    let late = advance(
        &mut execution,
        Input::TaskFailed { event_id: 3, error: "E".into(), cause: String::new() },
        9_000,
    );
    assert_eq!(late.unwrap(), super::Transition::default(), "nothing happens after the end");
}

#[test]
fn a_lost_task_has_an_unknown_outcome() {
    let retry = json!([{ "ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 1 }]);
    let definition = machine(json!({ "T": task(json!({ "Retry": retry })) }), "T");
    let whole = run(&definition, json!(1), vec![returns(json!(2))]);
    let scheduled =
        whole.records.iter().position(|record| matches!(record.fact, Fact::TaskStarted { .. })).unwrap();
    let mut attempts = Vec::new();
    let resumed = crate::simulate::resume(&definition, &whole.records[..=scheduled], &mut |task| {
        attempts.push(task.attempt);
        returns(json!(3))
    })
    .unwrap();
    assert_eq!((resumed.output.clone(), attempts), (Some(json!(3)), vec![1]));
    let failed = resumed.history.iter().find(|event| event.event_type() == "TaskFailed").unwrap();
    assert_eq!(failed.error(), Some("Lambda.ServiceException"));
    assert!(failed.cause().unwrap().contains("outcome is unknown"));
}

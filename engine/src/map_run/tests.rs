mod under_way;

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::StateMachine;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tally::{Limits, Tally};
use crate::machine::{HistoryEvent, Status, TaskRequest};
use crate::object_store::MemoryStore;
use crate::simulate::{Reply, SimulatedRun, SimulationOptions, run_with};
use crate::task::TaskOutcome;

/// A machine of one distributed Map; its children are of one state.
fn machine(map: &Value, child: &Value) -> Value {
    let mut state = json!({
        "Type": "Map", "Label": "L", "End": true,
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Child", "States": { "Child": child }
        }
    });
    for (key, value) in map.as_object().unwrap() {
        state[key] = value.clone();
    }
    json!({ "QueryLanguage": "JSONata", "StartAt": "Map", "States": { "Map": state } })
}

fn pass() -> Value {
    json!({ "Type": "Pass", "End": true })
}

fn task() -> Value {
    json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": "f", "Payload": "{% $states.input %}" },
        "Output": "{% $states.result.Payload %}", "End": true
    })
}

fn simulate_on(
    store: &MemoryStore,
    definition: &Value,
    input: &Value,
    tasks: &mut dyn FnMut(&TaskRequest) -> Reply,
    stop_after_millis: Option<i64>,
) -> SimulatedRun {
    let definition = Arc::new(StateMachine::parse(&definition.to_string()).unwrap());
    let options = SimulationOptions {
        objects: Arc::new(store.clone()),
        stop_after_millis,
        ..SimulationOptions::default()
    };
    run_with(&options, &definition, input.clone(), tasks)
}

fn simulate(definition: &Value, input: &Value) -> SimulatedRun {
    simulate_on(&MemoryStore::new(), definition, input, &mut |_| Reply::Never, None)
}

/// Fails for the payloads that are listed, after a second.
fn failing(payloads: &'static [i64]) -> impl FnMut(&TaskRequest) -> Reply {
    move |task| {
        let payload = &task.arguments["Payload"];
        let outcome = if payload.as_i64().is_some_and(|number| payloads.contains(&number)) {
            TaskOutcome::Failed { error: "My.Error".into(), cause: "because".into() }
        } else {
            TaskOutcome::Succeeded(crate::task::lambda_invoke_result(&payload.to_string()))
        };
        Reply::After(1_000, outcome)
    }
}

fn types(run: &SimulatedRun) -> Vec<String> {
    run.history.iter().map(|event| event.event_type().to_owned()).collect()
}

#[test]
fn items_selected_and_batched_for_children() {
    let map = json!({
        "Items": "{% $states.input.rows %}",
        "ItemSelector": {
            "i": "{% $states.context.Map.Item.Index %}", "v": "{% $states.context.Map.Item.Value %}",
            "from": "{% $states.context.Map.Item.Source %}", "all": "{% $count($states.input.rows) %}"
        },
        "ItemBatcher": { "MaxItemsPerBatch": 2, "BatchInput": { "run": "{% $states.context.Execution.Name %}" } }
    });
    let run = simulate(&machine(&map, &pass()), &json!({ "rows": ["a", "b", "c"] }));
    let item = |index: u64, value: &str| json!({ "i": index, "v": value, "from": "STATE_DATA", "all": 3 });
    let batch = |items: Value| json!({ "BatchInput": { "run": "run" }, "Items": items });
    assert_eq!(
        run.output.unwrap(),
        json!([batch(json!([item(0, "a"), item(1, "b")])), batch(json!([item(2, "c")]))])
    );
    assert_eq!(run.children.len(), 2);
}

#[test]
fn a_child_is_an_execution_of_its_own() {
    let child = json!({
        "Type": "Pass", "End": true, "Output": {
            "id": "{% $states.context.Execution.Id %}", "machine": "{% $states.context.StateMachine %}",
            "input": "{% $states.context.Execution.Input %}", "item": "{% $exists($states.context.Map) %}"
        }
    });
    let run = simulate(&machine(&json!({}), &child), &json!([{ "n": 1 }]));
    let output = &run.output.unwrap()[0];
    assert_eq!(output["id"], run.children[0].execution_arn.as_str());
    assert!(
        run.children[0]
            .execution_arn
            .starts_with("arn:aws:states:us-east-1:123456789012:execution:simulation/L:")
    );
    let machine = json!({ "Id": "arn:aws:states:us-east-1:123456789012:stateMachine:simulation/L", "Name": "simulation/L" });
    assert_eq!(
        (&output["machine"], &output["input"], &output["item"]),
        (&machine, &json!({ "n": 1 }), &json!(false))
    );
    let history: Vec<_> = run.children[0].history.iter().map(HistoryEvent::event_type).collect();
    assert_eq!(history, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]);
}

#[test]
fn objects_are_iterated_in_pairs() {
    let definition =
        json!({ "StartAt": "Map", "States": { "Map": machine(&json!({}), &pass())["States"]["Map"] } });
    let run = simulate(&definition, &json!({ "a": 1, "b": [2] }));
    assert_eq!(run.output.unwrap(), json!([{ "Key": "a", "Value": 1 }, { "Key": "b", "Value": [2] }]));
    let run = simulate(&machine(&json!({}), &pass()), &json!([]));
    assert_eq!(run.output.unwrap(), json!([]));
}

#[test]
fn one_failure_is_one_too_many_without_a_threshold() {
    let definition = machine(&json!({}), &task());
    let run = simulate_on(&MemoryStore::new(), &definition, &json!([0, 1, 2]), &mut failing(&[1]), None);
    assert_eq!(
        (run.status, run.error.as_deref()),
        (Status::Failed, Some("States.ExceedToleratedFailureThreshold"))
    );
    assert_eq!(run.cause.as_deref(), Some("The specified tolerated failure threshold was exceeded"));
    assert_eq!(
        types(&run)[2..],
        ["MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed", "ExecutionFailed"]
    );
    let statuses: BTreeMap<u64, Status> =
        run.children.iter().map(|child| (child.number, child.status)).collect();
    assert_eq!(statuses[&0], Status::Succeeded);
    assert_eq!((statuses[&1], statuses[&2]), (Status::Failed, Status::Aborted), "the others are aborted");
}

#[test]
fn tolerated_failures_are_results() {
    for map in [json!({ "ToleratedFailureCount": 1 }), json!({ "ToleratedFailurePercentage": "{% 34 %}" })] {
        let definition = machine(&map, &task());
        let run = simulate_on(&MemoryStore::new(), &definition, &json!([0, 1, 2]), &mut failing(&[1]), None);
        assert_eq!(run.status, Status::Succeeded, "{map}");
        let output = run.output.unwrap();
        assert_eq!((&output[0], &output[2]), (&json!(0), &json!(2)));
        assert_eq!((&output[1]["Status"], &output[1]["Error"]), (&json!("FAILED"), &json!("My.Error")));
    }
    for map in [json!({ "ToleratedFailureCount": 1 }), json!({ "ToleratedFailurePercentage": 66 })] {
        let definition = machine(&map, &task());
        let run =
            simulate_on(&MemoryStore::new(), &definition, &json!([0, 1, 2]), &mut failing(&[1, 2]), None);
        assert_eq!(run.status, Status::Failed, "{map}");
    }
}

#[test]
fn no_more_children_run_than_may() {
    let definition = machine(&json!({ "MaxConcurrency": 2 }), &task());
    let run = simulate_on(&MemoryStore::new(), &definition, &json!([0, 1, 2, 3, 4]), &mut failing(&[]), None);
    assert_eq!((run.output.unwrap(), run.elapsed_millis), (json!([0, 1, 2, 3, 4]), 3_000));
}

#[test]
fn a_stop_aborts_the_children() {
    let definition = machine(&json!({ "MaxConcurrency": 2 }), &task());
    let run =
        simulate_on(&MemoryStore::new(), &definition, &json!([0, 1, 2, 3]), &mut failing(&[]), Some(1_500));
    assert_eq!(run.status, Status::Aborted);
    let statuses: Vec<_> = run.children.iter().map(|child| child.status).collect();
    assert_eq!(statuses, [Status::Succeeded, Status::Succeeded, Status::Aborted, Status::Aborted]);
}

#[test]
fn results_go_to_a_bucket() {
    let store = MemoryStore::new();
    store.create_bucket("out");
    let map = json!({
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject", "Arguments": { "Bucket": "out", "Prefix": "jobs" },
            "WriterConfig": { "OutputType": "JSONL", "Transformation": "FLATTEN" }
        }
    });
    let run = simulate_on(&store, &machine(&map, &pass()), &json!([[1, 2], 3]), &mut |_| Reply::Never, None);
    let output = run.output.unwrap();
    let uuid = output["MapRunArn"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    assert_eq!(
        output["ResultWriterDetails"],
        json!({ "Bucket": "out", "Key": format!("jobs/{uuid}/manifest.json") })
    );
    assert_eq!(store.content("out", &format!("jobs/{uuid}/SUCCEEDED_0.jsonl")).unwrap(), b"1\n2\n3\n");
    let nowhere = MemoryStore::new();
    let run = simulate_on(&nowhere, &machine(&map, &pass()), &json!([1]), &mut |_| Reply::Never, None);
    assert_eq!(run.error.as_deref(), Some("States.ResultWriterFailed"));
    assert!(run.cause.unwrap().contains("The specified bucket does not exist"));
}

#[test]
fn a_reader_that_fails_can_be_caught() {
    let mut definition = machine(
        &json!({
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "JSONL" },
                "Arguments": { "Bucket": "b", "Key": "{% $states.input.key %}" }
            },
            "Catch": [{ "ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught", "Output": "{% $states.errorOutput.Cause %}" }]
        }),
        &pass(),
    );
    definition["States"]["Caught"] = json!({ "Type": "Pass", "End": true });
    let store = MemoryStore::new();
    store.insert("b", "good", "{\"a\":1}\n[2]\n");
    store.insert("b", "bad", "{\"a\":1}\n{");
    let run =
        |key: &str| simulate_on(&store, &definition, &json!({ "key": key }), &mut |_| Reply::Never, None);
    assert_eq!(run("good").output.unwrap(), json!([{ "a": 1 }, [2]]));
    let caught = run("bad");
    assert!(caught.output.unwrap().as_str().unwrap().contains("S3://b/bad: line 2 is not JSON"));
    assert!(run("none").output.unwrap().as_str().unwrap().contains("The specified key does not exist."));
}

#[test]
fn an_item_that_is_too_large_fails_the_map() {
    let definition = machine(&json!({ "ItemBatcher": { "MaxInputBytesPerBatch": 40 } }), &pass());
    let run = simulate(&definition, &json!(["x", "y".repeat(60)]));
    assert_eq!(run.error.as_deref(), Some("States.DataLimitExceeded"));
    assert!(
        run.cause
            .unwrap()
            .contains("Item 1 of STATE_DATA makes an input of 74 bytes, a child execution may get 40.")
    );
}

#[test]
fn too_many_results_for_the_output() {
    let definition =
        machine(&json!({}), &json!({ "Type": "Pass", "Output": "{% $pad('', 100000, 'x') %}", "End": true }));
    let run = simulate(&definition, &json!([1, 2, 3]));
    assert_eq!(run.error.as_deref(), Some("States.DataLimitExceeded"));
}

#[test]
fn map_runs_in_map_runs() {
    let inner = machine(&json!({ "Label": "Inner" }), &pass())["States"]["Map"].clone();
    let mut definition = machine(&json!({}), &inner);
    let states = &mut definition["States"]["Map"]["ItemProcessor"]["States"]["Child"]["ItemProcessor"];
    *states = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" },
        "StartAt": "Leaf", "States": { "Leaf": pass() }
    });
    let run = simulate(&definition, &json!([[1, 2], [3]]));
    assert_eq!(run.output.unwrap(), json!([[1, 2], [3]]));
    let of_inner =
        run.children.iter().filter(|child| child.execution_arn.contains(":execution:simulation/Inner:"));
    assert_eq!((of_inner.count(), run.children.len()), (3, 5));
}

#[test]
fn a_map_run_goes_on_after_any_record() {
    let map = json!({ "Items": "{% [1..3] %}", "ItemBatcher": { "MaxItemsPerBatch": 2 } });
    let definition = Arc::new(StateMachine::parse(&machine(&map, &task()).to_string()).unwrap());
    let run = run_with(&SimulationOptions::default(), &definition, json!({}), &mut failing(&[]));
    let expected = json!([{ "Items": [1, 2] }, { "Items": [3] }]);
    assert_eq!(run.output.as_ref(), Some(&expected));
    for durable in 1..run.records.len() {
        let records = &run.records[..durable];
        let resumed = crate::simulate::resume(&definition, records, &mut failing(&[])).unwrap();
        assert_eq!(
            (resumed.status, resumed.output.as_ref()),
            (Status::Succeeded, Some(&expected)),
            "{durable}"
        );
        assert_eq!(types(&resumed), types(&run), "{durable}");
    }
}

proptest! {
    #[test]
    fn counts_add_up(
        ends in prop::collection::vec((0_usize..10, 0_usize..5), 0..60),
        max_concurrency in 0_u64..5, count in prop::option::of(0_u64..5),
    ) {
        let limits = Limits { max_concurrency, tolerated_count: count, tolerated_percentage: None };
        let mut tally = Tally::new(limits, Some(20));
        let (mut started, mut ended) = (0, BTreeMap::new());
        for (pick, status) in ends {
            while started < 20 && tally.wants_child() {
                tally.start(1);
                started += 1;
            }
            if started == 20 {
                tally.exhaust();
            }
            let running: Vec<u64> = tally.running().collect();
            prop_assert!(max_concurrency == 0 || running.len() as u64 <= max_concurrency);
            if running.is_empty() {
                break;
            }
            let number = running[pick % running.len()];
            let status = [Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted, Status::Succeeded][status];
            tally.end(number, status);
            ended.insert(number, status);
            let before = tally.clone();
            tally.end(number, status);
            prop_assert_eq!(&before, &tally, "an end that is told twice counts once");
        }
        prop_assert_eq!(tally.position(), started);
        // Another life of the engine counts the same.
        let mut again = Tally::new(limits, Some(20));
        for number in 0..started {
            again.recall(number, 1, ended.get(&number).copied().unwrap_or(Status::Running));
        }
        prop_assert_eq!(again.position(), tally.position());
        prop_assert_eq!(again.failure().is_some(), tally.failure().is_some());
    }
}

//! What people see: help, trees, receipts, failures, from fixed data.

use std::{collections::BTreeMap, sync::Arc};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use engine::{
    TaskOutcome,
    simulate::{Reply, SimulatedRun, SimulationOptions, run_with},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Cli, Command, Format},
    data::DataDir,
    definition::outermost_states,
    failure::Failure,
    receipt::{self, Frame, Summary},
    settlement::Settlement,
    terminal::Paint,
    tree::tree,
    view::{Counted, Items, Standing, View},
};

const PLAIN: Paint = Paint { colored: false };

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn help_begins_with_examples() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    insta::assert_snapshot!("help", cli.render_help());
    for verb in [
        "run",
        "synth",
        "validate",
        "test-state",
        "list",
        "show",
        "gc",
        "backup",
        "doctor",
        "redrive",
        "stop",
        "waiting",
        "answer",
        "completions",
    ] {
        let command = cli.find_subcommand_mut(verb).expect("a verb");
        insta::assert_snapshot!(format!("help-{verb}"), command.render_long_help());
    }
}

#[test]
fn arguments_are_understood_or_refused() {
    let parsed = |line: &str| Cli::try_parse_from(line.split_whitespace());
    let Some(Command::Run(run)) =
        parsed("stepwright run w --spec s.toml --input a --input b -o jsonl --export x.csv")
            .expect("ok")
            .command
    else {
        panic!("run")
    };
    assert_eq!((run.workflow.as_str(), run.input.len()), ("w", 2));
    let Some(Command::List(list)) =
        parsed("stepwright list --status FAILED,timed_out -q").expect("ok").command
    else {
        panic!("list")
    };
    assert_eq!(
        list.status.iter().map(|status| status.engine().as_str()).collect::<Vec<_>>(),
        ["FAILED", "TIMED_OUT"]
    );
    assert_eq!(parsed("stepwright -o json list").expect("ok").global.output, Format::Json);
    for (line, kind) in [
        ("stepwright rnu w", ErrorKind::InvalidSubcommand),
        ("stepwright run", ErrorKind::MissingRequiredArgument),
        ("stepwright run w -o yaml", ErrorKind::InvalidValue),
        ("stepwright run w --app a --profile dev", ErrorKind::ArgumentConflict),
        ("stepwright show x --tree --events", ErrorKind::ArgumentConflict),
        ("stepwright list --limit many", ErrorKind::ValueValidation),
    ] {
        let refused = parsed(line).expect_err(line);
        assert_eq!((refused.kind(), refused.exit_code()), (kind, 2), "{line}");
    }
    let typo = parsed("stepwright synht").expect_err("refused").to_string();
    assert!(typo.contains("'synth'"), "did you mean: {typo}");
}

/// Runs a definition in virtual time; `tasks` answers by function name and attempt.
fn simulated(definition: &Value, tasks: &mut dyn FnMut(&str, u32, &Value) -> Reply) -> SimulatedRun {
    let machine = asl::StateMachine::parse(&definition.to_string()).expect("a valid definition");
    run_with(&SimulationOptions::default(), &Arc::new(machine), json!({ "n": 1 }), &mut |task| {
        let function = task.arguments["FunctionName"].as_str().expect("a function");
        tasks(function, task.attempt, &task.arguments["Payload"])
    })
}

fn view(run: &SimulatedRun) -> View {
    let events: Vec<Value> = run.history.iter().map(|e| serde_json::to_value(e).expect("JSON")).collect();
    View::of(&events)
}

fn drawn(definition: &Value, run: &SimulatedRun) -> String {
    let view = view(run);
    tree(&view, &outermost_states(definition), view.last_millis, PLAIN).join("\n")
}

fn task(function: &str, next: Option<&str>) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": function, "Payload": "{% $states.input %}" },
        "Output": "{% $states.result.Payload %}",
        "Retry": [
            { "ErrorEquals": ["Deliver.Unavailable"], "IntervalSeconds": 5, "BackoffRate": 2.0, "MaxAttempts": 2 },
        ],
    });
    match next {
        Some(next) => state["Next"] = json!(next),
        None => state["End"] = json!(true),
    }
    state
}

fn ok(millis: i64) -> Reply {
    Reply::After(
        millis,
        TaskOutcome::Succeeded(
            r#"{"ExecutedVersion":"$LATEST","Payload":{"rows":3},"StatusCode":200}"#.to_owned(),
        ),
    )
}

fn failed(millis: i64, error: &str, message: &str) -> Reply {
    let cause = json!({ "errorType": error, "errorMessage": message }).to_string();
    Reply::After(millis, TaskOutcome::Failed { error: error.to_owned(), cause })
}

fn machine(start: &str, states: &[(&str, Value)]) -> Value {
    let states: serde_json::Map<String, Value> =
        states.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect();
    json!({ "QueryLanguage": "JSONata", "StartAt": start, "States": states })
}

fn delivery() -> Value {
    machine(
        "Parse",
        &[
            ("Parse", task("reference-parse", Some("Deliver"))),
            ("Deliver", task("reference-deliver", Some("Report"))),
            ("Report", task("reference-report", None)),
        ],
    )
}

#[test]
fn a_tree_shows_attempts_and_what_was_not_entered() {
    let run = simulated(&delivery(), &mut |function, _, _| match function {
        "reference-deliver" => failed(120, "Deliver.Unavailable", "db.internal:5432: connection refused"),
        _ => ok(420),
    });
    insta::assert_snapshot!("tree-failed", drawn(&delivery(), &run));
    let run = simulated(&delivery(), &mut |function, attempt, _| match (function, attempt) {
        ("reference-deliver", 0) => {
            failed(120, "Deliver.Unavailable", "db.internal:5432: connection refused")
        }
        _ => ok(420),
    });
    insta::assert_snapshot!("tree-succeeded-after-retry", drawn(&delivery(), &run));
}

fn each(body: &Value, next: Option<&str>) -> Value {
    let mut state = json!({
        "Type": "Map",
        "Items": "{% [1..12] %}",
        "MaxConcurrency": 4,
        "ItemProcessor": { "ProcessorConfig": { "Mode": "INLINE" }, "StartAt": "Deliver item", "States": body },
    });
    match next {
        Some(next) => state["Next"] = json!(next),
        None => state["End"] = json!(true),
    }
    state
}

#[test]
fn a_map_shows_counts_and_the_items_that_need_a_look() {
    let body = json!({ "Deliver item": task("reference-deliver", None) });
    let definition = machine(
        "Each file",
        &[("Each file", each(&body, Some("Tell"))), ("Tell", task("reference-tell", None))],
    );
    let run = simulated(&definition, &mut |_, attempt, payload| match (payload.as_u64(), attempt) {
        (Some(3), 0) => failed(100, "Deliver.Unavailable", "connection refused"),
        (Some(9), _) => failed(100, "Deliver.Rejected", "row 17: amount is negative"),
        _ => ok(2_000),
    });
    insta::assert_snapshot!("tree-map", drawn(&definition, &run));
    let culprit = view(&run).culprit().map(|visit| visit.name.clone());
    assert_eq!(culprit.as_deref(), Some("Deliver item"));
}

#[test]
fn states_in_states_of_the_same_kind_belong_to_the_right_one() {
    let leaf = |name: &str| json!({ "StartAt": name, "States": { name: { "Type": "Pass", "End": true } } });
    let inner = json!({ "Type": "Parallel", "Branches": [leaf("A"), leaf("B")], "End": true });
    let outer = json!({
        "Type": "Parallel",
        "Branches": [{ "StartAt": "Inner", "States": { "Inner": inner } }, leaf("C")],
        "Next": "Maps",
    });
    let maps = json!({
        "Type": "Map", "Items": "{% [1, 2] %}", "End": true,
        "ItemProcessor": { "StartAt": "Inner map", "States": { "Inner map": {
            "Type": "Map", "Items": "{% [1, 2] %}", "End": true,
            "ItemProcessor": leaf("D"),
        } } },
    });
    let definition = machine("Outer", &[("Outer", outer), ("Maps", maps)]);
    let run = simulated(&definition, &mut |_, _, _| ok(1));
    let view = view(&run);
    assert!(view.visits.iter().all(|visit| visit.standing == Standing::Succeeded));
    insta::assert_snapshot!("tree-nested", drawn(&definition, &run));
    let items: BTreeMap<&str, Vec<_>> = view.visits.iter().fold(BTreeMap::new(), |mut all, visit| {
        if let Some(items) = visit.items {
            all.entry(visit.name.as_str()).or_insert_with(Vec::new).push((items.total, items.succeeded));
        }
        all
    });
    assert_eq!(items, BTreeMap::from([("Inner map", vec![(2, 2), (2, 2)]), ("Maps", vec![(2, 2)])]));
}

#[test]
fn items_of_a_map_run_are_asked_for_until_it_ends() {
    let event = |id: u64, kind: &str, details: Option<(&str, Value)>| {
        let mut event = json!({ "id": id, "previousEventId": id - 1, "timestamp": 0.0, "type": kind });
        if let Some((key, details)) = details {
            event[key] = details;
        }
        event
    };
    let name = json!({ "name": "Each" });
    let begun = [
        event(1, "ExecutionStarted", None),
        event(2, "MapStateEntered", Some(("stateEnteredEventDetails", name.clone()))),
        event(3, "MapStateStarted", Some(("mapStateStartedEventDetails", json!({ "length": 0 })))),
        event(4, "MapRunStarted", Some(("mapRunStartedEventDetails", json!({ "mapRunArn": "arn:run" })))),
    ];
    let mut view = View::of(&begun);
    let some = |succeeded| Some(Items { total: 3, succeeded, failed: 0 });
    view.count_items(Counted::Ended, |_| panic!("it runs"));
    view.count_items(Counted::All, |arn| some(1).filter(|_| arn == "arn:run"));
    assert_eq!(view.visits[0].items, some(1));
    view.apply(&event(5, "MapRunSucceeded", None));
    view.apply(&event(6, "MapStateSucceeded", None));
    view.apply(&event(7, "MapStateExited", Some(("stateExitedEventDetails", name))));
    view.count_items(Counted::Ended, |_| some(3));
    assert_eq!(view.visits[0].items, some(3));
    view.count_items(Counted::All, |_| panic!("it has ended: its counts are the last ones"));
    let line = crate::tree::line(&view.visits[0], 12, 0, PLAIN);
    assert!(line.contains("3 items  3 ✓"), "{line}");
}

#[test]
fn a_caught_error_is_no_failure_of_the_execution() {
    let mut catching = task("reference-deliver", None);
    catching["Catch"] = json!([{ "ErrorEquals": ["Deliver.Rejected"], "Next": "Park" }]);
    let definition =
        machine("Deliver", &[("Deliver", catching), ("Park", json!({ "Type": "Pass", "End": true }))]);
    let run = simulated(&definition, &mut |_, _, _| failed(50, "Deliver.Rejected", "row 17"));
    insta::assert_snapshot!("tree-caught", drawn(&definition, &run));
    assert!(view(&run).culprit().is_none());
}

#[test]
fn a_failure_says_where_why_and_what_next() {
    let run = simulated(&delivery(), &mut |function, _, _| match function {
        "reference-parse" => failed(
            420,
            "ParseError.MissingColumn",
            "flights.csv:1: no column `dep_delay`; the spec asks for it at feed.toml:14. Columns found: year, month",
        ),
        _ => ok(1),
    });
    let mut failure = Failure::of(&view(&run), "coreview-delivery-20261121-101500-4c1f", "coreview-delivery");
    failure.source = Some("workflows/src/coreview.rs:42".to_owned());
    failure.log = Some("/data/logs/reference-parse.log".to_owned());
    failure.log_tail = vec!["reading flights.csv".to_owned(), "bell \u{7}\u{1b}[2J".to_owned()];
    insta::assert_snapshot!("failure", failure.to_text(PLAIN));
    assert_eq!(failure.to_json()["state"], "Parse");
    let panicked = simulated(&delivery(), &mut |_, _, _| {
        failed(1, "Runtime.ExitError", "RequestId: r Error: Runtime exited with error: exit status 101")
    });
    let failure = Failure::of(&view(&panicked), "n", "w");
    assert!(failure.to_text(PLAIN).contains("the step has a defect"));
}

fn output(already: bool) -> Value {
    let reference = |key: &str, rows: u64| json!({ "bucket": "staging", "key": key, "sha256": "00", "bytes": 1, "rows": rows });
    json!({
        "receipt": {
            "delivery_id": "5f1c2a", "coreview_id": "CV-7", "feed": "flights", "period": "2013",
            "rows": 185, "totals": { "flights": "336776", "distance": "350217607" },
            "delivered_at": "2026-11-21T10:15:00Z", "already_delivered": already,
            "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:coreview-delivery:first",
        },
        "stats": { "files": 1, "rows_in": 336_776, "accepted": 336_764, "rejected": 12 },
        "figures": { "figures": reference("f/figures.csv", 185), "rows": 185 },
        "report": { "html": reference("r/report.html", 0), "json": reference("r/report.json", 0), "lines": 3 },
        "rejects": reference("p/rejects.jsonl", 12),
        "tables": ["coreview_ledger", "coreview_figure"],
    })
}

#[test]
fn a_settlement_says_what_was_taken_in_kept_delivered_and_where_the_report_is() {
    let dir = tempfile::tempdir().expect("temp dir");
    let data = DataDir::create(&dir.path().join("data")).expect("data folder");
    let root = data.journal().display().to_string();
    let frame = Frame {
        workflow: "coreview-commission",
        execution: "coreview-commission-20261121-101500-4c1f",
        took_millis: 913,
        booked_in: Some("sqlite:///data/coreview.db"),
        exported: None,
    };
    let drawn = |output: &Value| {
        Settlement::of(output).expect("a settlement").to_text(frame, &data, PLAIN).replace(&root, "DATA")
    };
    let reference = |key: &str| json!({ "bucket": "staging", "key": key, "sha256": "00", "bytes": 1 });
    let delivery = |market: &str, before: bool| json!({ "market": market, "channel": "coreview-database", "coreview_id": "CV-7", "rows": 12, "already_delivered": before });
    let loaded = json!([{ "rows": 30, "replaced": 1, "unchanged": 0, "rejected": 2, "rejects": reference("p/rejects.jsonl") }, { "rows": 1, "rejected": 0 }]);
    let month = json!({
        "loaded": loaded, "period": "2024-03", "totals": { "payable[currency=EUR]": "24813.77" },
        "deliveries": [delivery("north", false), delivery("south", true)],
        "report": { "html": reference("r/report.html"), "json": reference("r/report.json") },
    });
    insta::assert_snapshot!("settlement", drawn(&month));
    insta::assert_snapshot!("settlement-loaded", drawn(&json!({ "loaded": loaded, "deliveries": [] })));
    let revision = |scope: &str, unchanged: bool, warnings: Value| json!({ "name": "cells", "scope": scope, "number": 2, "rows": 88, "unchanged": unchanged, "warnings": warnings });
    let warned = json!({ "RATE_FALLS": { "rows": 3, "first": "north, line 4: 0.01 after 0.02" } });
    let kept = json!({ "revisions": [revision("year=2024", false, warned), revision("", true, json!({}))] });
    insta::assert_snapshot!("settlement-kept", drawn(&kept));
    let line = receipt::line("coreview-commission 2024-03", 913, &month, &data, PLAIN).replace(&root, "DATA");
    insta::assert_snapshot!("settlement-line", line);
    assert!(Settlement::of(&json!({ "receipt": {} })).is_none(), "a single delivery has a receipt");
}

#[test]
fn a_receipt_says_what_was_delivered_where_and_when_it_was_there_before() {
    let dir = tempfile::tempdir().expect("temp dir");
    let data = DataDir::create(&dir.path().join("data")).expect("data folder");
    let root = data.journal().display().to_string();
    let drawn = |output: &Value, exported: Option<&str>| {
        let frame = Frame {
            workflow: "coreview-delivery",
            execution: "coreview-delivery-20261121-101500-4c1f",
            took_millis: 2_413,
            booked_in: Some("sqlite:///data/coreview.db"),
            exported,
        };
        Summary::of(output).expect("a delivery").to_text(frame, &data, PLAIN).replace(&root, "DATA")
    };
    insta::assert_snapshot!("receipt", drawn(&output(false), Some("figures.csv")));
    insta::assert_snapshot!("receipt-already", drawn(&output(true), None));
    let bare = json!({ "receipt": { "delivery_id": "5f1c2a" } });
    insta::assert_snapshot!("receipt-bare", drawn(&bare, None));
    assert_eq!(receipt::figures(&output(false)).expect("figures").key, "f/figures.csv");
    assert!(Summary::of(&json!({ "rows": 3 })).is_none(), "another workflow's output");
}

//! A delivery that failed is restarted from the terminal, and arrives once.

use std::process::Stdio;

use serde_json::{Value, json};

use super::{coreview, run, succeeded};
use crate::postgres_server::PostgresServer;
use crate::{stepwright, told};

/// A command line that has to succeed, and what it printed.
fn typed(data: &std::path::Path, arguments: &[&str]) -> Value {
    succeeded(&stepwright(data).args(arguments).args(["-o", "json"]).output().expect("stepwright starts"))
}

/// The states of an execution by their names: how many attempts each had.
fn attempts(shown: &Value) -> Vec<(String, u64)> {
    let states = shown["states"].as_array().expect("states").iter();
    states
        .filter(|state| state["type"] == "Task")
        .map(|state| {
            (
                state["name"].as_str().unwrap_or_default().to_owned(),
                state["attempts"].as_u64().unwrap_or_default(),
            )
        })
        .collect()
}

#[test]
fn a_delivery_that_coreview_refused_goes_on_from_there() {
    let data = tempfile::tempdir().expect("a folder");
    // CoreView's tables, and nothing in them; then it takes no figures for a while.
    succeeded(&run(data.path(), &[]));
    let expected = coreview(data.path());
    let database = rusqlite::Connection::open(data.path().join("coreview.db")).expect("opens");
    database
        .execute_batch(
            "DELETE FROM coreview_staging; DELETE FROM coreview_figure; DELETE FROM coreview_ledger;",
        )
        .expect("emptied");
    database
        .execute_batch(
            "CREATE TRIGGER closed BEFORE INSERT ON coreview_figure BEGIN SELECT RAISE(ABORT, 'closed for maintenance'); END",
        )
        .expect("closed");
    let failed = run(data.path(), &["--name", "july"]);
    assert_eq!(failed.status.code(), Some(1), "{}", told(&failed));
    let shown = typed(data.path(), &["show", "july"]);
    assert_eq!((&shown["status"], &shown["redriveStatus"]), (&json!("FAILED"), &json!("REDRIVABLE")));
    assert_eq!(shown["runsAgain"][0]["state"], "Deliver", "{shown}");
    let before = attempts(&shown);

    let plan = typed(data.path(), &["redrive", "july", "--dry-run"]);
    assert_eq!(plan[0]["runsAgain"][0]["path"], "Deliver");
    assert_eq!(plan[0]["kept"], json!(["Parse", "Reconcile", "Calculate", "Stage"]));
    assert!(coreview(data.path()).figures.is_empty(), "nothing is there yet");

    database.execute("DROP TRIGGER closed", []).expect("open again");
    drop(database);
    let redriven =
        typed(data.path(), &["redrive", "july", "--reason", "CoreView is open again", "--wait", "--yes"]);
    assert_eq!((&redriven[0]["outcome"], &redriven[0]["status"]), (&json!("REDRIVEN"), &json!("SUCCEEDED")));
    assert_eq!(redriven[0]["output"]["receipt"]["already_delivered"], false);

    let found = coreview(data.path());
    assert_eq!(found, expected, "delivered, and once");
    assert_eq!(found.ledger.len(), 1);
    let shown = typed(data.path(), &["show", "july"]);
    assert_eq!(
        (&shown["status"], &shown["redrives"][0]["reason"]),
        (&json!("SUCCEEDED"), &json!("CoreView is open again"))
    );
    let after = attempts(&shown);
    // What had succeeded did not run again.
    for (state, count) in &before {
        let more = after.iter().find(|(name, _)| name == state).map(|(_, count)| *count);
        assert_eq!(more, Some(if state == "Deliver" { count + 1 } else { *count }), "{state}");
    }
    // And again: nothing is left to redrive, and nothing is written twice.
    let again =
        stepwright(data.path()).args(["redrive", "july", "--reason", "x", "--yes"]).output().expect("starts");
    assert_eq!(again.status.code(), Some(5), "{}", told(&again));
    assert_eq!(coreview(data.path()), expected);
}

#[test]
fn an_execution_that_waits_for_a_database_is_stopped_and_redriven() {
    let Some(mut server) = PostgresServer::start() else { return };
    server.stop();
    let data = tempfile::tempdir().expect("a folder");
    let url = server.url("postgres");
    let waiting = stepwright(data.path())
        .args(["run", "coreview-delivery", "-o", "json", "--coreview", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    super::postgres::shown_while_it_waits(data.path());
    let process = nix::unistd::Pid::from_raw(i32::try_from(waiting.id()).expect("a process id"));
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).expect("interrupted");
    assert_eq!(waiting.wait_with_output().expect("ends").status.code(), Some(130));

    let stopped =
        typed(data.path(), &["stop", "latest", "--reason", "CoreView is down until tomorrow", "--yes"]);
    assert_eq!(stopped[0]["status"], "ABORTED");
    server.restart();
    let blind = stepwright(data.path())
        .args(["redrive", "latest", "--reason", "x", "--yes"])
        .output()
        .expect("starts");
    assert_eq!(blind.status.code(), Some(5), "it does not guess where CoreView is: {}", told(&blind));
    let arguments =
        ["redrive", "latest", "--reason", "CoreView is up", "--wait", "--yes", "--coreview", &url];
    let redriven = typed(data.path(), &arguments);
    assert_eq!((&redriven[0]["status"], &redriven[0]["redriveCount"]), (&json!("SUCCEEDED"), &json!(1)));
    assert_eq!(super::postgres::deliveries(&server), 1);
}

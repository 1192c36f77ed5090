//! `redrive`, `stop`, and what `list` and `show` say of them.

use super::*;

impl Bench {
    /// A command whose arguments may hold spaces.
    fn with(&self, arguments: &[&str]) -> Done {
        Done::of(&self.command("").args(arguments).output().expect("stepwright runs"))
    }
}

#[test]
fn a_failed_execution_is_redriven_and_the_reason_is_kept() {
    let bench = Bench::new();
    assert_eq!(bench.run("run refuse --input input.json --name r1").code, Some(1));
    let dry = bench.run("redrive latest --dry-run");
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    assert!(dry.out.contains("r1  FAILED") && dry.out.contains("runs again  Refuse (Fail)"), "{}", dry.out);
    let dry = bench.run("redrive r1 --dry-run -o json").json();
    assert_eq!(
        (&dry[0]["outcome"], &dry[0]["redriveStatus"]),
        (&json!("NOT_REDRIVEN"), &json!("REDRIVABLE"))
    );
    assert_eq!(
        (&dry[0]["runsAgain"][0]["state"], &dry[0]["runsAgain"][0]["how"]),
        (&json!("Refuse"), &json!("AGAIN"))
    );
    assert_eq!(bench.run("show r1 -o json").json()["redriveCount"], 0, "a dry run changes nothing");

    let unasked = bench.run("redrive r1 --reason why");
    assert_eq!((unasked.code, unasked.out.as_str()), (Some(2), ""));
    assert!(unasked.err.contains("--yes") && unasked.err.contains("Redrive 1 execution?"), "{}", unasked.err);
    assert_eq!(bench.run("redrive r1 --yes").code, Some(2), "there has to be a reason");

    let done = bench.with(&["redrive", "r1", "--reason", "the stock is there", "--yes", "-o", "json"]);
    assert_eq!(done.code, Some(0), "without --wait it is enough that it was redriven: {}", done.err);
    let result = &done.json()[0];
    assert_eq!(
        (&result["outcome"], &result["status"], &result["redriveCount"]),
        (&json!("REDRIVEN"), &json!("FAILED"), &json!(1))
    );
    let waited = bench.with(&["redrive", "r1", "--reason", "once more", "--yes", "--wait"]);
    assert_eq!(waited.code, Some(1), "{}", waited.err);
    assert!(waited.out.contains("r1  redriven (2)  FAILED"), "{}", waited.out);

    let shown = bench.run("show r1");
    for part in [
        "redrive 1",
        "the stock is there",
        "redrive 2",
        "once more",
        "a redrive (stepwright redrive r1",
        "runs again  Refuse",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let shown = bench.run("show r1 -o json").json();
    assert_eq!(
        (&shown["redriveCount"], &shown["redrives"][0]["reason"], &shown["redriveStatus"]),
        (&json!(2), &json!("the stock is there"), &json!("REDRIVABLE"))
    );
    let events = bench.run("show r1 --events");
    assert_eq!(events.out.matches("ExecutionRedriven").count(), 2, "{}", events.out);
    assert_eq!(bench.run("list -o json").json()[0]["redriveCount"], 2);
}

#[test]
fn redrives_that_are_refused() {
    let bench = Bench::new();
    assert_eq!(bench.run("run double --input input.json --name good").code, Some(0));
    let refused = bench.with(&["redrive", "good", "--reason", "why", "--yes"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(5), ""));
    assert!(refused.err.contains("Execution is SUCCEEDED and cannot be redriven"), "{}", refused.err);
    let refused = bench.with(&["redrive", "good", "--reason", "why", "--yes", "-o", "json"]);
    assert_eq!(refused.code, Some(5));
    assert_eq!(refused.json()[0]["refusal"], "Execution is SUCCEEDED and cannot be redriven");
    assert_eq!(bench.run("redrive good --dry-run").code, Some(5));
    let missing = bench.with(&["redrive", "nobody", "--reason", "why", "--yes"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(3), ""));

    // One of two: it is redriven, and the exit code says that this was not all.
    assert_eq!(bench.run("run refuse --input input.json --name bad").code, Some(1));
    let partly = bench.with(&["redrive", "good", "bad", "bad", "--reason", "why", "--yes", "-q"]);
    assert_eq!((partly.code, partly.out.as_str()), (Some(6), "bad\n"), "{}", partly.err);
    assert!(partly.err.contains("good  SUCCEEDED"), "{}", partly.err);
}

#[test]
fn an_execution_is_stopped_and_goes_on_after_a_redrive() {
    let bench = Bench::new();
    let mut child = bench.waiting();
    let locked = bench.with(&["stop", "latest", "--reason", "why", "--yes"]);
    assert_eq!(locked.code, Some(5), "another process has it");
    signal(&child, "INT");
    assert_eq!(child.wait().expect("ends").code(), Some(130));

    assert_eq!(bench.run("stop latest --yes").code, Some(2), "there has to be a reason");
    let stopped = bench.with(&["stop", "latest", "--reason", "wrong file", "--yes", "-o", "json"]);
    assert_eq!(stopped.code, Some(0), "{}", stopped.err);
    assert_eq!(
        (&stopped.json()[0]["outcome"], &stopped.json()[0]["status"]),
        (&json!("STOPPED"), &json!("ABORTED"))
    );
    let shown = bench.run("show latest -o json").json();
    assert_eq!((&shown["error"], &shown["cause"]), (&json!("Stopped"), &json!("wrong file")));
    let again = bench.with(&["stop", "latest", "--reason", "why", "--yes"]);
    assert_eq!(again.code, Some(5));
    assert!(again.err.contains("had ended: ABORTED"), "{}", again.err);

    // It waits for an hour again: the command does not, and what it began stays.
    let done = bench.with(&["redrive", "latest", "--reason", "it was the right file", "--yes", "-o", "json"]);
    assert_eq!((done.code, &done.json()[0]["status"]), (Some(0), &json!("RUNNING")), "{}", done.err);
    assert_eq!(bench.run("list --status running -q").out.lines().count(), 1);
    let busy = bench.with(&["redrive", "latest", "--reason", "why", "--yes"]);
    assert_eq!(busy.code, Some(5));
    assert!(busy.err.contains("Execution is RUNNING and cannot be redriven"), "{}", busy.err);
}

#[test]
fn a_redrive_delivers_where_the_execution_did() {
    let bench = Bench::new();
    let elsewhere = "run refuse --input input.json --name r1 --coreview sqlite:///nowhere/else.db";
    assert_eq!(bench.run(elsewhere).code, Some(1));
    let refused = bench.with(&["redrive", "r1", "--reason", "why", "--yes"]);
    assert_eq!(refused.code, Some(5), "{}", refused.err);
    assert!(
        refused.err.contains("sqlite:///nowhere/else.db") && refused.err.contains("--coreview"),
        "{}",
        refused.err
    );
    let told = "redrive r1 --reason why --yes --coreview sqlite:///nowhere/else.db";
    assert_eq!(bench.run(told).code, Some(0));
}

#[test]
fn a_list_of_the_last_days() {
    let bench = Bench::new();
    assert_eq!(bench.run("run refuse --input input.json --name r1").code, Some(1));
    assert_eq!(bench.run("run double --input input.json --name d1").code, Some(0));
    assert_eq!(bench.run("list --status failed --since 2d -q").out, "r1\n");
    assert_eq!(bench.run("list --status failed,succeeded --since 1h -q").out, "d1\nr1\n");
    assert_eq!(bench.run("list --since 0s -q").out, "");
    let refused = bench.run("list --since tomorrow");
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("such as 90s, 6h or 2d"), "{}", refused.err);
}

//! What Step Functions and Lambda agree on beyond an answer: how functions are named, how many run,
//! how much memory they have, what they are told, and what is logged of them.

use std::time::Duration;

use engine::{TaskOutcome, TaskRequest};
use serde_json::{Value, json};
use stepwright_server::read_logs;

use crate::host::{Bench, bench, bench_with, request, until};

const TIMEOUT: Duration = Duration::from_secs(20);
const EXECUTION: &str = "arn:aws:states:us-east-1:123456789012:execution:m:e";

/// A task whose `Resource` is the function's ARN.
fn direct(function: &str, input: Value) -> TaskRequest {
    TaskRequest {
        resource: format!("arn:aws:lambda:us-east-1:123456789012:function:{function}"),
        arguments: input,
        ..request("", Value::Null, 1)
    }
}

fn outcome(bench: &Bench, task: TaskRequest) -> TaskOutcome {
    bench.begin(task).recv_timeout(Duration::from_secs(30)).expect("an outcome")
}

fn succeeded(bench: &Bench, task: TaskRequest) -> Value {
    match outcome(bench, task) {
        TaskOutcome::Succeeded(text) => serde_json::from_str(&text).expect("JSON"),
        TaskOutcome::Failed { error, cause } => panic!("{error}: {cause}"),
    }
}

fn failed(bench: &Bench, task: TaskRequest) -> (String, String) {
    match outcome(bench, task) {
        TaskOutcome::Failed { error, cause } => (error, cause),
        TaskOutcome::Succeeded(text) => panic!("expected a failure, got {text:.200}"),
    }
}

#[test]
fn a_function_may_be_the_resource_of_a_state() {
    let bench = bench("echo", TIMEOUT);
    for name in ["app-echo", "app-echo:3", "app-echo:PROD", "app-echo:$LATEST"] {
        assert_eq!(
            succeeded(&bench, direct(name, json!({ "a": [1.50] })))["echo"],
            json!({ "a": [1.50] }),
            "{name}"
        );
    }
    // What a state passes is passed as it is, also where `lambda:invoke` would pass an object.
    assert_eq!(succeeded(&bench, direct("app-echo", Value::Null))["echo"], Value::Null);
    let (error, cause) = failed(&bench, direct("app-nothing:7", json!({})));
    assert_eq!(error, "Lambda.ResourceNotFoundException");
    assert!(cause.contains("function:app-nothing:7 (Service: AWSLambda"), "{cause}");
}

#[test]
fn a_qualifier_is_told_back_and_must_not_contradict_the_name() {
    let bench = bench("echo", TIMEOUT);
    let with = |function: &str, field: &str, value: &str| {
        let mut task = request(function, json!({}), 1);
        task.arguments[field] = json!(value);
        task
    };
    assert_eq!(succeeded(&bench, with("app-echo", "Qualifier", "7"))["ExecutedVersion"], "7");
    assert_eq!(succeeded(&bench, with("app-echo:PROD", "Qualifier", "PROD"))["ExecutedVersion"], "$LATEST");
    let (error, cause) = failed(&bench, with("app-echo:1", "Qualifier", "2"));
    assert_eq!(error, "Lambda.InvalidParameterValueException");
    assert!(cause.starts_with("The derived qualifier from the function name does not match"), "{cause}");

    let dry = succeeded(&bench, with("app-echo", "InvocationType", "DryRun"));
    assert_eq!((&dry["StatusCode"], &dry["Payload"]), (&json!(204), &Value::Null));
    assert_eq!(bench.host.figures()["app-echo"].invocations, 2);
    let event = succeeded(&bench, with("app-echo", "InvocationType", "Event"));
    assert_eq!(event["StatusCode"], 202);
    until(|| (bench.host.figures()["app-echo"].invocations == 3).then_some(()));
}

#[test]
fn reserved_concurrency_throttles_as_on_aws() {
    let bench =
        bench_with("hangs", Duration::from_mins(10), |function| function.reserved_concurrency = Some(1));
    let runs = bench.begin(request("app-hangs", json!({}), 1));
    bench.log_line("app-hangs", "hanging ");
    let (error, cause) = failed(&bench, request("app-hangs", json!({}), 2));
    assert_eq!(error, "Lambda.TooManyRequestsException");
    assert!(
        cause.starts_with(
            "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException;"
        ),
        "{cause}"
    );
    assert_eq!(bench.host.figures()["app-hangs"].throttles, 1);
    drop(runs);

    let off = bench_with("echo", TIMEOUT, |function| function.reserved_concurrency = Some(0));
    assert_eq!(off.failure("app-echo", json!({})).0, "Lambda.TooManyRequestsException");
}

#[cfg(target_os = "linux")]
#[test]
fn more_memory_than_configured_is_the_end_of_a_process() {
    let bench = bench_with("allocates", TIMEOUT, |function| function.memory_mib = 128);
    assert_eq!(bench.payload("app-allocates", json!({ "mib": 16 })), 16 << 20);
    for holds in [false, true] {
        let (error, cause) = bench.failure("app-allocates", json!({ "mib": 160, "holds": holds }));
        assert_eq!(error, "Runtime.ExitError", "{cause}");
        assert!(cause.contains("Error: Runtime exited with error: signal: killed"), "{cause}");
    }
    assert_eq!(bench.payload("app-allocates", json!({ "mib": 16 })), 16 << 20, "a new process serves");
    let report = bench.log_line("app-allocates", "REPORT");
    assert!(report.contains("\tMemory Size: 128 MB\tMax Memory Used: "), "{report}");
}

#[test]
fn a_function_is_told_where_it_stands() {
    let bench = bench("context", TIMEOUT);
    let mut task = direct("app-context:PROD", json!({}));
    task.trace_header =
        Some("Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1".to_owned());
    let seen = succeeded(&bench, task);
    assert_eq!(seen["arn"], "arn:aws:lambda:us-east-1:123456789012:function:app-context:PROD");
    let trace = seen["trace"].as_str().expect("a trace");
    assert!(
        trace.starts_with("Root=1-67891233-abcdef012345678912345678;Parent=")
            && trace.ends_with(";Sampled=1")
    );
    assert!(!trace.contains("53995c3f42cd8ad8"), "a segment of its own: {trace}");
    assert_eq!(seen["client"], Value::Null);
    assert_eq!(seen["folder"], json!(bench.dir.path().canonicalize().expect("a path")));
    let mut hostile = direct("app-context", json!({}));
    hostile.trace_header = Some("Root=1-6\u{7}\r\nEvil: 1;Sampled=9".to_owned());
    let trace = succeeded(&bench, hostile)["trace"].clone();
    let trace = trace.as_str().expect("a trace");
    assert!(
        trace.starts_with("Root=1-") && trace.ends_with(";Sampled=0") && !trace.contains("Evil"),
        "{trace}"
    );
}

#[test]
fn an_execution_finds_what_its_functions_wrote() {
    let bench = bench("context", TIMEOUT);
    succeeded(&bench, direct("app-context", json!({ "say": "mine" })));
    let mut other = direct("app-context", json!({ "say": "another's" }));
    other.key.execution_arn = "arn:aws:states:us-east-1:123456789012:execution:m:other".into();
    succeeded(&bench, other);
    let seen = succeeded(&bench, direct("app-context", json!({ "say": "mine again" })));
    let lines = read_logs(&bench.dir.path().join("logs"), EXECUTION).expect("logs");
    let texts: Vec<&str> = lines
        .iter()
        .map(|line| line.text.as_str())
        .filter(|text| ["START", "said", "END", "REPORT"].iter().any(|word| text.starts_with(word)))
        .map(|text| text.split("RequestId").next().unwrap_or_default().trim())
        .collect();
    assert_eq!(
        texts,
        ["START", "said mine", "END", "REPORT", "START", "said mine again", "END", "REPORT"],
        "{lines:#?}"
    );
    assert_eq!(json!(lines.last().expect("a line").request_id), seen["requestId"]);
}

#[test]
fn what_a_process_says_before_it_fails_to_start_is_in_the_log() {
    let bench = bench("exits-at-start", TIMEOUT);
    bench.failure("app-exits-at-start", json!({}));
    let lines = read_logs(&bench.dir.path().join("logs"), EXECUTION).expect("logs");
    let last: Vec<&str> = lines.iter().rev().take(2).map(|line| line.text.as_str()).collect();
    assert_eq!(last[0], "Runtime.ExitError");
    assert!(last[1].contains("Runtime exited with error: exit status 7"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.text.starts_with("INIT_REPORT Init Duration: ")), "{lines:#?}");
}

#[test]
fn secrets_do_not_reach_the_log() {
    let bench = bench_with("context", TIMEOUT, |function| {
        function.environment.insert("STEPWRIGHT_SECRET_KEY".to_owned(), "hunter2hunter2".to_owned());
    });
    bench.payload("app-context", json!({ "say": "the key is hunter2hunter2" }));
    let log = std::fs::read_to_string(bench.dir.path().join("logs/app-context.log")).expect("a log");
    assert!(log.contains("said the key is *****") && !log.contains("hunter2"), "{log}");
}

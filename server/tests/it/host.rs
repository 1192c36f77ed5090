//! What an invocation comes to, in AWS's words.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use engine::{Completion, TaskHost as _, TaskKey, TaskOutcome, TaskRequest};
use nix::{sys::signal::kill, unistd::Pid};
use serde_json::{Value, json};
use stepwright_server::{Function, RuntimeHost, RuntimeHostError, RuntimeOptions};

use crate::bootstrap::script;

pub(crate) struct Bench {
    pub(crate) host: RuntimeHost,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) fn function(dir: &Path, handler: &str, timeout: Duration) -> Function {
    Function {
        name: format!("app-{handler}"),
        bootstrap: script(dir),
        handler: handler.to_owned(),
        memory_mib: 256,
        timeout,
        environment: BTreeMap::from([("ONLY_HERE".to_owned(), handler.to_owned())]),
        concurrency_max: 2,
        reserved_concurrency: None,
    }
}

pub(crate) fn options(dir: &Path, functions: Vec<Function>) -> RuntimeOptions {
    RuntimeOptions {
        functions,
        environment: BTreeMap::from([("STEPWRIGHT_BUCKET_DROPS".to_owned(), "file:///tmp/drops".to_owned())]),
        log_dir: dir.join("logs"),
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
    }
}

pub(crate) fn bench(handler: &str, timeout: Duration) -> Bench {
    bench_with(handler, timeout, |_| ())
}

pub(crate) fn bench_with(handler: &str, timeout: Duration, change: impl FnOnce(&mut Function)) -> Bench {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut function = function(dir.path(), handler, timeout);
    change(&mut function);
    let host = RuntimeHost::start(options(dir.path(), vec![function])).expect("host starts");
    Bench { host, dir }
}

pub(crate) fn request(function: &str, payload: Value, event: u64) -> TaskRequest {
    let execution_arn = "arn:aws:states:us-east-1:123456789012:execution:m:e".to_owned();
    TaskRequest {
        key: TaskKey { execution_arn: execution_arn.as_str().into(), event_id: event },
        execution_arn,
        state_name: "Step".to_owned(),
        attempt: 0,
        resource: "arn:aws:states:::lambda:invoke".to_owned(),
        arguments: json!({ "FunctionName": function, "Payload": payload }),
        timeout_seconds: None,
        token: None,
        trace_header: None,
    }
}

impl Bench {
    pub(crate) fn begin(&self, task: TaskRequest) -> mpsc::Receiver<TaskOutcome> {
        let (sender, receiver) = mpsc::channel();
        self.host.invoke(task, Completion::new(move |outcome| drop(sender.send(outcome))));
        receiver
    }

    pub(crate) fn invoke(&self, function: &str, payload: Value) -> TaskOutcome {
        self.begin(request(function, payload, 1)).recv_timeout(Duration::from_secs(30)).expect("an outcome")
    }

    pub(crate) fn payload(&self, function: &str, payload: Value) -> Value {
        match self.invoke(function, payload) {
            TaskOutcome::Succeeded(text) => {
                serde_json::from_str::<Value>(&text).expect("JSON")["Payload"].clone()
            }
            TaskOutcome::Failed { error, cause } => panic!("{error}: {cause}"),
        }
    }

    pub(crate) fn failure(&self, function: &str, payload: Value) -> (String, String) {
        match self.invoke(function, payload) {
            TaskOutcome::Failed { error, cause } => (error, cause),
            TaskOutcome::Succeeded(text) => panic!("expected a failure, got {text:.200}"),
        }
    }

    pub(crate) fn log_line(&self, function: &str, starts: &str) -> String {
        until(|| self.host.log_tail(function, 200).into_iter().find(|line| line.starts_with(starts)))
    }
}

/// Asks again and again until there is an answer; for what only the system can tell.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "waited too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn number(line: &str, key: &str) -> i32 {
    let (_, rest) = line.split_once(key).expect("the key is there");
    rest.split_whitespace().next().expect("a value").parse().expect("a number")
}

/// Gone, or a zombie that only waits for its parent to notice.
pub(crate) fn is_gone(pid: i32) -> Option<()> {
    if kill(Pid::from_raw(pid), None).is_err() {
        return Some(());
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().starts_with('Z').then_some(())
}

#[test]
fn a_warm_process_serves_the_next_invocation() {
    let bench = bench("echo", Duration::from_secs(20));
    let first = bench.payload("app-echo", json!({ "amount": 1.50, "name": "Zoë" }));
    assert_eq!(first["echo"], json!({ "amount": 1.50, "name": "Zoë" }));
    let second =
        bench.payload("arn:aws:lambda:us-east-1:123456789012:function:app-echo:$LATEST", json!(null));
    assert_eq!(second["echo"], json!({}), "null is an empty event");
    assert_eq!((&second["pid"], &second["call"]), (&first["pid"], &json!(2)), "same process");

    let figures = bench.host.figures().remove("app-echo").expect("figures");
    assert_eq!((figures.invocations, figures.errors, figures.cold_starts), (2, 0, 1));
    assert!(figures.init_micros_max > 0 && figures.duration_micros_total > 0);
    let log = std::fs::read_to_string(bench.dir.path().join("logs/app-echo.log")).expect("log");
    let reports: Vec<&str> = log.lines().filter(|line| line.contains("\tREPORT RequestId: ")).collect();
    assert_eq!(reports.len(), 2, "{log}");
    assert!(reports[0].contains("Init Duration: ") && !reports[1].contains("Init Duration: "), "{log}");
}

#[test]
fn more_run_side_by_side_up_to_the_limit_and_the_rest_waits() {
    let bench = bench("echo", Duration::from_secs(20));
    let waiting: Vec<_> =
        (0..20).map(|event| bench.begin(request("app-echo", json!(event), event))).collect();
    let mut pids = std::collections::BTreeSet::new();
    for (event, receiver) in waiting.into_iter().enumerate() {
        let TaskOutcome::Succeeded(text) = receiver.recv_timeout(Duration::from_secs(30)).expect("outcome")
        else {
            panic!("echo fails")
        };
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["Payload"]["echo"], event);
        pids.insert(value["Payload"]["pid"].as_u64());
    }
    assert!(pids.len() <= 2, "{pids:?}");
}

#[test]
fn a_function_error_has_the_name_and_text_the_step_gave() {
    let bench = bench("fails", Duration::from_secs(20));
    let (error, cause) = bench.failure("app-fails", json!({}));
    assert_eq!(error, "ParseError.Malformed");
    let cause: Value = serde_json::from_str(&cause).expect("the error object");
    assert_eq!(cause["errorMessage"], "feed.csv:3: no column `amount`");
    assert_eq!(bench.host.figures()["app-fails"].errors, 1);
}

#[test]
fn a_process_that_exits_is_an_exit_error_and_is_replaced() {
    let bench = bench("exits", Duration::from_secs(20));
    for _ in 0..2 {
        let (error, cause) = bench.failure("app-exits", json!({}));
        assert_eq!(error, "Runtime.ExitError");
        assert!(cause.contains("Error: Runtime exited with error: exit status 3"), "{cause}");
        assert!(
            bench.host.log_tail("app-exits", 200).contains(&"last words".to_owned()),
            "said before the end"
        );
    }
    assert_eq!(bench.host.figures()["app-exits"].cold_starts, 2);
}

#[test]
fn a_process_that_crashes_or_never_starts_says_how() {
    let aborts = bench("aborts", Duration::from_secs(20));
    let (error, cause) = aborts.failure("app-aborts", json!({}));
    assert_eq!(error, "Runtime.ExitError");
    assert!(cause.contains("signal: aborted"), "{cause}");

    let early = bench("exits-at-start", Duration::from_secs(20));
    let (error, cause) = early.failure("app-exits-at-start", json!({}));
    assert_eq!(error, "Runtime.ExitError");
    assert!(cause.contains("exit status 7"), "{cause}");

    // It would take an invocation and hang up for ever: the first one it is handed fails.
    let hangs_up = bench("hangs-up", Duration::from_secs(20));
    assert_eq!(hangs_up.failure("app-hangs-up", json!({})).0, "Runtime.ExitError");

    let dir = tempfile::tempdir().expect("temp dir");
    let mut missing = function(dir.path(), "echo", Duration::from_secs(1));
    missing.bootstrap = dir.path().join("no-such-program");
    let host = RuntimeHost::start(options(dir.path(), vec![missing])).expect("host starts");
    let missing = Bench { host, dir };
    let (error, cause) = missing.failure("app-echo", json!({}));
    assert_eq!(error, "Runtime.InvalidEntrypoint");
    assert!(cause.contains("no-such-program"), "{cause}");
}

#[test]
fn a_hang_is_killed_at_its_timeout_with_its_children() {
    let bench = bench("hangs", Duration::from_millis(300));
    let (error, cause) = bench.failure("app-hangs", json!({}));
    assert_eq!(error, "Sandbox.Timedout");
    assert!(cause.contains("Error: Task timed out after 0.30 seconds"), "{cause}");
    let line = bench.log_line("app-hangs", "hanging ");
    until(|| is_gone(number(&line, "pid=")));
    until(|| is_gone(number(&line, "child=")));
}

#[test]
fn a_cancelled_invocation_ends_its_process() {
    let bench = bench("hangs", Duration::from_mins(10));
    let task = request("app-hangs", json!({}), 7);
    let key = task.key.clone();
    let outcome = bench.begin(task);
    let line = bench.log_line("app-hangs", "hanging ");
    bench.host.cancel(&key);
    until(|| is_gone(number(&line, "pid=")));
    // Given up without an answer: an engine that has cancelled does not listen any more.
    let outcome = outcome.recv_timeout(Duration::from_secs(20)).expect("given up");
    assert!(matches!(outcome, TaskOutcome::Failed { error, .. } if error == "Lambda.ServiceException"));
}

#[test]
fn sizes_up_to_six_megabytes_pass_and_more_is_a_typed_error() {
    let bench = bench("sized", Duration::from_mins(1));
    let text = bench.payload("app-sized", json!({ "bytes": 300 * 1024 }));
    assert_eq!(text.as_str().map(str::len), Some(300 * 1024));
    let largest = 6_291_556 - 2; // the quotes
    let text = bench.payload("app-sized", json!({ "bytes": largest }));
    assert_eq!(text.as_str().map(str::len), Some(largest));
    let (error, cause) = bench.failure("app-sized", json!({ "bytes": largest + 1 }));
    assert_eq!(error, "Function.ResponseSizeTooLarge");
    assert!(cause.contains("(6291556 bytes)"), "{cause}");
    let text = bench.payload("app-sized", json!({ "bytes": 1 }));
    assert_eq!(text, "x", "the next invocation is served");
}

#[test]
fn the_environment_is_lambdas_and_nothing_of_ours() {
    let bench = bench("environment", Duration::from_secs(20));
    let environment = bench.payload("app-environment", json!({}));
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "app-environment");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "256");
    assert_eq!(environment["AWS_REGION"], "us-east-1");
    assert_eq!(environment["STEPWRIGHT_BUCKET_DROPS"], "file:///tmp/drops");
    assert_eq!(environment["ONLY_HERE"], "environment");
    assert!(environment["_X_AMZN_TRACE_ID"].as_str().is_some_and(|id| id.starts_with("Root=1-")));
    for ours in ["HOME", "USER", "CARGO", "CARGO_MANIFEST_DIR"] {
        assert_eq!(environment[ours], Value::Null, "{ours} must not reach a step");
    }
    let api = environment["AWS_LAMBDA_RUNTIME_API"].as_str().expect("the address");
    let address: std::net::SocketAddr = api.parse().expect("a host and a port, and nothing else");
    let next = "/2018-06-01/runtime/invocation/next";
    assert_eq!(status_line(address, "/2018-06-01/runtime", &[("host", api)]), "HTTP/1.1 404 Not Found");
    for of_pages in [
        [("host", "evil.example"), ("accept", "*/*")],
        [("host", api), ("origin", "https://evil.example")],
        [("host", api), ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(status_line(address, next, &of_pages), "HTTP/1.1 403 Forbidden", "{of_pages:?}");
    }
    assert_eq!(bench.payload("app-environment", json!({}))["ONLY_HERE"], "environment", "it goes on");
    drop(bench);
    until(|| std::net::TcpStream::connect(address).is_err().then_some(()));
}

fn status_line(address: std::net::SocketAddr, path: &str, headers: &[(&str, &str)]) -> String {
    use std::io::{BufRead as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    write!(stream, "GET {path} HTTP/1.1\r\nconnection: close\r\n").expect("sent");
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n").expect("sent");
    }
    write!(stream, "\r\n").expect("sent");
    let mut line = String::new();
    std::io::BufReader::new(stream).read_line(&mut line).expect("answered");
    line.trim_end().to_owned()
}

#[test]
fn what_is_not_here_is_refused_with_awss_text() {
    let bench = bench("echo", Duration::from_secs(20));
    let (error, cause) = bench.failure("app-nothing", json!({}));
    assert_eq!(error, "Lambda.ResourceNotFoundException");
    assert!(
        cause.starts_with(
            "Function not found: arn:aws:lambda:us-east-1:123456789012:function:app-nothing:$LATEST \
             (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: "
        ),
        "{cause}"
    );
    let mut other = request("app-echo", json!({}), 1);
    other.resource = "arn:aws:states:::sqs:sendMessage".to_owned();
    let outcome = bench.begin(other).recv_timeout(Duration::from_secs(5)).expect("an outcome");
    assert!(matches!(outcome, TaskOutcome::Failed { error, .. } if error == "States.Runtime"));
}

#[test]
fn names_are_checked_at_the_start() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut bad = function(dir.path(), "echo", Duration::from_secs(1));
    bad.name = "../echo".to_owned();
    assert!(matches!(
        RuntimeHost::start(options(dir.path(), vec![bad])),
        Err(RuntimeHostError::FunctionName { .. })
    ));
    let twice = function(dir.path(), "echo", Duration::from_secs(1));
    assert!(matches!(
        RuntimeHost::start(options(dir.path(), vec![twice.clone(), twice])),
        Err(RuntimeHostError::FunctionTwice { .. })
    ));
}

#[test]
fn dropping_the_host_ends_its_processes() {
    let bench = bench("hangs", Duration::from_mins(10));
    let outcome = bench.begin(request("app-hangs", json!({}), 1));
    let line = bench.log_line("app-hangs", "hanging ");
    drop(bench.host);
    until(|| is_gone(number(&line, "pid=")));
    until(|| is_gone(number(&line, "child=")));
    drop(outcome);
}

#[test]
fn functions_are_renewed_while_invocations_run() {
    let bench = bench("until", Duration::from_secs(20));
    let path = |name: &str| bench.dir.path().join(name);
    let with = |environment: &str, concurrency_max: usize| Function {
        environment: BTreeMap::from([("ONLY_HERE".to_owned(), environment.to_owned())]),
        concurrency_max,
        ..function(bench.dir.path(), "until", Duration::from_secs(20))
    };
    let result = |receiver: mpsc::Receiver<TaskOutcome>| match receiver
        .recv_timeout(Duration::from_secs(30))
        .expect("an outcome")
    {
        TaskOutcome::Succeeded(text) => {
            serde_json::from_str::<Value>(&text).expect("JSON")["Payload"].clone()
        }
        TaskOutcome::Failed { error, cause } => json!(format!("{error}: {cause}")),
    };
    bench.host.renew(vec![with("old", 1)]).expect("functions");
    let runs = bench.begin(request("app-until", json!({ "file": path("first") }), 1));
    bench.log_line("app-until", "START");
    std::fs::write(path("second"), "").expect("a file");
    let waits = bench.begin(request("app-until", json!({ "file": path("second") }), 2));

    let new = with("new", 1);
    bench.host.renew(vec![new.clone()]).expect("functions");
    assert_eq!(result(waits), "new", "what waited goes to the new program");
    std::fs::write(path("first"), "").expect("a file");
    assert_eq!(result(runs), "old", "what ran ends where it was");
    let cold_starts_of =
        |bench: &Bench| bench.host.figures().remove("app-until").expect("figures").cold_starts;
    let cold_starts = cold_starts_of(&bench);
    bench.host.renew(vec![new]).expect("functions");
    assert_eq!(bench.payload("app-until", json!({ "file": path("second") })), "new");
    assert_eq!(cold_starts_of(&bench), cold_starts, "a function that is as it was stays warm");

    bench.host.renew(Vec::new()).expect("no functions");
    let gone = bench.failure("app-until", json!({}));
    assert_eq!(gone.0, "Lambda.ResourceNotFoundException");
}

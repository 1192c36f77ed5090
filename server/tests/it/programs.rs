//! Bootstraps as people write them by AWS's documentation, and as they should not be written.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use stepwright_server::{InvokeRefusal, InvokeRequest};

use crate::bootstrap::program;
use crate::host::{Bench, bench, bench_with, is_gone, number, request, until};

/// AWS, "Tutorial: Building a custom runtime": its `bootstrap` and its function, in one file.
const OF_THE_TUTORIAL: &str = r#"#!/bin/sh
set -eu
function_of() {
  echo "$1" 1>&2
  echo "Echoing request: '$1'"
}
while true
do
  HEADERS="$(mktemp)"
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  RESPONSE=$(function_of "$EVENT_DATA" | sed 's/"//g; s/.*/"&"/')
  curl -sS "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response" -d "$RESPONSE" >/dev/null
done
"#;

/// One that takes the address apart, as AWS's runtime clients of Node.js and Python do.
const IN_PYTHON: &str = r#"
import http.client, json, os, urllib.request
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
host, port = api.split(":")
while True:
    answer = urllib.request.urlopen("http://%s/2018-06-01/runtime/invocation/next" % api)
    event, of = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    connection = http.client.HTTPConnection(host, int(port))
    if event.get("fails"):
        error = json.dumps({"errorType": "Bad", "errorMessage": "no"})
        connection.request("POST", "/2018-06-01/runtime/invocation/%s/error" % of, error)
    else:
        connection.request("POST", "/2018-06-01/runtime/invocation/%s/response" % of, json.dumps([event, os.getpid()]))
    assert connection.getresponse().status == 202
"#;

/// What a bootstrap in the shell needs.
const ASK: &str = r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
ask() { id=$(curl -sS -D - -o /dev/null "$api/invocation/next" | grep -i request-id | tr -d '[:space:]' | cut -d: -f2); }
answer() { curl -sS -o /dev/null -d "$1" "$api/invocation/$id/response"; }
"#;

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("SKIPPED: {tool} is not there");
    }
    found
}

fn of(text: &str) -> Bench {
    bench_with("program", Duration::from_secs(20), |function| {
        let folder = function.bootstrap.parent().expect("a folder").to_owned();
        function.bootstrap = program(&folder, text);
        function.memory_mib = 128;
    })
}

fn shell(script: &str) -> Bench {
    of(&format!("{ASK}{script}"))
}

#[test]
fn a_bootstrap_of_awss_tutorial_runs() {
    if !has("curl") {
        return;
    }
    let bench = of(OF_THE_TUTORIAL);
    for _ in 0..2 {
        assert_eq!(bench.payload("app-program", json!({ "a": 1 })), json!("Echoing request: '{a:1}'"));
    }
    assert_eq!(bench.host.figures()["app-program"].cold_starts, 1);
}

#[test]
fn a_bootstrap_that_takes_the_address_apart_runs() {
    if !has("python3") {
        return;
    }
    let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let python = String::from_utf8(python.expect("it runs").stdout).expect("a path");
    let bench = of(&format!("#!{}\n{IN_PYTHON}", python.trim()));
    let first = bench.payload("app-program", json!({ "b": 2 }));
    assert_eq!(first[0], json!({ "b": 2 }));
    assert_eq!(bench.failure("app-program", json!({ "fails": true })).0, "Bad");
    assert_eq!(bench.payload("app-program", json!({}))[1], first[1], "the same process");
}

#[test]
fn another_user_of_the_machine_gets_nothing() {
    if !nix::unistd::geteuid().is_root() || !has("curl") {
        eprintln!("SKIPPED: only root can be somebody else");
        return;
    }
    let bench = bench("environment", Duration::from_secs(20));
    let environment = bench.payload("app-environment", json!({}));
    let url = format!("http://{}/none", environment["AWS_LAMBDA_RUNTIME_API"].as_str().expect("an address"));
    let status = |user: u32| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &url]).uid(user).current_dir("/");
        String::from_utf8(curl.output().expect("it runs").stdout).expect("a status")
    };
    assert_eq!((status(0).as_str(), status(65_534).as_str()), ("404", "000"));
}

#[test]
fn memory_counts_from_the_start() {
    if !has("python3") {
        return;
    }
    let bench = of("#!/bin/sh\nexec python3 -c \"import time; a = b'a' * 400000000; time.sleep(60)\"\n");
    let began = Instant::now();
    let (error, cause) = bench.failure("app-program", json!({}));
    assert_eq!(error, "Runtime.ExitError");
    assert!(cause.contains("signal: killed"), "{cause}");
    assert!(began.elapsed() < Duration::from_secs(9), "not only when the start takes too long");
}

#[test]
fn what_a_function_leaves_behind_ends_with_it() {
    if !has("curl") || !has("setsid") {
        return;
    }
    let leave = "setsid sh -c 'echo left=$$ >&2; exec sleep 600' </dev/null &\n";
    let left = |bench: &Bench| number(&bench.log_line("app-program", "left="), "left=");
    let bench = shell(&format!("({leave}) \nask\nsleep 0.2\nexit 1\n"));
    assert_eq!(bench.failure("app-program", json!({})).0, "Runtime.ExitError");
    until(|| is_gone(left(&bench)));
    let bench = shell(&format!("({leave})\nwhile true; do ask; sleep 0.2; answer '1'; done\n"));
    bench.payload("app-program", json!({}));
    let left = left(&bench);
    assert!(is_gone(left).is_none(), "it goes on as long as its process is there");
    drop(bench);
    until(|| is_gone(left));
}

#[test]
fn the_memory_of_what_was_left_behind_counts() {
    if !has("curl") || !has("python3") {
        return;
    }
    let take = "(setsid python3 -c \"import time; a = b'a' * 400000000; time.sleep(60)\" </dev/null &)\n";
    let bench = shell(&format!("ask\n{take}sleep 60\n"));
    let (error, cause) = bench.failure("app-program", json!({}));
    assert_eq!(error, "Runtime.ExitError");
    assert!(cause.contains("signal: killed"), "{cause}");
}

#[test]
fn what_is_written_after_the_answer_holds_nobody_up() {
    if !has("curl") {
        return;
    }
    // More than a pipe holds.
    let late = "head -c 300000 /dev/zero | tr '\\0' x; echo; echo late";
    let bench = shell(&format!("while true; do ask; answer '1'; {late}; done\n"));
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(bench.payload("app-program", json!({})), json!(1));
    }
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(bench.host.figures()["app-program"].cold_starts, 1);
    assert_eq!(bench.log_line("app-program", "late"), "late");
}

#[test]
fn a_client_that_asks_again_is_answered() {
    if !has("curl") {
        return;
    }
    let impatient = "curl -sS -m 0.3 \"$api/invocation/next\" >/dev/null 2>&1\necho asks-again\n";
    let bench = shell(&format!("ask; answer 1\n{impatient}while true; do ask; answer \"$$\"; done\n"));
    assert_eq!(bench.payload("app-program", json!({})), json!(1));
    // The line is in the log of the next invocation; until then only time tells.
    let asked = Instant::now() + Duration::from_millis(600);
    until(|| (Instant::now() > asked).then_some(()));
    assert!(bench.payload("app-program", json!({})).is_number());
    assert_eq!(bench.host.figures()["app-program"].cold_starts, 1, "the same process");
}

#[test]
fn a_caller_whose_function_goes_is_told_so() {
    let bench = bench_with("until", Duration::from_secs(20), |function| function.concurrency_max = 1);
    let file = bench.dir.path().join("go");
    let busy = bench.begin(request("app-until", json!({ "file": file }), 1));
    until(|| (bench.host.figures()["app-until"].cold_starts == 1).then_some(()));
    let host = bench.host.clone();
    let waits = std::thread::spawn(move || {
        let request = InvokeRequest {
            function: "app-until".to_owned(),
            payload: json!({ "file": "/" }).to_string(),
            ..InvokeRequest::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(host.call(request))
    });
    // Whether it waits already, or comes to find nothing: it is told the same.
    bench.host.renew(Vec::new()).expect("nothing is wrong");
    let refused = waits.join().expect("it ends").expect_err("refused");
    assert!(matches!(refused, InvokeRefusal::NotFound { .. }), "{refused}");
    std::fs::write(&file, "").expect("written");
    busy.recv_timeout(Duration::from_secs(30)).expect("it ends where it is");
    assert_eq!(bench.host.figures(), BTreeMap::new());
}

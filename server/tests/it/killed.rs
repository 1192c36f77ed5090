//! Nothing of ours keeps running when we are killed without warning.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use engine::{Completion, TaskHost as _, TaskKey, TaskRequest};
use serde_json::json;
use stepwright_server::RuntimeHost;

use crate::{
    bootstrap::script,
    host::{function, is_gone, number, options, until},
};

/// Not a test: a host with one busy step, which says who it is and waits to be killed.
#[test]
fn victim() {
    let Ok(dir) = std::env::var("STEPWRIGHT_TEST_VICTIM") else { return };
    let dir = std::path::Path::new(&dir);
    let hangs = function(dir, "hangs", Duration::from_mins(10));
    let host = RuntimeHost::start(options(dir, vec![hangs])).expect("host starts");
    let execution_arn = "arn:aws:states:us-east-1:123456789012:execution:m:e".to_owned();
    let task = TaskRequest {
        key: TaskKey { execution_arn: execution_arn.as_str().into(), event_id: 1 },
        execution_arn,
        state_name: "Step".to_owned(),
        attempt: 0,
        resource: "arn:aws:states:::lambda:invoke".to_owned(),
        arguments: json!({ "FunctionName": "app-hangs", "Payload": {} }),
        timeout_seconds: None,
        token: None,
        trace_header: None,
    };
    host.invoke(task, Completion::new(|_| ()));
    eprintln!(
        "victim {}",
        until(|| host.log_tail("app-hangs", 200).into_iter().find(|line| line.starts_with("hanging ")))
    );
    std::thread::park();
}

#[test]
fn a_busy_step_and_its_children_die_with_a_killed_host() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut host = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "killed::victim", "--nocapture", "--test-threads=1"])
        .env("STEPWRIGHT_TEST_VICTIM", dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("host starts");
    let mut lines = BufReader::new(host.stderr.take().expect("its output")).lines();
    let line = lines
        .find_map(|line| line.ok().filter(|line| line.contains("victim hanging ")))
        .expect("the victim says who works for it");
    let (step, child) = (number(&line, "pid="), number(&line, "child="));
    assert!(is_gone(step).is_none() && is_gone(child).is_none(), "both run");
    host.kill().expect("kill -9");
    host.wait().expect("waited");
    until(|| is_gone(step));
    until(|| is_gone(child));
}

#[test]
fn an_idle_bootstrap_leaves_by_itself_when_the_connection_breaks() {
    let dir = tempfile::tempdir().expect("temp dir");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut bootstrap = Command::new(script(dir.path()))
        .env("_HANDLER", "echo")
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "app-echo")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("bootstrap starts");
    let (stream, _) = listener.accept().expect("it connects");
    let mut first = String::new();
    BufReader::new(&stream).read_line(&mut first).expect("it asks");
    assert_eq!(first.trim_end(), "GET /2018-06-01/runtime/invocation/next HTTP/1.1");
    drop(listener);
    drop(stream);
    until(|| bootstrap.try_wait().ok().flatten().map(drop));
}

//! Many connections, long polls, and the end of a server.

use std::thread;
use std::time::Instant;

use serde_json::json;

use super::*;

fn activity(endpoint: &Endpoint) -> (String, String) {
    let created = endpoint.call("CreateActivity", &json!({ "name": "a" })).json();
    let activity = created["activityArn"].as_str().expect("an ARN").to_owned();
    let definition = json!({
        "StartAt": "T", "States": { "T": { "Type": "Task", "Resource": activity, "End": true } }
    });
    let machine = endpoint.machine("works", "STANDARD", &definition);
    (activity, machine)
}

#[test]
fn a_worker_that_waits_gets_the_next_task() {
    let endpoint = Endpoint::open();
    let (activity, machine) = activity(&endpoint);
    let mut worker = endpoint.client();
    worker.begin("GetActivityTask", &json!({ "activityArn": activity, "workerName": "w" }));
    let started =
        endpoint.call("StartExecution", &json!({ "stateMachineArn": machine, "input": "[1]" })).json();
    let task = worker.reply().expect("a task").json();
    assert_eq!(task["input"], "[1]");
    let done = worker.call("SendTaskSuccess", &json!({ "taskToken": task["taskToken"], "output": "2" }));
    assert_eq!(done.json(), json!({}));
    let ended =
        endpoint.api.engine().wait(started["executionArn"].as_str().expect("an ARN")).expect("it ends");
    assert_eq!(ended.output.as_deref(), Some("2"));
}

#[test]
fn a_thousand_workers_that_wait_hold_nobody_up_and_share_the_tasks() {
    const WORKERS: usize = 1_000;
    const TASKS: usize = 20;
    let endpoint = Endpoint::open();
    let (activity, machine) = activity(&endpoint);
    let mut workers: Vec<Client> = (0..WORKERS).map(|_| endpoint.client()).collect();
    for worker in &mut workers {
        worker.begin("GetActivityTask", &json!({ "activityArn": activity }));
    }
    let began = Instant::now();
    assert_eq!(endpoint.call("ListStateMachines", &json!({})).status, 200);
    for _ in 0..TASKS {
        assert_eq!(endpoint.call("StartExecution", &json!({ "stateMachineArn": machine })).status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // The end of the server is an answer for who still waits.
    let mut endpoint = endpoint;
    let taken = |endpoint: &Endpoint| endpoint.api.engine().open_executions().len();
    assert_eq!(taken(&endpoint), TASKS);
    thread::scope(|scope| {
        let replies = scope.spawn(|| {
            workers.iter_mut().map(|worker| worker.reply().expect("an answer").json()).collect::<Vec<_>>()
        });
        let server = endpoint.server.take().expect("it runs");
        // Those that were woken are on their way to their task.
        crate::host::until(|| metrics_say_started(server.addresses()[0], TASKS).then_some(()));
        server.shutdown(Duration::from_secs(10));
        let replies = replies.join().expect("all are answered");
        let with_task = replies.iter().filter(|reply| reply["taskToken"].is_string()).count();
        assert_eq!(with_task, TASKS);
        assert_eq!(replies.len(), WORKERS);
    });
}

fn metrics_say_started(address: std::net::SocketAddr, tasks: usize) -> bool {
    let metrics = Client::connect(address).get("/metrics", &[]).body;
    metrics.lines().any(|line| line.starts_with("ActivitiesStarted{") && line.ends_with(&format!(" {tasks}")))
}

#[test]
fn a_worker_that_has_gone_takes_no_task() {
    let endpoint = Endpoint::open();
    let (activity, machine) = activity(&endpoint);
    let mut gone = endpoint.client();
    gone.begin("GetActivityTask", &json!({ "activityArn": activity }));
    // Its poll has begun when one behind it on the same connection was read; then it hangs up.
    drop(gone);
    let mut worker = endpoint.client();
    worker.begin("GetActivityTask", &json!({ "activityArn": activity }));
    crate::host::until(|| (endpoint.call("ListActivities", &json!({})).status == 200).then_some(()));
    endpoint.call("StartExecution", &json!({ "stateMachineArn": machine }));
    assert!(worker.reply().expect("a task").json()["taskToken"].is_string());
}

#[test]
fn who_has_sent_all_and_says_so_is_answered() {
    let endpoint = Endpoint::open();
    for _ in 0..20 {
        let mut client = endpoint.client();
        client.begin("CreateActivity", &json!({ "name": "half" }));
        client.close_our_half();
        assert_eq!(client.reply().expect("an answer").status, 200);
        assert!(client.reply().is_none(), "and the connection ends");
    }
}

#[test]
fn what_is_under_way_is_answered_before_the_end() {
    let mut endpoint = Endpoint::open();
    let machine = endpoint.machine("x", "EXPRESS", &wait(1));
    let mut client = endpoint.client();
    client.begin("StartSyncExecution", &json!({ "stateMachineArn": machine }));
    crate::host::until(|| (!endpoint.api.engine().open_executions().is_empty()).then_some(()));
    let server = endpoint.server.take().expect("it runs");
    let address = server.addresses()[0];
    server.shutdown(Duration::from_secs(20));
    assert_eq!(client.reply().expect("an answer").json()["status"], "SUCCEEDED");
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let endpoint = Endpoint::with(Setup { limits, ..Setup::default() });
    let mut open = [endpoint.client(), endpoint.client()];
    for client in &mut open {
        assert_eq!(client.get("/healthz", &[]).status, 200);
    }
    let mut third = endpoint.client();
    third.send("GET /healthz HTTP/1.1", &[], b"");
    drop(open);
    assert_eq!(third.reply().expect("an answer").status, 200);
}

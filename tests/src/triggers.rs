//! Events and messages across kills of the real process: each that was acknowledged starts one
//! execution, and none starts two. And how many a second there may be.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::wire::Connection;

/// How often the process is killed.
const KILLS: usize = 3;
/// After how many acknowledgements it is killed the first time; later each time.
const KILLED_AFTER: usize = 75;
/// How long everything may take to arrive after the last start.
const PATIENCE: Duration = Duration::from_mins(1);

const TRIGGERS: &str = r#"
[[Queues]]
QueueName = "work"
Attributes = { VisibilityTimeout = 2 }

[[Queues]]
QueueName = "copy"

[[Rules]]
Name = "lab"
EventPattern = { source = ["lab"] }
Targets = [
    { Id = "run", Arn = "arn:aws:states:us-east-1:123456789012:stateMachine:lab", InputPath = "$.detail" },
    { Id = "copy", Arn = "arn:aws:sqs:us-east-1:123456789012:copy", InputPath = "$.detail" },
]

[[Pipes]]
Name = "lab"
Source = "arn:aws:sqs:us-east-1:123456789012:work"
Target = "arn:aws:states:us-east-1:123456789012:stateMachine:lab"
SourceParameters = { SqsQueueParameters = { BatchSize = 4 } }
TargetParameters = { StepFunctionStateMachineParameters = { InvocationType = "FIRE_AND_FORGET" }, InputTemplate = "<$.body>" }
"#;

/// A `stepwright dev` that can be killed.
struct Dev {
    process: Child,
    address: SocketAddr,
}

impl Dev {
    fn start(folder: &Path) -> Self {
        let triggers = folder.join("triggers.toml");
        std::fs::write(&triggers, TRIGGERS).expect("a file");
        let mut process = Command::new(crate::binaries().join("stepwright"))
            .args(["dev", "--no-app", "--listen", "127.0.0.1:0", "-o", "json", "--log", "error", "--data"])
            .arg(folder.join("data"))
            .arg("--triggers")
            .arg(triggers)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let announced: Value = serde_json::from_str(&line).expect("JSON");
        let endpoint = announced["endpoint"].as_str().expect("an endpoint");
        let address = endpoint.trim_start_matches("http://").parse().expect("an address");
        Self { process, address }
    }

    fn kill(mut self) {
        self.process.kill().expect("it is killed");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Nothing to do about one that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn call(connection: &mut Connection, target: &str, parameters: &Value) -> std::io::Result<Value> {
    match connection.call_target(target, parameters).await? {
        (200, answer) => Ok(answer),
        (status, answer) => Err(std::io::Error::other(format!("{target}: {status} {answer}"))),
    }
}

async fn make_machine(address: SocketAddr, kind: &str) {
    let mut connection = Connection::open(address).await.expect("a connection");
    let definition = r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } }"#;
    let role = "arn:aws:iam::123456789012:role/lab";
    let machine = json!({ "name": "lab", "definition": definition, "roleArn": role, "type": kind });
    connection.succeed("CreateStateMachine", &machine).await.expect("a state machine");
}

/// Sends events and messages until the process is gone; answers the numbers that were acknowledged.
async fn send(address: SocketAddr, mut next: u64, told: watch::Sender<usize>) -> (Vec<u64>, u64) {
    let mut acknowledged = Vec::new();
    let Ok(mut connection) = Connection::open(address).await else { return (acknowledged, next) };
    loop {
        let numbers: Vec<u64> = (next..next + 5).collect();
        next += 10;
        let event =
            |n: &u64| json!({ "Source": "lab", "DetailType": "n", "Detail": json!({ "n": n }).to_string() });
        let entries: Vec<Value> = numbers.iter().map(event).collect();
        match call(&mut connection, "AWSEvents.PutEvents", &json!({ "Entries": entries })).await {
            Ok(answer) => assert_eq!(answer["FailedEntryCount"], 0),
            Err(_) => return (acknowledged, next),
        }
        acknowledged.extend(&numbers);
        told.send_replace(acknowledged.len());
        let messages: Vec<u64> = (next - 5..next).collect();
        let message = |n: &u64| json!({ "Id": n.to_string(), "MessageBody": json!({ "n": n }).to_string() });
        let entries: Vec<Value> = messages.iter().map(message).collect();
        match call(
            &mut connection,
            "AmazonSQS.SendMessageBatch",
            &json!({ "QueueUrl": queue("work"), "Entries": entries }),
        )
        .await
        {
            Ok(answer) => assert!(answer.get("Failed").is_none(), "{answer}"),
            Err(_) => return (acknowledged, next),
        }
        acknowledged.extend(&messages);
    }
}

/// How often each number started an execution.
async fn executions(connection: &mut Connection) -> BTreeMap<u64, u32> {
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:lab";
    let (mut found, mut token) = (BTreeMap::new(), Value::Null);
    loop {
        let list = json!({ "stateMachineArn": machine, "maxResults": 1000, "nextToken": token });
        let page = connection.succeed("ListExecutions", &list).await.expect("a page");
        for one in page["executions"].as_array().expect("executions") {
            let arn = json!({ "executionArn": one["executionArn"] });
            let described = connection.succeed("DescribeExecution", &arn).await.expect("an execution");
            let input: Value =
                serde_json::from_str(described["input"].as_str().expect("an input")).expect("JSON");
            // A pipe brings several.
            let items = input.as_array().cloned().unwrap_or_else(|| vec![input]);
            for item in items {
                *found.entry(item["n"].as_u64().expect("a number")).or_default() += 1;
            }
        }
        token = page["nextToken"].clone();
        if token.is_null() {
            return found;
        }
    }
}

async fn copies(connection: &mut Connection) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::new();
    loop {
        let receive =
            json!({ "QueueUrl": queue("copy"), "MaxNumberOfMessages": 10, "VisibilityTimeout": 600 });
        let answer = call(connection, "AmazonSQS.ReceiveMessage", &receive).await.expect("an answer");
        let Some(messages) = answer["Messages"].as_array() else { return found };
        for message in messages {
            let body: Value = serde_json::from_str(message["Body"].as_str().expect("a body")).expect("JSON");
            *found.entry(body["n"].as_u64().expect("a number")).or_default() += 1;
        }
    }
}

/// The URL of a queue: the host may be any.
fn queue(name: &str) -> String {
    format!("http://127.0.0.1/123456789012/{name}")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

#[test]
fn what_was_acknowledged_starts_one_execution_whenever_the_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime();
    let (mut acknowledged, mut next) = (Vec::new(), 0);
    for round in 0..KILLS {
        let dev = Dev::start(folder.path());
        if round == 0 {
            runtime.block_on(make_machine(dev.address, "STANDARD"));
        }
        let (told, mut heard) = watch::channel(0);
        let sending = runtime.spawn(send(dev.address, next, told));
        // Somewhere in the middle of it, elsewhere each time.
        let enough = runtime.block_on(heard.wait_for(|count| *count >= KILLED_AFTER * (round + 1)));
        enough.expect("it sends until it is killed");
        dev.kill();
        let (more, end) = runtime.block_on(sending).expect("it sends");
        acknowledged.extend(more);
        next = end;
    }
    assert!(acknowledged.len() > 30, "only {} were acknowledged: the test says nothing", acknowledged.len());
    let dev = Dev::start(folder.path());
    runtime.block_on(async {
        let mut connection = Connection::open(dev.address).await.expect("a connection");
        let begun = Instant::now();
        let found = loop {
            let found = executions(&mut connection).await;
            if acknowledged.iter().all(|n| found.contains_key(n)) {
                break found;
            }
            let missing = acknowledged.iter().filter(|n| !found.contains_key(n)).count();
            assert!(begun.elapsed() < PATIENCE, "{missing} of {} started nothing", acknowledged.len());
        };
        let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "started more than once: {twice:?}");
        let copies = copies(&mut connection).await;
        let events: Vec<u64> = acknowledged.iter().copied().filter(|n| n % 10 < 5).collect();
        let missing: Vec<_> = events.iter().filter(|n| copies.get(n) != Some(&1)).collect();
        assert!(missing.is_empty(), "not once in the queue: {missing:?}");
    });
}

/// Run by hand, with binaries of `--release`: 1,000 events a second into an Express workflow for
/// ten seconds, in batches of ten, over ten connections.
#[test]
#[ignore = "measures the machine it runs on"]
fn a_thousand_events_a_second_are_stored_within_100_ms() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path());
    let runtime = runtime();
    runtime.block_on(make_machine(dev.address, "EXPRESS"));
    let times = runtime.block_on(async {
        let clients: Vec<_> = (0..10).map(|client| tokio::spawn(at_a_rate(dev.address, client))).collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.await.expect("a client"));
        }
        times
    });
    let mut times = times;
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    eprintln!("{} batches: p50 {:?}, p95 {:?}, max {:?}", times.len(), at(50), at(95), at(100));
    assert!(at(95) < Duration::from_millis(100));
}

/// Ten batches of ten events a second, for ten seconds; answers how long each took to be stored.
async fn at_a_rate(address: SocketAddr, client: u64) -> Vec<Duration> {
    let mut connection = Connection::open(address).await.expect("a connection");
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut times = Vec::new();
    for batch in 0..100 {
        ticks.tick().await;
        let event = |n: u64| json!({ "Source": "lab", "DetailType": "n", "Detail": json!({ "n": n, "client": client, "batch": batch }).to_string() });
        let entries: Vec<Value> = (0..10).map(event).collect();
        let begun = Instant::now();
        let answer = call(&mut connection, "AWSEvents.PutEvents", &json!({ "Entries": entries }))
            .await
            .expect("stored");
        times.push(begun.elapsed());
        assert_eq!(answer["FailedEntryCount"], 0);
    }
    times
}

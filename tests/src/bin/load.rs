//! Puts load on any server of the Step Functions API and prints what it measured
//! as one line of JSON. `cargo xtask bench http` runs it against ours and others'.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line tool speaks on the terminal")]
#![expect(clippy::indexing_slicing, reason = "only JSON is indexed, and a field that is missing is null")]

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use stepwright_tests::wire::Connection;

const ROLE: &str = "arn:aws:iam::123456789012:role/service-role/load";
/// How long the end of an execution is waited for between two questions, first and later.
const POLLS_MILLIS: [u64; 4] = [5, 10, 20, 40];

#[derive(Parser)]
#[command(name = "load", about = "Puts load on a server of the Step Functions API")]
struct Arguments {
    /// Where the server is.
    #[arg(long)]
    address: SocketAddr,
    /// What is done.
    #[arg(long, value_enum)]
    workload: Workload,
    /// Executions to run.
    #[arg(long, default_value_t = 1_000)]
    executions: usize,
    /// Connections at a time.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Of `mixed` and `ingest`: how long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Of `ingest`: events a second.
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// A chain of ten Pass states.
    W1,
    /// A Map over 100 items, one Pass inside.
    W2,
    /// A chain of five Task states that call the function `replay`, a real process.
    W3,
    /// A chain of five Pass states, one execution at a time.
    W4,
    /// Calls of several operations on many connections.
    Mixed,
    /// Events at a steady rate, each into an Express workflow.
    Ingest,
}

impl Workload {
    fn definition(self) -> Value {
        match self {
            Self::W1 | Self::Mixed => chain(10),
            Self::W4 | Self::Ingest => chain(5),
            Self::W3 => tasks(5),
            Self::W2 => json!({ "StartAt": "Each", "States": { "Each": {
                "Type": "Map", "ItemsPath": "$.items", "End": true, "ItemProcessor": {
                    "ProcessorConfig": { "Mode": "INLINE" },
                    "StartAt": "One", "States": { "One": { "Type": "Pass", "End": true } },
                },
            } } }),
        }
    }

    const fn transitions(self) -> usize {
        match self {
            Self::W1 | Self::Mixed => 10,
            Self::W2 => 101,
            Self::W3 | Self::W4 | Self::Ingest => 5,
        }
    }

    fn input(self) -> String {
        match self {
            Self::W2 => json!({ "items": (0..100).collect::<Vec<_>>() }).to_string(),
            _ => json!({ "order": "A-1", "amount": 12.5, "lines": [1, 2, 3] }).to_string(),
        }
    }
}

fn chain(length: usize) -> Value {
    states(length, &json!({ "Type": "Pass" }))
}

fn tasks(length: usize) -> Value {
    states(
        length,
        &json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": { "FunctionName": "replay", "Payload.$": "$" },
            "OutputPath": "$.Payload",
        }),
    )
}

/// So many states of one kind, one after the other.
fn states(length: usize, kind: &Value) -> Value {
    let states = (0..length).map(|at| {
        let next =
            if at + 1 < length { ("Next", json!(format!("S{}", at + 1))) } else { ("End", json!(true)) };
        let mut state = kind.clone();
        state[next.0] = next.1;
        (format!("S{at}"), state)
    });
    json!({ "StartAt": "S0", "States": states.collect::<serde_json::Map<_, _>>() })
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> io::Result<Value> {
    let mut connection = Connection::open(arguments.address).await?;
    let workload = arguments.workload;
    let machine = machine(&mut connection, workload).await?;
    if workload == Workload::Ingest {
        return ingest(arguments, &machine).await;
    }
    for _ in 0..3 {
        execute(&mut connection, &machine, &workload.input(), workload == Workload::W4).await?;
    }
    if workload == Workload::Mixed {
        return mixed(arguments, &machine).await;
    }
    let lanes = if workload == Workload::W4 { 1 } else { arguments.connections };
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut running = Vec::new();
    for _ in 0..lanes {
        let mut connection = Connection::open(arguments.address).await?;
        let (next, machine, count) = (Arc::clone(&next), machine.clone(), arguments.executions);
        running.push(tokio::spawn(async move {
            let (input, mut latencies) = (workload.input(), Vec::new());
            while next.fetch_add(1, Ordering::Relaxed) < count {
                let began = Instant::now();
                execute(&mut connection, &machine, &input, workload == Workload::W4).await?;
                latencies.push(began.elapsed());
            }
            io::Result::Ok(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for lane in running {
        latencies.extend(lane.await.map_err(io::Error::other)??);
    }
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "figures for reading")]
    let (executions, transitions) =
        (arguments.executions as f64, (arguments.executions * workload.transitions()) as f64);
    Ok(json!({
        "executions": arguments.executions,
        "transitions": arguments.executions * workload.transitions(),
        "seconds": seconds,
        "executions_per_second": (executions / seconds).round(),
        "transitions_per_second": (transitions / seconds).round(),
        "p50_ms": percentile(&mut latencies, 50),
        "p99_ms": percentile(&mut latencies, 99),
    }))
}

async fn machine(connection: &mut Connection, workload: Workload) -> io::Result<String> {
    let name = format!("load-{}", std::process::id());
    let kind = if workload == Workload::Ingest { "EXPRESS" } else { "STANDARD" };
    let definition = workload.definition().to_string();
    let parameters = json!({ "name": name, "definition": definition, "roleArn": ROLE, "type": kind });
    let created = connection.succeed("CreateStateMachine", &parameters).await?;
    Ok(created["stateMachineArn"].as_str().unwrap_or_default().to_owned())
}

/// One execution from its start until its end is seen.
async fn execute(
    connection: &mut Connection,
    machine: &str,
    input: &str,
    is_latency: bool,
) -> io::Result<()> {
    let started =
        connection.succeed("StartExecution", &json!({ "stateMachineArn": machine, "input": input })).await?;
    let question = json!({ "executionArn": started["executionArn"] });
    let mut polls = POLLS_MILLIS.into_iter();
    loop {
        let described = connection.succeed("DescribeExecution", &question).await?;
        match described["status"].as_str() {
            Some("SUCCEEDED") => return Ok(()),
            Some("RUNNING") => {}
            status => return Err(io::Error::other(format!("an execution ended {status:?}"))),
        }
        let millis = if is_latency { 1 } else { polls.next().unwrap_or(40) };
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

/// Many connections that start, describe, list and read histories.
async fn mixed(arguments: &Arguments, machine: &str) -> io::Result<Value> {
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut running = Vec::new();
    for lane in 0..arguments.connections {
        let mut connection = Connection::open(arguments.address).await?;
        let machine = machine.to_owned();
        running.push(tokio::spawn(async move {
            let mut seen = Seen::default();
            // They do not all begin at once, and each thinks between two calls.
            tokio::time::sleep(Duration::from_millis(lane as u64 % 1_000)).await;
            while Instant::now() < until {
                seen.round(&mut connection, &machine).await;
                tokio::time::sleep(THINK).await;
            }
            seen
        }));
    }
    let mut all = Seen::default();
    for lane in running {
        all.add(lane.await.map_err(io::Error::other)?);
    }
    Ok(json!({
        "connections": arguments.connections,
        "seconds": arguments.seconds,
        "calls": all.starts.len() + all.describes.len() + all.others.len(),
        "errors": all.errors,
        "first_error": all.first_error,
        "start_p50_ms": percentile(&mut all.starts, 50),
        "start_p95_ms": percentile(&mut all.starts, 95),
        "describe_p50_ms": percentile(&mut all.describes, 50),
        "describe_p95_ms": percentile(&mut all.describes, 95),
        "other_p95_ms": percentile(&mut all.others, 95),
    }))
}

/// Events come when they come: one that has to wait for its connection has waited, too. An event is
/// stored when its start is acknowledged.
async fn ingest(arguments: &Arguments, machine: &str) -> io::Result<Value> {
    let count = arguments.seconds * arguments.rate;
    let next = Arc::new(AtomicU64::new(0));
    let (began, between) =
        (Instant::now(), Duration::from_secs(1) / u32::try_from(arguments.rate).unwrap_or(1));
    let mut running = Vec::new();
    for _ in 0..arguments.connections {
        let mut connection = Connection::open(arguments.address).await?;
        let (next, machine) = (Arc::clone(&next), machine.to_owned());
        running.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let event = next.fetch_add(1, Ordering::Relaxed);
                if event >= count {
                    return io::Result::Ok(latencies);
                }
                let comes = began + between * u32::try_from(event).unwrap_or(u32::MAX);
                tokio::time::sleep_until(comes.into()).await;
                let input = json!({ "event": event, "source": "press-7", "value": 12.5 }).to_string();
                let start = json!({ "stateMachineArn": machine, "input": input });
                connection.succeed("StartExecution", &start).await?;
                latencies.push(comes.elapsed());
            }
        }));
    }
    let mut latencies = Vec::new();
    for lane in running {
        latencies.extend(lane.await.map_err(io::Error::other)??);
    }
    Ok(json!({
        "events": count,
        "seconds": began.elapsed().as_secs_f64(),
        "transitions": count * arguments.workload.transitions() as u64,
        "p50_ms": percentile(&mut latencies, 50),
        "p95_ms": percentile(&mut latencies, 95),
        "p99_ms": percentile(&mut latencies, 99),
    }))
}

/// What a caller of `mixed` does between two rounds: nothing.
const THINK: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Seen {
    starts: Vec<Duration>,
    describes: Vec<Duration>,
    others: Vec<Duration>,
    errors: usize,
    first_error: Option<String>,
}

impl Seen {
    async fn round(&mut self, connection: &mut Connection, machine: &str) {
        let start = json!({ "stateMachineArn": machine, "input": "{\"order\":\"A-1\"}" });
        let (started, took) = timed(connection, "StartExecution", &start).await;
        self.starts.push(took);
        let arn = self.checked(started)["executionArn"].clone();
        let of_execution = json!({ "executionArn": arn });
        let (described, took) = timed(connection, "DescribeExecution", &of_execution).await;
        self.describes.push(took);
        self.checked(described);
        for (operation, parameters) in [
            ("GetExecutionHistory", json!({ "executionArn": arn, "maxResults": 20 })),
            ("ListExecutions", json!({ "stateMachineArn": machine, "maxResults": 10 })),
            ("DescribeStateMachine", json!({ "stateMachineArn": machine })),
        ] {
            let (answer, took) = timed(connection, operation, &parameters).await;
            self.others.push(took);
            self.checked(answer);
        }
    }

    fn checked(&mut self, answer: io::Result<Value>) -> Value {
        answer.unwrap_or_else(|error| {
            self.errors += 1;
            self.first_error.get_or_insert_with(|| error.to_string());
            Value::Null
        })
    }

    fn add(&mut self, other: Self) {
        self.starts.extend(other.starts);
        self.describes.extend(other.describes);
        self.others.extend(other.others);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

async fn timed(
    connection: &mut Connection,
    operation: &str,
    parameters: &Value,
) -> (io::Result<Value>, Duration) {
    let began = Instant::now();
    let answer = connection.succeed(operation, parameters).await;
    (answer, began.elapsed())
}

fn percentile(latencies: &mut [Duration], percent: usize) -> f64 {
    latencies.sort();
    let at = latencies.len().saturating_sub(1) * percent / 100;
    latencies.get(at).map_or(f64::NAN, |latency| (latency.as_secs_f64() * 1e6).round() / 1e3)
}

//! The workloads, and the clients that drive an engine with them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use engine::{Completion, Engine, EngineOptions, StartExecution, TaskHost, TaskOutcome, TaskRequest};

/// A state machine, and how much of it makes a round.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    definition: fn() -> String,
    /// States that one execution enters.
    pub(crate) transitions: usize,
    /// Executions of one round.
    pub(crate) per_round: usize,
}

/// W1: ten Pass states, one after the other.
pub(crate) const PASS_CHAIN: Workload =
    Workload { name: "w1", definition: || passes(10, None), transitions: 10, per_round: 10_000 };
/// W2: a Map over 100 items with one Pass inside.
pub(crate) const MAP_OF_100: Workload =
    Workload { name: "w2", definition: map_of_100, transitions: 101, per_round: 1_000 };
/// W3: five Task states that a host in this process answers at once.
pub(crate) const FIVE_TASKS: Workload =
    Workload { name: "w3", definition: five_tasks, transitions: 5, per_round: 4_000 };
/// W4: five Pass states.
pub(crate) const FIVE_PASSES: Workload =
    Workload { name: "w4", definition: || passes(5, None), transitions: 5, per_round: 1_000 };
/// One Pass state.
pub(crate) const ONE_PASS: Workload =
    Workload { name: "one", definition: || passes(1, None), transitions: 1, per_round: 1_000 };
/// 100 events, the last of which enters a Wait state.
pub(crate) const HUNDRED_EVENTS_THEN_WAIT: Workload =
    Workload { name: "recovery", definition: || passes(49, Some(WAIT)), transitions: 50, per_round: 1_000 };
/// Waits for longer than any figure takes.
pub(crate) const WAIT_FOR_TIMER: Workload =
    Workload { name: "timer", definition: || passes(1, Some(WAIT)), transitions: 2, per_round: 1_000 };
/// Waits for a token that nobody sends.
pub(crate) const WAIT_FOR_TOKEN: Workload =
    Workload { name: "token", definition: || passes(1, Some(TOKEN)), transitions: 2, per_round: 1_000 };

const WAIT: &str = r#"{"Type":"Wait","Seconds":86400,"End":true}"#;
const TOKEN: &str = r#"{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","End":true,
    "Parameters":{"FunctionName":"f","Payload":{"token.$":"$$.Task.Token"}}}"#;

fn passes(count: usize, last: Option<&str>) -> String {
    let mut states: Vec<String> = (1..=count)
        .map(|number| match (number == count, last) {
            (true, None) => format!(r#""S{number}":{{"Type":"Pass","End":true}}"#),
            (true, Some(_)) => format!(r#""S{number}":{{"Type":"Pass","Next":"Last"}}"#),
            (false, _) => format!(r#""S{number}":{{"Type":"Pass","Next":"S{}"}}"#, number + 1),
        })
        .collect();
    states.extend(last.map(|state| format!(r#""Last":{state}"#)));
    format!(r#"{{"StartAt":"S1","States":{{{}}}}}"#, states.join(","))
}

fn map_of_100() -> String {
    r#"{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","End":true,"ItemProcessor":
        {"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}"#
        .to_owned()
}

fn five_tasks() -> String {
    let task = |number: usize| {
        let next =
            if number == 5 { r#""End":true"#.to_owned() } else { format!(r#""Next":"T{}""#, number + 1) };
        format!(
            r#""T{number}":{{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f",{next}}}"#
        )
    };
    let states: Vec<String> = (1..=5).map(task).collect();
    format!(r#"{{"StartAt":"T1","States":{{{}}}}}"#, states.join(","))
}

/// Answers every call at once.
struct AtOnce;

impl TaskHost for AtOnce {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        done.finish(TaskOutcome::Succeeded(r#"{"done":true}"#.to_owned()));
    }
}

/// A state machine in an engine, and what its executions are started with.
pub(crate) struct Machine {
    arn: String,
    input: String,
}

pub(crate) fn open(directory: &Path) -> Engine {
    Engine::open(EngineOptions::new(directory, Arc::new(AtOnce))).expect("the engine opens")
}

pub(crate) fn put(engine: &Engine, workload: &Workload) -> Machine {
    let put = engine.put_state_machine(workload.name, &(workload.definition)(), None).expect("a definition");
    let items: Vec<String> = (0..100).map(|number| format!(r#"{{"id":{number}}}"#)).collect();
    let input = match workload.name {
        "w2" => format!(r#"{{"items":[{}]}}"#, items.join(",")),
        _ => r#"{"order":"4711","lines":[{"sku":"A-1","qty":3},{"sku":"B-7","qty":1}],"total":"129.90"}"#
            .to_owned(),
    };
    Machine { arn: put.state_machine_arn, input }
}

fn start(engine: &Engine, machine: &Machine) -> String {
    let request = StartExecution {
        state_machine: machine.arn.clone(),
        input: machine.input.clone(),
        ..StartExecution::default()
    };
    engine.start_execution(request).expect("it starts").execution_arn
}

/// Every client starts an execution, waits for its end, and starts the next one.
pub(crate) fn closed_loop(engine: &Engine, machine: &Machine, clients: usize, executions: usize) {
    each(clients, executions, &|| {
        let arn = start(engine, machine);
        let ended = engine.wait(&arn).expect("it ends");
        assert!(ended.output.is_some(), "{ended:?}");
    });
}

/// Starts executions that do not end.
pub(crate) fn start_only(engine: &Engine, machine: &Machine, clients: usize, executions: usize) {
    each(clients, executions, &|| {
        start(engine, machine);
    });
    engine.settle().expect("it settles");
}

fn each(clients: usize, times: usize, work: &(dyn Fn() + Sync)) {
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while begun.fetch_add(1, Ordering::Relaxed) < times {
                    work();
                }
            });
        }
    });
}

/// Milliseconds from the start of each execution until its end is known.
pub(crate) fn latencies(engine: &Engine, machine: &Machine, executions: usize) -> Vec<f64> {
    let one = || {
        let began = Instant::now();
        let arn = start(engine, machine);
        engine.wait(&arn).expect("it ends");
        began.elapsed().as_secs_f64() * 1e3
    };
    (0..executions).map(|_| one()).collect()
}

/// The events of one execution, as the API shows them.
pub(crate) fn events_of_one(engine: &Engine, machine: &Machine) -> Vec<String> {
    let arn = start(engine, machine);
    engine.wait(&arn).expect("it ends");
    let history = engine.execution_history(&arn, false, 0, None).expect("a history");
    history.iter().map(|event| serde_json::to_string(event).expect("JSON")).collect()
}

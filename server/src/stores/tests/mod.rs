//! The stores with an engine, at the time of a clock that stands still.

mod events;
mod pipes;
mod schedules;
mod triggers;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::registry::{CreateStateMachine, StateMachineType};
use engine::{
    Completion, Engine, EngineOptions, ExecutionFilter, ManualClock, Status, TaskHost, TaskRequest,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::http::JsonError;

/// 2026-01-31T10:00:00Z.
const NOW: i64 = 1_769_853_600_000;
const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:work";
const ROLE: &str = "arn:aws:iam::123456789012:role/any";
/// How long something that happens on another thread may take.
const PATIENCE: Duration = Duration::from_secs(30);

struct NoTasks;

impl TaskHost for NoTasks {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

/// Stores and their engine, with a state machine `work` that passes its input on.
struct Lab {
    folder: Option<TempDir>,
    clock: ManualClock,
    engine: Engine,
    stores: Stores,
}

impl Lab {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap(), NOW)
    }

    fn at(folder: TempDir, now: i64) -> Self {
        let clock = ManualClock::at(now);
        let engine = open_engine(folder.path(), &clock);
        let stores = Stores::open(folder.path(), &engine, Arc::new(clock.clone())).unwrap();
        Self { folder: Some(folder), clock, engine, stores }
    }

    /// Ends everything, and opens it again at a time.
    fn again(mut self, now: i64) -> Self {
        let folder = self.folder.take().unwrap();
        drop(self);
        Self::at(folder, now)
    }

    #[expect(clippy::needless_pass_by_value, reason = "who calls has no further use for the parameters")]
    fn run(&self, service: &str, operation: &str, parameters: Value) -> Result<Value, JsonError> {
        let inner = &self.stores.inner;
        match service {
            "sqs" => inner.queues.run(operation, &parameters),
            "events" => inner.events.run(operation, &parameters),
            "scheduler" => inner.schedules.run(operation, &parameters),
            _ => inner.pipes.run_operation(operation, &parameters),
        }
    }

    fn ok(&self, service: &str, operation: &str, parameters: Value) -> Value {
        self.run(service, operation, parameters).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    fn code(&self, service: &str, operation: &str, parameters: Value) -> String {
        self.run(service, operation, parameters).expect_err(operation).code.into_owned()
    }

    fn queue(&self, name: &str) -> String {
        let made = self.ok("sqs", "CreateQueue", json!({ "QueueName": name }));
        made["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// Bodies and attributes of what is in a queue, without taking it.
    fn messages(&self, name: &str) -> Vec<(String, Value)> {
        let read = self.stores.inner.shared.database.read(|connection| {
            let query = "SELECT body, coalesce(attributes, '{}') FROM messages JOIN queues ON queues.id = queue_id \
                         WHERE name = ?1 ORDER BY messages.id";
            let query = query.replace("attributes, '{}'", "messages.attributes, '{}'");
            let mut statement = connection.prepare(&query)?;
            let rows = statement.query_map([name], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<Vec<(String, String)>>>()?)
        });
        let read = read.unwrap().into_iter();
        read.map(|(body, attributes)| (body, serde_json::from_str(&attributes).unwrap())).collect()
    }

    /// Inputs of the executions that have succeeded so far, oldest first.
    fn inputs(&self) -> Vec<Value> {
        let status = Some(Status::Succeeded);
        let filter = ExecutionFilter { status, limit: Some(10_000), ..ExecutionFilter::default() };
        let mut all = self.engine.list_executions(&filter).unwrap();
        all.sort_by_key(|execution| execution.start_millis);
        let of = |arn: &str| {
            let described = self.engine.describe_execution(arn).unwrap();
            serde_json::from_str(&described.input).unwrap()
        };
        all.iter().map(|execution| of(&execution.execution_arn)).collect()
    }

    /// Waits until something is so.
    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            std::thread::yield_now();
        }
    }

    /// Waits until nothing is to be delivered, and every execution has ended.
    fn settle(&self) {
        self.until("all deliveries arrived", |lab| {
            let count = "SELECT (SELECT count(*) FROM deliveries WHERE due_millis <= ?1) + (SELECT count(*) FROM pipe_batches)";
            let now = lab.clock_millis();
            lab.stores.inner.shared.database.read(|connection| database::count(connection, count, [now])).unwrap() == 0
        });
        self.until("all executions ended", |lab| lab.engine.open_executions().is_empty());
    }

    fn clock_millis(&self) -> i64 {
        use engine::Clock as _;
        self.clock.now_millis()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stores.close();
        self.engine.clone().shutdown();
    }
}

fn open_engine(folder: &Path, clock: &ManualClock) -> Engine {
    let mut options = EngineOptions::new(folder, Arc::new(NoTasks));
    options.clock = Arc::new(clock.clone());
    let engine = Engine::open(options).unwrap();
    let definition = r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } }"#;
    engine.put_state_machine("work", definition, None).unwrap();
    let definition =
        r#"{ "StartAt": "A", "States": { "A": { "Type": "Wait", "Seconds": 200, "End": true } } }"#;
    let waits = CreateStateMachine {
        name: "waits".to_owned(),
        definition: definition.to_owned(),
        role_arn: ROLE.to_owned(),
        kind: StateMachineType::Express,
        ..CreateStateMachine::default()
    };
    engine.create_state_machine(waits).unwrap();
    engine
}

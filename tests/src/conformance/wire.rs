//! The way to the engine through the endpoint, and cases that are one execution
//! on that way: created, started, described, and their histories read, by HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::simulate::Reply;
use engine::{Clock as _, TaskKey, TaskRequest};
use serde_json::{Value, json};
use server::http::{Authentication, JsonApi, JsonProtocol, Limits, Server, ServerOptions, States};
use server::{Api, Metrics};
use tokio::runtime::Runtime;

use super::Transport;
use super::bindings::Bindings;
use super::case::Case;
use super::exec::{self, Ended};
use super::report::Verdict;
use super::script::{Refusal, Service};
use super::stubs::Stubs;
use super::world::{World, lock};
use crate::wire::Connection;

/// How long executions may take, in milliseconds of virtual time: as long as AWS lets them.
const PATIENCE_MILLIS: i64 = 366 * 86_400_000;
const LOG_GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:conformance:*";

/// A server before an API, and a connection to it.
pub(super) struct Wire {
    server: Server,
    client: Runtime,
    connection: Mutex<Connection>,
}

impl Wire {
    pub(super) fn open(api: &Api) -> Result<Self, String> {
        let (limits, metrics) = (Limits::default(), Arc::<Metrics>::default());
        let states: Vec<Arc<dyn JsonApi>> = vec![Arc::new(States::new(api.clone(), metrics))];
        let server = Server::start(ServerOptions {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            names: Vec::new(),
            limits,
            is_authenticated: false,
            services: vec![Arc::new(JsonProtocol::new(states, Authentication::open(), limits.body_time))],
        });
        let server = server.map_err(|error| error.to_string())?;
        let failed = |error: std::io::Error| format!("no connection: {error}");
        let client = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let address = server.addresses().first().copied().ok_or("the server does not listen")?;
        let connection = Mutex::new(client.block_on(Connection::open(address)).map_err(failed)?);
        Ok(Self { server, client, connection })
    }

    pub(super) fn call(&self, operation: &str, parameters: &Value) -> Result<Value, Refusal> {
        let mut connection = lock(&self.connection);
        match self.client.block_on(connection.call(operation, parameters)) {
            Ok((200, answer)) => Ok(answer),
            Ok((http_status, answer)) => {
                let code = answer["__type"].as_str().unwrap_or_default();
                let code = code.rsplit('#').next().unwrap_or_default().to_owned();
                let message = answer["message"].as_str().unwrap_or_default().to_owned();
                Err(Refusal { code, message, http_status })
            }
            Err(error) => {
                Err(Refusal { code: "Connection".to_owned(), message: error.to_string(), http_status: 0 })
            }
        }
    }

    pub(super) fn close(self) {
        drop(self.connection);
        self.server.shutdown(Duration::from_secs(1));
    }
}

/// Runs a case that is one execution.
pub(super) fn run(case: &Case) -> Verdict {
    let bindings = exec::bindings(case);
    let world = Stubs::new(case, &bindings).and_then(|stubs| World::open(stubs, Transport::Http));
    let mut world = match world {
        Ok(world) => world,
        Err(reason) => return Verdict::not_run(case, &reason),
    };
    exec::prepare_all(case, &bindings, &world.objects);
    let ended = execute(&mut world, case, &bindings);
    world.close();
    match ended {
        Ok(ended) => exec::compare(case, &ended, &bindings),
        Err(reason) => Verdict::not_run(case, &reason),
    }
}

fn execute(world: &mut World, case: &Case, bindings: &Bindings) -> Result<Ended, String> {
    let options = exec::options(case, bindings);
    let input = exec::input(case, bindings).map_err(|error| format!("the input is not JSON: {error}"))?;
    let workers = Workers::hired(world, case, bindings)?;
    let mut create = json!({
        "name": options.state_machine_name,
        "definition": exec::definition(case, bindings),
        "roleArn": options.role_arn.clone().unwrap_or_else(|| {
            engine::arn::role_arn(engine::arn::DEFAULT_ACCOUNT, &options.state_machine_name)
        }),
    });
    if let Some(logging) = case.body.get("logging") {
        world.prepare("logs", "create_log_group", &json!({ "logGroupName": "conformance" }));
        create["loggingConfiguration"] = json!({
            "level": logging["level"],
            "includeExecutionData": logging["includeExecutionData"],
            "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": LOG_GROUP } }],
        });
    }
    let machine = called(world, "CreateStateMachine", create)?["stateMachineArn"].clone();
    let start = json!({
        "stateMachineArn": machine, "name": options.execution_name, "input": input.to_string(),
    });
    let arn = called(world, "StartExecution", start)?["executionArn"].clone();
    let of_execution = json!({ "executionArn": arn });
    let watched = options.watch_millis.unwrap_or(PATIENCE_MILLIS);
    pass_time(world, &workers, arn.as_str().unwrap_or_default(), watched)?;
    let described = called(world, "DescribeExecution", of_execution.clone())?;
    let text = |field: &str| described[field].as_str().map(str::to_owned);
    Ok(Ended {
        status: text("status").unwrap_or_default(),
        output: text("output"),
        error: text("error"),
        cause: text("cause"),
        history: history(world, of_execution)?,
        logs: Value::Array(world.logs()),
    })
}

fn called(world: &mut World, operation: &str, parameters: Value) -> Result<Value, String> {
    let answer = world.call(operation, parameters);
    answer.map_err(|refusal| format!("{operation} is refused: {}: {}", refusal.code, refusal.message))
}

fn history(world: &mut World, mut request: Value) -> Result<Value, String> {
    let mut events = Vec::new();
    loop {
        let mut page = called(world, "GetExecutionHistory", request.clone())?;
        if let Some(page) = page["events"].as_array_mut() {
            events.append(page);
        }
        if page["nextToken"].is_null() {
            return Ok(Value::Array(events));
        }
        request["nextToken"] = page["nextToken"].take();
    }
}

/// Until the execution has ended, or for so long.
fn pass_time(world: &mut World, workers: &Workers, arn: &str, millis: i64) -> Result<(), String> {
    let until = world.clock.now_millis() + millis;
    loop {
        world.settle();
        if world.is_over(arn) {
            return Ok(());
        }
        if !workers.work(world)? && !world.jump(until) {
            return Ok(());
        }
    }
}

/// The workers of the case's activities: they take a task, and do with it what
/// the actors of the case do, when its time has come.
struct Workers {
    /// ARN of the activity, and the worker's name.
    hired: Vec<(String, Option<String>)>,
}

impl Workers {
    fn hired(world: &mut World, case: &Case, bindings: &Bindings) -> Result<Self, String> {
        let mut hired = Vec::new();
        for actor in case.list("actors") {
            let actor = bindings.fill(actor);
            let Some(arn) = actor["activity"].as_str() else { continue };
            let name = arn.rsplit(':').next().unwrap_or_default();
            called(world, "CreateActivity", json!({ "name": name }))?;
            hired.push((arn.to_owned(), actor["worker_name"].as_str().map(str::to_owned)));
        }
        Ok(Self { hired })
    }

    /// Takes a task that waits; `false` = there was none.
    fn work(&self, world: &mut World) -> Result<bool, String> {
        for (arn, worker) in &self.hired {
            let mut poll = json!({ "activityArn": arn });
            if let Some(worker) = worker {
                poll["workerName"] = json!(worker);
            }
            let task = called(world, "GetActivityTask", poll)?;
            let Some(token) = task["taskToken"].as_str() else { continue };
            take(world, arn, token, &task["input"]);
            return Ok(true);
        }
        Ok(false)
    }
}

fn take(world: &World, arn: &str, token: &str, input: &Value) {
    let arguments = serde_json::from_str(input.as_str().unwrap_or_default()).unwrap_or_default();
    let task = TaskRequest {
        key: TaskKey { execution_arn: "".into(), event_id: 0 },
        execution_arn: String::new(),
        state_name: String::new(),
        attempt: 0,
        resource: arn.to_owned(),
        arguments,
        timeout_seconds: None,
        token: Some(token.to_owned()),
        trace_header: None,
    };
    let reply = lock(&world.host.stubs).answer(&task);
    if let Reply::Steps(steps) = reply {
        world.host.intend(token, steps);
    }
}

//! The endpoint over real connections.

mod client;
mod connections;
mod functions;
mod fuzz;
mod operations;
mod security;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{Clock, Completion, Engine, EngineOptions, SystemClock, TaskHost, TaskRequest};
use serde_json::{Value, json};
use stepwright_server::http::{
    Authentication, Credentials, JsonApi, JsonProtocol, Limits, Own, Probes, Server, ServerOptions, States,
    Throttle,
};
use stepwright_server::{Api, Metrics};
use tempfile::TempDir;

use client::{Client, Reply};

/// Calls nothing: these tests need no tasks of functions.
struct NoTasks;

impl TaskHost for NoTasks {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

/// A server with an engine of its own.
pub(crate) struct Endpoint {
    pub(crate) api: Api,
    pub(crate) server: Option<Server>,
    _folder: TempDir,
}

/// How an endpoint differs from the usual one.
#[derive(Default)]
struct Setup {
    limits: Limits,
    credentials: Option<Credentials>,
    names: Vec<String>,
    throttle: Option<Throttle>,
}

impl Endpoint {
    fn open() -> Self {
        Self::with(Setup::default())
    }

    fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let metrics = Arc::<Metrics>::default();
        let engine = engine(folder.path(), &metrics);
        let api = Api::new(engine.clone()).with_activity_poll(Duration::from_secs(20));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let authentication = match setup.credentials {
            Some(credentials) => Authentication::keys([credentials], clock),
            None => Authentication::open(),
        };
        let states = States::new(api.clone(), Arc::clone(&metrics)).with_throttle(setup.throttle);
        let apis: Vec<Arc<dyn JsonApi>> = vec![Arc::new(states), Arc::new(Own::new(api.clone()))];
        let options = ServerOptions {
            listen: vec!["127.0.0.1:0".parse().expect("an address")],
            names: setup.names,
            limits: setup.limits,
            is_authenticated: !authentication.is_open(),
            services: vec![
                Arc::new(Probes::new(engine, metrics, authentication.clone())),
                Arc::new(JsonProtocol::new(apis, authentication, setup.limits.body_time)),
            ],
        };
        let server = Server::start(options).expect("the server starts");
        Self { api, server: Some(server), _folder: folder }
    }

    fn client(&self) -> Client {
        let server = self.server.as_ref().expect("it runs");
        Client::connect(server.addresses()[0])
    }

    /// Calls an operation on a connection of its own.
    fn call(&self, operation: &str, parameters: &Value) -> Reply {
        self.client().call(operation, parameters)
    }

    fn machine(&self, name: &str, kind: &str, definition: &Value) -> String {
        let created = self.call(
            "CreateStateMachine",
            &json!({
                "name": name, "definition": definition.to_string(), "type": kind,
                "roleArn": "arn:aws:iam::123456789012:role/r",
            }),
        );
        assert_eq!(created.status, 200, "{created:?}");
        created.json()["stateMachineArn"].as_str().expect("an ARN").to_owned()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown(Duration::from_secs(2));
        }
        self.api.engine().clone().shutdown();
    }
}

fn engine(folder: &Path, metrics: &Arc<Metrics>) -> Engine {
    let observer: Arc<Metrics> = Arc::clone(metrics);
    let options = EngineOptions { observer: Some(observer), ..EngineOptions::new(folder, Arc::new(NoTasks)) };
    Engine::open(options).expect("the engine opens")
}

fn pass() -> Value {
    json!({ "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } })
}

fn wait(seconds: u32) -> Value {
    json!({ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": seconds, "End": true } } })
}

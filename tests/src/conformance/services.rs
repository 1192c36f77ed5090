//! Cases that need services, in real time: the integrations send their tasks to
//! a simulated account, and what the services answer is compared with what AWS
//! answered.
//!
//! The account is a moto server that somebody else starts. What it says in
//! other words than AWS, or leaves out, differs here: the runs are compared
//! with a list of such cases.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use engine::{
    Completion, Engine, EngineOptions, StartExecution, Status, TaskHost, TaskKey, TaskOutcome, TaskRequest,
};
use serde_json::{Value, json};
use server::{AwsSettings, Integrations};

use super::bindings::Bindings;
use super::case::{Case, Kind};
use super::exec::{self, Ended};
use super::functions::Functions;
use super::report::Verdict;

/// Services that cases are run with.
const PROVIDED: [&str; 9] =
    ["aws-sdk-sfn", "dynamodb", "events", "lambda", "nested-sfn", "s3", "secretsmanager", "sns", "sqs"];

/// How long an execution is waited for.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long an actor takes to act on a message.
const MESSAGE_DELAY: Duration = Duration::from_secs(1);

/// Whether a case is one execution that needs services, none of which is missing here. Readers and
/// writers of distributed Maps have the engine's own store: they call no service.
pub fn needs_services(case: &Case) -> bool {
    let needs = case.list("requires");
    let provided = needs.iter().all(|need| need.as_str().is_some_and(|need| PROVIDED.contains(&need)));
    let definition = case.body["definition"].to_string();
    let reads_items = ["\"ItemReader\"", "\"ResultWriter\""].iter().any(|field| definition.contains(field));
    case.kind == Kind::Exec && !needs.is_empty() && provided && !reads_items && case.quarantine().is_none()
}

/// Simulated services.
#[derive(Debug)]
pub struct Services {
    endpoint: String,
    functions: Functions,
    numbered: AtomicUsize,
}

impl Services {
    /// Services at an endpoint, with functions at one of our own.
    pub fn at(endpoint: &str) -> std::io::Result<Arc<Self>> {
        let functions = Functions::start()?;
        Ok(Arc::new(Self { endpoint: endpoint.to_owned(), functions, numbered: AtomicUsize::new(0) }))
    }

    /// Runs a case.
    pub(super) fn run(&self, case: &Case) -> Verdict {
        match Run::prepare(self, case).and_then(|run| run.execute(case).map(|ended| (run, ended))) {
            Ok((run, ended)) => exec::compare(case, &ended, &run.bindings),
            Err(reason) => Verdict::not_run(case, &reason),
        }
    }

    fn host(&self) -> Integrations {
        let environment = [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_LAMBDA", self.functions.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let settings = AwsSettings::new(environment, engine::arn::DEFAULT_REGION);
        Integrations::new(Arc::new(NoFunctions), BTreeSet::new(), settings)
    }
}

/// Every function is behind the endpoint.
struct NoFunctions;

impl TaskHost for NoFunctions {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        let cause = "There are no local functions.".to_owned();
        done.finish(TaskOutcome::Failed { error: "States.Runtime".to_owned(), cause });
    }
}

/// A case with everything it needs.
struct Run {
    engine: Engine,
    host: Integrations,
    bindings: Bindings,
    stop: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

impl Run {
    fn prepare(services: &Services, case: &Case) -> Result<Self, String> {
        let mut bindings = exec::bindings(case);
        bindings.bind("sqs_endpoint", services.endpoint.as_str());
        let run = services.numbered.fetch_add(1, Ordering::SeqCst);
        for number in 0..100 {
            bindings.bind(format!("u{number}"), format!("c{run:03}n{number:02}"));
        }
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let host = services.host();
        let options = EngineOptions::new(folder.path(), Arc::new(host.clone()));
        let engine = Engine::open(options).map_err(|error| error.to_string())?;
        host.attach(&engine);
        let this = Self { engine, host, bindings, stop: Arc::default(), _folder: folder };
        this.set_up(services, case)?;
        Ok(this)
    }

    fn set_up(&self, services: &Services, case: &Case) -> Result<(), String> {
        if let Value::Object(stubs) = self.bindings.fill(&case.body["lambda_stubs"]) {
            for (name, stub) in stubs {
                services.functions.add(name, stub);
            }
        }
        for resource in case.list("resources") {
            self.resource(&self.bindings.fill(resource))?;
        }
        for machine in case.list("aux_state_machines") {
            let definition = self.bindings.fill(&machine["definition"]).to_string();
            self.put(
                case,
                &self.bindings.fill_text(machine["name"].as_str().unwrap_or_default()),
                &definition,
            )?;
        }
        for actor in case.list("actors") {
            self.actor(self.bindings.fill(actor))?;
        }
        Ok(())
    }

    fn put(&self, case: &Case, name: &str, definition: &str) -> Result<(), String> {
        let role = case.body["role_arn"].as_str().map(|role| self.bindings.fill_text(role));
        self.engine
            .put_state_machine(name, definition, role.as_deref())
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Makes what a case needs: boto3's names of operations and parameters.
    fn resource(&self, resource: &Value) -> Result<(), String> {
        let service = match resource["service"].as_str().unwrap_or_default() {
            "events" => "eventbridge",
            service => service,
        };
        let mut action = String::new();
        for (at, word) in resource["op"].as_str().unwrap_or_default().split('_').enumerate() {
            let (first, rest) = word.split_at(word.len().min(1));
            action.push_str(&if at == 0 { first.to_owned() } else { first.to_uppercase() });
            action.push_str(rest);
        }
        let mut parameters = resource["params"].clone();
        if let Some(key) = parameters.as_object_mut().and_then(|fields| fields.shift_remove("partition_key"))
        {
            parameters["KeySchema"] = json!([{ "AttributeName": key, "KeyType": "HASH" }]);
            parameters["AttributeDefinitions"] = json!([{ "AttributeName": key, "AttributeType": "S" }]);
            parameters["BillingMode"] = json!("PAY_PER_REQUEST");
        }
        call(&self.host, service, &action, parameters).map(drop)
    }

    /// Somebody who reads a queue and completes tasks by the tokens in its messages.
    fn actor(&self, script: Value) -> Result<(), String> {
        if script["actor"] != "sqs_task_token" {
            return Err(format!("this runner does not know the actor {}", script["actor"]));
        }
        let (engine, host, stop) = (self.engine.clone(), self.host.clone(), Arc::clone(&self.stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let arguments =
                    json!({ "QueueUrl": script["queue"], "MaxNumberOfMessages": 1, "WaitTimeSeconds": 1 });
                let received = call(&host, "sqs", "receiveMessage", arguments).unwrap_or_default();
                for message in received["Messages"].as_array().into_iter().flatten() {
                    let handle =
                        json!({ "QueueUrl": script["queue"], "ReceiptHandle": message["ReceiptHandle"] });
                    // A message that comes twice completes a token that is known no more.
                    let _ = call(&host, "sqs", "deleteMessage", handle);
                    act(&engine, &script, message["Body"].as_str().unwrap_or_default());
                }
            }
        });
        Ok(())
    }

    fn execute(&self, case: &Case) -> Result<Ended, String> {
        let definition = exec::definition(case, &self.bindings);
        let name = self.bindings.fill_text(case.body["name"].as_str().unwrap_or("machine"));
        self.put(case, &name, &definition)?;
        let input = exec::input(case, &self.bindings).map_err(|error| error.to_string())?.to_string();
        let request = StartExecution {
            state_machine: name,
            name: self.bindings.get("exec"),
            input,
            ..StartExecution::default()
        };
        let arn = self.engine.start_execution(request).map_err(|error| error.to_string())?.execution_arn;
        let deadline = Instant::now() + PATIENCE;
        let described = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let described = self.engine.wait_for(&arn, Some(left)).map_err(|error| error.to_string())?;
            if described.status != Status::Running || left.is_zero() {
                break described;
            }
        };
        let history =
            self.engine.execution_history(&arn, false, 0, None).map_err(|error| error.to_string())?;
        Ok(Ended {
            status: described.status.as_str().to_owned(),
            output: described.output,
            error: described.error,
            cause: described.cause,
            history: serde_json::to_value(&history).map_err(|error| error.to_string())?,
            logs: Value::Null,
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.engine.clone().shutdown();
        self.host.close();
    }
}

/// What the runner over HTTP does with a message.
fn act(engine: &Engine, script: &Value, text: &str) {
    std::thread::sleep(MESSAGE_DELAY);
    let mut body: Value = serde_json::from_str(text).unwrap_or_default();
    if script["envelope"] == "sns" {
        body = serde_json::from_str(body["Message"].as_str().unwrap_or_default()).unwrap_or_default();
    }
    let Some(token) = body["TaskToken"].as_str() else { return };
    let own = |field: &str| script[field].as_str();
    for deed in script["do"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        // A token may have timed out meanwhile: the history tells.
        let _ = match deed.split_once(':').unwrap_or((deed, "")) {
            ("wait", seconds) => {
                std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap_or_default()));
                Ok(())
            }
            ("heartbeat", _) => engine.send_task_heartbeat(token),
            ("success", _) => {
                let output = match script["output"].as_str() {
                    None | Some("body") => text.to_owned(),
                    Some(text) if text.starts_with('{') => text.to_owned(),
                    Some(_) => body["Message"].to_string(),
                };
                engine.send_task_success(token, &output)
            }
            _ => engine.send_task_failure(token, own("error"), own("cause")),
        };
    }
}

/// Calls an operation as a task would.
fn call(host: &Integrations, service: &str, action: &str, arguments: Value) -> Result<Value, String> {
    static NUMBERED: AtomicUsize = AtomicUsize::new(0);
    let (sender, receiver) = channel();
    let event_id = NUMBERED.fetch_add(1, Ordering::SeqCst) as u64;
    let task = TaskRequest {
        key: TaskKey { execution_arn: "setup".into(), event_id },
        execution_arn: "setup".to_owned(),
        state_name: String::new(),
        attempt: 0,
        resource: format!("arn:aws:states:::aws-sdk:{service}:{action}"),
        arguments,
        timeout_seconds: None,
        token: None,
        trace_header: None,
    };
    host.invoke(task, Completion::new(move |outcome| drop(sender.send(outcome))));
    match receiver.recv() {
        Ok(TaskOutcome::Succeeded(text)) => serde_json::from_str(&text).map_err(|error| error.to_string()),
        Ok(TaskOutcome::Failed { error, cause }) => Err(format!("{service}:{action}: {error}: {cause}")),
        Err(_) => Err("the host is closed".to_owned()),
    }
}

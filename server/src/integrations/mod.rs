//! Service integrations: tasks that call AWS's services, or HTTP APIs.
//!
//! [`Integrations`] is the [`TaskHost`] of every
//! `arn:aws:states:::SERVICE:ACTION[.sync[:2] | .waitForTaskToken]`. It sends
//! the request that AWS would send to wherever the service is, and gives the
//! result, or the error, that AWS gives. Functions of the project go to an
//! inner host. What Step Functions itself is asked for goes to the engine in
//! this process, unless an endpoint is configured for it.
//!
//! | file | owns |
//! |---|---|
//! | `settings` | where services are, who we are |
//! | `client` | calls: signed, sent, read |
//! | `arguments`, `naming`, `protocol` | parameters, requests, answers, results |
//! | `problem` | errors and causes in AWS's words |
//! | `optimised`, `functions`, `http_task` | integrations with forms of their own |
//! | `jobs`, `children` | what `.sync` waits for |
//! | `pool` | the threads |
//!
//! It refuses to call AWS itself unless told to (see [`REAL_SERVICES`]) and to
//! call hosts inside of a network by HTTP tasks (see [`HTTP_HOSTS`]).

mod arguments;
mod children;
mod client;
mod functions;
mod http_task;
mod jobs;
mod naming;
mod optimised;
mod pool;
mod problem;
pub(crate) mod protocol;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::machine::{Integration, Pattern};
use engine::services::Service;
use engine::{Completion, Engine, TaskHost, TaskKey, TaskOutcome, TaskRequest};
use serde_json::Value;

pub use http_task::HTTP_HOSTS;
pub use settings::{AwsSettings, OwnEndpoint, REAL_SERVICES};

use crate::api::Api;
use children::Children;
use client::{Call, Client};
use http_task::HttpTasks;
use jobs::{Job, State};
use pool::Pool;
use problem::{Problem, Voice};
use protocol::Style;

/// The first pause between two looks at a job.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// Pauses grow by half up to this.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Looks that may fail one after the other for a passing reason.
const LOOK_FAILURES_MAX: u32 = 10;

/// Runs tasks that call services. Clones share everything.
#[derive(Clone)]
pub struct Integrations {
    inner: Arc<Inner>,
}

struct Inner {
    functions: Arc<dyn TaskHost>,
    local_functions: Mutex<BTreeSet<String>>,
    client: Client,
    http: HttpTasks,
    pool: Pool,
    children: Children,
    engine: Mutex<Option<Engine>>,
    running: Mutex<BTreeMap<TaskKeyOrder, Arc<Running>>>,
}

/// A task's key, in an order.
type TaskKeyOrder = (Arc<str>, u64);

/// A task that runs.
#[derive(Default)]
struct Running {
    cancelled: AtomicBool,
    /// What stops its job, once there is one.
    stop: Mutex<Option<pool::Job>>,
}

/// A job that is watched.
struct Watched {
    job: &'static Job,
    service: Arc<Service>,
    task: TaskRequest,
    submission: Value,
    running: Arc<Running>,
    pause: Duration,
    failures: u32,
}

impl Integrations {
    /// Tasks go to services as `settings` say, those of functions to
    /// `functions`. A function that is not one of `local_functions` is looked
    /// for at a Lambda endpoint, if there is one.
    pub fn new(
        functions: Arc<dyn TaskHost>,
        local_functions: BTreeSet<String>,
        settings: AwsSettings,
    ) -> Self {
        let http = HttpTasks::new(&settings);
        let inner = Inner {
            functions,
            local_functions: Mutex::new(local_functions),
            client: Client::new(settings),
            http,
            pool: Pool::default(),
            children: Children::default(),
            engine: Mutex::default(),
            running: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says anew which functions the inner host has.
    pub fn set_local_functions(&self, functions: BTreeSet<String>) {
        *lock(&self.inner.local_functions) = functions;
    }

    /// Says which engine child executions run on: the one whose tasks these
    /// are. Until then they wait.
    pub fn attach(&self, engine: &Engine) {
        *lock(&self.inner.engine) = Some(engine.clone());
        self.inner.client.attach(Api::new(engine.clone()));
    }

    /// Calls nothing any more, and lets the engine go: call it after the
    /// engine has stopped.
    pub fn close(&self) {
        self.inner.pool.close();
        self.inner.client.close();
        drop(lock(&self.inner.engine).take());
        lock(&self.inner.running).clear();
    }
}

impl std::fmt::Debug for Integrations {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Integrations").field("client", &self.inner.client).finish_non_exhaustive()
    }
}

impl TaskHost for Integrations {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        let function = function_of(&task);
        // Known here before anything is read: a local function is no business of a pool.
        if let Some(function) = &function
            && lock(&self.inner.local_functions).contains(functions::name(function))
        {
            self.inner.functions.invoke(task, done);
            return;
        }
        let running = self.inner.register(&task.key);
        let inner = Arc::clone(&self.inner);
        self.inner.pool.run(Box::new(move || inner.perform(task, function, &running, done)));
    }

    fn resume(&self, task: TaskRequest, submission: Value, done: Completion) {
        let inner = Arc::clone(&self.inner);
        let running = self.inner.register(&task.key);
        self.inner.pool.run(Box::new(move || match inner.job_of(&task) {
            Some((job, service)) => inner.watch(job, service, task, submission, running, done),
            // Dropping it says that nobody knows how the job ends.
            None => drop(done),
        }));
    }

    fn cancel(&self, task: &TaskKey) {
        self.inner.functions.cancel(task);
        let running = lock(&self.inner.running).remove(&order(task));
        if let Some(running) = running {
            running.cancelled.store(true, Ordering::SeqCst);
            if let Some(stop) = lock(&running.stop).take() {
                self.inner.pool.run(stop);
            }
        }
    }
}

impl Inner {
    fn register(&self, key: &TaskKey) -> Arc<Running> {
        let running = Arc::<Running>::default();
        lock(&self.running).insert(order(key), Arc::clone(&running));
        running
    }

    /// Runs a task, on a thread of the pool.
    fn perform(
        self: &Arc<Self>,
        task: TaskRequest,
        function: Option<String>,
        running: &Arc<Running>,
        done: Completion,
    ) {
        if let Some(function) = function {
            return self.perform_function(task, &function, done);
        }
        let Integration::Service { resource_type, resource } = Integration::of(&task.resource) else {
            return self.finish(&task.key, done, refused(&task.resource));
        };
        let settings = self.client.settings();
        match (resource_type, resource) {
            ("http", "invoke") => {
                let outcome = self.http.run(settings, &task.arguments);
                return self.finish(&task.key, done, spoken(outcome));
            }
            ("apigateway", "invoke" | "invoke.waitForTaskToken") => {
                let outcome = self.http.call_gateway(settings, &task.arguments);
                return self.finish(&task.key, done, spoken(outcome));
            }
            _ => {}
        }
        if Integration::of(&task.resource).pattern() == Pattern::Job {
            return self.perform_job(task, Arc::clone(running), done);
        }
        let action = resource.strip_suffix(".waitForTaskToken").unwrap_or(resource);
        let outcome = match resource_type.strip_prefix("aws-sdk:") {
            Some(service) => self.call_sdk(service, action, &task),
            None => self.call_optimised(resource_type, action, &task),
        };
        self.finish(&task.key, done, outcome);
    }

    /// The task is over.
    fn finish(&self, key: &TaskKey, done: Completion, outcome: TaskOutcome) {
        lock(&self.running).remove(&order(key));
        done.finish(outcome);
    }

    /// A function that is not one of the project's.
    fn perform_function(&self, task: TaskRequest, function: &str, done: Completion) {
        let found = self.client.service("lambda");
        let place = found.as_ref().and_then(|lambda| functions::place(&self.client, lambda, function));
        let (Some(lambda), Some(place)) = (found, place) else {
            // The inner host knows what to say of a function that nobody has.
            lock(&self.running).remove(&order(&task.key));
            return self.functions.invoke(task, done);
        };
        let timeout = task.timeout_seconds;
        let outcome = match Integration::of(&task.resource) {
            Integration::Function => {
                functions::invoke_directly(&self.client, &lambda, &place, function, &task.arguments, timeout)
            }
            _ => optimised::arguments("lambda", "invoke", &task)
                .and_then(|arguments| functions::invoke(&self.client, &lambda, &place, &arguments, timeout)),
        };
        let outcome = told(Voice::Optimised("lambda"), &lambda, "invoke", outcome);
        self.finish(&task.key, done, outcome);
    }

    /// `aws-sdk:SERVICE:ACTION`.
    fn call_sdk(&self, service: &str, action: &str, task: &TaskRequest) -> TaskOutcome {
        let Some(service) = self.client.service(service) else { return refused(&task.resource) };
        let answer = self.client.call(&Call {
            service: &service,
            action,
            arguments: &task.arguments,
            style: Style::Sdk,
            timeout_seconds: task.timeout_seconds,
        });
        told(Voice::Sdk, &service, action, answer.map(|answer| answer.value.to_string()))
    }

    /// An optimised integration that is one call.
    fn call_optimised(&self, name: &str, action: &str, task: &TaskRequest) -> TaskOutcome {
        let Some(service) = self.client.service(engine::services::called_by_integration(name)) else {
            return refused(&task.resource);
        };
        let started = Job::of(&format!("{name}:{action}.sync")).and_then(|job| job.start);
        let operation = started.unwrap_or(action);
        if service.operation(operation).is_none() {
            return refused(&task.resource);
        }
        let result = optimised::arguments(name, action, task).and_then(|arguments| {
            let answer = self.client.call(&Call {
                service: &service,
                action: operation,
                arguments: &jobs::start_arguments(&format!("{name}:{action}"), &arguments),
                style: Style::Optimised,
                timeout_seconds: task.timeout_seconds,
            });
            optimised::result(name, action, answer?)
        });
        told(Voice::Optimised(name), &service, operation, result)
    }

    /// The job of a task, and the service it is of.
    fn job_of(&self, task: &TaskRequest) -> Option<(&'static Job, Arc<Service>)> {
        let (_, rest) = task.resource.split_once(":states:::")?;
        let job = Job::of(rest)?;
        let name = job.resource.split(':').next()?;
        Some((job, self.client.service(jobs::model(name))?))
    }

    /// Starts a job.
    fn perform_job(self: &Arc<Self>, task: TaskRequest, running: Arc<Running>, mut done: Completion) {
        let Some((job, service)) = self.job_of(&task) else {
            return self.finish(&task.key, done, refused(&task.resource));
        };
        let (name, action) = job.resource.split_once(':').unwrap_or_default();
        let operation = job.start.unwrap_or(action);
        let started = optimised::arguments(name, action, &task).and_then(|arguments| {
            self.client.call(&Call {
                service: &service,
                action: operation,
                arguments: &jobs::start_arguments(job.resource, &arguments),
                style: Style::Optimised,
                timeout_seconds: task.timeout_seconds,
            })
        });
        let submission = started.and_then(|answer| optimised::result(name, action, answer));
        match submission {
            Ok(submission) => {
                done.submitted(submission.clone());
                let submission = serde_json::from_str(&submission).unwrap_or_default();
                self.watch(job, service, task, submission, running, done);
            }
            Err(problem) => {
                let outcome = told(Voice::Optimised(name), &service, operation, Err(problem));
                self.finish(&task.key, done, outcome);
            }
        }
    }

    /// Waits for the end of a job.
    fn watch(
        self: &Arc<Self>,
        job: &'static Job,
        service: Arc<Service>,
        task: TaskRequest,
        submission: Value,
        running: Arc<Running>,
        done: Completion,
    ) {
        let watched = Watched { job, service, task, submission, running, pause: FIRST_LOOK, failures: 0 };
        if let Some(stop) = self.stop_of(&watched) {
            *lock(&watched.running.stop) = Some(stop);
        }
        // It was cancelled while it was started.
        if watched.running.cancelled.load(Ordering::SeqCst) {
            if let Some(stop) = lock(&watched.running.stop).take() {
                stop();
            }
            return;
        }
        self.wait(watched, done);
    }

    /// Looks again later: when the child has ended, or after a pause.
    fn wait(self: &Arc<Self>, watched: Watched, done: Completion) {
        let engine = if self.client.is_local(&watched.service) { lock(&self.engine).clone() } else { None };
        let arn = watched.submission.get("ExecutionArn").and_then(Value::as_str).map(str::to_owned);
        let (inner, pause) = (Arc::clone(self), watched.pause);
        let look = Box::new(move || inner.look(watched, done));
        match (engine, arn) {
            (Some(engine), Some(arn)) => self.children.when_ended(&engine, &self.pool, &arn, look),
            _ => self.pool.run_after(pause, look),
        }
    }

    /// Looks at a job, and finishes its task if it has ended.
    fn look(self: &Arc<Self>, mut watched: Watched, done: Completion) {
        if watched.running.cancelled.load(Ordering::SeqCst) {
            return;
        }
        let job = watched.job;
        let name = job.resource.split(':').next().unwrap_or_default();
        let answer = self.client.call(&Call {
            service: &watched.service,
            action: job.look,
            arguments: &(job.look_arguments)(&watched.task.arguments, &watched.submission),
            style: Style::Optimised,
            timeout_seconds: None,
        });
        let outcome = match answer.map(|answer| job.state(&answer.value)) {
            Ok(State::Runs) => {
                watched.failures = 0;
                watched.pause = LOOK_MAX.min(watched.pause * 3 / 2);
                return self.wait(watched, done);
            }
            Ok(State::Succeeded(result)) if watched.task.resource.ends_with(".sync:2") => {
                TaskOutcome::Succeeded(jobs::with_texts_read(result).to_string())
            }
            Ok(State::Succeeded(result)) => TaskOutcome::Succeeded(result.to_string()),
            // Recorded on AWS: whatever the job fails with, the task fails with this.
            Ok(State::Failed(result)) => {
                TaskOutcome::Failed { error: "States.TaskFailed".to_owned(), cause: result.to_string() }
            }
            Err(problem) if is_passing(&problem) && watched.failures < LOOK_FAILURES_MAX => {
                watched.failures += 1;
                watched.pause = LOOK_MAX.min(watched.pause * 2);
                let (inner, pause) = (Arc::clone(self), watched.pause);
                return self.pool.run_after(pause, Box::new(move || inner.look(watched, done)));
            }
            Err(problem) => told(Voice::Optimised(name), &watched.service, job.look, Err(problem)),
        };
        self.finish(&watched.task.key, done, outcome);
    }

    /// What stops a job nobody waits for any more.
    fn stop_of(self: &Arc<Self>, watched: &Watched) -> Option<pool::Job> {
        let (operation, arguments) = watched.job.stop?;
        let arguments = arguments(&watched.task.arguments, &watched.submission);
        let (inner, service, key) =
            (Arc::clone(self), Arc::clone(&watched.service), watched.task.key.clone());
        Some(Box::new(move || {
            let stopped = inner.client.call(&Call {
                service: &service,
                action: operation,
                arguments: &arguments,
                style: Style::Optimised,
                timeout_seconds: None,
            });
            if let Err(problem) = stopped {
                tracing::warn!(task = %key, ?problem, "the job of a task that was given up could not be stopped");
            }
        }))
    }
}

/// The function that a task invokes.
fn function_of(task: &TaskRequest) -> Option<String> {
    match Integration::of(&task.resource) {
        Integration::Function => Some(task.resource.clone()),
        Integration::Service { resource_type: "lambda", resource: "invoke" | "invoke.waitForTaskToken" } => {
            Some(task.arguments.get("FunctionName").and_then(Value::as_str).unwrap_or_default().to_owned())
        }
        _ => None,
    }
}

/// What an integration's call came to, in its voice.
fn told(voice: Voice<'_>, service: &Service, action: &str, result: Result<String, Problem>) -> TaskOutcome {
    match result {
        Ok(result) => TaskOutcome::Succeeded(result),
        Err(problem) => {
            voice.outcome(service, service.operation(action).map(|(_, operation)| operation), problem)
        }
    }
}

/// What an HTTP task came to: its problems are in words of its own.
fn spoken(result: Result<String, Problem>) -> TaskOutcome {
    let failed = |error: &str, cause: String| TaskOutcome::Failed { error: error.to_owned(), cause };
    match result {
        Ok(result) => TaskOutcome::Succeeded(result),
        Err(Problem::Failed(error, cause)) => TaskOutcome::Failed { error, cause },
        Err(Problem::TooLarge) => failed(
            "States.DataLimitExceeded",
            "The state/task 'http' returned a result with a size exceeding the maximum number of bytes service limit."
                .to_owned(),
        ),
        Err(Problem::NotConfigured(why)) => failed("States.TaskFailed", why),
        Err(Problem::Arguments(why) | Problem::Unanswered(why)) => failed("States.Runtime", why),
        Err(Problem::Refused(refusal)) => failed("States.Runtime", refusal.message.unwrap_or(refusal.code)),
    }
}

/// A resource that no integration is of.
fn refused(resource: &str) -> TaskOutcome {
    TaskOutcome::Failed {
        error: "States.Runtime".to_owned(),
        cause: format!(
            "The resource '{resource}' cannot run here: no integration is known that is called so."
        ),
    }
}

/// Whether a look may go better the next time.
fn is_passing(problem: &Problem) -> bool {
    match problem {
        Problem::Refused(refusal) => refusal.is_passing(),
        Problem::Unanswered(_) => true,
        _ => false,
    }
}

fn order(key: &TaskKey) -> TaskKeyOrder {
    (Arc::clone(&key.execution_arn), key.event_id)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Serving steps as Lambda functions, and calling them in-process.
//!
//! One binary per package serves every step of the package; `_HANDLER` names
//! the one this process is. A failure is always reported by a name a workflow
//! can rely on: the declared one, `Contract.InputMismatch` for a payload that
//! is not the step's input, `Resource.Unavailable`, or `Step.Panicked`.
//!
//! A process handles one invocation at a time (as on AWS) on a runtime of one
//! thread: a step may block that thread. It must not block while something it
//! has spawned is expected to make progress.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use tracing::Instrument as _;

use crate::call::Step;
use crate::callback::Callback;
use crate::errors::{INPUT_MISMATCH, RESOURCE_UNAVAILABLE, STEP_PANICKED, StepError as _};
use crate::invocation::Invocation;
use crate::ir::{ResourceKind, StepInfo};

mod panics;

/// What an invocation carries.
pub type Payload = Value;

/// What a step answers, in time.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, StepFailure>> + 'a>>;

/// A step as something to be called with JSON; implemented by `#[step]`.
pub trait Serve: Step {
    /// Decodes the payload, opens the handles, calls the function, encodes.
    #[doc(hidden)]
    fn serve<'a>(payload: Payload, surroundings: &'a Surroundings<'a>) -> Answer<'a>;
}

/// A step that can be served; made by [`steps!`](crate::steps).
#[derive(Debug, Clone, Copy)]
pub struct StepEntry {
    /// The step's name, the value of `_HANDLER`.
    pub name: &'static str,
    /// What is known of the step.
    pub info: StepInfo,
    serve: for<'a> fn(Payload, &'a Surroundings<'a>) -> Answer<'a>,
}

impl StepEntry {
    /// The entry of a step.
    pub const fn of<S: Serve>() -> Self {
        Self { name: S::INFO.name, info: S::INFO, serve: S::serve }
    }
}

/// How a step failed, as Lambda reports it and a workflow sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct StepFailure {
    /// The error's name, matched by retriers and catchers.
    pub error_type: String,
    /// What happened, for a person.
    pub message: String,
}

impl StepFailure {
    fn new(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), message: message.into() }
    }

    pub(crate) fn resource(kind: ResourceKind, name: &str, problem: &impl Display) -> Self {
        let kind = match kind {
            ResourceKind::Bucket => "bucket",
            ResourceKind::Secret => "secret",
        };
        Self::new(RESOURCE_UNAVAILABLE, format!("{kind} `{name}`: {problem}"))
    }
}

impl From<StepFailure> for Diagnostic {
    fn from(failure: StepFailure) -> Self {
        Self { error_type: failure.error_type, error_message: failure.message }
    }
}

/// Where the buckets and secrets of an app are, for one process or one test.
#[derive(Clone, Default)]
pub struct Resources {
    /// Keyed by the name as it is in the environment: `CORE_VIEW`.
    buckets: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    secret_arns: BTreeMap<String, String>,
    #[cfg(feature = "aws")]
    secrets_manager: crate::secrets::SecretsManager,
}

impl std::fmt::Debug for Resources {
    /// Without the secrets' values: they must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secrets: Vec<_> = self.secrets.keys().collect();
        f.debug_struct("Resources")
            .field("buckets", &self.buckets)
            .field("secrets", &secrets)
            .field("secret_arns", &self.secret_arns)
            .finish_non_exhaustive()
    }
}

const BUCKET_PREFIX: &str = "STEPWRIGHT_BUCKET_";
const SECRET_PREFIX: &str = "STEPWRIGHT_SECRET_";
/// No secret's name ends in it: see [`secret!`](crate::secret).
const ARN_SUFFIX: &str = "_ARN";

impl Resources {
    /// No resources.
    pub fn new() -> Self {
        Self::default()
    }

    /// What `STEPWRIGHT_BUCKET_<NAME>` and `STEPWRIGHT_SECRET_<NAME>` say, or, with
    /// the feature `aws`, `STEPWRIGHT_SECRET_<NAME>_ARN` of a secret in Secrets Manager.
    ///
    /// Such a secret is read when a step first asks for it, with the keys of the
    /// Lambda environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`) and in the ARN's region, and kept for five minutes.
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER` or `AWS_ENDPOINT_URL` names another endpoint.
    pub fn from_env() -> Self {
        let mut resources = Self::default();
        for (name, value) in std::env::vars_os() {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
            if let Some(bucket) = name.strip_prefix(BUCKET_PREFIX) {
                resources.buckets.insert(bucket.to_owned(), value.to_owned());
            } else if let Some(secret) = name.strip_prefix(SECRET_PREFIX) {
                let (secret, secrets) = match secret.strip_suffix(ARN_SUFFIX) {
                    Some(secret) => (secret, &mut resources.secret_arns),
                    None => (secret, &mut resources.secrets),
                };
                secrets.insert(secret.to_owned(), value.to_owned());
            }
        }
        resources
    }

    /// Adds a bucket at a location such as `file:///dir`.
    #[must_use]
    pub fn bucket(mut self, name: &str, location: impl Into<String>) -> Self {
        self.buckets.insert(environment_name(name), location.into());
        self
    }

    /// Adds a secret's value.
    #[must_use]
    pub fn secret(mut self, name: &str, value: impl Into<String>) -> Self {
        self.secrets.insert(environment_name(name), value.into());
        self
    }

    pub(crate) fn bucket_location(&self, name: &str) -> Result<&str, StepFailure> {
        let variable = environment_name(name);
        self.buckets.get(&variable).map(String::as_str).ok_or_else(|| {
            let problem =
                format!("the environment variable {BUCKET_PREFIX}{variable} does not say where it is");
            StepFailure::resource(ResourceKind::Bucket, name, &problem)
        })
    }

    /// A value that is given comes before one that would have to be read.
    pub(crate) fn secret_value(&self, name: &str) -> Result<String, StepFailure> {
        let variable = environment_name(name);
        if let Some(value) = self.secrets.get(&variable) {
            return Ok(value.clone());
        }
        let unavailable = |problem: &dyn Display| StepFailure::resource(ResourceKind::Secret, name, &problem);
        let Some(arn) = self.secret_arns.get(&variable) else {
            return Err(unavailable(&format_args!(
                "neither the environment variable {SECRET_PREFIX}{variable} gives its value, nor \
                 {SECRET_PREFIX}{variable}{ARN_SUFFIX} its place in Secrets Manager"
            )));
        };
        self.read_secret(arn).map_err(|problem| unavailable(&problem))
    }

    #[cfg(feature = "aws")]
    fn read_secret(&self, arn: &str) -> Result<String, crate::secrets::SecretError> {
        self.secrets_manager.value(arn)
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_self, reason = "the feature `aws` needs it")]
    fn read_secret(&self, arn: &str) -> Result<String, String> {
        Err(format!(
            "it is in Secrets Manager ({arn}), and this program was built without stepwright's feature `aws`"
        ))
    }
}

/// `core-view` as `CORE_VIEW`.
fn environment_name(resource: &str) -> String {
    resource.to_uppercase().replace('-', "_")
}

/// What handles are opened from.
#[derive(Debug)]
pub struct Surroundings<'a> {
    resources: &'a Resources,
    invocation: Invocation,
}

impl Surroundings<'_> {
    pub(crate) fn resources(&self) -> &Resources {
        self.resources
    }

    pub(crate) fn invocation(&self) -> &Invocation {
        &self.invocation
    }
}

impl Invocation {
    /// The time left until the deadline; zero after it, `None` without one.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// Member of a waiting step's payload: what it is called with.
pub const INPUT_MEMBER: &str = "input";
/// Member of a waiting step's payload: the task's token.
pub const TOKEN_MEMBER: &str = "taskToken";

/// The input in the payload of a step that waits, and the task's token.
fn split<S: Step>(mut payload: Payload) -> Result<(Value, String), StepFailure> {
    let mut take = |member: &str| payload.as_object_mut().and_then(|members| members.remove(member));
    match (take(INPUT_MEMBER), take(TOKEN_MEMBER)) {
        (Some(input), Some(Value::String(token))) if !token.is_empty() => Ok((input, token)),
        _ => Err(StepFailure::new(
            INPUT_MISMATCH,
            format!(
                "`{}` waits for an answer, so its payload is {{\"{INPUT_MEMBER}\": …, \"{TOKEN_MEMBER}\": …}} with \
                 the token of the task, and this one is not: call it with `lambda:invoke.waitForTaskToken`, as \
                 `{}(..).run(w)` does",
                S::INFO.name,
                S::INFO.name.replace('-', "_")
            ),
        )),
    }
}

/// The payload as the input of a step that waits, and its callback.
#[doc(hidden)]
pub fn decode_call<S: Step>(payload: Payload) -> Result<(S::Input, Callback<S::Output>), StepFailure> {
    let (input, token) = split::<S>(payload)?;
    Ok((read::<S>(input)?, Callback::of(token)))
}

/// The payload as a step's input.
#[doc(hidden)]
pub fn decode<S: Step>(payload: Payload) -> Result<S::Input, StepFailure> {
    let input = if S::INFO.waits { split::<S>(payload)?.0 } else { payload };
    read::<S>(input)
}

fn read<S: Step>(input: Value) -> Result<S::Input, StepFailure> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        let whole = if S::INFO.waits { "the `input` of the payload" } else { "the payload" };
        let place = if path == "." { whole.to_owned() } else { format!("`{path}` in {whole}") };
        let (step, wanted) = (S::INFO.name, S::INFO.input.name);
        let problem = error.into_inner();
        StepFailure::new(
            INPUT_MISMATCH,
            format!("{place} does not fit `{wanted}`, the input of `{step}`: {problem}"),
        )
    })
}

/// A step's result as what Lambda reports.
#[doc(hidden)]
pub fn encode<S: Step>(result: Result<S::Output, S::Error>) -> Result<Value, StepFailure> {
    let step = S::INFO.name;
    let output = result.map_err(|error| StepFailure::new(error.name(), error.to_string()))?;
    serde_json::to_value(output).map_err(|error| {
        StepFailure::new(STEP_PANICKED, format!("step `{step}`: its output has no JSON form: {error}"))
    })
}

/// How the function of a step that waits ended, as what Lambda reports: nobody reads
/// the result of one that handed its token on.
#[doc(hidden)]
pub fn encode_call<S: Step>(result: Result<(), S::Error>) -> Result<Value, StepFailure> {
    match result {
        Ok(()) => Ok(Value::Null),
        Err(error) => Err(StepFailure::new(error.name(), error.to_string())),
    }
}

/// Calls a step in this process; for tests.
///
/// # Panics
/// Inside an asynchronous runtime: it starts its own.
pub fn call(step: &StepEntry, payload: Payload, resources: &Resources) -> Result<Value, StepFailure> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no asynchronous runtime: {error}"),
    };
    let surroundings = Surroundings { resources, invocation: Invocation::new("in-process", None) };
    runtime.block_on(answer(step, payload, &surroundings))
}

/// One invocation; a panic becomes a failure like any other.
async fn answer(
    step: &StepEntry,
    payload: Payload,
    surroundings: &Surroundings<'_>,
) -> Result<Value, StepFailure> {
    match panics::caught((step.serve)(payload, surroundings)).await {
        Ok(result) => result,
        Err(panic) => Err(StepFailure::new(STEP_PANICKED, format!("step `{}` panicked: {panic}", step.name))),
    }
}

/// The main function of a step binary: serves the step `_HANDLER` names until
/// the process is told to stop.
///
/// ```no_run
/// # use stepwright::prelude::*;
/// # #[derive(Debug, StepError)]
/// # pub enum NoError {}
/// /// Adds one.
/// #[step]
/// pub async fn increment(number: u32) -> Result<u32, NoError> {
///     Ok(number + 1)
/// }
///
/// fn main() -> std::process::ExitCode {
///     stepwright::lambda::serve(stepwright::steps![increment])
/// }
/// ```
pub fn serve(steps: &[StepEntry]) -> ExitCode {
    log_to_stderr();
    match serve_until_told(steps) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tracing::error!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Variables `lambda_runtime` panics without.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

fn serve_until_told(steps: &[StepEntry]) -> Result<(), String> {
    let names = || steps.iter().map(|step| step.name).collect::<Vec<_>>().join(", ");
    let handler = std::env::var("_HANDLER").map_err(|_| {
        format!(
            "_HANDLER is not set: this program is the Lambda function of the steps {}, started by Lambda or by \
             `stepwright run`, not by hand",
            names()
        )
    })?;
    let step = steps
        .iter()
        .find(|step| step.name == handler)
        .ok_or_else(|| format!("_HANDLER names the step `{handler}`, but this program serves {}", names()))?;
    if let Some(missing) = RUNTIME_VARIABLES.iter().find(|name| std::env::var_os(name).is_none()) {
        return Err(format!("the environment variable {missing}, which the Lambda runtime sets, is missing"));
    }
    let resources = Resources::from_env();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no asynchronous runtime: {error}"))?;
    let handle = |event: LambdaEvent<Value>| {
        let (payload, context) = event.into_parts();
        let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
        let invocation = Invocation::new(&context.request_id, Some(deadline));
        let surroundings = Surroundings { resources: &resources, invocation };
        let span = tracing::info_span!("invocation", request_id = context.request_id, step = step.name);
        async move {
            let result = answer(step, payload, &surroundings).await;
            if let Err(StepFailure { error_type, message }) = &result {
                tracing::error!(error_type, error_message = message, "the step failed");
            }
            result
        }
        .instrument(span)
    };
    runtime.block_on(Runtime::new(service_fn(handle)).run()).map_err(|error| {
        format!("the Lambda Runtime API at {:?} ended: {error}", std::env::var_os("AWS_LAMBDA_RUNTIME_API"))
    })
}

/// JSON lines on stderr, each with the request's id; `RUST_LOG` filters them.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;

    // The runtime's panic layer repeats every failure without its fields.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,lambda_runtime::layers::panic=off"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second call in one process keeps the first subscriber.
    drop(subscriber.try_init());
}

//! The operations of the Step Functions API, without HTTP.
//!
//! [`Api::call`] takes the name of an operation and its parameters as the JSON
//! protocol has them, and answers what AWS answers: the same members, the same
//! errors in the same words. It owns the form of requests and answers; what
//! they mean is the engine's. Times are numbers of seconds since the epoch.
//!
//! | file | owns |
//! |---|---|
//! | `operations` | the table: names, parameters, who answers |
//! | `shapes`, `validation` | the facts of AWS's service model, and checks against them |
//! | `parameters`, `pages`, `arns`, `error` | parts of requests and answers |
//! | `json_errors` | what AWS says of a text that is not JSON |
//! | `waiting` | what can take minutes, without a thread that waits |
//! | `state_machines`, `versions`, `executions`, `map_runs`, `activities`, `tags`, `definitions`, `test_state` | the operations |

mod activities;
mod arns;
mod definitions;
mod error;
mod executions;
mod json_errors;
mod map_runs;
mod operations;
mod pages;
mod parameters;
mod shapes;
mod state_machines;
mod tags;
mod test_state;
#[cfg(test)]
mod tests;
mod validation;
mod versions;
mod waiting;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use asl::limits::ACTIVITY_POLL_SECONDS;
use engine::Engine;
use serde_json::{Map, Value};

pub use error::ApiError;

use arns::Place;
use parameters::Parameters;

/// What a request without a body has.
static NO_PARAMETERS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// Whether a log group exists, by the ARN in a logging configuration.
pub type LogGroupExists = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The Step Functions API on an engine. Clones are the same API.
#[derive(Clone)]
pub struct Api {
    engine: Engine,
    place: Place,
    log_group_exists: LogGroupExists,
    activity_poll: Duration,
}

impl fmt::Debug for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Api").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Api {
    /// The API of an engine. Every log group exists, unless
    /// [`Self::with_log_groups`] knows better.
    pub fn new(engine: Engine) -> Self {
        let (region, account) = engine.region_and_account();
        let place = Place { region: region.to_owned(), account: account.to_owned() };
        Self {
            engine,
            place,
            log_group_exists: Arc::new(|_| true),
            activity_poll: Duration::from_secs(ACTIVITY_POLL_SECONDS),
        }
    }

    /// Refuses logging configurations with log groups that do not exist.
    #[must_use]
    pub fn with_log_groups(self, log_group_exists: LogGroupExists) -> Self {
        Self { log_group_exists, ..self }
    }

    /// Changes how long `GetActivityTask` waits for a task, for tests.
    #[must_use]
    pub fn with_activity_poll(self, activity_poll: Duration) -> Self {
        Self { activity_poll, ..self }
    }

    /// The engine behind the API.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Calls an operation, e.g. `CreateStateMachine`. Waits for its answer:
    /// `StartSyncExecution` for up to five minutes. Parameters that the
    /// operation does not have are ignored, as on AWS.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use engine::{Completion, Engine, EngineOptions, TaskHost, TaskRequest};
    /// use serde_json::json;
    ///
    /// struct NoTasks;
    /// impl TaskHost for NoTasks {
    ///     fn invoke(&self, _: TaskRequest, _: Completion) {}
    /// }
    /// # let directory = tempfile::tempdir().unwrap();
    /// let engine = Engine::open(EngineOptions::new(directory.path(), Arc::new(NoTasks))).unwrap();
    /// let api = stepwright_server::Api::new(engine);
    /// let error = api.call("DescribeExecution", json!({ "executionArn": "mine" })).unwrap_err();
    /// assert_eq!(error.to_string(), "InvalidArn: Invalid Arn: 'Invalid ARN prefix: mine'");
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "who calls has no further use for the parameters")]
    pub fn call(&self, operation: &str, parameters: Value) -> Result<Value, ApiError> {
        let (operation, parameters) = checked(operation, &parameters)?;
        (operation.run)(self, parameters)
    }
}

/// The operation of a name, and its parameters, checked.
fn checked<'v>(
    operation: &str,
    parameters: &'v Value,
) -> Result<(&'static operations::Operation, Parameters<'v>), ApiError> {
    let Some(operation) = shapes::operation(operation) else {
        return Err(ApiError::new("UnknownOperationException", ""));
    };
    let parameters = match parameters {
        Value::Object(parameters) => parameters,
        Value::Null => &NO_PARAMETERS,
        _ => return Err(ApiError::new("SerializationException", "")),
    };
    validation::check(operation.members, parameters)?;
    Ok((operation, Parameters(parameters)))
}

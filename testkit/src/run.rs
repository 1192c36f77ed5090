//! How a run went: what a test asserts on.

use std::time::Duration;

use codegen::Generated;
use engine::simulate::SimulatedRun;
use engine::{HistoryEvent, Status, TaskRequest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepwright::{Step, Waits};

/// AWS: an execution with 24,999 events or more cannot be redriven.
const REDRIVABLE_EVENTS_MAX: usize = 24_999;

/// One attempt of one step.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The step's name.
    pub(crate) step: String,
    /// The state that called it.
    pub(crate) state: String,
    /// What it was called with.
    pub(crate) payload: Value,
    /// It is a call of a service.
    pub(crate) service: Option<ServiceCall>,
}

/// A call of a service, and how it ended.
#[derive(Debug, Clone)]
pub(crate) struct ServiceCall {
    pub(crate) arguments: Value,
    pub(crate) error: Option<&'static str>,
}

/// An answer that a workflow gave to a step that waits in another execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// The token.
    pub token: String,
    /// The step's output, or error and cause.
    pub answer: Result<T, (String, String)>,
}

impl Call {
    pub(crate) fn of(request: &TaskRequest, app: &str) -> Call {
        let argument = |name: &str| request.arguments.get(name).cloned().unwrap_or_default();
        let function = argument("FunctionName").as_str().unwrap_or_default().to_owned();
        let step = function.strip_prefix(app).and_then(|rest| rest.strip_prefix('-'));
        Call {
            step: step.unwrap_or(&function).to_owned(),
            state: request.state_name.clone(),
            payload: argument("Payload"),
            service: (!request.resource.contains(":lambda:"))
                .then(|| ServiceCall { arguments: request.arguments.clone(), error: None }),
        }
    }
}

/// Why there is no output of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoOutput {
    /// The execution did not succeed.
    #[error(
        "the execution is {status}: {} ({})",
        error.as_deref().unwrap_or("no error"),
        cause.as_deref().unwrap_or("no cause")
    )]
    NotSucceeded {
        /// How it ended.
        status: Status,
        /// The error.
        error: Option<String>,
        /// The cause.
        cause: Option<String>,
    },
    /// The output is of another type.
    #[error("the output does not fit: {problem}, in {output}")]
    Mismatch {
        /// What does not fit.
        problem: String,
        /// The output, as JSON text.
        output: String,
    },
}

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    simulated: SimulatedRun,
    calls: Vec<Call>,
    generated: Generated,
}

impl Run {
    pub(crate) fn new(simulated: SimulatedRun, calls: Vec<Call>, generated: Generated) -> Run {
        Run { simulated, calls, generated }
    }

    /// How it ended. `Running` means that it waits for a step that never answers.
    pub fn status(&self) -> Status {
        self.simulated.status
    }

    /// What it ended with.
    ///
    /// # Errors
    /// When it did not succeed, or its output is of another type.
    pub fn output<T: DeserializeOwned>(&self) -> Result<T, NoOutput> {
        let output = self.output_json().ok_or_else(|| NoOutput::NotSucceeded {
            status: self.status(),
            error: self.simulated.error.clone(),
            cause: self.simulated.cause.clone(),
        })?;
        T::deserialize(output).map_err(|problem| NoOutput::Mismatch {
            problem: problem.to_string(),
            output: output.to_string(),
        })
    }

    /// What it ended with, as JSON.
    pub fn output_json(&self) -> Option<&Value> {
        self.simulated.output.as_ref()
    }

    /// The error it failed with.
    pub fn error(&self) -> Option<&str> {
        self.simulated.error.as_deref()
    }

    /// The cause it failed with.
    pub fn cause(&self) -> Option<&str> {
        self.simulated.cause.as_deref()
    }

    /// How often a step was called, retries included.
    pub fn attempts<S: Step>(&self) -> usize {
        self.calls_of::<S>().count()
    }

    /// What a step was called with, in the order of the calls.
    ///
    /// # Panics
    /// When a payload is not the step's input.
    #[track_caller]
    pub fn inputs<S: Step>(&self) -> Vec<S::Input> {
        let mut inputs = Vec::new();
        for call in self.calls_of::<S>() {
            match stepwright::lambda::decode::<S>(call.payload.clone()) {
                Ok(input) => inputs.push(input),
                Err(failure) => panic!("state `{}`: {failure}", call.state),
            }
        }
        inputs
    }

    /// What the calls of a service by this state were, in their order: the `Arguments` that AWS gets.
    pub fn service_calls(&self, state: &str) -> Vec<&Value> {
        let calls = self.calls.iter().filter(|call| call.state == state);
        calls.filter_map(|call| call.service.as_ref()).map(|service| &service.arguments).collect()
    }

    /// The details of the events of this type that were put, in their order; not those that
    /// were refused.
    ///
    /// # Panics
    /// When one is of another type.
    #[track_caller]
    pub fn events<T: DeserializeOwned>(&self, source: &str, detail_type: &str) -> Vec<T> {
        let put = self.well_ended().filter_map(|arguments| arguments.get("Entries")?.as_array());
        let is_of = |entry: &&Value| {
            let is = |member: &str, text: &str| entry.get(member).and_then(Value::as_str) == Some(text);
            is("Source", source) && is("DetailType", detail_type)
        };
        let details = put.flatten().filter(is_of).filter_map(|entry| entry.get("Detail"));
        details.map(|detail| decoded(detail.clone())).collect()
    }

    /// The answers that this state gave to the step `S`, in their order; not those that came
    /// too late.
    ///
    /// # Panics
    /// When one is not what the step waits for.
    #[track_caller]
    pub fn given<S: Waits>(&self, state: &str) -> Vec<Given<S::Output>> {
        let calls = self.calls.iter().filter(|call| call.state == state);
        let given = calls.filter_map(|call| call.service.as_ref()).filter(|service| service.error.is_none());
        given.map(|service| answer::<S>(&service.arguments)).collect()
    }

    /// The arguments of the calls of services that succeeded.
    fn well_ended(&self) -> impl Iterator<Item = &Value> {
        let services = self.calls.iter().filter_map(|call| call.service.as_ref());
        services.filter(|service| service.error.is_none()).map(|service| &service.arguments)
    }

    fn calls_of<S: Step>(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.step == S::INFO.name)
    }

    /// Whether a redrive could help: AWS would accept it (the execution failed, timed out or was
    /// stopped, and its history has room), and the execution did not end in a Fail state, which
    /// a redrive only enters again.
    pub fn is_redrivable(&self) -> bool {
        let has_failed = matches!(self.status(), Status::Failed | Status::TimedOut | Status::Aborted);
        has_failed && !self.ended_in_fail() && self.history().len() < REDRIVABLE_EVENTS_MAX
    }

    /// Whether the state the failure came from, found by the links between the events, is a Fail.
    fn ended_in_fail(&self) -> bool {
        let mut event = self.history().last();
        while let Some(current) = event {
            if current.event_type().ends_with("StateEntered") {
                return current.event_type() == "FailStateEntered";
            }
            let previous = current.previous_event_id;
            event = self.history().iter().find(|event| event.id == previous);
        }
        false
    }

    /// The history, as `GetExecutionHistory` returns it.
    pub fn history(&self) -> &[HistoryEvent] {
        &self.simulated.history
    }

    /// The names of the states in the order they were entered.
    pub fn states(&self) -> Vec<&str> {
        let entered = self.history().iter().filter(|event| event.event_type().ends_with("StateEntered"));
        entered.filter_map(HistoryEvent::state_name).collect()
    }

    /// Virtual time from start to end.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.simulated.elapsed_millis).unwrap_or(0))
    }

    /// What was generated from the workflow: the definition that ran, schemas, lints.
    pub fn generated(&self) -> &Generated {
        &self.generated
    }
}

#[track_caller]
fn answer<S: Waits>(arguments: &Value) -> Given<S::Output> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let answer = match arguments.get("Output").and_then(Value::as_str).map(serde_json::from_str) {
        Some(Ok(output)) => Ok(decoded(output)),
        Some(Err(error)) => panic!("what was answered is no JSON: {error}, in {}", text("Output")),
        None => Err((text("Error"), text("Cause"))),
    };
    Given { token: text("TaskToken"), answer }
}

#[track_caller]
fn decoded<T: DeserializeOwned>(value: Value) -> T {
    let shown = value.to_string();
    match serde_json::from_value(value) {
        Ok(decoded) => decoded,
        Err(error) => panic!("it is of another type: {error}, in {shown}"),
    }
}

//! The public history: what `GetExecutionHistory` answers, in AWS's words.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::integration::Integration;
use super::payload::Payload;
use super::record::{Fact, Record, Scheduled, Text};

/// The type of a state, as event types have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum StateType {
    Pass,
    Task,
    Choice,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

impl StateType {
    /// Every type, in the order of its number in the journal.
    pub const ALL: [Self; 8] = [
        Self::Pass,
        Self::Task,
        Self::Choice,
        Self::Wait,
        Self::Succeed,
        Self::Fail,
        Self::Parallel,
        Self::Map,
    ];

    /// The type of a state of a definition.
    pub fn of(kind: &asl::StateKind) -> Self {
        match kind {
            asl::StateKind::Pass(_) => Self::Pass,
            asl::StateKind::Task(_) => Self::Task,
            asl::StateKind::Choice(_) => Self::Choice,
            asl::StateKind::Wait(_) => Self::Wait,
            asl::StateKind::Succeed => Self::Succeed,
            asl::StateKind::Fail(_) => Self::Fail,
            asl::StateKind::Parallel(_) => Self::Parallel,
            asl::StateKind::Map(_) => Self::Map,
        }
    }

    /// The name of the type, as a definition has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Task => "Task",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }

    /// `PassStateEntered` and so on.
    pub const fn entered(self) -> &'static str {
        match self {
            Self::Pass => "PassStateEntered",
            Self::Task => "TaskStateEntered",
            Self::Choice => "ChoiceStateEntered",
            Self::Wait => "WaitStateEntered",
            Self::Succeed => "SucceedStateEntered",
            Self::Fail => "FailStateEntered",
            Self::Parallel => "ParallelStateEntered",
            Self::Map => "MapStateEntered",
        }
    }

    /// `PassStateExited` and so on. AWS has no event for a Fail state.
    pub const fn exited(self) -> &'static str {
        match self {
            Self::Pass => "PassStateExited",
            Self::Task => "TaskStateExited",
            Self::Choice => "ChoiceStateExited",
            Self::Wait => "WaitStateExited",
            Self::Succeed => "SucceedStateExited",
            Self::Fail => "FailStateExited",
            Self::Parallel => "ParallelStateExited",
            Self::Map => "MapStateExited",
        }
    }

    /// `TaskStateAborted` and so on; only these four types have one.
    pub const fn aborted(self) -> Option<&'static str> {
        match self {
            Self::Task => Some("TaskStateAborted"),
            Self::Wait => Some("WaitStateAborted"),
            Self::Parallel => Some("ParallelStateAborted"),
            Self::Map => Some("MapStateAborted"),
            _ => None,
        }
    }
}

/// One event of an execution's history. Serialises to the JSON of
/// `GetExecutionHistory`: `timestamp` is a number of seconds since the epoch,
/// payloads are JSON in a string.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    /// The id: 1 first, without gaps.
    pub id: u64,
    /// The event that led to this one; 0 for none.
    pub previous_event_id: u64,
    /// When it happened, in milliseconds since the epoch.
    pub timestamp_millis: i64,
    /// What happened.
    pub fact: Fact,
}

impl HistoryEvent {
    /// The event of a record; `None` when the record is private.
    pub fn of(record: &Record) -> Option<Self> {
        (record.id != 0).then(|| Self {
            id: record.id,
            previous_event_id: record.previous,
            timestamp_millis: record.at_millis,
            fact: record.fact.clone(),
        })
    }

    /// AWS's type of the event, e.g. `TaskStateEntered`.
    pub fn event_type(&self) -> &'static str {
        event_type(&self.fact)
    }

    /// The state the event names, if it names one.
    pub fn state_name(&self) -> Option<&str> {
        match &self.fact {
            Fact::StateEntered { name, .. }
            | Fact::StateExited { name, .. }
            | Fact::MapIterationStarted { name, .. }
            | Fact::MapIterationSucceeded { name, .. }
            | Fact::MapIterationFailed { name, .. }
            | Fact::MapIterationAborted { name, .. } => Some(name),
            Fact::EvaluationFailed { state, .. } => Some(state),
            _ => None,
        }
    }

    /// The error, if the event has one.
    pub fn error(&self) -> Option<&str> {
        self.error_and_cause().0
    }

    /// The cause, if the event has one.
    pub fn cause(&self) -> Option<&str> {
        self.error_and_cause().1
    }

    /// The JSON text of the input (or the arguments of a task), if the event has one.
    pub fn input(&self) -> Option<&str> {
        match &self.fact {
            Fact::ExecutionStarted { started, .. } => Some(started.input.text()),
            Fact::StateEntered { input, .. } => Some(input.text()),
            Fact::TaskScheduled { task, .. } => Some(task.arguments.text()),
            _ => None,
        }
    }

    /// The JSON text of the output, if the event has one.
    pub fn output(&self) -> Option<&str> {
        match &self.fact {
            Fact::ExecutionSucceeded { output }
            | Fact::StateExited { output, .. }
            | Fact::TaskSubmitted { output, .. }
            | Fact::TaskSucceeded { output, .. } => Some(output.text()),
            _ => None,
        }
    }

    fn error_and_cause(&self) -> (Option<&str>, Option<&str>) {
        error_and_cause(&self.fact)
    }
}

fn error_and_cause(fact: &Fact) -> (Option<&str>, Option<&str>) {
    match fact {
        Fact::ExecutionFailed { error, cause }
        | Fact::ExecutionAborted { error, cause }
        | Fact::ExecutionTimedOut { error, cause } => (error.as_deref(), cause.as_deref()),
        Fact::EvaluationFailed { error, cause, .. } => (Some(error), Some(cause)),
        Fact::TaskFailed { failure, .. }
        | Fact::TaskSubmitFailed { failure, .. }
        | Fact::TaskScheduleFailed { failure, .. }
        | Fact::MapRunFailed { failure }
        | Fact::TaskTimedOut { failure, .. } => (failure.error.as_deref(), failure.cause.as_deref()),
        _ => (None, None),
    }
}

/// The one of three words that fits a resource: of a service, of a function, of an activity.
fn by_integration(resource: &str, [service, function, activity]: [&'static str; 3]) -> &'static str {
    match Integration::of(resource) {
        Integration::Service { .. } => service,
        Integration::Function => function,
        Integration::Activity => activity,
    }
}

fn event_type(fact: &Fact) -> &'static str {
    match fact {
        Fact::ExecutionStarted { .. } => "ExecutionStarted",
        Fact::ExecutionSucceeded { .. } => "ExecutionSucceeded",
        Fact::ExecutionFailed { .. } => "ExecutionFailed",
        Fact::ExecutionAborted { .. } => "ExecutionAborted",
        Fact::ExecutionTimedOut { .. } => "ExecutionTimedOut",
        Fact::ExecutionRedriven { .. } => "ExecutionRedriven",
        Fact::StateEntered { kind, .. } => kind.entered(),
        Fact::StateExited { kind, .. } => kind.exited(),
        Fact::StateAborted { kind } => kind.aborted().unwrap_or("StateAborted"),
        Fact::EvaluationFailed { .. } => "EvaluationFailed",
        Fact::TaskScheduled { task, .. } => {
            by_integration(&task.resource, ["TaskScheduled", "LambdaFunctionScheduled", "ActivityScheduled"])
        }
        Fact::TaskStarted { resource } => {
            by_integration(resource, ["TaskStarted", "LambdaFunctionStarted", "ActivityStarted"])
        }
        Fact::ActivityStarted { .. } => "ActivityStarted",
        Fact::TaskSubmitted { .. } => "TaskSubmitted",
        Fact::TaskSubmitFailed { .. } => "TaskSubmitFailed",
        Fact::TaskScheduleFailed { resource, .. } => by_integration(
            resource,
            ["TaskStartFailed", "LambdaFunctionScheduleFailed", "ActivityScheduleFailed"],
        ),
        Fact::TaskSucceeded { resource, .. } => {
            by_integration(resource, ["TaskSucceeded", "LambdaFunctionSucceeded", "ActivitySucceeded"])
        }
        Fact::TaskFailed { resource, .. } => {
            by_integration(resource, ["TaskFailed", "LambdaFunctionFailed", "ActivityFailed"])
        }
        Fact::TaskTimedOut { resource, .. } => {
            by_integration(resource, ["TaskTimedOut", "LambdaFunctionTimedOut", "ActivityTimedOut"])
        }
        Fact::MapStateStarted { .. } => "MapStateStarted",
        Fact::MapRunStarted { .. } => "MapRunStarted",
        Fact::MapRunSucceeded { .. } => "MapRunSucceeded",
        Fact::MapRunFailed { .. } => "MapRunFailed",
        Fact::MapRunAborted => "MapRunAborted",
        Fact::MapRunRedriven { .. } => "MapRunRedriven",
        Fact::MapStateSucceeded => "MapStateSucceeded",
        Fact::MapStateFailed => "MapStateFailed",
        Fact::MapIterationStarted { .. } => "MapIterationStarted",
        Fact::MapIterationSucceeded { .. } => "MapIterationSucceeded",
        Fact::MapIterationFailed { .. } => "MapIterationFailed",
        Fact::MapIterationAborted { .. } => "MapIterationAborted",
        Fact::ParallelStateStarted { .. } => "ParallelStateStarted",
        Fact::ParallelStateSucceeded => "ParallelStateSucceeded",
        Fact::ParallelStateFailed => "ParallelStateFailed",
        Fact::HeartbeatReceived { .. }
        | Fact::TaskTokenIssued { .. }
        | Fact::WaitArmed { .. }
        | Fact::RetryArmed { .. }
        | Fact::RetryStarted
        | Fact::BranchStarted { .. }
        | Fact::BranchSucceeded { .. }
        | Fact::BranchFailed { .. }
        | Fact::BranchAborted { .. }
        | Fact::ChildrenDropped { .. } => "Private",
    }
}

impl Serialize for HistoryEvent {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch are far below 2^52")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &(self.timestamp_millis as f64 / 1000.0))?;
        map.serialize_entry("type", self.event_type())?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("previousEventId", &self.previous_event_id)?;
        if let Some((key, details)) = details(&self.fact) {
            map.serialize_entry(key, &details)?;
        }
        map.end()
    }
}

/// The details object of an event: pairs in AWS's order.
struct Details<'a>(Vec<(&'static str, Detail<'a>)>);

enum Detail<'a> {
    Text(&'a str),
    Number(u64),
    /// `{"truncated": false}`: this engine never truncates a history.
    Whole,
    Variables(&'a [(Text, Payload)]),
    Credentials(&'a Payload),
}

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, detail) in &self.0 {
            map.serialize_entry(key, detail)?;
        }
        map.end()
    }
}

impl Serialize for Detail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Whole => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("truncated", &false)?;
                map.end()
            }
            Self::Variables(variables) => {
                let mut map = serializer.serialize_map(Some(variables.len()))?;
                for (name, value) in *variables {
                    map.serialize_entry(&**name, value.text())?;
                }
                map.end()
            }
            Self::Credentials(value) => {
                let mut map = serializer.serialize_map(Some(1))?;
                let role =
                    value.value().get("RoleArn").and_then(serde_json::Value::as_str).unwrap_or_default();
                map.serialize_entry("roleArn", role)?;
                map.end()
            }
        }
    }
}

fn input(payload: &Payload) -> [(&'static str, Detail<'_>); 2] {
    [("input", Detail::Text(payload.text())), ("inputDetails", Detail::Whole)]
}

fn output(payload: &Payload) -> [(&'static str, Detail<'_>); 2] {
    [("output", Detail::Text(payload.text())), ("outputDetails", Detail::Whole)]
}

fn failure(fact: &Fact) -> Pairs<'_> {
    let (error, cause) = error_and_cause(fact);
    let error = error.map(|text| ("error", Detail::Text(text)));
    let cause = cause.map(|text| ("cause", Detail::Text(text)));
    error.into_iter().chain(cause).collect()
}

fn details(fact: &Fact) -> Option<(&'static str, Details<'_>)> {
    let (key, pairs) = match fact {
        Fact::ExecutionStarted { started, .. } => {
            let mut pairs = Vec::from(input(&started.input));
            pairs.push(("roleArn", Detail::Text(&started.role_arn)));
            ("executionStartedEventDetails", pairs)
        }
        Fact::ExecutionSucceeded { output: payload } => {
            ("executionSucceededEventDetails", Vec::from(output(payload)))
        }
        Fact::ExecutionFailed { .. } => ("executionFailedEventDetails", failure(fact)),
        Fact::ExecutionAborted { .. } => ("executionAbortedEventDetails", failure(fact)),
        Fact::ExecutionTimedOut { .. } => ("executionTimedOutEventDetails", failure(fact)),
        Fact::ExecutionRedriven { redrive_count, .. } => {
            ("executionRedrivenEventDetails", vec![("redriveCount", Detail::Number((*redrive_count).into()))])
        }
        Fact::StateEntered { name, input: payload, .. } => {
            let mut pairs = vec![("name", Detail::Text(name))];
            pairs.extend(input(payload));
            ("stateEnteredEventDetails", pairs)
        }
        Fact::StateExited { name, output: payload, assigned, .. } => {
            let mut pairs = vec![("name", Detail::Text(name))];
            pairs.extend(output(payload));
            if !assigned.is_empty() {
                pairs.push(("assignedVariables", Detail::Variables(assigned)));
                pairs.push(("assignedVariablesDetails", Detail::Whole));
            }
            ("stateExitedEventDetails", pairs)
        }
        Fact::EvaluationFailed { state, location, .. } => {
            let mut pairs = failure(fact);
            pairs.extend(location.as_ref().map(|location| ("location", Detail::Text(location))));
            pairs.push(("state", Detail::Text(state)));
            ("evaluationFailedEventDetails", pairs)
        }
        Fact::MapStateStarted { length, .. } => {
            ("mapStateStartedEventDetails", vec![("length", Detail::Number(u64::from(*length)))])
        }
        Fact::MapIterationStarted { index, name, .. }
        | Fact::MapIterationSucceeded { index, name, .. }
        | Fact::MapIterationFailed { index, name, .. }
        | Fact::MapIterationAborted { index, name, .. } => (
            iteration_key(fact),
            vec![("name", Detail::Text(name)), ("index", Detail::Number(u64::from(*index)))],
        ),
        Fact::MapRunStarted { run } => {
            ("mapRunStartedEventDetails", vec![("mapRunArn", Detail::Text(&run.arn))])
        }
        Fact::MapRunFailed { .. } => ("mapRunFailedEventDetails", failure(fact)),
        Fact::MapRunRedriven { arn, redrive_count } => (
            "mapRunRedrivenEventDetails",
            vec![("mapRunArn", Detail::Text(arn)), ("redriveCount", Detail::Number((*redrive_count).into()))],
        ),
        Fact::TaskScheduled { task, .. } => scheduled(task),
        Fact::ActivityStarted { worker, .. } => {
            let worker = worker.as_ref().map(|worker| ("workerName", Detail::Text(worker)));
            ("activityStartedEventDetails", worker.into_iter().collect())
        }
        fact => task_details(fact)?,
    };
    Some((key, Details(pairs)))
}

type Pairs<'a> = Vec<(&'static str, Detail<'a>)>;

/// The key of the details of an iteration's event.
const fn iteration_key(fact: &Fact) -> &'static str {
    match fact {
        Fact::MapIterationStarted { .. } => "mapIterationStartedEventDetails",
        Fact::MapIterationSucceeded { .. } => "mapIterationSucceededEventDetails",
        Fact::MapIterationFailed { .. } => "mapIterationFailedEventDetails",
        _ => "mapIterationAbortedEventDetails",
    }
}

/// The details of a task's events. Those of a service name it; a function's
/// start has none.
fn task_details(fact: &Fact) -> Option<(&'static str, Pairs<'_>)> {
    let (resource, keys, mut pairs) = match fact {
        Fact::TaskStarted { resource } => {
            if Integration::of(resource) == Integration::Function {
                return None;
            }
            (resource, ["taskStartedEventDetails", "", "activityStartedEventDetails"], Vec::new())
        }
        Fact::TaskSubmitted { resource, output: payload } => {
            (resource, ["taskSubmittedEventDetails", "", ""], Vec::from(output(payload)))
        }
        Fact::TaskSubmitFailed { resource, .. } => {
            (resource, ["taskSubmitFailedEventDetails", "", ""], failure(fact))
        }
        Fact::TaskScheduleFailed { resource, .. } => (
            resource,
            [
                "taskStartFailedEventDetails",
                "lambdaFunctionScheduleFailedEventDetails",
                "activityScheduleFailedEventDetails",
            ],
            failure(fact),
        ),
        Fact::TaskSucceeded { resource, output: payload } => (
            resource,
            [
                "taskSucceededEventDetails",
                "lambdaFunctionSucceededEventDetails",
                "activitySucceededEventDetails",
            ],
            Vec::from(output(payload)),
        ),
        Fact::TaskFailed { resource, .. } => (
            resource,
            ["taskFailedEventDetails", "lambdaFunctionFailedEventDetails", "activityFailedEventDetails"],
            failure(fact),
        ),
        Fact::TaskTimedOut { resource, .. } => (
            resource,
            [
                "taskTimedOutEventDetails",
                "lambdaFunctionTimedOutEventDetails",
                "activityTimedOutEventDetails",
            ],
            failure(fact),
        ),
        _ => return None,
    };
    if let Integration::Service { resource_type, resource } = Integration::of(resource) {
        let service = [("resourceType", Detail::Text(resource_type)), ("resource", Detail::Text(resource))];
        pairs.splice(0..0, service);
    }
    Some((by_integration(resource, keys), pairs))
}

fn scheduled(task: &Scheduled) -> (&'static str, Pairs<'_>) {
    let keys =
        ["taskScheduledEventDetails", "lambdaFunctionScheduledEventDetails", "activityScheduledEventDetails"];
    let mut pairs = match Integration::of(&task.resource) {
        Integration::Function | Integration::Activity => {
            let mut pairs = vec![("resource", Detail::Text(&task.resource))];
            pairs.extend(input(&task.arguments));
            pairs
        }
        Integration::Service { resource_type, resource } => vec![
            ("resourceType", Detail::Text(resource_type)),
            ("resource", Detail::Text(resource)),
            ("region", Detail::Text(&task.region)),
            ("parameters", Detail::Text(task.arguments.text())),
        ],
    };
    if let Some(seconds) = task.timeout_seconds {
        pairs.push(("timeoutInSeconds", Detail::Number(seconds)));
    }
    if let Some(seconds) = task.heartbeat_seconds {
        pairs.push(("heartbeatInSeconds", Detail::Number(seconds)));
    }
    if let Some(credentials) = &task.credentials {
        pairs.push(("taskCredentials", Detail::Credentials(credentials)));
    }
    (by_integration(&task.resource, keys), pairs)
}

impl fmt::Display for HistoryEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} <- {} {}", self.id, self.previous_event_id, self.event_type())?;
        if let Some(name) = self.state_name() {
            write!(formatter, " {name}")?;
        }
        if let Some(error) = self.error() {
            write!(formatter, " ! {error}")?;
        }
        Ok(())
    }
}

//! Reading a request and refusing what AWS refuses: the definition, the mock,
//! the context object.

use std::sync::Arc;

use asl::{State, StateKind, StateMachine, States};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::TestHost;
use super::model::Answer;
use super::shapes::{FieldValidationMode, Mock, TestStateError, TestStateInput};
use crate::machine::{Failure, Integration, Nature, Pattern, Payload, errors, instant, uuid};

/// The name a state without a machine goes by. Recorded on AWS.
const STATE_NAME: &str = "StateName";

/// What stands in for a state's work.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Result(Payload),
    Failure(Failure),
}

/// A request that can be run.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) state: Arc<State>,
    pub(super) input: Payload,
    pub(super) variables: IndexMap<String, Value>,
    pub(super) context: Value,
    pub(super) work: Option<Work>,
}

impl Prepared {
    pub(super) fn of(request: &TestStateInput, host: &dyn TestHost) -> Result<Self, TestStateError> {
        let state = state(request)?;
        supported(&state, request)?;
        let input = request.input.as_deref().unwrap_or("{}");
        let input = Payload::parse(input).map_err(|error| TestStateError {
            code: "InvalidExecutionInput",
            message: format!("Invalid State Machine Execution Input: '{error}'"),
        })?;
        let variables = match &request.variables {
            Some(text) => object(text, "variables")?.into_iter().collect(),
            None => IndexMap::new(),
        };
        let work = request.mock.as_ref().map(|mock| work(mock, &state)).transpose()?;
        let context = match &request.context {
            Some(text) => {
                if work.is_none() {
                    return Err(TestStateError::validation(
                        "A Context object can only be specified when a mock is specified",
                    ));
                }
                given_context(text, &state)?
            }
            None => context(request, &state, &input, host),
        };
        Ok(Self { state, input, variables, context, work })
    }
}

/// The state of the request: the definition, or one of the machine's.
fn state(request: &TestStateInput) -> Result<Arc<State>, TestStateError> {
    let definition = &request.definition;
    let refused = |diagnostics: asl::Diagnostics| TestStateError::definition(diagnostics.refusal(definition));
    let Some(name) = &request.state_name else {
        return State::parse(definition, STATE_NAME).map(Arc::new).map_err(refused);
    };
    let machine = StateMachine::parse(definition).map_err(refused)?;
    find(&machine.states, name).ok_or_else(|| {
        TestStateError::validation(format!("State '{name}' does not exist in the state machine definition"))
    })
}

/// A state anywhere in the machine: names are unique across Map and Parallel.
fn find(states: &States, name: &str) -> Option<Arc<State>> {
    if let Some(state) = states.get(name) {
        return Some(Arc::clone(state));
    }
    states.values().find_map(|state| match &state.kind {
        StateKind::Map(map) => find(&map.processor.states, name),
        StateKind::Parallel(parallel) => {
            parallel.branches.iter().find_map(|branch| find(&branch.states, name))
        }
        _ => None,
    })
}

/// What can be tested with a mock, and what without.
fn supported(state: &State, request: &TestStateInput) -> Result<(), TestStateError> {
    let Some(mock) = &request.mock else { return supported_without_mock(state, request) };
    if !matches!(state.kind, StateKind::Task(_) | StateKind::Parallel(_) | StateKind::Map(_)) {
        return Err(TestStateError::validation(format!(
            "State type '{}' is not supported when a mock is specified",
            state.kind.type_name()
        )));
    }
    if mock.result.is_some() == mock.error_output.is_some() {
        return Err(TestStateError::validation(
            "A test mock should have only one of the following fields: [result, errorOutput].",
        ));
    }
    Ok(())
}

fn supported_without_mock(state: &State, request: &TestStateInput) -> Result<(), TestStateError> {
    match &state.kind {
        StateKind::Parallel(_) | StateKind::Map(_) => Err(TestStateError::definition(
            "TestState API does not support Map or Parallel states. Supported state types include: \
             [Task, Wait, Pass, Succeed, Fail, Choice]",
        )),
        StateKind::Task(task) => match Integration::of(&task.resource).pattern() {
            Pattern::Call if request.role_arn.is_none() => {
                Err(TestStateError::validation("RoleArn must be specified when testing a Task state"))
            }
            Pattern::Call => Ok(()),
            // API reference, `TestState`: "only supports the following when a mock is specified".
            Pattern::Job | Pattern::Callback | Pattern::Worker => Err(TestStateError::definition(
                "TestState API supports Activity tasks and the service integration patterns '.sync' and \
                 '.waitForTaskToken' only when a mock is specified",
            )),
        },
        _ => Ok(()),
    }
}

/// The mock of a state, checked.
fn work(mock: &Mock, state: &State) -> Result<Work, TestStateError> {
    if let Some(error) = &mock.error_output {
        let nature = match error.error.as_deref() {
            Some(errors::RUNTIME) => Nature::Runtime,
            Some(errors::TIMEOUT) => Nature::TimedOut,
            Some(errors::HEARTBEAT_TIMEOUT) => Nature::HeartbeatMissed,
            // Developer guide, "Handling errors": `States.ALL` does not take it.
            Some(errors::DATA_LIMIT_EXCEEDED) => Nature::Limit,
            _ => Nature::Raised,
        };
        let (error, cause) = (error.error.as_deref(), error.cause.as_deref());
        return Ok(Work::Failure(Failure {
            error: error.map(Into::into),
            cause: cause.map(Into::into),
            nature,
        }));
    }
    let text = mock.result.as_deref().unwrap_or("null");
    let Ok(result) = Payload::parse(text) else {
        return Err(TestStateError::validation("Mocked result must be a valid JSON."));
    };
    let check = |holds: bool, what: &str| {
        let refusal = || TestStateError::validation(format!("Mocked result must be {what}."));
        holds.then_some(()).ok_or_else(refusal)
    };
    match &state.kind {
        StateKind::Parallel(_) => check(result.value().is_array(), "an array")?,
        StateKind::Map(map) => {
            let written = map.distributed.as_ref().and_then(|mode| mode.result_writer.as_ref());
            match written.and_then(|writer| writer.resource.as_ref()) {
                Some(_) => check(result.value().is_object(), "a JSON object")?,
                None => check(result.value().is_array(), "an array")?,
            }
        }
        StateKind::Task(task) if mock.field_validation_mode != FieldValidationMode::None => {
            if let Some(answer) = Answer::of(&task.resource) {
                let with_required = mock.field_validation_mode == FieldValidationMode::Strict;
                answer.check(result.value(), with_required).map_err(TestStateError::validation)?;
            }
        }
        _ => {}
    }
    Ok(Work::Result(result))
}

/// The JSON text of an object.
fn object(text: &str, what: &str) -> Result<Map<String, Value>, TestStateError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(TestStateError::validation(format!("Invalid {what} provided: must be a JSON object"))),
        Err(error) => Err(TestStateError::validation(format!("Invalid {what} provided: {error}"))),
    }
}

/// The type of a field of the context object.
#[derive(Clone, Copy)]
enum Kind {
    Any,
    Number,
    String,
}

/// The fields of the context object that a caller may give. Developer guide,
/// "Accessing execution data from the Context object".
const CONTEXT: &[(&str, &[(&str, Kind)])] = &[
    (
        "Execution",
        &[
            ("Id", Kind::String),
            ("Input", Kind::Any),
            ("Name", Kind::String),
            ("RoleArn", Kind::String),
            ("StartTime", Kind::String),
            ("RedriveCount", Kind::Number),
            ("RedriveTime", Kind::String),
        ],
    ),
    ("State", &[("EnteredTime", Kind::String), ("Name", Kind::String), ("RetryCount", Kind::Number)]),
    ("StateMachine", &[("Id", Kind::String), ("Name", Kind::String)]),
    ("Task", &[("Token", Kind::String)]),
];

/// A context object of the caller, taken as it is once it is checked.
fn given_context(text: &str, state: &State) -> Result<Value, TestStateError> {
    let context = object(text, "Context object")?;
    let invalid =
        |problem: String| TestStateError::validation(format!("Invalid Context object provided: {problem}"));
    if context.contains_key("Map") {
        return Err(invalid("'Map' field is not supported when mocking a Context object".to_owned()));
    }
    let waits = match &state.kind {
        StateKind::Task(task) => Integration::of(&task.resource).pattern() != Pattern::Call,
        _ => false,
    };
    if context.contains_key("Task") && !waits {
        return Err(invalid(
            "Context object contains 'Task' when state is not a Task state with a '.sync' or \
             '.waitForTaskToken' service integration pattern"
                .to_owned(),
        ));
    }
    for (name, fields) in CONTEXT {
        match context.get(*name) {
            None => {}
            Some(Value::Object(part)) => {
                for (field, kind) in *fields {
                    let must_be = match (kind, part.get(*field)) {
                        (_, None) | (Kind::Any, _) => continue,
                        (Kind::String, Some(Value::String(_))) | (Kind::Number, Some(Value::Number(_))) => {
                            continue;
                        }
                        (Kind::String, _) => "a string",
                        (Kind::Number, _) => "a number",
                    };
                    return Err(invalid(format!("{name}.{field} must be {must_be}")));
                }
            }
            Some(_) => return Err(invalid(format!("{name} must be an object"))),
        }
    }
    Ok(Value::Object(context))
}

/// The context object of a test: an Express execution of a machine, both
/// with names of their own. Recorded on AWS: a state is called `StateName`
/// there, and has a count of retries only where it can be retried.
fn context(request: &TestStateInput, state: &State, input: &Payload, host: &dyn TestHost) -> Value {
    let (region, account) = host.region_and_account();
    let now = instant(host.now_millis());
    let [execution, machine, token] = [0, 1, 2].map(|position| {
        let bits = host.seed().wrapping_add(position);
        uuid(bits.wrapping_mul(0x9E37_79B9_7F4A_7C15), bits.rotate_left(32) ^ 0xD1B5_4A32_D192_ED03)
    });
    let mut entered = Map::new();
    entered.insert("Name".to_owned(), STATE_NAME.into());
    entered.insert("EnteredTime".to_owned(), now.as_str().into());
    if matches!(state.kind, StateKind::Task(_) | StateKind::Parallel(_) | StateKind::Map(_)) {
        entered.insert("RetryCount".to_owned(), request.state_configuration.retrier_retry_count.into());
    }
    let mut context = Map::new();
    let parts = [
        (
            "Execution",
            json!({
                "Id": format!("arn:aws:states:{region}:{account}:express:{machine}:{execution}"),
                "Input": input.value(),
                "Name": execution,
                "RoleArn": request.role_arn,
                "StartTime": now,
            }),
        ),
        (
            "StateMachine",
            json!({
                "Id": format!("arn:aws:states:{region}:{account}:stateMachine:{machine}"),
                "Name": machine,
            }),
        ),
        ("State", Value::Object(entered)),
    ];
    context.extend(parts.map(|(name, part)| (name.to_owned(), part)));
    if let StateKind::Task(task) = &state.kind
        && matches!(Integration::of(&task.resource).pattern(), Pattern::Callback | Pattern::Worker)
    {
        context.insert("Task".to_owned(), json!({ "Token": token }));
    }
    Value::Object(context)
}

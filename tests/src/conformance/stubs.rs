//! Who answers the tasks of a case: its mock configuration, functions it
//! describes, its actors, and results taken from the recorded history.

use std::collections::{BTreeMap, VecDeque};

use engine::machine::Integration;
use engine::simulate::{Reply, TaskStep};
use engine::{
    MockConfig, MockedTasks, TaskOutcome, TaskRequest, lambda_invoke_payload, lambda_invoke_result,
};
use serde_json::{Value, json};

use super::Transport;
use super::actor::Actor;
use super::bindings::Bindings;
use super::case::Case;
use super::processes::Processes;

/// Any request id will do: recordings hold a placeholder.
const REQUEST_ID: &str = "6c1f2a52-6f0e-4a5c-9d3b-2f1c6f6f0a11";

/// The stubs of a case.
pub(super) struct Stubs {
    functions: BTreeMap<String, Value>,
    mocked: Option<MockedTasks>,
    actors: Vec<Actor>,
    /// What the recorded history shows as the end of tasks, by state.
    ends: BTreeMap<String, VecDeque<Value>>,
    /// What it shows as the answers of calls that submit a task, by resource.
    submissions: BTreeMap<String, VecDeque<String>>,
    /// The functions as processes, if they are.
    processes: Option<Processes>,
}

impl Stubs {
    pub(super) fn new(case: &Case, bindings: &Bindings) -> Result<Self, String> {
        let filled = |field: &str| match bindings.fill(&case.body[field]) {
            Value::Object(map) => map,
            _ => serde_json::Map::new(),
        };
        let mocked = mocked(case, bindings)?;
        let mut ends = BTreeMap::new();
        // A case with a mock configuration has no other answers.
        if mocked.is_none() {
            for (state, results) in filled("derived_mocks") {
                ends.insert(state, results.as_array().cloned().unwrap_or_default().into());
            }
        }
        let actors = case.list("actors").iter().map(|actor| Actor::read(&bindings.fill(actor)));
        Ok(Self {
            functions: filled("lambda_stubs").into_iter().collect(),
            mocked,
            actors: actors.collect::<Result<_, _>>()?,
            ends,
            submissions: submissions(case, bindings),
            processes: None,
        })
    }

    /// With functions as that transport has them.
    pub(super) fn served(mut self, transport: Transport) -> Result<Self, String> {
        if transport == Transport::Processes && !self.functions.is_empty() {
            self.processes = Some(Processes::start(&self.functions)?);
        }
        Ok(self)
    }

    pub(super) fn answer(&mut self, task: &TaskRequest) -> Reply {
        if let Some(outcome) =
            self.mocked.as_mut().and_then(|mocked| mocked.answer(&task.state_name, &task.resource))
        {
            return self.submitted_then(task, vec![(0, TaskStep::Ended(outcome))]);
        }
        let direct = !task.resource.starts_with("arn:aws:states:");
        let function =
            if direct { Some(task.resource.as_str()) } else { task.arguments["FunctionName"].as_str() };
        if let Some(stub) = function.and_then(|function| self.functions.get(function_name(function))) {
            let outcome = match &self.processes {
                Some(processes) => processes.invoke(task),
                None => invoke(stub, direct, &task.arguments),
            };
            return match stub["sleep_seconds"].as_i64() {
                Some(seconds) => Reply::After(seconds * 1000, outcome),
                None => Reply::Now(outcome),
            };
        }
        let acted = self.actors.iter_mut().find_map(|actor| actor.take(task));
        match acted {
            Some(steps) => self.submitted_then(task, steps),
            None => self.recorded(task),
        }
    }

    /// What the recorded history shows.
    fn recorded(&mut self, task: &TaskRequest) -> Reply {
        let result = self.ends.get_mut(&task.state_name).and_then(VecDeque::pop_front);
        match result {
            Some(result) if result["TimesOut"] == true => self.submitted_then(task, Vec::new()),
            Some(result) => self.submitted_then(task, vec![(0, TaskStep::Ended(recorded(&result)))]),
            None => Reply::Now(TaskOutcome::Failed {
                error: "Recording.NoAnswer".to_owned(),
                cause: format!(
                    "The case has no answer for `{}` in the state `{}`.",
                    task.resource, task.state_name
                ),
            }),
        }
    }

    /// The steps of a task; before them, where its resource has that, the answer of the call that submits it.
    fn submitted_then(&mut self, task: &TaskRequest, mut steps: Vec<(i64, TaskStep)>) -> Reply {
        let Integration::Service { resource, .. } = Integration::of(&task.resource) else {
            return Reply::Steps(steps);
        };
        if resource.contains(".sync") || resource.ends_with(".waitForTaskToken") {
            let submission = self.submissions.get_mut(resource).and_then(VecDeque::pop_front);
            steps.insert(0, (0, TaskStep::Submitted(submission.unwrap_or_else(|| "{}".to_owned()))));
        }
        Reply::Steps(steps)
    }
}

/// The answers of the calls that submit tasks: what a service makes up (ids,
/// checksums), so that nobody can compute it.
fn submissions(case: &Case, bindings: &Bindings) -> BTreeMap<String, VecDeque<String>> {
    let mut submissions: BTreeMap<String, VecDeque<String>> = BTreeMap::new();
    for event in case.body["expected"]["history"].as_array().into_iter().flatten() {
        let details = &event["taskSubmittedEventDetails"];
        if let Some(resource) = details["resource"].as_str() {
            submissions
                .entry(resource.to_owned())
                .or_default()
                .push_back(raw_text(&bindings.fill(&details["output"])));
        }
    }
    submissions
}

/// The test case of a case with a mock configuration.
fn mocked(case: &Case, bindings: &Bindings) -> Result<Option<MockedTasks>, String> {
    let Some(config) = case.body.get("mock_config") else { return Ok(None) };
    let config = MockConfig::parse(&bindings.fill(config).to_string()).map_err(|error| error.to_string())?;
    let machine = bindings.fill_text(case.body["name"].as_str().unwrap_or_default());
    let test_case = case.body["mock_test_case"].as_str().unwrap_or_default();
    let tasks = config.test_case(&machine, test_case);
    tasks.map(Some).ok_or_else(|| format!("the mock configuration has no test case {machine}#{test_case}"))
}

/// `my-function` of its ARN, with or without a qualifier, or of its name.
pub(super) fn function_name(identifier: &str) -> &str {
    let mut parts = identifier.split(':');
    if identifier.starts_with("arn:") { parts.nth(6) } else { parts.next() }.unwrap_or(identifier)
}

/// Calls a described function: `direct` as `Resource`, else by `lambda:invoke`.
fn invoke(stub: &Value, direct: bool, arguments: &Value) -> TaskOutcome {
    let payload = if direct { arguments.to_string() } else { lambda_invoke_payload(arguments) };
    let payload = serde_json::from_str(&payload).unwrap_or(Value::String(payload));
    match returned(stub, payload) {
        Some(value) if direct => TaskOutcome::Succeeded(value.to_string()),
        Some(value) => TaskOutcome::Succeeded(lambda_invoke_result(&value.to_string())),
        None => raised(&stub["raise"]),
    }
}

pub(super) fn returned(stub: &Value, payload: Value) -> Option<Value> {
    if stub["echo"] == true {
        return Some(payload);
    }
    if let Some(repeat) = stub.get("return_repeat") {
        let times =
            repeat["times"].as_u64().and_then(|times| usize::try_from(times).ok()).unwrap_or_default();
        return Some(Value::String(repeat["text"].as_str().unwrap_or_default().repeat(times)));
    }
    if let Some(format) = stub["return_format"].as_str() {
        return Some(Value::String(format.replace("{event}", &payload.to_string())));
    }
    stub.get("return").cloned()
}

/// The outcome that the recorded history shows for a task.
fn recorded(result: &Value) -> TaskOutcome {
    let thrown = &result["Throw"];
    if thrown.is_null() {
        return TaskOutcome::Succeeded(raw_text(&result["Return"]));
    }
    let text = |value: &Value| if value.is_null() { String::new() } else { raw_text(value) };
    TaskOutcome::Failed { error: text(&thrown["Error"]), cause: text(&thrown["Cause"]) }
}

/// A text of a recorded history: only those that start with `{` were read.
fn raw_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn raised(error: &Value) -> TaskOutcome {
    let cause = json!({
        "errorMessage": error["errorMessage"],
        "errorType": error["errorType"],
        "requestId": REQUEST_ID,
        "stackTrace": error["stackTrace"],
    });
    TaskOutcome::Failed {
        error: error["errorType"].as_str().unwrap_or("Unhandled").to_owned(),
        cause: cause.to_string(),
    }
}

//! Who answers the tasks of a case: functions described by the case, and
//! results taken from the recorded history.

use std::collections::{BTreeMap, VecDeque};

use engine::simulate::Reply;
use engine::{MockConfig, MockedTasks, TaskOutcome, TaskRequest, lambda_invoke_result};
use serde_json::{Value, json};

use super::bindings::Bindings;
use super::case::Case;

/// Any request id will do: recordings hold a placeholder.
const REQUEST_ID: &str = "6c1f2a52-6f0e-4a5c-9d3b-2f1c6f6f0a11";

/// The stubs of a case.
pub(super) struct Stubs {
    functions: BTreeMap<String, Value>,
    recorded: BTreeMap<String, VecDeque<Value>>,
    mocked: Option<MockedTasks>,
}

impl Stubs {
    pub(super) fn new(case: &Case, bindings: &Bindings) -> Result<Self, String> {
        let filled = |field: &str| match bindings.fill(&case.body[field]) {
            Value::Object(map) => map,
            _ => serde_json::Map::new(),
        };
        let recorded = filled("derived_mocks").into_iter().map(|(state, results)| {
            let results = results.as_array().cloned().unwrap_or_default();
            (state, results.into())
        });
        let recorded = recorded.collect();
        let functions = filled("lambda_stubs").into_iter().collect();
        // A case with a mock configuration has no other answers.
        match mocked(case, bindings)? {
            Some(mocked) => Ok(Self { functions, recorded: BTreeMap::new(), mocked: Some(mocked) }),
            None => Ok(Self { functions, recorded, mocked: None }),
        }
    }

    pub(super) fn answer(&mut self, task: &TaskRequest) -> Reply {
        if let Some(outcome) = self.mocked.as_mut().and_then(|mocked| mocked.answer(&task.state_name)) {
            return Reply::Now(outcome);
        }
        let direct = !task.resource.starts_with("arn:aws:states:");
        let function =
            if direct { Some(task.resource.as_str()) } else { task.arguments["FunctionName"].as_str() };
        let stub = function.and_then(|function| self.functions.get(function_name(function)));
        if let Some(stub) = stub {
            return invoke(stub, direct, &task.arguments);
        }
        match self.recorded.get_mut(&task.state_name).and_then(VecDeque::pop_front) {
            Some(result) => Reply::Now(recorded(&result)),
            None => Reply::Now(TaskOutcome::Failed {
                error: "Recording.NoAnswer".to_owned(),
                cause: format!(
                    "The case has no answer for `{}` in the state `{}`.",
                    task.resource, task.state_name
                ),
            }),
        }
    }
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
fn function_name(identifier: &str) -> &str {
    let mut parts = identifier.split(':');
    if identifier.starts_with("arn:") { parts.nth(6) } else { parts.next() }.unwrap_or(identifier)
}

/// Calls a described function: `direct` as `Resource`, else by `lambda:invoke`.
fn invoke(stub: &Value, direct: bool, arguments: &Value) -> Reply {
    let payload = if direct { arguments.clone() } else { arguments["Payload"].clone() };
    let outcome = match returned(stub, payload) {
        Some(value) if direct => TaskOutcome::Succeeded(value.to_string()),
        Some(value) => TaskOutcome::Succeeded(lambda_invoke_result(&value.to_string())),
        None => raised(&stub["raise"]),
    };
    match stub["sleep_seconds"].as_i64() {
        Some(seconds) => Reply::After(seconds * 1000, outcome),
        None => Reply::Now(outcome),
    }
}

fn returned(stub: &Value, payload: Value) -> Option<Value> {
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
        return TaskOutcome::Succeeded(result["Return"].to_string());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    TaskOutcome::Failed { error: text(&thrown["Error"]), cause: text(&thrown["Cause"]) }
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

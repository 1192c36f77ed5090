//! Mocked service integrations: the configuration file of Step Functions
//! Local, which names the answers that the tasks of a test case get.
//!
//! Owns reading the file and counting attempts; refuses to know who runs the
//! tasks that a test case does not mock. Format: developer guide,
//! "Configuration file for mocked service integrations".
//!
//! ```
//! use engine::{MockConfig, TaskOutcome};
//!
//! let config = MockConfig::parse(r#"{
//!     "StateMachines": { "orders": { "TestCases": { "Retried": { "Charge": "SlowCharge" } } } },
//!     "MockedResponses": { "SlowCharge": {
//!         "0-1": { "Throw": { "Error": "Lambda.TimeoutException", "Cause": "Too slow." } },
//!         "2": { "Return": { "StatusCode": 200 } }
//!     } }
//! }"#).unwrap();
//! let mut test = config.test_case("orders", "Retried").unwrap();
//! let resource = "arn:aws:states:::lambda:invoke";
//! assert!(matches!(test.answer("Charge", resource), Some(TaskOutcome::Failed { .. })));
//! assert!(matches!(test.answer("Charge", resource), Some(TaskOutcome::Failed { .. })));
//! let returned = TaskOutcome::Succeeded(r#"{"StatusCode":200}"#.to_owned());
//! assert_eq!(test.answer("Charge", resource), Some(returned));
//! assert_eq!(test.answer("Ship", resource), None);
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::machine::{Integration, errors};
use crate::task::TaskOutcome;

/// Why a mock configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mock configuration, {path}: {problem}")]
pub struct MockConfigError {
    /// Where, e.g. `MockedResponses.SlowCharge.0-1`.
    pub path: String,
    /// What is wrong, and what is expected.
    pub problem: String,
}

/// A mock configuration: test cases of state machines, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MockConfig {
    machines: BTreeMap<String, BTreeMap<String, TestCase>>,
}

/// What the states of a test case answer.
type TestCase = BTreeMap<String, Arc<Responses>>;

/// The answers of a mocked response, in the order of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Responses {
    name: String,
    /// First attempt, last attempt, answer.
    answers: Vec<(u32, u32, TaskOutcome)>,
}

impl MockConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// What is not JSON, misses a field, or names a response that is not there.
    pub fn parse(text: &str) -> Result<Self, MockConfigError> {
        let root: Value =
            serde_json::from_str(text).map_err(|error| wrong("the file", &error.to_string()))?;
        let mut responses = BTreeMap::new();
        for (name, body) in object(root.get("MockedResponses"), "MockedResponses")? {
            responses.insert(name.as_str(), Arc::new(Responses::read(name, body)?));
        }
        let mut machines = BTreeMap::new();
        for (machine, body) in object(root.get("StateMachines"), "StateMachines")? {
            let path = format!("StateMachines.{machine}.TestCases");
            let mut cases = BTreeMap::new();
            for (case, states) in object(body.get("TestCases"), &path)? {
                let path = format!("{path}.{case}");
                let mut mocked = TestCase::new();
                for (state, name) in object(Some(states), &path)? {
                    let path = format!("{path}.{state}");
                    let name =
                        name.as_str().ok_or_else(|| wrong(&path, "expected the name of a response"))?;
                    let response = responses
                        .get(name)
                        .ok_or_else(|| wrong(&path, &format!("MockedResponses has no '{name}'")))?;
                    mocked.insert(state.clone(), Arc::clone(response));
                }
                cases.insert(case.clone(), mocked);
            }
            machines.insert(machine.clone(), cases);
        }
        Ok(Self { machines })
    }

    /// The test case of a state machine for one execution, which is started
    /// as `stateMachineArn#testCase`.
    pub fn test_case(&self, state_machine: &str, test_case: &str) -> Option<MockedTasks> {
        let states = self.machines.get(state_machine)?.get(test_case)?.clone();
        Some(MockedTasks { states, attempts: BTreeMap::new() })
    }
}

/// The mocked tasks of one execution.
#[derive(Debug, Clone)]
pub struct MockedTasks {
    states: TestCase,
    attempts: BTreeMap<String, u32>,
}

impl MockedTasks {
    /// The answer to the next attempt of a state, counted over the whole
    /// execution: retries, iterations and loops alike. `None` = the test case
    /// does not mock the state. More attempts than there are answers fail with
    /// `States.Runtime`, which nothing catches: the test case is not complete.
    ///
    /// A mocked function answers as Lambda's API does, with `StatusCode` and
    /// `Payload`. Where `resource` is the ARN of a function, the result is the
    /// payload, as it is of a function that is called. Recorded on AWS.
    pub fn answer(&mut self, state: &str, resource: &str) -> Option<TaskOutcome> {
        let responses = self.states.get(state)?;
        let attempts = self.attempts.entry(state.to_owned()).or_default();
        let attempt = *attempts;
        *attempts += 1;
        let answers = responses.answers.iter();
        let answer = answers.clone().find(|(first, last, _)| (*first..=*last).contains(&attempt));
        Some(match answer {
            Some((_, _, outcome)) if Integration::of(resource) == Integration::Function => {
                payload_of(outcome)
            }
            Some((_, _, outcome)) => outcome.clone(),
            None => TaskOutcome::Failed {
                error: errors::RUNTIME.to_owned(),
                cause: format!(
                    "The mocked response '{}' has no answer for attempt {attempt} of the state '{state}'.",
                    responses.name
                ),
            },
        })
    }
}

/// What a function returned, of the answer of Lambda's API.
fn payload_of(outcome: &TaskOutcome) -> TaskOutcome {
    if let TaskOutcome::Succeeded(answer) = outcome
        && let Ok(answer) = serde_json::from_str::<Value>(answer)
        && let Some(payload) = answer.get("Payload")
    {
        return TaskOutcome::Succeeded(payload.to_string());
    }
    outcome.clone()
}

impl Responses {
    fn read(name: &str, body: &Value) -> Result<Self, MockConfigError> {
        let mut answers = Vec::new();
        let path = format!("MockedResponses.{name}");
        for (range, answer) in object(Some(body), &path)? {
            let path = format!("{path}.{range}");
            let (first, last) = attempts(range)
                .ok_or_else(|| wrong(&path, "expected an attempt like \"0\" or a range like \"1-2\""))?;
            answers.push((first, last, outcome(answer, &path)?));
        }
        Ok(Self { name: name.to_owned(), answers })
    }
}

/// `2` or `0-1`.
fn attempts(range: &str) -> Option<(u32, u32)> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

fn outcome(answer: &Value, path: &str) -> Result<TaskOutcome, MockConfigError> {
    match (answer.get("Return"), answer.get("Throw")) {
        (Some(returned), None) => Ok(TaskOutcome::Succeeded(returned.to_string())),
        (None, Some(thrown)) => {
            let text = |field: &str| match thrown.get(field) {
                Some(Value::String(text)) => Ok(text.clone()),
                _ => Err(wrong(path, &format!("Throw needs a text '{field}'"))),
            };
            Ok(TaskOutcome::Failed { error: text("Error")?, cause: text("Cause")? })
        }
        _ => Err(wrong(path, "expected either Return or Throw")),
    }
}

fn object<'v>(value: Option<&'v Value>, path: &str) -> Result<&'v Map<String, Value>, MockConfigError> {
    value.and_then(Value::as_object).ok_or_else(|| wrong(path, "expected an object"))
}

fn wrong(path: &str, problem: &str) -> MockConfigError {
    MockConfigError { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;

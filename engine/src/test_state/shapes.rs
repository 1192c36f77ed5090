//! The request and the answer of `TestState`, as the API's model has them.

use serde::{Deserialize, Serialize};

/// What `TestState` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TestStateInput {
    /// One state, or a whole machine together with [`Self::state_name`]; at most 1 MiB.
    pub definition: String,
    /// The role of the execution; not needed with a mock.
    pub role_arn: Option<String>,
    /// The state's input, JSON text; `{}` when there is none.
    pub input: Option<String>,
    /// How much the answer tells.
    pub inspection_level: InspectionLevel,
    /// Show the secrets of an HTTP task's request. Only HTTP tasks have any, and this engine does not call them.
    pub reveal_secrets: bool,
    /// The variables on entry: the JSON text of an object.
    pub variables: Option<String>,
    /// The state of the machine to test, wherever in it it is.
    pub state_name: Option<String>,
    /// What stands in for the state's work.
    pub mock: Option<Mock>,
    /// The context object: the JSON text of an object. Only with a mock.
    pub context: Option<String>,
    /// What has happened to the state before.
    pub state_configuration: StateConfiguration,
}

/// How much an answer tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InspectionLevel {
    /// Status, output, error, next state.
    #[default]
    Info,
    /// Also how JSON flowed through the state.
    Debug,
    /// Also the request and response of an HTTP task.
    Trace,
}

/// What stands in for a state's work: a result or an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mock {
    /// JSON text.
    pub result: Option<String>,
    /// The error.
    pub error_output: Option<MockError>,
    /// How a result is checked against the model of the called service.
    pub field_validation_mode: FieldValidationMode,
}

/// A mocked error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MockError {
    /// Its name, at most 256 characters.
    pub error: Option<String>,
    /// Its cause, at most 32,768 characters.
    pub cause: Option<String>,
}

/// How a mocked result is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FieldValidationMode {
    /// Required fields are there, and what is there fits the model.
    #[default]
    Strict,
    /// What is there fits the model.
    Present,
    /// Not at all.
    None,
}

/// What has happened to a state before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StateConfiguration {
    /// How often the retrier that takes the error has retried.
    pub retrier_retry_count: u32,
    /// The state inside of a Map or Parallel that the mocked error comes from.
    pub error_caused_by_state: Option<String>,
    /// How many iterations of the Map have failed.
    pub map_iteration_failure_count: Option<u64>,
    /// What the item reader of the Map has read, as it was found.
    pub map_item_reader_data: Option<String>,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TestStatus {
    /// The state did what it had to do.
    Succeeded,
    /// It failed, and nothing takes the error.
    Failed,
    /// It failed, and a retrier takes the error.
    Retriable,
    /// It failed, and a catcher takes the error.
    CaughtError,
}

/// What `TestState` answers. Absent members are not written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestStateOutput {
    /// The state's output, or the catcher's: JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The error's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error's cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How JSON flowed through the state; from the level `DEBUG` on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspection_data: Option<InspectionData>,
    /// Where the machine would go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_state: Option<String>,
    /// How the test ended.
    pub status: TestStatus,
}

/// How JSON flowed through a state: each stage as JSON text.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectionData {
    /// The state's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// After `Arguments`, JSONata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_arguments: Option<String>,
    /// After `InputPath`, JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_input_path: Option<String>,
    /// After `Parameters`, JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_parameters: Option<String>,
    /// The result of the task, or of a Pass that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// After `ResultSelector`, JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_result_selector: Option<String>,
    /// After `ResultPath`, JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_result_path: Option<String>,
    /// The variables when the state is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<String>,
    /// Which retrier and catcher are for the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<ErrorDetails>,
    /// The items after `ItemsPath`, JSONPath.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_items_path: Option<String>,
    /// The inputs of the iterations after `ItemSelector`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_item_selector: Option<String>,
    /// The inputs of the iterations after `ItemBatcher`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_item_batcher: Option<String>,
    /// The items after `ItemsPointer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_items_pointer: Option<String>,
    /// `ToleratedFailureCount`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_count: Option<u64>,
    /// `ToleratedFailurePercentage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_percentage: Option<f64>,
    /// `MaxConcurrency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u64>,
}

/// Which retrier and catcher are for an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// The position of the catcher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_index: Option<usize>,
    /// The position of the retrier, also when it has no attempts left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_index: Option<usize>,
    /// How long the retrier would wait, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_backoff_interval_seconds: Option<i64>,
}

/// Why a state is not tested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct TestStateError {
    /// AWS's name of the error: `ValidationException`, `InvalidDefinition`, `InvalidExecutionInput`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl TestStateError {
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self { code: "ValidationException", message: message.into() }
    }

    pub(super) fn definition(message: impl Into<String>) -> Self {
        Self { code: "InvalidDefinition", message: message.into() }
    }
}

//! What an operation answers when it does not do what it was asked to: AWS's
//! codes and AWS's words.

use engine::EngineError;
use engine::registry::{Limited, RegistryError};
use tokio::task::JoinError;

/// An error of the Step Functions API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// AWS's name of the error, e.g. `StateMachineDoesNotExist`.
    pub code: &'static str,
    /// AWS's words.
    pub message: String,
    /// The status of the HTTP answer: 400 for what the caller did, 500 for what we did.
    pub http_status: u16,
}

/// What an operation answers.
pub(super) type Answer<T = serde_json::Value> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), http_status: 400 }
    }

    /// What is our fault: the log has the reason, the caller does not.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        let message = "Internal Server Error".to_owned();
        Self { code: "InternalFailure", message, http_status: 500 }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn invalid_arn(problem: impl std::fmt::Display) -> Self {
        Self::new("InvalidArn", format!("Invalid Arn: '{problem}'"))
    }

    pub(super) fn invalid_name(name: &str) -> Self {
        Self::new("InvalidName", format!("Invalid Name: '{name}'"))
    }

    pub(super) fn invalid_token() -> Self {
        Self::new("InvalidToken", "Invalid Token: 'Invalid token'")
    }

    pub(super) fn no_state_machine(arn: &str) -> Self {
        Self::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
    }

    pub(super) fn no_execution(arn: &str) -> Self {
        Self::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
    }

    pub(super) fn no_activity(arn: &str) -> Self {
        Self::new("ActivityDoesNotExist", format!("Activity Does Not Exist: '{arn}'"))
    }

    /// Of something that a request names beside its main resource. Recorded on AWS.
    pub(super) fn no_resource() -> Self {
        Self::new("ResourceNotFound", "Request references a resource that does not exist.")
    }

    pub(super) fn type_not_supported() -> Self {
        Self::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        )
    }

    /// What the engine refuses, in AWS's words. `arn`: the resource the request is about.
    pub(crate) fn of(error: EngineError, arn: &str) -> Self {
        match error {
            EngineError::Registry(error) => Self::of_registry(error, arn),
            EngineError::StateMachineDoesNotExist { .. } => Self::no_state_machine(arn),
            EngineError::StateMachineTypeNotSupported { .. } => Self::type_not_supported(),
            EngineError::ExecutionDoesNotExist { .. } => Self::no_execution(arn),
            EngineError::ExecutionAlreadyExists { execution_arn } => {
                Self::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{execution_arn}'"))
            }
            // The code is of the model; nothing settles the words, ours are those of `redriveStatusReason`.
            EngineError::ExecutionNotRedrivable { reason, .. } => {
                Self::new("ExecutionNotRedrivable", reason.to_string())
            }
            error @ EngineError::ChildNotRedrivable { .. } => {
                Self::new("ExecutionNotRedrivable", error.to_string())
            }
            EngineError::ExecutionLimitExceeded => {
                Self::new("ExecutionLimitExceeded", "The maximum number of open executions has been reached.")
            }
            // The code is of the model's common errors, the words are those of its SDKs' examples.
            EngineError::Throttled => Self::new("ThrottlingException", "Rate exceeded"),
            EngineError::InvalidName { name } => Self::invalid_name(&name),
            EngineError::InvalidDefinition { diagnostics, .. } => {
                super::definitions::refused(&diagnostics, "")
            }
            EngineError::InvalidExecutionInput { problem } => Self::new(
                "InvalidExecutionInput",
                format!("Invalid State Machine Execution Input: '{problem}'"),
            ),
            EngineError::MapRunDoesNotExist { map_run_arn } => {
                Self::new("ResourceNotFound", format!("Resource not found: '{map_run_arn}'"))
            }
            EngineError::MapRunHasEnded { map_run_arn } => {
                Self::validation(format!("Map Run '{map_run_arn}' is not running and cannot be updated"))
            }
            EngineError::InvalidToken => Self::invalid_token(),
            EngineError::TaskTimedOut => {
                Self::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
            }
            EngineError::InvalidOutput { problem } => {
                Self::new("InvalidOutput", format!("Invalid Output: '{problem}'"))
            }
            error @ (EngineError::Journal(_)
            | EngineError::Stopped { .. }
            | EngineError::Replay { .. }
            | EngineError::ExecutionLeftOut { .. }
            | EngineError::System { .. }) => Self::internal(error),
        }
    }

    fn of_registry(error: RegistryError, arn: &str) -> Self {
        match error {
            RegistryError::StateMachineAlreadyExists { .. } => {
                Self::new("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'"))
            }
            RegistryError::StateMachineDeleting { .. } => {
                Self::new("StateMachineDeleting", format!("State Machine is being deleted: '{arn}'"))
            }
            RegistryError::LimitExceeded { what, count } => {
                let code = match what {
                    Limited::StateMachines => "StateMachineLimitExceeded",
                    Limited::Activities => "ActivityLimitExceeded",
                    Limited::Versions | Limited::Aliases => "ServiceQuotaExceededException",
                };
                Self::new(code, format!("The maximum number of {what} ({count}) has been reached."))
            }
            RegistryError::RevisionConflict { asked, current, .. } => Self::new(
                "ConflictException",
                format!(
                    "Failed to publish the State Machine version for revision {asked}. \
                     The current State Machine revision is {current}."
                ),
            ),
            RegistryError::VersionInUse { aliases, .. } => Self::new(
                "ConflictException",
                format!(
                    "Version to be deleted must not be referenced by an alias. \
                     Current list of aliases referencing this version: [{}]",
                    aliases.join(", ")
                ),
            ),
            // Recorded on AWS: also when only the description differs.
            RegistryError::AliasAlreadyExists { .. } => Self::new(
                "ConflictException",
                "Failed to create alias because an alias with the same name and a different routing \
                 configuration already exists.",
            ),
            RegistryError::QualifierDoesNotExist { .. } => Self::no_resource(),
            RegistryError::ActivityAlreadyExists { .. } => {
                Self::new("ActivityAlreadyExists", format!("Activity Already Exists: '{arn}'"))
            }
            RegistryError::ActivityDoesNotExist { .. } => Self::no_activity(arn),
            RegistryError::TooManyTags { max } => {
                Self::new("TooManyTags", format!("The resource '{arn}' may have at most {max} tags."))
            }
            RegistryError::ResourceDoesNotExist { .. } => {
                Self::new("ResourceNotFound", format!("Resource not found: '{arn}'"))
            }
        }
    }
}

impl From<JoinError> for ApiError {
    fn from(error: JoinError) -> Self {
        Self::internal(error)
    }
}

//! Why the engine does not do what it is asked to.

use asl::Diagnostics;
use asl::limits::OPEN_EXECUTIONS_MAX;

use super::redrive::NotRedrivable;
use crate::journal::JournalError;
use crate::machine::ReplayError;
use crate::registry::RegistryError;

/// Why the engine does not do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The engine has stopped; what was acknowledged is in the journal.
    #[error("the engine has stopped: {reason}. Open it again: what it acknowledged is in the journal")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// The registry refuses it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Only an Express execution can be started and waited for.
    #[error("state machine '{name}' is not of type EXPRESS: start an execution and wait for it")]
    StateMachineTypeNotSupported {
        /// The state machine.
        name: String,
    },
    /// The definition has errors.
    #[error("the definition of state machine '{name}' is refused: {diagnostics}")]
    InvalidDefinition {
        /// The state machine.
        name: String,
        /// Everything that was found.
        diagnostics: Diagnostics,
    },
    /// A name has characters that AWS does not allow, or is too long.
    #[error(
        "the name '{name}' is not valid: use 1 to 80 characters, none of them white space or one of <>{{}}[]?*\"#%\\^|~`$&,;:/"
    )]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The journal and the definition of an execution do not belong together.
    #[error("execution {execution_arn} cannot be recovered: {source}")]
    Replay {
        /// The execution.
        execution_arn: String,
        /// What does not fit.
        source: ReplayError,
    },
    /// The execution has not ended and does not go on: it was left out when the engine was opened.
    #[error(
        "execution '{execution_arn}' was left out, it neither goes on nor can be stopped: {problem}. `stepwright doctor` says more"
    )]
    ExecutionLeftOut {
        /// The ARN.
        execution_arn: String,
        /// What is wrong with its part of the journal.
        problem: String,
    },
    /// There is no such state machine.
    #[error("state machine '{name}' does not exist: put its definition first")]
    StateMachineDoesNotExist {
        /// Name or ARN.
        name: String,
    },
    /// There is no such execution.
    #[error("execution '{execution_arn}' does not exist")]
    ExecutionDoesNotExist {
        /// The ARN.
        execution_arn: String,
    },
    /// There is no such Map Run.
    #[error("Map Run '{map_run_arn}' does not exist")]
    MapRunDoesNotExist {
        /// The ARN.
        map_run_arn: String,
    },
    /// A Map Run that has ended cannot be changed.
    #[error("Map Run '{map_run_arn}' has ended: it cannot be changed any more")]
    MapRunHasEnded {
        /// The ARN.
        map_run_arn: String,
    },
    /// The name is taken by an execution with another input, or by one that has ended.
    #[error("execution '{execution_arn}' already exists: use another name")]
    ExecutionAlreadyExists {
        /// The ARN.
        execution_arn: String,
    },
    /// The execution cannot be redriven.
    #[error("execution '{execution_arn}' cannot be redriven: {reason}")]
    ExecutionNotRedrivable {
        /// The ARN.
        execution_arn: String,
        /// AWS's reason.
        reason: NotRedrivable,
    },
    /// A child execution is redriven by its Map Run only.
    #[error(
        "execution '{execution_arn}' is a child of a Map Run: redrive the execution that the Map Run belongs to"
    )]
    ChildNotRedrivable {
        /// The ARN.
        execution_arn: String,
    },
    /// The input is not JSON, or larger than 256 KiB.
    #[error("the input of the execution is refused: {problem}")]
    InvalidExecutionInput {
        /// What is wrong.
        problem: String,
    },
    /// As many executions are open as may be.
    #[error("{OPEN_EXECUTIONS_MAX} executions are open, which is the limit: wait until some have ended")]
    ExecutionLimitExceeded,
    /// The journal is behind: more waits for the disk than may.
    #[error("the journal is behind with writing: try again in a moment")]
    Throttled,
    /// The text is no task token.
    #[error("the task token is not valid: use the one that the task was given")]
    InvalidToken,
    /// The task of the token is over: it was completed before, it took too long, or its execution ended.
    #[error("the task of the token is over: it was completed or timed out, or its execution has ended")]
    TaskTimedOut,
    /// The output of a task is not JSON.
    #[error("the output of the task is not JSON: {problem}")]
    InvalidOutput {
        /// What is wrong.
        problem: String,
    },
    /// A thread could not be started, or no random numbers could be had.
    #[error("{action}: {problem}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        problem: String,
    },
}

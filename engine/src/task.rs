//! The port to what runs tasks.

use std::fmt;

use crate::machine::{TaskKey, TaskRequest};

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It succeeded. The JSON text of the *integration's* result, which is
    /// what `$states.result` shows: for `lambda:invoke` the object that holds
    /// `Payload` (see [`lambda_invoke_result`]), for a function's ARN as
    /// `Resource` what the function returned.
    Succeeded(String),
    /// It failed.
    Failed {
        /// The error, at most 256 characters; of a function its `errorType`.
        error: String,
        /// The cause, at most 32,768 characters; of a function its error as JSON text.
        cause: String,
    },
}

impl TaskOutcome {
    /// The outcome of an attempt of which nobody knows how it ended: a
    /// transient error of Lambda, which generated definitions retry.
    pub fn unknown(cause: impl Into<String>) -> Self {
        Self::Failed { error: crate::machine::errors::LAMBDA_SERVICE.to_owned(), cause: cause.into() }
    }
}

/// The result of `arn:aws:states:::lambda:invoke` around what a function
/// returned, given as JSON text. AWS adds HTTP metadata, which differs from
/// call to call; this engine leaves it out.
///
/// # Examples
/// ```
/// let result = engine::lambda_invoke_result(r#"{"rows":3}"#);
/// assert_eq!(result, r#"{"ExecutedVersion":"$LATEST","Payload":{"rows":3},"StatusCode":200}"#);
/// ```
pub fn lambda_invoke_result(payload: &str) -> String {
    format!(r#"{{"ExecutedVersion":"$LATEST","Payload":{payload},"StatusCode":200}}"#)
}

/// Runs tasks.
pub trait TaskHost: Send + Sync {
    /// Starts a task and returns at once: it runs on the thread that writes
    /// the journal, after the task's schedule is durable. The outcome comes
    /// through `done`, from any thread, now or later.
    fn invoke(&self, task: TaskRequest, done: Completion);

    /// Nobody waits for this attempt any more: it timed out, or the execution
    /// was stopped. A host may ignore it.
    fn cancel(&self, task: &TaskKey) {
        let _ = task;
    }
}

/// The way back from a task host. Whoever drops it without an outcome has
/// lost the task: the attempt fails with `Lambda.ServiceException`.
pub struct Completion {
    finish: Option<Box<dyn FnOnce(TaskOutcome) + Send>>,
}

impl Completion {
    /// A completion that hands the outcome to a function, once. The engine
    /// makes its own; this is for tests of task hosts.
    pub fn new(finish: impl FnOnce(TaskOutcome) + Send + 'static) -> Self {
        Self { finish: Some(Box::new(finish)) }
    }

    /// Hands in the outcome. Late outcomes (after a timeout, a stop) are ignored.
    pub fn finish(mut self, outcome: TaskOutcome) {
        if let Some(finish) = self.finish.take() {
            finish(outcome);
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(finish) = self.finish.take() {
            finish(TaskOutcome::unknown("The task host gave the task up without an outcome."));
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Completion").finish_non_exhaustive()
    }
}

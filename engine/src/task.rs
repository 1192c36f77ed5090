//! The port to what runs tasks.

use std::fmt;

use serde_json::Value;

use crate::machine::{Input, TaskKey, TaskRequest};

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

    /// What the machine is told.
    pub(crate) fn into_input(self, event_id: u64) -> Input {
        match self {
            Self::Succeeded(output) => Input::TaskSucceeded { event_id, output },
            Self::Failed { error, cause } => Input::TaskFailed { event_id, error, cause },
        }
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

/// The body that `arn:aws:states:::lambda:invoke` sends, given its arguments.
/// Recorded on AWS: a `Payload` that is a string is sent as it is (so the
/// string `[]` arrives as an empty array), anything else as its JSON text; of
/// `null`, or without `Payload`, the function gets an empty object.
///
/// # Examples
/// ```
/// use serde_json::json;
/// assert_eq!(engine::lambda_invoke_payload(&json!({ "Payload": { "a": 1 } })), r#"{"a":1}"#);
/// assert_eq!(engine::lambda_invoke_payload(&json!({ "Payload": "[1]" })), "[1]");
/// assert_eq!(engine::lambda_invoke_payload(&json!({ "Payload": null })), "{}");
/// ```
pub fn lambda_invoke_payload(arguments: &Value) -> String {
    match arguments.get("Payload") {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(payload) => payload.to_string(),
    }
}

/// Runs tasks.
///
/// What a host answers depends on the end of the resource's name. A plain one:
/// the answer of the call. `.sync`: [`Completion::submitted`] with the answer
/// of the call that starts the job, then the end of the job.
/// `.waitForTaskToken`: the answer of the call, to whose receiver the token in
/// [`TaskRequest::token`] went; the task then waits for the token to be
/// completed. Activities never come to a host.
pub trait TaskHost: Send + Sync {
    /// Starts a task and returns at once: it runs on the thread that writes
    /// the journal, after the task's schedule is durable. The outcome comes
    /// through `done`, from any thread, now or later.
    fn invoke(&self, task: TaskRequest, done: Completion);

    /// Goes on with a job that was submitted before the engine was opened
    /// again; `submission` is what [`Completion::submitted`] was told. A host
    /// that cannot find the job drops `done`.
    fn resume(&self, task: TaskRequest, submission: Value, done: Completion) {
        let _ = (task, submission, done);
    }

    /// Nobody waits for this attempt any more: it timed out, or the execution
    /// was stopped. A host may ignore it.
    fn cancel(&self, task: &TaskKey) {
        let _ = task;
    }
}

/// What a task host tells about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskReport {
    /// The job of a `.sync` resource is submitted; the JSON text of the call's answer.
    Submitted(String),
    /// The call was answered, or the job has ended.
    Finished(TaskOutcome),
}

/// The way back from a task host. Whoever drops it without an outcome has
/// lost the task: the attempt fails with `Lambda.ServiceException`.
pub struct Completion {
    report: Option<Box<dyn FnMut(TaskReport) + Send>>,
}

impl Completion {
    /// A completion that hands the outcome to a function, once. The engine
    /// makes its own; this is for tests of task hosts.
    pub fn new(finish: impl FnOnce(TaskOutcome) + Send + 'static) -> Self {
        let mut finish = Some(finish);
        Self::reporting(move |report| {
            if let TaskReport::Finished(outcome) = report
                && let Some(finish) = finish.take()
            {
                finish(outcome);
            }
        })
    }

    /// A completion that hands on everything it is told.
    pub fn reporting(report: impl FnMut(TaskReport) + Send + 'static) -> Self {
        Self { report: Some(Box::new(report)) }
    }

    /// The job of a `.sync` resource is submitted: the JSON text of the call's answer.
    pub fn submitted(&mut self, answer: String) {
        if let Some(report) = &mut self.report {
            report(TaskReport::Submitted(answer));
        }
    }

    /// Hands in the outcome. Late outcomes (after a timeout, a stop) are ignored.
    pub fn finish(mut self, outcome: TaskOutcome) {
        if let Some(mut report) = self.report.take() {
            report(TaskReport::Finished(outcome));
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(mut report) = self.report.take() {
            let lost = TaskOutcome::unknown("The task host gave the task up without an outcome.");
            report(TaskReport::Finished(lost));
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Completion").finish_non_exhaustive()
    }
}

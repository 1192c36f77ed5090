//! What a mocked step answers.

use std::time::Duration;

use engine::simulate::Reply;
use engine::{TaskOutcome, lambda_invoke_result};
use serde_json::{Value, json};
use stepwright::Step;
use stepwright::lambda::StepFailure;

/// How one attempt of a step ends, besides returning or failing as declared.
///
/// `Answer::from(result)` makes one of what the step's function returns.
#[derive(Debug)]
pub enum Answer<S: Step> {
    /// The step returns.
    Returns(S::Output),
    /// The step ends in one of its errors.
    Fails(S::Error),
    /// Something else goes wrong, such as `Lambda.TooManyRequestsException` or `Sandbox.Timedout`.
    Breaks {
        /// The error's name.
        error: &'static str,
        /// The cause.
        cause: &'static str,
    },
    /// The step takes this long, in virtual time, and then answers.
    After(Duration, Box<Answer<S>>),
    /// The step never answers: only the state's timeout goes on.
    Never,
}

impl<S: Step> Answer<S> {
    /// The answer, after a while.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self::After(time, Box::new(self))
    }

    pub(crate) fn reply(self) -> Reply {
        match self {
            Self::Returns(output) => Reply::Now(outcome(stepwright::lambda::encode::<S>(Ok(output)))),
            Self::Fails(error) => Reply::Now(outcome(stepwright::lambda::encode::<S>(Err(error)))),
            Self::Breaks { error, cause } => {
                Reply::Now(TaskOutcome::Failed { error: error.to_owned(), cause: cause.to_owned() })
            }
            Self::After(time, answer) => {
                answer.reply().delayed(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Never => Reply::Never,
        }
    }
}

impl<S: Step> From<Result<S::Output, S::Error>> for Answer<S> {
    fn from(result: Result<S::Output, S::Error>) -> Self {
        match result {
            Ok(output) => Self::Returns(output),
            Err(error) => Self::Fails(error),
        }
    }
}

/// How Lambda reports what a step's wrapper returned.
pub(crate) fn outcome(result: Result<Value, StepFailure>) -> TaskOutcome {
    match result {
        Ok(output) => TaskOutcome::Succeeded(lambda_invoke_result(&output.to_string())),
        Err(StepFailure { error_type, message }) => {
            let cause = json!({ "errorType": error_type, "errorMessage": message }).to_string();
            TaskOutcome::Failed { error: error_type, cause }
        }
    }
}

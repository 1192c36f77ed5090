//! What a mocked step answers.

use std::time::Duration;

use engine::simulate::{Reply, TaskStep};
use engine::{TaskOutcome, lambda_invoke_result};
use serde_json::{Value, json};
use stepwright::Step;
use stepwright::lambda::StepFailure;

/// How one attempt of a step ends, besides returning or failing as declared.
///
/// `Answer::from(result)` makes one of what the step's function returns.
#[derive(Debug)]
pub enum Answer<S: Step> {
    /// The step returns; one that waits is answered.
    Returns(S::Output),
    /// The step ends in one of its errors, also one that an answer says.
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

    /// Of a step that waits, its function hands the token on at once, and the answer is what comes
    /// by the token.
    pub(crate) fn reply(self) -> Reply {
        let (millis, ended) = self.ended();
        if S::INFO.waits {
            let handed_on = TaskStep::Submitted(lambda_invoke_result("null"));
            let answered = ended.map(|outcome| (millis, TaskStep::Ended(outcome)));
            return Reply::Steps([(0, handed_on)].into_iter().chain(answered).collect());
        }
        match ended {
            Some(outcome) if millis > 0 => Reply::After(millis, outcome),
            Some(outcome) => Reply::Now(outcome),
            None => Reply::Never,
        }
    }

    /// How the attempt ends, if it does, and after how many milliseconds.
    fn ended(self) -> (i64, Option<TaskOutcome>) {
        match self {
            Self::Returns(output) => {
                let encoded = stepwright::lambda::encode::<S>(Ok(output));
                let outcome = match encoded {
                    Ok(answer) if S::INFO.waits => TaskOutcome::Succeeded(answer.to_string()),
                    encoded => outcome(encoded),
                };
                (0, Some(outcome))
            }
            Self::Fails(error) => (0, Some(outcome(stepwright::lambda::encode::<S>(Err(error))))),
            Self::Breaks { error, cause } => {
                (0, Some(TaskOutcome::Failed { error: error.to_owned(), cause: cause.to_owned() }))
            }
            Self::After(time, answer) => {
                let (millis, ended) = answer.ended();
                (millis.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)), ended)
            }
            Self::Never => (0, None),
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

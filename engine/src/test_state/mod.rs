//! `TestState`: one state, run on its own, with mocks in the place of its work
//! and every stage of its data flow on show.
//!
//! Owns what AWS's operation of this name does. The stages are those of
//! [`crate::machine::Flow`], which executions run through as well. What a
//! state calls comes from a mock, or from the [`TestHost`]; nothing here but
//! `live`, which is [`Engine::test_state`](crate::Engine::test_state), touches
//! a clock or waits.
//!
//! Mocked results are checked against AWS's service models
//! ([`crate::services`]), where the result is the answer of one operation. Others are taken as they are. HTTP
//! tasks are tested with mocks only.
//!
//! ```
//! use engine::test_state::{Alone, TestStateInput, TestStatus, test_state};
//! use serde_json::json;
//!
//! let request: TestStateInput = serde_json::from_value(json!({
//!     "definition": r#"{
//!         "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
//!         "Parameters": {"QueueUrl": "queue", "MessageBody.$": "$.text"},
//!         "ResultPath": "$.sent"
//!     }"#,
//!     "input": r#"{"text": "hello"}"#,
//!     "mock": { "result": r#"{"MessageId": "1"}"# },
//! }))?;
//! let answer = test_state(&request, &Alone::default())?;
//! assert_eq!(answer.status, TestStatus::Succeeded);
//! assert_eq!(answer.output.as_deref(), Some(r#"{"text":"hello","sent":{"MessageId":"1"}}"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod live;
mod model;
mod prepare;
mod requests;
mod run;
mod shapes;
#[cfg(test)]
mod tests;

pub use self::requests::{ServiceModels, without_model};
pub use self::shapes::{
    ErrorDetails, FieldValidationMode, InspectionData, InspectionLevel, Mock, MockError, StateConfiguration,
    TestStateError, TestStateInput, TestStateOutput, TestStatus,
};

use self::prepare::Prepared;
use self::run::Test;
use crate::arn;
use crate::machine::TaskRequest;
use crate::task::TaskOutcome;

/// What a test takes from outside.
pub trait TestHost {
    /// The time, in milliseconds since the epoch.
    fn now_millis(&self) -> i64;
    /// Where random numbers and names begin: the same seed gives the same ones.
    fn seed(&self) -> u64;
    /// Region and account in the ARNs of the context object.
    fn region_and_account(&self) -> (&str, &str);
    /// Runs the task of a state that has no mock, and waits for its end.
    fn run(&self, task: TaskRequest) -> TaskOutcome;
}

/// A host without services: tasks need a mock.
#[derive(Debug, Clone)]
pub struct Alone {
    /// The time, in milliseconds since the epoch.
    pub now_millis: i64,
    /// Where random numbers and names begin.
    pub seed: u64,
    /// The region in ARNs.
    pub region: String,
    /// The account in ARNs.
    pub account: String,
}

impl Default for Alone {
    fn default() -> Self {
        Self {
            now_millis: 0,
            seed: 0,
            region: arn::DEFAULT_REGION.to_owned(),
            account: arn::DEFAULT_ACCOUNT.to_owned(),
        }
    }
}

impl TestHost for Alone {
    fn now_millis(&self) -> i64 {
        self.now_millis
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn region_and_account(&self) -> (&str, &str) {
        (&self.region, &self.account)
    }

    fn run(&self, task: TaskRequest) -> TaskOutcome {
        TaskOutcome::Failed {
            error: "States.TaskFailed".to_owned(),
            cause: format!("Nothing here runs {}: give the state a mock.", task.resource),
        }
    }
}

/// Tests a state. `Err` is what AWS refuses; a state that fails is an answer.
pub fn test_state(request: &TestStateInput, host: &dyn TestHost) -> Result<TestStateOutput, TestStateError> {
    let prepared = Prepared::of(request, host)?;
    Ok(Test::new(&prepared, request, host).run())
}

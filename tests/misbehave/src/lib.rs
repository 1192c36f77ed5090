//! Steps that go wrong in the ways a step can go wrong, for the tests that show
//! what a user sees then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::prelude::*;

/// What every workflow here is started with.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Request {
    /// The spec file, unread.
    pub spec: ObjectRef,
    /// The input files, unread.
    pub files: Vec<ObjectRef>,
}

/// What a well-behaved step would answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Answer {
    /// Some text.
    pub text: String,
}

/// The one error these steps declare.
#[derive(Debug, StepError)]
pub enum MisbehaveError {
    /// declared, and raised
    Declared,
}

stepwright::bucket!(pub Drops = "drops");

/// Panics.
#[step(memory = 128, timeout = 10)]
pub async fn panics(request: Request) -> Result<Answer, MisbehaveError> {
    assert!(request.files.is_empty(), "the panic this step is for");
    Ok(Answer { text: request.spec.key })
}

/// Takes longer than its timeout.
#[step(memory = 128, timeout = 1)]
pub async fn hangs(request: Request) -> Result<Answer, MisbehaveError> {
    std::thread::sleep(std::time::Duration::from_mins(2));
    Ok(Answer { text: request.spec.key })
}

/// Answers 300 KiB where a state's output may have 256.
#[step(memory = 128, timeout = 10)]
pub async fn answers_too_much(request: Request) -> Result<Answer, MisbehaveError> {
    let _ = request;
    Ok(Answer { text: "x".repeat(300 * 1024) })
}

/// Ends its process.
#[step(memory = 128, timeout = 10)]
pub async fn exits(request: Request) -> Result<Answer, MisbehaveError> {
    let _ = request;
    std::process::exit(7)
}

/// Raises its declared error.
#[step(memory = 128, timeout = 10)]
pub async fn declares(request: Request) -> Result<Answer, MisbehaveError> {
    let _ = request;
    Err(MisbehaveError::Declared)
}

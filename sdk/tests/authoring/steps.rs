//! Steps and types the tests are about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::prelude::*;

stepwright::bucket!(pub Drops = "drops");
stepwright::bucket!(pub Staging = "staging");
stepwright::secret!(pub CoreViewUrl = "core-view");

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Request {
    pub spec: ObjectRef,
    pub files: Vec<ObjectRef>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Parsed {
    pub period: String,
    pub rows: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Figures {
    pub period: String,
    pub rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Complete(Receipt),
    Partial { missing: u64 },
    NothingToDo,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Receipt {
    pub id: String,
}

#[derive(Debug, StepError)]
pub enum ParseError {
    /// The file does not follow its spec.
    ///
    /// A second paragraph.
    Malformed { line: u64, column: String },
    /// The file is gone.
    Vanished,
}

#[derive(Debug, StepError)]
#[error_name = "Deliver"]
pub enum DeliverError {
    /// The other side does not answer.
    #[message("no answer from {host} after {seconds} s")]
    Unavailable { host: String, seconds: u32 },
    /// The other side refuses.
    #[error_name = "RefusedByPolicy"]
    Refused,
    /// Our own mistake.
    #[error_name = "Contract.Violated"]
    Violated,
}

/// Reads a file
/// as its spec says.
///
/// More about it.
#[step(memory = 1024, timeout = 300)]
pub async fn parse_file(
    request: Request,
    from: Read<Drops>,
    to: Write<Staging>,
) -> Result<Parsed, ParseError> {
    let _ = (from, to);
    if request.files.is_empty() {
        return Err(ParseError::Vanished);
    }
    Ok(Parsed { period: String::from("2024-03"), rows: request.files.len() as u64 })
}

#[step]
pub async fn deliver(
    figures: Figures,
    key: Use<CoreViewUrl>,
    invocation: Invocation,
) -> Result<Outcome, DeliverError> {
    let _ = (key, invocation);
    match figures.rows {
        0 => Ok(Outcome::NothingToDo),
        1 => Err(DeliverError::Unavailable { host: String::from("coreview"), seconds: 30 }),
        2 => panic!("rows of {} are cursed", figures.period),
        rows => Ok(Outcome::Complete(Receipt { id: format!("receipt-{rows}") })),
    }
}

#[step]
pub async fn size(file: ObjectRef) -> Result<u64, ParseError> {
    Ok(file.bytes)
}

#[step]
pub async fn tidy_up() -> Result<(), std::convert::Infallible> {
    Ok(())
}

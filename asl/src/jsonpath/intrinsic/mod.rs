//! Intrinsic functions: `States.Format('{}', $.a)` and the seventeen others.

mod functions;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use self::functions::Evaluation;
use super::error::{IntrinsicError, PathSyntaxError};
use super::{Path, PathErrorKind, RUNTIME_ERROR, searched};
use crate::budget::TooLarge;
use crate::limits;
use crate::template::{DATA_LIMIT_EXCEEDED, Scope};

/// The name of the error of a function that fails. Developer guide, "Error names".
const INTRINSIC_FAILURE: &str = "States.IntrinsicFailure";

/// A call of an intrinsic function. Cheap to clone, `Send + Sync`. Two calls
/// are equal when their texts are.
#[derive(Clone)]
pub struct Intrinsic {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    call: Call,
}

/// `States.Name(…)`.
#[derive(Debug)]
struct Call {
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Debug)]
enum Argument {
    /// `'text'`, and as written where an escape or a brace matters.
    Text {
        /// A string.
        value: Value,
        written: String,
    },
    /// A number, `true`, `false` or `null`.
    Literal(Value),
    Path(Path),
    Call(Call),
}

/// The intrinsic functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

impl Function {
    const ALL: [(&'static str, Self); 18] = [
        ("States.Array", Self::Array),
        ("States.ArrayContains", Self::ArrayContains),
        ("States.ArrayGetItem", Self::ArrayGetItem),
        ("States.ArrayLength", Self::ArrayLength),
        ("States.ArrayPartition", Self::ArrayPartition),
        ("States.ArrayRange", Self::ArrayRange),
        ("States.ArrayUnique", Self::ArrayUnique),
        ("States.Base64Decode", Self::Base64Decode),
        ("States.Base64Encode", Self::Base64Encode),
        ("States.Format", Self::Format),
        ("States.Hash", Self::Hash),
        ("States.JsonMerge", Self::JsonMerge),
        ("States.JsonToString", Self::JsonToString),
        ("States.MathAdd", Self::MathAdd),
        ("States.MathRandom", Self::MathRandom),
        ("States.StringSplit", Self::StringSplit),
        ("States.StringToJson", Self::StringToJson),
        ("States.UUID", Self::Uuid),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, function)| *function == self).map_or("States", |(name, _)| *name)
    }
}

impl fmt::Debug for Intrinsic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Intrinsic").field(&self.inner.source).finish()
    }
}

impl PartialEq for Intrinsic {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

impl Eq for Intrinsic {}

impl Intrinsic {
    /// Parses a call, with at most ten calls in each other.
    pub fn parse(text: &str) -> Result<Self, PathSyntaxError> {
        if text.len() > limits::INTRINSIC_SOURCE_BYTES_MAX {
            let message = format!("The call is longer than {} bytes", limits::INTRINSIC_SOURCE_BYTES_MAX);
            return Err(PathSyntaxError { message, offset: 0 });
        }
        let call = parse::parse(text)?;
        Ok(Self { inner: Arc::new(Inner { source: text.to_owned(), call }) })
    }

    /// The text of the call.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Every path among the arguments, in the order of the text.
    pub fn paths(&self) -> Vec<&Path> {
        self.inner.call.paths()
    }

    /// Calls the function. Deterministic: the same scope and the same answers
    /// of the host give the same result.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, IntrinsicError> {
        Evaluation::new(scope).call(&self.inner.call).map_err(|failure| {
            let (error, reason) = match failure {
                Failure::Function(reason) => (INTRINSIC_FAILURE, reason),
                Failure::Path(reason) => (RUNTIME_ERROR, reason),
                Failure::TooLarge(error) => {
                    return IntrinsicError { error: DATA_LIMIT_EXCEEDED, cause: error.to_string() };
                }
            };
            let cause = format!("The function '{}' had the following error: {reason}", self.source());
            IntrinsicError { error, cause }
        })
    }
}

impl Call {
    fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        for argument in &self.arguments {
            match argument {
                Argument::Path(path) => paths.push(path),
                Argument::Call(call) => paths.extend(call.paths()),
                Argument::Text { .. } | Argument::Literal(_) => {}
            }
        }
        paths
    }
}

/// Why a call failed.
enum Failure {
    /// The arguments do not suit the function.
    Function(String),
    /// A path among the arguments found nothing.
    Path(String),
    /// The fields of the state make more than they may.
    TooLarge(TooLarge),
}

impl From<TooLarge> for Failure {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

impl Failure {
    fn of_path(path: &Path, error: &super::PathError, scope: &Scope<'_>) -> Self {
        Self::Path(match error.kind {
            PathErrorKind::Exceeded => error.message.clone(),
            _ => format!(
                "The JsonPath argument for the field '{}' could not be found in the input '{}'",
                path.source(),
                searched(path, scope)
            ),
        })
    }
}

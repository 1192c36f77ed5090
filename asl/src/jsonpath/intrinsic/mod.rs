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

    /// How many arguments it takes: at least, and at most where there is a most. Developer guide,
    /// "Intrinsic functions".
    const fn count(self) -> (usize, Option<usize>) {
        match self {
            Self::Uuid => (0, Some(0)),
            Self::ArrayLength
            | Self::ArrayUnique
            | Self::Base64Decode
            | Self::Base64Encode
            | Self::JsonToString
            | Self::StringToJson => (1, Some(1)),
            Self::ArrayContains
            | Self::ArrayGetItem
            | Self::ArrayPartition
            | Self::Hash
            | Self::MathAdd
            | Self::StringSplit => (2, Some(2)),
            Self::ArrayRange | Self::JsonMerge => (3, Some(3)),
            Self::MathRandom => (2, Some(3)),
            Self::Array => (0, None),
            Self::Format => (1, None),
        }
    }

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

    /// The names of the functions.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Function::ALL.iter().map(|(name, _)| *name)
    }

    /// The calls in it that have too many or too few arguments. AWS accepts them in definitions.
    pub(crate) fn wrong_counts(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.inner.call.wrong_counts(&mut found);
        found
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
    fn wrong_counts(&self, found: &mut Vec<String>) {
        let (name, count) = (self.function.name(), self.arguments.len());
        let (least, most) = self.function.count();
        if count < least || most.is_some_and(|most| count > most) {
            let takes = match most {
                Some(most) if most > least => format!("{least} or {}", arguments(most)),
                Some(most) => arguments(most),
                None => format!("at least {}", arguments(least)),
            };
            found.push(format!(
                "{name} takes {takes}, and {count} {}",
                if count == 1 { "is given" } else { "are given" }
            ));
        } else if let (Function::Format, Some(Argument::Text { written, .. })) =
            (self.function, self.arguments.first())
        {
            let places = written.replace("\\\\", "").replace("\\{", "").matches("{}").count();
            if places != count - 1 {
                found.push(format!(
                    "{name} has {places} {{}} in its text, and {} for them",
                    arguments(count - 1)
                ));
            }
        }
        for argument in &self.arguments {
            if let Argument::Call(call) = argument {
                call.wrong_counts(found);
            }
        }
    }

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

/// `1 argument`, `2 arguments`.
fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        _ => format!("{count} arguments"),
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

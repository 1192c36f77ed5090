//! Why an evaluation ends without a value: the errors of the language with
//! JSONata's codes and words, and AWS's bounds.

use super::raised::Raised;
use super::{EvaluationError, FailureKind};
use crate::budget::TooLarge;

/// AWS's words when an expression needs more memory than it may.
pub(super) const MEMORY: &str =
    "Expression evaluation memory limit exceeded: Check for excessive memory usage";
/// AWS's words when levels of evaluation go deeper than 100.
pub(super) const STACK: &str = "Stack overflow error: Check for non-terminating recursive function. \
                                Consider rewriting as tail-recursive";
/// What JSONata's own harness says of an expression that does not end. What AWS
/// says is not recorded.
pub(super) const TIME: &str = "Expression evaluation timeout: Check for infinite loop";

/// An evaluation that ended without a value. Boxed: the way of success stays small.
#[derive(Debug)]
pub(super) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: FailureKind,
    code: &'static str,
    words: Words,
    /// What JSONata calls the token: the innermost function called by a name,
    /// or the operator that saw the error last.
    token: Option<String>,
}

#[derive(Debug)]
enum Words {
    Ready(String),
    /// The name of the function or the operator goes between the two: it is
    /// only known further out.
    Around(String, String),
}

/// What an evaluation gives.
pub(super) type Outcome<T> = Result<T, Failure>;

impl Failure {
    fn new(kind: FailureKind, code: &'static str, words: Words) -> Self {
        Self(Box::new(Inner { kind, code, words, token: None }))
    }

    /// An error of the language.
    pub(super) fn raised(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Raised, code, Words::Ready(message.into()))
    }

    /// An error whose message names the function that was called.
    pub(super) fn about_function(code: &'static str, before: String, after: &str) -> Self {
        Self::new(FailureKind::Raised, code, Words::Around(before, after.to_owned()))
    }

    /// An error whose message names the operator, or the one around it.
    pub(super) fn about_operator(code: &'static str, before: String, sign: &str, after: &str) -> Self {
        Self::about_function(code, before, after).in_operator(sign)
    }

    pub(super) fn memory() -> Self {
        Self::new(FailureKind::Bound, "", Words::Ready(MEMORY.to_owned()))
    }

    pub(super) fn stack() -> Self {
        Self::new(FailureKind::Bound, "", Words::Ready(STACK.to_owned()))
    }

    pub(super) fn time() -> Self {
        Self::new(FailureKind::Bound, "", Words::Ready(TIME.to_owned()))
    }

    pub(super) fn unsupported_result() -> Self {
        Self::new(FailureKind::UnsupportedResult, "", Words::Ready(String::new()))
    }

    /// Names the function, unless one further in has been named.
    pub(super) fn in_function(mut self, name: &str) -> Self {
        if self.0.token.is_none() {
            self.0.token = Some(name.to_owned());
        }
        self
    }

    /// An operator puts its own sign in the place of the function's name.
    pub(super) fn in_operator(mut self, sign: &str) -> Self {
        self.0.token = Some(sign.to_owned());
        self
    }
}

impl From<TooLarge> for Failure {
    fn from(_: TooLarge) -> Self {
        Self::new(FailureKind::TooLarge, "", Words::Ready(String::new()))
    }
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Self {
        if raised.code.is_empty() && raised.message == MEMORY {
            return Self::memory();
        }
        Self::raised(raised.code, raised.message)
    }
}

impl From<Failure> for EvaluationError {
    fn from(failure: Failure) -> Self {
        let Inner { kind, code, words, token } = *failure.0;
        let message = match words {
            Words::Ready(text) => text,
            Words::Around(before, after) => {
                let name = token.map_or_else(|| "undefined".to_owned(), |name| super::raised::quoted(&name));
                format!("{before}{name}{after}")
            }
        };
        Self { kind, code: code.to_owned(), message }
    }
}

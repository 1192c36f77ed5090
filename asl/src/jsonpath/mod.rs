//! JSONPath in AWS's dialect, and intrinsic functions.
//!
//! AWS uses Jayway's library; its answers and its error texts are part of what
//! a state machine sees, so this is an evaluator of that dialect and of no
//! other. On top of it come AWS's roots (`$$`, `$variable`), its one deviation
//! ([`Path::find`]) and its wordings.
//!
//! Nothing a path does takes unbounded time or memory: the steps of a path,
//! its filters, its regular expressions and what it copies are bounded
//! (see [`crate::limits`]).

mod error;
mod evaluate;
mod filter;
mod function;
mod intrinsic;
mod parse;
mod put;
mod scanner;
#[cfg(test)]
mod tests;
mod token;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use self::error::{IntrinsicError, PathError, PathErrorKind, PathSyntaxError};
use self::evaluate::{Budget, Demand};
pub use self::intrinsic::Intrinsic;
use self::put::Conflict;
use self::token::Compiled;
use crate::budget::StateBudget;
use crate::quote;
use crate::template::{QueryError, Scope, too_large};

/// The name of the error most failures of a path give. Recorded on AWS.
pub const RUNTIME_ERROR: &str = "States.Runtime";

/// A parsed path. Cheap to clone, `Send + Sync`. Two paths are equal when their texts are.
#[derive(Clone)]
pub struct Path {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    /// How much of the source names the root.
    root: std::ops::Range<usize>,
    kind: RootKind,
    /// The path from its root on, as if that were `$`.
    compiled: Compiled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RootKind {
    Input,
    Context,
    Variable,
}

/// What a path starts at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root<'a> {
    /// `$`: the input of the field.
    Input,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable, by its name without `$`.
    Variable(&'a str),
}

/// A path or an intrinsic function: the value of a field whose key ends in
/// `.$`, and of `ErrorPath` and `CausePath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// `$.a.b`, `$$.Execution.Name`, `$variable`.
    Path(Path),
    /// `States.Format('{}', $.a)`.
    Intrinsic(Intrinsic),
}

impl fmt::Debug for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Path").field(&self.inner.source).finish()
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

impl Eq for Path {}

impl Path {
    /// Parses a path that starts with `$`, `$$` or `$variable`.
    pub fn parse(text: &str) -> Result<Self, PathSyntaxError> {
        let refuse = |message: String, offset| PathSyntaxError { message, offset };
        if !text.starts_with('$') {
            return Err(refuse("Path must start with '$'".to_owned(), 0));
        }
        if text.len() > crate::limits::JSONPATH_SOURCE_BYTES_MAX {
            let message =
                format!("The path is longer than {} bytes", crate::limits::JSONPATH_SOURCE_BYTES_MAX);
            return Err(refuse(message, 0));
        }
        let name = text.get(1..).unwrap_or_default();
        let name_length = name.find(|c: char| !is_name_character(c)).unwrap_or(name.len());
        let (kind, root) = match name.chars().next() {
            Some('$') => (RootKind::Context, 0..2),
            Some(first) if is_name_start(first) => (RootKind::Variable, 0..1 + name_length),
            _ => (RootKind::Input, 0..1),
        };
        let steps = text.get(root.end..).unwrap_or_default();
        let compiled = parse::compile(&format!("${steps}"), 0).map_err(|refusal| {
            let before = refusal.at.saturating_sub(1);
            let offset = steps.char_indices().nth(before).map_or(steps.len(), |(offset, _)| offset);
            refuse(refusal.message, root.end + offset)
        })?;
        Ok(Self { inner: Arc::new(Inner { source: text.to_owned(), root, kind, compiled }) })
    }

    /// The text of the path.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The path in bracket notation: `$['a'][0]`.
    pub fn normalised(&self) -> String {
        let root = self.inner.source.get(self.inner.root.clone()).unwrap_or("$");
        format!("{root}{}", self.inner.compiled.text_from(0))
    }

    /// What the path starts at.
    pub fn root(&self) -> Root<'_> {
        match self.inner.kind {
            RootKind::Input => Root::Input,
            RootKind::Context => Root::Context,
            RootKind::Variable => {
                Root::Variable(self.inner.source.get(1..self.inner.root.end).unwrap_or_default())
            }
        }
    }

    /// The path picks a single value; an indefinite one gives a list.
    pub fn is_definite(&self) -> bool {
        self.inner.compiled.is_definite()
    }

    /// The path is a reference path: it steps only through single properties
    /// and items. `ResultPath`, `ItemsPath`, `Variable` and others have to be one.
    pub fn is_reference(&self) -> bool {
        self.inner.compiled.is_plain()
    }

    /// Evaluates the path on the document its root stands for.
    ///
    /// The answer is Jayway's, with AWS's one deviation: an indefinite path
    /// over a missing property gives an empty list. Recorded on AWS.
    pub fn find<'v>(&self, document: &'v Value) -> Result<Cow<'v, Value>, PathError> {
        self.find_within(document, &StateBudget::new())
    }

    /// [`find`](Self::find), with what the state the path is in has left.
    fn find_within<'v>(&self, document: &'v Value, state: &StateBudget) -> Result<Cow<'v, Value>, PathError> {
        match self.find_as_jayway(document, state) {
            Err(error) if error.kind == PathErrorKind::MissingProperty && !self.is_definite() => {
                Ok(Cow::Owned(Value::Array(Vec::new())))
            }
            other => other,
        }
    }

    fn find_as_jayway<'v>(
        &self,
        document: &'v Value,
        state: &StateBudget,
    ) -> Result<Cow<'v, Value>, PathError> {
        let budget = Budget::new(state.steps_left());
        let found = evaluate::answer(&self.inner.compiled, document, document, Demand::Some, &budget);
        state.spent(budget.used());
        found.map_err(PathError::from)
    }

    /// Takes the root from the scope and evaluates the path, for a field that
    /// holds a path (`InputPath`, `TimeoutSecondsPath` …). The error is AWS's.
    pub fn select<'v>(&self, scope: &Scope<'v>) -> Result<Cow<'v, Value>, PathError> {
        let document = self.document(scope)?;
        self.find_within(document, scope.budget).map_err(|error| self.invalid(&error))
    }

    /// The value the path starts at.
    fn document<'v>(&self, scope: &Scope<'v>) -> Result<&'v Value, PathError> {
        match self.root() {
            Root::Input => Ok(scope.states.get("input").unwrap_or(&Value::Null)),
            Root::Context => Ok(scope.states.get("context").unwrap_or(&Value::Null)),
            Root::Variable(name) => scope.variables.get(name).ok_or_else(|| {
                self.invalid(&PathError {
                    kind: PathErrorKind::UnknownVariable,
                    message: format!("The variable '{name}' is not assigned"),
                })
            }),
        }
    }

    /// AWS's wording for a field that holds a path. Recorded on AWS.
    fn invalid(&self, error: &PathError) -> PathError {
        PathError {
            kind: error.kind,
            message: format!("Invalid path '{}' : {}", self.source(), error.message),
        }
    }

    /// Puts a value into a document, as `ResultPath` does: objects missing on
    /// the way are made. The path has to be a reference path from `$`.
    pub fn put(&self, document: Value, value: Value) -> Result<Value, PathError> {
        put::put(&self.inner.compiled, document, value).map_err(|conflict| {
            let message = match conflict {
                Conflict::NotAReference => {
                    format!("Unable to apply ReferencePath {}", self.source())
                }
                // Reported from the real service.
                Conflict::Step { step, at } => {
                    format!("Unable to apply step \"{step}\" to input {}", quote::json(&at))
                }
            };
            PathError { kind: PathErrorKind::Conflict, message }
        })
    }
}

/// Variables have the names of identifiers.
fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

impl Query {
    /// Parses a path or the call of an intrinsic function.
    pub fn parse(text: &str) -> Result<Self, PathSyntaxError> {
        if text.starts_with('$') {
            return Path::parse(text).map(Self::Path);
        }
        Intrinsic::parse(text).map(Self::Intrinsic)
    }

    /// The text of the path or call.
    pub fn source(&self) -> &str {
        match self {
            Self::Path(path) => path.source(),
            Self::Intrinsic(intrinsic) => intrinsic.source(),
        }
    }

    /// Every path in it, in the order of the text.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Path(path) => vec![path],
            Self::Intrinsic(intrinsic) => intrinsic.paths(),
        }
    }

    /// The value. `field` is the path of the field in its state: `CausePath`,
    /// or `Parameters/a/b` for the key `b.$` of a payload template.
    pub fn evaluate(&self, field: &str, scope: &Scope<'_>) -> Result<Value, QueryError> {
        self.evaluate_at(&field, scope)
    }

    /// The same of a field whose path is written when it is asked for.
    pub(crate) fn evaluate_at(
        &self,
        field: &dyn fmt::Display,
        scope: &Scope<'_>,
    ) -> Result<Value, QueryError> {
        let failed = |error, cause| QueryError { error, cause, field: field.to_string() };
        match self {
            Self::Intrinsic(intrinsic) => {
                intrinsic.evaluate(scope).map_err(|error| failed(error.error, error.cause))
            }
            Self::Path(path) => {
                let found =
                    path.document(scope).and_then(|document| path.find_within(document, scope.budget));
                if let Ok(found) = found {
                    scope.budget.copies(&found).map_err(|error| too_large(field, error))?;
                    return Ok(found.into_owned());
                }
                found.map(Cow::into_owned).map_err(|error| {
                    // AWS names the key of the template, and none of the objects it is in.
                    let field = field.to_string();
                    let key = match field.rsplit_once('/') {
                        Some((_, key)) => format!("{key}.$"),
                        None => field,
                    };
                    let cause = match error.kind {
                        PathErrorKind::Exceeded => error.message,
                        _ => format!(
                            "The JSONPath '{}' specified for the field '{key}' could not be found in the input '{}'",
                            path.source(),
                            searched(path, scope),
                        ),
                    };
                    failed(RUNTIME_ERROR, cause)
                })
            }
        }
    }
}

/// The document in which a path was not found, as its cause quotes it.
fn searched(path: &Path, scope: &Scope<'_>) -> String {
    let input = || scope.states.get("input").unwrap_or(&Value::Null);
    quote::json(path.document(scope).unwrap_or_else(|_| input()))
}

//! JSONPath in AWS's dialect, and intrinsic functions.

use std::borrow::Cow;

use serde_json::Value;

use crate::template::{QueryError, Scope};

/// A parsed path. Cheap to clone, `Send + Sync`. Two paths are equal when their texts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    source: std::sync::Arc<str>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root<'a> {
    /// `$`.
    Input,
    /// `$$`.
    Context,
    /// `$name`.
    Variable(&'a str),
}

/// The text is neither a path nor an intrinsic function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathSyntaxError {
    /// What is wrong.
    pub message: String,
}

/// A path found nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathError {
    /// What is wrong.
    pub message: String,
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

/// A call of an intrinsic function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intrinsic {
    source: std::sync::Arc<str>,
    paths: Vec<Path>,
}

impl Path {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Path, PathSyntaxError> {
        if text.starts_with('$') {
            Ok(Path { source: text.into() })
        } else {
            Err(PathSyntaxError { message: "a path starts with '$'".to_owned() })
        }
    }

    /// The text of the path.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where the path begins.
    pub fn root(&self) -> Root<'_> {
        let rest = self.source.strip_prefix('$').unwrap_or_default();
        if rest.starts_with('$') {
            return Root::Context;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        match rest.get(..end) {
            Some("") | None => Root::Input,
            Some(name) => Root::Variable(name),
        }
    }

    /// Whether the path leads to exactly one place.
    pub fn is_reference(&self) -> bool {
        !self.source.contains(['*', '?', '@', ',', ':', '(']) && !self.source.contains("..")
    }

    /// What the path finds.
    pub fn select<'s>(&self, scope: &Scope<'s>) -> Result<Cow<'s, Value>, PathError> {
        scope
            .states
            .get("input")
            .map(Cow::Borrowed)
            .ok_or_else(|| PathError { message: self.source.to_string() })
    }
}

impl Intrinsic {
    /// The text of the call.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Query {
    /// Reads a path or a call.
    pub fn parse(text: &str) -> Result<Query, PathSyntaxError> {
        if let Some(arguments) = text.strip_prefix("States.") {
            let paths = arguments
                .split(['(', ',', ')', ' '])
                .filter(|part| part.starts_with('$'))
                .map(|part| Path { source: part.into() });
            return Ok(Query::Intrinsic(Intrinsic { source: text.into(), paths: paths.collect() }));
        }
        Path::parse(text).map(Query::Path)
    }

    /// The text of the query.
    pub fn source(&self) -> &str {
        match self {
            Self::Path(path) => path.source(),
            Self::Intrinsic(intrinsic) => intrinsic.source(),
        }
    }

    /// The paths in it.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Path(path) => vec![path],
            Self::Intrinsic(intrinsic) => intrinsic.paths.iter().collect(),
        }
    }

    /// The value; `field` names the field in causes.
    pub fn evaluate(&self, field: &str, _scope: &Scope<'_>) -> Result<Value, QueryError> {
        Err(QueryError { error: "States.Runtime", cause: String::new(), field: field.to_owned() })
    }
}

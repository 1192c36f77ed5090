//! JSONPath in AWS's dialect, and intrinsic functions.

use serde_json::Value;

use crate::template::{QueryError, Scope};

/// A parsed path. Cheap to clone, `Send + Sync`. Two paths are equal when their texts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    source: std::sync::Arc<str>,
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
}

impl Path {
    /// The text of the path.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Intrinsic {
    /// The text of the call.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Query {
    /// The value; `field` names the field in causes.
    pub fn evaluate(&self, field: &str, _scope: &Scope<'_>) -> Result<Value, QueryError> {
        Err(QueryError { error: "States.Runtime", cause: String::new(), field: field.to_owned() })
    }
}

//! JSONata expressions as AWS runs them: parsed once, evaluated under budgets.
//!
//! AWS runs JSONata 2.0.6 without `$eval` and with six functions of its own.
//! This module hides the evaluator behind that language: nothing outside it
//! sees the evaluator's types, its clock or its random numbers. Whatever an
//! expression does, an evaluation ends: depth, time, the items of sequences,
//! the length of texts and the size of the result are bounded (see
//! [`crate::limits`]).

mod analysis;
mod convert;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the evaluator that replaces jsonata-core"))]
mod datetime;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the evaluator that replaces jsonata-core"))]
mod encoding;
mod functions;
mod guard;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the evaluator that replaces jsonata-core"))]
mod integer;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the evaluator that replaces jsonata-core"))]
mod number;
mod raised;
mod random;
#[cfg(test)]
mod recorded;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the evaluator that replaces jsonata-core"))]
mod regex;
#[cfg(test)]
mod tests;
mod wording;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use indexmap::IndexMap;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;

pub(crate) use self::analysis::{Facts, STATES, functions};
use crate::limits;
use crate::template::Scope;

/// A parsed expression. Cheap to clone, `Send + Sync`.
///
/// Two expressions are equal when their texts are.
#[derive(Clone)]
pub struct Expression {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    ast: AstNode,
    facts: Facts,
    /// Guards were put into the tree.
    guarded: bool,
}

/// What a look at a plain path gives.
enum Found<'a> {
    Value(&'a Value),
    Undefined,
    NeedsEvaluator,
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.inner.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

impl Eq for Expression {}

/// The text is not an expression of JSONata 2.0.6.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// JSONata's code, e.g. `S0202`; empty when there is none.
    pub code: String,
    /// What is wrong, in JSONata's words.
    pub message: String,
}

/// How an evaluation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The expression raised an error of the language; it has a code.
    Raised,
    /// The expression went over one of AWS's bounds.
    Bound,
    /// The result is, or holds, a function.
    UnsupportedResult,
}

/// An evaluation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// How it failed.
    pub kind: FailureKind,
    /// JSONata's code, e.g. `T1006`; empty unless it was raised.
    pub code: String,
    /// What went wrong; empty for an unsupported result.
    pub message: String,
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FailureKind::UnsupportedResult => formatter.write_str("the result is a function"),
            _ if self.code.is_empty() => formatter.write_str(&self.message),
            _ => write!(formatter, "{}: {}", self.code, self.message),
        }
    }
}

impl std::error::Error for EvaluationError {}

impl Expression {
    /// Parses the text between `{%` and `%}`.
    pub fn parse(source: &str) -> Result<Self, SyntaxError> {
        let source = source.trim();
        if source.len() > limits::JSONATA_SOURCE_BYTES_MAX {
            return Err(SyntaxError {
                code: String::new(),
                message: format!("Expression is longer than {} bytes", limits::JSONATA_SOURCE_BYTES_MAX),
            });
        }
        // The evaluator is not ours: where it panics, the expression is refused.
        let mut ast = catch_unwind(|| jsonata_core::parser::parse(source))
            .map_err(|panic| wording::parser_panic(&*panic))?
            .map_err(|error| wording::syntax_error(&error))?;
        let facts = Facts::of(&ast);
        if let Some(symbol) = facts.newer_operator {
            return Err(wording::newer_operator(symbol));
        }
        let original = ast.clone();
        guard::protect(&mut ast);
        let guarded = ast != original;
        Ok(Self { inner: Arc::new(Inner { source: source.to_owned(), ast, facts, guarded }) })
    }

    /// Evaluates the expression. `None` is JSONata's undefined.
    ///
    /// Deterministic: the same scope and the same answers of the host give the
    /// same result. The host is asked for at most one time, one random number
    /// and one UUID per evaluation; what an expression needs beyond that is
    /// derived from them.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Option<Value>, EvaluationError> {
        self.evaluate_within(limits::JSONATA_MILLIS_MAX, scope)
    }

    fn evaluate_within(&self, millis: u64, scope: &Scope<'_>) -> Result<Option<Value>, EvaluationError> {
        match self.look_up(scope) {
            Found::Value(value) => return Ok(Some(value.clone())),
            Found::Undefined => return Ok(None),
            Found::NeedsEvaluator => {}
        }
        let options = EvaluatorOptions {
            timeout_ms: Some(millis),
            cancel: None,
            // The evaluator refuses when the level is above the number, AWS at it.
            max_stack_depth: Some(limits::JSONATA_DEPTH_MAX - 1),
            max_sequence_length: Some(limits::JSONATA_SEQUENCE_ITEMS_MAX),
        };
        let evaluate = || {
            let mut evaluator = Evaluator::with_options(self.bindings(scope), options);
            functions::register(&mut evaluator, &self.inner.facts, self.inner.guarded, scope.host)
                .and_then(|()| evaluator.evaluate(&self.inner.ast, &JValue::Undefined))
                .map_err(|error| wording::evaluation_error(&error))
                .and_then(|result| convert::to_json(&result))
        };
        // The evaluator is not ours: where it panics, one state fails and not
        // the thread. Nothing it worked on outlives the panic.
        catch_unwind(AssertUnwindSafe(evaluate))
            .unwrap_or_else(|panic| Err(wording::evaluator_panic(&*panic)))
    }

    /// The text of the expression, without `{%` and `%}` and the blanks around it.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// What the expression refers to.
    pub(crate) fn facts(&self) -> &Facts {
        &self.inner.facts
    }

    /// Most expressions are the path of a field. Those need no evaluator, and
    /// integers too large for JavaScript pass unharmed.
    fn look_up<'a>(&self, scope: &Scope<'a>) -> Found<'a> {
        let Some((variable, names)) = &self.inner.facts.plain_path else { return Found::NeedsEvaluator };
        let mut names = names.iter();
        let start = if variable == STATES {
            // The whole of `$states` has to be put together.
            let Some(part) = names.next() else { return Found::NeedsEvaluator };
            scope.states.get(part)
        } else {
            scope.variables.get(variable)
        };
        let Some(mut value) = start else { return Found::Undefined };
        for name in names {
            value = match value {
                Value::Object(fields) => match fields.get(name) {
                    Some(field) => field,
                    None => return Found::Undefined,
                },
                // A path through an array maps over its items.
                Value::Array(_) => return Found::NeedsEvaluator,
                _ => return Found::Undefined,
            };
        }
        Found::Value(value)
    }

    fn bindings(&self, scope: &Scope<'_>) -> Context {
        let facts = &self.inner.facts;
        let mut context = Context::new();
        if facts.whole_states {
            let parts = ["input", "context", "result", "errorOutput"].into_iter();
            let parts =
                parts.filter_map(|name| Some((name.to_owned(), convert::from_json(scope.states.get(name)?))));
            context.bind(STATES.to_owned(), JValue::object(parts.collect::<IndexMap<_, _>>()));
        } else if !facts.states_fields.is_empty() {
            let used = facts
                .states_fields
                .iter()
                .filter_map(|name| Some((name.clone(), convert::from_json(scope.states.get(name)?))));
            context.bind(STATES.to_owned(), JValue::object(used.collect::<IndexMap<_, _>>()));
        }
        for name in &facts.variables {
            if let Some(value) = scope.variables.get(name) {
                context.bind(name.clone(), convert::from_json(value));
            }
        }
        context
    }
}

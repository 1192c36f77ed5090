//! JSONata expressions as AWS runs them: parsed once, evaluated under budgets.
//!
//! AWS runs JSONata 2.0.6 without `$eval` and with six functions of its own.
//! From text to value: `lexer` → `parser` → `lower` (what is written
//! becomes what is evaluated) → `evaluate`, with `functions` beside it;
//! `analysis` tells the reader of documents what an expression refers to.
//! Written from the language's documentation and from recorded answers, which
//! `tests/answers.rs` compares.
//!
//! Values are borrowed from the caller's JSON as far as they come from there.
//! Nothing outside sees them, nor a clock or randomness of our own. Whatever an
//! expression does, an evaluation ends: depth, steps, the items of sequences,
//! the length of texts, the memory held and the size of the result are bounded
//! (see [`crate::limits`]).

mod analysis;
mod ast;
mod budget;
mod compare;
mod convert;
mod datetime;
mod encoding;
mod evaluate;
mod failure;
mod function;
mod functions;
mod integer;
mod lexer;
mod lower;
mod memory;
mod number;
mod object;
mod parser;
mod raised;
mod random;
#[cfg(test)]
mod recorded;
mod regex;
mod signature;
mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub(crate) use self::analysis::{Facts, STATES, functions};
use self::ast::Program;
use self::budget::Bounds;
use self::evaluate::Evaluator;
use crate::budget::TooLarge;
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
    program: Program,
    facts: Facts,
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
    /// Where the token ends that is wrong, in characters from the beginning;
    /// none where the whole expression is.
    pub position: Option<usize>,
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
    /// The result, with what the other fields of the state made, is more than
    /// they may make.
    TooLarge,
}

/// An evaluation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// How it failed.
    pub kind: FailureKind,
    /// JSONata's code, e.g. `T1006`; empty unless it was raised.
    pub code: String,
    /// What went wrong; empty for an unsupported result and one that is too large.
    pub message: String,
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FailureKind::UnsupportedResult => formatter.write_str("the result is a function"),
            FailureKind::TooLarge => TooLarge.fmt(formatter),
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
                position: None,
            });
        }
        let program = lower::lower(parser::parse(source)?)?;
        let facts = Facts::of(&program);
        Ok(Self { inner: Arc::new(Inner { source: source.to_owned(), program, facts }) })
    }

    /// Evaluates the expression. `None` is JSONata's undefined.
    ///
    /// Deterministic: the same scope and the same answers of the host give the
    /// same result. The host is asked for at most one time, one random number
    /// and one UUID per evaluation; what an expression needs beyond that is
    /// derived from them.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Option<Value>, EvaluationError> {
        match self.look_up(scope) {
            Found::Value(value) => {
                scope.budget.copies(value).map_err(failure::Failure::from)?;
                return Ok(Some(value.clone()));
            }
            Found::Undefined => return Ok(None),
            Found::NeedsEvaluator => {}
        }
        self.evaluate_within(Bounds::AWS, scope)
    }

    fn evaluate_within(&self, bounds: Bounds, scope: &Scope<'_>) -> Result<Option<Value>, EvaluationError> {
        let mut evaluator = Evaluator::new(&self.inner.program, *scope, bounds);
        let value = evaluator.run(value::Value::Undefined);
        scope.budget.spent(evaluator.budget.used());
        Ok(convert::to_json(&value?, scope.budget)?)
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
}

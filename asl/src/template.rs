//! Templates: JSON in which some strings are expressions, and what they see.
//!
//! Owns the paths of fields and the causes of `States.QueryEvaluationError`, in
//! AWS's words. Knows nothing about states: which values are bound, and when,
//! is the engine's business.

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::budget::{FIELD_BYTES, StateBudget, TooLarge};
use crate::document::{BooleanOrExpression, NumberOrExpression, PercentageOrExpression, TextOrExpression};
use crate::jsonata::{Expression, FailureKind};
use crate::jsonpath::{Path, PathError, Query, RUNTIME_ERROR};
use crate::{quote, timestamp};

/// The name of the error every failed expression raises.
pub const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";

/// The name of the error of a state whose fields make more than they may.
pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

/// What the outside world gives to expressions. Implementations decide whether
/// time and randomness are real or replayed.
pub trait Host {
    /// The current time, in milliseconds since the epoch: `$now()`, `$millis()`.
    fn now_millis(&self) -> i64;
    /// A number in `0.0..1.0`: `$random()`, `$shuffle()`.
    fn random(&self) -> f64;
    /// A version 4 UUID in its usual form: `$uuid()`.
    fn uuid(&self) -> String;
}

/// What is there to read in a state, by the names JSONata gives it under
/// `$states`: `input`, `context` and, where they exist, `result` and
/// `errorOutput`. In JSONPath, `$` is `input` and `$$` is `context`.
///
/// A JSON object is one. The engine has its own, which builds the context
/// object only when an expression reads it.
pub trait StatesView {
    /// The part of this name; `None` where it does not exist.
    fn get(&self, name: &str) -> Option<&Value>;
}

impl StatesView for Value {
    fn get(&self, name: &str) -> Option<&Value> {
        Value::get(self, name)
    }
}

/// What expressions see.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The input, the context object, and what else exists in this place.
    pub states: &'a dyn StatesView,
    /// The workflow variables, by name without `$`.
    pub variables: &'a IndexMap<String, Value>,
    /// Time and randomness.
    pub host: &'a dyn Host,
    /// What the fields of one stay in the state may cost together.
    pub budget: &'a StateBudget,
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scope").field("variables", &self.variables).finish_non_exhaustive()
    }
}

/// An expression of a field failed; the state fails with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct QueryError {
    /// The error's name: `States.QueryEvaluationError` in JSONata; `States.Runtime`,
    /// `States.ParameterPathFailure` or `States.IntrinsicFailure` in JSONPath;
    /// `States.DataLimitExceeded` where the fields of the state make more than
    /// they may. Of that AWS's words name the state: the caller has them.
    pub error: &'static str,
    /// The cause in AWS's words, without "An error occurred while executing the state …".
    pub cause: String,
    /// The field, e.g. `Arguments/Payload/items[2]`. History events have it as `location`.
    pub field: String,
}

/// Where in a state a template is: its path is only written when it is asked for.
enum Place<'p> {
    /// A field of the state.
    Field(&'p str),
    /// An item of an array.
    Item(&'p Place<'p>, usize),
    /// A member of an object.
    Member(&'p Place<'p>, &'p str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => formatter.write_str(field),
            Self::Item(array, index) => write!(formatter, "{array}[{index}]"),
            Self::Member(object, key) => write!(formatter, "{object}/{key}"),
        }
    }
}

/// JSON in which some strings are expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// A value without expressions in it.
    Literal(Value),
    /// An expression in JSONata.
    Expression(Expression),
    /// A path or an intrinsic function, as the value of a key that ends in `.$`.
    Query(Query),
    /// An array with at least one expression in it.
    Array(Vec<Template>),
    /// An object with at least one expression in it. In JSONPath the keys are
    /// without their `.$`.
    Object(IndexMap<String, Template>),
}

impl Template {
    /// Evaluates the template. `field` is the path of the template in its
    /// state, e.g. `Output` or `Choices[1]/Output`; the paths of its parts
    /// follow from it (`Output/a/b`, `Arguments/values[0]`).
    pub fn evaluate(&self, field: &str, scope: &Scope<'_>) -> Result<Value, QueryError> {
        self.evaluate_at(&Place::Field(field), scope)
    }

    fn evaluate_at(&self, place: &Place<'_>, scope: &Scope<'_>) -> Result<Value, QueryError> {
        let paid = |paid: Result<(), TooLarge>| paid.map_err(|error| too_large(place, error));
        match self {
            Self::Literal(value) => {
                paid(scope.budget.copies(value))?;
                Ok(value.clone())
            }
            Self::Expression(expression) => evaluate_expression(expression, place, scope),
            Self::Query(query) => query.evaluate_at(place, scope),
            Self::Array(items) => {
                paid(scope.budget.makes((items.len() + 1) * size_of::<Value>()))?;
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| item.evaluate_at(&Place::Item(place, index), scope))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::Array)
            }
            Self::Object(fields) => {
                paid(scope.budget.makes(size_of::<Value>()))?;
                let mut evaluated = Map::with_capacity(fields.len());
                for (key, value) in fields {
                    paid(scope.budget.makes(FIELD_BYTES + key.len()))?;
                    evaluated.insert(key.clone(), value.evaluate_at(&Place::Member(place, key), scope)?);
                }
                Ok(Value::Object(evaluated))
            }
        }
    }

    /// Evaluates a template that has to be an array (`Items`).
    pub fn evaluate_array(&self, field: &str, scope: &Scope<'_>) -> Result<Vec<Value>, QueryError> {
        match self.evaluate(field, scope)? {
            Value::Array(items) => Ok(items),
            other => Err(self.unexpected("array", &other, field)),
        }
    }

    /// Every expression of the template, in the order of the text.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Literal(_) | Self::Query(_) => Vec::new(),
            Self::Expression(expression) => vec![expression],
            Self::Array(items) => items.iter().flat_map(Self::expressions).collect(),
            Self::Object(fields) => fields.values().flat_map(Self::expressions).collect(),
        }
    }

    /// Every path of the template, also those in intrinsic functions, in the order of the text.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Literal(_) | Self::Expression(_) => Vec::new(),
            Self::Query(query) => query.paths(),
            Self::Array(items) => items.iter().flat_map(Self::paths).collect(),
            Self::Object(fields) => fields.values().flat_map(Self::paths).collect(),
        }
    }

    fn unexpected(&self, expected: &str, actual: &Value, field: &str) -> QueryError {
        match self {
            Self::Expression(expression) => unexpected_result(expression, expected, actual, field),
            _ => query_error(
                field,
                format!(
                    "The value specified for the field '{field}' has an unexpected type. \
                     Expected '{expected}', but was '{}' for value: {}",
                    type_name(actual),
                    quote::json(actual)
                ),
            ),
        }
    }
}

impl NumberOrExpression {
    /// The whole number, at least 0. `field` is the name the field was written
    /// under, for a path the one that ends in `Path`.
    pub fn evaluate(&self, field: &str, scope: &Scope<'_>) -> Result<u64, QueryError> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Expression(expression) => {
                let value = evaluate_expression(expression, &field, scope)?;
                whole_number(&value).ok_or_else(|| {
                    // What AWS calls the type of a field that takes only whole
                    // numbers is not recorded.
                    let expected = if value.is_number() { "non-negative integer" } else { "number" };
                    unexpected_result(expression, expected, &value, field)
                })
            }
            Self::Path(path) => {
                let value = path.select(scope).map_err(|error| path_error(field, &error))?;
                let number = match &*value {
                    Value::String(text) => text.parse().ok(),
                    other => other.as_i64(),
                };
                let number = number.ok_or_else(|| invalid_number(field, &value, "integer", path))?;
                u64::try_from(number).map_err(|_| negative_number(field))
            }
        }
    }
}

impl PercentageOrExpression {
    /// The percentage as it was found; whether it lies between 0 and 100 is the caller's to check.
    pub fn evaluate(&self, field: &str, scope: &Scope<'_>) -> Result<f64, QueryError> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Expression(expression) => {
                let value = evaluate_expression(expression, &field, scope)?;
                value.as_f64().ok_or_else(|| unexpected_result(expression, "number", &value, field))
            }
            Self::Path(path) => {
                let value = path.select(scope).map_err(|error| path_error(field, &error))?;
                value
                    .as_f64()
                    .or_else(|| value.as_str()?.parse().ok().filter(|number: &f64| number.is_finite()))
                    .ok_or_else(|| invalid_number(field, &value, "float", path))
            }
        }
    }
}

impl TextOrExpression {
    /// The text.
    pub fn evaluate(&self, field: &str, scope: &Scope<'_>) -> Result<String, QueryError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Expression(expression) => match evaluate_expression(expression, &field, scope)? {
                Value::String(text) => Ok(text),
                other => Err(unexpected_result(expression, "string", &other, field)),
            },
            Self::Query(query) => match query.evaluate(field, scope)? {
                Value::String(text) => Ok(text),
                other => Err(runtime_error(
                    field,
                    format!(
                        "The {field} field refers to value {} which is not a string: {}",
                        quote::json(&other),
                        query.source()
                    ),
                )),
            },
        }
    }

    /// The time the text names, in milliseconds since the epoch (`Timestamp`).
    pub fn evaluate_timestamp(&self, field: &str, scope: &Scope<'_>) -> Result<i64, QueryError> {
        let text = self.evaluate(field, scope)?;
        timestamp::parse_millis(&text).ok_or_else(|| {
            let cause = format!(
                "The {field} field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
            );
            query_error(field, cause)
        })
    }
}

impl BooleanOrExpression {
    /// The boolean.
    pub fn evaluate(&self, field: &str, scope: &Scope<'_>) -> Result<bool, QueryError> {
        match self {
            Self::Boolean(flag) => Ok(*flag),
            Self::Expression(expression) => match evaluate_expression(expression, &field, scope)? {
                Value::Bool(flag) => Ok(flag),
                other => Err(unexpected_result(expression, "boolean", &other, field)),
            },
        }
    }
}

/// A whole number, also one written as `3.0`.
fn whole_number(value: &Value) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let number = value.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: whole and in range"
    )]
    (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64)
}

fn evaluate_expression(
    expression: &Expression,
    field: &dyn fmt::Display,
    scope: &Scope<'_>,
) -> Result<Value, QueryError> {
    let source = expression.source();
    let subject = format_args!("The JSONata expression '{source}' specified for the field '{field}'");
    match expression.evaluate(scope) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(query_error(field, format!("{subject} returned nothing (undefined)."))),
        Err(error) => {
            let cause = match error.kind {
                FailureKind::Raised if error.code.is_empty() => {
                    format!("{subject} threw an error during evaluation. {}", error.message)
                }
                FailureKind::Raised => {
                    format!("{subject} threw an error during evaluation. {}: {}", error.code, error.message)
                }
                FailureKind::Bound => {
                    format!("{subject} threw an error during evaluation: {}", error.message)
                }
                FailureKind::UnsupportedResult => format!("{subject} returned an unsupported result type."),
                FailureKind::TooLarge => return Err(too_large(field, TooLarge)),
            };
            Err(query_error(field, cause))
        }
    }
}

fn unexpected_result(expression: &Expression, expected: &str, actual: &Value, field: &str) -> QueryError {
    let cause = format!(
        "The JSONata expression '{}' specified for the field '{field}' returned an unexpected result type. \
         Expected '{expected}', but was '{}' for value: {}",
        expression.source(),
        type_name(actual),
        quote::json(actual)
    );
    query_error(field, cause)
}

/// A value that a path found is not a number of the right kind (recorded).
fn invalid_number(field: &str, value: &Value, kind: &str, path: &Path) -> QueryError {
    let source = path.source();
    runtime_error(
        field,
        format!("The {field} field refers to value {} which is not a valid {kind}: {source}", quoted(value)),
    )
}

/// It is a number, and out of range: said without the path, of the field without its
/// `Path`, as AWS says it of `ToleratedFailurePercentagePath`. Of counts it is not recorded.
fn negative_number(field: &str) -> QueryError {
    let name = field.strip_suffix("Path").unwrap_or(field);
    runtime_error(field, format!("{name} must be greater than or equal to 0."))
}

/// The value between quotes, as these causes have it.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", quote::text(text)),
        other => format!("\"{}\"", quote::json(other)),
    }
}

fn path_error(field: &str, error: &PathError) -> QueryError {
    QueryError { error: error.error_name(), cause: error.message.clone(), field: field.to_owned() }
}

fn runtime_error(field: &str, cause: String) -> QueryError {
    QueryError { error: RUNTIME_ERROR, cause, field: field.to_owned() }
}

fn query_error(field: impl fmt::Display, cause: String) -> QueryError {
    QueryError { error: QUERY_EVALUATION_ERROR, cause, field: field.to_string() }
}

pub(crate) fn too_large(field: impl fmt::Display, error: TooLarge) -> QueryError {
    QueryError { error: DATA_LIMIT_EXCEEDED, cause: error.to_string(), field: field.to_string() }
}

/// AWS's word for the type of a value.
const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;

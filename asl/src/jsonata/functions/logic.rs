//! Functions about values of any type: `$boolean`, `$not`, `$exists`, `$type`,
//! `$assert`, `$error`.

use super::super::compare::numeric;
use super::super::evaluate::Evaluator;
use super::super::failure::{Failure, Outcome};
use super::super::value::{Text, Value};
use super::{argument, text};
use crate::quote;

pub(super) fn boolean<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    match argument(arguments, 0) {
        Value::Undefined => Ok(Value::Undefined),
        value => evaluator.is_true(value).map(Value::Bool),
    }
}

pub(super) fn not<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    match argument(arguments, 0) {
        Value::Undefined => Ok(Value::Undefined),
        value => evaluator.is_true(value).map(|flag| Value::Bool(!flag)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the functions of the table have one form")]
pub(super) fn exists<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    Ok(Value::Bool(!argument(arguments, 0).is_undefined()))
}

pub(super) fn type_of<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let name = match argument(arguments, 0) {
        Value::Undefined | Value::Tuple(_) | Value::TailCall(_) => return Ok(Value::Undefined),
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        value @ (Value::Int(_) | Value::Float(_)) => match numeric(value)? {
            Some(_) => "number",
            // To JSONata, what is not a number is none. *Recorded.*
            None => "object",
        },
        Value::Text(_) => "string",
        Value::JsonArray(_) | Value::Array(_) => "array",
        Value::JsonObject(_) | Value::Object(_) => "object",
        Value::Builtin(_) | Value::Function(_) => "function",
    };
    Ok(Value::Text(Text::Borrowed(name)))
}

pub(super) fn assert<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    if evaluator.is_true(argument(arguments, 0))? {
        return Ok(Value::Undefined);
    }
    let message = text(arguments, 1)?.map_or("", |message| &**message);
    let message = if message.is_empty() { "$assert() statement failed" } else { message };
    Err(Failure::raised("D3141", quote::text(message)))
}

pub(super) fn error<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let message = text(arguments, 0)?.map_or("", |message| &**message);
    let message = if message.is_empty() { "$error() function evaluated" } else { message };
    Err(Failure::raised("D3137", quote::text(message)))
}

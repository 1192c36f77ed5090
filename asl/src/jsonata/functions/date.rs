//! Functions of time. The time of the evaluation comes from the host, once.

use super::super::datetime;
use super::super::evaluate::Evaluator;
use super::super::failure::Outcome;
use super::super::value::Value;
use super::{numeric, text};

#[expect(clippy::unnecessary_wraps, reason = "the functions of the table have one form")]
pub(super) fn millis<'a>(evaluator: &mut Evaluator<'a>, _: &[Value<'a>]) -> Outcome<Value<'a>> {
    Ok(Value::Int(evaluator.now_millis()))
}

pub(super) fn now<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    let now = evaluator.now_millis() as f64;
    format(evaluator, now, arguments)
}

pub(super) fn from_millis<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    match numeric(arguments, 0)? {
        Some(millis) => format(evaluator, millis, arguments.get(1..).unwrap_or_default()),
        None => Ok(Value::Undefined),
    }
}

/// `arguments` are the picture and the time zone.
fn format<'a>(evaluator: &mut Evaluator<'a>, millis: f64, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let picture = text(arguments, 0)?.map(|picture| &**picture);
    let timezone = text(arguments, 1)?.map(|timezone| &**timezone);
    evaluator.budget.spend(picture.map_or(0, str::len) * 4)?;
    let formatted = datetime::from_millis(millis, picture, timezone)?;
    evaluator.budget.made(&formatted)?;
    Ok(Value::text(formatted))
}

pub(super) fn to_millis<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(written) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    let picture = text(arguments, 1)?.map(|picture| &**picture);
    // A picture becomes a regular expression each time.
    evaluator.budget.spend(written.len() + picture.map_or(0, |picture| 50 + picture.len() * 8))?;
    // Without a picture nothing is taken from the time of the evaluation.
    let now = if picture.is_some() { evaluator.now_millis() } else { 0 };
    let millis = datetime::to_millis(written, picture, now)?;
    Ok(millis.map_or(Value::Undefined, Value::number))
}

//! Functions of numbers.

use super::super::evaluate::Evaluator;
use super::super::failure::{Failure, Outcome};
use super::super::raised::Raised;
use super::super::value::Value;
use super::super::{integer, number as numbers};
use super::{argument, numeric, text, wrong_type};

/// A function of one number. Whole numbers keep their digits where `whole` says how.
fn map<'a>(
    arguments: &[Value<'a>],
    whole: impl Fn(i64) -> Option<i64>,
    other: impl Fn(f64) -> f64,
) -> Outcome<Value<'a>> {
    if let Value::Int(number) = argument(arguments, 0)
        && let Some(result) = whole(*number)
    {
        return Ok(Value::Int(result));
    }
    Ok(numeric(arguments, 0)?.map_or(Value::Undefined, |number| Value::number(other(number))))
}

pub(super) fn abs<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(arguments, i64::checked_abs, f64::abs)
}

pub(super) fn floor<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(arguments, Some, f64::floor)
}

pub(super) fn ceil<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(arguments, Some, f64::ceil)
}

pub(super) fn round<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let precision = numeric(arguments, 1)?;
    let keeps = precision.is_none_or(|precision| precision >= 0.0);
    map(arguments, |number| keeps.then_some(number), |number| numbers::round(number, precision))
}

pub(super) fn sqrt<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(number) = numeric(arguments, 0)? else { return Ok(Value::Undefined) };
    Ok(Value::number(numbers::sqrt(number)?))
}

pub(super) fn power<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(base) = numeric(arguments, 0)? else { return Ok(Value::Undefined) };
    // JavaScript takes no exponent for not a number.
    let exponent = numeric(arguments, 1)?.unwrap_or(f64::NAN);
    Ok(Value::number(numbers::power(base, exponent)?))
}

pub(super) fn number<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    Ok(match argument(arguments, 0) {
        Value::Undefined => Value::Undefined,
        Value::Bool(flag) => Value::Int(i64::from(*flag)),
        Value::Text(text) => {
            evaluator.budget.spend(text.len() / 16)?;
            Value::number(numbers::from_text(text)?)
        }
        value if value.as_f64().is_some() => value.clone(),
        _ => return Err(wrong_type("number")),
    })
}

/// A number and a picture make a text.
fn in_picture<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
    format: impl Fn(f64, &str) -> Result<String, Raised>,
) -> Outcome<Value<'a>> {
    let Some(number) = numeric(arguments, 0)? else { return Ok(Value::Undefined) };
    let Some(picture) = text(arguments, 1)? else { return Err(wrong_type("picture")) };
    evaluator.budget.spend(picture.len() * 4)?;
    let formatted = format(number, picture)?;
    evaluator.budget.made(&formatted)?;
    Ok(Value::text(formatted))
}

pub(super) fn format_integer<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    in_picture(evaluator, arguments, integer::format_integer)
}

pub(super) fn format_number<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    let options = argument(arguments, 2).fields();
    in_picture(evaluator, arguments, |number, picture| {
        let options = options.iter().filter_map(|(key, value)| Some((&**key, value.as_str()?)));
        numbers::format_number(number, picture, options)
    })
}

pub(super) fn format_base<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(number) = numeric(arguments, 0)? else { return Ok(Value::Undefined) };
    Ok(Value::text(numbers::format_base(number, numeric(arguments, 1)?)?))
}

pub(super) fn parse_integer<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    let Some(written) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    let Some(picture) = text(arguments, 1)? else {
        return Err(Failure::raised("", "The picture of an integer is missing"));
    };
    evaluator.budget.spend(written.len() + picture.len() * 4)?;
    Ok(Value::number(integer::parse_integer(written, picture)?))
}

//! Functions of all items of an array: `$sum`, `$count`, `$max`, `$min`, `$average`.

use super::super::evaluate::Evaluator;
use super::super::failure::Outcome;
use super::super::value::{Items, Value};
use super::{argument, wrong_type};

fn numbers<'v, 'a>(arguments: &'v [Value<'a>]) -> Outcome<Option<Items<'v, 'a>>> {
    match argument(arguments, 0) {
        Value::Undefined => Ok(None),
        value => value.items().map(Some).ok_or_else(|| wrong_type("array")),
    }
}

fn fold(items: Items<'_, '_>, start: f64, step: impl Fn(f64, f64) -> f64) -> f64 {
    items.iter().fold(start, |all, item| step(all, item.as_f64().unwrap_or(f64::NAN)))
}

pub(super) fn sum<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(items) = numbers(arguments)? else { return Ok(Value::Undefined) };
    evaluator.budget.spend(items.len() / 2)?;
    Ok(Value::number(fold(items, 0.0, |all, one| all + one)))
}

pub(super) fn count<'a>(_: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    Ok(Value::count(numbers(arguments)?.map_or(0, Items::len)))
}

pub(super) fn max<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    best(evaluator, arguments, |all, one| if one > all || one.is_nan() { one } else { all })
}

pub(super) fn min<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    best(evaluator, arguments, |all, one| if one < all || one.is_nan() { one } else { all })
}

fn best<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
    better: impl Fn(f64, f64) -> f64,
) -> Outcome<Value<'a>> {
    let Some(items) = numbers(arguments)?.filter(|items| items.len() > 0) else {
        return Ok(Value::Undefined);
    };
    evaluator.budget.spend(items.len() / 2)?;
    let first = items.get(0).and_then(|item| item.as_f64()).unwrap_or(f64::NAN);
    Ok(Value::number(fold(items, first, better)))
}

pub(super) fn average<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(items) = numbers(arguments)?.filter(|items| items.len() > 0) else {
        return Ok(Value::Undefined);
    };
    evaluator.budget.spend(items.len() / 2)?;
    #[expect(clippy::cast_precision_loss, reason = "no array has 2^53 items")]
    let count = items.len() as f64;
    Ok(Value::number(fold(items, 0.0, |all, one| all + one) / count))
}

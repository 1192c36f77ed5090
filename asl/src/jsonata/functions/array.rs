//! Functions that make arrays of arrays.

use super::super::compare::are_equal;
use super::super::evaluate::Evaluator;
use super::super::failure::Outcome;
use super::super::value::{Items, Text, Value};
use super::{argument, wrong_type};

pub(super) fn append<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    joined(evaluator, argument(arguments, 0), argument(arguments, 1))
}

/// Both, one after the other; what is no array counts as one item.
pub(super) fn joined<'a>(
    evaluator: &mut Evaluator<'a>,
    first: &Value<'a>,
    second: &Value<'a>,
) -> Outcome<Value<'a>> {
    if first.is_undefined() || second.is_undefined() {
        return Ok(if first.is_undefined() { second.clone() } else { first.clone() });
    }
    let count = |value: &Value<'a>| value.items().map_or(1, Items::len);
    let all = count(first) + count(second);
    evaluator.budget.spend(all / 4)?;
    evaluator.budget.items(all)?;
    let mut items = Vec::with_capacity(all);
    for value in [first, second] {
        match value.items() {
            Some(inner) => items.extend(inner.iter()),
            None => items.push(value.clone()),
        }
    }
    Ok(Value::array(items))
}

pub(super) fn sort<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let function = Some(argument(arguments, 1)).filter(|function| !function.is_undefined());
    evaluator.sort(argument(arguments, 0), function)
}

pub(super) fn reverse<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let array = argument(arguments, 0);
    let Some(items) = array.items().filter(|items| items.len() > 1) else { return Ok(array.clone()) };
    evaluator.budget.spend(items.len() / 4)?;
    evaluator.budget.items(items.len())?;
    let mut list = items.to_vec();
    list.reverse();
    Ok(Value::array(list))
}

/// Fisher and Yates, from the back.
pub(super) fn shuffle<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let array = argument(arguments, 0);
    let Some(items) = array.items().filter(|items| items.len() > 1) else { return Ok(array.clone()) };
    evaluator.budget.spend(items.len())?;
    evaluator.budget.items(items.len())?;
    let mut list = items.to_vec();
    for last in (1..list.len()).rev() {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is a position"
        )]
        let other = (evaluator.random_number() * (last + 1) as f64) as usize;
        list.swap(last, other.min(last));
    }
    Ok(Value::array(list))
}

/// Comparisons that finding a text among many thousands takes.
const DEPTH_OF_SET: usize = 16;
/// What a value that is found takes while others are compared with it, in places for items.
const DISTINCT_PLACES: usize = 4;

pub(super) fn distinct<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let array = argument(arguments, 0);
    let Some(items) = array.items().filter(|items| items.len() > 1) else { return Ok(array.clone()) };
    let mut results: Vec<Value<'a>> = Vec::new();
    // Simple values are found by their text, others by looking at all.
    let mut seen = std::collections::BTreeSet::new();
    let mut others: Vec<Value<'a>> = Vec::new();
    for item in items.iter() {
        evaluator.budget.spend(1)?;
        let is_new = if let Some(key) = simple_key(&item) {
            // It is compared with as many as the set is deep.
            let (_, _, text) = &key;
            evaluator.budget.compares(text.len().saturating_mul(DEPTH_OF_SET))?;
            evaluator.budget.places(DISTINCT_PLACES)?;
            seen.insert(key)
        } else {
            evaluator.budget.spend(others.len())?;
            let mut is_new = true;
            for other in &others {
                if are_equal(&item, other, &mut evaluator.budget)? {
                    is_new = false;
                    break;
                }
            }
            if is_new {
                others.push(item.clone());
            }
            is_new
        };
        if is_new {
            results.push(item);
        }
    }
    evaluator.budget.items(results.len())?;
    Ok(if array.is_sequence() { Value::sequence(results) } else { Value::array(results) })
}

/// What two equal simple values have in common, and no others.
fn simple_key<'a>(value: &Value<'a>) -> Option<(u8, u64, Text<'a>)> {
    let no_text = || Text::Borrowed("");
    match value {
        Value::Null => Some((0, 0, no_text())),
        Value::Bool(flag) => Some((1, u64::from(*flag), no_text())),
        Value::Int(number) => Some((2, number.cast_unsigned(), no_text())),
        Value::Float(number) if number.fract() != 0.0 => Some((3, number.to_bits(), no_text())),
        // JSON's `1.0` is the number 1, and `-0.0` is 0.
        Value::Float(number) => match Value::number(number + 0.0) {
            whole @ Value::Int(_) => simple_key(&whole),
            _ => None,
        },
        Value::Text(text) => Some((4, 0, text.clone())),
        _ => None,
    }
}

pub(super) fn zip<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let mut arrays = Vec::with_capacity(arguments.len());
    for value in arguments {
        match value.items() {
            Some(items) => arrays.push(items),
            None if value.is_undefined() => return Ok(Value::array(Vec::new())),
            None => return Err(wrong_type("array")),
        }
    }
    let count = arrays.iter().map(|items| items.len()).min().unwrap_or(0);
    evaluator.budget.spend(count * arrays.len())?;
    evaluator.budget.items(count)?;
    evaluator.budget.places(count * (arrays.len() + 3))?;
    let row = |index: usize| Value::array(arrays.iter().filter_map(|items| items.get(index)).collect());
    Ok(Value::array((0..count).map(row).collect()))
}

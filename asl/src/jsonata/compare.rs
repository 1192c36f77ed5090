//! When values are equal, as good as true, or before one another.

use std::cmp::Ordering;

use super::budget::Budget;
use super::failure::{Failure, Outcome};
use super::value::Value;
use crate::limits;

/// Whether two values are the same, item by item and field by field.
pub(super) fn are_equal<'a>(one: &Value<'a>, other: &Value<'a>, budget: &mut Budget) -> Outcome<bool> {
    equal_within(one, other, budget, 0)
}

fn equal_within<'a>(one: &Value<'a>, other: &Value<'a>, budget: &mut Budget, level: usize) -> Outcome<bool> {
    if level > limits::JSONATA_VALUE_DEPTH_MAX {
        return Err(Failure::stack());
    }
    Ok(match (one, other) {
        (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Int(one), Value::Int(other)) => one == other,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => one.as_f64() == other.as_f64(),
        (Value::Text(one), Value::Text(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            budget.compares(one.len())?;
            one == other
        }
        (Value::Builtin(one), Value::Builtin(other)) => one == other,
        (Value::Function(one), Value::Function(other)) => std::rc::Rc::ptr_eq(one, other),
        _ => {
            if let (Some(items), Some(others)) = (one.items(), other.items()) {
                if items.len() != others.len() {
                    return Ok(false);
                }
                budget.spend(items.len())?;
                for (item, other) in items.iter().zip(others.iter()) {
                    if !equal_within(&item, &other, budget, level + 1)? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            if !one.is_object() || !other.is_object() || one.field_count() != other.field_count() {
                return Ok(false);
            }
            budget.spend(one.field_count())?;
            for (key, value) in one.fields() {
                budget.looks_up(&key, 1)?;
                let theirs = other.field(&key);
                if theirs.is_undefined() || !equal_within(&value, &theirs, budget, level + 1)? {
                    return Ok(false);
                }
            }
            true
        }
    })
}

/// The number, if the value is one. Infinity is an error, NaN no number.
pub(super) fn numeric(value: &Value<'_>) -> Outcome<Option<f64>> {
    match value {
        Value::Float(number) if number.is_nan() => Ok(None),
        Value::Float(number) if number.is_infinite() => {
            Err(Failure::raised("D1001", "Number out of range: null"))
        }
        _ => Ok(value.as_f64()),
    }
}

/// The order of texts, by UTF-16 units as in JavaScript.
pub(super) fn order_of_texts(one: &str, other: &str, budget: &mut Budget) -> Outcome<Ordering> {
    budget.compares(one.len().min(other.len()))?;
    let differing = one.chars().zip(other.chars()).find(|(one, other)| one != other);
    Ok(match differing {
        None => one.len().cmp(&other.len()),
        Some((one, other)) => {
            let (mut units, mut others) = ([0; 2], [0; 2]);
            one.encode_utf16(&mut units).iter().cmp(other.encode_utf16(&mut others).iter())
        }
    })
}

/// What JavaScript takes for true, where it decides and not JSONata.
pub(super) fn is_truthy(value: &Value<'_>) -> bool {
    match value {
        Value::Undefined | Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0 && !number.is_nan(),
        Value::Text(text) => !text.is_empty(),
        _ => true,
    }
}

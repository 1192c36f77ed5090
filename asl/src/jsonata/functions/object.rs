//! Functions of objects.

use super::super::evaluate::Evaluator;
use super::super::failure::{Failure, Outcome};
use super::super::memory::Gathered;
use super::super::number;
use super::super::object::Object;
use super::super::value::{Items, Text, Value};
use super::{argument, text, wrong_type};
use crate::limits;

pub(super) fn lookup<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(key) = text(arguments, 1)? else { return Ok(Value::Undefined) };
    let key = key.clone();
    evaluator.look_up_field(argument(arguments, 0), &key)
}

pub(super) fn keys<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let object = argument(arguments, 0);
    if object.is_object() {
        evaluator.budget.spend(object.field_count())?;
        evaluator.budget.items(object.field_count())?;
        return Ok(Value::sequence(object.fields().into_iter().map(|(key, _)| Value::Text(key)).collect()));
    }
    let mut names: Object<'a> = Object::default();
    collect_keys(evaluator, argument(arguments, 0), &mut names, 0)?;
    let names = names.sorted();
    evaluator.budget.items(names.len())?;
    Ok(Value::sequence(names.iter().map(|(key, _)| Value::Text(key.clone())).collect()))
}

fn collect_keys<'a>(
    evaluator: &mut Evaluator<'a>,
    value: &Value<'a>,
    names: &mut Object<'a>,
    level: usize,
) -> Outcome<()> {
    if level > limits::JSONATA_VALUE_DEPTH_MAX {
        return Err(Failure::stack());
    }
    let Some(items) = value.items() else {
        let fields = value.fields();
        evaluator.budget.spend(fields.len() * 4)?;
        for (key, _) in fields {
            evaluator.budget.looks_up(&key, 1)?;
            names.insert(key, Value::Null);
        }
        return Ok(());
    };
    for item in items.iter() {
        collect_keys(evaluator, &item, names, level + 1)?;
    }
    Ok(())
}

pub(super) fn spread<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let value = argument(arguments, 0);
    if !value.is_array() && !value.is_object() {
        return Ok(value.clone());
    }
    let mut parts = Vec::new();
    let has_parts = collect_parts(evaluator, value, &mut parts, 0)?;
    evaluator.budget.items(parts.len())?;
    // What arrays are put together from is no sequence any more.
    Ok(if value.is_array() && has_parts { Value::array(parts) } else { Value::sequence(parts) })
}

/// True if there was an item, even if it had no parts.
fn collect_parts<'a>(
    evaluator: &mut Evaluator<'a>,
    value: &Value<'a>,
    parts: &mut Vec<Value<'a>>,
    level: usize,
) -> Outcome<bool> {
    if level > limits::JSONATA_VALUE_DEPTH_MAX {
        return Err(Failure::stack());
    }
    evaluator.budget.spend(1)?;
    if let Some(items) = value.items() {
        for item in items.iter() {
            collect_parts(evaluator, &item, parts, level + 1)?;
        }
        return Ok(items.len() > 0);
    }
    if !value.is_object() {
        parts.push(value.clone());
        return Ok(true);
    }
    let fields = value.fields();
    evaluator.budget.items(parts.len() + fields.len())?;
    evaluator.budget.places(fields.len() * 5)?;
    for (key, field) in fields {
        let mut part = Object::with_capacity(1);
        part.insert(key, field);
        parts.push(Value::object(part));
    }
    Ok(true)
}

pub(super) fn merge<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let objects = argument(arguments, 0);
    if objects.is_undefined() {
        return Ok(Value::Undefined);
    }
    let mut objects = objects.items().unwrap_or(Items::Made(&[])).iter();
    let fields = objects.next().map(|first| first.fields()).unwrap_or_default();
    evaluator.budget.spend(fields.len())?;
    evaluator.budget.places(fields.len() * 2)?;
    let mut merged = Object::of_fields(fields);
    for object in objects {
        let fields = object.fields();
        evaluator.budget.spend(fields.len() * 4)?;
        evaluator.budget.places(fields.len() * 2)?;
        for (key, value) in fields {
            evaluator.budget.looks_up(&key, 1)?;
            merged.insert(key, value);
        }
    }
    Ok(Value::object(merged.sorted()))
}

pub(super) fn each<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (object, function) = (argument(arguments, 0), argument(arguments, 1));
    let mut results = Gathered::new();
    for (key, value) in object.fields() {
        let result = evaluator.call_back(function, value, Value::Text(key), object)?;
        if !result.is_undefined() {
            results.push(result);
        }
    }
    evaluator.budget.items(results.len())?;
    Ok(Value::sequence(results.into_vec()))
}

pub(super) fn sift<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (object, function) = (argument(arguments, 0), argument(arguments, 1));
    let mut kept = Object::default();
    for (key, value) in object.fields() {
        let answer = evaluator.call_back(function, value.clone(), Value::Text(key.clone()), object)?;
        if evaluator.is_true(&answer)? {
            evaluator.budget.places(2)?;
            evaluator.budget.looks_up(&key, 1)?;
            kept.insert(key, value);
        }
    }
    Ok(if kept.is_empty() { Value::Undefined } else { Value::object(kept) })
}

/// A copy that shares nothing with the value. It is what `$string` would print,
/// read again: fractions lose digits, functions become empty texts.
pub(super) fn clone<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    match argument(arguments, 0) {
        Value::Undefined => Ok(Value::Undefined),
        value if value.is_array() || value.is_object() => copy(evaluator, value, 0),
        _ => Err(wrong_type("object")),
    }
}

fn copy<'a>(evaluator: &mut Evaluator<'a>, value: &Value<'a>, level: usize) -> Outcome<Value<'a>> {
    if level > limits::JSONATA_VALUE_DEPTH_MAX {
        return Err(Failure::stack());
    }
    evaluator.budget.spend(1)?;
    if let Some(items) = value.items() {
        evaluator.budget.items(items.len())?;
        let items: Outcome<Vec<Value<'a>>> =
            items.iter().map(|item| copy(evaluator, &item, level + 1)).collect();
        return items.map(Value::array);
    }
    if value.is_object() {
        let fields = value.fields();
        evaluator.budget.places(fields.len() * 2)?;
        let mut copies = Vec::with_capacity(fields.len());
        for (key, field) in fields {
            if !field.is_undefined() {
                copies.push((key, copy(evaluator, &field, level + 1)?));
            }
        }
        return Ok(Value::object(Object::of_fields(copies)));
    }
    Ok(match value {
        Value::Undefined => Value::Null,
        Value::Float(number) if number.is_nan() => Value::Null,
        Value::Float(number) if number.is_infinite() => {
            return Err(Failure::raised("D1001", "Number out of range: null"));
        }
        Value::Float(number) => Value::number(number::to_string(*number).parse::<f64>().unwrap_or(*number)),
        _ if value.is_function() => Value::Text(Text::Borrowed("")),
        _ => value.clone(),
    })
}

//! Functions that call a function for each item: `$map`, `$filter`, `$single`, `$reduce`.

use super::super::evaluate::Evaluator;
use super::super::failure::{Failure, Outcome};
use super::super::memory::Gathered;
use super::super::value::{Items, Value};
use super::argument;

fn items<'v, 'a>(value: &'v Value<'a>) -> Items<'v, 'a> {
    value.items().unwrap_or(Items::Made(&[]))
}

pub(super) fn map<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (array, function) = (argument(arguments, 0), argument(arguments, 1));
    if array.is_undefined() {
        return Ok(Value::Undefined);
    }
    let mut results = Gathered::new();
    for (index, item) in items(array).iter().enumerate() {
        let result = evaluator.call_back(function, item, Value::count(index), array)?;
        if !result.is_undefined() {
            results.push(result);
        }
    }
    evaluator.budget.items(results.len())?;
    Ok(Value::sequence(results.into_vec()))
}

pub(super) fn filter<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (array, function) = (argument(arguments, 0), argument(arguments, 1));
    if array.is_undefined() {
        return Ok(Value::Undefined);
    }
    let mut results = Gathered::new();
    for (index, item) in items(array).iter().enumerate() {
        let answer = evaluator.call_back(function, item.clone(), Value::count(index), array)?;
        if evaluator.is_true(&answer)? {
            results.push(item);
        }
    }
    evaluator.budget.items(results.len())?;
    Ok(Value::sequence(results.into_vec()))
}

pub(super) fn single<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (array, function) = (argument(arguments, 0), argument(arguments, 1));
    if array.is_undefined() {
        return Ok(Value::Undefined);
    }
    let mut found = None;
    for (index, item) in items(array).iter().enumerate() {
        let matches = function.is_undefined() || {
            let answer = evaluator.call_back(function, item.clone(), Value::count(index), array)?;
            evaluator.is_true(&answer)?
        };
        if matches && found.replace(item).is_some() {
            return Err(Failure::raised(
                "D3138",
                "The $single() function expected exactly 1 matching result.  Instead it matched more.",
            ));
        }
    }
    found.ok_or_else(|| {
        Failure::raised(
            "D3139",
            "The $single() function expected exactly 1 matching result.  Instead it matched 0.",
        )
    })
}

pub(super) fn reduce<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (array, function) = (argument(arguments, 0), argument(arguments, 1));
    if array.is_undefined() {
        return Ok(Value::Undefined);
    }
    let arity = function.arity();
    if arity < 2 {
        return Err(Failure::raised(
            "D3050",
            "The second argument of reduce function must be a function with at least two arguments",
        ));
    }
    let mut rest = items(array).iter().enumerate();
    let mut result = argument(arguments, 2).clone();
    if result.is_undefined()
        && let Some((_, first)) = rest.next()
    {
        result = first;
    }
    for (index, item) in rest {
        let mut arguments = vec![result, item];
        if arity >= 3 {
            arguments.push(Value::count(index));
        }
        if arity >= 4 {
            arguments.push(array.clone());
        }
        result = evaluator.apply(function, arguments, &Value::Null)?;
    }
    Ok(result)
}

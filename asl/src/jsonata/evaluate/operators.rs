//! Operators: arithmetic, comparison, concatenation, ranges, and what counts
//! as true or as a number.

use std::cmp::Ordering;

use super::super::ast::{Node, Operator};
use super::super::budget::Budget;
use super::super::compare::{are_equal, numeric, order_of_texts};
use super::super::failure::{Failure, Outcome};
use super::super::text;
use super::super::value::{Items, SAFE_INTEGER, Value};
use super::Evaluator;
use super::frame::Env;
use crate::limits;

impl<'a> Evaluator<'a> {
    pub(super) fn binary(
        &mut self,
        operator: Operator,
        sides: &'a (Node, Node),
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let (left, right) = sides;
        match operator {
            Operator::Apply => return self.apply_operator(left, right, input, env),
            Operator::And | Operator::Or => {
                let value = self.evaluate(left, input, env)?;
                let flag = self.is_true(&value).map_err(|failure| failure.in_operator(operator.sign()))?;
                if flag == (operator == Operator::Or) {
                    return Ok(Value::Bool(flag));
                }
                let flag = self
                    .evaluate(right, input, env)
                    .and_then(|value| self.is_true(&value))
                    .map_err(|failure| failure.in_operator(operator.sign()))?;
                return Ok(Value::Bool(flag));
            }
            _ => {}
        }
        let left = self.evaluate(left, input, env)?;
        let right = self.evaluate(right, input, env)?;
        match operator {
            Operator::Equal | Operator::NotEqual => {
                if left.is_undefined() || right.is_undefined() {
                    return Ok(Value::Bool(false));
                }
                let equal = are_equal(&left, &right, &mut self.budget)?;
                Ok(Value::Bool(equal == (operator == Operator::Equal)))
            }
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                compare(operator, &left, &right, &mut self.budget)
            }
            Operator::Concatenate => self.concatenate(&left, &right),
            Operator::In => self.is_in(&left, &right),
            Operator::Range => self.range(&left, &right),
            _ => calculate(operator, &left, &right),
        }
    }

    pub(in super::super) fn are_all_numbers(&mut self, items: Items<'_, 'a>) -> Outcome<bool> {
        self.budget.spend(items.len() / 8)?;
        for item in items.iter() {
            if numeric(&item)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn negate(&mut self, inner: &'a Node, input: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        let value = self.evaluate(inner, input, env)?;
        match &value {
            Value::Undefined => Ok(Value::Undefined),
            Value::Int(number) if *number != 0 && *number != i64::MIN => Ok(Value::Int(-number)),
            _ => numeric(&value)?.map(|number| Value::number(-number)).ok_or_else(|| {
                let shown = text::for_message(&value);
                Failure::raised("D1002", format!("Cannot negate a non-numeric value: {shown}"))
            }),
        }
    }

    fn concatenate(&mut self, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
        let mut joined = String::new();
        text::push_as_text(&mut joined, left, &mut self.budget)?;
        text::push_as_text(&mut joined, right, &mut self.budget)?;
        self.budget.made(&joined)?;
        Ok(Value::text(joined))
    }

    fn is_in(&mut self, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
        if left.is_undefined() || right.is_undefined() {
            return Ok(Value::Bool(false));
        }
        let Some(items) = right.items() else {
            return Ok(Value::Bool(are_equal(left, right, &mut self.budget)?));
        };
        for (index, item) in items.iter().enumerate() {
            if index % 8 == 0 {
                self.budget.spend(1)?;
            }
            if are_equal(left, &item, &mut self.budget)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn range(&mut self, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
        let whole = |value: &Value<'_>| value.as_f64().filter(|number| number.fract() == 0.0);
        for (value, code, side) in [(left, "T2003", "left"), (right, "T2004", "right")] {
            if !value.is_undefined() && whole(value).is_none() {
                let message =
                    format!("The {side} side of the range operator (..) must evaluate to an integer");
                return Err(Failure::raised(code, message));
            }
        }
        let (Some(first), Some(last)) = (whole(left), whole(right)) else { return Ok(Value::Undefined) };
        if first > last {
            return Ok(Value::Undefined);
        }
        let count = last - first + 1.0;
        if count > limits::JSONATA_RANGE_ITEMS_MAX {
            let message = format!(
                "The size of the sequence allocated by the range operator (..) must not exceed 1e6.  \
                 Attempted to allocate {}.",
                super::super::number::to_text(count)
            );
            return Err(Failure::raised("D2014", message));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and at most JSONATA_RANGE_ITEMS_MAX"
        )]
        let count = count as usize;
        self.budget.spend(count)?;
        self.budget.items(count)?;
        // As in JavaScript the items are floating-point numbers: beyond 2^53 some of them are the same.
        #[expect(clippy::cast_precision_loss, reason = "a position is below 2^53")]
        let item = |at: usize| Value::number(first + at as f64);
        Ok(Value::sequence((0..count).map(item).collect()))
    }

    /// Whether the value is as good as true; undefined is not.
    pub(in super::super) fn is_true(&mut self, value: &Value<'a>) -> Outcome<bool> {
        self.truth(value, 0)
    }

    fn truth(&mut self, value: &Value<'a>, level: usize) -> Outcome<bool> {
        if level > limits::JSONATA_VALUE_DEPTH_MAX {
            return Err(Failure::stack());
        }
        Ok(match value {
            Value::Bool(flag) => *flag,
            Value::Text(text) => !text.is_empty(),
            Value::Int(number) => *number != 0,
            Value::Float(_) => numeric(value)?.is_some_and(|number| number != 0.0),
            Value::JsonObject(fields) => !fields.is_empty(),
            Value::Object(object) => !object.is_empty(),
            _ => match value.items() {
                Some(items) => {
                    for (index, item) in items.iter().enumerate() {
                        if index % 8 == 0 {
                            self.budget.spend(1)?;
                        }
                        if self.truth(&item, level + 1)? {
                            return Ok(true);
                        }
                    }
                    false
                }
                None => false,
            },
        })
    }
}

/// The result where whole numbers stay whole and exact.
fn calculate_whole(operator: Operator, left: i64, right: i64) -> Option<i64> {
    let is_safe = |number: i64| number.unsigned_abs() <= SAFE_INTEGER.unsigned_abs();
    if !is_safe(left) || !is_safe(right) {
        return None;
    }
    match operator {
        Operator::Add => Some(left + right),
        Operator::Subtract => Some(left - right),
        // Zero has a sign in JavaScript.
        Operator::Multiply if left != 0 && right != 0 => left.checked_mul(right),
        Operator::Divide if left != 0 && right != 0 && left % right == 0 => Some(left / right),
        Operator::Remainder if left > 0 && right != 0 => Some(left % right),
        _ => None,
    }
    .filter(|result| is_safe(*result))
}

/// `<`, `<=`, `>`, `>=`
fn compare<'a>(
    operator: Operator,
    left: &Value<'a>,
    right: &Value<'a>,
    budget: &mut Budget,
) -> Outcome<Value<'a>> {
    let sign = operator.sign();
    let is_comparable = |value: &Value<'_>| {
        matches!(value, Value::Undefined | Value::Int(_) | Value::Float(_) | Value::Text(_))
    };
    if !is_comparable(left) || !is_comparable(right) {
        return Err(Failure::about_operator(
            "T2010",
            "The expressions either side of operator ".to_owned(),
            sign,
            " must evaluate to numeric or string values",
        ));
    }
    if left.is_undefined() || right.is_undefined() {
        return Ok(Value::Undefined);
    }
    let order = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(order_of_texts(left, right, budget)?),
        _ => {
            if let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) {
                left.partial_cmp(&right)
            } else {
                let (left, right) = (text::for_message(left), text::for_message(right));
                return Err(Failure::about_operator(
                    "T2009",
                    format!("The values {left} and {right} either side of operator "),
                    sign,
                    " must be of the same data type",
                ));
            }
        }
    };
    Ok(Value::Bool(order.is_some_and(|order| match operator {
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })))
}

/// The number on one side of an operator of arithmetic; `None` for undefined.
fn operand(code: &'static str, side: &str, operator: Operator, value: &Value<'_>) -> Outcome<Option<f64>> {
    if value.is_undefined() {
        return Ok(None);
    }
    match numeric(value)? {
        Some(number) => Ok(Some(number)),
        None => Err(Failure::about_operator(
            code,
            format!("The {side} side of the "),
            operator.sign(),
            " operator must evaluate to a number",
        )),
    }
}

/// `+`, `-`, `*`, `/`, `%`
fn calculate<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
    if let (Value::Int(left), Value::Int(right)) = (left, right)
        && let Some(result) = calculate_whole(operator, *left, *right)
    {
        return Ok(Value::Int(result));
    }
    let (left, right) = match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) if left.is_finite() && right.is_finite() => (left, right),
        _ => {
            let left = operand("T2001", "left", operator, left)?;
            let right = operand("T2002", "right", operator, right)?;
            let (Some(left), Some(right)) = (left, right) else { return Ok(Value::Undefined) };
            (left, right)
        }
    };
    Ok(Value::number(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        _ => left % right,
    }))
}

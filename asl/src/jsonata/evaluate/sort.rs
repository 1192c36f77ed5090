//! Sorting: `^(…)` by terms and `$sort`. A merge sort whose comparisons come in
//! JSONata's order, so that a function that compares sees what it would see there.

use std::cmp::Ordering;
use std::rc::Rc;

use super::super::ast::Term;
use super::super::budget::Budget;
use super::super::compare::{is_truthy, order_of_texts};
use super::super::failure::{Failure, Outcome};
use super::super::memory::Held;
use super::super::text;
use super::super::value::{Array, Value};
use super::Evaluator;
use super::frame::Env;

impl<'a> Evaluator<'a> {
    /// Sorts an array by the terms of `^(…)`. What has no more than one item is
    /// returned as it is.
    pub(super) fn sort_by_terms(
        &mut self,
        terms: &'a [Term],
        input: Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let Some(items) = input.items().filter(|items| items.len() > 1) else { return Ok(input) };
        let holds_tuples = matches!(&input, Value::Array(array) if array.holds_tuples());
        let keys = items.len().saturating_mul(terms.len());
        let _room = self.room_to_sort::<usize>(items.len(), items.len() + keys)?;
        let items = items.to_vec();
        let mut keys: Vec<Option<Value<'a>>> = vec![None; keys];
        let order = self.merge_sort((0..items.len()).collect(), &mut |evaluator, one, other| {
            evaluator.is_after(terms, &items, &mut keys, (*one, *other), env)
        })?;
        let sorted = order.into_iter().filter_map(|place| items.get(place).cloned()).collect();
        Ok(if holds_tuples { Value::Array(Rc::new(Array::tuples(sorted))) } else { Value::array(sorted) })
    }

    /// Whether one item comes after another, by their places. The values of the
    /// terms are kept once they are known.
    fn is_after(
        &mut self,
        terms: &'a [Term],
        items: &[Value<'a>],
        keys: &mut [Option<Value<'a>>],
        (one, other): (usize, usize),
        env: &Env<'a>,
    ) -> Outcome<bool> {
        for (index, term) in terms.iter().enumerate() {
            let at = |place: usize| place * terms.len() + index;
            for place in [one, other] {
                if let (Some(known @ None), Some(item)) = (keys.get_mut(at(place)), items.get(place)) {
                    *known = Some(self.term(term, item, env)?);
                }
            }
            let key = |place: usize| keys.get(at(place)).and_then(Option::as_ref);
            let (Some(first), Some(second)) = (key(one), key(other)) else { continue };
            match (first.is_undefined(), second.is_undefined()) {
                (true, true) => continue,
                // What has no value comes last, whatever the direction.
                (true, false) => return Ok(true),
                (false, true) => return Ok(false),
                (false, false) => {}
            }
            let order = order_of_keys(first, second, &mut self.budget)?;
            if order == Ordering::Equal {
                continue;
            }
            return Ok((order == Ordering::Greater) != term.descends);
        }
        Ok(false)
    }

    fn term(&mut self, term: &'a Term, item: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        match item {
            Value::Tuple(tuple) => {
                let frame = self.frame_of(tuple, env)?;
                self.evaluate(&term.expression, &tuple.at, &frame)
            }
            _ => self.evaluate(&term.expression, item, env),
        }
    }

    /// `$sort`, with or without a function that says whether one is after the other.
    pub(in super::super) fn sort(
        &mut self,
        input: &Value<'a>,
        function: Option<&Value<'a>>,
    ) -> Outcome<Value<'a>> {
        let Some(items) = input.items() else { return Ok(input.clone()) };
        if items.len() <= 1 {
            return Ok(input.clone());
        }
        let _room = self.room_to_sort::<Value<'a>>(items.len(), items.len())?;
        let list = items.to_vec();
        if let Some(function) = function {
            let sorted = self.merge_sort(list, &mut |evaluator, one, other| {
                let arguments = vec![one.clone(), other.clone()];
                evaluator.apply(function, arguments, &Value::Null).map(|answer| is_truthy(&answer))
            })?;
            return Ok(Value::array(sorted));
        }
        let are_texts = list.iter().all(|item| item.as_str().is_some());
        if !are_texts && !self.are_all_numbers(items)? {
            return Err(Failure::raised(
                "D3070",
                "The single argument form of the sort function can only be applied to an array of \
                 strings or an array of numbers.  Use the second argument to specify a comparison \
                 function",
            ));
        }
        self.budget.spend(list.len() * 4)?;
        let mut sorted = list;
        let mut failure = None;
        sorted.sort_by(|one, other| {
            if failure.is_some() {
                return Ordering::Equal;
            }
            order_of_keys(one, other, &mut self.budget).unwrap_or_else(|error| {
                failure = Some(error);
                Ordering::Equal
            })
        });
        failure.map_or_else(|| Ok(Value::array(sorted)), Err)
    }

    /// Room for that many items of a kind, which a merge has three times at most, beside that many values.
    fn room_to_sort<T>(&mut self, items: usize, values: usize) -> Outcome<Held> {
        self.budget.spend(items / 4)?;
        self.budget.items(items)?;
        self.budget.reserve(3 * items * size_of::<T>() + values.saturating_mul(size_of::<Value<'_>>()))
    }

    /// Sorts the first half, the second half, then merges both: the item of the
    /// first half goes first unless it is after the other.
    fn merge_sort<T>(
        &mut self,
        mut items: Vec<T>,
        is_after: &mut dyn FnMut(&mut Self, &T, &T) -> Outcome<bool>,
    ) -> Outcome<Vec<T>> {
        if items.len() <= 1 {
            return Ok(items);
        }
        let second = items.split_off(items.len() / 2);
        let first = self.merge_sort(items, is_after)?;
        let second = self.merge_sort(second, is_after)?;
        self.budget.spend(first.len() + second.len())?;
        let mut merged = Vec::with_capacity(first.len() + second.len());
        let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
        while let (Some(one), Some(other)) = (first.peek(), second.peek()) {
            let next = if is_after(self, one, other)? { second.next() } else { first.next() };
            merged.extend(next);
        }
        merged.extend(first);
        merged.extend(second);
        Ok(merged)
    }
}

fn order_of_keys(first: &Value<'_>, second: &Value<'_>, budget: &mut Budget) -> Outcome<Ordering> {
    if let (Value::Text(first), Value::Text(second)) = (first, second) {
        return order_of_texts(first, second, budget);
    }
    if let (Some(first), Some(second)) = (first.as_f64(), second.as_f64()) {
        // JavaScript: what is neither equal nor before is after.
        return Ok(first.partial_cmp(&second).unwrap_or(Ordering::Greater));
    }
    let is_key = |value: &Value<'_>| matches!(value, Value::Text(_) | Value::Int(_) | Value::Float(_));
    if is_key(first) && is_key(second) {
        return Err(Failure::raised(
            "T2007",
            format!(
                "Type mismatch when comparing values {} and {} in order-by clause",
                text::for_message(first),
                text::for_message(second)
            ),
        ));
    }
    Err(Failure::raised(
        "T2008",
        "The expressions within an order-by clause must evaluate to numeric or string values",
    ))
}

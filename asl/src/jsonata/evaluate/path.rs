//! Paths: each step on every item of the one before, filters, and the tuples
//! of paths that bind variables.

use std::rc::Rc;

use super::super::ast::{Kind, Node, Path, Stage, Step};
use super::super::budget::Budget;
use super::super::compare::numeric;
use super::super::failure::{Failure, Outcome};
use super::super::memory::Gathered;
use super::super::value::{Array, Items, Tuple, Value};
use super::Evaluator;
use super::frame::{Env, Frame};
use crate::limits;

/// What goes from one step to the next.
enum Flow<'a> {
    Nothing,
    /// A sequence of one item.
    One(Value<'a>),
    /// An array, one item after the other.
    Many(Value<'a>),
}

impl<'a> Evaluator<'a> {
    pub(super) fn path(&mut self, path: &'a Path, input: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        if let [step] = path.steps.as_slice()
            && let Kind::Name(name) = &step.node.kind
            && input.is_object()
            && step.is_plain()
            && path.is_plain()
        {
            // The name of a field and nothing more.
            self.budget.has_levels(1)?;
            self.budget.looks_up(name, 1)?;
            return Ok(match input.field(name) {
                value @ Value::Array(_) => Flow::of(value, true).into_value(),
                value => value,
            });
        }
        let (mut done, found) = self.look_up_plain_steps(path, input, env)?;
        let mut flow = match found {
            Some(Value::Undefined) => return self.end_of_path(path, Flow::Nothing, env),
            Some(value) if done == path.steps.len() && !value.is_array() => {
                return self.end_of_path(path, Flow::One(value), env);
            }
            Some(value) => Flow::of(value, done == path.steps.len()),
            None => {
                let starts_from_variable =
                    path.steps.first().is_some_and(|step| matches!(step.node.kind, Kind::Variable(_)));
                if input.is_array() && !starts_from_variable {
                    Flow::Many(input.clone())
                } else {
                    Flow::One(input.clone())
                }
            }
        };
        while let Some(step) = path.steps.get(done) {
            if step.binds {
                let rest = path.steps.get(done..).unwrap_or_default();
                return self.path_of_tuples(path, rest, flow, env);
            }
            flow = if done == 0 && step.node.takes_whole_context() {
                let context = flow.into_array(&mut self.budget)?;
                Flow::whole(self.evaluate(&step.node, &context, env)?)
            } else {
                self.step(step, flow, env, done + 1 == path.steps.len())?
            };
            if flow.is_nothing() {
                break;
            }
            done += 1;
        }
        self.end_of_path(path, flow, env)
    }

    /// Most paths are the names of fields, from a variable or the context on.
    /// Follows them as long as they lead through objects: how many steps that
    /// is, and the value after them.
    fn look_up_plain_steps(
        &mut self,
        path: &'a Path,
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<(usize, Option<Value<'a>>)> {
        let mut steps = path.steps.iter().take_while(|step| step.is_plain()).peekable();
        let (mut done, mut value) = match steps.peek().map(|step| &step.node.kind) {
            Some(Kind::Name(_)) if input.is_object() => (0, None),
            Some(Kind::Variable(name)) => {
                steps.next();
                match steps.peek().map(|step| &step.node.kind) {
                    // A part of `$states`, without putting the whole together.
                    Some(Kind::Name(part)) if self.is_states(*name, env) => {
                        steps.next();
                        (2, Some(self.scope.states.get(part).map_or(Value::Undefined, Value::from_json)))
                    }
                    _ => (1, Some(self.variable(*name, env))),
                }
            }
            _ => return Ok((0, None)),
        };
        self.budget.has_levels(1)?;
        while let Some(Kind::Name(name)) = steps.peek().map(|step| &step.node.kind) {
            self.budget.looks_up(name, 1)?;
            let field = match &value {
                Some(object) if object.is_object() => object.field(name),
                None => input.field(name),
                Some(Value::Array(_) | Value::JsonArray(_)) => break,
                Some(_) => Value::Undefined,
            };
            value = Some(field);
            done += 1;
            steps.next();
        }
        self.budget.spend(done)?;
        Ok((done, value))
    }

    fn end_of_path(&mut self, path: &'a Path, flow: Flow<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        if path.is_plain() {
            return Ok(flow.into_value());
        }
        let value = match flow {
            Flow::Nothing => Value::Undefined,
            Flow::One(value) if path.keep_singleton => {
                let array = Array::sequence(vec![value]);
                array.keep_singleton();
                Value::Array(Rc::new(array))
            }
            Flow::Many(value) if path.keep_singleton => kept(value),
            // A group sees an array as one item, unless it is in a sequence.
            Flow::One(value) if path.group.is_some() && value.is_array() => Value::sequence(vec![value]),
            Flow::One(value) | Flow::Many(value) => value,
        };
        match &path.group {
            Some(group) => self.group(group, &value, env),
            None => Ok(value),
        }
    }

    /// One step on all items.
    fn step(&mut self, step: &'a Step, flow: Flow<'a>, env: &Env<'a>, is_last: bool) -> Outcome<Flow<'a>> {
        if let Kind::Sort(terms) = &step.node.kind {
            let mut items = flow.into_array(&mut self.budget)?;
            if let Some([only]) = items.items().filter(|items| items.len() == 1).map(Items::to_vec).as_deref()
            {
                // Nothing to sort: it stays the sequence it came as.
                items = Value::sequence(vec![only.clone()]);
            }
            let mut sorted = self.sort_by_terms(terms, items, env)?;
            for stage in &step.stages {
                sorted = self.stage(stage, sorted, env)?;
            }
            return Ok(Flow::whole(sorted));
        }
        match flow {
            Flow::Nothing => Ok(Flow::Nothing),
            Flow::One(item) => {
                let value = self.step_on(step, &item, env)?;
                Ok(if value.is_undefined() { Flow::Nothing } else { Flow::of(value, is_last) })
            }
            Flow::Many(array) => {
                let mut results = Results::new();
                let items = array.items().unwrap_or(Items::Made(&[]));
                for index in 0..items.len() {
                    let Some(item) = items.get(index) else { break };
                    let value = self.step_on(step, &item, env)?;
                    if !value.is_undefined() {
                        results.push(value, &mut self.budget)?;
                    }
                }
                results.finish(is_last, &mut self.budget)
            }
        }
    }

    fn step_on(&mut self, step: &'a Step, item: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        let mut value = match &step.node.kind {
            // The most frequent step, without the way around.
            Kind::Name(name) if !step.node.keep_array && item.is_object() => {
                self.budget.has_levels(1)?;
                self.budget.spend(1)?;
                self.budget.looks_up(name, 1)?;
                item.field(name)
            }
            _ => self.evaluate(&step.node, item, env)?,
        };
        for stage in &step.stages {
            value = self.stage(stage, value, env)?;
        }
        Ok(value)
    }

    fn stage(&mut self, stage: &'a Stage, value: Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        match stage {
            Stage::Filter(predicate) => self.filter(predicate, value, env),
            Stage::Index(name) => {
                let Value::Array(array) = &value else { return Ok(value) };
                self.budget.tuples(array.items.len(), 1)?;
                let mut tuples = Vec::with_capacity(array.items.len());
                for (index, item) in array.items.iter().enumerate() {
                    let mut tuple = match item {
                        Value::Tuple(tuple) => (**tuple).clone(),
                        other => Tuple::new(other.clone(), Vec::new()),
                    };
                    tuple.bind(*name, Value::count(index));
                    tuples.push(Value::Tuple(Rc::new(tuple)));
                }
                self.budget.items(tuples.len())?;
                Ok(Value::Array(Rc::new(Array::tuples(tuples))))
            }
        }
    }

    /// The items for which the predicate holds, or those whose places it gives.
    pub(super) fn filter(
        &mut self,
        predicate: &'a Node,
        input: Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let holds_tuples = matches!(&input, Value::Array(array) if array.holds_tuples());
        let input = if input.is_array() { input } else { Value::sequence(vec![input]) };
        let items = input.items().unwrap_or(Items::Made(&[]));
        let literal = match (&predicate.kind, &predicate.extra) {
            #[expect(clippy::cast_precision_loss, reason = "no array has 2^53 items")]
            (Kind::Whole(number), _) => Some(*number as f64),
            (Kind::Number(number), _) => Some(*number),
            _ => None,
        };
        let mut results = Gathered::new();
        if let Some(number) = literal {
            if let Some(item) = place_of(number, items.len()).and_then(|place| items.get(place)) {
                if item.is_array() {
                    return Ok(item);
                }
                if !item.is_undefined() {
                    results.push(item);
                }
            }
        } else {
            for index in 0..items.len() {
                let Some(item) = items.get(index) else { break };
                let chosen = match &item {
                    Value::Tuple(tuple) if holds_tuples => {
                        let frame = self.frame_of(tuple, env)?;
                        self.evaluate(predicate, &tuple.at, &frame)?
                    }
                    _ => self.evaluate(predicate, &item, env)?,
                };
                self.choose(&chosen, index, items.len(), item, &mut results)?;
            }
        }
        self.budget.items(results.len())?;
        let results = results.into_vec();
        let array = if holds_tuples { Array::tuples(results) } else { Array::sequence(results) };
        Ok(Value::Array(Rc::new(array)))
    }

    /// Takes the item into the results, once for each time its place is named,
    /// or if the predicate's value is as good as true.
    fn choose(
        &mut self,
        chosen: &Value<'a>,
        index: usize,
        count: usize,
        item: Value<'a>,
        results: &mut Gathered<'a>,
    ) -> Outcome<()> {
        if let Some(number) = numeric(chosen)? {
            if place_of(number, count) == Some(index) {
                results.push(item);
            }
            return Ok(());
        }
        if let Some(places) = chosen.items()
            && self.are_all_numbers(places)?
        {
            self.budget.spend(places.len())?;
            self.budget.items(results.len() + places.len())?;
            for place in places.iter().filter_map(|place| place.as_f64()) {
                if place_of(place, count) == Some(index) {
                    results.push(item.clone());
                }
            }
            return Ok(());
        }
        if self.is_true(chosen)? {
            results.push(item);
        }
        Ok(())
    }

    /// The field of an object, or of all objects in an array.
    pub(in super::super) fn look_up_field(&mut self, input: &Value<'a>, name: &str) -> Outcome<Value<'a>> {
        match input.items() {
            None => {
                self.budget.looks_up(name, 1)?;
                Ok(input.field(name))
            }
            Some(items) => {
                let mut found = Vec::new();
                self.collect_field(items, name, &mut found, 0)?;
                self.budget.items(found.len())?;
                Ok(Value::sequence(found))
            }
        }
    }

    fn collect_field(
        &mut self,
        items: Items<'_, 'a>,
        name: &str,
        found: &mut Vec<Value<'a>>,
        level: usize,
    ) -> Outcome<()> {
        if level > limits::JSONATA_VALUE_DEPTH_MAX {
            return Err(Failure::stack());
        }
        self.budget.spend(items.len())?;
        self.budget.looks_up(name, items.len())?;
        self.budget.items(found.len())?;
        for item in items.iter() {
            if let Some(inner) = item.items() {
                self.collect_field(inner, name, found, level + 1)?;
                continue;
            }
            let value = item.field(name);
            match value.items() {
                Some(inner) => found.extend(inner.iter()),
                None if value.is_undefined() => {}
                None => found.push(value),
            }
        }
        Ok(())
    }

    pub(super) fn wildcard(&mut self, input: &Value<'a>) -> Outcome<Value<'a>> {
        let unwrapped = match input {
            Value::Array(array) if array.is_outer_wrapper() => array.items.first().cloned(),
            _ => None,
        };
        let input = unwrapped.as_ref().unwrap_or(input);
        let children: Vec<Value<'a>> = match input.items() {
            Some(items) => items.to_vec(),
            None => input.fields().into_iter().map(|(_, value)| value).collect(),
        };
        let mut found = Vec::new();
        let mut is_sequence = true;
        for child in children {
            self.budget.spend(1)?;
            match child.items() {
                Some(items) => {
                    // What an array is appended to is no sequence any more.
                    is_sequence = false;
                    self.flatten(items, &mut found, 0)?;
                }
                None => found.push(child),
            }
        }
        self.budget.items(found.len())?;
        Ok(if is_sequence { Value::sequence(found) } else { Value::array(found) })
    }

    fn flatten(&mut self, items: Items<'_, 'a>, found: &mut Vec<Value<'a>>, level: usize) -> Outcome<()> {
        if level > limits::JSONATA_VALUE_DEPTH_MAX {
            return Err(Failure::stack());
        }
        self.budget.spend(items.len())?;
        self.budget.items(found.len() + items.len())?;
        for item in items.iter() {
            match item.items() {
                Some(inner) => self.flatten(inner, found, level + 1)?,
                None => found.push(item),
            }
        }
        Ok(())
    }

    pub(super) fn descendants(&mut self, input: &Value<'a>) -> Outcome<Value<'a>> {
        if input.is_undefined() {
            return Ok(Value::Undefined);
        }
        let mut found = Vec::new();
        self.descend(input, &mut found, 0)?;
        self.budget.items(found.len())?;
        Ok(match (found.len(), found.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                found.extend(last);
                Value::sequence(found)
            }
        })
    }

    fn descend(&mut self, value: &Value<'a>, found: &mut Vec<Value<'a>>, level: usize) -> Outcome<()> {
        if level > limits::JSONATA_VALUE_DEPTH_MAX {
            return Err(Failure::stack());
        }
        self.budget.spend(1)?;
        if let Some(items) = value.items() {
            for item in items.iter() {
                self.descend(&item, found, level + 1)?;
            }
            return Ok(());
        }
        self.budget.items(found.len())?;
        found.push(value.clone());
        if value.is_function() {
            // To JSONata a function is an object with fields of its own, so that
            // it is never the only one. *Recorded:* `$sum.**` is no function.
            found.push(Value::Bool(true));
        }
        for (_, field) in value.fields() {
            self.descend(&field, found, level + 1)?;
        }
        Ok(())
    }

    /// The rest of a path, from the first step on that binds something.
    fn path_of_tuples(
        &mut self,
        path: &'a Path,
        steps: &'a [Step],
        flow: Flow<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let mut before = Some(flow);
        let mut tuples: Vec<Value<'a>> = Vec::new();
        for step in steps {
            tuples = self.tuple_step(step, before.take(), tuples, env)?;
        }
        let tuples = Value::Array(Rc::new(Array::tuples(tuples)));
        let value = if path.hands_on_tuples {
            tuples.clone()
        } else {
            let items = tuples.items().unwrap_or(Items::Made(&[]));
            self.budget.items(items.len())?;
            let values = items.iter().map(|tuple| match tuple {
                Value::Tuple(tuple) => tuple.at.clone(),
                other => other,
            });
            Value::sequence(values.collect())
        };
        let value = if path.keep_singleton { kept(value) } else { value };
        match &path.group {
            Some(group) => self.group(group, &tuples, env),
            None => Ok(value),
        }
    }

    fn tuple_step(
        &mut self,
        step: &'a Step,
        first: Option<Flow<'a>>,
        tuples: Vec<Value<'a>>,
        env: &Env<'a>,
    ) -> Outcome<Vec<Value<'a>>> {
        let results = if let Kind::Sort(terms) = &step.node.kind {
            match first {
                None => {
                    let tuples = Value::Array(Rc::new(Array::tuples(tuples)));
                    self.sort_by_terms(terms, tuples, env)?.items().map(Items::to_vec).unwrap_or_default()
                }
                Some(flow) => {
                    let items = flow.into_array(&mut self.budget)?;
                    let sorted = self.sort_by_terms(terms, items, env)?;
                    let items = sorted.items().unwrap_or(Items::Made(&[]));
                    self.budget.tuples(items.len(), 1)?;
                    items
                        .iter()
                        .enumerate()
                        .map(|(index, at)| {
                            let bound = step.index.map(|name| (name, Value::count(index)));
                            Value::Tuple(Rc::new(Tuple::new(at, bound.into_iter().collect())))
                        })
                        .collect()
                }
            }
        } else {
            let tuples = match first {
                None => tuples,
                Some(flow) => {
                    let items = flow.into_array(&mut self.budget)?;
                    let items = items.items().unwrap_or(Items::Made(&[]));
                    self.budget.tuples(items.len(), 0)?;
                    items.iter().map(|at| Value::Tuple(Rc::new(Tuple::new(at, Vec::new())))).collect()
                }
            };
            self.bind_items(step, &tuples, env)?
        };
        let mut value = Value::Array(Rc::new(Array::tuples(results)));
        for stage in &step.stages {
            value = self.stage(stage, value, env)?;
        }
        Ok(match value {
            Value::Array(array) => match Rc::try_unwrap(array) {
                Ok(mut array) => std::mem::take(&mut array.items),
                Err(array) => array.items.clone(),
            },
            _ => Vec::new(),
        })
    }

    /// Where what a tuple binds is seen.
    pub(super) fn frame_of(&mut self, tuple: &Tuple<'a>, env: &Env<'a>) -> Outcome<Env<'a>> {
        self.budget.block()?;
        Ok(Some(Frame::new(tuple.bound.clone(), env)))
    }

    /// Evaluates the step for each tuple and binds what it says.
    fn bind_items(&mut self, step: &'a Step, tuples: &[Value<'a>], env: &Env<'a>) -> Outcome<Vec<Value<'a>>> {
        let mut results = Gathered::new();
        for tuple in tuples {
            let Value::Tuple(tuple) = tuple else { continue };
            let frame = self.frame_of(tuple, env)?;
            let value = self.evaluate(&step.node, &tuple.at, &frame)?;
            if value.is_undefined() {
                continue;
            }
            let items = value.items().unwrap_or(Items::Made(std::slice::from_ref(&value)));
            self.budget.tuples(items.len(), tuple.bound.len())?;
            for (index, item) in items.iter().enumerate() {
                let mut next = (**tuple).clone();
                if let Value::Tuple(inner) = item {
                    next.at = inner.at.clone();
                    for (name, value) in &inner.bound {
                        next.bind(*name, value.clone());
                    }
                } else {
                    match step.focus {
                        Some(focus) => next.bind(focus, item),
                        None => next.at = item,
                    }
                    if let Some(name) = step.index {
                        next.bind(name, Value::count(index));
                    }
                    if let Some(slot) = step.ancestor {
                        let name = self.program.parents.get(slot).copied().unwrap_or_default();
                        next.bind(name, tuple.at.clone());
                    }
                }
                results.push(Value::Tuple(Rc::new(next)));
            }
            self.budget.items(results.len())?;
        }
        Ok(results.into_vec())
    }
}

/// The place a number names, from the end if it is negative.
fn place_of(number: f64, count: usize) -> Option<usize> {
    let place = number.floor();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: whole, not negative, below a length"
    )]
    {
        let place = if place < 0.0 { place + count as f64 } else { place };
        (place >= 0.0 && place < count as f64).then_some(place as usize)
    }
}

/// The result of a path that ends in `[]`: it stays an array.
fn kept(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Array(array) if array.is_constructed() && !array.is_sequence() => {
            let outer = Array::sequence(vec![Value::Array(array)]);
            outer.keep_singleton();
            Value::Array(Rc::new(outer))
        }
        // Whoever else holds the sequence may not see the mark.
        Value::Array(array) if array.is_sequence() && Rc::strong_count(&array) > 1 => {
            let copy = Array::sequence(array.items.clone());
            copy.keep_singleton();
            Value::Array(Rc::new(copy))
        }
        Value::Array(array) => {
            array.keep_singleton();
            Value::Array(array)
        }
        other => other,
    }
}

impl<'a> Flow<'a> {
    /// The only result of a step.
    fn of(value: Value<'a>, is_last: bool) -> Self {
        match &value {
            Value::JsonArray(items) if !is_last && items.is_empty() => Self::Nothing,
            Value::JsonArray(_) => Self::Many(value),
            Value::Array(array) if !array.is_sequence() && is_last => Self::Many(value),
            Value::Array(array) if array.is_constructed() => Self::One(value),
            Value::Array(array) if !array.is_sequence() && array.items.is_empty() => Self::Nothing,
            Value::Array(array) if !array.is_sequence() => Self::Many(value),
            Value::Array(array) => match array.items.as_slice() {
                [] => Self::Nothing,
                [only] => Self::One(only.clone()),
                // The mark is not handed on.
                items if array.keeps_singleton() => Self::Many(Value::sequence(items.to_vec())),
                _ => Self::Many(value),
            },
            _ => Self::One(value),
        }
    }

    /// A value that is the whole of what goes on.
    fn whole(value: Value<'a>) -> Self {
        match value.items() {
            Some(items) if items.len() == 0 => match &value {
                // An array that was written stays one.
                Value::Array(array) if !array.is_sequence() => Self::Many(value),
                _ => Self::Nothing,
            },
            Some(_) => Self::Many(value),
            None if value.is_undefined() => Self::Nothing,
            None => Self::One(value),
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::One(_) => false,
            Self::Many(value) => value.items().is_none_or(|items| items.len() == 0),
        }
    }

    fn into_value(self) -> Value<'a> {
        match self {
            Self::Nothing => Value::Undefined,
            Self::One(value) | Self::Many(value) => value,
        }
    }

    fn into_array(self, budget: &mut Budget) -> Outcome<Value<'a>> {
        Ok(match self {
            Self::Nothing => Value::sequence(Vec::new()),
            Self::One(value) => {
                budget.items(1)?;
                Value::sequence(vec![value])
            }
            Self::Many(value) => value,
        })
    }
}

/// The results of a step on many items: arrays among them lose their brackets,
/// unless there is only one result.
struct Results<'a> {
    only: Option<Value<'a>>,
    all: Gathered<'a>,
    count: usize,
}

impl<'a> Results<'a> {
    fn new() -> Self {
        Self { only: None, all: Gathered::new(), count: 0 }
    }

    fn push(&mut self, value: Value<'a>, budget: &mut Budget) -> Outcome<()> {
        self.count += 1;
        if self.count == 1 {
            self.only = Some(value);
            return Ok(());
        }
        if let Some(only) = self.only.take() {
            self.add(only, budget)?;
        }
        self.add(value, budget)
    }

    fn add(&mut self, value: Value<'a>, budget: &mut Budget) -> Outcome<()> {
        let is_unit = matches!(&value, Value::Array(array) if array.is_constructed());
        match value.items() {
            Some(items) if !is_unit => {
                budget.spend(items.len())?;
                self.all.extend(items.iter());
            }
            _ => self.all.push(value),
        }
        budget.items(self.all.len())
    }

    fn finish(mut self, is_last: bool, budget: &mut Budget) -> Outcome<Flow<'a>> {
        if let Some(only) = self.only {
            return Ok(Flow::of(only, is_last));
        }
        budget.items(self.all.len())?;
        Ok(match (self.all.len(), self.all.pop()) {
            (_, None) => Flow::Nothing,
            (1, Some(only)) => Flow::One(only),
            (_, Some(last)) => {
                self.all.push(last);
                Flow::Many(Value::sequence(self.all.into_vec()))
            }
        })
    }
}

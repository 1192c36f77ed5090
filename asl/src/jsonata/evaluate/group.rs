//! Objects and groups: `{…}` for one context, or over all items of a sequence.

use std::rc::Rc;

use super::super::ast::{Kind, Node};
use super::super::failure::{Failure, Outcome};
use super::super::object::Object;
use super::super::text;
use super::super::value::{Items, Text, Tuple, Value};
use super::Evaluator;
use super::frame::{Env, Frame};
use crate::limits;

/// Up to how many keys are compared with each other.
const KNOWN_KEYS_MAX: usize = 16;

/// The items that share a key.
struct Group<'a> {
    items: Vec<Value<'a>>,
    pair: usize,
}

impl<'a> Evaluator<'a> {
    pub(super) fn group(
        &mut self,
        pairs: &'a [(Node, Node)],
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let Some(items) = input.items() else { return self.single_object(pairs, input, env) };
        let holds_tuples = matches!(input, Value::Array(array) if array.holds_tuples());
        // Of nothing, there still is an object.
        let nothing = [Value::Undefined];
        let items = if items.len() == 0 { Items::Made(&nothing) } else { items };
        let mut keys: Object<'a> = Object::default();
        let mut groups: Vec<Group<'a>> = Vec::new();
        for index in 0..items.len() {
            let Some(item) = items.get(index) else { break };
            for (pair, (key, _)) in pairs.iter().enumerate() {
                let key = match &item {
                    Value::Tuple(tuple) if holds_tuples => {
                        let frame = self.frame_of(tuple, env)?;
                        self.evaluate(key, &tuple.at, &frame)?
                    }
                    _ => self.evaluate(key, &item, env)?,
                };
                let Some(key) = key_of(key)? else { continue };
                self.budget.looks_up(&key, 1)?;
                self.budget.spend(limits::JSONATA_GROUPED_STEPS)?;
                match keys.get(&key).and_then(Value::as_index).and_then(|at| groups.get_mut(at)) {
                    Some(group) if group.pair != pair => return Err(same_key(&key)),
                    Some(group) => group.items.push(item.clone()),
                    None => {
                        self.budget.spend(limits::JSONATA_GROUP_STEPS)?;
                        self.budget.places(3)?;
                        keys.insert(key, Value::count(groups.len()));
                        groups.push(Group { items: vec![item.clone()], pair });
                    }
                }
            }
        }
        let mut object = Object::with_capacity(groups.len());
        let keys = keys.sorted();
        for (key, at) in keys.iter() {
            let Some(group) = at.as_index().and_then(|at| groups.get_mut(at)) else { continue };
            let Some((_, node)) = pairs.get(group.pair) else { continue };
            let items = std::mem::take(&mut group.items);
            let value = if holds_tuples {
                let tuple = self.merge_tuples(items)?;
                let frame = Some(Frame::new(tuple.bound, env));
                self.evaluate(node, &tuple.at, &frame)?
            } else {
                let context = self.append_all(items)?;
                self.evaluate(node, &context, env)?
            };
            if !value.is_undefined() {
                object.insert(key.clone(), value);
            }
        }
        Ok(Value::object(object.sorted()))
    }

    /// The usual case: one context, each key once.
    fn single_object(
        &mut self,
        pairs: &'a [(Node, Node)],
        context: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        if let Some(object) = self.object_of_known_keys(pairs, context, env)? {
            return Ok(object);
        }
        let mut keys: Object<'a> = Object::with_capacity(pairs.len());
        for (pair, (key, _)) in pairs.iter().enumerate() {
            let key = self.evaluate(key, context, env)?;
            let Some(key) = key_of(key)? else { continue };
            self.budget.looks_up(&key, 1)?;
            if keys.get(&key).is_some() {
                return Err(same_key(&key));
            }
            keys.insert(key, Value::count(pair));
        }
        self.budget.places(pairs.len() * 2)?;
        let mut object = Object::with_capacity(keys.len());
        let keys = keys.sorted();
        for (key, pair) in keys.iter() {
            let Some((_, node)) = pair.as_index().and_then(|pair| pairs.get(pair)) else { continue };
            let value = self.evaluate(node, context, env)?;
            if !value.is_undefined() {
                object.insert(key.clone(), value);
            }
        }
        Ok(Value::object(object))
    }

    /// An object whose keys are written as texts, and differ. `None` for any other.
    fn object_of_known_keys(
        &mut self,
        pairs: &'a [(Node, Node)],
        context: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Option<Value<'a>>> {
        let known = |index: usize| match pairs.get(index) {
            Some((Node { kind: Kind::Text(key), extra: None, .. }, _)) => Some(key),
            _ => None,
        };
        let differ =
            |index: usize| known(index).is_some_and(|key| (0..index).all(|other| known(other) != Some(key)));
        if pairs.len() > KNOWN_KEYS_MAX || !(0..pairs.len()).all(differ) {
            return Ok(None);
        }
        self.budget.has_levels(1)?;
        let mut object = Object::with_capacity(pairs.len());
        for (index, (_, node)) in pairs.iter().enumerate() {
            let value = self.evaluate(node, context, env)?;
            if let (Some(key), false) = (known(index), value.is_undefined()) {
                object.insert(Text::Borrowed(key), value);
            }
        }
        Ok(Some(Value::object(object.sorted())))
    }

    /// The items of a group, arrays among them without their brackets. One item
    /// stays as it is.
    fn append_all(&mut self, mut items: Vec<Value<'a>>) -> Outcome<Value<'a>> {
        if let [_] = items.as_slice() {
            return Ok(items.pop().unwrap_or(Value::Undefined));
        }
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            match item.items() {
                Some(inner) => all.extend(inner.iter()),
                None if item.is_undefined() => {}
                None => all.push(item),
            }
        }
        self.budget.spend(all.len())?;
        self.budget.items(all.len())?;
        Ok(Value::array(all))
    }

    /// One tuple whose parts are those of all.
    fn merge_tuples(&mut self, items: Vec<Value<'a>>) -> Outcome<Tuple<'a>> {
        let mut at = Vec::with_capacity(items.len());
        let mut names: Vec<(usize, Vec<Value<'a>>)> = Vec::new();
        for item in items {
            let Value::Tuple(tuple) = item else { continue };
            let tuple = Rc::unwrap_or_clone(tuple);
            at.push(tuple.at);
            for (name, value) in tuple.bound {
                match names.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, values)) => values.push(value),
                    None => names.push((name, vec![value])),
                }
            }
        }
        let mut bound = Vec::with_capacity(names.len());
        for (name, values) in names {
            bound.push((name, self.append_all(values)?));
        }
        Ok(Tuple::new(self.append_all(at)?, bound))
    }
}

fn key_of(value: Value<'_>) -> Outcome<Option<Text<'_>>> {
    match value {
        Value::Text(key) => Ok(Some(key)),
        Value::Undefined => Ok(None),
        other => Err(Failure::raised(
            "T1003",
            format!("Key in object structure must evaluate to a string; got: {}", text::for_message(&other)),
        )),
    }
}

fn same_key(key: &str) -> Failure {
    let key = super::super::raised::quoted(key);
    Failure::raised("D1009", format!("Multiple key definitions evaluate to same key: {key}"))
}

impl Value<'_> {
    /// A place in a list.
    fn as_index(&self) -> Option<usize> {
        match self {
            Self::Int(index) => usize::try_from(*index).ok(),
            _ => None,
        }
    }
}

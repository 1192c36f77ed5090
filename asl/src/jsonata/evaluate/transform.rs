//! Transforms: `|where|what to set, what to delete|`. The result is a copy in
//! which the objects found are replaced; nothing else changes.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::ast::Transform;
use super::super::failure::{Failure, Outcome};
use super::super::functions::Builtin;
use super::super::object::Object;
use super::super::signature::Signature;
use super::super::text;
use super::super::value::Value;
use super::Evaluator;
use super::frame::Env;
use crate::limits;

/// Objects of the copy, by their place in memory, and what they have become.
/// The first of each pair keeps the place from being used again.
type Changed<'a> = BTreeMap<usize, (Value<'a>, Value<'a>)>;

fn place_of(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Object(object) => Some(Rc::as_ptr(object) as usize),
        _ => None,
    }
}

impl<'a> Evaluator<'a> {
    pub(super) fn apply_transform(
        &mut self,
        transform: &'a Transform,
        env: &Env<'a>,
        arguments: Vec<Value<'a>>,
    ) -> Outcome<Value<'a>> {
        let mut arguments = Signature::of_transform().check(arguments, &Value::Null)?;
        let input = arguments.pop().unwrap_or(Value::Undefined);
        if input.is_undefined() {
            return Ok(Value::Undefined);
        }
        let copy = self.copy_for_transform(&input, env)?;
        let found = self.evaluate(&transform.pattern, &copy, env)?;
        let matches = match found.items() {
            Some(items) => items.to_vec(),
            None if found.is_undefined() => return Ok(copy),
            None => vec![found],
        };
        let mut changed = Changed::new();
        for object in matches {
            self.change(transform, &object, &mut changed, env)?;
        }
        Ok(self.rebuild(&copy, &changed, 0)?.unwrap_or(copy))
    }

    /// The copy is made by `$clone`, which an expression may have bound itself.
    fn copy_for_transform(&mut self, input: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        let name = self.program.symbols.iter().position(|name| name == "clone");
        let cloner = match name {
            Some(name) => self.variable(name, env),
            None => Builtin::by_name("clone").map_or(Value::Undefined, Value::Builtin),
        };
        if !cloner.is_function() {
            return Err(Failure::raised(
                "T2013",
                "The transform expression clones the input object using the $clone() function.  This has \
                 been overridden in the current scope by a non-function.",
            ));
        }
        self.apply(&cloner, vec![input.clone()], &Value::Null)
    }

    fn change(
        &mut self,
        transform: &'a Transform,
        object: &Value<'a>,
        changed: &mut Changed<'a>,
        env: &Env<'a>,
    ) -> Outcome<()> {
        // The object's own fields as they are now; objects in them are looked up
        // each time, since they may change after it.
        let mut own = match place_of(object).and_then(|place| changed.get(&place)) {
            Some((_, own)) => own.clone(),
            None => object.clone(),
        };
        let context = self.rebuild(&own, changed, 0)?.unwrap_or_else(|| own.clone());
        let update = self.evaluate(&transform.update, &context, env)?;
        if !update.is_undefined() {
            if !update.is_object() {
                return Err(Failure::raised(
                    "T2011",
                    format!(
                        "The insert/update clause of the transform expression must evaluate to an object: {}",
                        text::for_message(&update)
                    ),
                ));
            }
            if own.is_object() {
                let mut fields = self.copy_fields(&own)?;
                for (key, value) in update.fields() {
                    self.budget.spend(1)?;
                    self.budget.looks_up(&key, 1)?;
                    fields.insert(key, value);
                }
                own = Value::object(fields.sorted());
            } else if !own.is_array() && update.field_count() > 0 {
                // JavaScript cannot set a property of such a value.
                return Err(Failure::raised("", "Cannot create a property on a value that is not an object"));
            }
        }
        if let Some(delete) = &transform.delete {
            let context = self.rebuild(&own, changed, 0)?.unwrap_or_else(|| own.clone());
            let names = self.evaluate(delete, &context, env)?;
            own = self.without(own, &names)?;
        }
        if let Some(place) = place_of(object) {
            changed.insert(place, (object.clone(), own));
        }
        Ok(())
    }

    fn without(&mut self, current: Value<'a>, names: &Value<'a>) -> Outcome<Value<'a>> {
        let list = match names.items() {
            Some(items) => items.to_vec(),
            None if names.is_undefined() => return Ok(current),
            None => vec![names.clone()],
        };
        if list.iter().any(|name| name.as_str().is_none()) {
            return Err(Failure::raised(
                "T2012",
                format!(
                    "The delete clause of the transform expression must evaluate to a string or array of \
                     strings: {}",
                    text::for_message(names)
                ),
            ));
        }
        if !current.is_object() {
            return Ok(current);
        }
        let mut fields = self.copy_fields(&current)?;
        for name in list.iter().filter_map(Value::as_str) {
            self.budget.spend(1 + fields.len() / 16)?;
            fields.remove(name);
        }
        Ok(Value::object(fields))
    }

    fn copy_fields(&mut self, object: &Value<'a>) -> Outcome<Object<'a>> {
        let fields = object.fields();
        self.budget.spend(fields.len())?;
        self.budget.places(fields.len() * 2)?;
        Ok(Object::of_fields(fields))
    }

    /// The value with the objects in it replaced that have changed; `None` if
    /// there are none.
    fn rebuild(
        &mut self,
        value: &Value<'a>,
        changed: &Changed<'a>,
        level: usize,
    ) -> Outcome<Option<Value<'a>>> {
        if changed.is_empty() {
            return Ok(None);
        }
        if level > limits::JSONATA_VALUE_DEPTH_MAX {
            return Err(Failure::stack());
        }
        self.budget.spend(1)?;
        let known = place_of(value).and_then(|place| changed.get(&place)).map(|(_, own)| own.clone());
        let own = known.as_ref().unwrap_or(value);
        let rebuilt = match own {
            Value::Array(array) => {
                let mut copy: Option<Vec<Value<'a>>> = None;
                for (index, item) in array.items.iter().enumerate() {
                    if let Some(item) = self.rebuild(item, changed, level + 1)? {
                        let copy = copy.get_or_insert_with(|| array.items.clone());
                        if let Some(place) = copy.get_mut(index) {
                            *place = item;
                        }
                    }
                }
                copy.map(Value::array)
            }
            Value::Object(object) => {
                let mut copy: Option<Object<'a>> = None;
                for (key, field) in object.iter() {
                    if let Some(field) = self.rebuild(field, changed, level + 1)? {
                        if copy.is_none() {
                            copy = Some(self.copy_fields(own)?);
                        }
                        if let Some(copy) = &mut copy {
                            copy.insert(key.clone(), field);
                        }
                    }
                }
                copy.map(Value::object)
            }
            _ => None,
        };
        Ok(rebuilt.or(known))
    }
}

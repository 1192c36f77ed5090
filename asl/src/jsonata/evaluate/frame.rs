//! Where variables live: frames that know the frame around them, the outermost
//! being the evaluation itself. Owns how long chains of values are given back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::super::ast::Sym;
use super::super::budget::Budget;
use super::super::function::Function;
use super::super::memory::{self, Held};
use super::super::value::Value;

/// The innermost frame; `None` is the level of the evaluation.
pub(in super::super) type Env<'a> = Option<Rc<Frame<'a>>>;

#[derive(Debug)]
pub(in super::super) struct Frame<'a> {
    variables: RefCell<Vec<(Sym, Value<'a>)>>,
    outer: RefCell<Env<'a>>,
    /// A function holds on to the frame.
    pub(super) is_captured: Cell<bool>,
    held: RefCell<Held>,
}

impl<'a> Frame<'a> {
    pub(in super::super) fn new(variables: Vec<(Sym, Value<'a>)>, outer: &Env<'a>) -> Rc<Self> {
        Rc::new(Self {
            held: RefCell::new(Held::new(Self::bytes(variables.capacity()))),
            variables: RefCell::new(variables),
            outer: RefCell::new(outer.clone()),
            is_captured: Cell::new(false),
        })
    }

    /// What a frame takes in memory that has places for so many variables.
    const fn bytes(variables: usize) -> usize {
        memory::shared::<Self>() + memory::block(variables * size_of::<(Sym, Value<'_>)>())
    }

    pub(in super::super) fn bind(&self, name: Sym, value: Value<'a>) {
        let mut variables = self.variables.borrow_mut();
        let place = variables.iter_mut().find(|(known, _)| *known == name);
        if let Some((_, place)) = place {
            let before = std::mem::replace(place, value);
            // What was there is given back after the borrow has ended.
            drop(variables);
            drop(before);
        } else {
            variables.push((name, value));
            self.held.borrow_mut().set(Self::bytes(variables.capacity()));
        }
    }

    /// Lets go of everything: frames and the functions in them hold each other.
    pub(super) fn clear(&self) {
        let variables = self.variables.take();
        let outer = self.outer.take();
        drop(variables);
        drop(outer);
    }
}

/// The value of a variable in the frames; `None` if only the evaluation can know it. The way
/// through frames of frames can be long: it is paid for.
pub(in super::super) fn look_up<'a>(env: &Env<'a>, name: Sym, budget: &mut Budget) -> Option<Value<'a>> {
    let mut frame = Rc::clone(env.as_ref()?);
    let mut places = 0;
    let found = loop {
        let variables = frame.variables.borrow();
        places += 1 + variables.len();
        if let Some((_, value)) = variables.iter().find(|(known, _)| *known == name) {
            break Some(value.clone());
        }
        drop(variables);
        let outer = frame.outer.borrow().clone();
        match outer {
            Some(outer) => frame = outer,
            None => break None,
        }
    };
    budget.walks(places);
    found
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        let outer = self.outer.get_mut().take();
        let variables = std::mem::take(self.variables.get_mut());
        if outer.is_some() || variables.iter().any(|(_, value)| value.is_shared()) {
            dismantle_all(variables.into_iter().map(|(_, value)| value).collect(), outer);
        }
    }
}

/// Gives back values without recursion, however deep they hang on each other.
pub(in super::super) fn dismantle(values: Vec<Value<'_>>) {
    dismantle_all(values, None);
}

fn dismantle_all<'a>(mut values: Vec<Value<'a>>, env: Env<'a>) {
    let mut frames: Vec<Rc<Frame<'a>>> = env.into_iter().collect();
    loop {
        if let Some(value) = values.pop() {
            take_apart(value, &mut values, &mut frames);
        } else if let Some(frame) = frames.pop() {
            // Only the last holder takes a frame apart.
            if let Some(mut frame) = Rc::into_inner(frame) {
                frames.extend(frame.outer.get_mut().take());
                values.extend(std::mem::take(frame.variables.get_mut()).into_iter().map(|(_, value)| value));
            }
        } else {
            return;
        }
    }
}

fn take_apart<'a>(value: Value<'a>, values: &mut Vec<Value<'a>>, frames: &mut Vec<Rc<Frame<'a>>>) {
    match value {
        Value::Array(array) => {
            if let Some(mut array) = Rc::into_inner(array) {
                values.append(&mut array.items);
            }
        }
        Value::Object(object) => {
            if let Some(mut object) = Rc::into_inner(object) {
                values.extend(object.take_values());
            }
        }
        Value::Tuple(tuple) => {
            if let Some(tuple) = Rc::into_inner(tuple) {
                values.push(tuple.at);
                values.extend(tuple.bound.into_iter().map(|(_, value)| value));
            }
        }
        Value::TailCall(call) => {
            if let Some(call) = Rc::into_inner(call) {
                values.push(call.input);
                frames.extend(call.env);
            }
        }
        Value::Function(function) => {
            if let Some(mut function) = Rc::into_inner(function) {
                match &mut function {
                    Function::Lambda(lambda) => {
                        values.push(std::mem::replace(&mut lambda.input, Value::Undefined));
                        frames.extend(lambda.env.take());
                    }
                    Function::Partial(partial) => {
                        values.push(std::mem::replace(&mut partial.function, Value::Undefined));
                        values.extend(partial.arguments.drain(..).flatten());
                    }
                    Function::Composed(first, second, _) => {
                        values.push(std::mem::replace(first, Value::Undefined));
                        values.push(std::mem::replace(second, Value::Undefined));
                    }
                    Function::Transform(_, env, _) => frames.extend(env.take()),
                    Function::Regex(..) | Function::Next(..) => {}
                }
            }
        }
        _ => {}
    }
}

//! The evaluator: one value for one node, in a context and a frame.
//!
//! Owns the walk over the tree and what an evaluation has drawn from the host.
//! Every node pays from the budget, so that depth and time end whatever an
//! expression does.

mod apply;
pub(super) mod frame;
mod group;
mod operators;
mod path;
mod sort;
mod transform;

use std::rc::{Rc, Weak};

use self::frame::{Env, Frame, look_up};
use super::STATES;
use super::ast::{Block, Kind, Node, Program, Sym};
use super::budget::{Bounds, Budget};
use super::failure::{Failure, Outcome};
use super::function::{Closure, Function};
use super::functions::Builtin;
use super::object::Object;
use super::random::Stream;
use super::value::{Array, Text, Value};
use crate::limits;
use crate::template::Scope;

/// The parts of `$states`, in AWS's order.
const STATES_PARTS: [&str; 4] = ["input", "context", "result", "errorOutput"];

#[derive(Debug)]
pub(super) struct Evaluator<'a> {
    program: &'a Program,
    scope: Scope<'a>,
    /// The variables of the outermost level, by symbol; `None` until they are looked for.
    outermost: Vec<Option<Value<'a>>>,
    pub(super) budget: Budget,
    /// Frames that functions hold on to. They may hold each other; the end of
    /// the evaluation lets go of them.
    captured: Vec<Weak<Frame<'a>>>,
    captured_max: usize,
    now: Option<i64>,
    random: Option<Stream>,
    uuid: Option<(String, u64)>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(program: &'a Program, scope: Scope<'a>, bounds: Bounds) -> Self {
        Self {
            program,
            scope,
            outermost: vec![None; program.symbols.len()],
            budget: Budget::new(bounds, scope.budget.steps_left()),
            captured: Vec::new(),
            captured_max: limits::JSONATA_CAPTURED_FRAMES_MIN,
            now: None,
            random: None,
            uuid: None,
        }
    }

    /// Evaluates the whole program. AWS gives expressions no context.
    pub(super) fn run(&mut self, context: Value<'a>) -> Outcome<Value<'a>> {
        if let Some(root) = self.program.symbols.iter().position(|name| name == "$")
            && let Some(place) = self.outermost.get_mut(root)
        {
            *place = Some(context.clone());
        }
        let needs_wrapper = context.is_array() && !context.is_sequence();
        let context = if needs_wrapper { Value::Array(Rc::new(Array::wrapper(context))) } else { context };
        self.evaluate(&self.program.root, &context, &None)
    }

    pub(super) fn evaluate(
        &mut self,
        node: &'a Node,
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        self.budget.enter()?;
        let mut result = self.evaluate_kind(node, input, env);
        if node.extra.is_some() || matches!(result, Ok(Value::Array(_))) {
            result = result.and_then(|value| self.finish(node, value, env));
        }
        self.budget.depth -= 1;
        result
    }

    fn evaluate_kind(&mut self, node: &'a Node, input: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        match &node.kind {
            Kind::Path(path) => self.path(path, input, env),
            Kind::Variable(name) => Ok(self.variable(*name, env)),
            Kind::Binary(operator, sides) => self.binary(*operator, sides, input, env),
            Kind::Call(call) => self.call(call, input, env),
            Kind::Null => Ok(Value::Null),
            Kind::Bool(flag) => Ok(Value::Bool(*flag)),
            Kind::Whole(number) => Ok(Value::Int(*number)),
            Kind::Number(number) => Ok(Value::number(*number)),
            Kind::Text(text) => Ok(Value::Text(Text::Borrowed(text))),
            Kind::Regex(regex) => {
                self.budget.block()?;
                Ok(Value::Function(Rc::new(Function::regex(regex))))
            }
            Kind::Name(name) => self.look_up_field(input, name),
            Kind::Wildcard => self.wildcard(input),
            Kind::Descendant => self.descendants(input),
            Kind::Parent(slot) => {
                let name = self.program.parents.get(*slot).copied().unwrap_or_default();
                Ok(look_up(env, name, &mut self.budget).unwrap_or(Value::Undefined))
            }
            Kind::Context => Ok(match input {
                Value::Array(array) if array.is_outer_wrapper() => {
                    array.items.first().cloned().unwrap_or(Value::Undefined)
                }
                _ => input.clone(),
            }),
            Kind::Array { items, is_step } => self.array(items, *is_step, input, env),
            Kind::Object(pairs) => self.group(pairs, input, env),
            Kind::Negate(inner) => self.negate(inner, input, env),
            Kind::Bind(name, value) => {
                let value = self.evaluate(value, input, env)?;
                self.bind(*name, value.clone(), env);
                Ok(value)
            }
            Kind::Condition(parts) => self.condition(parts, input, env),
            Kind::Block(block) => self.block(block, input, env),
            Kind::Lambda(lambda) => {
                self.budget.block()?;
                self.capture(env);
                let closure = Closure::new(lambda, env.clone(), input.clone());
                Ok(Value::Function(Rc::new(Function::Lambda(closure))))
            }
            Kind::Partial(call) => self.partial(call, input, env),
            Kind::Transform(transform) => {
                self.budget.block()?;
                self.capture(env);
                Ok(Value::Function(Rc::new(Function::transform(transform, env.clone()))))
            }
            // A sort is a step and is evaluated by its path.
            Kind::Sort(_) | Kind::Placeholder => Ok(Value::Undefined),
            Kind::TooDeep => Err(Failure::stack()),
        }
    }

    fn condition(
        &mut self,
        parts: &'a (Node, Node, Option<Node>),
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let (condition, then, other) = parts;
        let condition = self.evaluate(condition, input, env)?;
        if self.is_true(&condition)? {
            return self.evaluate(then, input, env);
        }
        match other {
            Some(other) => self.evaluate(other, input, env),
            None => Ok(Value::Undefined),
        }
    }

    fn block(&mut self, block: &'a Block, input: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        let frame = if block.binds {
            self.budget.block()?;
            Some(Frame::new(Vec::new(), env))
        } else {
            None
        };
        let env = if block.binds { &frame } else { env };
        let Some((last, before)) = block.items.split_last() else { return Ok(Value::Undefined) };
        for item in before {
            self.evaluate(item, input, env)?;
        }
        self.evaluate(last, input, env)
    }

    /// What follows every node: its predicates, its group, and that a sequence
    /// of one item is that item.
    fn finish(&mut self, node: &'a Node, value: Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        let mut value = value;
        if let Some(extra) = &node.extra {
            for predicate in &extra.predicates {
                value = self.filter(predicate, value, env)?;
            }
            if let Some(group) = &extra.group {
                value = self.group(group, &value, env)?;
            }
        }
        let Value::Array(array) = &value else { return Ok(value) };
        if !array.is_sequence() || array.holds_tuples() {
            return Ok(value);
        }
        if node.keep_array {
            array.keep_singleton();
        }
        Ok(match array.items.as_slice() {
            [] => Value::Undefined,
            [only] if !array.keeps_singleton() => only.clone(),
            _ => value,
        })
    }

    fn array(
        &mut self,
        items: &'a [Node],
        is_step: bool,
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let mut all = Vec::with_capacity(items.len());
        let mut result = Value::Undefined;
        for (index, item) in items.iter().enumerate() {
            let value = self.evaluate(item, input, env)?;
            let is_array_itself = matches!(item.kind, Kind::Array { .. });
            if index == 0 && items.len() == 1 && value.is_sequence() && !is_array_itself {
                // A range or a path alone in brackets: its items are the array's.
                result = value;
                continue;
            }
            match value.items() {
                Some(inner) if !is_array_itself => {
                    self.budget.spend(inner.len())?;
                    self.budget.items(all.len() + inner.len())?;
                    all.extend(inner.iter());
                }
                _ if value.is_undefined() => {}
                _ => all.push(value),
            }
        }
        if let Value::Array(inner) = result {
            all = match Rc::try_unwrap(inner) {
                Ok(mut inner) => std::mem::take(&mut inner.items),
                Err(inner) => inner.items.clone(),
            };
        }
        self.budget.items(all.len())?;
        let array = Array::plain(all);
        if is_step {
            array.mark_constructed();
        }
        Ok(Value::Array(Rc::new(array)))
    }

    /// The value of a variable: bound by the expression, given from outside, or
    /// the function of that name.
    pub(super) fn variable(&mut self, name: Sym, env: &Env<'a>) -> Value<'a> {
        if let Some(value) = look_up(env, name, &mut self.budget) {
            return value;
        }
        if let Some(Some(value)) = self.outermost.get(name) {
            return value.clone();
        }
        let value = self.given(name);
        if let Some(place) = self.outermost.get_mut(name) {
            *place = Some(value.clone());
        }
        value
    }

    fn given(&self, name: Sym) -> Value<'a> {
        let program = self.program;
        let Some(name) = program.symbols.get(name) else { return Value::Undefined };
        if let Some(value) = self.scope.variables.get(name) {
            return Value::from_json(value);
        }
        if name == STATES {
            return self.states();
        }
        Builtin::by_name(name).map_or(Value::Undefined, Value::Builtin)
    }

    /// The whole of `$states`. Undefined where nothing is known of a state.
    fn states(&self) -> Value<'a> {
        let mut object = Object::with_capacity(STATES_PARTS.len());
        for part in STATES_PARTS {
            if let Some(value) = self.scope.states.get(part) {
                object.insert(Text::Borrowed(part), Value::from_json(value));
            }
        }
        if object.is_empty() { Value::Undefined } else { Value::object(object) }
    }

    /// Whether a variable is `$states` and not bound by the expression.
    fn is_states(&mut self, name: Sym, env: &Env<'a>) -> bool {
        self.program.states == Some(name)
            && !self.scope.variables.contains_key(STATES)
            && !matches!(self.outermost.get(name), Some(Some(_)))
            && look_up(env, name, &mut self.budget).is_none()
    }

    fn bind(&mut self, name: Sym, value: Value<'a>, env: &Env<'a>) {
        match env {
            Some(frame) => frame.bind(name, value),
            None => {
                if let Some(place) = self.outermost.get_mut(name) {
                    *place = Some(value);
                }
            }
        }
    }

    /// A function is going to hold on to the frames.
    fn capture(&mut self, env: &Env<'a>) {
        let Some(frame) = env else { return };
        if frame.is_captured.replace(true) {
            return;
        }
        if self.captured.len() >= self.captured_max {
            self.captured.retain(|frame| frame.strong_count() > 0);
            // Frames that are gone keep their place as long as they are noted: not many more than live.
            let live = self.captured.len();
            self.captured_max = live.saturating_add(live / 4).max(limits::JSONATA_CAPTURED_FRAMES_MIN);
        }
        self.captured.push(Rc::downgrade(frame));
    }

    /// The time of the evaluation, taken once.
    pub(super) fn now_millis(&mut self) -> i64 {
        let host = self.scope.host;
        *self.now.get_or_insert_with(|| host.now_millis())
    }

    /// Random numbers that follow from one draw.
    pub(super) fn random_number(&mut self) -> f64 {
        let host = self.scope.host;
        self.random.get_or_insert_with(|| Stream::new(host.random())).next_double()
    }

    /// The host's UUID, and how many have been given out before.
    pub(super) fn next_uuid(&mut self) -> (String, u64) {
        let host = self.scope.host;
        let (base, count) = self.uuid.get_or_insert_with(|| (host.uuid(), 0));
        *count += 1;
        (base.clone(), *count - 1)
    }
}

impl Drop for Evaluator<'_> {
    fn drop(&mut self) {
        for frame in self.captured.drain(..).filter_map(|frame| frame.upgrade()) {
            frame.clear();
        }
    }
}

//! Functions as values.

use std::cell::Cell;

use super::ast::{Lambda, Transform};
use super::evaluate::frame::{Env, dismantle};
use super::functions::matching::NextMatch;
use super::memory::{self, Held};
use super::regex::Regex;
use super::value::Value;

#[derive(Debug)]
pub(super) enum Function<'a> {
    Lambda(Closure<'a>),
    /// `/…/`, which is a function of the text to search.
    Regex(&'a Regex, #[expect(dead_code, reason = "it counts while it is there")] Held),
    /// `next` of a match: the match after it.
    Next(NextMatch<'a>, #[expect(dead_code, reason = "it counts while it is there")] Held),
    Partial(Partial<'a>),
    /// `$f ~> $g`
    Composed(Value<'a>, Value<'a>, #[expect(dead_code, reason = "it counts while it is there")] Held),
    /// `|…|…|`
    Transform(&'a Transform, Env<'a>, #[expect(dead_code, reason = "it counts while it is there")] Held),
}

#[derive(Debug)]
pub(super) struct Closure<'a> {
    pub(super) lambda: &'a Lambda,
    pub(super) env: Env<'a>,
    /// The context it was defined in.
    pub(super) input: Value<'a>,
    /// The name it was last called by, for messages.
    pub(super) name: Cell<Option<&'a str>>,
    _held: Held,
}

/// What a function takes in memory, in bytes.
const FUNCTION_BYTES: usize = memory::shared::<Function<'_>>();

impl<'a> Closure<'a> {
    pub(super) fn new(lambda: &'a Lambda, env: Env<'a>, input: Value<'a>) -> Self {
        Self { lambda, env, input, name: Cell::new(None), _held: Held::new(FUNCTION_BYTES) }
    }
}

/// A function with some of its arguments.
#[derive(Debug)]
pub(super) struct Partial<'a> {
    pub(super) function: Value<'a>,
    /// `None` is still to come.
    pub(super) arguments: Vec<Option<Value<'a>>>,
    _held: Held,
}

impl<'a> Partial<'a> {
    pub(super) fn new(function: Value<'a>, arguments: Vec<Option<Value<'a>>>) -> Self {
        let arguments_bytes = memory::block(arguments.capacity() * size_of::<Option<Value<'_>>>());
        let held = Held::new(FUNCTION_BYTES + arguments_bytes);
        Self { function, arguments, _held: held }
    }
}

impl<'a> Function<'a> {
    pub(super) fn composed(first: Value<'a>, second: Value<'a>) -> Self {
        Self::Composed(first, second, Held::new(FUNCTION_BYTES))
    }

    pub(super) fn regex(regex: &'a Regex) -> Self {
        Self::Regex(regex, Held::new(FUNCTION_BYTES))
    }

    pub(super) fn next(next: NextMatch<'a>) -> Self {
        Self::Next(next, Held::new(FUNCTION_BYTES))
    }

    pub(super) fn transform(transform: &'a Transform, env: Env<'a>) -> Self {
        Self::Transform(transform, env, Held::new(FUNCTION_BYTES))
    }
}

impl Drop for Function<'_> {
    fn drop(&mut self) {
        match self {
            Self::Partial(partial) => {
                let mut values: Vec<Value<'_>> = partial.arguments.drain(..).flatten().collect();
                values.push(std::mem::replace(&mut partial.function, Value::Undefined));
                dismantle(values);
            }
            Self::Composed(first, second, _) if first.is_shared() || second.is_shared() => {
                dismantle(vec![
                    std::mem::replace(first, Value::Undefined),
                    std::mem::replace(second, Value::Undefined),
                ]);
            }
            Self::Lambda(closure) if closure.input.is_shared() => {
                dismantle(vec![std::mem::replace(&mut closure.input, Value::Undefined)]);
            }
            _ => {}
        }
    }
}

impl Value<'_> {
    /// How many arguments a function wants. Functions that take a function give
    /// it no more than that.
    pub(super) fn arity(&self) -> usize {
        match self {
            Self::Builtin(builtin) => builtin.arity(),
            Self::Function(function) => match &**function {
                Function::Lambda(closure) => closure.lambda.parameters.len(),
                Function::Regex(..) => 2,
                Function::Next(..) => 0,
                Function::Partial(partial) => {
                    partial.arguments.iter().filter(|argument| argument.is_none()).count()
                }
                Function::Composed(..) | Function::Transform(..) => 1,
            },
            _ => 0,
        }
    }
}

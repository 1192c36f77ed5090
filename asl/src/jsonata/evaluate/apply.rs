//! Calls: arguments, tail calls, partial application, `~>`, and how functions
//! that take a function call it.

use std::rc::Rc;

use super::super::ast::{Call, Kind, Node};
use super::super::failure::{Failure, Outcome};
use super::super::function::{Closure, Function, Partial};
use super::super::functions;
use super::super::value::{TailCall, Value};
use super::Evaluator;
use super::frame::{Env, Frame};

impl<'a> Evaluator<'a> {
    pub(super) fn call(&mut self, call: &'a Call, input: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        if call.is_tail {
            let tail = TailCall { call, input: input.clone(), env: env.clone() };
            return Ok(Value::TailCall(Rc::new(tail)));
        }
        self.call_with(call, None, input, env)
    }

    /// `first` comes before the arguments of the call.
    fn call_with(
        &mut self,
        call: &'a Call,
        first: Option<Value<'a>>,
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let function = self.evaluate(&call.procedure, input, env)?;
        if function.is_undefined()
            && let Some(name) = self.known_variable(&call.procedure, env)
        {
            return Err(Failure::raised(
                "T1005",
                format!("Attempted to invoke a non-function. Did you mean ${name}?"),
            ));
        }
        let mut arguments = Vec::with_capacity(call.arguments.len() + 1);
        arguments.extend(first);
        for argument in &call.arguments {
            arguments.push(self.evaluate(argument, input, env)?);
        }
        self.apply_named(call, &function, arguments, input)
    }

    fn apply_named(
        &mut self,
        call: &'a Call,
        function: &Value<'a>,
        arguments: Vec<Value<'a>>,
        input: &Value<'a>,
    ) -> Outcome<Value<'a>> {
        name_closure(function, call);
        self.apply(function, arguments, input).map_err(|failure| match &call.name {
            Some(name) => failure.in_function(name),
            None => failure,
        })
    }

    /// The name of a variable that somebody wrote without its `$`.
    fn known_variable(&mut self, procedure: &'a Node, env: &Env<'a>) -> Option<&'a str> {
        let Kind::Path(path) = &procedure.kind else { return None };
        let Kind::Name(name) = &path.steps.first()?.node.kind else { return None };
        let symbol = self.program.symbols.iter().position(|known| known == name);
        let is_known = match symbol {
            Some(symbol) => !self.variable(symbol, env).is_undefined(),
            None => self.scope.variables.contains_key(name) || functions::Builtin::by_name(name).is_some(),
        };
        is_known.then_some(name)
    }

    /// Calls a function, and what it ends with, until there is a value.
    pub(in super::super) fn apply(
        &mut self,
        function: &Value<'a>,
        arguments: Vec<Value<'a>>,
        context: &Value<'a>,
    ) -> Outcome<Value<'a>> {
        let mut result = self.apply_once(function, arguments, context)?;
        while let Value::TailCall(tail) = result {
            self.budget.spend(1)?;
            let function = self.evaluate(&tail.call.procedure, &tail.input, &tail.env)?;
            let mut arguments = Vec::with_capacity(tail.call.arguments.len());
            for argument in &tail.call.arguments {
                arguments.push(self.evaluate(argument, &tail.input, &tail.env)?);
            }
            if matches!(tail.call.procedure.kind, Kind::Variable(_)) {
                name_closure(&function, tail.call);
            }
            result = self.apply_once(&function, arguments, context)?;
        }
        Ok(result)
    }

    fn apply_once(
        &mut self,
        function: &Value<'a>,
        arguments: Vec<Value<'a>>,
        context: &Value<'a>,
    ) -> Outcome<Value<'a>> {
        match function {
            Value::Builtin(builtin) => {
                let result = builtin
                    .signature()
                    .check(arguments, context)
                    .and_then(|arguments| functions::call(self, *builtin, &arguments));
                result.map_err(|failure| failure.in_function(builtin.name()))
            }
            Value::Function(function) => match &**function {
                Function::Lambda(closure) => {
                    self.apply_closure(closure, arguments, context).map_err(|failure| {
                        match closure.name.get() {
                            Some(name) => failure.in_function(name),
                            None => failure,
                        }
                    })
                }
                Function::Regex(regex, _) => functions::matching::call_regex(self, regex, &arguments),
                Function::Next(next, _) => functions::matching::call_next(self, next),
                Function::Partial(partial) => self.apply_partial(partial, arguments),
                Function::Composed(..) => self.apply_composed(function, arguments),
                Function::Transform(transform, env, _) => self.apply_transform(transform, env, arguments),
            },
            _ => Err(Failure::raised("T1006", "Attempted to invoke a non-function")),
        }
    }

    fn apply_closure(
        &mut self,
        closure: &Closure<'a>,
        arguments: Vec<Value<'a>>,
        context: &Value<'a>,
    ) -> Outcome<Value<'a>> {
        let lambda = closure.lambda;
        let arguments = match &lambda.signature {
            Some(signature) => signature.check(arguments, context)?,
            None => arguments,
        };
        let mut arguments = arguments.into_iter();
        let bound =
            lambda.parameters.iter().map(|name| (*name, arguments.next().unwrap_or(Value::Undefined)));
        self.budget.block()?;
        let frame = Frame::new(bound.collect(), &closure.env);
        self.evaluate(&lambda.body, &closure.input, &Some(frame))
    }

    /// `$f ~> $g`, where `$g` may be put together in the same way, any number of times.
    fn apply_composed(
        &mut self,
        function: &Rc<Function<'a>>,
        mut arguments: Vec<Value<'a>>,
    ) -> Outcome<Value<'a>> {
        let mut function = Rc::clone(function);
        loop {
            let Function::Composed(first, second, _) = &*function else {
                return self.apply(&Value::Function(function), arguments, &Value::Undefined);
            };
            self.budget.enter()?;
            let value = self.apply(first, arguments, &Value::Undefined)?;
            self.budget.depth -= 1;
            arguments = vec![value];
            let Value::Function(next) = second else {
                return self.apply(second, arguments, &Value::Undefined);
            };
            let next = Rc::clone(next);
            function = next;
        }
    }

    fn apply_partial(&mut self, partial: &Partial<'a>, arguments: Vec<Value<'a>>) -> Outcome<Value<'a>> {
        let mut arguments = arguments.into_iter();
        let all: Vec<Value<'a>> = partial
            .arguments
            .iter()
            .map(|known| known.clone().unwrap_or_else(|| arguments.next().unwrap_or(Value::Undefined)))
            .collect();
        match &partial.function {
            // What is called in parts is not checked against a signature.
            Value::Builtin(builtin) => functions::call(self, *builtin, &all),
            Value::Function(function) => match &**function {
                Function::Lambda(closure) => {
                    self.budget.block()?;
                    let bound = closure.lambda.parameters.iter().copied().zip(all);
                    let frame = Frame::new(bound.collect(), &closure.env);
                    self.evaluate(&closure.lambda.body, &closure.input, &Some(frame))
                }
                _ => self.apply(&partial.function, all, &Value::Undefined),
            },
            other => self.apply(other, all, &Value::Undefined),
        }
    }

    pub(super) fn partial(&mut self, call: &'a Call, input: &Value<'a>, env: &Env<'a>) -> Outcome<Value<'a>> {
        let mut given = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            given.push(match argument.kind {
                Kind::Placeholder => None,
                _ => Some(self.evaluate(argument, input, env)?),
            });
        }
        let function = self.evaluate(&call.procedure, input, env)?;
        if !function.is_function() {
            return Err(match self.known_variable(&call.procedure, env) {
                Some(name) if function.is_undefined() => Failure::raised(
                    "T1007",
                    format!("Attempted to partially apply a non-function. Did you mean ${name}?"),
                ),
                _ => Failure::raised("T1008", "Attempted to partially apply a non-function"),
            });
        }
        if let Value::Function(known) = &function
            && let Function::Partial(known) = &**known
        {
            // Parts of parts stay flat.
            let mut given = given.into_iter();
            let arguments = known
                .arguments
                .iter()
                .map(|argument| match argument {
                    Some(known) => Some(known.clone()),
                    None => given.next().unwrap_or(Some(Value::Undefined)),
                })
                .collect();
            self.budget.block()?;
            let partial = Partial::new(known.function.clone(), arguments);
            return Ok(Value::Function(Rc::new(Function::Partial(partial))));
        }
        // What is neither given nor to come is undefined.
        let count = function.arity();
        given.truncate(count);
        given.resize(count, Some(Value::Undefined));
        self.budget.block()?;
        Ok(Value::Function(Rc::new(Function::Partial(Partial::new(function, given)))))
    }

    /// `left ~> right`
    pub(super) fn apply_operator(
        &mut self,
        left: &'a Node,
        right: &'a Node,
        input: &Value<'a>,
        env: &Env<'a>,
    ) -> Outcome<Value<'a>> {
        let value = self.evaluate(left, input, env)?;
        if let Kind::Call(call) = &right.kind {
            self.budget.has_levels(1)?;
            let result = self.call_with(call, Some(value), input, env)?;
            return Ok(result);
        }
        let function = self.evaluate(right, input, env)?;
        if !function.is_function() {
            return Err(Failure::raised(
                "T2006",
                "The right side of the function application operator ~> must be a function",
            ));
        }
        if value.is_function() {
            self.budget.block()?;
            return Ok(Value::Function(Rc::new(Function::composed(value, function))));
        }
        self.apply(&function, vec![value], &Value::Null)
    }

    /// Calls a function that was given to a function, with no more arguments
    /// than it wants: the value, its key or place, and the whole.
    pub(in super::super) fn call_back(
        &mut self,
        function: &Value<'a>,
        value: Value<'a>,
        place: Value<'a>,
        whole: &Value<'a>,
    ) -> Outcome<Value<'a>> {
        let arguments = match function.arity() {
            0 | 1 => vec![value],
            2 => vec![value, place],
            _ => vec![value, place, whole.clone()],
        };
        self.apply(function, arguments, &Value::Null)
    }
}

/// Notes the name a function is called by.
fn name_closure<'a>(function: &Value<'a>, call: &'a Call) {
    if let Value::Function(function) = function
        && let Function::Lambda(closure) = &**function
    {
        closure.name.set(call.name.as_deref());
    }
}

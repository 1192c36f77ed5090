//! Some states as one, for errors that are handled together.

use std::marker::PhantomData;

use crate::errors::{Caught, ErrorNames};
use crate::expr::{Expr, node};
use crate::flow::{Flow, here, slot_node};
use crate::ir::{Location, Node, NodeRef, Parallel, StateKind};
use crate::produces::Produces;
use crate::retry::{Backoff, Handlers};
use crate::shape::Shape;
use crate::slot;

impl Flow {
    /// Some states as one: an error of any of them is caught, or retried, in one place. In the
    /// state machine it is a Parallel with one branch.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # use stepwright::prelude::*;
    /// # #[derive(Debug, StepError)] pub enum ParseError { #[message("line {line}")] Malformed { line: u64 } }
    /// # #[step] pub async fn parse(text: String) -> Result<u64, ParseError> { Ok(text.len() as u64) }
    /// # #[step] pub async fn count(number: u64) -> Result<u64, ParseError> { Ok(number) }
    /// # fn f(w: &mut Flow, text: Expr<String>) -> Expr<u64> {
    /// w.attempt("Read it")
    ///     .catch(ParseError::EVERY, |_, _| lit(0))
    ///     .run(|w| {
    ///         let parsed = parse(text).run(w);
    ///         count(parsed).run(w)
    ///     })
    /// # }
    /// ```
    #[track_caller]
    pub fn attempt<'a, T: Shape>(&mut self, name: &str) -> Attempt<'_, 'a, T> {
        Attempt {
            flow: self,
            name: name.to_owned(),
            at: here(),
            handlers: Handlers::default(),
            result: PhantomData,
        }
    }
}

/// States that are to be tried together, before they are described.
#[derive(Debug)]
#[must_use = "an attempt does nothing until it is run with `.run(|w| ..)`"]
pub struct Attempt<'w, 'a, T> {
    flow: &'w mut Flow,
    name: String,
    at: Location,
    handlers: Handlers<'a>,
    result: PhantomData<fn() -> T>,
}

impl<'a, T: Shape> Attempt<'_, 'a, T> {
    /// Runs all of them again when one ends in one of these errors.
    pub fn retry(mut self, errors: impl ErrorNames, backoff: Backoff) -> Self {
        self.handlers.retry(errors, backoff);
        self
    }

    /// Goes on in another way when one ends in one of these errors.
    pub fn catch<R: Produces<T>>(
        mut self,
        errors: impl ErrorNames,
        body: impl FnOnce(&mut Flow, Caught) -> R + 'a,
    ) -> Self {
        self.handlers.catch::<Vec<T>, Alone<R, T>>(errors, |w, why| Alone(body(w, why), PhantomData));
        self
    }

    /// The states, as the next one.
    #[track_caller]
    pub fn run<R: Produces<T>>(self, body: impl FnOnce(&mut Flow) -> R) -> Expr<T> {
        let result = slot::fresh();
        let branches = vec![self.flow.region::<T, R>(body)];
        let (retriers, catchers) = self.handlers.finish(self.flow);
        let parallel = Parallel { branches, result, retriers, catchers };
        self.flow.record(&self.name, None, self.at, StateKind::Parallel(parallel));
        Expr::from_node(node(Node::Element { of: slot_node(result), index: 0 }))
    }
}

/// A value where a Parallel's catcher has to leave the list of all branches' results.
struct Alone<R, T>(R, PhantomData<fn() -> T>);

impl<T: Shape, R: Produces<T>> Produces<Vec<T>> for Alone<R, T> {
    fn produce(self) -> Option<NodeRef> {
        self.0.produce().map(|value| node(Node::Array(vec![value])))
    }
}

//! Blocks side by side.

use std::marker::PhantomData;

use crate::errors::{Caught, ErrorNames};
use crate::expr::{Expr, node};
use crate::flow::{Flow, here, slot_node};
use crate::ir::{Block, Location, Node, NodeRef, StateKind};
use crate::produces::Produces;
use crate::retry::{Backoff, Handlers};
use crate::shape::Shape;
use crate::slot;

impl Flow {
    /// Two to six branches side by side, each with a result of its own type.
    ///
    /// ```
    /// # use stepwright::prelude::*;
    /// # fn f(w: &mut Flow, a: Expr<String>, b: Expr<u64>) -> Expr<String> {
    /// let (text, number) = w.parallel("Both")
    ///     .branch(|w| w.pass("Text", a))
    ///     .branch(|w| w.pass("Number", b))
    ///     .join();
    /// text.concat(number)
    /// # }
    /// ```
    #[track_caller]
    pub fn parallel<'a>(&mut self, name: &str) -> Parallel<'_, 'a, ()> {
        Parallel {
            flow: self,
            name: name.to_owned(),
            at: here(),
            branches: Vec::new(),
            handlers: Handlers::default(),
            catches: false,
            results: PhantomData,
        }
    }
}

/// A parallel state, being described; `B` is the tuple of its branches' types.
#[derive(Debug)]
#[must_use = "branches do nothing until they are joined with `.join()`"]
pub struct Parallel<'w, 'a, B> {
    flow: &'w mut Flow,
    name: String,
    at: Location,
    branches: Vec<Block>,
    handlers: Handlers<'a>,
    catches: bool,
    results: PhantomData<fn() -> B>,
}

/// A list of branch types that one more can be added to.
#[diagnostic::on_unimplemented(message = "a parallel state has at most six branches")]
pub trait Append<T> {
    /// The longer list.
    type Longer;
}

/// The results of the branches of a parallel state.
#[diagnostic::on_unimplemented(message = "a parallel state has two to six branches")]
pub trait Results {
    /// The results as workflow values.
    type Exprs;
    /// The array's elements.
    #[doc(hidden)]
    fn of(array: NodeRef) -> Self::Exprs;
}

impl<'w, 'a, B> Parallel<'w, 'a, B> {
    /// One more branch.
    ///
    /// # Panics
    /// After `.catch(..)`, which has to know every branch.
    #[track_caller]
    pub fn branch<T: Shape, R: Produces<T>>(
        mut self,
        body: impl FnOnce(&mut Flow) -> R,
    ) -> Parallel<'w, 'a, B::Longer>
    where
        B: Append<T>,
    {
        assert!(!self.catches, "add the branches of `{}` before `.catch(..)`", self.name);
        self.branches.push(self.flow.region::<T, R>(body));
        Parallel {
            flow: self.flow,
            name: self.name,
            at: self.at,
            branches: self.branches,
            handlers: self.handlers,
            catches: false,
            results: PhantomData,
        }
    }

    /// Runs every branch again when one ends in one of these errors.
    pub fn retry(mut self, errors: impl ErrorNames, backoff: Backoff) -> Self {
        self.handlers.retry(errors, backoff);
        self
    }

    /// Goes on in another way when a branch ends in one of these errors: the
    /// closure produces the tuple of all results, or does not come back.
    pub fn catch<R: Produces<B>>(
        mut self,
        errors: impl ErrorNames,
        body: impl FnOnce(&mut Flow, Caught) -> R + 'a,
    ) -> Self
    where
        B: Shape,
    {
        self.handlers.catch::<B, R>(errors, body);
        self.catches = true;
        self
    }

    /// Runs the branches as the next state and gives their results.
    #[track_caller]
    pub fn join(self) -> B::Exprs
    where
        B: Results,
    {
        let result = slot::fresh();
        let (retriers, catchers) = self.handlers.finish(self.flow);
        let parallel = crate::ir::Parallel { branches: self.branches, result, retriers, catchers };
        self.flow.record(&self.name, None, self.at, StateKind::Parallel(parallel));
        B::of(slot_node(result))
    }
}

impl<A> Append<A> for () {
    type Longer = (A,);
}

macro_rules! appends {
    ($(($($have:ident)+))*) => {$(
        impl<$($have,)+ Z> Append<Z> for ($($have,)+) {
            type Longer = ($($have,)+ Z);
        }
    )*};
}

appends! { (A) (A B) (A B C) (A B C D) (A B C D E) }

macro_rules! results {
    ($(($($type:ident $index:literal)+))*) => {$(
        impl<$($type: Shape),+> Results for ($($type,)+) {
            type Exprs = ($(Expr<$type>,)+);

            fn of(array: NodeRef) -> Self::Exprs {
                ($(Expr::<$type>::from_node(node(Node::Element { of: array, index: $index })),)+)
            }
        }
    )*};
}

results! {
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
}

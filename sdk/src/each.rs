//! The inline map: a block per element of a list.

use std::marker::PhantomData;

use crate::errors::{Caught, ErrorNames};
use crate::expr::Expr;
use crate::flow::{Flow, here, slot_node};
use crate::ir::{Location, Map, Node, NodeRef, StateKind};
use crate::produces::Produces;
use crate::retry::{Backoff, Handlers};
use crate::shape::{List, Shape};
use crate::slot;

impl<L: Shape> Expr<L> {
    /// A block per element, as an inline map state; its iterations' states share
    /// the execution's history, which AWS limits to 25,000 events.
    ///
    /// ```
    /// # use stepwright::prelude::*;
    /// # fn f(w: &mut Flow, files: Expr<Vec<ObjectRef>>) -> Expr<Vec<String>> {
    /// files.each("Each file").concurrency(4).run(w, |_, file| file.key)
    /// # }
    /// ```
    #[track_caller]
    pub fn each<'a, U: Shape>(self, name: &str) -> Each<'a, L::Item, U>
    where
        L: List,
    {
        Each {
            items: self.node(),
            name: name.to_owned(),
            at: here(),
            concurrency: None,
            handlers: Handlers::default(),
            item: PhantomData,
        }
    }
}

/// A map over `T`s that makes a list of `U`s, before it is run.
#[derive(Debug)]
#[must_use = "a map does nothing until it is run with `.run(w, |w, item| ..)`"]
pub struct Each<'a, T, U> {
    items: NodeRef,
    name: String,
    at: Location,
    concurrency: Option<u64>,
    handlers: Handlers<'a>,
    item: PhantomData<fn(T) -> U>,
}

impl<'a, T: Shape, U: Shape> Each<'a, T, U> {
    /// How many iterations run at once; AWS runs at most 40 of an inline map.
    ///
    /// # Panics
    /// If 0: leave it out for as many as possible.
    #[track_caller]
    pub fn concurrency(self, iterations: u64) -> Self {
        assert!(iterations > 0, "a concurrency of 0 runs nothing; leave it out for no limit");
        Self { concurrency: Some(iterations), ..self }
    }

    /// Runs the whole map again when an iteration ends in one of these errors.
    pub fn retry(mut self, errors: impl ErrorNames, backoff: Backoff) -> Self {
        self.handlers.retry(errors, backoff);
        self
    }

    /// Goes on in another way when an iteration ends in one of these errors:
    /// the closure produces the whole list, or does not come back.
    pub fn catch<R: Produces<Vec<U>>>(
        mut self,
        errors: impl ErrorNames,
        body: impl FnOnce(&mut Flow, Caught) -> R + 'a,
    ) -> Self {
        self.handlers.catch::<Vec<U>, R>(errors, body);
        self
    }

    /// Runs the map as the next state and gives the list of what the iterations
    /// produced, in the order of the elements.
    #[track_caller]
    pub fn run<R: Produces<U>>(
        self,
        w: &mut Flow,
        body: impl FnOnce(&mut Flow, Expr<T>) -> R,
    ) -> Expr<Vec<U>> {
        self.run_with_index(w, |w, item, _| body(w, item))
    }

    /// Like [`Each::run`]; the closure also gets the element's zero-based index.
    #[track_caller]
    pub fn run_with_index<R: Produces<U>>(
        self,
        w: &mut Flow,
        body: impl FnOnce(&mut Flow, Expr<T>, Expr<u32>) -> R,
    ) -> Expr<Vec<U>> {
        let item = slot::fresh();
        let element = Expr::from_node(slot_node(item));
        let index = Expr::new(Node::ItemIndex(item));
        let body = w.region::<U, R>(|w| body(w, element, index));
        let result = slot::fresh();
        let (retriers, catchers) = self.handlers.finish(w);
        let map = Map {
            items: self.items,
            item,
            body,
            max_concurrency: self.concurrency,
            result,
            retriers,
            catchers,
        };
        w.record(&self.name, None, self.at, StateKind::Map(map));
        Expr::from_node(slot_node(result))
    }
}

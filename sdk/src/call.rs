//! Steps and their calls.

use std::marker::PhantomData;

use crate::callback::Waits;
use crate::errors::{Caught, RaisedBy, StepError};
use crate::expr::Expr;
use crate::flow::{Flow, here, slot_node};
use crate::ir::{Location, NodeRef, StateKind, StepInfo, Task};
use crate::operand::IntoExpr;
use crate::produces::Produces;
use crate::retry::{Backoff, Handlers};
use crate::shape::Shape;
use crate::slot;

/// A step: one small Lambda function, described by `#[step]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "expected the type `#[step]` makes, such as `Parse` for `async fn parse`"
)]
pub trait Step: Sized + 'static {
    /// What it is called with.
    type Input: Shape;
    /// What the workflow gets of it: what it returns or, when it takes a
    /// [`Callback`](crate::Callback), what it is answered.
    type Output: Shape;
    /// How it fails.
    type Error: StepError;
    /// What a workflow needs to know of it.
    const INFO: StepInfo;
}

/// AWS: a state's `TimeoutSeconds` is at most 99,999,999.
const TIMEOUT_SECONDS_MAX: u64 = 99_999_999;

/// A call of a step, before it is run.
#[derive(Debug)]
#[must_use = "a call does nothing until it is run with `.run(w)`"]
pub struct Call<'a, S> {
    input: NodeRef,
    name: Option<String>,
    at: Location,
    handlers: Handlers<'a>,
    timeout_seconds: Option<u64>,
    heartbeat_seconds: Option<u64>,
    lets_fail: Vec<&'static str>,
    step: PhantomData<fn() -> S>,
}

impl<'a, S: Step> Call<'a, S> {
    /// What the function `#[step]` makes returns.
    #[doc(hidden)]
    #[track_caller]
    pub fn new(input: impl IntoExpr<S::Input>) -> Self {
        Self {
            input: input.into_expr().node(),
            name: None,
            at: here(),
            handlers: Handlers::default(),
            timeout_seconds: None,
            heartbeat_seconds: None,
            lets_fail: Vec::new(),
            step: PhantomData,
        }
    }

    /// The state's name; the step's name in words unless given.
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Tries again when the step ends in one of these errors.
    ///
    /// Errors of the Lambda service are retried without being asked for.
    pub fn retry(mut self, errors: impl RaisedBy<S>, backoff: Backoff) -> Self {
        self.handlers.retry(errors, backoff);
        self
    }

    /// Goes on in another way when the step ends in one of these errors (after
    /// its retries): the closure produces what the step would have, or does not
    /// come back.
    pub fn catch<R: Produces<S::Output>>(
        mut self,
        errors: impl RaisedBy<S>,
        body: impl FnOnce(&mut Flow, Caught) -> R + 'a,
    ) -> Self {
        self.handlers.catch::<S::Output, R>(errors, body);
        self
    }

    /// Accepts that these errors fail the execution: there is nothing better to
    /// do than to fail here, where a redrive resumes.
    pub fn lets_fail(mut self, errors: impl RaisedBy<S>) -> Self {
        self.lets_fail.extend(errors.names());
        self
    }

    /// The state's own timeout; the Lambda function's applies in any case.
    ///
    /// # Panics
    /// If 0 or above 99,999,999 (AWS's limit), or not above a heartbeat given before.
    #[track_caller]
    pub fn timeout(self, seconds: u64) -> Self {
        let above = self.heartbeat_seconds.unwrap_or(0);
        assert!(
            seconds > above && seconds <= TIMEOUT_SECONDS_MAX,
            "a timeout is at most {TIMEOUT_SECONDS_MAX} seconds and longer than the heartbeat of {above}, not {seconds}"
        );
        Self { timeout_seconds: Some(seconds), ..self }
    }

    /// How long the state waits for its answer, from the call of the function on;
    /// then it ends in `States.Timeout`. The function's own timeout is that of
    /// `#[step]`, as ever.
    ///
    /// # Panics
    /// As [`Call::timeout`].
    #[track_caller]
    pub fn wait_at_most(self, seconds: u64) -> Self
    where
        S: Waits,
    {
        self.timeout(seconds)
    }

    /// The longest time between two heartbeats (`SendTaskHeartbeat`) of whoever
    /// has the task's token.
    ///
    /// # Panics
    /// If 0 or not below the timeout, where one is given before (AWS's rule).
    #[track_caller]
    pub fn heartbeat(self, seconds: u64) -> Self {
        let below = self.timeout_seconds.unwrap_or(TIMEOUT_SECONDS_MAX);
        assert!(
            (1..below).contains(&seconds),
            "a heartbeat is at least 1 second and shorter than the timeout of {below} seconds, not {seconds}"
        );
        Self { heartbeat_seconds: Some(seconds), ..self }
    }

    /// Runs the step as the next state and gives its output.
    #[track_caller]
    pub fn run(self, w: &mut Flow) -> Expr<S::Output> {
        let info = S::INFO;
        let name = self.name.unwrap_or_else(|| in_words(info.name));
        let result = slot::fresh();
        let (retriers, catchers) = self.handlers.finish(w);
        let task = Task {
            step: info,
            input: self.input,
            result,
            retriers,
            catchers,
            timeout_seconds: self.timeout_seconds,
            heartbeat_seconds: self.heartbeat_seconds,
            lets_fail: self.lets_fail,
        };
        let comment = (!info.doc.is_empty()).then(|| info.doc.to_owned());
        w.record(&name, comment, self.at, StateKind::Task(task));
        Expr::from_node(slot_node(result))
    }
}

/// `check-control-totals` in words: `Check control totals`.
fn in_words(name: &str) -> String {
    let spaced = name.replace('-', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

//! How a failed state is tried again, and what happens when it is not.

use crate::errors::{Caught, ErrorNames};
use crate::expr::Expr;
use crate::flow::Flow;
use crate::generated::field_node;
use crate::ir::{Block, Catcher, Node, Retrier};
use crate::produces::Produces;
use crate::shape::Shape;
use crate::slot;

/// When to retry; made by [`backoff`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    interval_seconds: u64,
    rate: f64,
    attempts: u64,
    max_delay_seconds: Option<u64>,
    full_jitter: bool,
}

/// AWS: `MaxDelaySeconds` is less than 31,622,400 (a year).
const MAX_DELAY_SECONDS_LIMIT: u64 = 31_622_400;
/// AWS: `IntervalSeconds` and `MaxAttempts` are at most 99,999,999.
const RETRIER_INTEGER_MAX: u64 = 99_999_999;
/// AWS: `MaxAttempts` is 3 when not given.
const ATTEMPTS_DEFAULT: u64 = 3;

/// The first retry after `interval_seconds`, each further one after `rate`
/// times the time before it; three retries unless told otherwise.
///
/// # Panics
/// If the interval is 0 or above 99,999,999, or the rate below 1.0 (AWS's limits).
#[track_caller]
pub fn backoff(interval_seconds: u64, rate: f64) -> Backoff {
    assert!(
        (1..=RETRIER_INTEGER_MAX).contains(&interval_seconds),
        "a retry interval is 1 to {RETRIER_INTEGER_MAX} seconds, not {interval_seconds}"
    );
    assert!(rate >= 1.0 && rate.is_finite(), "a backoff rate is at least 1.0, not {rate}");
    Backoff {
        interval_seconds,
        rate,
        attempts: ATTEMPTS_DEFAULT,
        max_delay_seconds: None,
        full_jitter: false,
    }
}

impl Backoff {
    /// How many retries follow the first try (AWS's `MaxAttempts`); 0 means none.
    ///
    /// # Panics
    /// If above 99,999,999 (AWS's limit).
    #[must_use]
    #[track_caller]
    pub fn attempts(self, attempts: u64) -> Self {
        assert!(attempts <= RETRIER_INTEGER_MAX, "at most {RETRIER_INTEGER_MAX} attempts, not {attempts}");
        Self { attempts, ..self }
    }

    /// The longest a retry waits, in seconds.
    ///
    /// # Panics
    /// If not above the interval, or a year or more (AWS's limits).
    #[must_use]
    #[track_caller]
    pub fn max_delay(self, seconds: u64) -> Self {
        assert!(
            seconds > self.interval_seconds && seconds < MAX_DELAY_SECONDS_LIMIT,
            "the longest delay is above the interval of {} s and below {MAX_DELAY_SECONDS_LIMIT} s, not {seconds}",
            self.interval_seconds
        );
        Self { max_delay_seconds: Some(seconds), ..self }
    }

    /// Waits a random time between 0 and the delay, so that many executions
    /// that fail together do not come back together.
    #[must_use]
    pub fn full_jitter(self) -> Self {
        Self { full_jitter: true, ..self }
    }
}

/// The retriers and catchers of a state being described.
#[derive(Default)]
pub(crate) struct Handlers<'a> {
    retriers: Vec<Retrier>,
    catchers: Vec<PendingCatcher<'a>>,
}

struct PendingCatcher<'a> {
    errors: Vec<String>,
    body: CatcherBody<'a>,
}

/// Described when the state is, not when `.catch(..)` is written: it needs the flow.
type CatcherBody<'a> = Box<dyn FnOnce(&mut Flow, Caught) -> Block + 'a>;

impl<'a> Handlers<'a> {
    pub(crate) fn retry(&mut self, errors: impl ErrorNames, backoff: Backoff) {
        self.retriers.push(Retrier {
            errors: owned(errors),
            interval_seconds: backoff.interval_seconds,
            max_attempts: backoff.attempts,
            backoff_rate: backoff.rate,
            max_delay_seconds: backoff.max_delay_seconds,
            full_jitter: backoff.full_jitter,
        });
    }

    pub(crate) fn catch<T: Shape, R: Produces<T>>(
        &mut self,
        errors: impl ErrorNames,
        body: impl FnOnce(&mut Flow, Caught) -> R + 'a,
    ) {
        let body = move |flow: &mut Flow, caught| flow.block::<T, R>(|flow| body(flow, caught));
        self.catchers.push(PendingCatcher { errors: owned(errors), body: Box::new(body) });
    }

    /// Describes the catchers, in the order written.
    pub(crate) fn finish(self, flow: &mut Flow) -> (Vec<Retrier>, Vec<Catcher>) {
        let catchers = self.catchers.into_iter().map(|pending| {
            let caught = slot::fresh();
            let at = crate::expr::node(Node::Slot(caught));
            let why = Caught {
                error: Expr::from_node(field_node(at, "Error", false)),
                cause: Expr::from_node(field_node(at, "Cause", false)),
            };
            Catcher { errors: pending.errors, caught, body: (pending.body)(flow, why) }
        });
        let catchers = catchers.collect();
        (self.retriers, catchers)
    }
}

impl std::fmt::Debug for Handlers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let caught: Vec<_> = self.catchers.iter().map(|catcher| &catcher.errors).collect();
        f.debug_struct("Handlers").field("retriers", &self.retriers).field("catch", &caught).finish()
    }
}

fn owned(errors: impl ErrorNames) -> Vec<String> {
    errors.names().into_iter().map(String::from).collect()
}

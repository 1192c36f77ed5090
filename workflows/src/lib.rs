//! The reference workflows, written to be read.
#![warn(missing_docs)]

use stepwright::Backoff;
use stepwright::objects::{Arrival, ArrivalExpr};
use stepwright::prelude::*;

pub mod coreview_acknowledge;
pub mod coreview_commission;
pub mod coreview_delivery;
pub mod coreview_migrate;
pub mod coreview_refdata;

/// The customer of executions that start by themselves: its folder in the bucket `drops`.
fn the_customer() -> Expr<Arrival> {
    ArrivalExpr {
        bucket: lit(String::from("drops")),
        key: lit(String::from("configuration/customer.toml")),
        version_id: none(),
        sha256: none(),
        bytes: none(),
    }
    .into_expr()
}

/// A database that restarts is back in seconds; one that is moved, in an hour; one whose
/// server broke at night, in the morning. With half of each delay on average it is tried for
/// about four hours, seven and a half at most.
fn when_coreview_is_away() -> Backoff {
    backoff(2, 2.0).attempts(24).max_delay(1800).full_jitter()
}

/// Object storage that is busy, or an object just written that is not seen yet: over within a
/// minute or two. What is missing for good is missing then, too.
fn when_storage_is_away() -> Backoff {
    backoff(2, 2.0).attempts(6).max_delay(60).full_jitter()
}

/// Locks, deadlocks, too many connections: soon over.
fn when_coreview_is_busy() -> Backoff {
    backoff(1, 2.0).attempts(20).max_delay(60).full_jitter()
}

/// The answer was lost: the next attempt looks first whether the batch arrived.
fn when_it_is_not_known() -> Backoff {
    backoff(1, 2.0).attempts(8).max_delay(60).full_jitter()
}

/// Once more, because somebody did something about it: wrote another answer, or uploaded another
/// file. The limit only keeps a program that answers by itself from going on for ever.
fn at_once() -> Backoff {
    backoff(1, 1.0).attempts(100)
}

#[cfg(test)]
mod tests {
    use stepwright::prelude::*;

    use super::*;

    #[derive(Debug, StepError)]
    pub(crate) enum DownError {
        Away,
    }

    #[step]
    pub(crate) async fn down(_request: u32) -> Result<u32, DownError> {
        Err(DownError::Away)
    }

    /// How long a step that is down is tried, in seconds; jitter halves it on average.
    fn seconds_tried(backoff: Backoff) -> u64 {
        let run = testkit::run_flow(
            move |w: &mut Flow, request: Expr<u32>| {
                down(request).retry(DownError::AWAY, backoff).lets_fail(DownError::EVERY).run(w)
            },
            1_u32,
        );
        run.steps(stepwright::steps![down]).start().elapsed().as_secs()
    }

    /// docs/coreview.md: hours.
    #[test]
    fn what_is_said_of_retries_is_so() {
        let hours = seconds_tried(when_coreview_is_away()) / 3600;
        assert!((2..=6).contains(&hours), "{hours} hours");
        let minutes = seconds_tried(when_storage_is_away()) / 60;
        assert!(minutes <= 2, "{minutes} minutes");
    }
}

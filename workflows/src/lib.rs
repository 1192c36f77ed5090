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

/// A database that restarts is back in seconds; one that is moved, in an hour.
fn when_coreview_is_away() -> Backoff {
    backoff(2, 2.0).attempts(12).max_delay(600).full_jitter()
}

/// Locks, deadlocks, too many connections: soon over.
fn when_coreview_is_busy() -> Backoff {
    backoff(1, 2.0).attempts(20).max_delay(60).full_jitter()
}

/// The answer was lost: the next attempt looks first whether the batch arrived.
fn when_it_is_not_known() -> Backoff {
    backoff(1, 2.0).attempts(8).max_delay(60).full_jitter()
}

//! Schedules: what fires by the clock. Speaks `EventBridge` Scheduler.
//!
//! | file | owns |
//! |---|---|
//! | `api` | the operations, by name |
//! | `schedule` | what a schedule is: checked, and when it fires next |
//! | `table` | schedules and groups in the database |
//! | `clockwork` | the thread that fires them, and rules with a schedule |
//! | `expression` | schedule expressions. Pure |
//!
//! A firing is noted as a delivery by the transaction that moves the schedule on, so that it is
//! delivered once, whatever happens. What a program that was not running has missed fires when it
//! runs again, each firing on its own, as long as the target's `MaximumEventAgeInSeconds` (24 hours
//! unless it says less) is not over; what is older is left out, and the log says so.

mod api;
mod clockwork;
pub mod expression;
mod schedule;
mod table;

pub(crate) use api::Schedules;
pub(crate) use clockwork::Clockwork;
pub(crate) use schedule::firing_id;

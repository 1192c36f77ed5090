//! The event bus: takes events, finds the rules they are for, and notes what is to be
//! delivered before it answers. Speaks Amazon `EventBridge`.
//!
//! | file | owns |
//! |---|---|
//! | `api` | the operations, by name |
//! | `put` | taking events |
//! | `definitions` | rules, targets, buses, tags in the database |
//! | `rules` | rules as they work, in memory |
//! | `pattern` | event patterns. Pure |
//! | `input` | what a target gets of an event |
//!
//! What is different from AWS: targets are state machines and queues; policies, archives, replays,
//! endpoints and partner sources are not there; roles are kept and not looked at.

mod api;
mod definitions;
mod input;
pub mod pattern;
mod put;
mod rules;

pub(crate) use api::Events;
pub(crate) use definitions::{due_rules, fire_rule, first_rule_millis};
pub(crate) use rules::target_of;

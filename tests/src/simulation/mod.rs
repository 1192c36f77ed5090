//! Deterministic simulation of the pure machine: random definitions, inputs,
//! task results, stops and crashes under a virtual clock, all drawn from a
//! seed.
//!
//! | file | owns |
//! |---|---|
//! | `choices` | the list of numbers a scenario is made of |
//! | `generate` | definitions that are always valid |
//! | `script` | what the world does: tasks, stops, crashes |
//! | `world` | the machine under test, with a disk, timers and crashes |
//! | `invariants` | what holds after every step |
//! | `seen` | what the records say, by branch |
//! | `reference` | the naive interpreter that tells what has to happen |
//! | `compare` | whether both are the same |
//! | `shrink` | the shortest scenario that still fails |
//! | `bugs` | planted bugs, by which the simulation shows that it finds some |
#![expect(clippy::indexing_slicing, reason = "a test program: it ends where it finds a fault of its own")]

mod bugs;
mod choices;
mod compare;
mod generate;
mod invariants;
mod reference;
mod report;
mod scenario;
mod script;
mod seen;
mod shrink;
#[cfg(test)]
mod tests;
mod world;

pub use bugs::Bug;
pub use choices::Choices;
pub use report::{Options, Report, explain, run};

//! The crash lab: is what was acknowledged kept, whatever dies?
//!
//! | file | owns |
//! |---|---|
//! | `lab` | the suites, what each has to have done at least, the figures |
//! | `lane` | the driver: many short lives of the engine, what was acknowledged |
//! | `workload` | what runs, and what it has to come to |
//! | `checker` | what is read from outside against what was promised; its tests tamper |
//! | `evidence`, `coreview` | reading: the journal, the logs, CoreView |
//! | `worker`, `step`, `world` | the engine's process, its step, where things lie |
//! | `process` | starting, asking and killing that process |
//! | `disk` | the simulated disk: a traced life, images of a power loss |
//! | `proxy` | answers of PostgreSQL that get lost |
//! | `planted` | bugs that have to be noticed |
//! | `flagship` | the reference workflow by `stepwright run`, killed |
//!
//! Every method sees other faults; `docs/durability.md` says which. Every
//! suite prints its seed, says how much work it did and fails when that was
//! too little, judges from outside, and is shown to go red on planted bugs.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a lab that cannot work stops at once and says where; only JSON and what was counted is indexed"
)]

pub mod checker;
pub mod coreview;
pub mod disk;
pub mod draw;
pub mod evidence;
#[cfg(test)]
mod flagship;
pub mod lab;
pub mod lane;
pub mod planted;
pub mod process;
pub mod proxy;
pub mod step;
#[cfg(test)]
mod tests;
pub mod worker;
pub mod workload;
pub mod world;

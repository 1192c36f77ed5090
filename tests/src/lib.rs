//! Tests across crates: the dependency table, the command line on real data,
//! crashes of the real process, deployment with the real tools.
//!
//! Files of `../shared` (recorded behaviour, real feeds) are read from there; a
//! test that misses them says so and passes, because a checkout alone has none.

pub mod conformance;
pub mod fuzz;
pub mod simulation;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod layers;
#[cfg(test)]
#[path = "../../steps/deliver/tests/it/postgres_server.rs"]
#[expect(dead_code, reason = "shared with the delivery tests, which use more of it")]
mod postgres_server;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod run;

#[cfg(test)]
use processes::{binaries, build, project_root, shared, stepwright, told};

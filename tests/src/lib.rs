//! Tests across crates: the dependency table, the command line on real data,
//! crashes of the real process, deployment with the real tools, AWS's own clients.
//!
//! Files of `../shared` (recorded behaviour, real feeds) are read from there; a
//! test that misses them says so and passes, because a checkout alone has none.

pub mod conformance;
pub mod crash;
pub mod fuzz;
pub mod processes;
pub mod simulation;
pub mod wire;

#[cfg(test)]
mod clients;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod integrations;
#[cfg(test)]
mod layers;
#[path = "../../steps/database/tests/support/postgres_server.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "shared with the delivery tests, which use more of it, as tests do"
)]
mod postgres_server;
#[cfg(test)]
mod run;
#[cfg(test)]
mod triggers;

#[cfg(test)]
use processes::{binaries, project_root, shared, stepwright, told};

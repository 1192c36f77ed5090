//! The Runtime API host with real processes.
//!
//! This binary plays three parts: the tests; the bootstrap of the functions under test
//! (over the Rust runtime client, as real steps are); and a host that gets killed.

#![expect(
    clippy::expect_used,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stderr,
    clippy::zombie_processes,
    reason = "a test stops at the first surprise; the bootstrap under test misbehaves on purpose"
)]

mod bootstrap;
mod functions;
mod host;
mod http;
mod killed;
mod programs;

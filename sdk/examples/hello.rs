//! The smallest Lambda function of this crate: one step, no resources. What it
//! weighs and how fast it starts is the part of every step binary that is ours;
//! `cargo xtask bench` measures the others against it.

use stepwright::prelude::*;

/// Greets somebody.
#[step(memory = 128, timeout = 3)]
pub async fn hello(name: String) -> Result<String, std::convert::Infallible> {
    Ok(format!("hello, {name}"))
}

fn main() -> std::process::ExitCode {
    stepwright::lambda::serve(stepwright::steps![hello])
}

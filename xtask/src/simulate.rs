//! `cargo xtask simulate`: random executions of the pure machine in random worlds, with crashes,
//! compared with a naive interpreter.

use std::path::Path;

use crate::shim::command;
use crate::{cargo, target};

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    crate::run(cargo(root).args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "stepwright-tests",
        "--bin",
        "simulate",
    ]))?;
    crate::run(command(target(root).join("release/simulate")).args(arguments))
}

//! `cargo xtask simulate`: random executions of the pure machine in random worlds, with crashes,
//! compared with a naive interpreter.

use std::path::Path;

use crate::shim::command;

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let simulate = crate::release_of_tests(root, "simulate")?;
    crate::run(command(&simulate).args(arguments))
}

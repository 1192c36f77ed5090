//! `cargo xtask conformance`: the recordings of the real service against the engine.

use std::path::Path;

use crate::cargo;

/// Builds the runner as tests are built, which is quick after an edit, and
/// runs it with the given arguments.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let mut runner = cargo(root);
    runner.args(["run", "--quiet", "--locked", "-p", "stepwright-tests", "--bin", "conformance", "--"]);
    crate::run(runner.args(arguments))
}

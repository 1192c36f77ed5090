//! `cargo xtask crash`: the crash lab. The tests run a smaller number of the same.

use std::path::Path;

use crate::{cargo, run, shim, target, tools};

/// Builds what the lab kills, and starts it; what it is asked for are the lab's own arguments.
pub(crate) fn run_lab(root: &Path, arguments: &[String]) -> Result<(), String> {
    tools::ensure(root, &[tools::Tool::Postgres, tools::Tool::Strace])?;
    // The same selection as that of the tests, so that nothing is compiled a second time.
    run(cargo(root).args(["build", "--quiet", "--locked", "--workspace", "--bins", "--tests"]))?;
    run(shim::command(target(root).join("debug/crash-lab")).current_dir(root).args(arguments))
}

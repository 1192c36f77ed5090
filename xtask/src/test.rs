//! `cargo xtask test`: what `.ci/run` runs and what a newcomer types.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{cargo, tools};

/// Installs the tools, then runs unit, integration and documentation tests.
///
/// The tests are told that their tools must be there: a missing one is a
/// failure here, where a plain `cargo test` only says what it left out.
fn run_tests(root: &Path, filters: &[String]) -> Result<(), String> {
    tools::ensure(root, tools::ALL)?;
    let mut tests = runner(root);
    tests.args(filters);
    tests.env("STEPWRIGHT_REQUIRE_TOOLS", "1").env("STEPWRIGHT_REQUIRE_POSTGRES", "1");
    crate::run(&mut tests)
}

/// Every test; first the examples in the documentation, unless a filter narrows the run.
pub(crate) fn run(root: &Path, filters: &[String]) -> Result<(), String> {
    if filters.is_empty() {
        crate::run(cargo(root).args(["test", "--workspace", "--doc", "--locked", "--quiet"]))?;
    }
    run_tests(root, filters)
}

/// `cargo nextest` where it is installed, else `cargo test`: the same tests.
fn runner(root: &Path) -> Command {
    let nextest = cargo(root)
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut command = cargo(root);
    if nextest {
        command.args(["nextest", "run", "--workspace", "--locked", "--no-tests", "fail"]);
        if std::env::var_os("CI").is_some() {
            command.args(["--profile", "ci"]);
        }
    } else {
        command.args(["test", "--workspace", "--locked", "--lib", "--bins", "--tests"]);
    }
    command
}

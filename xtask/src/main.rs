//! Developer automation. Everything here also works by hand; this is the one
//! place that knows the order, the tools and the settings.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line tool speaks on the terminal")]

mod bench;
mod conformance;
mod crash;
mod feed;
mod fuzz;
mod models;
mod shim;
mod simulate;
mod test;
mod tools;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

use crate::shim::command;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer automation of Stepwright")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs what the tests need (Python and Node tools into .tools, PostgreSQL by apt).
    Tools,
    /// Runs every test, installing what they need first.
    Test {
        /// Only tests whose name contains one of these.
        filters: Vec<String>,
    },
    /// What decides whether a change lands: format, lints, tests.
    Ci,
    /// The crash lab: kills, lost answers, images of a disk without power, planted bugs.
    Crash {
        /// `--kills N`, `--minutes M`, `--seed S`, `--deliveries N`, `--images N`, `--suite NAME`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs the recordings of AWS Step Functions against the engine: by calls, or with `--http` through the endpoint.
    Conformance {
        /// `--http`, `--feature F`, `--only REGEX`, `--kind exec|mock_exec|api`, `--services`, `--verbose`, `--output json`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Feeds random inputs to everything that reads what others wrote: --inputs N, --seed S, --target NAME, --index I.
    Fuzz {
        /// Handed to the fuzz process.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Random executions in random worlds, compared with a naive interpreter: --scenarios N, --seed S, --index I.
    Simulate {
        /// Handed to the simulating process.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Makes a large feed of invoice lines, the same from the same seed.
    Feed(feed::Feed),
    /// Derives what is known of AWS's services from the models in `botocore`.
    Models {
        /// The folder `botocore/data` of an installed or unpacked botocore.
        #[arg(long, value_name = "DIR")]
        botocore: PathBuf,
    },
    /// Measures and prints one JSON line per figure.
    Bench {
        /// Only figures whose name contains one of these.
        filters: Vec<String>,
    },
}

fn main() -> ExitCode {
    let root = root();
    let outcome = match Arguments::parse().verb {
        Verb::Tools => tools::ensure(&root, tools::ALL).map(|_| ()),
        Verb::Test { filters } => test::run(&root, &filters),
        Verb::Ci => ci(&root),
        Verb::Crash { arguments } => crash::run_lab(&root, &arguments),
        Verb::Conformance { arguments } => conformance::run(&root, &arguments),
        Verb::Fuzz { arguments } => fuzz::run_targets(&root, &arguments),
        Verb::Simulate { arguments } => simulate::run(&root, &arguments),
        Verb::Feed(feed) => feed::write(&root, &feed),
        Verb::Models { botocore } => models::derive(&root, &botocore),
        Verb::Bench { filters } => bench::run_figures(&root, &filters),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace root: this package's parent folder.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Where cargo puts what it builds.
fn target(root: &std::path::Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// A program of the `tests` package, built to be fast, and where it is.
fn release_of_tests(root: &std::path::Path, name: &str) -> Result<PathBuf, String> {
    let package = ["-p", "stepwright-tests", "--bin", name];
    run(cargo(root).args(["build", "--quiet", "--release", "--locked"]).args(package))?;
    Ok(target(root).join("release").join(name))
}

/// The same script that runs when a change is about to land.
fn ci(root: &std::path::Path) -> Result<(), String> {
    run(command("bash").arg(".ci/run").current_dir(root))
}

/// Runs a command, its output on ours; an exit status other than 0 is an error.
fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let status = command.status().map_err(|e| format!("could not start {shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown} ended with {status}")) }
}

/// A cargo of the toolchain that runs us.
fn cargo(root: &std::path::Path) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    // What `cargo run` says of this package is no business of what is built: build scripts that
    // look at it would run again whenever a build is started in another way.
    for (name, _) in std::env::vars_os() {
        let of_a_package = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if of_a_package {
            cargo.env_remove(name);
        }
    }
    cargo
}

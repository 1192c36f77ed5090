//! The engine's process of the crash lab with a bug in it, to be noticed.

use std::process::ExitCode;

fn main() -> ExitCode {
    stepwright_tests::crash::worker::main()
}

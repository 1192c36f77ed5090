//! The engine's process of the crash lab, and its step.

use std::process::ExitCode;

fn main() -> ExitCode {
    stepwright_tests::crash::worker::main()
}

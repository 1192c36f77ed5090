//! The bootstrap of the step `parse`.

use std::process::ExitCode;

use stepwright_step_parse::Parse;

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![parse])
}

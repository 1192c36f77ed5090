//! The bootstrap of the step `calculate`.

use std::process::ExitCode;

use stepwright_step_calculate::Calculate;

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![calculate])
}

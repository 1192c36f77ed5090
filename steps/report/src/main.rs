//! The bootstrap of the step `report`.

use std::process::ExitCode;

use stepwright_step_report::Report;

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![report])
}

//! The bootstrap of the steps `stage`, `deliver` and `verify`; `_HANDLER` picks one.

use std::process::ExitCode;

use stepwright_step_deliver::{Deliver, Stage, Verify};

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![stage, deliver, verify])
}

//! The same steps without the idempotency key, for the crash test that must go
//! red. Built under the feature `planted-faults` only, and under another name.

use std::process::ExitCode;

use stepwright_step_deliver::{Deliver, Stage, Verify};

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![stage, deliver, verify])
}

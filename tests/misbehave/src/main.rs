//! The bootstrap of the misbehaving steps.

use std::process::ExitCode;

use stepwright_step_misbehave::{AnswersTooMuch, Declares, Exits, Hangs, Panics};

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![panics, hangs, answers_too_much, exits, declares])
}

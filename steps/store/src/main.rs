//! The bootstrap of the store's steps; `_HANDLER` picks one.

use std::process::ExitCode;

use stepwright_step_store::{Classify, KeepRevision, Load, OpenRun, TakeIn};

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![take_in, classify, keep_revision, load, open_run,])
}

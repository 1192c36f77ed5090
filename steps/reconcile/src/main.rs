//! The bootstrap of the step `reconcile`.

use std::process::ExitCode;

use stepwright_step_reconcile::Reconcile;

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![reconcile])
}

//! The bootstrap of the store's steps; `_HANDLER` picks one.

use std::process::ExitCode;

use stepwright_step_store::{
    Classify, CloseRun, Control, KeepRevision, Load, Migrate, OpenRun, Quarantine, Replaced, TakeIn,
};

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![
        take_in,
        classify,
        keep_revision,
        quarantine,
        replaced,
        load,
        open_run,
        control,
        close_run,
        migrate,
    ])
}

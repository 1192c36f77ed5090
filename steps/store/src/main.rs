//! The bootstrap of the store's steps; `_HANDLER` picks one.

use std::process::ExitCode;

use stepwright_step_store::{
    Ask, Classify, CloseRun, Control, KeepRevision, Load, Migrate, NoteAnswer, OpenRun, Quarantine, Replaced,
    TakeIn,
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
        ask,
        note_answer,
        control,
        close_run,
        migrate,
    ])
}

//! The bootstrap of the steps `report` and `report_run`.

use std::process::ExitCode;

use stepwright_step_report::{Report, ReportRun};

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![report, report_run])
}

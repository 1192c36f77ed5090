//! The app: prints the manifest of the workflows and writes what deploys them.

use std::process::ExitCode;

use stepwright_workflows::{
    coreview_acknowledge, coreview_commission, coreview_delivery, coreview_migrate, coreview_refdata,
};

fn main() -> ExitCode {
    infra::app("reference")
        .workflow(coreview_delivery::definition())
        .workflow(coreview_refdata::definition())
        .workflow(coreview_commission::definition())
        .workflow(coreview_acknowledge::definition())
        .workflow(coreview_migrate::definition())
        .main()
}

//! The app: prints the manifest of the workflows and writes what deploys them.

use std::process::ExitCode;

fn main() -> ExitCode {
    infra::app("reference").workflow(stepwright_workflows::coreview_delivery::definition()).main()
}

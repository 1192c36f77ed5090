//! The bootstrap of the steps of a delivery; `_HANDLER` picks one.

use std::process::ExitCode;

use stepwright_step_deliver::{
    Acknowledge, Acknowledged, AwaitAck, Deliver, DeliverFile, DeliverHttps, Stage, Verify, VerifyFile,
    VerifyHttps,
};

fn main() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![
        stage,
        deliver,
        deliver_file,
        deliver_https,
        verify,
        verify_file,
        verify_https,
        acknowledged,
        await_ack,
        acknowledge,
    ])
}

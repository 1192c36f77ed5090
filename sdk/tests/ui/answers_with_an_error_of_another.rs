#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

#[derive(Debug, StepError)]
pub enum AskError {
    Unavailable,
}

#[step]
pub async fn ask(question: String, answer: Callback<bool>) -> Result<(), AskError> {
    let _ = (question, answer);
    Ok(())
}

pub fn flow(w: &mut Flow, token: Expr<String>) -> Expr<String> {
    w.send_task_failure::<Ask>("Refuse it", token, DeliverError::UNAVAILABLE, "no").run();
    token
}

fn main() {}

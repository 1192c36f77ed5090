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

pub fn flow(w: &mut Flow, question: Expr<String>) -> Expr<String> {
    ask(question).wait_at_most(60).run(w)
}

fn main() {}

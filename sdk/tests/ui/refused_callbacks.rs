use stepwright::prelude::*;

#[derive(Debug, StepError)]
pub enum AskError {
    Unavailable,
}

#[step]
pub async fn two_answers(question: String, one: Callback<bool>, two: Callback<u32>) -> Result<(), AskError> {
    let _ = (question, one, two);
    Ok(())
}

#[step]
pub async fn returns_it(question: String, answer: Callback<bool>) -> Result<bool, AskError> {
    let _ = (question, answer);
    Ok(true)
}

#[step]
pub async fn asks_nothing(answer: Callback<bool>) -> Result<(), AskError> {
    let _ = answer;
    Ok(())
}

fn main() {}

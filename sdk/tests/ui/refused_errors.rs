use stepwright::prelude::*;

#[derive(Debug, StepError)]
pub struct NotAnEnum;

#[derive(Debug, StepError)]
pub enum Tuple {
    Malformed(u64),
}

#[derive(Debug, StepError)]
#[error_name = "States"]
pub enum OfAws {
    Timeout,
}

#[derive(Debug, StepError)]
pub enum Twice {
    Gone,
    #[error_name = "Gone"]
    Vanished,
}

fn main() {}

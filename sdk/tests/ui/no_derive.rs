use stepwright::prelude::*;

pub struct Plain {
    pub text: String,
}

#[derive(Debug, StepError)]
pub enum CopyError {
    Failed,
}

#[step]
pub async fn copy(plain: Plain) -> Result<(), CopyError> {
    let _ = plain;
    Err(CopyError::Failed)
}

fn main() {}

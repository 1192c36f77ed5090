use stepwright::prelude::*;

#[derive(Debug, StepError)]
pub enum CountError {
    TooMany,
}

#[step]
pub fn blocking(number: u32) -> Result<u32, CountError> {
    Ok(number)
}

#[step]
pub async fn without_result(number: u32) -> u32 {
    number
}

#[step]
pub async fn generic<T>(number: T) -> Result<T, CountError> {
    Ok(number)
}

#[step(timeout = 1000)]
pub async fn too_long(number: u32) -> Result<u32, CountError> {
    Ok(number)
}

#[step(cpu = 2)]
pub async fn unknown_setting(number: u32) -> Result<u32, CountError> {
    Ok(number)
}

fn main() {}

//! The step that the lab's workload runs, as a process of its own over the
//! Lambda Runtime API. It notes each of its runs outside of the engine.

use std::path::Path;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::prelude::*;

use super::world::{LineLog, lines};

/// Where the step notes its runs.
pub const EFFECTS: &str = "STEPWRIGHT_LAB_EFFECTS";
/// The file that names the executions in which nothing is broken any more.
pub const REPAIRED: &str = "STEPWRIGHT_LAB_REPAIRED";

/// What `work` is asked to do.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Job {
    /// Names the attempt: execution, redrives, state, item, retries so far.
    pub key: String,
    /// What to work on.
    pub value: i64,
    /// Retries so far.
    pub attempt: u32,
    /// How many attempts fail first.
    pub fails: u32,
    /// Whether it fails until the repair.
    pub broken: bool,
}

/// What `work` answers.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Worked {
    /// What became of the value.
    pub value: i64,
}

/// How `work` fails.
#[derive(Debug, StepError)]
#[error_name = "Work"]
pub enum WorkError {
    /// not yet; the next attempt may succeed
    Again,
    /// broken until somebody repairs it
    Broken,
}

/// What [`work`] makes of a value.
pub const fn worked(value: i64) -> i64 {
    value * 3 + 1
}

/// Notes that it ran, then answers or fails as it is told.
#[step(memory = 128, timeout = 30)]
pub async fn work(request: Job) -> Result<Worked, WorkError> {
    if let Some(path) = std::env::var_os(EFFECTS) {
        LineLog::open(Path::new(&path)).line(&request.key);
    }
    if request.broken && !is_repaired(&request.key) {
        return Err(WorkError::Broken);
    }
    if request.attempt < request.fails {
        return Err(WorkError::Again);
    }
    Ok(Worked { value: worked(request.value) })
}

/// Whether somebody has repaired the execution that a key names.
fn is_repaired(key: &str) -> bool {
    let Some(path) = std::env::var_os(REPAIRED) else { return false };
    let execution = key.split(' ').next();
    lines(Path::new(&path)).iter().any(|repaired| Some(repaired.as_str()) == execution)
}

/// Serves the step, as a bootstrap.
pub fn serve() -> ExitCode {
    stepwright::lambda::serve(stepwright::steps![work])
}

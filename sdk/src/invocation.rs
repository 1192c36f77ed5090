//! What a step may know of the invocation it runs in.

use std::time::SystemTime;

use crate::ir::Grant;
use crate::resource::Handle;

/// The invocation a step runs in; taken as an argument like a resource, but
/// needs no permission.
#[derive(Debug, Clone)]
pub struct Invocation {
    request_id: String,
    deadline: Option<SystemTime>,
}

impl Invocation {
    /// An invocation with this request id and deadline.
    pub fn new(request_id: impl Into<String>, deadline: Option<SystemTime>) -> Self {
        Self { request_id: request_id.into(), deadline }
    }

    /// Lambda's id of the request; it is on every log line of the invocation.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// When the process is killed; `None` where nothing kills it.
    pub fn deadline(&self) -> Option<SystemTime> {
        self.deadline
    }
}

impl Handle for Invocation {
    fn grant() -> Option<Grant> {
        None
    }

    #[cfg(feature = "lambda")]
    fn open(surroundings: &crate::lambda::Surroundings<'_>) -> Result<Self, crate::lambda::StepFailure> {
        Ok(surroundings.invocation().clone())
    }
}

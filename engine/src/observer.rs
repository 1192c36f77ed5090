//! The port to whoever counts and logs what executions do.

use std::fmt;
use std::sync::Arc;

use crate::machine::Record;

/// Records of one execution that became durable together; those of an Express execution happened.
pub struct Observed<'a> {
    /// ARN of the execution.
    pub execution_arn: &'a Arc<str>,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
    /// How often it was redriven so far.
    pub redrive_count: u32,
    /// The records, in their order.
    pub records: &'a [Record],
}

impl fmt::Debug for Observed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Observed").field("execution_arn", self.execution_arn).finish_non_exhaustive()
    }
}

/// Sees every record of every execution, those of one execution in their
/// order. Called on a thread that others wait for: it must not wait.
pub trait Observer: Send + Sync {
    /// Takes a look. What becomes of it changes nothing for the execution.
    fn observe(&self, observed: &Observed<'_>);
}

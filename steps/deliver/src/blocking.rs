//! Work with files and sockets that wait, off the threads that drive everything else.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

use crate::deliver::DeliverError;

/// Runs work that blocks. A panic goes on in the caller.
pub(crate) async fn unblocked<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeliverError> + Send + 'static,
) -> Result<T, DeliverError> {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_cancelled) => {
                Err(DeliverError::Unknown { detail: "the step's process is being stopped".to_owned() })
            }
        },
    }
}

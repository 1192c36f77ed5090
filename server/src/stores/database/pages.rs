//! Looks at every page of a large database while it is served: it takes as long as the disk
//! takes to read it, and nobody should wait for that at every start.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::JournalError;
use engine::database::{self, Depth};
use rusqlite::InterruptHandle;

use super::health::Health;
use super::{StoresError, open_reader, told};

/// How long who ends it waits until it is interrupted again: it may not have begun before.
const AGAIN: Duration = Duration::from_millis(5);

/// The look, which ends by itself.
pub(super) struct Look {
    interrupt: InterruptHandle,
    is_over: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Look {
    /// Begins, on a connection of its own.
    pub(super) fn begin(path: &Path, health: Arc<Health>) -> Result<Self, StoresError> {
        let connection = open_reader(path).map_err(|source| JournalError::of(path, "open", source))?;
        let interrupt = connection.get_interrupt_handle();
        let is_over = Arc::<AtomicBool>::default();
        let is_interrupted = Arc::clone(&is_over);
        let look = move || {
            let found = database::faults(&connection, Depth::Pages, None);
            if is_interrupted.load(Ordering::Acquire) {
                return;
            }
            if let Some(fault) = found.into_iter().next() {
                health.is_damaged(&told(fault));
            }
        };
        let thread = std::thread::Builder::new().name("stepwright-pages".to_owned()).spawn(look);
        let thread = thread.map_err(|source| StoresError::Threads { source })?;
        Ok(Self { interrupt, is_over, thread: Mutex::new(Some(thread)) })
    }

    /// Ends it where it is.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        while !thread.is_finished() {
            self.interrupt.interrupt();
            std::thread::park_timeout(AGAIN);
        }
        // One that panicked has said so.
        let _ = thread.join();
    }

    /// Waits until every page was looked at.
    #[cfg(test)]
    pub(super) fn wait(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map(JoinHandle::join);
    }
}

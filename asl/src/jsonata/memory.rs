//! How much memory the values of the evaluation on this thread hold. Values
//! count themselves in when they come into being and out when they go.
//!
//! An evaluation never leaves its thread, and its values never outlive it: the
//! count is part of the evaluation, kept where a value that goes can reach it.

use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Bytes held by values of this thread.
pub(super) fn held() -> usize {
    HELD.get()
}

/// Bytes a value holds: counted in with it, counted out when it is dropped.
#[derive(Debug)]
pub(super) struct Held(usize);

impl Held {
    pub(super) fn new(bytes: usize) -> Self {
        HELD.set(HELD.get().saturating_add(bytes));
        Self(bytes)
    }

    /// The value has grown.
    pub(super) fn add(&mut self, bytes: usize) {
        HELD.set(HELD.get().saturating_add(bytes));
        self.0 += bytes;
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(self.0));
    }
}

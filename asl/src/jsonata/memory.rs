//! How much memory the values of the evaluation on this thread hold. Values
//! count themselves in when they come into being and out when they go.
//!
//! An evaluation never leaves its thread, and its values never outlive it: the
//! count is part of the evaluation, kept where a value that goes can reach it.
//! It is the one state of a thread in a pure crate, and nothing can be told
//! from it: what an evaluation may hold is counted from what was held before
//! it, so that it ends in the same way whatever thread it runs on. A count that
//! each value refers to would be as fast (27 ns to make and drop an array of
//! two, either way); it would go through each of the 130 places that make a
//! value, and take a word of each value.

use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

#[cfg(test)]
thread_local! {
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The most that was held since this was asked for the last time, for tests of the bounds.
#[cfg(test)]
pub(super) fn take_peak() -> usize {
    PEAK.replace(HELD.get())
}

fn hold(bytes: usize) {
    let held = HELD.get().saturating_add(bytes);
    HELD.set(held);
    #[cfg(test)]
    PEAK.set(PEAK.get().max(held));
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
        hold(bytes);
        Self(bytes)
    }

    /// The value has grown.
    pub(super) fn add(&mut self, bytes: usize) {
        hold(bytes);
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

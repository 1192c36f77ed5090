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

pub(super) fn take(bytes: usize) {
    HELD.set(HELD.get().saturating_add(bytes));
}

pub(super) fn give_back(bytes: usize) {
    HELD.set(HELD.get().saturating_sub(bytes));
}

//! Numbers for the results of states, unique in a workflow.
//!
//! The counter is the thread's, because closures such as `filter`'s have no
//! `Flow` at hand. Describing a workflow starts it at zero, so the same source
//! gets the same numbers whatever was described before.

use std::cell::Cell;

use crate::ir::Slot;

thread_local! {
    static NEXT: Cell<u32> = const { Cell::new(0) };
}

/// A slot no other state of the workflow has.
pub(crate) fn fresh() -> Slot {
    NEXT.with(|next| {
        let slot = next.get();
        next.set(slot + 1);
        Slot(slot)
    })
}

/// Runs `describe` with the counter at zero and puts the counter back.
pub(crate) fn from_zero<R>(describe: impl FnOnce() -> R) -> R {
    let before = NEXT.with(|next| next.replace(0));
    let result = describe();
    NEXT.with(|next| next.set(before));
    result
}

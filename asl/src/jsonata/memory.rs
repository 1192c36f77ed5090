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

use super::value::Value;

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

fn let_go(bytes: usize) {
    HELD.set(HELD.get().saturating_sub(bytes));
}

/// What an allocator takes for a block of that many bytes: a word beside it, in
/// units of two words, and four words at least. So it is in the C library of
/// Linux; of small values it is more than half of what they take.
pub(super) const fn block(bytes: usize) -> usize {
    const WORD: usize = size_of::<usize>();
    if bytes == 0 {
        return 0;
    }
    let taken = (bytes + WORD).next_multiple_of(2 * WORD);
    if taken < 4 * WORD { 4 * WORD } else { taken }
}

/// What a value takes that is counted by reference: itself and the two counts of its holders.
pub(super) const fn shared<T>() -> usize {
    block(size_of::<T>() + 2 * size_of::<usize>())
}

/// Bytes a value holds: counted in with it, counted out when it is dropped.
#[derive(Debug)]
pub(super) struct Held(usize);

impl Held {
    pub(super) fn new(bytes: usize) -> Self {
        hold(bytes);
        Self(bytes)
    }

    /// The value has grown, or shrunk, to that many bytes.
    pub(super) fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.0, bytes);
        if bytes > before {
            hold(bytes - before);
        } else {
            let_go(before - bytes);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let_go(self.0);
    }
}

/// Values that are being gathered for an array. They count while they are, too:
/// an expression can gather on a hundred levels at a time.
#[derive(Debug)]
pub(super) struct Gathered<'a> {
    items: Vec<Value<'a>>,
    held: Held,
}

impl<'a> Gathered<'a> {
    pub(super) fn new() -> Self {
        Self { items: Vec::new(), held: Held::new(0) }
    }

    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn push(&mut self, value: Value<'a>) {
        let is_full = self.items.len() == self.items.capacity();
        self.items.push(value);
        if is_full {
            self.recount();
        }
    }

    pub(super) fn pop(&mut self) -> Option<Value<'a>> {
        self.items.pop()
    }

    pub(super) fn extend(&mut self, values: impl Iterator<Item = Value<'a>>) {
        let capacity = self.items.capacity();
        self.items.extend(values);
        if self.items.capacity() != capacity {
            self.recount();
        }
    }

    fn recount(&mut self) {
        self.held.set(bytes_of_items(&self.items));
    }

    /// The values; whoever has them now counts them.
    pub(super) fn into_vec(self) -> Vec<Value<'a>> {
        self.items
    }
}

/// What the places of an array take.
pub(super) const fn bytes_of_items(items: &Vec<Value<'_>>) -> usize {
    block(items.capacity() * size_of::<Value<'_>>())
}

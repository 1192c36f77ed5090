//! What the fields of one stay in a state may cost together: paths, intrinsic
//! functions and JSONata pay from the same budget while they build, so that
//! twenty thousand small fields are bounded as one large field is.
//!
//! There is no clock and no allocator in it: the same fields on the same values
//! always end in the same way.

use std::cell::Cell;

use serde_json::Value;

use crate::limits;

/// What is left of [`limits::STATE_STEPS_MAX`] and [`limits::STATE_BYTES_MAX`]
/// for the fields of one stay in a state.
#[derive(Debug)]
pub struct StateBudget {
    steps: Cell<u64>,
    bytes: Cell<usize>,
}

/// The fields of a state took more steps than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The fields of the state take more than {} steps", limits::STATE_STEPS_MAX)]
pub struct TooMuch;

/// The fields of a state made more than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The fields of the state make more than {} bytes", limits::STATE_BYTES_MAX)]
pub(crate) struct TooLarge;

impl StateBudget {
    /// The whole budget.
    pub const fn new() -> Self {
        Self { steps: Cell::new(limits::STATE_STEPS_MAX), bytes: Cell::new(limits::STATE_BYTES_MAX) }
    }

    /// Steps that are left.
    pub(crate) const fn steps_left(&self) -> u64 {
        self.steps.get()
    }

    /// Steps that were taken.
    pub const fn steps_taken(&self) -> u64 {
        limits::STATE_STEPS_MAX - self.steps.get()
    }

    /// Bytes that are left.
    pub const fn bytes_left(&self) -> usize {
        self.bytes.get()
    }

    /// Work that an evaluation with a bound of its own has done.
    pub(crate) fn spent(&self, steps: u64) {
        self.steps.set(self.steps.get().saturating_sub(steps));
    }

    /// Looks through something of that many bytes or small items, without a result of that size.
    pub fn looks_through(&self, size: usize) -> Result<(), TooMuch> {
        let steps = (size / limits::STATE_SIZE_PER_STEP) as u64 + 1;
        let left = self.steps.get().checked_sub(steps);
        self.steps.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(TooMuch)
    }

    /// A part of a result of that many bytes comes into being.
    pub(crate) fn makes(&self, bytes: usize) -> Result<(), TooLarge> {
        let left = self.bytes.get().checked_sub(bytes);
        self.bytes.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(TooLarge)
    }

    /// A value is about to be copied into a result.
    pub(crate) fn copies(&self, value: &Value) -> Result<(), TooLarge> {
        self.makes(weight(value))
    }
}

impl Default for StateBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// What a field of an object takes beside its key's text and its value, in bytes: the key, its hash, its place.
pub(crate) const FIELD_BYTES: usize = size_of::<String>() + 2 * size_of::<usize>();

/// About what a value takes in memory, in bytes.
pub fn weight(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(key, item)| FIELD_BYTES + key.len() + weight(item)).sum()
        }
    };
    size_of::<Value>() + inside
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_budget_is_spent_once() {
        let budget = StateBudget::new();
        budget.makes(limits::STATE_BYTES_MAX - 1).expect("there is room");
        assert_eq!(budget.copies(&json!(1)), Err(TooLarge));
        assert_eq!(budget.bytes_left(), 0);
        budget.spent(u64::MAX);
        assert_eq!(budget.steps_left(), 0);
    }

    #[test]
    fn what_is_looked_through_takes_steps() {
        let budget = StateBudget::new();
        let size = limits::STATE_SIZE_PER_STEP * 1_000_000;
        let times = (0..1_000).take_while(|_| budget.looks_through(size).is_ok()).count();
        assert_eq!(times as u64, limits::STATE_STEPS_MAX / 1_000_001);
        assert_eq!(budget.looks_through(1), Err(TooMuch));
    }

    #[test]
    fn a_value_weighs_what_its_parts_weigh() {
        let node = size_of::<Value>();
        assert_eq!(weight(&json!([1, "abc"])), 3 * node + 3);
        assert_eq!(weight(&json!({"key": null})), 2 * node + 3 + FIELD_BYTES);
    }

    #[test]
    fn the_largest_payload_fits_many_times() {
        // The payload that takes most for its text: an array of small numbers.
        let payload = size_of::<Value>() * (limits::PAYLOAD_BYTES_MAX / 2 + 1);
        assert!(limits::STATE_BYTES_MAX > 6 * payload);
        // And the longest sequence of JSONata fits.
        assert!(limits::STATE_BYTES_MAX > size_of::<Value>() * (limits::JSONATA_SEQUENCE_ITEMS_MAX + 1));
    }
}

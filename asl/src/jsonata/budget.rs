//! What one evaluation may use. Owns the bounds; the evaluator and every
//! function that works on more than a few items pay from them.
//!
//! There is no clock: an evaluation is bounded by its steps, so that the same
//! expression on the same values always ends in the same way.

use super::failure::{Failure, Outcome};
use super::memory::{self, Held};
use super::value::Value;
use crate::limits;

/// The bounds of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Levels of evaluation inside of each other.
    pub(super) depth: usize,
    /// Steps of work: one for each node that is evaluated and each item that is looked at.
    pub(super) steps: u64,
    /// Items of one sequence.
    pub(super) sequence_items: usize,
    /// UTF-16 units of one string.
    pub(super) string_units: usize,
    /// What the values of an evaluation hold at a time, in bytes.
    pub(super) bytes: usize,
}

impl Bounds {
    /// AWS's bounds, as far as they are measured; see [`crate::limits`].
    pub(super) const AWS: Self = Self {
        depth: limits::JSONATA_DEPTH_MAX,
        steps: limits::JSONATA_STEPS_MAX,
        sequence_items: limits::JSONATA_SEQUENCE_ITEMS_MAX,
        string_units: limits::JSONATA_STRING_UNITS_MAX,
        bytes: limits::JSONATA_BYTES_MAX,
    };
}

/// More than a frame or a function takes.
const BLOCK_BYTES: usize = 512;
/// What a tuple takes beside its variables, in places for items.
const TUPLE_PLACES: usize = 6;

#[derive(Debug)]
pub(super) struct Budget {
    bounds: Bounds,
    pub(super) depth: usize,
    steps: u64,
    steps_granted: u64,
    /// What other values of the thread hold.
    held_before: usize,
}

impl Budget {
    /// The budget of one evaluation, where its state has that many steps left.
    pub(super) fn new(bounds: Bounds, steps_left: u64) -> Self {
        let steps = bounds.steps.min(steps_left);
        Self { bounds, depth: 0, steps, steps_granted: steps, held_before: memory::held() }
    }

    /// Steps that have been taken.
    pub(super) const fn used(&self) -> u64 {
        self.steps_granted - self.steps
    }

    /// One level deeper.
    pub(super) fn enter(&mut self) -> Outcome<()> {
        self.depth += 1;
        if self.depth > self.bounds.depth {
            return Err(Failure::stack());
        }
        self.spend(1)
    }

    /// Whether that many levels more are allowed.
    pub(super) fn has_levels(&self, levels: usize) -> Outcome<()> {
        if self.depth + levels > self.bounds.depth { Err(Failure::stack()) } else { Ok(()) }
    }

    pub(super) fn spend(&mut self, steps: usize) -> Outcome<()> {
        let left = self.steps.checked_sub(steps as u64);
        self.steps = left.unwrap_or(0);
        left.map(|_| ()).ok_or_else(Failure::time)
    }

    /// A variable is looked for in that many places. Whoever looks goes on in any case: where that
    /// was too much, the next step fails.
    pub(super) fn walks(&mut self, places: usize) {
        self.steps = self.steps.saturating_sub((places / limits::JSONATA_VARIABLE_PLACES_PER_STEP) as u64);
    }

    /// Two texts of that length are compared.
    pub(super) fn compares(&mut self, bytes: usize) -> Outcome<()> {
        let steps = bytes / limits::JSONATA_COMPARED_BYTES_PER_STEP;
        if steps == 0 { Ok(()) } else { self.spend(steps) }
    }

    /// A name is looked up that many times: in a small object it is compared with every key.
    pub(super) fn looks_up(&mut self, name: &str, times: usize) -> Outcome<()> {
        let steps = name.len() / limits::JSONATA_COMPARED_BYTES_PER_STEP;
        if steps == 0 { Ok(()) } else { self.spend((steps * 8).saturating_mul(times)) }
    }

    /// A frame, a function or a part of one comes into being: many of them in a
    /// row can be all that an expression makes.
    pub(super) fn block(&mut self) -> Outcome<()> {
        self.spend(limits::JSONATA_FRAME_STEPS)?;
        self.has_room(BLOCK_BYTES)
    }

    /// So many tuples come into being, each with so many variables.
    pub(super) fn tuples(&mut self, count: usize, variables: usize) -> Outcome<()> {
        self.spend(count.saturating_mul(variables + limits::JSONATA_TUPLE_STEPS))?;
        self.places(count.saturating_mul(variables + TUPLE_PLACES))
    }

    /// Room to work in, of that many bytes; it counts until what is returned is dropped.
    pub(super) fn reserve(&self, bytes: usize) -> Outcome<Held> {
        self.has_room(bytes)?;
        Ok(Held::new(bytes))
    }

    /// Whether there is room for that much more.
    fn has_room(&self, bytes: usize) -> Outcome<()> {
        let held = memory::held().saturating_sub(self.held_before);
        if held.saturating_add(bytes) > self.bounds.bytes { Err(Failure::memory()) } else { Ok(()) }
    }

    /// A sequence or an array of that many items comes into being.
    pub(super) fn items(&self, count: usize) -> Outcome<()> {
        if count > self.bounds.sequence_items {
            return Err(Failure::memory());
        }
        self.has_room(count.saturating_mul(size_of::<Value<'_>>()))
    }

    /// Values for that many more places come into being, in one array or in many.
    pub(super) fn places(&self, count: usize) -> Outcome<()> {
        self.has_room(count.saturating_mul(size_of::<Value<'_>>()))
    }

    /// Work on a text of that many bytes.
    pub(super) fn text(&mut self, bytes: usize) -> Outcome<()> {
        self.spend(bytes / 256)?;
        self.grows_to(bytes)
    }

    /// A text in the making has that many bytes.
    pub(super) fn grows_to(&self, bytes: usize) -> Outcome<()> {
        // Three bytes of UTF-8 are at least one UTF-16 unit.
        if bytes / 3 > self.bounds.string_units {
            return Err(Failure::memory());
        }
        self.has_room(bytes)
    }

    /// A text that has come into being.
    pub(super) fn made(&mut self, text: &str) -> Outcome<()> {
        self.text(text.len())?;
        let is_too_long =
            text.len() > self.bounds.string_units && text.encode_utf16().count() > self.bounds.string_units;
        if is_too_long { Err(Failure::memory()) } else { Ok(()) }
    }

    /// The longest string, in UTF-16 units.
    pub(super) const fn string_units(&self) -> usize {
        self.bounds.string_units
    }
}

//! Tests of the engine from outside.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics says what is wrong")]

mod durable;
mod journals;
mod map_run;
mod properties;
mod registry;

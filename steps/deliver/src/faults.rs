//! Faults that crash tests plant to show that they would notice. Nothing here
//! is compiled into a binary without the feature `planted-faults`; the shipped
//! one has no switch.

/// Whether deliveries are made without their idempotency key: the test that
/// counts duplicates must go red.
pub(crate) const fn no_idempotency() -> bool {
    cfg!(feature = "planted-faults")
}

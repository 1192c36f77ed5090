//! Faults that crash tests plant to show that they would notice. Nothing here
//! is compiled into a binary without the feature `planted-faults`.

/// Whether deliveries are made without their idempotency key: the test that
/// counts duplicates must go red.
#[cfg(feature = "planted-faults")]
pub(crate) fn no_idempotency() -> bool {
    std::env::var_os("STEPWRIGHT_FAULT_NO_IDEMPOTENCY").is_some_and(|value| value == "1")
}

/// Never: the shipped binary has no such switch.
#[cfg(not(feature = "planted-faults"))]
pub(crate) const fn no_idempotency() -> bool {
    false
}

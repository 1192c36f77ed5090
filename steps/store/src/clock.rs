//! The time, for what is written down beside something. Never part of an identity.

use jiff::Timestamp;

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now).to_string()
}

//! Times as AWS writes them.

use jiff::Timestamp;
use serde_json::{Number, Value};

/// `2026-01-31T10:00:00Z`.
pub(super) fn iso(millis: i64) -> String {
    Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Seconds since the epoch, as JSON has times.
pub(super) fn seconds(millis: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of today are far below 2^52")]
    let seconds = millis as f64 / 1_000.0;
    Number::from_f64(seconds).map_or(Value::Null, Value::Number)
}

/// A time of a request: seconds since the epoch, or a text of ISO 8601.
pub(super) fn millis(value: &Value) -> Option<i64> {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "saturates; what is no time is refused below")]
        Value::Number(number) => {
            let millis = (number.as_f64()? * 1_000.0).round() as i64;
            Timestamp::from_millisecond(millis).ok().map(Timestamp::as_millisecond)
        }
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        _ => None,
    }
}

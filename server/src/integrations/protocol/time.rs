//! How times are written.

use engine::services::TimestampFormat;
use jiff::Timestamp;
use serde_json::Value;

/// A time in the arguments of a task: in ISO 8601, or in seconds since the epoch.
pub(super) fn given(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(seconds) => of_seconds(seconds.as_f64()?),
        Value::String(text) => {
            let read = text.parse().ok();
            // A date alone, or digits.
            read.or_else(|| format!("{text}T00:00:00Z").parse().ok())
                .or_else(|| of_seconds(text.parse().ok()?))
        }
        _ => None,
    }
}

/// A time as a request has it; what is no time as it was given.
pub(super) fn written(value: &Value, format: TimestampFormat) -> Value {
    let Some(time) = given(value) else { return value.clone() };
    match format {
        TimestampFormat::Iso8601 => Value::String(instant(time.as_millisecond())),
        TimestampFormat::Rfc822 => Value::String(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        TimestampFormat::UnixTimestamp => seconds(time.as_millisecond()),
    }
}

/// Seconds since the epoch, a whole number where they are whole.
fn seconds(millis: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 milliseconds")]
    let fraction = || Value::from(millis as f64 / 1000.0);
    if millis % 1000 == 0 { Value::from(millis / 1000) } else { fraction() }
}

/// Milliseconds since the epoch of a time in an answer, however it is written there.
pub(super) fn epoch_millis(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(seconds) => return Some(of_seconds(seconds.as_f64()?)?.as_millisecond()),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    let read = text.parse::<Timestamp>().ok().or_else(|| {
        // `Sat, 31 Jan 2026 10:00:00 GMT`; AWS also writes offsets without a colon.
        let read = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
        read.ok().or_else(|| of_seconds(text.parse().ok()?))
    });
    read.map(Timestamp::as_millisecond)
}

/// A time as Java's `Instant` writes it: without a fraction that is zero.
pub(super) fn instant(millis: i64) -> String {
    let Ok(time) = Timestamp::from_millisecond(millis) else { return millis.to_string() };
    let format = if millis % 1000 == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%3fZ" };
    time.strftime(format).to_string()
}

fn of_seconds(seconds: f64) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "out of range becomes the end of it, which is no time"
    )]
    let millis = (seconds * 1000.0).round() as i64;
    Timestamp::from_millisecond(millis).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_however_they_are_written() {
        for written in [
            json!(1_769_853_600),
            json!("1769853600"),
            json!("2026-01-31T10:00:00Z"),
            json!("2026-01-31T11:00:00+01:00"),
            json!("Sat, 31 Jan 2026 10:00:00 GMT"),
        ] {
            assert_eq!(epoch_millis(&written), Some(1_769_853_600_000), "{written}");
        }
        assert_eq!(epoch_millis(&json!(1.5)), Some(1_500));
        assert_eq!(epoch_millis(&json!("soon")), None);
        assert_eq!(epoch_millis(&json!(1e300)), None);
    }

    #[test]
    fn times_are_written_as_the_place_wants_them() {
        let time = json!("2026-01-31T10:00:00.250Z");
        assert_eq!(written(&time, TimestampFormat::UnixTimestamp), json!(1_769_853_600.25));
        assert_eq!(written(&time, TimestampFormat::Iso8601), json!("2026-01-31T10:00:00.250Z"));
        assert_eq!(written(&time, TimestampFormat::Rfc822), json!("Sat, 31 Jan 2026 10:00:00 GMT"));
        assert_eq!(written(&json!("2026-01-31"), TimestampFormat::UnixTimestamp), json!(1_769_817_600));
        assert_eq!(instant(1_769_853_600_000), "2026-01-31T10:00:00Z");
    }
}

//! The time, for what is written down beside a delivery. Never part of its identity.

use jiff::Timestamp;

/// RFC 3339 in UTC, always to the millisecond: as texts, times sort as they came.
pub(crate) fn now() -> String {
    written(Timestamp::now())
}

fn written(time: Timestamp) -> String {
    let milliseconds = Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time);
    format!("{milliseconds:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_texts() {
        let texts = [1_000_000, 1_000_100, 1_000_102, 1_001_000]
            .map(|time| written(Timestamp::from_millisecond(time).unwrap()));
        assert_eq!(texts[1], "1970-01-01T00:16:40.100Z");
        assert!(texts.is_sorted(), "{texts:?}");
    }
}

//! The times a Wait accepts: RFC 3339 with `T` and an offset, as AWS reads them.

use jiff::civil::DateTime;

/// Milliseconds since the epoch, or `None` for anything that is not
/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`. A fraction may have any number of
/// digits; what is finer than a millisecond is cut off.
///
/// # Examples
/// ```
/// assert_eq!(asl::timestamp::parse_millis("1970-01-01T00:00:01.5Z"), Some(1_500));
/// assert_eq!(asl::timestamp::parse_millis("1970-01-01 00:00:01Z"), None);
/// ```
pub fn parse_millis(text: &str) -> Option<i64> {
    let (head, rest) = text.split_at_checked(19)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (rest.strip_suffix(zone).filter(|digits| !digits.is_empty())?, zone)
        }
        None => ("", rest),
    };
    // The time parser accepts more than AWS does: blanks for `T`, lower case, no seconds.
    if !has_form("0000-00-00T00:00:00", head) {
        return None;
    }
    // A civil time, because timestamps end 26 hours before the year 9999 does,
    // and its last second is what people write for "never".
    let time = head.parse::<DateTime>().ok()?;
    let seconds = time.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs();
    let millis =
        fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((seconds - offset_seconds(zone)?) * 1000 + millis)
}

/// Seconds east of UTC: `Z` or `±hh:mm`.
fn offset_seconds(zone: &str) -> Option<i64> {
    let (sign, offset) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", offset) => (1, offset),
        ("-", offset) => (-1, offset),
        _ => return None,
    };
    let (hours, minutes) = offset.split_once(':').filter(|_| has_form("00:00", offset))?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Whether the text has a digit where the pattern has `0`, and is the same elsewhere.
fn has_form(pattern: &str, text: &str) -> bool {
    pattern.len() == text.len()
        && pattern.bytes().zip(text.bytes()).all(|(expected, byte)| match expected {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::parse_millis;

    #[test]
    fn times_are_read() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2016-03-14T01:59:00Z", 1_457_920_740_000),
            ("2016-03-14T02:59:00+01:00", 1_457_920_740_000),
            ("1970-01-01T00:00:00.123456Z", 123),
            ("1970-01-01T00:00:00.5Z", 500),
            ("1970-01-01T00:00:00.1239999999999999999999999Z", 123),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
            ("9999-12-31T23:59:59.999999999999-23:59", 253_402_387_139_999),
        ] {
            assert_eq!(parse_millis(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for text in [
            "2016-13-05T21:29:29Z",
            "05-12-2016T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "2016-12-05 21:29:29Z",
            "2016-12-05T21:29:29",
            "2016-12-05t21:29:29z",
            "2016-12-05T21:29Z",
            "2016-12-05T21:29:29.Z",
            "2016-12-05T21:29:29.5",
            "2016-12-05T21:29:29+1:00",
            "2016-12-05T21:29:29+24:00",
            "2016-12-05T21:29:29+00:60",
            "2016-12-05T21:29:29é00:00",
            "2016-02-30T21:29:29Z",
            "2016-12-05T21:29:29Zé",
            "tomorrow",
            "",
        ] {
            assert_eq!(parse_millis(text), None, "{text}");
        }
    }
}

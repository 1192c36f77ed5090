//! The times a Wait accepts: RFC 3339 with `T` and an offset, as AWS reads them.

/// Milliseconds since the epoch, or `None` for anything that is not
/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`.
///
/// # Examples
/// ```
/// assert_eq!(asl::timestamp::parse_millis("1970-01-01T00:00:01.5Z"), Some(1_500));
/// assert_eq!(asl::timestamp::parse_millis("1970-01-01 00:00:01Z"), None);
/// ```
pub fn parse_millis(text: &str) -> Option<i64> {
    if !has_form(text) {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// The time parser accepts more than AWS does: blanks for `T`, lower case, no
/// seconds. This looks at the form only.
fn has_form(text: &str) -> bool {
    let Some((head, rest)) = text.split_at_checked(19) else { return false };
    let matches = |pattern: &str, part: &str| {
        pattern.len() == part.len()
            && pattern.bytes().zip(part.bytes()).all(|(expected, byte)| match expected {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    if !matches("0000-00-00T00:00:00", head) {
        return false;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    zone == "Z" || matches("+00:00", zone) || matches("-00:00", zone)
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
            "2016-12-05T21:29:29Zé",
            "tomorrow",
            "",
        ] {
            assert_eq!(parse_millis(text), None, "{text}");
        }
    }
}

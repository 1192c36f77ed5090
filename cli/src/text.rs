//! Words and figures for people: times, durations, sizes; and text that is safe to print.

use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};

use crate::arguments::Time;

/// Text from executions (names, causes, log lines) is data: what could steer a terminal is escaped.
pub(crate) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            // Controls, and the characters that reorder a line.
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

/// One line of at most `width` characters.
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let flat = safe(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= width {
        return flat;
    }
    let mut short: String = flat.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`.
pub(crate) fn duration(millis: i64) -> String {
    let millis = millis.max(0);
    let seconds = millis / 1000;
    if millis < 10_000 {
        // Hundredths, cut: a duration never shows as longer than it was.
        return format!("{}.{:02} s", seconds, millis % 1000 / 10);
    }
    match seconds {
        0..60 => format!("{}.{} s", seconds, millis % 1000 / 100),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1.5 MiB`
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["bytes", "KiB", "MiB", "GiB"];
    let (mut whole, mut tenths, mut unit) = (number, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (tenths, whole) = (whole % 1024 * 10 / 1024, whole / 1024);
        unit += 1;
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    if unit == "bytes" { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") }
}

/// `1,234,567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A moment, with its zone.
pub(crate) fn moment(millis: i64, style: Time, now_millis: i64) -> String {
    let Ok(timestamp) = Timestamp::from_millisecond(millis) else { return millis.to_string() };
    match style {
        Time::Utc => timestamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Time::Iso => timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Time::Local => timestamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string(),
        Time::Relative => format!("{} ago", duration(now_millis - millis)),
    }
}

/// RFC 3339, for JSON.
pub(crate) fn iso(millis: i64) -> String {
    moment(millis, Time::Iso, 0)
}

/// The candidate that was probably meant.
pub(crate) fn similar<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| {
            let is_same = given.eq_ignore_ascii_case(candidate);
            (if is_same { 0 } else { distance(given, candidate) }, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().max(given.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (j, y) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX);
            let cost = (diagonal + usize::from(x != *y)).min(above + 1).min(left + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(j) {
                *cell = left;
            }
            left = cost;
        }
        if let Some(last) = row.last_mut() {
            *last = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The URL of a database as it may be shown: without user, password and query. Of what is not
/// understood in full, any part may be a password, and it is not shown.
pub(crate) fn without_password(url: &str) -> String {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match (place(url), scheme) {
        (Some(place), _) => safe(&place),
        (None, Some(scheme @ ("sqlite" | "postgres" | "postgresql"))) => format!("{scheme}://…"),
        (None, _) => "(not shown: may hold a password)".to_owned(),
    }
}

/// Scheme, host and path of a URL that is understood in full.
pub(crate) fn place(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    // A password can also stand in the query.
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    match scheme {
        "sqlite" if rest.starts_with('/') => Some(format!("sqlite://{rest}")),
        "postgres" | "postgresql" => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
            // Anything else means that `/`, `?`, `#` or a space stood in the password.
            let names_a_host = !hosts.is_empty() || query.split('&').any(|part| part.starts_with("host"));
            let is_understood = names_a_host
                && hosts.split(',').all(is_host)
                && path.chars().all(|c| c.is_alphanumeric() || "._-%~+$".contains(c))
                && !user.contains('#')
                && !query.contains(['@', '#']);
            let slash = if rest.contains('/') { "/" } else { "" };
            is_understood.then(|| format!("{scheme}://{hosts}{slash}{path}"))
        }
        _ => None,
    }
}

/// `db.internal`, `db.internal:5432`, `[::1]:5432`, `%2Frun%2Fpostgresql`, or nothing.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, "")) => (address, "0"),
        Some((address, rest)) => (address, rest.strip_prefix(':').unwrap_or("none")),
        None => text.split_once(':').unwrap_or((text, "0")),
    };
    let is_address = text.starts_with('[') && host.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '%'));
    (is_address || is_name) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_counts_read_well() {
        for (millis, text) in [
            (0, "0.00 s"),
            (419, "0.41 s"),
            (9_999, "9.99 s"),
            (12_340, "12.3 s"),
            (125_000, "2 min 05 s"),
            (3_720_000, "1 h 02 min"),
        ] {
            assert_eq!(duration(millis), text);
        }
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (336_776, "336,776"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn nothing_printed_steers_the_terminal() {
        assert_eq!(safe("a\u{1b}[31mb\u{202e}c\r"), "a\\u{1b}[31mb\\u{202e}c\\u{d}");
        assert_eq!(one_line("a\n b   c", 10), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_password("postgres://u:p@ss@db:5432/core?password=x"), "postgres://db:5432/core");
        for shown in [
            "sqlite:///data/core view.db",
            "postgres://db",
            "postgresql://db.internal:5432/core",
            "postgres://[::1]:5432/core",
            "postgres://a:1,b:2/core",
            "postgres://%2Frun%2Fpostgresql/core",
        ] {
            assert_eq!(without_password(shown), shown);
        }
    }

    #[test]
    fn what_is_no_url_is_not_shown_at_all() {
        let hidden = "(not shown: may hold a password)";
        for (url, shown) in [
            ("host=127.0.0.1 port=1 password=CANARY", hidden),
            ("postgres:u:CANARY@h", hidden),
            ("u:CANARY@host/db", hidden),
            ("http:u:CANARY@h", hidden),
            ("mysql://u:x/CANARY@h/d", hidden),
            ("CANARY://x", hidden),
            ("postgres://u:x/CANARY@h/d", "postgres://…"),
            ("postgres://u:1/CANARY@h/d", "postgres://…"),
            ("postgres://u:1?CANARY@h/d", "postgres://…"),
            ("postgres://u:p@CANARY/x@h/d", "postgres://…"),
            ("postgres://u:p@CANARY#x@h/d", "postgres://…"),
            ("postgres://u:CANARY", "postgres://…"),
            ("postgres://h/d password=CANARY", "postgres://…"),
            ("sqlite://u:CANARY@h/d", "sqlite://…"),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }

    #[test]
    fn a_typo_finds_what_was_meant() {
        let names = ["coreview-delivery", "coreview-refdata"];
        assert_eq!(similar("coreview-delivry", names.into_iter()), Some("coreview-delivery"));
        assert_eq!(similar("coreview-refdat", names.into_iter()), Some("coreview-refdata"));
        assert_eq!(similar("orders", names.into_iter()), None);
    }

    #[test]
    fn moments_name_their_zone() {
        assert_eq!(moment(1_795_000_000_123, Time::Utc, 0), "2026-11-18 11:06:40Z");
        assert_eq!(moment(1_795_000_000_123, Time::Iso, 0), "2026-11-18T11:06:40.123Z");
        assert_eq!(moment(1_795_000_000_000, Time::Relative, 1_795_000_065_000), "1 min 05 s ago");
    }
}

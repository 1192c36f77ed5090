//! `$toMillis`: texts read as dates.

use std::collections::BTreeMap;

use regex::RegexBuilder;

use super::moment::{MILLIS_MAX, Moment, days_of_month};
use super::picture::{self, Component, Marker, Part, Presentation};
use crate::jsonata::raised::{Raised, quoted};
use crate::limits;

const MILLIS_PER_DAY: f64 = 86_400_000.0;

/// The fields of a date by its month, from the largest.
const BY_MONTH: [Component; 7] = [
    Component::Year,
    Component::Month,
    Component::Day,
    Component::Hour,
    Component::Minute,
    Component::Second,
    Component::Millisecond,
];
/// The fields of a date by the day of its year, from the largest.
const BY_DAY_OF_YEAR: [Component; 6] = [
    Component::Year,
    Component::DayOfYear,
    Component::Hour,
    Component::Minute,
    Component::Second,
    Component::Millisecond,
];

type Fields = BTreeMap<Component, f64>;

/// `$toMillis`: the milliseconds since 1970 of a text in the picture, or in
/// ISO 8601 where there is none; undefined for a text that does not match the
/// picture. Fields larger than those of the picture are taken from `now`.
///
/// D3110 for a text that is not ISO 8601; D3132 to D3135 for pictures; D3136 where a
/// picture leaves a gap between its fields.
pub(in crate::jsonata) fn to_millis(
    text: &str,
    picture: Option<&str>,
    now_millis: i64,
) -> Result<Option<f64>, Raised> {
    let Some(picture) = picture else {
        let message = "The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given";
        return iso_8601(text)
            .map(Some)
            .ok_or_else(|| Raised::new("D3110", format!("{message} {}", quoted(text))));
    };
    let parts = picture::parse(picture)?;
    match matched(&parts, text)? {
        Some(fields) => assembled(fields, now_millis),
        None => Ok(None),
    }
}

/// The fields of a text that matches.
fn matched(parts: &[Part], text: &str) -> Result<Option<Fields>, Raised> {
    let mut pattern = String::from(r"\A");
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(literal) => pattern.push_str(&regex::escape(literal)),
            Part::Marker(marker) => {
                // Digits that touch those of the next marker are counted.
                let touches = matches!(parts.get(index + 1), Some(Part::Marker(_)));
                pattern.push('(');
                pattern.push_str(&marker.pattern(touches));
                pattern.push(')');
            }
        }
    }
    pattern.push_str(r"\z");
    let compiled = RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .size_limit(limits::JSONATA_PICTURE_PROGRAM_BYTES_MAX)
        .dfa_size_limit(limits::JSONATA_PICTURE_PROGRAM_BYTES_MAX)
        .build()
        .map_err(|_| Raised::memory())?;
    let Some(captures) = compiled.captures(text) else { return Ok(None) };
    let markers = parts.iter().filter_map(|part| match part {
        Part::Marker(marker) => Some(marker),
        Part::Literal(_) => None,
    });
    let texts = captures.iter().skip(1);
    Ok(Some(
        markers
            .zip(texts)
            .map(|(marker, text)| (marker.component, marker.read(text.map_or("", |text| text.as_str()))))
            .collect(),
    ))
}

impl Marker {
    fn pattern(&self, touches: bool) -> String {
        match &self.presentation {
            Presentation::Integer(format) => {
                let width = format.digits().filter(|_| touches).map(|(mandatory, _)| match self.width.most {
                    Some(most) => (1, most),
                    None => (mandatory, mandatory),
                });
                format.pattern(width)
            }
            Presentation::Zone(zone) => {
                let prefix = if self.component == Component::GmtOffset { "GMT" } else { "" };
                let offset = format!("{prefix}[-+][0-9]+(?::[0-9]+)?");
                if zone.zulu { format!("Z|{offset}") } else { offset }
            }
            Presentation::Name(_) if self.component.names().is_empty() => "[a-zA-Z]+".to_owned(),
            Presentation::Name(_) => self.names().collect::<Vec<_>>().join("|"),
        }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        let most = self.width.most.unwrap_or(usize::MAX);
        self.component.names().iter().map(move |name| name.get(..most).unwrap_or(name))
    }

    fn read(&self, text: &str) -> f64 {
        match &self.presentation {
            Presentation::Integer(format) => format.read(text),
            Presentation::Zone(_) => read_offset(text),
            Presentation::Name(_) => {
                let found = (self.component.first()..)
                    .zip(self.names())
                    .find(|(_, name)| name.eq_ignore_ascii_case(text));
                #[expect(clippy::cast_precision_loss, reason = "there are twelve at most")]
                found.map_or(f64::NAN, |(value, _)| value as f64)
            }
        }
    }
}

/// Minutes east of UTC.
fn read_offset(text: &str) -> f64 {
    let number = |text: &str| text.parse().unwrap_or(f64::NAN);
    let Some((sign, digits)) = text.find(['+', '-']).and_then(|at| text.get(at..)?.split_at_checked(1))
    else {
        return 0.0;
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (number(hours), number(minutes)),
        None if digits.len() <= 2 => (number(digits), 0.0),
        None => ((number(digits) / 100.0).floor(), number(digits) % 100.0),
    };
    let minutes = hours * 60.0 + minutes;
    if sign == "-" { -minutes } else { minutes }
}

/// Milliseconds, of fields without a gap: larger ones are those of now, smaller
/// ones the first there are. Undefined, where there are no fields at all.
fn assembled(mut fields: Fields, now_millis: i64) -> Result<Option<f64>, Raised> {
    let gap = || {
        let message = "The date/time picture string is missing specifiers required to parse the timestamp";
        Raised::new("D3136", message)
    };
    // Weeks alone do not name a day that could be computed from the other fields.
    let weeks = [Component::Week, Component::WeekOfMonth, Component::WeekYear, Component::WeekMonth];
    if weeks.iter().any(|week| fields.contains_key(week)) {
        return Err(gap());
    }
    let halves = (fields.remove(&Component::HalfDay), fields.remove(&Component::HalfDayHour));
    match halves {
        (None, None) => {}
        (Some(half), Some(hour)) => {
            fields.entry(Component::Hour).or_insert(hour % 12.0 + 12.0 * half);
        }
        _ if fields.contains_key(&Component::Hour) => {}
        _ => return Err(gap()),
    }
    let by_day_of_year = fields.contains_key(&Component::DayOfYear);
    let sequence: &[Component] = if by_day_of_year { &BY_DAY_OF_YEAR } else { &BY_MONTH };
    if !sequence.iter().any(|component| fields.contains_key(component)) {
        return Ok(None);
    }
    #[expect(clippy::cast_precision_loss, reason = "a clock is far below 2^53 milliseconds")]
    let now = Moment::new(now_millis as f64, 0)?;
    let (mut started, mut ended) = (false, false);
    let mut values = Fields::new();
    for component in sequence {
        let value = match fields.get(component) {
            Some(_) if ended => return Err(gap()),
            Some(value) => {
                started = true;
                *value
            }
            #[expect(clippy::cast_precision_loss, reason = "fields of a date are far below 2^53")]
            None if !started => now.field(*component) as f64,
            None => {
                ended = true;
                if matches!(component, Component::Month | Component::Day | Component::DayOfYear) {
                    1.0
                } else {
                    0.0
                }
            }
        };
        values.insert(*component, value);
    }
    let offset = fields.get(&Component::Timezone).or(fields.get(&Component::GmtOffset));
    let millis = utc(&values) - offset.copied().unwrap_or(0.0) * 60_000.0;
    Ok(Some(if millis.abs() <= MILLIS_MAX { millis } else { f64::NAN }))
}

/// `Date.UTC`: fields too large for their place count on in the next larger
/// one, and the years 0 to 99 are those of the twentieth century.
fn utc(values: &Fields) -> f64 {
    /// Far beyond every date, and far below what integers hold.
    const YEARS_MAX: f64 = 1e9;
    let value = |component| values.get(&component).copied();
    let field = |component| value(component).unwrap_or(0.0);
    let year = field(Component::Year);
    let year = if (0.0..100.0).contains(&year) { year + 1900.0 } else { year };
    let month = value(Component::Month).unwrap_or(1.0) - 1.0;
    if year.abs() >= YEARS_MAX || month.abs() >= YEARS_MAX || year.is_nan() || month.is_nan() {
        return f64::NAN;
    }
    #[expect(clippy::cast_possible_truncation, reason = "just checked")]
    let Some(days) = days_of_month(year as i64, month as i64) else { return f64::NAN };
    let day = value(Component::Day).or(value(Component::DayOfYear)).unwrap_or(1.0) - 1.0;
    #[expect(clippy::cast_precision_loss, reason = "at most 4e11")]
    let days = days as f64 + day;
    let minutes = field(Component::Hour) * 60.0 + field(Component::Minute);
    days * MILLIS_PER_DAY
        + minutes * 60_000.0
        + field(Component::Second) * 1000.0
        + field(Component::Millisecond)
}

/// `YYYY[-MM[-DD]][Thh:mm:ss[.fraction][Z|±hh[:]mm]]`, in UTC where no offset is
/// given. As in JavaScript, every month takes 31 days, the last of a short one
/// being of the next, and 24:00:00 is the next day.
fn iso_8601(text: &str) -> Option<f64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |month| digits(month, 2))?;
    let day = parts.next().map_or(Some(1), |day| digits(day, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let day = (days_of_month(year, month - 1)? + day - 1) * 86_400;
    let (seconds, millis) = time.map_or(Some((0, 0)), iso_time)?;
    #[expect(clippy::cast_precision_loss, reason = "four digits of a year are far below 2^53 milliseconds")]
    Some(((day + seconds) * 1000 + millis) as f64)
}

/// Seconds and milliseconds since midnight in UTC.
fn iso_time(text: &str) -> Option<(i64, i64)> {
    let (clock, rest) = text.split_at_checked(8)?;
    let mut parts = clock.split(':');
    let mut part = || parts.next().and_then(|part| digits(part, 2));
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (rest.strip_suffix(zone).filter(|digits| !digits.is_empty())?, zone)
        }
        None => ("", rest),
    };
    let millis =
        fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let offset = iso_offset(zone)?;
    let time = hours * 3600 + minutes * 60 + seconds;
    let possible =
        (hours < 24 && minutes < 60 && seconds < 60) || (time == 86_400 && hours == 24 && millis == 0);
    possible.then_some((time - offset, millis))
}

/// Seconds east of UTC.
fn iso_offset(text: &str) -> Option<i64> {
    let (sign, offset) = match text.split_at_checked(1) {
        None | Some(("Z", "")) => return Some(0),
        Some(("+", offset)) => (1, offset),
        Some(("-", offset)) => (-1, offset),
        Some(_) => return None,
    };
    let (hours, minutes) = offset.split_at_checked(2)?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes.strip_prefix(':').unwrap_or(minutes), 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A number of exactly that many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|digit| digit.is_ascii_digit())).then(|| text.parse().ok())?
}

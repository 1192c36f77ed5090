//! Dates and times: `$fromMillis` and `$toMillis`, with pictures as `XPath`'s
//! `fn:format-dateTime` defines them.
//!
//! Time is counted as in JavaScript: milliseconds since 1970 in UTC, without
//! leap seconds, in the Gregorian calendar, for 100,000,000 days either way.

mod moment;
mod picture;
mod read;
#[cfg(test)]
mod tests;

use self::moment::Moment;
use self::picture::{Component, Marker, Part, Presentation, Zone};
use super::raised::Raised;

/// What `$fromMillis` writes where no picture is given.
const ISO_8601: &str = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]";
/// The only calendar and era there is, as pictures name it.
const CALENDAR: &str = "ISO";

pub(super) use self::read::to_millis;

/// `$fromMillis`: the moment in the picture, at the offset `±hhmm` from UTC.
///
/// D3132 to D3135 for pictures; an error without a code where the number is no
/// moment, or the offset none.
pub(super) fn from_millis(
    millis: f64,
    picture: Option<&str>,
    timezone: Option<&str>,
) -> Result<String, Raised> {
    let parts = picture::parse(picture.unwrap_or(ISO_8601))?;
    let offset = timezone.map_or(Ok(0), offset_minutes)?;
    let moment = Moment::new(millis, offset)?;
    let mut text = String::new();
    for part in &parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Marker(marker) => text.push_str(&marker.format(&moment)?),
        }
    }
    Ok(text)
}

/// Minutes east of UTC, of `±hhmm`.
fn offset_minutes(timezone: &str) -> Result<i32, Raised> {
    let unsigned = timezone.trim_start().trim_start_matches(['+', '-']);
    let behind = unsigned.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let digits = unsigned.strip_suffix(behind).and_then(|digits| digits.parse::<u16>().ok());
    let minutes = digits.map(|digits| i32::from(digits / 100 * 60 + digits % 100));
    let minutes = minutes.ok_or_else(invalid_time)?;
    Ok(if timezone.trim_start().starts_with('-') { -minutes } else { minutes })
}

/// What JavaScript says of a date that is none.
fn invalid_time() -> Raised {
    Raised::new("", "Invalid time value")
}

impl Marker {
    fn format(&self, moment: &Moment) -> Result<String, Raised> {
        let value = match self.component {
            Component::Timezone | Component::GmtOffset => return self.format_zone(moment.offset),
            Component::Calendar | Component::Era => return Ok(CALENDAR.to_owned()),
            component => moment.field(component),
        };
        match &self.presentation {
            Presentation::Name(name) => {
                let name = name.apply(self.component.name(value).unwrap_or_default());
                Ok(name.chars().take(self.width.most.unwrap_or(usize::MAX)).collect())
            }
            Presentation::Integer(format) => {
                #[expect(clippy::cast_precision_loss, reason = "fields of a date are far below 2^53")]
                let value = match self.year_digits() {
                    // The remainder keeps the sign of the year.
                    Some(digits) => value % 10_i64.pow(digits),
                    None => value,
                } as f64;
                format.format(value)
            }
            // Zones have none but their own.
            Presentation::Zone(_) => Ok(String::new()),
        }
    }

    /// The last digits of a year that are shown, where not all of them are.
    fn year_digits(&self) -> Option<u32> {
        let Presentation::Integer(format) = &self.presentation else { return None };
        if self.component != Component::Year {
            return None;
        }
        let of_picture = || format.digits().map(|(mandatory, optional)| mandatory + optional);
        let digits = self.width.most.or_else(|| of_picture().filter(|digits| *digits >= 2))?;
        // No year has more than six.
        u32::try_from(digits).ok().filter(|digits| *digits < 7)
    }

    fn format_zone(&self, offset: i32) -> Result<String, Raised> {
        let Presentation::Zone(Zone { format, zulu }) = &self.presentation else { return Ok(String::new()) };
        if *zulu && offset == 0 {
            return Ok("Z".to_owned());
        }
        let prefix = if self.component == Component::GmtOffset { "GMT" } else { "" };
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
        let has_minutes = format.is_grouped() || format.digits().is_some_and(|(mandatory, _)| mandatory > 2);
        let text = if has_minutes {
            format.format(f64::from(hours * 100 + minutes))?
        } else if minutes == 0 {
            format.format(f64::from(hours))?
        } else {
            format!("{}:{minutes:02}", format.format(f64::from(hours))?)
        };
        Ok(format!("{prefix}{sign}{text}"))
    }
}

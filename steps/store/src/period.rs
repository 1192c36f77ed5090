//! Business periods: years, months and days, by name.

use feed::Value;
use feed::spec::PeriodUnit;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A period of a unit: its first day says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period {
    first: Date,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Day,
}

impl Unit {
    fn of(unit: PeriodUnit) -> Self {
        match unit {
            PeriodUnit::Year => Self::Year,
            PeriodUnit::Month => Self::Month,
            PeriodUnit::Day => Self::Day,
        }
    }

    fn of_spec(self) -> PeriodUnit {
        match self {
            Self::Year => PeriodUnit::Year,
            Self::Month => PeriodUnit::Month,
            Self::Day => PeriodUnit::Day,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Year => "2024",
            Self::Month => "2024-03",
            Self::Day => "2024-03-31",
        }
    }
}

impl Period {
    /// The period a day lies in.
    pub(crate) fn of(day: Date, unit: PeriodUnit) -> Self {
        let unit = Unit::of(unit);
        let first = match unit {
            Unit::Year => day.first_of_year(),
            Unit::Month => day.first_of_month(),
            Unit::Day => day,
        };
        Self { first, unit }
    }

    /// Reads a name such as `2024-03`; the error says what is expected.
    pub(crate) fn parse(name: &str, unit: PeriodUnit) -> Result<Self, String> {
        let unit_here = Unit::of(unit);
        let whole = match unit_here {
            Unit::Year => format!("{name}-01-01"),
            Unit::Month => format!("{name}-01"),
            Unit::Day => name.to_owned(),
        };
        let refuse = || {
            format!(
                "`{}` is not a period of the feed, such as `{}`",
                name.escape_debug(),
                unit_here.example()
            )
        };
        let day: Date = whole.parse().map_err(|_error| refuse())?;
        let period = Self::of(day, unit);
        if period.name() == name { Ok(period) } else { Err(refuse()) }
    }

    /// The last period that had ended at a time (RFC 3339), in UTC.
    pub(crate) fn before(time: &str, unit: PeriodUnit) -> Result<Self, String> {
        let time: Timestamp = time.parse().map_err(|_error| {
            format!("`{}` is not a time such as `2024-04-01T06:00:00Z`", time.escape_debug())
        })?;
        let today = Self::of(time.to_zoned(TimeZone::UTC).date(), unit);
        let yesterday = today.first.yesterday().map_err(|error| error.to_string())?;
        Ok(Self::of(yesterday, unit))
    }

    /// `2024`, `2024-03` or `2024-03-31`. Names sort as periods do.
    pub(crate) fn name(self) -> String {
        match self.unit {
            Unit::Year => format!("{:04}", self.first.year()),
            Unit::Month => format!("{:04}-{:02}", self.first.year(), self.first.month()),
            Unit::Day => self.first.to_string(),
        }
    }

    /// The period some months earlier; for years, the one that these months lie in.
    pub(crate) fn months_back(self, months: u32) -> Self {
        // At most ten years; before the calendar begins there is nothing to look at.
        let first = self.first.checked_sub(Span::new().months(months)).unwrap_or(Date::MIN);
        Self::of(first, self.unit.of_spec())
    }

    /// The period some months later; for years, the one that these months lie in.
    pub(crate) fn months_on(self, months: u32) -> Self {
        let first = self.first.checked_add(Span::new().months(months)).unwrap_or(Date::MAX);
        Self::of(first, self.unit.of_spec())
    }

    /// Whether a value of a reference's period column is for this period: its
    /// name, its year as a number, or a day in it.
    pub(crate) fn is_meant_by(self, value: &Value) -> bool {
        match value {
            Value::Text(text) => *text == self.name(),
            Value::Integer(year) => *year == i64::from(self.first.year()),
            other => day_of(other).is_some_and(|day| self.has(day)),
        }
    }

    fn has(self, day: Date) -> bool {
        let same_year = day.year() == self.first.year();
        match self.unit {
            Unit::Year => same_year,
            Unit::Month => same_year && day.month() == self.first.month(),
            Unit::Day => day == self.first,
        }
    }
}

/// The day of a date, or of a timestamp in UTC.
pub(crate) fn day_of(value: &Value) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::Timestamp(time) => Some(time.to_zoned(TimeZone::UTC).date()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(name: &str) -> Period {
        Period::parse(name, PeriodUnit::Month).unwrap()
    }

    #[test]
    fn periods_have_one_name() {
        assert_eq!(month("2024-03").name(), "2024-03");
        assert_eq!(Period::parse("2024", PeriodUnit::Year).unwrap().name(), "2024");
        assert_eq!(Period::parse("2024-02-29", PeriodUnit::Day).unwrap().name(), "2024-02-29");
        for wrong in ["2024-3", "2024-13", "2024", "2024-03-01", "", "20240-1", "2024-03 ", "x"] {
            let words = Period::parse(wrong, PeriodUnit::Month).unwrap_err();
            assert!(words.contains("such as `2024-03`"), "{words}");
        }
    }

    #[test]
    fn a_schedule_means_the_period_that_ended() {
        let before = |time, unit| Period::before(time, unit).unwrap().name();
        assert_eq!(before("2024-01-01T00:00:00Z", PeriodUnit::Month), "2023-12");
        assert_eq!(before("2024-03-31T23:59:59Z", PeriodUnit::Month), "2024-02");
        assert_eq!(before("2024-04-01T00:30:00+02:00", PeriodUnit::Month), "2024-02");
        assert_eq!(before("2024-07-01T00:00:00Z", PeriodUnit::Year), "2023");
        assert_eq!(before("2024-03-01T06:00:00Z", PeriodUnit::Day), "2024-02-29");
        assert!(Period::before("yesterday", PeriodUnit::Month).is_err());
    }

    #[test]
    fn months_are_counted_back() {
        assert_eq!(month("2024-03").months_back(12).name(), "2023-03");
        assert_eq!(month("2024-03").months_back(0).name(), "2024-03");
        assert_eq!(Period::parse("2024", PeriodUnit::Year).unwrap().months_back(6).name(), "2023");
        assert_eq!(Period::parse("2024-05-31", PeriodUnit::Day).unwrap().months_back(3).name(), "2024-02-29");
        assert_eq!(month("2024-03").months_on(12).name(), "2025-03");
        assert_eq!(Period::parse("2024-08-31", PeriodUnit::Day).unwrap().months_on(6).name(), "2025-02-28");
        assert_eq!(Period::parse("9999", PeriodUnit::Year).unwrap().months_on(120).name(), "9999");
        let first = Period::parse("0001-01", PeriodUnit::Month).unwrap();
        assert!(first.months_back(120) <= first);
    }

    #[test]
    fn a_reference_means_a_period_by_name_year_or_day() {
        let march = month("2024-03");
        assert!(march.is_meant_by(&Value::Text("2024-03".into())));
        assert!(!march.is_meant_by(&Value::Text("2024".into())));
        assert!(march.is_meant_by(&Value::Integer(2024)));
        assert!(!march.is_meant_by(&Value::Integer(3)));
        assert!(march.is_meant_by(&Value::Date("2024-03-31".parse().unwrap())));
        assert!(!march.is_meant_by(&Value::Date("2024-04-01".parse().unwrap())));
        assert!(march.is_meant_by(&Value::Timestamp("2024-03-31T23:00:00Z".parse().unwrap())));
        assert!(!march.is_meant_by(&Value::Null));
    }
}

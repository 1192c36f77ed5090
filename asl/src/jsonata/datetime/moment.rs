//! A moment and its fields; the calendar behind them.

use jiff::civil::{Date, date};

use super::invalid_time;
use super::picture::Component;
use crate::jsonata::raised::Raised;

const MILLIS_PER_DAY: i64 = 86_400_000;
/// The calendar repeats itself after 400 years, weekdays included.
const CYCLE_YEARS: i64 = 400;
const CYCLE_DAYS: i64 = 146_097;
/// Where a cycle starts, in days since 1970.
const CYCLE_START: Date = date(2000, 1, 1);
const CYCLE_START_DAY: i64 = 10_957;
/// Milliseconds either side of 1970 that are a date. `ECMAScript`, time values: 100,000,000 days.
pub(super) const MILLIS_MAX: f64 = 8.64e15;

/// A moment at an offset from UTC.
#[derive(Debug)]
pub(super) struct Moment {
    day: Day,
    /// Milliseconds since midnight.
    time: i64,
    /// Minutes east of UTC.
    pub(super) offset: i32,
}

/// A day of any year: one of the cycle that starts in 2000, and how many cycles it is off.
#[derive(Debug, Clone, Copy)]
struct Day {
    date: Date,
    cycle: i64,
}

impl Moment {
    /// A fraction of a millisecond is cut off.
    pub(super) fn new(millis: f64, offset: i32) -> Result<Self, Raised> {
        if !(-MILLIS_MAX..=MILLIS_MAX).contains(&millis) {
            return Err(invalid_time());
        }
        #[expect(clippy::cast_possible_truncation, reason = "just checked")]
        let local = millis as i64 + i64::from(offset) * 60_000;
        let day = Day::new(local.div_euclid(MILLIS_PER_DAY)).ok_or_else(invalid_time)?;
        Ok(Self { day, time: local.rem_euclid(MILLIS_PER_DAY), offset })
    }

    /// The number a component of a picture stands for.
    pub(super) fn field(&self, component: Component) -> i64 {
        let date = self.day.date;
        match component {
            Component::Year => self.day.year(),
            Component::Month => i64::from(date.month()),
            Component::Day => i64::from(date.day()),
            Component::DayOfYear => i64::from(date.day_of_year()),
            Component::Weekday => i64::from(date.weekday().to_monday_one_offset()),
            // A week belongs to the year, and to the month, of its Thursday.
            Component::WeekYear => self.day.thursday().year(),
            Component::WeekMonth => i64::from(self.day.thursday().date.month()),
            Component::Week => i64::from((self.day.thursday().date.day_of_year() - 1) / 7 + 1),
            Component::WeekOfMonth => i64::from((self.day.thursday().date.day() - 1) / 7 + 1),
            Component::Hour => self.hour(),
            Component::HalfDayHour => (self.hour() + 11) % 12 + 1,
            Component::HalfDay => self.hour() / 12,
            Component::Minute => self.time / 60_000 % 60,
            Component::Second => self.time / 1000 % 60,
            Component::Millisecond => self.time % 1000,
            Component::Timezone | Component::GmtOffset => i64::from(self.offset),
            Component::Calendar | Component::Era => 0,
        }
    }

    fn hour(&self) -> i64 {
        self.time / 3_600_000
    }
}

impl Day {
    fn new(days: i64) -> Option<Self> {
        let days = days - CYCLE_START_DAY;
        let within = i32::try_from(days.rem_euclid(CYCLE_DAYS)).ok()?;
        let date = CYCLE_START.checked_add(jiff::Span::new().try_days(within).ok()?).ok()?;
        Some(Self { date, cycle: days.div_euclid(CYCLE_DAYS) })
    }

    fn year(self) -> i64 {
        i64::from(self.date.year()) + self.cycle * CYCLE_YEARS
    }

    /// The Thursday of the same week, Monday to Sunday.
    fn thursday(self) -> Self {
        let distance = 4 - self.date.weekday().to_monday_one_offset();
        let thursday =
            jiff::Span::new().try_days(distance).and_then(|distance| self.date.checked_add(distance));
        // A cycle is far from the ends of the calendar.
        Self { date: thursday.unwrap_or(self.date), cycle: self.cycle }
    }
}

/// Days since 1970 of the first of a month; months beyond December are of later years.
pub(super) fn days_of_month(year: i64, month: i64) -> Option<i64> {
    let year = year.checked_add(month.div_euclid(12))?;
    let month = i8::try_from(month.rem_euclid(12) + 1).ok()?;
    let years = year.checked_sub(i64::from(CYCLE_START.year()))?;
    let within = i16::try_from(i64::from(CYCLE_START.year()) + years.rem_euclid(CYCLE_YEARS)).ok()?;
    let first = Date::new(within, month, 1).ok()?;
    let days = first.duration_since(CYCLE_START).as_hours() / 24;
    years.div_euclid(CYCLE_YEARS).checked_mul(CYCLE_DAYS)?.checked_add(days + CYCLE_START_DAY)
}

//! AWS's cron: minutes, hours, day of month, month, day of week, year.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::{InvalidExpression, instant, minute_after, refused};

/// Years that can be named. User guide, "Cron expressions".
const YEARS: (i16, i16) = (1970, 2199);
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    months: BTreeSet<i16>,
    years: BTreeSet<i16>,
    days: Days,
}

/// Which days of a month: one of the two fields for days is `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    /// These numbers.
    OfMonth(BTreeSet<i16>),
    /// The last.
    Last,
    /// The working day nearest to a number.
    Nearest(i16),
    /// The last working day.
    LastWorking,
    /// These days of the week; 1 is Sunday.
    OfWeek(BTreeSet<i16>),
    /// The last such day of the week.
    LastOfWeek(i16),
    /// The n-th such day of the week.
    NthOfWeek(i16, i16),
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidExpression> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, of_month, month, of_week, year] = fields.as_slice() else {
            return refused(format!(
                "cron({text}) has {} fields, not six: minutes, hours, day of month, month, day of week, year",
                fields.len()
            ));
        };
        let days = match (*of_month, *of_week) {
            ("?", "?") | ("*", "*") => {
                return refused(format!(
                    "cron({text}): one of day of month and day of week has to be ?, the other not"
                ));
            }
            (of_month, "?") => read_days_of_month(of_month)?,
            ("?", of_week) => read_days_of_week(of_week)?,
            _ => {
                return refused(format!("cron({text}): one of day of month and day of week has to be ?"));
            }
        };
        Ok(Self {
            minutes: read_set("minutes", minutes, (0, 59), &[])?,
            hours: read_set("hours", hours, (0, 23), &[])?,
            months: read_set("month", month, (1, 12), &MONTHS)?,
            years: read_set("year", year, YEARS, &[])?,
            days,
        })
    }

    pub(super) fn next_after(&self, after_millis: i64, zone: &TimeZone) -> Option<i64> {
        let from = minute_after(after_millis, zone)?;
        // Where a clock went back, times of the hour before are still to come.
        let first = from.date().yesterday().unwrap_or(from.date());
        for &year in self.years.range(first.year()..) {
            for &month in &self.months {
                let Some(begin) = new_date(year, month, 1) else { continue };
                if begin.last_of_month() < first {
                    continue;
                }
                for day in self.days.of(begin).into_iter().filter(|day| *day >= first) {
                    let found = self.times(day, after_millis, zone);
                    if found.is_some() {
                        return found;
                    }
                }
            }
        }
        None
    }

    /// The first time of a day that is behind an instant.
    fn times(&self, day: Date, after_millis: i64, zone: &TimeZone) -> Option<i64> {
        let small = |number: i16| i8::try_from(number).unwrap_or_default();
        let hours = self.hours.iter();
        let times = hours.flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
        let instants =
            times.filter_map(|(hour, minute)| instant(zone, day.at(small(hour), small(minute), 0, 0)));
        // Where a clock goes back, what comes later on the wall is not always later.
        instants.filter(|instant| *instant > after_millis).min()
    }
}

fn new_date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

impl Days {
    /// The days of a month, in order.
    fn of(&self, begin: Date) -> Vec<Date> {
        let last = begin.last_of_month();
        let day = |number: i16| new_date(begin.year(), begin.month().into(), number);
        let every = || (1..=i16::from(last.day())).filter_map(day);
        match self {
            Self::OfMonth(numbers) => numbers.iter().filter_map(|number| day(*number)).collect(),
            Self::Last => vec![last],
            Self::Nearest(number) => day(*number).map(working_day).into_iter().collect(),
            Self::LastWorking => vec![working_day(last)],
            Self::OfWeek(weekdays) => every().filter(|day| weekdays.contains(&weekday(*day))).collect(),
            Self::LastOfWeek(wanted) => {
                every().filter(|day| weekday(*day) == *wanted).last().into_iter().collect()
            }
            Self::NthOfWeek(wanted, nth) => {
                let nth = usize::try_from(nth - 1).unwrap_or_default();
                every().filter(|day| weekday(*day) == *wanted).nth(nth).into_iter().collect()
            }
        }
    }
}

/// 1 is Sunday.
fn weekday(day: Date) -> i16 {
    i16::from(day.weekday().to_sunday_zero_offset()) + 1
}

/// The working day nearest to a day, in the same month.
fn working_day(day: Date) -> Date {
    let moved = |days: i64| day.checked_add(jiff::Span::new().days(days)).unwrap_or(day);
    match day.weekday() {
        Weekday::Saturday if day.day() == 1 => moved(2),
        Weekday::Saturday => moved(-1),
        Weekday::Sunday if day == day.last_of_month() => moved(-2),
        Weekday::Sunday => moved(1),
        _ => day,
    }
}

fn read_days_of_month(text: &str) -> Result<Days, InvalidExpression> {
    match text {
        "L" => Ok(Days::Last),
        "LW" => Ok(Days::LastWorking),
        _ => match text.strip_suffix('W') {
            Some(day) => Ok(Days::Nearest(read_number("day of month", day, (1, 31), &[])?)),
            None => read_set("day of month", text, (1, 31), &[]).map(Days::OfMonth),
        },
    }
}

fn read_days_of_week(text: &str) -> Result<Days, InvalidExpression> {
    let field = "day of week";
    if text == "L" {
        return Ok(Days::OfWeek(BTreeSet::from([7])));
    }
    if let Some((day, nth)) = text.split_once('#') {
        let nth = read_number("number behind #", nth, (1, 5), &[])?;
        return Ok(Days::NthOfWeek(read_number(field, day, (1, 7), &WEEKDAYS)?, nth));
    }
    match text.strip_suffix('L') {
        Some(day) => Ok(Days::LastOfWeek(read_number(field, day, (1, 7), &WEEKDAYS)?)),
        None => read_set(field, text, (1, 7), &WEEKDAYS).map(Days::OfWeek),
    }
}

/// A list of numbers, ranges and steps.
fn read_set(
    field: &str,
    text: &str,
    (min, max): (i16, i16),
    names: &[&str],
) -> Result<BTreeSet<i16>, InvalidExpression> {
    let mut set = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(read_number(field, step, (1, max.max(1)), &[])?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((from, to)) => {
                (read_number(field, from, (min, max), names)?, read_number(field, to, (min, max), names)?)
            }
            None => {
                let from = read_number(field, range, (min, max), names)?;
                (from, if step.is_some() { max } else { from })
            }
        };
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1);
        if from <= to {
            set.extend((from..=to).step_by(step));
        } else {
            // FRI-MON goes over the end of the week.
            set.extend((from..=max).chain(min..=to).step_by(step));
        }
    }
    Ok(set)
}

fn read_number(
    field: &str,
    text: &str,
    (min, max): (i16, i16),
    names: &[&str],
) -> Result<i16, InvalidExpression> {
    let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
    let number = match named {
        Some(at) => i16::try_from(at).ok().map(|at| at + 1),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    };
    match number.filter(|number| (min..=max).contains(number)) {
        Some(number) => Ok(number),
        None => refused(format!("{text} is no {field}: it goes from {min} to {max}")),
    }
}

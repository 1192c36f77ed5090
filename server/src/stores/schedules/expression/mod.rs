//! Schedule expressions: `rate(…)`, `cron(…)`, `at(…)`, and when they fire next. Pure.
//!
//! Source: `EventBridge` Scheduler user guide, "Schedule types" and "Daylight savings time";
//! `EventBridge` user guide, "Cron expressions". Times that a zone skips do not fire; times that
//! it has twice fire the first time only.

mod cron;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use cron::Cron;

/// When something fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Every so many milliseconds.
    Rate(i64),
    Cron(Box<Cron>),
    /// Once, at a time of the clock on the wall.
    At(DateTime),
}

/// The form of a time. Scheduler user guide, "One-time schedules".
const AT_FORM: &str = "yyyy-mm-ddThh:mm:ss";

/// Who reads an expression: the two services differ in what they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `ScheduleExpression` of a rule: no `at(…)`, and `rate` has its unit in the right number.
    Rule,
    /// `ScheduleExpression` of a schedule.
    Schedule,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidExpression(String);

fn refused<T>(problem: impl Into<String>) -> Result<T, InvalidExpression> {
    Err(InvalidExpression(problem.into()))
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, InvalidExpression> {
        let inside = |name: &str| {
            text.trim().strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')').map(str::trim)
        };
        if let Some(rate) = inside("rate") {
            return read_rate(rate, dialect).map(Kind::Rate).map(Self);
        }
        if let Some(fields) = inside("cron") {
            return Cron::parse(fields).map(Box::new).map(Kind::Cron).map(Self);
        }
        match inside("at") {
            Some(text) if dialect == Dialect::Schedule => match text.parse::<DateTime>() {
                // In this form only: no zone, no leap second, no year of more digits.
                Ok(time) if text.len() == AT_FORM.len() && time.to_string() == text => {
                    Ok(Self(Kind::At(time)))
                }
                _ => refused(format!("at({text}) is no time: it takes the form at(2030-01-31T09:30:00)")),
            },
            _ => refused("it is none of rate(…), cron(…) and at(…)"),
        }
    }

    /// Whether it fires once.
    pub fn is_once(&self) -> bool {
        matches!(self.0, Kind::At(_))
    }

    /// The first instant behind `after` at which it fires, in milliseconds since the epoch.
    /// `begin`: when a rate fires first. `None`: never again.
    pub fn next_after(&self, after_millis: i64, zone: &TimeZone, begin_millis: i64) -> Option<i64> {
        match &self.0 {
            Kind::Rate(_) if after_millis < begin_millis => Some(begin_millis),
            Kind::Rate(millis) => {
                let passed = (after_millis - begin_millis) / millis;
                begin_millis.checked_add((passed + 1).checked_mul(*millis)?)
            }
            Kind::Cron(cron) => cron.next_after(after_millis, zone),
            Kind::At(time) => {
                let instant = zone.to_ambiguous_timestamp(*time).compatible().ok()?.as_millisecond();
                (instant > after_millis).then_some(instant)
            }
        }
    }

    /// Of a rate, how often; rules fire first when that time has passed.
    pub fn period_millis(&self) -> Option<i64> {
        match self.0 {
            Kind::Rate(millis) => Some(millis),
            _ => None,
        }
    }
}

fn read_rate(text: &str, dialect: Dialect) -> Result<i64, InvalidExpression> {
    let mut words = text.split_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return refused(format!("rate({text}) is not a number and a unit"));
    };
    let value: i64 = match value.parse() {
        Ok(value) if value > 0 => value,
        _ => return refused(format!("rate({text}) has no positive number")),
    };
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    if dialect == Dialect::Rule && (value == 1) != (unit == singular) {
        return refused(format!(
            "rate({text}): {value} goes with {singular}{}",
            if value == 1 { "" } else { "s" }
        ));
    }
    let unit_millis = match singular {
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        _ => return refused(format!("rate({text}): the unit is minutes, hours or days")),
    };
    match value.checked_mul(unit_millis) {
        // A hundred years: what is added to a time of today stays one.
        Some(millis) if millis <= 36_525 * 86_400_000 => Ok(millis),
        _ => refused(format!("rate({text}) is too long")),
    }
}

/// The instant a time of the clock on the wall is, if that clock shows it: the first if twice.
fn instant(zone: &TimeZone, time: DateTime) -> Option<i64> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    if matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
        return None;
    }
    ambiguous.earlier().ok().map(Timestamp::as_millisecond)
}

/// The minute behind an instant, as the clock on the wall shows it.
fn minute_after(after_millis: i64, zone: &TimeZone) -> Option<DateTime> {
    let after = Timestamp::from_millisecond(after_millis).ok()?;
    let local = zone.to_datetime(after);
    let minute = local.date().at(local.hour(), local.minute(), 0, 0);
    // A clock that goes back shows times again that are still to come in the first place.
    minute.checked_add(1.minute()).ok()
}

//! The business period: asked for, said by the spec, or seen in the rows.

use feed::spec::PeriodUnit;
use feed::{FeedSpec, Kind, Layout, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::error::CalculateError;

/// The smallest and largest value of the period's column so far.
pub(crate) struct Period<'s> {
    spec: &'s FeedSpec,
    column: Option<usize>,
    seen: Option<(Value, Value)>,
}

impl<'s> Period<'s> {
    pub(crate) fn new(spec: &'s FeedSpec, layout: &Layout) -> Self {
        let column = spec.delivery.period_from.as_ref().and_then(|name| layout.find(name));
        Self { spec, column: column.map(|(index, _)| index), seen: None }
    }

    /// Takes a row into account.
    pub(crate) fn see(&mut self, row: &[Value]) {
        let Some(value) = self.column.and_then(|column| row.get(column)) else { return };
        match &mut self.seen {
            _ if value.is_null() => {}
            None => self.seen = Some((value.clone(), value.clone())),
            Some((first, last)) => {
                if value < first {
                    *first = value.clone();
                } else if value > last {
                    *last = value.clone();
                }
            }
        }
    }

    /// The period's name: `2024-01`, or `2024-01/2024-03`.
    pub(crate) fn name(&self) -> Result<String, CalculateError> {
        if let Some(period) = &self.spec.delivery.period {
            return Ok(period.clone());
        }
        let Some((first, last)) = &self.seen else {
            let column = self.spec.delivery.period_from.as_deref().unwrap_or_default();
            return Err(CalculateError::NoPeriod {
                detail: format!(
                    "no row has a value in `{column}`, from which `delivery.period_from` takes the period; check the \
                     source file, or set `delivery.period` in the spec"
                ),
            });
        };
        let unit = self.spec.delivery.period_unit;
        let (first, last) = (named(first, unit), named(last, unit));
        Ok(if first == last { first } else { format!("{first}/{last}") })
    }
}

/// The rows of one period.
pub(crate) struct Within {
    column: usize,
    unit: Option<PeriodUnit>,
    period: String,
}

impl Within {
    /// The rows whose `delivery.period_from` lies in this period.
    pub(crate) fn of(spec: &FeedSpec, layout: &Layout, period: &str) -> Result<Self, CalculateError> {
        let delivery = &spec.delivery;
        let found = delivery.period_from.as_ref().and_then(|name| layout.find(name));
        let Some((column, kind)) = found else {
            return Err(CalculateError::Spec {
                detail: format!(
                    "the figures of {period:?} are asked for, but the spec of `{}` does not say which column has the \
                     period; name it in `delivery.period_from`, or ask for no period",
                    spec.feed
                ),
            });
        };
        let fits = match (kind, delivery.period_unit) {
            (Kind::Integer, _) => period.parse::<i64>().is_ok_and(|number| number.to_string() == period),
            (_, Some(unit)) => written(period, unit).is_some(),
            _ => !period.is_empty(),
        };
        if fits {
            return Ok(Self { column, unit: delivery.period_unit, period: period.to_owned() });
        }
        let like = match delivery.period_unit {
            Some(PeriodUnit::Year) => "a year such as 2024",
            Some(PeriodUnit::Month) => "a month such as 2024-01",
            Some(PeriodUnit::Day) => "a day such as 2024-01-31",
            None => "a value of the column that `delivery.period_from` names",
        };
        Err(CalculateError::BadPeriod {
            detail: format!("the figures of {period:?} are asked for, which is not {like}; ask for one"),
        })
    }

    /// Whether a row lies in it.
    pub(crate) fn holds(&self, row: &[Value]) -> bool {
        let value = row.get(self.column).filter(|value| !value.is_null());
        value.is_some_and(|value| named(value, self.unit) == self.period)
    }
}

/// What the period of a value is called.
fn named(value: &Value, unit: Option<PeriodUnit>) -> String {
    let date = match value {
        Value::Date(date) => *date,
        Value::Timestamp(time) => time.to_zoned(TimeZone::UTC).date(),
        other => return other.to_string(),
    };
    match unit {
        Some(PeriodUnit::Year) => format!("{:04}", date.year()),
        Some(PeriodUnit::Month) => format!("{:04}-{:02}", date.year(), date.month()),
        Some(PeriodUnit::Day) | None => date.to_string(),
    }
}

/// The first day of a period that is written as text.
pub(crate) fn written(text: &str, unit: PeriodUnit) -> Option<Date> {
    let (pattern, rest) = match unit {
        PeriodUnit::Year => ("0000", "-01-01"),
        PeriodUnit::Month => ("0000-00", "-01"),
        PeriodUnit::Day => ("0000-00-00", ""),
    };
    let fits = |(c, like): (char, char)| if like == '0' { c.is_ascii_digit() } else { c == like };
    if text.len() != pattern.len() || !text.chars().zip(pattern.chars()).all(fits) {
        return None;
    }
    format!("{text}{rest}").parse().ok()
}

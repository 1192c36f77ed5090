//! The business period: said by the spec, or seen in the rows.

use feed::spec::PeriodUnit;
use feed::{FeedSpec, Layout, Value};
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
        let (first, last) = (self.unit(first), self.unit(last));
        Ok(if first == last { first } else { format!("{first}/{last}") })
    }

    fn unit(&self, value: &Value) -> String {
        let date = match value {
            Value::Date(date) => *date,
            Value::Timestamp(time) => time.to_zoned(TimeZone::UTC).date(),
            other => return other.to_string(),
        };
        match self.spec.delivery.period_unit {
            Some(PeriodUnit::Year) => format!("{:04}", date.year()),
            Some(PeriodUnit::Month) => month(date),
            Some(PeriodUnit::Day) | None => date.to_string(),
        }
    }
}

fn month(date: Date) -> String {
    format!("{:04}-{:02}", date.year(), date.month())
}

//! Amounts in another currency: the rate last published on or before the day,
//! across the base currency, rounded once.

use std::collections::BTreeMap;

use feed::Value;
use feed::calculation::{Exchanging, Missing};
use feed::expression::day;
use feed::number::{self, Sum};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{Place, Row, Rows, each};
use crate::error::CalculateError;

pub(super) fn exchange<'r>(
    exchange: &'r Exchanging,
    rates: &[Row],
    rows: Rows<'r>,
    place: Place<'r>,
) -> Rows<'r> {
    let rates = Rates::of(exchange, rates);
    each(rows, move |mut row| {
        let value = match rates.exchanged(&row, place) {
            Ok(value) => value,
            Err(CalculateError::FxStale { .. } | CalculateError::FxMissing { .. })
                if exchange.missing == Missing::Null =>
            {
                Value::Null
            }
            Err(CalculateError::FxStale { .. } | CalculateError::FxMissing { .. })
                if exchange.missing == Missing::Drop =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        row.push(value);
        Ok(Some(row))
    })
}

/// Units of a currency for one of the base, by currency and day of publication.
struct Rates<'r> {
    exchange: &'r Exchanging,
    by_currency: BTreeMap<String, BTreeMap<Date, Decimal>>,
}

impl<'r> Rates<'r> {
    fn of(exchange: &'r Exchanging, rows: &[Row]) -> Self {
        let mut by_currency: BTreeMap<String, BTreeMap<Date, Decimal>> = BTreeMap::new();
        let [day_at, currency_at, rate_at] = exchange.columns;
        for row in rows {
            if let (Some(day), Some(Value::Text(currency)), Some(rate)) = (
                row.get(day_at).and_then(day),
                row.get(currency_at),
                row.get(rate_at).and_then(Value::number),
            ) {
                match by_currency.get_mut(currency) {
                    Some(days) => drop(days.insert(day, rate)),
                    None => drop(by_currency.insert(currency.clone(), BTreeMap::from([(day, rate)]))),
                }
            }
        }
        Self { exchange, by_currency }
    }

    fn exchanged(&self, row: &[Value], place: Place<'_>) -> Result<Value, CalculateError> {
        let exchange = self.exchange;
        let amount = place.evaluate(&exchange.amount, row)?.number();
        let (from, to) = (place.evaluate(&exchange.from, row)?, place.evaluate(&exchange.to, row)?);
        let on = day(&place.evaluate(&exchange.on, row)?);
        let (Some(amount), Value::Text(from), Value::Text(to), Some(on)) = (amount, from, to, on) else {
            return Ok(Value::Null);
        };
        let failed = |error| CalculateError::arithmetic(error, &place.of(row));
        let rounding = exchange.round;
        if from == to {
            return number::round(amount, rounding.places, rounding.mode).map(Value::Decimal).map_err(failed);
        }
        let (of, by) = (self.rate(&to, on, place, row)?, self.rate(&from, on, place, row)?);
        let mut divisor = Sum::default();
        divisor.add(by.normalize()).map_err(failed)?;
        let product = number::product(amount, of).map_err(failed)?;
        product.ratio(&divisor, rounding.places, rounding.mode).map(Value::Decimal).map_err(failed)
    }

    fn rate(
        &self,
        currency: &str,
        on: Date,
        place: Place<'_>,
        row: &[Value],
    ) -> Result<Decimal, CalculateError> {
        if currency == self.exchange.base {
            return Ok(Decimal::ONE);
        }
        let days = self.by_currency.get(currency);
        let Some((published, rate)) = days.and_then(|days| days.range(..=on).next_back()) else {
            return Err(CalculateError::FxMissing {
                detail: format!(
                    "there is no rate of {currency} on or before {on}, in {}; correct the currency, or upload rates \
                     and start again: a redrive has those it was started with",
                    place.of(row)
                ),
            });
        };
        let age = on.since(*published).map_or(i32::MAX, |span| span.get_days());
        match self.exchange.stale_after_days {
            Some(limit) if i64::from(age) > i64::from(limit) => Err(CalculateError::FxStale {
                detail: format!(
                    "the last rate of {currency} on or before {on} was published on {published}, {age} days earlier; \
                     the spec allows {limit}, in {}; upload newer rates and start again (a redrive has those it was \
                     started with), or change `stale_after_days`",
                    place.of(row)
                ),
            }),
            _ => Ok(*rate),
        }
    }
}

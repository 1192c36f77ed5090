//! Entries taken back: once, in the period in which they were cancelled.

use feed::Value;
use feed::calculation::Reversal;
use feed::expression::{day, later};
use feed::number::ArithmeticError;
use rust_decimal::Decimal;

use super::{Place, Rows, Seen, partition};
use crate::error::CalculateError;

pub(super) fn reverse<'r>(reversal: &'r Reversal, rows: Rows<'r>, place: Place<'r>) -> Rows<'r> {
    let mut seen = Seen::new();
    Box::new(rows.flat_map(move |row| {
        let mut row = match row {
            Ok(row) => row,
            Err(error) => return vec![Err(error)],
        };
        let due = match is_due(reversal, &row) {
            Ok(due) => due && seen.insert(partition(&row, &reversal.id)),
            Err(error) => return vec![Err(CalculateError::arithmetic(error, &place.of(&row)))],
        };
        let mut back = row.clone();
        row.push(Value::Boolean(false));
        if !due {
            return vec![Ok(row)];
        }
        let cancelled = back.get(reversal.cancelled).cloned().unwrap_or_default();
        if let Some(day) = back.get_mut(reversal.day) {
            *day = cancelled;
        }
        for at in &reversal.amounts {
            if let Some(amount) = back.get_mut(*at) {
                *amount = amount.number().map_or(Value::Null, |number| Value::Decimal(turned(number)));
            }
        }
        back.push(Value::Boolean(true));
        vec![Ok(row), Ok(back)]
    }))
}

/// With the other sign; nothing is nothing, never -0.
fn turned(number: Decimal) -> Decimal {
    if number.is_zero() { number } else { -number }
}

/// Whether an entry was cancelled in time.
fn is_due(reversal: &Reversal, row: &[Value]) -> Result<bool, ArithmeticError> {
    let date = |at: usize| row.get(at).and_then(day);
    let Some((own, cancelled)) = date(reversal.day).zip(date(reversal.cancelled)) else { return Ok(false) };
    let months = i32::try_from(reversal.within_months).map_err(|_| ArithmeticError::Overflow)?;
    Ok(own <= cancelled && cancelled <= later(own, months)?)
}

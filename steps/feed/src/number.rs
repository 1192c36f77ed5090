//! Exact arithmetic: sums that do not depend on the order of their parts, and
//! rounding that happens once, where the spec says so.
//!
//! `rust_decimal` holds 28 significant digits and rounds silently beyond them.
//! Money must not be rounded silently, so everything here either is exact or
//! says [`ArithmeticError::Overflow`]. The one exception is named: products and
//! quotients are kept to [`PLACES_MAX`] decimal places.

use std::cmp::Ordering;

use rust_decimal::{Decimal, RoundingStrategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Decimal places to which products and quotients of a row are kept, half-even.
/// 18 leaves 10 digits before the point, and a unit conversion's error is then
/// far below any rounding of figures.
pub const PLACES_MAX: u32 = 18;

/// Decimal places that figures may be rounded to.
pub const ROUND_PLACES_MAX: u32 = 12;

/// Why a calculation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArithmeticError {
    /// The result needs more digits than can be kept exactly.
    #[error("the result needs more than 28 significant digits")]
    Overflow,
    /// Division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A text that is put together grows beyond [`TEXT_BYTES_MAX`].
    #[error("the text has more than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
}

/// Longest text that an expression may put together, in bytes. Ours: as long as the longest record
/// that is read. Without it, a few columns that double one another fill the memory.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// What happens to the digits that are cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoundingMode {
    /// To the nearest; a tie goes to the even digit (banker's rounding).
    #[default]
    HalfEven,
    /// To the nearest; a tie goes away from zero.
    HalfUp,
    /// Away from zero.
    Up,
    /// Towards zero: digits are cut off.
    Down,
}

impl RoundingMode {
    fn strategy(self) -> RoundingStrategy {
        match self {
            Self::HalfEven => RoundingStrategy::MidpointNearestEven,
            Self::HalfUp => RoundingStrategy::MidpointAwayFromZero,
            Self::Up => RoundingStrategy::AwayFromZero,
            Self::Down => RoundingStrategy::ToZero,
        }
    }
}

/// `a + b`, exactly.
pub fn add(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    exact(a.checked_add(b), a.scale().max(b.scale()))
}

/// `a - b`, exactly.
pub fn subtract(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    add(a, -b)
}

/// `a · b`, kept to [`PLACES_MAX`] places.
pub fn multiply(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    let places = (a.scale() + b.scale()).min(PLACES_MAX);
    exact(a.checked_mul(b), places)
        .map(|product| product.round_dp_with_strategy(PLACES_MAX, RoundingStrategy::MidpointNearestEven))
}

/// `a / b`, kept to [`PLACES_MAX`] places.
pub fn divide(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    if b.is_zero() {
        return Err(ArithmeticError::DivisionByZero);
    }
    let quotient = a.checked_div(b).ok_or(ArithmeticError::Overflow)?;
    Ok(quotient.round_dp_with_strategy(PLACES_MAX, RoundingStrategy::MidpointNearestEven).normalize())
}

/// `rust_decimal` gives up decimal places when the digits do not fit: that is a
/// rounding nobody asked for.
fn exact(result: Option<Decimal>, places: u32) -> Result<Decimal, ArithmeticError> {
    let result = result.ok_or(ArithmeticError::Overflow)?;
    if result.scale() < places && !result.is_zero() {
        return Err(ArithmeticError::Overflow);
    }
    Ok(result)
}

/// Rounds to exactly `places` decimal places: 2.5 to two places is 2.50.
pub fn round(number: Decimal, places: u32, mode: RoundingMode) -> Result<Decimal, ArithmeticError> {
    let mut rounded = number.round_dp_with_strategy(places, mode.strategy());
    rounded.rescale(places);
    exact(Some(rounded), places)
}

/// A sum of decimals, exact whatever the order of its parts.
///
/// Fixed point on 128 bits at the largest scale seen: 38 digits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum {
    mantissa: i128,
    scale: u32,
}

impl Sum {
    /// Adds one number.
    pub fn add(&mut self, number: Decimal) -> Result<(), ArithmeticError> {
        let mut mantissa = number.mantissa();
        let scale = number.scale();
        if scale > self.scale {
            self.mantissa = scaled(self.mantissa, scale - self.scale)?;
            self.scale = scale;
        } else if scale < self.scale {
            mantissa = scaled(mantissa, self.scale - scale)?;
        }
        self.mantissa = self.mantissa.checked_add(mantissa).ok_or(ArithmeticError::Overflow)?;
        Ok(())
    }

    /// Adds all that another sum holds.
    pub fn merge(&mut self, other: Self) -> Result<(), ArithmeticError> {
        let mut mantissa = other.mantissa;
        if other.scale > self.scale {
            self.mantissa = scaled(self.mantissa, other.scale - self.scale)?;
            self.scale = other.scale;
        } else {
            mantissa = scaled(mantissa, self.scale - other.scale)?;
        }
        self.mantissa = self.mantissa.checked_add(mantissa).ok_or(ArithmeticError::Overflow)?;
        Ok(())
    }

    /// The sum as a number, exact, with the places of its most precise part.
    pub fn value(&self) -> Result<Decimal, ArithmeticError> {
        Decimal::try_from_i128_with_scale(self.mantissa, self.scale).map_err(|_| ArithmeticError::Overflow)
    }

    /// The sum rounded to `places`.
    pub fn rounded(&self, places: u32, mode: RoundingMode) -> Result<Decimal, ArithmeticError> {
        self.ratio(&Self { mantissa: 1, scale: 0 }, places, mode)
    }

    /// This sum divided by a count, rounded once.
    pub fn mean(&self, count: u64, places: u32, mode: RoundingMode) -> Result<Decimal, ArithmeticError> {
        self.ratio(&Self { mantissa: i128::from(count), scale: 0 }, places, mode)
    }

    /// This sum divided by another, rounded once: the exact rational number is
    /// rounded, not a quotient that was rounded before.
    pub fn ratio(&self, by: &Self, places: u32, mode: RoundingMode) -> Result<Decimal, ArithmeticError> {
        if by.mantissa == 0 {
            return Err(ArithmeticError::DivisionByZero);
        }
        let raise = places + by.scale;
        let (numerator, denominator) = if raise >= self.scale {
            (scaled(self.mantissa, raise - self.scale)?, by.mantissa)
        } else {
            (self.mantissa, scaled(by.mantissa, self.scale - raise)?)
        };
        let quotient = divide_rounded(numerator, denominator, mode)?;
        Decimal::try_from_i128_with_scale(quotient, places).map_err(|_| ArithmeticError::Overflow)
    }
}

/// `a · b` as an exact sum of one part: for a quotient that is rounded once.
pub fn product(a: Decimal, b: Decimal) -> Result<Sum, ArithmeticError> {
    let (a, b) = (a.normalize(), b.normalize());
    let mantissa = a.mantissa().checked_mul(b.mantissa()).ok_or(ArithmeticError::Overflow)?;
    Ok(Sum { mantissa, scale: a.scale() + b.scale() })
}

/// Compares `above` / `below` with a number, exactly.
pub fn compare_ratio(above: Decimal, below: Decimal, with: Decimal) -> Result<Ordering, ArithmeticError> {
    if below.is_zero() {
        return Err(ArithmeticError::DivisionByZero);
    }
    // Both sides by the divisor, whose sign decides which way round.
    let (above, below) = if below.is_sign_negative() { (-above, -below) } else { (above, below) };
    let mut difference = product(above, Decimal::ONE)?;
    difference.merge(product(-with, below)?)?;
    Ok(difference.mantissa.cmp(&0))
}

impl From<u64> for Sum {
    fn from(count: u64) -> Self {
        Self { mantissa: i128::from(count), scale: 0 }
    }
}

fn scaled(mantissa: i128, places: u32) -> Result<i128, ArithmeticError> {
    if mantissa == 0 {
        return Ok(0);
    }
    10_i128
        .checked_pow(places)
        .and_then(|factor| mantissa.checked_mul(factor))
        .ok_or(ArithmeticError::Overflow)
}

fn divide_rounded(numerator: i128, denominator: i128, mode: RoundingMode) -> Result<i128, ArithmeticError> {
    let overflow = ArithmeticError::Overflow;
    let quotient = numerator.checked_div(denominator).ok_or(overflow)?;
    let rest = numerator.checked_rem(denominator).ok_or(overflow)?.unsigned_abs();
    if rest == 0 {
        return Ok(quotient);
    }
    // Both are below 2^127, so twice the rest fits.
    let twice = rest * 2;
    let whole = denominator.unsigned_abs();
    let away = match mode {
        RoundingMode::Up => true,
        RoundingMode::Down => false,
        RoundingMode::HalfUp => twice >= whole,
        RoundingMode::HalfEven => twice > whole || (twice == whole && quotient % 2 != 0),
    };
    let step = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    if away { quotient.checked_add(step).ok_or(overflow) } else { Ok(quotient) }
}

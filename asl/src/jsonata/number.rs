//! Numbers: their text, the text they are read from, and the functions that
//! need nothing but numbers.
//!
//! A number is an `f64`, as in JavaScript. Everything here is computed from
//! decimal digits or by portable arithmetic, so that the same expression gives
//! the same bits on every machine.

mod picture;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::raised::{Raised, quoted};

pub(super) use picture::format_number;
pub(super) use picture::regular_distance;

/// Integers from here on are printed with an exponent. `ECMAScript`, `Number::toString`.
const EXPONENT_FROM: f64 = 1e21;
/// Fractions below are printed with an exponent. `ECMAScript`, `Number::toString`.
const EXPONENT_BELOW: f64 = 1e-6;
/// Digits of a fraction that `$string` keeps. JSONata documentation, `$string`:
/// "numbers are rounded to 15 significant digits".
const STRING_DIGITS: usize = 15;
/// Every integer below is exact in an `f64`.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// The number as JavaScript prints it: the shortest digits that read back as
/// the same number, with an exponent outside of `1e-6..1e21`.
pub(super) fn to_text(value: f64) -> String {
    let mut text = String::new();
    push_text(&mut text, value);
    text
}

/// Appends [`to_text`].
pub(super) fn push_text(text: &mut String, value: f64) {
    // Writing to a String cannot fail.
    let _ = write_text(text, value);
}

fn write_text(text: &mut String, value: f64) -> std::fmt::Result {
    if value.is_nan() {
        return text.write_str("NaN");
    }
    if value.is_infinite() {
        return text.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if let Some(integer) = as_exact_integer(value) {
        return write!(text, "{integer}");
    }
    if (EXPONENT_BELOW..EXPONENT_FROM).contains(&value.abs()) {
        return write!(text, "{value}");
    }
    let start = text.len();
    write!(text, "{value:e}")?;
    // Rust leaves out the plus sign of an exponent, JavaScript does not.
    if value.abs() >= 1.0
        && let Some(exponent) = text.get(start..).and_then(|written| written.find('e'))
    {
        text.insert(start + exponent + 1, '+');
    }
    Ok(())
}

/// The number as `$string`, `&` and the texts within objects show it.
///
/// The official implementation rounds every number to 15 significant digits.
/// AWS does so for fractions only. *Recorded on AWS:* `$string` of an integer
/// keeps its shortest digits up to `1e21` (2^63 is `9223372036854776000`, where
/// the official implementation answers `9223372036854780000`).
///
/// The caller refuses numbers that are not finite (D3001, D1001).
pub(super) fn push_string(text: &mut String, value: f64) {
    let keeps_its_digits = value.fract() == 0.0 && value.abs() < EXPONENT_FROM;
    push_text(text, if keeps_its_digits { value } else { to_significant_digits(value) });
}

/// [`push_string`] as a text of its own.
pub(super) fn to_string(value: f64) -> String {
    let mut text = String::new();
    push_string(&mut text, value);
    text
}

/// The number as messages show it: as in JSON, which has no infinity.
pub(super) fn to_message(value: f64) -> String {
    if value.is_finite() { to_text(value) } else { "null".to_owned() }
}

/// The nearest number of 15 significant digits; of two, the one farther from zero.
fn to_significant_digits(value: f64) -> f64 {
    if !value.is_finite() || has_few_digits(value) {
        return value;
    }
    // More digits than a number halfway between two of 15 digits can have.
    let text = format!("{:.40e}", value.abs());
    let rounded = text.split_once('e').and_then(|(digits, exponent)| {
        let (kept, rest) = digits.split_at_checked(STRING_DIGITS + 1)?;
        let kept: u64 = kept.replace('.', "").parse().ok()?;
        let kept = kept + u64::from(rest.starts_with(['5', '6', '7', '8', '9']));
        format!("{kept}e{}", exponent.parse::<i32>().ok()? - 14).parse::<f64>().ok()
    });
    rounded.map_or(value, |rounded| rounded.copysign(value))
}

fn has_few_digits(value: f64) -> bool {
    let shortest = format!("{value:e}");
    let digits = shortest.split('e').next().unwrap_or_default();
    digits.bytes().filter(u8::is_ascii_digit).count() <= STRING_DIGITS
}

/// The number as an integer, where that is exact.
fn as_exact_integer(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "smaller than 2^53")]
    (value.fract() == 0.0 && value.abs() < EXACT_INTEGERS).then_some(value as i64)
}

/// `$number` of a text: a number as JSON writes it, leading zeros allowed, or a
/// hexadecimal, octal or binary integer (`0x1F`, `0o17`, `0b101`).
///
/// D3030 for everything else, and for what is too large.
pub(super) fn from_text(text: &str) -> Result<f64, Raised> {
    let value = if is_decimal(text) { text.parse().ok() } else { from_radix_text(text) };
    value
        .filter(|value: &f64| value.is_finite())
        .ok_or_else(|| Raised::new("D3030", format!("Unable to cast value to a number: {}", quoted(text))))
}

/// `-?digits(.digits)?([eE][+-]?digits)?`
fn is_decimal(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    let whole = digits(text.strip_prefix('-').unwrap_or(text));
    let fraction = whole.and_then(|rest| rest.strip_prefix('.').map_or(Some(rest), digits));
    let exponent = fraction.and_then(|rest| match rest.strip_prefix(['e', 'E']) {
        Some(rest) => digits(rest.strip_prefix(['+', '-']).unwrap_or(rest)),
        None => Some(rest),
    });
    exponent == Some("")
}

fn from_radix_text(text: &str) -> Option<f64> {
    let rest = text.strip_prefix('0')?;
    let mut digits = rest.chars();
    let radix = match digits.next()? {
        'x' | 'X' => 16,
        'o' | 'O' => 8,
        'b' | 'B' => 2,
        _ => return None,
    };
    let digits = digits.as_str();
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0.0, |sum: f64, digit| {
        digit.to_digit(radix).map(|digit| sum.mul_add(f64::from(radix), f64::from(digit)))
    })
}

/// `$round`: to that many digits after the decimal point (before it, where
/// negative), a tie to the even neighbour. The tie is one of decimal digits, as
/// they are written: `$round(4.525, 2)` is 4.52.
pub(super) fn round(value: f64, precision: Option<f64>) -> f64 {
    let precision = precision.unwrap_or(0.0);
    // Adding zero makes a negative zero positive.
    if precision == 0.0 {
        return value.round_ties_even() + 0.0;
    }
    let shifted = shift(value, precision);
    // A number too small to have that many digits is one already.
    if shifted.is_infinite() {
        return value;
    }
    shift(shifted.round_ties_even(), -precision) + 0.0
}

/// The number times a power of ten, by its digits and without an error of multiplication.
/// Not a number, where the exponent is no integer.
fn shift(value: f64, exponent: f64) -> f64 {
    // Beyond that, every number is zero or infinite.
    const FARTHEST: f64 = 1_000.0;
    if !value.is_finite() || exponent.fract() != 0.0 {
        return f64::NAN;
    }
    let text = format!("{value:e}");
    let (digits, own) = text.split_once('e').unwrap_or((&text, "0"));
    let own: f64 = own.parse().unwrap_or(0.0);
    format!("{digits}e{}", (own + exponent).clamp(-FARTHEST, FARTHEST)).parse().unwrap_or(f64::NAN)
}

/// `$power`. D3061 where the result is no finite number.
pub(super) fn power(base: f64, exponent: f64) -> Result<f64, Raised> {
    // `ECMAScript` differs from C here: one to the power of infinity, or of what
    // is not a number, is not a number.
    let is_one = base.abs().to_bits() == 1.0_f64.to_bits();
    let result = if exponent.is_nan() || (is_one && exponent.is_infinite()) {
        f64::NAN
    } else {
        libm::pow(base, exponent)
    };
    if result.is_finite() {
        return Ok(result);
    }
    let (base, exponent) = (to_message(base), to_message(exponent));
    Err(Raised::new(
        "D3061",
        format!(
            "The power function has resulted in a value that cannot be represented as a JSON number: base={base}, exponent={exponent}"
        ),
    ))
}

/// `$sqrt`. D3060 for a negative number.
pub(super) fn sqrt(value: f64) -> Result<f64, Raised> {
    if value < 0.0 {
        let value = to_message(value);
        return Err(Raised::new(
            "D3060",
            format!("The sqrt function cannot be applied to a negative number: {value}"),
        ));
    }
    Ok(value.sqrt())
}

/// `$formatBase`: the rounded number in a base of 2 to 36 (10, where none is
/// named); the base is rounded, too. D3100 for any other base.
pub(super) fn format_base(value: f64, radix: Option<f64>) -> Result<String, Raised> {
    let value = round(value, None);
    let radix = round(radix.unwrap_or(10.0), None);
    if !(2.0..=36.0).contains(&radix) {
        let radix = to_message(radix);
        return Err(Raised::new(
            "D3100",
            format!("The radix of the formatBase function must be between 2 and 36.  It was given {radix}"),
        ));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and 36")]
    let base = radix as u32;
    if base == 10 || !value.is_finite() {
        return Ok(to_text(value));
    }
    Ok(in_base(value, base))
}

/// The digits of an integer. Where a digit is beyond what the number is exact
/// to, it is a zero, as JavaScript engines print it.
fn in_base(value: f64, base: u32) -> String {
    let radix = f64::from(base);
    let mut digits = Vec::new();
    let mut rest = value.abs();
    while rest >= EXACT_INTEGERS * radix {
        rest /= radix;
        digits.push('0');
    }
    loop {
        let digit = rest % radix;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "smaller than the base")]
        digits.push(char::from_digit(digit as u32, base).unwrap_or('0'));
        rest = (rest - digit) / radix;
        if rest <= 0.0 {
            break;
        }
    }
    if value < 0.0 {
        digits.push('-');
    }
    digits.iter().rev().collect()
}

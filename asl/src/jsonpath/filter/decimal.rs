//! Decimal numbers as Java's `BigDecimal` has them: `1.0` and `1` are equal
//! but print differently.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Number;

use crate::java;

/// A number with all its digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decimal {
    /// What most numbers are.
    Whole(i64),
    Written(Written),
}

/// `digits × 10^-scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    negative: bool,
    /// Without leading zeros; empty for zero.
    digits: Vec<u8>,
    scale: i64,
}

impl Decimal {
    /// A number as Java writes it: `-1`, `.5`, `1.5e3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        Written::parse(text).map(Self::Written)
    }

    /// How many digits it is written with.
    pub(super) fn digits(&self) -> usize {
        match self {
            Self::Whole(whole) => whole.unsigned_abs().checked_ilog10().map_or(0, |power| power as usize + 1),
            Self::Written(written) => written.digits.len(),
        }
    }

    pub(super) fn of(number: &Number) -> Option<Self> {
        match number.as_i64() {
            Some(whole) => Some(Self::Whole(whole)),
            None => Self::parse(&java::number_text(number)),
        }
    }

    fn written(&self) -> Cow<'_, Written> {
        match self {
            Self::Whole(whole) => Cow::Owned(Written::of(*whole)),
            Self::Written(written) => Cow::Borrowed(written),
        }
    }

    /// The whole part, when it is small.
    pub(super) fn to_usize(&self) -> Option<usize> {
        self.written().to_usize()
    }

    /// Compares the values: `1.0` is `1`.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(other),
            _ => self.written().compare(&other.written()),
        }
    }

    /// `BigDecimal.toString()`.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Whole(whole) => whole.to_string(),
            Self::Written(written) => written.text(),
        }
    }
}

impl Written {
    fn of(whole: i64) -> Self {
        let digits = if whole == 0 { Vec::new() } else { whole.unsigned_abs().to_string().into_bytes() };
        Self { negative: whole < 0, digits, scale: 0 }
    }

    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if all().next().is_none() || !all().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let digits: Vec<u8> = all().skip_while(|&digit| digit == b'0').collect();
        let scale = i64::try_from(fraction.len()).ok()? - exponent;
        Some(Self { negative: negative && !digits.is_empty(), digits, scale })
    }

    fn to_usize(&self) -> Option<usize> {
        if self.negative && !self.digits.is_empty() {
            return None;
        }
        let kept = i64::try_from(self.digits.len()).ok()? - self.scale;
        if kept > 18 {
            return None;
        }
        let mut value = 0_usize;
        for position in 0..kept.max(0) {
            let digit = usize::try_from(position).ok().and_then(|at| self.digits.get(at)).unwrap_or(&b'0');
            value = value * 10 + usize::from(digit - b'0');
        }
        Some(value)
    }

    /// Where the first digit stands: 0 for ones.
    fn magnitude(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX) - self.scale
    }

    fn compare_digits(&self, other: &Self) -> Ordering {
        self.magnitude().cmp(&other.magnitude()).then_with(|| {
            let length = self.digits.len().max(other.digits.len());
            let digit = |decimal: &Self, at: usize| decimal.digits.get(at).copied().unwrap_or(b'0');
            (0..length).map(|at| digit(self, at)).cmp((0..length).map(|at| digit(other, at)))
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return if other.negative { Ordering::Greater } else { Ordering::Less },
            (false, true) => return if self.negative { Ordering::Less } else { Ordering::Greater },
            (false, false) => {}
        }
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_digits(other),
            (true, true) => other.compare_digits(self),
        }
    }

    fn text(&self) -> String {
        let digits = if self.digits.is_empty() { vec![b'0'] } else { self.digits.clone() };
        let digits = String::from_utf8(digits).unwrap_or_default();
        let sign = if self.negative { "-" } else { "" };
        let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let adjusted = count - 1 - self.scale;
        if self.scale == 0 {
            return format!("{sign}{digits}");
        }
        if self.scale > 0 && adjusted >= -6 {
            let point = count - self.scale;
            return match usize::try_from(point) {
                Ok(point) if point > 0 => {
                    let (whole, fraction) = digits.split_at(point);
                    format!("{sign}{whole}.{fraction}")
                }
                _ => format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs().try_into().unwrap_or(0))),
            };
        }
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
        format!("{sign}{first}{rest}E{adjusted:+}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_by_value_and_print_as_written() {
        let parse = |text: &str| Decimal::parse(text).expect(text);
        for (left, order, right) in [
            ("1", Ordering::Equal, "1.0"),
            ("1e1", Ordering::Equal, "10"),
            ("10.5", Ordering::Greater, "3"),
            ("-1", Ordering::Less, "0"),
            ("-2", Ordering::Less, "-1.5"),
            ("0", Ordering::Equal, "-0.0"),
            ("1e2147483647", Ordering::Greater, "9e2147483646"),
            ("99", Ordering::Less, "100"),
        ] {
            assert_eq!(parse(left).compare(&parse(right)), order, "{left} {right}");
            assert_eq!(parse(right).compare(&parse(left)), order.reverse(), "{right} {left}");
        }
        for (text, printed) in [
            ("1e1", "1E+1"),
            ("10.50", "10.50"),
            ("-0.001", "-0.001"),
            ("0.00000001", "1E-8"),
            ("123e3", "1.23E+5"),
            ("007", "7"),
            ("0.0", "0.0"),
        ] {
            assert_eq!(parse(text).text(), printed);
        }
        for (whole, written) in
            [("0", "0.0"), ("-12", "-12.0"), ("9223372036854775807", "9223372036854775807.00")]
        {
            assert!(
                matches!(parse(whole), Decimal::Whole(_)) && matches!(parse(written), Decimal::Written(_))
            );
            assert_eq!(parse(whole).compare(&parse(written)), Ordering::Equal, "{whole}");
            assert_eq!(parse(whole).text(), whole);
        }
        for text in ["", "-", "1e", "e1", ".", "1.2.3", "--1", "x", "1e99999999999"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(parse("2.9").to_usize(), Some(2));
        assert_eq!(parse("2e1").to_usize(), Some(20));
        assert_eq!(parse("-1").to_usize(), None);
        assert_eq!(parse("1e30").to_usize(), None);
    }
}

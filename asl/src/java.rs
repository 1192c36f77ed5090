//! What shows through of the Java platform that AWS runs on: how it prints
//! numbers and collections, and its seeded random numbers.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// `Double.toString`: `1.0`, `1.5E10`, `NaN`.
pub(crate) fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{number:?}");
    }
    // `1e21` in Rust is `1.0E21` in Java.
    let text = format!("{number:E}");
    let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

/// `Math.round`: to the nearest whole number, halves go up. `None` where that is no `long`.
///
/// Adding a half and cutting off would round 0.49999999999999994 up.
pub(crate) fn round(number: f64) -> Option<i64> {
    let below = number.floor();
    let rounded = if number - below >= 0.5 { below + 1.0 } else { below };
    // From -2^63 up to, and without, 2^63.
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded).then_some(rounded as i64)
}

/// `Number.toString`.
pub(crate) fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(double) if number.is_f64() => double_text(double),
        _ => number.to_string(),
    }
}

/// `String.valueOf`: collections as `{a=1, b=[]}`.
pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    write_text(value, &mut text);
    text
}

fn write_text(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_text(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (index, (key, item)) in fields.iter().enumerate() {
                // Writing to a String does not fail.
                let _ = write!(text, "{}{key}=", if index == 0 { "" } else { ", " });
                write_text(item, text);
            }
            text.push('}');
        }
    }
}

/// `java.util.Random`. The constants and the steps are part of Java's
/// documented contract.
#[derive(Debug)]
pub(crate) struct Random {
    state: u64,
}

const MULTIPLIER: u64 = 0x0005_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

impl Random {
    /// The generator of a seed.
    pub(crate) const fn new(seed: i64) -> Self {
        Self { state: (seed.cast_unsigned() ^ MULTIPLIER) & MASK }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 32 bits are asked for, and kept with their sign"
    )]
    fn next(&mut self, bits: u32) -> i32 {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        (self.state.cast_signed() >> (48 - bits)) as i32
    }

    /// `nextInt(bound)`: a number in `0..bound`; 0 when there is none.
    pub(crate) fn below(&mut self, bound: i32) -> i32 {
        if bound <= 0 {
            return 0;
        }
        if bound & (bound - 1) == 0 {
            let product = i64::from(bound) * i64::from(self.next(31));
            return i32::try_from(product >> 31).unwrap_or(0);
        }
        loop {
            let bits = self.next(31);
            let value = bits % bound;
            // What would make the last numbers more likely than others is drawn again.
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return value;
            }
        }
    }

    /// `nextDouble()`: a number in `0.0..1.0` with 53 random bits.
    pub(crate) fn next_double(&mut self) -> f64 {
        let bits = (i64::from(self.next(26)) << 27) + i64::from(self.next(27));
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exactly what an f64 holds")]
        let (bits, all) = (bits as f64, (1_i64 << 53) as f64);
        bits / all
    }

    /// `nextLong()`.
    pub(crate) fn next_long(&mut self) -> i64 {
        (i64::from(self.next(32)) << 32).wrapping_add(i64::from(self.next(32)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn doubles_print_as_in_java() {
        for (number, expected) in [
            (1.0, "1.0"),
            (1.1, "1.1"),
            (-0.5, "-0.5"),
            (0.001, "0.001"),
            (0.000_1, "1.0E-4"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (1.25e21, "1.25E21"),
            (0.0, "0.0"),
        ] {
            assert_eq!(double_text(number), expected);
        }
    }

    #[test]
    fn numbers_round_as_in_java() {
        for (number, expected) in [
            (0.499_999_999_999_999_94, Some(0)),
            (0.5, Some(1)),
            (-0.5, Some(0)),
            (-0.6, Some(-1)),
            (-1.5, Some(-1)),
            (4_503_599_627_370_497.0, Some(4_503_599_627_370_497)),
            (9_007_199_254_740_993.0, Some(9_007_199_254_740_992)),
            (-9_223_372_036_854_775_808.0, Some(i64::MIN)),
            (9_223_372_036_854_775_808.0, None),
            (1e300, None),
            (f64::NAN, None),
        ] {
            assert_eq!(round(number), expected, "{number}");
        }
    }

    #[test]
    fn collections_print_as_in_java() {
        let value = json!({"Arg1": 1, "Arg2": [], "c": {"d": [null, "x", 1.5, true]}});
        assert_eq!(text(&value), "{Arg1=1, Arg2=[], c={d=[null, x, 1.5, true]}}");
    }

    #[test]
    fn seeded_numbers_are_those_of_a_jvm() {
        // The first numbers of `new Random(42).nextInt(10)` and `nextInt(16)`, as documented widely.
        let mut random = Random::new(42);
        assert_eq!([random.below(10), random.below(10), random.below(10)], [0, 3, 8]);
        assert_eq!(Random::new(42).next_long(), -5_025_562_857_975_149_833);
        assert_eq!(Random::new(1).below(0), 0);
        assert!((Random::new(42).next_double() - 0.727_563_680_032_868_1).abs() < f64::EPSILON);
    }
}

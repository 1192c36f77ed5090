use super::*;
use crate::jsonata::recorded::{Answer, compare};

#[test]
fn numbers_are_printed_as_javascript_does() {
    for (value, text) in [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.5e-7, "-1.5e-7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.25e100, "-1.25e+100"),
        (9_007_199_254_740_993.0, "9007199254740992"),
        (9_223_372_036_854_775_807.0, "9223372036854776000"),
        (f64::MAX, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(to_text(value), text);
    }
    assert_eq!(to_message(f64::INFINITY), "null");
}

#[test]
fn strings_have_15_digits_of_a_fraction_and_all_of_an_integer() {
    for (value, text) in [
        (22.0 / 7.0, "3.14285714285714"),
        (0.1 + 0.2, "0.3"),
        (1.0 / 3.0, "0.333333333333333"),
        (-2.0 / 3.0, "-0.666666666666667"),
        (9.999_999_999_999_999, "10"),
        (1_234_567_890_123.125, "1234567890123.13"),
        (1_234_567_890_123.375, "1234567890123.38"),
        (9_223_372_036_854_775_808.0, "9223372036854776000"),
        (1.234_567_890_123_456_7e30, "1.23456789012346e+30"),
        (1e21, "1e+21"),
        (2.0e-300 / 3.0, "6.66666666666667e-301"),
    ] {
        assert_eq!(to_string(value), text);
    }
}

#[test]
fn texts_are_read_as_json_numbers_and_more() {
    for (text, value) in [
        ("0", 0.0),
        ("-0.05", -0.05),
        ("00123", 123.0),
        ("1e2", 100.0),
        ("1.5E+2", 150.0),
        ("0x1f", 31.0),
        ("0B101", 5.0),
        ("0o17", 15.0),
    ] {
        assert_eq!(from_text(text).map(f64::to_bits), Ok(f64::to_bits(value)), "{text}");
    }
    for text in [
        "", " 5", "5 ", "+5", ".5", "5.", "1e", "1e+", "--1", "0x", "0b12", "1_000", "NaN", "inf", "10e500",
        "é",
    ] {
        let message = format!("Unable to cast value to a number: \"{text}\"");
        assert_eq!(from_text(text), Err(Raised::new("D3030", message)), "{text}");
    }
}

#[test]
fn rounding_is_decimal_and_to_even() {
    for (value, precision, rounded) in [
        (4.525, 2.0, 4.52),
        (4.515, 2.0, 4.52),
        (1.005, 2.0, 1.0),
        (-8.5, 0.0, -8.0),
        (12_450.0, -2.0, 12_400.0),
        (6.022e-23, 24.0, 6e-23),
        (1.0, 5_000.0, 1.0),
        (1e300, 300.0, 1e300),
    ] {
        let ours = round(value, Some(precision));
        assert!((ours - rounded).abs() <= f64::EPSILON * rounded.abs(), "{value} {precision} {ours}");
    }
    assert_eq!(round(-0.3, None).to_bits(), 0.0_f64.to_bits());
    assert!(round(1.0, Some(0.5)).is_nan());
}

#[test]
fn bases_are_printed_as_javascript_does() {
    for (value, base, text) in [
        (255.0, 16.0, "ff"),
        (-5.0, 2.0, "-101"),
        (4.5, 2.0, "100"),
        (1e21, 36.0, "5v1j4f4ds7c000"),
        (f64::NAN, 2.0, "NaN"),
        (1_152_921_504_606_848_000.0, 7.0, "2031000661631341101500"),
        (1e36, 16.0, "c097ce7bc907180000000000000000"),
    ] {
        assert_eq!(format_base(value, Some(base)).as_deref(), Ok(text));
    }
    assert_eq!(format_base(1e21, None).as_deref(), Ok("1e+21"));
}

#[test]
fn pictures_that_ask_for_much_are_bounded() {
    let wide = "0".repeat(100_000);
    assert_eq!(format_number(1.0, &wide, []).expect("a text").len(), 100_000);
    let groups = "0,00".repeat(50_000);
    assert!(format_number(1.0, &groups, []).is_ok());
    let fraction = format!("0.{}", "0".repeat(101));
    assert_eq!(format_number(1.0, &fraction, []).expect_err("too many").code, "");
    let scale = format!("{}e0", "0".repeat(1_000));
    assert!(format_number(1.0, &scale, []).is_ok());
    for picture in ["", "zz", ",", "-", ";", "e", "é"] {
        assert!(format_number(1.0, picture, []).is_err(), "{picture}");
    }
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, 5e-324, 0.0] {
        for picture in ["0", "#,##0.00", "00.0e0", "0%"] {
            assert!(format_number(value, picture, []).is_ok(), "{picture}");
        }
    }
}

#[test]
fn exponents_hold_for_zero_and_for_negative_numbers() {
    assert_eq!(format_number(0.0, "0.0e0", []).as_deref(), Ok("0.0e0"));
    assert_eq!(format_number(-1234.5, "0.0e0", []).as_deref(), Ok("-1.2e3"));
    assert_eq!(format_number(0.000_012_3, "0.0e00", []).as_deref(), Ok("1.2e-05"));
}

#[test]
fn recorded_numbers() {
    compare("number", 10, |call| Some(Answer::of_number(from_text(call.text(0)?))));
    compare("round", 15, |call| match call.number(0) {
        Some(value) => Some(Answer::of_number(Ok(round(value, call.number(1))))),
        None => Some(Answer::Undefined),
    });
    compare("power", 20, |call| Some(Answer::of_number(power(call.number(0)?, call.number(1)?))));
    compare("sqrt", 4, |call| Some(Answer::of_number(sqrt(call.number(0)?))));
    compare("formatBase", 19, |call| Some(Answer::of_text(format_base(call.number(0)?, call.number(1)))));
    compare("string", 8, |call| {
        Some(Answer::of_text(Ok(to_string(call.number(0)?)))).filter(|_| call.arguments.len() == 1)
    });
}

#[test]
fn recorded_pictures() {
    compare("formatNumber", 50, |call| {
        let options = call.arguments.get(2).and_then(Option::as_ref).and_then(serde_json::Value::as_object);
        let options =
            options.into_iter().flatten().filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)));
        Some(Answer::of_text(format_number(call.number(0)?, call.text(1)?, options)))
    });
}

use super::*;
use crate::jsonata::recorded::{Answer, compare};

#[test]
fn decimal_patterns() {
    for (value, picture, text) in [
        (1_234_567.0, "#,##0", "1,234,567"),
        (12_340.0, "##,#0", "1,23,40"),
        (7.9, "000", "007"),
        (-7.1, "00", "-08"),
        (11.0, "0;o", "11th"),
        (112.0, "0;o", "112th"),
        (21.0, "0;o", "21st"),
        (103.0, "0;o", "103rd"),
        (12.0, "٠٠٠", "٠١٢"),
        (12.0, "\u{1D7CE}", "\u{1D7CF}\u{1D7D0}"),
        (1e21, "0", "1e+21"),
        (f64::NAN, "#,##0", "NaN"),
    ] {
        assert_eq!(format_integer(value, picture).as_deref(), Ok(text), "{value} {picture}");
    }
    assert_eq!(format_integer(1.0, "").expect_err("no digit").code, "D3130");
    assert_eq!(format_integer(1.0, "0٠").expect_err("two families").code, "D3131");
}

#[test]
fn words_say_every_number_and_are_understood() {
    for value in (0..2_000).chain((2_000..3_000_000).step_by(997)).map(f64::from) {
        for picture in ["w", "W", "Ww", "w;o", "Ww;o", "a", "A", "#,##0", "0;o"] {
            let text = format_integer(value, picture).expect("a text");
            let back = parse_integer(&text, picture).expect("a number");
            assert!((back - value).abs() < f64::EPSILON, "{value} {picture} {text} {back}");
        }
    }
    assert_eq!(format_integer(-1e15, "Ww;o").as_deref(), Ok("-One Thousand Trillionth"));
    assert_eq!(format_integer(f64::MAX, "w").expect("a text").matches("trillion").count(), 25);
}

#[test]
fn roman_numerals_come_back_and_are_bounded() {
    for value in 1..4_000 {
        let text = format_integer(f64::from(value), "I").expect("a numeral");
        let back = parse_integer(&text, "I").expect("a number");
        assert!((back - f64::from(value)).abs() < f64::EPSILON, "{value} {text} {back}");
    }
    assert_eq!(format_integer(1.5e12, "i"), Err(Raised::memory()));
    assert_eq!(format_integer(f64::INFINITY, "i"), Err(Raised::memory()));
    assert_eq!(format_integer(f64::NEG_INFINITY, "a"), Err(Raised::memory()));
    assert_eq!(format_integer(f64::NAN, "I").as_deref(), Ok(""));
    assert!(format_integer(f64::MAX, "a").is_ok());
}

#[test]
fn what_is_not_in_the_picture_is_not_a_number() {
    for (text, picture) in
        [("12", "w"), ("xii", "w"), ("twelve", "i"), ("12", "i"), ("xii", "0"), ("b1", "a"), ("", "0")]
    {
        assert!(parse_integer(text, picture).expect("an answer").is_nan(), "{text} {picture}");
    }
    let long = "trillion ".repeat(100_000);
    assert!(parse_integer(&long, "w").is_ok());
}

#[test]
fn recorded_integers() {
    compare("formatInteger", 60, |call| {
        Some(Answer::of_text(format_integer(call.number(0)?, call.text(1)?)))
    });
    compare("parseInteger", 60, |call| Some(Answer::of_number(parse_integer(call.text(0)?, call.text(1)?))));
}

#[test]
fn pictures_of_separators_are_bounded() {
    let picture = format!("{}0", "0,-".repeat(60_000));
    let text = format_integer(1.0, &picture).expect("a text");
    assert!((parse_integer(&text, &picture).expect("a number") - 1.0).abs() < f64::EPSILON);
    assert_eq!(format_integer(12.0, "0<>0").as_deref(), Ok("1<>2"));
}

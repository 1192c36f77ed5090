use super::*;
use crate::jsonata::recorded::{Answer, compare};

/// 2018-03-23T10:33:36.617Z, a Friday
const THEN: f64 = 1_521_801_216_617.0;

fn shown(picture: &str) -> String {
    from_millis(THEN, Some(picture), None).expect(picture)
}

#[test]
fn every_component_is_shown() {
    for (picture, text) in [
        ("[Y] [M] [D] [d] [F] [W] [w] [X] [x]", "2018 3 23 82 friday 12 4 2018 3"),
        ("[H]:[h]:[m]:[s]:[f] [P] [C] [E]", "10:10:33:36:617 am ISO ISO"),
        ("[FNn,3-3] [MN,*-3] [PN] [Pn,1-1]", "Fri MAR AM a"),
        ("[Y,4-4] [Y,2-2] [Y0001] [Y000001] [Yw,2-2]", "2018 18 2018 002018 eighteen"),
    ] {
        assert_eq!(shown(picture), text);
    }
    assert_eq!(shown("[Z] [z] [Z0] [Z0101t] [Z01:01t]"), "+00:00 GMT+00:00 +0 Z Z");
}

#[test]
fn time_has_no_end() {
    for (millis, text) in [
        (8.64e15, "5760-09-13T00:00:00.000Z"),
        (-8.64e15, "-1821-04-20T00:00:00.000Z"),
        (-62_198_755_200_000.0, "-0001-01-01T00:00:00.000Z"),
        (951_782_400_000.0, "2000-02-29T00:00:00.000Z"),
        (-0.5, "1970-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(from_millis(millis, None, None).as_deref(), Ok(text));
    }
    assert_eq!(from_millis(8.64e15, Some("[Y]-[M]-[D]"), None).as_deref(), Ok("275760-9-13"));
    assert_eq!(from_millis(8.64e15 + 2.0, None, None), Err(invalid_time()));
    assert_eq!(from_millis(f64::NAN, None, None), Err(invalid_time()));
}

#[test]
fn offsets_move_the_clock() {
    for (timezone, text) in [
        ("+0530", "2018-03-23T16:03:36.617+05:30"),
        ("-0530", "2018-03-23T05:03:36.617-05:30"),
        ("0100", "2018-03-23T11:33:36.617+01:00"),
    ] {
        assert_eq!(from_millis(THEN, None, Some(timezone)).as_deref(), Ok(text));
    }
    for timezone in ["", "Europe/Berlin", "+", "+99999999"] {
        assert_eq!(from_millis(THEN, None, Some(timezone)), Err(invalid_time()), "{timezone}");
    }
}

#[test]
fn pictures_against_the_rules_are_refused() {
    for (picture, code) in [
        ("[q]", "D3132"),
        ("[]", "D3132"),
        ("[é]", "D3132"),
        ("[Y", "D3135"),
        ("[YN] [M", "D3135"),
        ("[DN]", "D3133"),
        ("[ZN]", "D3133"),
        ("[Z00000]", "D3134"),
        ("[Zi]", "D3134"),
        ("[Y*]", "D3130"),
        ("[Y0٠]", "D3131"),
    ] {
        assert_eq!(from_millis(0.0, Some(picture), None).expect_err(picture).code, code, "{picture}");
        assert_eq!(to_millis("2018", Some(picture), 0).expect_err(picture).code, code, "{picture}");
    }
}

#[test]
fn what_is_written_is_read() {
    for picture in [
        ISO_8601,
        "[Y]-[M]-[D] [H]:[m]:[s].[f001]",
        "[D1o] [MNn] [Yw], [h]:[m]:[s].[f001] [PN]",
        "[Y0001][M01][D01][H01][m01][s01][f001]",
        "[Dwo] of [MN,3-3], [YI] [H] [m] [s] [f001] [z]",
        "[Y0001]-[d001]T[H]:[m]:[s].[f001][Z0]",
        "[Da] [MA] [Y9,999,*] [H]h[m][s][f001]",
    ] {
        for millis in [THEN, 0.0, 1_709_210_096_789.0, 253_402_300_799_999.0] {
            let text = from_millis(millis, Some(picture), None).expect(picture);
            assert_eq!(to_millis(&text, Some(picture), 0), Ok(Some(millis)), "{picture} {text}");
        }
    }
    assert_eq!(to_millis("12:06 am", Some("[h]:[m] [P]"), 86_400_000), Ok(Some(86_760_000.0)));
    assert_eq!(to_millis("Hello", Some("Hello"), 0), Ok(None));
    assert_eq!(to_millis("5", Some("[h]"), 0).expect_err("half a day").code, "D3136");
    assert!(
        to_millis("99999999999999999999", Some("[Y]"), 0).expect("an answer").expect("a number").is_nan()
    );
}

#[test]
fn iso_8601_is_read_as_javascript_does() {
    for (text, millis) in [
        ("2018", 1_514_764_800_000.0),
        ("2018-02", 1_517_443_200_000.0),
        ("2018-02-30", 1_519_948_800_000.0),
        ("2018-02-03T24:00:00Z", 1_517_702_400_000.0),
        ("2018-02-03T10:00:00", 1_517_652_000_000.0),
        ("2018-02-03T10:00:00.1239+0130", 1_517_646_600_123.0),
        ("2018-02-03T10:00:00-01:30", 1_517_657_400_000.0),
    ] {
        assert_eq!(to_millis(text, None, 0), Ok(Some(millis)), "{text}");
    }
    for text in [
        "",
        "18",
        "2018-2",
        "2018-13",
        "2018-02-32",
        "2018-02-03 10:00:00",
        "2018-02-03T10:00",
        "2018-02-03T10:00:00z",
        "2018-02-03T10:00:00+25:00",
        "2018-02-03T24:00:01Z",
        "2018-02-03Té0:00:00",
        "01-02-2018",
        "é",
        "2018-",
    ] {
        assert_eq!(to_millis(text, None, 0).expect_err(text).code, "D3110", "{text}");
    }
}

#[test]
fn long_pictures_are_bounded() {
    let picture = "[Y,*-9999]".repeat(20_000);
    let _ = to_millis(&"1".repeat(100_000), Some(&picture), 0);
    let picture = format!("[Y,{}]", "9".repeat(30));
    let _ = from_millis(0.0, Some(&picture), None).expect("no width");
    let picture = "x".repeat(250_000);
    assert!(from_millis(0.0, Some(&picture), None).is_ok());
    let _ = to_millis(&picture, Some(&picture), 0);
}

#[test]
fn recorded_dates() {
    compare("fromMillis", 100, |call| {
        Some(Answer::of_text(from_millis(call.number(0)?, call.text(1), call.text(2))))
    });
    compare("toMillis", 45, |call| {
        Some(match to_millis(call.text(0)?, call.text(1), 0) {
            Ok(Some(millis)) => Answer::of_number(Ok(millis)),
            Ok(None) => Answer::Undefined,
            Err(raised) => raised.into(),
        })
    });
}

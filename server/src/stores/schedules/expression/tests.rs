use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone of the bundled database")
}

fn millis(time: &str) -> i64 {
    time.parse::<Timestamp>().expect("a time").as_millisecond()
}

/// The next times of an expression, in UTC.
fn next(expression: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let expression = Expression::parse(expression, Dialect::Schedule).expect("an expression");
    let (zone, mut at) = (zone(zone_name), millis(after));
    let begin = at;
    std::iter::from_fn(|| {
        at = expression.next_after(at, &zone, begin)?;
        Some(Timestamp::from_millisecond(at).unwrap().to_string())
    })
    .take(count)
    .collect()
}

#[test]
fn cron_expressions_of_the_user_guide() {
    for (expression, after, wanted) in [
        ("cron(0 10 * * ? *)", "2026-01-31T10:00:00Z", "2026-02-01T10:00:00Z"),
        ("cron(15 12 * * ? *)", "2026-01-31T10:00:00Z", "2026-01-31T12:15:00Z"),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-30T18:00:00Z", "2026-02-02T18:00:00Z"),
        ("cron(0 8 1 * ? *)", "2026-01-01T08:00:00Z", "2026-02-01T08:00:00Z"),
        ("cron(0/15 * * * ? *)", "2026-01-01T08:46:12Z", "2026-01-01T09:00:00Z"),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-01-02T17:55:00Z", "2026-01-05T08:00:00Z"),
        ("cron(0 9 ? * 2#1 *)", "2026-01-05T09:00:00Z", "2026-02-02T09:00:00Z"),
        ("cron(15 10 ? * 6L 2026-2027)", "2026-01-30T10:15:00Z", "2026-02-27T10:15:00Z"),
        ("cron(0 0 L * ? *)", "2027-12-31T12:00:00Z", "2028-01-31T00:00:00Z"),
        ("cron(0 0 L 2 ? *)", "2027-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        // The third of January 2026 is a Saturday, the first of February a Sunday.
        ("cron(0 0 3W * ? *)", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("cron(0 0 1W 2 ? *)", "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"),
        ("cron(0 0 LW 5 ? *)", "2026-01-01T00:00:00Z", "2026-05-29T00:00:00Z"),
        ("cron(0 0 ? * FRI-MON *)", "2026-01-05T00:00:00Z", "2026-01-09T00:00:00Z"),
        ("cron(0 0 ? JAN,jul SUN *)", "2026-02-01T00:00:00Z", "2026-07-05T00:00:00Z"),
        ("cron(0 0 ? * L *)", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
    ] {
        assert_eq!(next(expression, "UTC", after, 1), [wanted], "{expression}");
    }
    assert!(next("cron(0 0 30 2 ? *)", "UTC", "2026-01-01T00:00:00Z", 1).is_empty(), "no such day");
    assert!(next("cron(0 0 1 1 ? 2020)", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
}

#[test]
fn a_time_that_is_skipped_does_not_fire_and_one_that_comes_twice_fires_once() {
    // New York goes from 02:00 to 03:00 on the 8th of March 2026, and back on the 1st of November.
    let zone = "America/New_York";
    let spring = next("cron(30 2 * * ? *)", zone, "2026-03-07T00:00:00Z", 2);
    assert_eq!(spring, ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"]);
    let autumn = next("cron(30 1 * * ? *)", zone, "2026-10-31T12:00:00Z", 2);
    assert_eq!(autumn, ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
    let half_hours = next("cron(0/30 * * * ? *)", zone, "2026-11-01T05:00:00Z", 3);
    assert_eq!(half_hours, ["2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z", "2026-11-01T07:30:00Z"]);
    // A day of a rate has 24 hours.
    let rate = next("rate(1 days)", zone, "2026-03-07T12:00:00Z", 2);
    assert_eq!(rate, ["2026-03-08T12:00:00Z", "2026-03-09T12:00:00Z"]);
}

#[test]
fn at_fires_once_in_its_zone() {
    assert_eq!(
        next("at(2026-07-01T09:00:00)", "Europe/Berlin", "2026-01-01T00:00:00Z", 2),
        ["2026-07-01T07:00:00Z"]
    );
    assert!(Expression::parse("at(2026-07-01T09:00:00)", Dialect::Rule).is_err());
    assert!(Expression::parse("at(2026-07-01T09:00:00)", Dialect::Schedule).unwrap().is_once());
}

#[test]
fn a_rate_fires_at_its_beginning_and_then_at_its_pace() {
    let expression = Expression::parse("rate(5 minutes)", Dialect::Rule).unwrap();
    let utc = zone("UTC");
    assert_eq!(expression.next_after(0, &utc, 1_000), Some(1_000));
    assert_eq!(expression.next_after(1_000, &utc, 1_000), Some(301_000));
    assert_eq!(expression.next_after(1_000_000, &utc, 1_000), Some(1_201_000));
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in [
        "",
        "5 minutes",
        "rate(0 minutes)",
        "rate(-1 minutes)",
        "rate(5)",
        "rate(5 weeks)",
        "rate(999999999 days)",
        "cron(0 10 * * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 10 32 * ? *)",
        "cron(0 10 * 13 ? *)",
        "cron(0 10 ? * 8 *)",
        "cron(0 10 ? * 2#6 *)",
        "cron(0/0 10 * * ? *)",
        "cron(a 10 * * ? *)",
        "cron(0 10 1 * 2 *)",
        "cron(+1 10 * * ? *)",
        "at(-009999-01-01T00:00:00)",
        "at(+002026-01-01T00:00:00)",
        "at(2026-01-01T00:00:60)",
        "at(2026-01-01T00:00:00.0)",
        "at(2026-01-01 00:00:00)",
        "at(20260101T000000)",
        "at(2026-01-01T00:00:00[Europe/Berlin])",
        "at(2026-01-01T00:00:00+01:00)",
        "at(2026-02-30T00:00:00)",
        "at(tomorrow)",
    ] {
        assert!(Expression::parse(text, Dialect::Schedule).is_err(), "{text}");
    }
    for text in ["rate(1 minutes)", "rate(5 minute)"] {
        assert!(Expression::parse(text, Dialect::Rule).is_err(), "{text}");
        assert!(Expression::parse(text, Dialect::Schedule).is_ok(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_fires_next_is_behind_and_nothing_is_between(
        minute in 0_i64..60, hour in 0_i64..24, after in 1_700_000_000_000_i64..1_900_000_000_000,
    ) {
        let text = format!("cron({minute} {hour} * * ? *)");
        let expression = Expression::parse(&text, Dialect::Schedule).unwrap();
        let zone = zone("America/New_York");
        let found = expression.next_after(after, &zone, 0).unwrap();
        prop_assert!(found > after && found - after <= 49 * 3_600_000);
        prop_assert_eq!(expression.next_after(found - 1, &zone, 0), Some(found));
        prop_assert_eq!(expression.next_after(i64::midpoint(after, found), &zone, 0), Some(found));
    }

    #[test]
    fn no_text_makes_reading_panic(text in "(rate|cron|at)\\([0-9*?LW#/,A-Z -]{0,30}\\)") {
        if let Ok(expression) = Expression::parse(&text, Dialect::Schedule) {
            let _ = expression.next_after(1_700_000_000_000, &zone("UTC"), 0);
        }
    }
}

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn matches(pattern: &Value, event: &Value) -> bool {
    Pattern::parse(&pattern.to_string()).expect("a pattern").matches(event)
}

/// Pattern, events that match it, events that do not.
type Case = (Value, Vec<Value>, Vec<Value>);

/// What the user guide shows for each operator, and what follows from it.
fn cases() -> Vec<Case> {
    let x = |value: Value| json!({ "x": value });
    vec![
        (
            json!({ "x": ["a", 3, true, null] }),
            vec![x(json!("a")), x(json!(3)), x(json!(true)), x(json!(null)), x(json!(["z", "a"]))],
            vec![x(json!("b")), x(json!(3.5)), x(json!("3")), x(json!(false)), json!({}), x(json!([]))],
        ),
        (json!({ "x": [300] }), vec![x(json!(300))], vec![x(json!(300.0)), x(json!("300"))]),
        (
            json!({ "x": [{ "prefix": "in/" }] }),
            vec![x(json!("in/a")), x(json!("in/"))],
            vec![x(json!("i")), x(json!(1)), x(json!("In/a"))],
        ),
        (
            json!({ "x": [{ "prefix": { "equals-ignore-case": "Ev" } }] }),
            vec![x(json!("EVent")), x(json!("ev"))],
            vec![x(json!("e"))],
        ),
        (
            json!({ "x": [{ "suffix": ".csv" }] }),
            vec![x(json!("a.csv"))],
            vec![x(json!("a.CSV")), x(json!("csv"))],
        ),
        (
            json!({ "x": [{ "suffix": { "equals-ignore-case": ".CSV" } }] }),
            vec![x(json!("a.cSv"))],
            vec![x(json!("a.txt"))],
        ),
        (
            json!({ "x": [{ "equals-ignore-case": "AlICe" }] }),
            vec![x(json!("alice")), x(json!("ALICE"))],
            vec![x(json!("alicea"))],
        ),
        (
            json!({ "x": [{ "wildcard": "dir/*.p*g" }] }),
            vec![x(json!("dir/a.png")), x(json!("dir/.pg")), x(json!("dir/b/c.pig.png"))],
            vec![x(json!("dir/a.jpe")), x(json!("a.png"))],
        ),
        (json!({ "x": [{ "wildcard": "a\\*b\\\\*" }] }), vec![x(json!("a*b\\c"))], vec![x(json!("axb\\c"))]),
        (json!({ "x": [{ "wildcard": "ab" }] }), vec![x(json!("ab"))], vec![x(json!("aab"))]),
        (
            json!({ "x": [{ "wildcard": "aba*aba" }] }),
            vec![x(json!("abaaba"))],
            vec![x(json!("aba")), x(json!("ababa"))],
        ),
        (
            json!({ "x": [{ "anything-but": "a" }] }),
            vec![x(json!("b")), x(json!(1)), x(json!(["a", "b"]))],
            vec![x(json!("a")), json!({}), x(json!(["a"]))],
        ),
        (
            json!({ "x": [{ "anything-but": [100, 200] }] }),
            vec![x(json!(300)), x(json!("100"))],
            vec![x(json!(100)), x(json!(200))],
        ),
        (
            json!({ "x": [{ "anything-but": { "prefix": "init" } }] }),
            vec![x(json!("done"))],
            vec![x(json!("initial")), x(json!(1)), json!({})],
        ),
        (
            json!({ "x": [{ "anything-but": { "suffix": [".txt", ".rtf"] } }] }),
            vec![x(json!("a.csv"))],
            vec![x(json!("a.txt")), x(json!("a.rtf"))],
        ),
        (
            json!({ "x": [{ "anything-but": { "equals-ignore-case": ["Init", "done"] } }] }),
            vec![x(json!("on"))],
            vec![x(json!("INIT")), x(json!("Done"))],
        ),
        (
            json!({ "x": [{ "anything-but": { "wildcard": "*/lib/*" } }] }),
            vec![x(json!("/bin/a"))],
            vec![x(json!("/usr/lib/a"))],
        ),
        (
            json!({ "x": [{ "anything-but": { "prefix": { "equals-ignore-case": "IN" } } }] }),
            vec![x(json!("out"))],
            vec![x(json!("inner"))],
        ),
        (
            json!({ "x": [{ "numeric": [">", 0, "<=", 5] }] }),
            vec![x(json!(5)), x(json!(0.001))],
            vec![x(json!(0)), x(json!(5.1)), x(json!("3"))],
        ),
        (json!({ "x": [{ "numeric": ["=", 3.018e2] }] }), vec![x(json!(301.8))], vec![x(json!(301.9))]),
        (
            json!({ "x": [{ "numeric": ["<", 10] }, "many"] }),
            vec![x(json!(-3)), x(json!("many"))],
            vec![x(json!(10))],
        ),
        (
            json!({ "x": [{ "cidr": "10.0.0.0/24" }] }),
            vec![x(json!("10.0.0.255"))],
            vec![x(json!("10.0.1.0")), x(json!("x")), x(json!("::1"))],
        ),
        (
            json!({ "x": [{ "cidr": "2001:db8::/32" }] }),
            vec![x(json!("2001:db8:1::1"))],
            vec![x(json!("2001:db9::1"))],
        ),
        (json!({ "x": [{ "cidr": "0.0.0.0/0" }] }), vec![x(json!("1.2.3.4"))], vec![x(json!("::1"))]),
        (
            json!({ "x": [{ "exists": true }] }),
            vec![x(json!(1)), x(json!(null)), x(json!("")), x(json!([0]))],
            vec![json!({}), x(json!({ "y": 1 })), x(json!([]))],
        ),
        (json!({ "x": [{ "exists": false }] }), vec![json!({}), x(json!({ "y": 1 }))], vec![x(json!(1))]),
        (
            json!({ "d": { "x": [{ "exists": false }] } }),
            vec![json!({}), json!({ "d": {} }), json!({ "d": 1 })],
            vec![json!({ "d": { "x": 0 } })],
        ),
        (
            json!({ "x": ["a"], "d": { "y": ["b"] } }),
            vec![json!({ "x": "a", "d": { "y": "b", "z": 0 } })],
            vec![json!({ "x": "a" }), json!({ "x": "a", "d": { "y": "c" } })],
        ),
        (
            json!({ "$or": [{ "x": ["a"] }, { "d": { "y": [{ "numeric": [">", 1] }] } }] }),
            vec![json!({ "x": "a" }), json!({ "d": { "y": 2 } })],
            vec![json!({ "x": "b", "d": { "y": 1 } })],
        ),
        (
            json!({ "s": ["k"], "d": { "$or": [{ "x": [1] }, { "y": [2] }] } }),
            vec![json!({ "s": "k", "d": { "y": 2 } })],
            vec![json!({ "s": "k", "d": {} }), json!({ "d": { "x": 1 } })],
        ),
        // A field of this name, because a list of one is no alternative.
        (json!({ "$or": ["a"] }), vec![json!({ "$or": "a" })], vec![json!({})]),
        // One object of a list has to be all that is wanted.
        (
            json!({ "l": { "a": [1], "b": [2] } }),
            vec![json!({ "l": [{ "a": 0 }, { "a": 1, "b": 2 }] })],
            vec![json!({ "l": [{ "a": 1 }, { "b": 2 }] })],
        ),
    ]
}

#[test]
fn operators_of_the_user_guide() {
    for (pattern, matching, others) in cases() {
        for event in matching {
            assert!(matches(&pattern, &event), "{pattern} is for {event}");
        }
        for event in others {
            assert!(!matches(&pattern, &event), "{pattern} is not for {event}");
        }
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_its_reason() {
    for (text, reason) in [
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        (r#"{"a": {}}"#, "Empty objects are not allowed"),
        (r#"{"a": []}"#, "Empty arrays are not allowed"),
        (r#"{"slug": "x"}"#, "\"slug\" must be an object or an array"),
        (r#"{"a": [[1]]}"#, "Match value must be String, number, true, false, or null"),
        (r#"{"a": [{"like": "x"}]}"#, "Unrecognized match type like"),
        (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a": [{"prefix": 1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a": [{"exists": "yes"}]}"#, "exists match pattern must be either true or false."),
        (
            r#"{"a": [{"anything-but": [1, "x"]}]}"#,
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        (
            r#"{"a": [{"anything-but": [null]}]}"#,
            "Inside anything but list, start|null|boolean is not supported.",
        ),
        (r#"{"a": [{"anything-but": {"numeric": ["=", 1]}}]}"#, "Unsupported anything-but pattern: numeric"),
        (r#"{"a": [{"numeric": [">", 5, "<", 3]}]}"#, "Bottom must be less than top"),
        (r#"{"a": [{"numeric": ["~", 5]}]}"#, "Unrecognized numeric range operator: ~"),
        (r#"{"a": [{"numeric": [">", "5"]}]}"#, "Value of > must be numeric"),
        (r#"{"a": [{"cidr": "10.0.0.0/33"}]}"#, "Malformed CIDR, mask bits exceed the length of the address"),
        (r#"{"a": [{"wildcard": "a**b"}]}"#, "Consecutive wildcard characters at pos 1"),
        (r#"{"a": [{"wildcard": "a\\b"}]}"#, "Invalid escape character at pos 1"),
    ] {
        let refused = Pattern::parse(text).expect_err(text);
        assert_eq!(refused.reason, reason, "{text}");
        assert_eq!(refused.to_string(), format!("Event pattern is not valid. Reason: {reason}"));
    }
}

#[test]
fn nothing_hostile_takes_long() {
    let stars = "*a".repeat(1_000);
    let pattern = json!({ "x": [{ "wildcard": format!("{stars}b") }] });
    assert!(!matches(&pattern, &json!({ "x": "a".repeat(200_000) })));
    let deep = format!("{}[1]{}", "{\"a\":".repeat(600), "}".repeat(600));
    assert!(Pattern::parse(&deep).is_err(), "deeper than JSON is read");
    let long = format!(r#"{{"a": ["{}"]}}"#, "x".repeat(5_000));
    assert!(Pattern::parse(&long).is_err());
}

/// Whether a text is of a form with wildcards, found out by trying everything.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skipped| naive(rest, &text[skipped..])),
        Some((first, rest)) => text.first() == Some(first) && naive(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn wildcards_are_what_trying_everything_finds(pattern in "[ab]{0,3}(\\*[ab]{1,3}){0,3}\\*?", text in "[ab]{0,10}") {
        let characters: (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        let wanted = naive(&characters.0, &characters.1);
        prop_assert_eq!(matches(&json!({ "x": [{ "wildcard": pattern }] }), &json!({ "x": text })), wanted);
    }

    #[test]
    fn a_value_is_itself_or_anything_but_itself(value in "[a-z]{0,4}", other in "[a-z]{0,4}") {
        let event = json!({ "x": other });
        let is = matches(&json!({ "x": [value] }), &event);
        prop_assert_eq!(is, value == other);
        prop_assert_eq!(matches(&json!({ "x": [{ "anything-but": value }] }), &event), !is);
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[\\[\\]{}\":,a-z0-9*\\\\ ]{0,60}") {
        let _ = Pattern::parse(&text);
    }
}

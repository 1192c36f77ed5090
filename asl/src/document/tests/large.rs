//! Large and hostile definitions: an answer within a second, whatever they look like.

use std::fmt::Write as _;
use std::time::Instant;

use crate::document::{StateMachine, validate};
use crate::limits::DEFINITION_BYTES_MAX;

/// Milliseconds, and how many findings. A debug build on a busy machine is
/// several times slower than what is promised: the bound is generous.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "the test measures how long it takes")]
fn timed(what: &str, text: &str) -> usize {
    assert!(text.len() <= DEFINITION_BYTES_MAX, "{what}: {} bytes", text.len());
    let start = Instant::now();
    let findings = validate(text).len();
    let millis = start.elapsed().as_millis();
    assert!(millis < 5_000, "{what}: {millis} ms for {} bytes", text.len());
    findings
}

fn machine(states: &str) -> String {
    format!(r#"{{"StartAt":"S0","States":{{{}}}}}"#, states.trim_end_matches(','))
}

#[test]
fn ten_thousand_states_are_checked_at_once() {
    let count = 10_000;
    let mut states = String::new();
    for index in 0..count {
        let next = if index + 1 == count {
            r#""End":true"#.to_owned()
        } else {
            format!(r#""Next":"S{}""#, index + 1)
        };
        let _ = write!(
            states,
            r#""S{index}":{{"Type":"Pass","Assign":{{"v{index}":1}},"InputPath":"$v{index}",{next}}},"#
        );
    }
    let text = machine(&states);
    // Every state reads a variable that only it assigns, and that therefore is not there yet.
    assert_eq!(timed("a chain", &text), count);
    assert_eq!(StateMachine::parse(&text).expect("only warnings").states.len(), count);
}

#[test]
fn loops_and_crossings_cost_no_more() {
    let count = 4_000;
    let mut states = String::new();
    for index in 0..count {
        // Back by one, forth by one: everything reaches everything, in the worst order.
        let (back, forth) = (index.max(1) - 1, (index + 1) % count);
        let _ = write!(
            states,
            r#""S{index}":{{"Type":"Choice","Choices":[{{"Variable":"$v{forth}","IsNull":true,"Assign":{{"v{index}":1}},"Next":"S{back}"}}],"Default":"S{forth}"}},"#
        );
    }
    assert_eq!(timed("loops", &machine(&states)), 1, "only the end is missing");
}

#[test]
fn many_variables_in_many_scopes() {
    let count = 5_000;
    let mut assign = String::new();
    for index in 0..count {
        let _ = write!(assign, r#""v{index}":1,"#);
    }
    let mut states =
        format!(r#""S0":{{"Type":"Pass","Assign":{{{}}},"Next":"M0"}},"#, assign.trim_end_matches(','));
    for index in 0..count {
        let next = if index + 1 == count {
            r#""End":true"#.to_owned()
        } else {
            format!(r#""Next":"M{}""#, index + 1)
        };
        let _ = write!(
            states,
            r#""M{index}":{{"Type":"Map","Iterator":{{"StartAt":"P{index}","States":{{"P{index}":{{"Type":"Pass","InputPath":"$v{index}","End":true}}}}}},{next}}},"#
        );
    }
    assert_eq!(timed("scopes", &machine(&states)), 0);
}

#[test]
fn a_mebibyte_of_anything_is_answered() {
    let fill = |part: &str| part.repeat((DEFINITION_BYTES_MAX - 200) / part.len());
    let pass = |field: &str, value: &str| {
        machine(&format!(r#""S0":{{"Type":"Pass","{field}":{value},"End":true}}"#))
    };
    timed("numbers", &pass("Result", &format!("[{}0]", fill("1,"))));
    timed("a text", &pass("Result", &format!("\"{}\"", fill("x"))));
    timed("escapes", &pass("Result", &format!("\"{}\"", fill("\\u00e9"))));
    timed("empty objects", &pass("Parameters", &format!("{{\"a\":[{}{{}}]}}", fill("{},"))));
    timed("blanks", &fill(" "));
    timed("brackets", &fill("["));
    timed("quotes", &fill("\""));
    timed("paths", &pass("Parameters", &format!("{{\"a\":[{}1]}}", fill(r#"{"b.$":"$.x"},"#))));
    timed("bad paths", &pass("Parameters", &format!("{{\"a\":[{}1]}}", fill(r#"{"b.$":"x"},"#))));
    timed(
        "unknown fields",
        &machine(&format!(
            "{}\"S0\":1",
            (0..20_000).fold(String::new(), |mut all, index| {
                let _ = write!(all, r#""T{index}":{{"Typo":1}},"#);
                all
            })
        )),
    );
}

#[test]
fn depth_is_bounded_everywhere() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for levels in [200, 250, 1_000, 100_000] {
            let value = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let text = machine(&format!(r#""S0":{{"Type":"Pass","Parameters":{{"p":{value}}},"End":true}}"#));
            let findings = timed("depth", &text);
            assert_eq!(findings, usize::from(levels > 250), "{levels}");
        }
    }
    let rule =
        format!("{}{}{}", r#"{"Not":"#.repeat(100), r#"{"Variable":"$.x","IsNull":true}"#, "}".repeat(100));
    let choice = format!(
        r#""S0":{{"Type":"Choice","Choices":[{{"Next":"E","Not":{rule}}}]}},"E":{{"Type":"Succeed"}}"#
    );
    assert_eq!(timed("conditions", &machine(&choice)), 0);
}

//! Definitions of up to 1 MiB.

use asl::limits::DEFINITION_BYTES_MAX;

use super::super::{Choices, Target, definition};
use super::expression::{expression, query};
use super::{SHARE, quoted, until};

/// Definitions with thousands of states, fields, rules or faults.
pub(super) struct Definitions;

impl Target for Definitions {
    fn name(&self) -> &'static str {
        "heavy-definitions"
    }

    fn share(&self) -> u64 {
        SHARE
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn input(&self, choices: &mut Choices) -> String {
        let size = [100_000, 400_000, DEFINITION_BYTES_MAX - 8_192][choices.below(3)];
        match choices.below(9) {
            0 => of_output("JSONata", &members(size, || quoted(&format!("{{% {} %}}", pattern(choices))))),
            1 => {
                let size = size.min(250_000);
                let patterns = until(size, |_| pattern(choices).to_owned()).join(",");
                of_output("JSONata", &format!("{{\"a\":{}}}", quoted(&format!("{{% [{patterns}] %}}"))))
            }
            2 => of_output("JSONata", &members(size, || quoted(&format!("{{% {} %}}", expression(choices))))),
            3 => of_parameters(&until(size, |index| format!("\"f{index}.$\":{}", quoted(&query(choices))))),
            4 => of_parameters(&until(size, |index| {
                let pattern = choices.pick(&[r"\p{L}{90}", r"(?iu)[\x{0}-\x{ffff}]", r"(a|b)++\Z", "x{999}"]);
                format!("\"f{index}.$\":{}", quoted(&format!("$.a[?(@.b =~ /{pattern}/)]")))
            })),
            5 => chain(size, r#""Type":"Pass""#),
            6 => chain(
                size,
                choices.pick(&[r#""Type":"Pause""#, r#""Type":"Task""#, r#""Typo":1,"Type":"Wait""#]),
            ),
            7 => {
                let rule = choices.pick(&[
                    r#"{"Variable":"$.a","IsPresent":true,"Next":"Gone"}"#,
                    r#"{"Variable":"$.a[","NumericEquals":"x","Next":"A"}"#,
                    r#"{"And":[{"Variable":"$.a","IsNull":true}],"Next":"A"}"#,
                ]);
                let rules = until(size, |_| rule.to_owned()).join(",");
                format!(r#"{{"StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":[{rules}]}}}}}}"#)
            }
            _ => {
                let assigned =
                    until(size, |index| format!("\"v{index}\":\"{{% $v{} %}}\"", index + 1)).join(",");
                format!(
                    "{{\"QueryLanguage\":\"JSONata\",\"StartAt\":\"A\",\"States\":{{\"A\":{{\"Type\":\"Pass\",\
                     \"End\":true,\"Assign\":{{{assigned}}}}}}}}}"
                )
            }
        }
    }

    fn check(&self, input: &str) -> Result<(), String> {
        definition::check(input)
    }
}

/// Regular expressions that are short to write.
fn pattern(choices: &mut Choices) -> &'static str {
    choices.pick(&[
        r"/\w{90}/",
        r"/a{9999}/",
        r"/(?:(a)|(b)){50}/i",
        r"/[\u0000-\uffff]+/i",
        r"/(?=(a+))\1/",
        r"/x/",
        r"/(?:a{20}){20}/",
    ])
}

fn members(size: usize, mut value: impl FnMut() -> String) -> String {
    let mut members = until(size, |index| format!("\"f{index}\":{}", value()));
    members.pop();
    format!("{{{}}}", members.join(","))
}

fn of_output(language: &str, output: &str) -> String {
    format!(
        "{{\"QueryLanguage\":\"{language}\",\"StartAt\":\"A\",\"States\":{{\"A\":{{\"Type\":\"Pass\",\"End\":true,\
         \"Output\":{output}}}}}}}"
    )
}

fn of_parameters(members: &[String]) -> String {
    format!(
        "{{\"StartAt\":\"A\",\"States\":{{\"A\":{{\"Type\":\"Pass\",\"End\":true,\"Parameters\":{{{}}}}}}}}}",
        members.join(",")
    )
}

/// States one after the other.
fn chain(size: usize, fields: &str) -> String {
    let states = until(size, |index| format!("\"S{index}\":{{{fields},\"Next\":\"S{}\"}}", index + 1));
    let last = states.len();
    format!("{{\"StartAt\":\"S0\",\"States\":{{{},\"S{last}\":{{\"Type\":\"Succeed\"}}}}}}", states.join(","))
}

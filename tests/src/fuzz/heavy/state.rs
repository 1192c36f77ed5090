//! Whole states over large documents, as `TestState` runs them.

use asl::limits::DEFINITION_BYTES_MAX;
use engine::test_state::{Alone, TestStateInput, test_state};

use super::super::{Choices, Target};
use super::document::document;
use super::expression::{expression, query, request};
use super::{SHARE, quoted, until};

/// What is left of a definition for the fields of a template.
const FIELDS_BYTES_MAX: usize = DEFINITION_BYTES_MAX - 4_096;

/// Templates with thousands of fields.
pub(super) struct Templates;

/// States of all kinds that move data.
pub(super) struct States;

impl Target for Templates {
    fn name(&self) -> &'static str {
        "heavy-templates"
    }

    fn share(&self) -> u64 {
        SHARE
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn input(&self, choices: &mut Choices) -> String {
        let size = [1_000, 30_000, 250_000, FIELDS_BYTES_MAX][choices.below(4)];
        let is_jsonata = choices.once_in(2);
        // The same field over and over, or each another one.
        let field = value(choices, is_jsonata);
        let varies = choices.once_in(3);
        let mut members = until(size, |index| {
            let field = if varies { value(choices, is_jsonata) } else { field.clone() };
            let dollar = if is_jsonata { "" } else { ".$" };
            format!("\"f{index}{dollar}\":{field}")
        });
        // The last one may be too long.
        members.pop();
        let nested = choices.once_in(4);
        let template = members.join(",");
        let template = if nested { format!("{{\"a\":[{{{template}}}]}}") } else { format!("{{{template}}}") };
        let (language, field) = match (is_jsonata, choices.below(4)) {
            (true, 0) => ("JSONata", "Assign"),
            (true, _) => ("JSONata", "Output"),
            (false, 0) => ("JSONPath", "Assign"),
            (false, _) => ("JSONPath", "Parameters"),
        };
        let definition = format!(
            "{{\"Type\":\"Pass\",\"QueryLanguage\":\"{language}\",\"{field}\":{template},\"End\":true}}"
        );
        request(&definition, &document(choices), None)
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}

/// The value of a field of a template.
fn value(choices: &mut Choices, is_jsonata: bool) -> String {
    if is_jsonata { quoted(&format!("{{% {} %}}", expression(choices))) } else { quoted(&query(choices)) }
}

impl Target for States {
    fn name(&self) -> &'static str {
        "heavy-states"
    }

    fn share(&self) -> u64 {
        SHARE
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn input(&self, choices: &mut Choices) -> String {
        let document = document(choices);
        match choices.below(6) {
            0 => request(&choice_of_expressions(choices), &document, None),
            1 => request(&choice_of_paths(choices), &document, None),
            2 => request(&map_of_expressions(choices), &document, Some("[]")),
            3 => request(&map_of_paths(choices), &document, Some("[]")),
            4 => request(&task(choices), "{}", Some(&document)),
            _ => request(&pass(choices), &document, None),
        }
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}

/// A state answers or is refused, in words.
fn check(input: &str) -> Result<(), String> {
    let request: TestStateInput =
        serde_json::from_str(input).map_err(|error| format!("no request: {error}"))?;
    match test_state(&request, &Alone::default()) {
        Err(error) if error.message.is_empty() => Err("a refusal without words".to_owned()),
        Ok(answer) if answer.output.is_none() && answer.error.is_none() => {
            Err("neither an output nor an error".to_owned())
        }
        _ => Ok(()),
    }
}

fn choice_of_expressions(choices: &mut Choices) -> String {
    let expression = expression(choices);
    let rules = until([100, 10_000, 500_000][choices.below(3)], |index| {
        let condition = quoted(&format!("{{% $count({expression}) = -{index} %}}"));
        format!("{{\"Condition\":{condition},\"Next\":\"A\"}}")
    });
    format!(
        "{{\"Type\":\"Choice\",\"QueryLanguage\":\"JSONata\",\"Choices\":[{}],\"Default\":\"B\"}}",
        rules.join(",")
    )
}

fn choice_of_paths(choices: &mut Choices) -> String {
    let place =
        choices.pick(&["$.text", "$.rows[*].id", "$.letters", "$..v", "$.rows[?(@.id in $.numbers)]"]);
    let relation = choices.pick(&[
        "\"StringMatches\":\"*a*a*a*z*\"",
        "\"StringEqualsPath\":\"$.letters\"",
        "\"StringLessThan\":\"b\"",
        "\"NumericGreaterThan\":1e300",
        "\"IsTimestamp\":true",
    ]);
    let rules = until([100, 10_000, 500_000][choices.below(3)], |_| {
        format!("{{\"Variable\":{},{relation},\"Next\":\"A\"}}", quoted(place))
    });
    format!("{{\"Type\":\"Choice\",\"Choices\":[{}],\"Default\":\"B\"}}", rules.join(","))
}

const PROCESSOR: &str =
    r#""ItemProcessor":{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}},"End":true"#;

fn map_of_expressions(choices: &mut Choices) -> String {
    let items = choices.pick(&["rows", "numbers", "words", "matrix", "wide"]);
    let selector = quoted(&format!("{{% {} %}}", expression(choices)));
    format!(
        "{{\"Type\":\"Map\",\"QueryLanguage\":\"JSONata\",\"Items\":\"{{% $states.input.{items} %}}\",\
         \"ItemSelector\":{{\"a\":{selector},\"b\":\"{{% $states.context.Map.Item.Value %}}\"}},{PROCESSOR}}}"
    )
}

fn map_of_paths(choices: &mut Choices) -> String {
    let items = choices.pick(&["$.rows", "$.numbers", "$.words", "$.matrix", "$..id"]);
    let selector = quoted(&query(choices));
    format!(
        "{{\"Type\":\"Map\",\"ItemsPath\":{},\"ItemSelector\":{{\"a.$\":{selector},\
         \"b.$\":\"$$.Map.Item.Value\"}},{PROCESSOR}}}",
        quoted(items)
    )
}

fn task(choices: &mut Choices) -> String {
    let resource = "\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::lambda:invoke\",\"End\":true";
    if choices.once_in(2) {
        let output = expression(choices).replace("$states.input", "$states.result");
        let output = quoted(&format!("{{% {output} %}}"));
        return format!(
            "{{{resource},\"QueryLanguage\":\"JSONata\",\"Arguments\":{{\"FunctionName\":\"f\"}},\"Output\":{output}}}"
        );
    }
    let selector = quoted(&query(choices));
    format!(
        "{{{resource},\"Parameters\":{{\"FunctionName\":\"f\"}},\"ResultSelector\":{{\"a.$\":{selector}}},\
         \"ResultPath\":\"$.result\"}}"
    )
}

fn pass(choices: &mut Choices) -> String {
    let path = choices.pick(&["$.rows", "$.deep", "$..v", "$.rows[?(@.name =~ /.*1/)]", "$.text"]);
    let selector = quoted(&query(choices));
    format!(
        "{{\"Type\":\"Pass\",\"InputPath\":{},\"Parameters\":{{\"a.$\":{selector},\"b.$\":\"$\"}},\
         \"ResultPath\":\"$.rows[0].x\",\"OutputPath\":\"$\",\"End\":true}}",
        quoted(path)
    )
}

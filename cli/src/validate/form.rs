//! What a file is that holds no definition: recognised, so that nobody has to guess from a hundred
//! findings that it was the wrong file.

use serde_json::Value;

use crate::problem::Problem;

/// What a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A whole state machine.
    Machine,
    /// A state machine or a single state.
    MachineOrState,
}

/// The types of states.
const TYPES: [&str; 8] = ["Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"];

/// Refuses what is known to be something else, with the way to the definition in it.
pub(crate) fn check(name: &str, text: &str, wanted: Wanted) -> Result<(), Problem> {
    let Some((message, hint)) = other_form(name, text, wanted) else { return Ok(()) };
    Err(Problem::NotADefinition { message: format!("{name} {message}"), hint })
}

fn other_form(name: &str, text: &str, wanted: Wanted) -> Option<(String, String)> {
    let file = if name == "stdin" { "FILE" } else { name };
    let said = |message: &str, hint: String| Some((message.to_owned(), hint));
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        Err(_) if is_yaml(name, text) => {
            let hint = format!("definitions are JSON here: yq -o json . {file} | stepwright validate -");
            return said("is written in YAML", hint);
        }
        Err(_) => return None,
    };
    if value.is_string() {
        let hint = format!("take it out of the quotes: jq -r . {file} | stepwright validate -");
        return said("holds the definition as a JSON text", hint);
    }
    if ["States", "StartAt"].iter().any(|key| value.get(key).is_some()) {
        return None;
    }
    let mut keys = ["definition", "Definition", "DefinitionString"].into_iter();
    if let Some(key) = keys.find(|key| value.get(*key).is_some_and(Value::is_string)) {
        let hint = format!("take it out: jq -r .{key} {file} | stepwright validate -");
        return said(
            "is not a definition but holds one, as `aws stepfunctions describe-state-machine` prints it",
            hint,
        );
    }
    let resources = value.get("Resources").and_then(Value::as_object);
    if resources.is_some_and(|resources| resources.values().any(|resource| resource.get("Type").is_some())) {
        let hint = format!(
            "validate what is in it: jq '.Resources[].Properties.Definition // empty' {file} | stepwright validate -"
        );
        return said("is a CloudFormation template", hint);
    }
    let state_type = value.get("Type").and_then(Value::as_str);
    if wanted == Wanted::Machine && state_type.is_some_and(|given| TYPES.contains(&given)) {
        let hint = format!("a state on its own is run with: stepwright test-state {file}");
        return said("holds a single state, not a state machine", hint);
    }
    None
}

/// Whether the text begins as YAML does.
fn is_yaml(name: &str, text: &str) -> bool {
    let path = std::path::Path::new(name);
    let is_named_so = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let Some(first) = lines.find(|line| !line.starts_with('#')) else { return false };
    let key = first.split_once(':').map(|(key, rest)| (key, rest.is_empty() || rest.starts_with(' ')));
    let is_key = key.is_some_and(|(key, ends)| {
        ends && !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    });
    first == "---" || is_key || is_named_so && !first.starts_with(['{', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_forms_are_recognised_with_the_way_out() {
        let machine = r#"{\"StartAt\": \"A\", \"States\": {}}"#;
        for (name, text, message, hint) in [
            (
                "d.json",
                format!(r#"{{"stateMachineArn": "arn", "definition": "{machine}"}}"#),
                "describe-state-machine",
                "jq -r .definition d.json | stepwright validate -",
            ),
            ("d.json", format!("\"{machine}\""), "as a JSON text", "jq -r . d.json"),
            (
                "d.yaml",
                "StartAt: A\nStates:\n  A:\n    Type: Pass\n".to_owned(),
                "in YAML",
                "yq -o json . d.yaml",
            ),
            ("stdin", "# a comment\n---\nStartAt: A\n".to_owned(), "in YAML", "yq -o json . FILE"),
            (
                "t.json",
                r#"{"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine"}}}"#.to_owned(),
                "CloudFormation",
                ".Properties.Definition",
            ),
            ("s.json", r#"{"Type": "Pass", "End": true}"#.to_owned(), "a single state", "test-state s.json"),
        ] {
            let (said, way) = other_form(name, &text, Wanted::Machine).unwrap_or_else(|| panic!("{text}"));
            assert!(said.contains(message) && way.contains(hint), "{said} | {way}");
        }
    }

    #[test]
    fn definitions_and_broken_json_are_left_to_the_check() {
        for text in [
            r#"{"StartAt": "A", "States": {}}"#,
            r#"{"States": {"Type": {}}}"#,
            "{\"StartAt\": ",
            "",
            "{}",
            "[1]",
            "{'StartAt': 'A'}",
            "// a comment\n{}",
        ] {
            assert!(other_form("d.json", text, Wanted::Machine).is_none(), "{text}");
        }
        let state = r#"{"Type": "Pass", "End": true}"#;
        assert!(other_form("s.json", state, Wanted::MachineOrState).is_none());
    }
}

//! Templates of inputs: texts with `<variables>`, of targets and of pipes.
//!
//! Source: `EventBridge` user guide, "Input transformation". Within quotation marks a variable
//! becomes part of that text; elsewhere it becomes a JSON value. What an event does not have
//! is an empty text.

use serde_json::Value;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable { name: String, is_in_text: bool },
}

impl Template {
    /// Reads a template. `<…>` that is no variable stands for itself.
    pub(crate) fn parse(text: &str, is_variable: impl Fn(&str) -> bool) -> Self {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let (mut is_in_text, mut is_escaped) = (false, false);
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let behind = rest.get(character.len_utf8()..).unwrap_or_default();
            if character == '<'
                && let Some((name, after)) = behind.split_once('>')
                && is_variable(name)
            {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.push(Part::Variable { name: name.to_owned(), is_in_text });
                rest = after;
                continue;
            }
            match character {
                '"' if !is_escaped => is_in_text = !is_in_text,
                _ => {}
            }
            is_escaped = character == '\\' && !is_escaped;
            literal.push(character);
            rest = behind;
        }
        parts.push(Part::Literal(literal));
        Self(parts)
    }

    /// The text with the values of its variables.
    pub(crate) fn fill(&self, value: impl Fn(&str) -> Option<Value>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable { name, is_in_text } => {
                    let value = value(name).unwrap_or_else(|| Value::String(String::new()));
                    match (is_in_text, value) {
                        (false, value) => text.push_str(&value.to_string()),
                        (true, Value::String(value)) => text.push_str(&within_text(&value)),
                        (true, value) => text.push_str(&within_text(&value.to_string())),
                    }
                }
            }
        }
        text
    }
}

/// As it stands between quotation marks.
fn within_text(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> String {
        let values = json!({ "instance": "i-0", "state": "RUN\"NING", "list": [1, { "a": 2 }], "count": 3 });
        let names = ["instance", "state", "list", "count", "missing"];
        Template::parse(template, |name| names.contains(&name)).fill(|name| values.get(name).cloned())
    }

    #[test]
    fn variables_are_values_or_parts_of_texts() {
        for (template, wanted) in [
            (r#""<instance> is in state <state>""#, r#""i-0 is in state RUN\"NING""#),
            (r#"{"i": <instance>, "n": <count>, "l": <list>}"#, r#"{"i": "i-0", "n": 3, "l": [1,{"a":2}]}"#),
            (r#"{"t": "a \"<instance>\" b", "n": <count>}"#, r#"{"t": "a \"i-0\" b", "n": 3}"#),
            (r#"{"t": "<list>"}"#, r#"{"t": "[1,{\"a\":2}]"}"#),
            (r#"{"m": <missing>, "t": "<missing>"}"#, r#"{"m": "", "t": ""}"#),
            (r#"{"x": "a < b > c <other>"}"#, r#"{"x": "a < b > c <other>"}"#),
        ] {
            assert_eq!(filled(template), wanted, "{template}");
            serde_json::from_str::<Value>(&filled(template)).expect("JSON");
        }
    }
}

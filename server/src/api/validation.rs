//! Checks what a request holds against the facts of the service model, and says
//! what is wrong in the words of AWS's framework: one message for all findings.

use serde_json::{Map, Value};

use super::error::ApiError;
use super::shapes::{Member, Number, Shape, Text};

/// Characters of a wrong list that a message repeats.
const ECHO_CHARS_MAX: usize = 1024;

/// Checks the parameters of an operation. Members that the model does not have are ignored.
pub(super) fn check(members: &[Member], parameters: &Map<String, Value>) -> Result<(), ApiError> {
    types(members, parameters)?;
    let mut findings = Vec::new();
    structure(members, parameters, "", &mut findings);
    match findings.len() {
        0 => Ok(()),
        count => {
            let plural = if count == 1 { "" } else { "s" };
            Err(ApiError::validation(format!(
                "{count} validation error{plural} detected: {}",
                findings.join("; ")
            )))
        }
    }
}

/// A value that is there; `null` is as good as absent.
pub(super) fn present<'a>(parameters: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    parameters.get(name).filter(|value| !value.is_null())
}

/// Types come first: what cannot be read at all is no finding but a refusal.
fn types(members: &[Member], parameters: &Map<String, Value>) -> Result<(), ApiError> {
    members.iter().try_for_each(|member| match present(parameters, member.name) {
        Some(value) => type_of(member.shape, value),
        None => Ok(()),
    })
}

fn type_of(shape: &Shape, value: &Value) -> Result<(), ApiError> {
    match (shape, value) {
        (Shape::Number(Number { fraction: false, .. }), Value::Number(number))
            if number.as_f64().is_some_and(|number| number.fract() != 0.0) =>
        {
            Err(unreadable("NUMBER_VALUE", "an Integer"))
        }
        (Shape::Text(_), Value::String(_))
        | (Shape::Flag, Value::Bool(_))
        | (Shape::Number(_), Value::Number(_)) => Ok(()),
        (Shape::Structure(members), Value::Object(parameters)) => types(members, parameters),
        (Shape::List { member, .. }, Value::Array(items)) => {
            items.iter().filter(|item| !item.is_null()).try_for_each(|item| type_of(member, item))
        }
        (_, Value::Array(_)) => Err(serialization("Start of list found where not expected")),
        (_, Value::Object(_)) => Err(serialization("Start of structure or map found where not expected.")),
        (shape, value) => Err(unreadable(kind(value), wanted(shape))),
    }
}

fn unreadable(found: &str, wanted: &str) -> ApiError {
    serialization(&format!("{found} can not be converted to {wanted}"))
}

fn serialization(message: &str) -> ApiError {
    ApiError::new("SerializationException", message)
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        _ => "STRING_VALUE",
    }
}

const fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text(_) => "a String",
        Shape::Number(Number { fraction: true, .. }) => "a Float",
        Shape::Number(_) => "an Integer",
        Shape::Flag => "a Boolean",
        Shape::Structure(_) => "a Structure",
        Shape::List { .. } => "a List",
    }
}

fn structure(members: &[Member], parameters: &Map<String, Value>, path: &str, findings: &mut Vec<String>) {
    for member in members {
        let path = if path.is_empty() { member.name.to_owned() } else { format!("{path}.{}", member.name) };
        match present(parameters, member.name) {
            Some(value) => constraints(member.shape, value, &path, findings),
            None if member.required => {
                findings.push(finding(" null", &path, "Member must not be null"));
            }
            None => {}
        }
    }
}

fn constraints(shape: &Shape, value: &Value, path: &str, findings: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Text(shape), Value::String(value)) => text(shape, value, path, findings),
        (Shape::Number(shape), Value::Number(value)) => {
            let echo = format!(" '{value}'");
            let value = value.as_f64().unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "bounds that matter are far below 2^52")]
            let (below, above) = (value < shape.min as f64, value > shape.max as f64);
            if below {
                let constraint = format!("Member must have value greater than or equal to {}", shape.min);
                findings.push(finding(&echo, path, &constraint));
            }
            if above {
                let constraint = format!("Member must have value less than or equal to {}", shape.max);
                findings.push(finding(&echo, path, &constraint));
            }
        }
        (Shape::Structure(members), Value::Object(parameters)) => {
            structure(members, parameters, path, findings);
        }
        (Shape::List { member, min, max }, Value::Array(items)) => {
            length(items.len(), (*min, *max), &echo(value), path, findings);
            for (index, item) in (1..).zip(items) {
                constraints(member, item, &format!("{path}.{index}.member"), findings);
            }
        }
        _ => {}
    }
}

fn text(shape: &Text, value: &str, path: &str, findings: &mut Vec<String>) {
    let echo = if shape.sensitive { String::new() } else { format!(" '{value}'") };
    length(value.chars().count(), (shape.min, shape.max), &echo, path, findings);
    if let Some(pattern) = shape.pattern.filter(|pattern| !(pattern.holds)(value)) {
        let constraint = format!("Member must satisfy regular expression pattern: {}", pattern.text);
        findings.push(finding(&echo, path, &constraint));
    }
    if !shape.values.is_empty() && !shape.values.contains(&value) {
        let constraint = format!("Member must satisfy enum value set: [{}]", shape.values.join(", "));
        findings.push(finding(&echo, path, &constraint));
    }
}

fn length(length: usize, (min, max): (usize, usize), echo: &str, path: &str, findings: &mut Vec<String>) {
    if length < min {
        let constraint = format!("Member must have length greater than or equal to {min}");
        findings.push(finding(echo, path, &constraint));
    }
    if length > max {
        let constraint = format!("Member must have length less than or equal to {max}");
        findings.push(finding(echo, path, &constraint));
    }
}

fn echo(value: &Value) -> String {
    let text: String = value.to_string().chars().take(ECHO_CHARS_MAX).collect();
    format!(" '{text}'")
}

fn finding(echo: &str, path: &str, constraint: &str) -> String {
    format!("Value{echo} at '{path}' failed to satisfy constraint: {constraint}")
}

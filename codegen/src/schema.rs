//! JSON schemas of what travels, and the contract they make.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use stepwright::ir::{StepInfo, TypeInfo};

/// Keywords that describe without constraining: they are no part of a contract.
const ANNOTATIONS: [&str; 5] = ["$schema", "title", "description", "examples", "$comment"];

/// Which side of a step a type is on: serde may accept more than it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is accepted.
    Input,
    /// What is written.
    Output,
}

/// The schema of a type as one document (draft 2020-12), its `$defs` sorted by name.
pub(crate) fn document(info: &TypeInfo, side: Side) -> Value {
    let settings = match side {
        Side::Input => SchemaSettings::draft2020_12().for_deserialize(),
        Side::Output => SchemaSettings::draft2020_12().for_serialize(),
    };
    let mut generator = settings.into_generator();
    let root = (info.schema)(&mut generator).to_value();
    let mut definitions: Map<String, Value> = generator.take_definitions(true);
    definitions.sort_keys();

    let mut document = Map::new();
    document.insert("$schema".to_owned(), Value::from("https://json-schema.org/draft/2020-12/schema"));
    let root = inline_root(root, &mut definitions);
    match root {
        Value::Object(fields) => document.extend(fields),
        // `true`: anything goes; `false`: nothing does.
        Value::Bool(false) => drop(document.insert("not".to_owned(), Value::Object(Map::new()))),
        _ => {}
    }
    if !definitions.is_empty() {
        document.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Value::Object(document)
}

/// A root that only points at a definition takes that definition's place, unless the type is recursive.
fn inline_root(root: Value, definitions: &mut Map<String, Value>) -> Value {
    let Some(name) = root
        .as_object()
        .filter(|fields| fields.len() == 1)
        .and_then(|fields| fields.get("$ref"))
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix("#/$defs/"))
        .map(str::to_owned)
    else {
        return root;
    };
    let reference = format!("#/$defs/{name}");
    if definitions.values().any(|definition| mentions(definition, &reference)) {
        return root;
    }
    definitions.shift_remove(&name).unwrap_or(root)
}

fn mentions(schema: &Value, reference: &str) -> bool {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| (name == "$ref" && value == reference) || mentions(value, reference)),
        Value::Array(elements) => elements.iter().any(|element| mentions(element, reference)),
        _ => false,
    }
}

/// The contract of a step: equal for two builds that can stand in for each other.
///
/// `c-` and twelve hexadecimal digits of a SHA-256 over the input schema, the
/// output schema, the names of the errors and whether it waits for an answer. Descriptions, titles, the order of
/// members and the order of error variants do not count.
pub fn contract(step: &StepInfo) -> String {
    contract_of(&document(&step.input, Side::Input), &document(&step.output, Side::Output), step)
}

pub(crate) fn contract_of(input: &Value, output: &Value, step: &StepInfo) -> String {
    let mut errors: Vec<&str> = step.errors.iter().map(|error| error.name).collect();
    errors.sort_unstable();
    let mut parts = vec![canonical(input), canonical(output), Value::from(errors)];
    // A step that waits is called in another way.
    parts.extend(step.waits.then(|| Value::from("waits")));
    let digest = Sha256::digest(Value::Array(parts).to_string().as_bytes());
    format!("c-{}", hexadecimal(&digest, 6))
}

/// The first `bytes` bytes of a digest as hexadecimal digits.
pub(crate) fn hexadecimal(digest: &[u8], bytes: usize) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16));
    digest.iter().take(bytes).flat_map(digits).flatten().collect()
}

fn canonical(schema: &Value) -> Value {
    canonical_at(schema, false)
}

/// `names_are_data`: the keys are property or definition names, not keywords.
fn canonical_at(schema: &Value, names_are_data: bool) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut kept: Vec<(&String, &Value)> = fields
                .iter()
                .filter(|(name, _)| names_are_data || !ANNOTATIONS.contains(&name.as_str()))
                .collect();
            kept.sort_by_key(|(name, _)| *name);
            let kept = kept.into_iter().map(|(name, value)| {
                let is_map =
                    !names_are_data && matches!(name.as_str(), "properties" | "$defs" | "patternProperties");
                let value = match (name.as_str(), value) {
                    ("required", Value::Array(names)) if !names_are_data => sorted(names),
                    _ => canonical_at(value, is_map),
                };
                (name.clone(), value)
            });
            Value::Object(kept.collect())
        }
        Value::Array(elements) => {
            Value::Array(elements.iter().map(|element| canonical_at(element, false)).collect())
        }
        other => other.clone(),
    }
}

fn sorted(names: &[Value]) -> Value {
    let mut names = names.to_vec();
    names.sort_by_key(ToString::to_string);
    Value::Array(names)
}

#[cfg(test)]
mod tests;

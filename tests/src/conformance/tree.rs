//! The form in which expected and actual values are compared.

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// A JSON value in which strings that hold an object or array have been read:
/// white space in them is not significant.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// `null`, a boolean, a number.
    Scalar(Value),
    /// A string.
    Text(String),
    /// A string that holds JSON, read.
    Read(Box<Tree>),
    /// An array.
    List(Vec<Tree>),
    /// An object.
    Object(IndexMap<String, Tree>),
}

/// HTTP metadata of a called service, in the results of optimised integrations.
const HTTP_METADATA: [&str; 2] = ["SdkHttpMetadata", "SdkResponseMetadata"];
/// Longer texts are compared as they are.
const READ_CHARS_MAX: usize = 300_000;
/// Details that AWS added after some of the recordings were made: they may be
/// present although the recording lacks them.
pub(super) const NEWER_KEYS: [&str; 9] = [
    "encryptionConfiguration",
    "redriveCount",
    "redriveStatus",
    "redriveStatusReason",
    "RedriveCount",
    "RedriveStatus",
    "RedriveStatusReason",
    "redrive_count",
    "billingDetails",
];
/// Metadata whose absence counts against whole answers, but not against outcomes.
const COSMETIC: [&str; 2] = ["tracingConfiguration", "location"];

impl Tree {
    /// Reads strings that hold JSON, drops HTTP metadata and the keys to ignore.
    pub fn of(value: &Value, ignored: &[String]) -> Self {
        match value {
            Value::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !HTTP_METADATA.contains(&key.as_str()));
                let kept = kept.filter(|(key, _)| !ignored.contains(key));
                Self::Object(kept.map(|(key, item)| (key.clone(), Self::of(item, ignored))).collect())
            }
            Value::Array(items) => Self::List(items.iter().map(|item| Self::of(item, ignored)).collect()),
            // Keys are ignored in the answer itself, not in JSON texts inside it.
            Value::String(text) => match read(text) {
                Some(value) => Self::Read(Box::new(Self::of(&value, &[]))),
                None => Self::Text(text.clone()),
            },
            scalar => Self::Scalar(scalar.clone()),
        }
    }

    /// Without the metadata that outcomes do not depend on.
    #[must_use]
    pub fn without_metadata(&self) -> Self {
        match self {
            Self::Object(map) => {
                let kept = map.iter().filter(|(key, _)| {
                    !NEWER_KEYS.contains(&key.as_str()) && !COSMETIC.contains(&key.as_str())
                });
                Self::Object(kept.map(|(key, item)| (key.clone(), item.without_metadata())).collect())
            }
            Self::List(items) => Self::List(items.iter().map(Self::without_metadata).collect()),
            Self::Read(inner) => Self::Read(Box::new(inner.without_metadata())),
            other => other.clone(),
        }
    }

    /// The item of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(map) => map.get(key),
            _ => None,
        }
    }

    /// The items of an array; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

fn read(text: &str) -> Option<Value> {
    let looks_like_json = text.starts_with(['{', '[']) && text.ends_with(['}', ']']);
    let short_enough = || text.len() < READ_CHARS_MAX || text.chars().count() < READ_CHARS_MAX;
    if looks_like_json && short_enough() { serde_json::from_str(text).ok() } else { None }
}

/// Shown in differences: JSON, cut after 500 characters.
impl fmt::Display for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Read(inner) => format!("the JSON text of {}", to_json(inner)),
            other => to_json(other).to_string(),
        };
        match text.char_indices().nth(500) {
            Some((end, _)) => write!(formatter, "{}…", text.get(..end).unwrap_or(&text)),
            None => formatter.write_str(&text),
        }
    }
}

fn to_json(tree: &Tree) -> Value {
    match tree {
        Tree::Scalar(value) => value.clone(),
        Tree::Text(text) => Value::String(text.clone()),
        Tree::Read(inner) => Value::String(to_json(inner).to_string()),
        Tree::List(items) => items.iter().map(to_json).collect(),
        Tree::Object(map) => {
            map.iter().map(|(key, item)| (key.clone(), to_json(item))).collect::<Map<_, _>>().into()
        }
    }
}

/// The reading that the recorder applied: a string in an object that starts
/// with `{` and holds JSON is replaced by it, once.
pub(super) fn parse_once(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for item in map.values_mut() {
                match item {
                    Value::String(text) if text.starts_with('{') => {
                        if let Ok(read) = serde_json::from_str(text) {
                            *item = read;
                        }
                    }
                    Value::Array(items) => {
                        items.iter_mut().filter(|item| item.is_object()).for_each(parse_once);
                    }
                    Value::Object(_) => parse_once(item),
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(parse_once),
        _ => {}
    }
}

/// Cases marked `decode_output`: every `output` of an event's details is read, whatever it starts with.
pub(super) fn decode_outputs(events: &mut Value) {
    for event in events.as_array_mut().into_iter().flatten() {
        for details in event.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if let Some(output) = details.get_mut("output") {
                decode(output);
            }
        }
    }
}

/// Reads a string that holds JSON of any kind.
pub(super) fn decode(value: &mut Value) {
    if let Some(read) = value.as_str().and_then(|text| serde_json::from_str(text).ok()) {
        *value = read;
    }
}

/// Cases marked `sort_variable_references`: the order in which AWS lists variables is not significant.
pub(super) fn sort_variable_references(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, item) in map.iter_mut() {
                match item {
                    Value::Array(names) if key == "variableReferences" => sort(names),
                    Value::Object(states) if key == "variableReferences" => {
                        states.values_mut().filter_map(Value::as_array_mut).for_each(|names| sort(names));
                    }
                    _ => sort_variable_references(item),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(sort_variable_references),
        _ => {}
    }
}

fn sort(names: &mut [Value]) {
    if names.iter().all(Value::is_string) {
        names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}

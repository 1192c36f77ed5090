//! Comparing with recordings: placeholders, JSON in strings, unordered branches.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Bound placeholders.
pub(crate) type Bindings = BTreeMap<String, String>;

/// Details that the real service added after some of the recordings were made.
const NEWER_KEYS: [&str; 3] = ["RedriveCount", "redriveCount", "redriveStatus"];
/// HTTP metadata of the called service.
const METADATA: [&str; 2] = ["SdkHttpMetadata", "SdkResponseMetadata"];
/// Marks a value that was read from a string.
const FROM_TEXT: &str = "\u{0}json";

/// Replaces bound placeholders.
pub(crate) fn substitute(value: &Value, bindings: &Bindings) -> Value {
    match value {
        Value::String(text) => Value::String(substitute_text(text, bindings)),
        Value::Array(items) => items.iter().map(|item| substitute(item, bindings)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| (substitute_text(key, bindings), substitute(item, bindings)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn substitute_text(text: &str, bindings: &Bindings) -> String {
    bindings
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

/// Reads strings that start like an object, once, as the recorder did.
pub(crate) fn parse_once(value: &mut Value) {
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
                    other => parse_once(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(parse_once),
        _ => {}
    }
}

/// Reads the remaining strings that hold an array or object; drops HTTP metadata.
pub(crate) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !METADATA.contains(&key.as_str()))
            .map(|(key, item)| (key.clone(), canonical(item)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::String(text) if text.starts_with(['{', '[']) && text.ends_with(['}', ']']) => {
            match serde_json::from_str::<Value>(text) {
                Ok(read) => json!({ FROM_TEXT: canonical(&read) }),
                Err(_) => value.clone(),
            }
        }
        other => other.clone(),
    }
}

/// `Err` says where the two differ.
pub(crate) fn unify(
    expected: &Value,
    actual: &Value,
    bindings: &mut Bindings,
    path: &str,
) -> Result<(), String> {
    let differs = || Err(format!("{path}: expected {}, got {}", short(expected), short(actual)));
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(found)) => unify_objects(wanted, found, bindings, path),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let mut pairs = wanted.iter().zip(found).enumerate();
            pairs.try_for_each(|(index, (wanted, found))| {
                unify(wanted, found, bindings, &format!("{path}[{index}]"))
            })
        }
        (Value::String(pattern), _) if is_wildcard(pattern) => Ok(()),
        (Value::String(pattern), Value::String(text)) => {
            let pattern = substitute_text(pattern, bindings);
            if pattern == *text || match_text(&pattern, text, bindings) { Ok(()) } else { differs() }
        }
        (Value::String(pattern), _) if pattern.starts_with("{{") && pattern.ends_with("}}") => Ok(()),
        _ if expected == actual => Ok(()),
        _ => differs(),
    }
}

fn unify_objects(
    wanted: &Map<String, Value>,
    found: &Map<String, Value>,
    bindings: &mut Bindings,
    path: &str,
) -> Result<(), String> {
    let missing: Vec<_> = wanted.keys().filter(|key| !found.contains_key(*key)).collect();
    let extra: Vec<_> = found
        .keys()
        .filter(|key| !wanted.contains_key(*key) && !NEWER_KEYS.contains(&key.as_str()))
        .collect();
    if !missing.is_empty() || !extra.is_empty() {
        return Err(format!("{path}: missing {missing:?}, unexpected {extra:?}"));
    }
    wanted.iter().try_for_each(|(key, item)| unify(item, &found[key], bindings, &format!("{path}.{key}")))
}

fn is_wildcard(pattern: &str) -> bool {
    pattern
        .strip_prefix("{{*")
        .and_then(|rest| rest.strip_suffix("}}"))
        .is_some_and(|name| !name.contains(['{', '}']))
}

/// Matches a text with placeholders in it; the shortest match binds.
fn match_text(pattern: &str, text: &str, bindings: &mut Bindings) -> bool {
    let Some((head, rest)) = pattern.split_once("{{") else { return pattern == text };
    let Some((name, tail)) = rest.split_once("}}") else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    let shortest = usize::from(!name.starts_with('*'));
    for end in (shortest..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        let mut attempt = bindings.clone();
        if !name.starts_with('*') {
            attempt.insert(name.to_owned(), text[..end].to_owned());
        }
        if match_text(&substitute_text(tail, &attempt), &text[end..], &mut attempt) {
            *bindings = attempt;
            return true;
        }
    }
    false
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}

/// Compares histories. With `unordered`, the events inside a Parallel are a set without ids.
pub(crate) fn unify_histories(
    expected: &[Value],
    actual: &[Value],
    unordered: bool,
    bindings: &mut Bindings,
) -> Result<(), String> {
    let (wanted, found) = if unordered {
        (grouped(expected), grouped(&as_recorded(actual)))
    } else {
        (expected.to_vec(), actual.to_vec())
    };
    if wanted.len() != found.len() {
        let types =
            |events: &[Value]| events.iter().map(|event| short(&event["type"])).collect::<Vec<_>>().join(" ");
        return Err(format!(
            "expected {} events: {}\n     got {}: {}",
            wanted.len(),
            types(&wanted),
            found.len(),
            types(&found)
        ));
    }
    for (index, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
        match (wanted["group"].as_array(), found["group"].as_array()) {
            (Some(wanted), Some(found)) => unify_sets(wanted, found, bindings)?,
            _ => unify(wanted, found, bindings, &format!("history[{index}]"))?,
        }
    }
    Ok(())
}

fn unify_sets(wanted: &[Value], found: &[Value], bindings: &mut Bindings) -> Result<(), String> {
    let mut rest = found.to_vec();
    for event in wanted {
        let position = rest.iter().position(|candidate| {
            let mut attempt = bindings.clone();
            let same = unify(event, candidate, &mut attempt, "").is_ok();
            if same {
                *bindings = attempt;
            }
            same
        });
        match position {
            Some(position) => drop(rest.remove(position)),
            None => return Err(format!("no event like {}", short(event))),
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("unexpected {}", short(&Value::Array(rest)))) }
}

/// What the recorder did to Parallels: events inside have no ids, and the
/// event that ends the inside is lost when it replaced the inside.
fn as_recorded(events: &[Value]) -> Vec<Value> {
    let mut recorded: Vec<Value> = Vec::new();
    let mut inside: Option<Vec<Value>> = None;
    for event in events {
        let kind = event["type"].as_str().unwrap_or_default();
        match kind {
            "ParallelStateSucceeded"
            | "ParallelStateAborted"
            | "ParallelStateExited"
            | "ParallelStateFailed"
                if inside.is_some() =>
            {
                recorded.extend(inside.take().unwrap_or_default());
                continue;
            }
            "ParallelStateStarted" => {
                recorded.extend(inside.take().unwrap_or_default());
                inside = Some(Vec::new());
                recorded.push(event.clone());
                continue;
            }
            _ => {}
        }
        match &mut inside {
            Some(events) => {
                let mut event = event.clone();
                event["id"] = json!([0]);
                event["previousEventId"] = json!(0);
                events.push(event);
            }
            None => recorded.push(event.clone()),
        }
    }
    recorded.extend(inside.unwrap_or_default());
    recorded
}

fn grouped(events: &[Value]) -> Vec<Value> {
    let mut grouped: Vec<Value> = Vec::new();
    for event in events {
        if event["id"] != json!([0]) {
            grouped.push(event.clone());
        } else if let Some(Value::Array(group)) = grouped.last_mut().and_then(|last| last.get_mut("group")) {
            group.push(event.clone());
        } else {
            grouped.push(json!({ "type": "group", "group": [event] }));
        }
    }
    grouped
}

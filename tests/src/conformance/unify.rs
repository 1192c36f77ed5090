//! Whether an actual value is what was recorded.

use std::fmt;

use indexmap::IndexMap;

use super::bindings::{Bindings, lone_placeholder};
use super::tree::{NEWER_KEYS, Tree};

/// The first place where two values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference(pub String);

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Compares; unbound placeholders of the expected value are bound on the way.
///
/// `{{*name}}` matches anything (alone any value, inside a text any text),
/// `{{name}}` what it is bound to. Numbers compare by type and value: 1 and
/// 1.0 differ.
pub fn unify(expected: &Tree, actual: &Tree, bindings: &mut Bindings, path: &str) -> Result<(), Difference> {
    match (expected, actual) {
        (Tree::Read(expected), Tree::Read(actual)) => {
            unify(expected, actual, bindings, &format!("{path}(json)"))
        }
        (Tree::Object(wanted), Tree::Object(found)) => unify_objects(wanted, found, bindings, path),
        (Tree::List(wanted), Tree::List(found)) => {
            if wanted.len() != found.len() {
                let (wanted, found) = (wanted.len(), found.len());
                return Err(Difference(format!("{path}: expected {wanted} items, got {found}")));
            }
            let mut pairs = wanted.iter().zip(found).enumerate();
            pairs.try_for_each(|(at, (wanted, found))| {
                unify(wanted, found, bindings, &format!("{path}[{at}]"))
            })
        }
        (Tree::Text(pattern), _) => unify_text(pattern, actual, bindings, path),
        _ if expected == actual => Ok(()),
        _ => Err(differs(path, expected, actual)),
    }
}

fn differs(path: &str, expected: &Tree, actual: &Tree) -> Difference {
    Difference(format!("{path}: expected {expected}, got {actual}"))
}

fn unify_text(pattern: &str, actual: &Tree, bindings: &mut Bindings, path: &str) -> Result<(), Difference> {
    if lone_placeholder(pattern).is_some_and(|name| name.starts_with('*')) {
        return Ok(());
    }
    let pattern = bindings.fill_text(pattern);
    let same = match actual {
        Tree::Text(text) => pattern == *text || bindings.match_text(&pattern, text),
        Tree::Scalar(serde_json::Value::Null) => false,
        other => match lone_placeholder(&pattern) {
            Some(name) => {
                bindings.bind(name, other.to_string());
                true
            }
            None => false,
        },
    };
    if same { Ok(()) } else { Err(differs(path, &Tree::Text(pattern), actual)) }
}

fn unify_objects(
    wanted: &IndexMap<String, Tree>,
    found: &IndexMap<String, Tree>,
    bindings: &mut Bindings,
    path: &str,
) -> Result<(), Difference> {
    let mut keys: IndexMap<String, &Tree> =
        wanted.iter().map(|(key, item)| (bindings.fill_text(key), item)).collect();
    let missing: Vec<String> = keys.keys().filter(|key| !found.contains_key(*key)).cloned().collect();
    let extra: Vec<&String> =
        found.keys().filter(|key| !keys.contains_key(*key) && !NEWER_KEYS.contains(&key.as_str())).collect();
    match (missing.as_slice(), extra.as_slice()) {
        ([], []) => {}
        // One key with an unbound placeholder, and one key that it may stand for.
        ([pattern], [key]) if pattern.contains("{{") => {
            unify_text(pattern, &Tree::Text((*key).clone()), bindings, &format!("{path}.<key>"))?;
            if let (Some(wanted), Some(found)) = (keys.shift_remove(pattern), found.get(*key)) {
                unify(wanted, found, bindings, &format!("{path}.{key}"))?;
            }
        }
        _ => {
            return Err(Difference(format!("{path}: missing keys {missing:?}, unexpected keys {extra:?}")));
        }
    }
    keys.iter()
        .filter_map(|(key, wanted)| Some((key, wanted, found.get(key)?)))
        .try_for_each(|(key, wanted, found)| unify(wanted, found, bindings, &format!("{path}.{key}")))
}

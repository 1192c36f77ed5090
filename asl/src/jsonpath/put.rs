//! Putting a value where a reference path says: `ResultPath`.

use serde_json::{Map, Value};

use super::token::{Compiled, Token};

/// Why a value cannot be put there.
pub(super) enum Conflict {
    /// The path is not a reference path.
    NotAReference,
    /// This step of the path does not fit the value it meets.
    Step {
        /// The step as written in the path: a property's name or an index.
        step: String,
        /// The value it meets.
        at: Value,
    },
}

/// Puts `value` into `document`; objects that are missing on the way are made.
pub(super) fn put(path: &Compiled, mut document: Value, value: Value) -> Result<Value, Conflict> {
    let mut place = &mut document;
    for token in path.tokens() {
        place = match token {
            Token::Property { names, .. } => {
                let [name] = names.as_slice() else { return Err(Conflict::NotAReference) };
                if place.is_null() {
                    *place = Value::Object(Map::new());
                }
                match place {
                    Value::Object(fields) => fields.entry(name.clone()).or_insert(Value::Null),
                    other => return Err(Conflict::Step { step: name.clone(), at: other.take() }),
                }
            }
            Token::Index(indexes) => {
                let [index] = indexes.as_slice() else { return Err(Conflict::NotAReference) };
                item(place, *index)?
            }
            _ => return Err(Conflict::NotAReference),
        };
    }
    *place = value;
    Ok(document)
}

/// An item that is there, or the place right after the last one.
fn item(place: &mut Value, index: i32) -> Result<&mut Value, Conflict> {
    if place.is_null() {
        *place = Value::Array(Vec::new());
    }
    let length = place.as_array().map(Vec::len);
    match (length, usize::try_from(index)) {
        (Some(length), Ok(index)) if index <= length => {
            if let Value::Array(items) = place {
                if index == length {
                    items.push(Value::Null);
                }
                if let Some(item) = items.get_mut(index) {
                    return Ok(item);
                }
            }
            Err(Conflict::NotAReference)
        }
        _ => Err(Conflict::Step { step: index.to_string(), at: place.take() }),
    }
}

//! Inputs as large as AWS allows: documents of 64 to 256 KiB, definitions of up
//! to 1 MiB. They are few, one at a time, and what they take is theirs alone.

mod definition;
mod document;
mod expression;
mod state;

use super::{Choices, Target};

pub(super) fn targets() -> Vec<Box<dyn Target>> {
    vec![
        Box::new(expression::Expressions),
        Box::new(expression::Paths),
        Box::new(state::Templates),
        Box::new(state::States),
        Box::new(definition::Definitions),
    ]
}

/// Their share of the inputs each. Of a million, about one hundred and sixty.
const SHARE: u64 = 2;

/// Parts of one kind until they are that many bytes long.
fn until(bytes: usize, mut part: impl FnMut(usize) -> String) -> Vec<String> {
    let mut parts = Vec::new();
    let mut length = 0;
    while length < bytes {
        let next = part(parts.len());
        // A comma, and the quotes of an escaped text.
        length += next.len() + 3;
        parts.push(next);
    }
    parts
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The template with each `A` in angles replaced by one of the places, and each `T` by one that is a text.
fn filled(choices: &mut Choices, template: &str, places: &[&str], texts: &[&str]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('<') {
        filled.push_str(before);
        let (with, length) = match behind.as_bytes() {
            [b'A', b'>', ..] => (choices.pick(places), 2),
            [b'T', b'>', ..] => (choices.pick(texts), 2),
            _ => ("<", 0),
        };
        filled.push_str(with);
        rest = &behind[length..];
    }
    filled.push_str(rest);
    filled
}

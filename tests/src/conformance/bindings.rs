//! Placeholders: `{{name}}` stands for one value everywhere, `{{*name}}` for any.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What placeholders are bound to, and the answers of earlier steps, into
/// which `{{c7.executionArn}}` reaches.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    values: BTreeMap<String, String>,
    answers: BTreeMap<u64, Value>,
}

/// A piece of a text with placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    Placeholder(&'a str),
}

impl Bindings {
    /// Binds a name.
    pub fn bind(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// Keeps the answer of a step.
    pub fn answer(&mut self, step: u64, answer: Value) {
        self.answers.insert(step, answer);
    }

    /// What a name is bound to.
    pub fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned().or_else(|| self.reference(name))
    }

    /// Replaces the placeholders that are bound, in keys too.
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill_text(text)),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(key, item)| (self.fill_text(key), self.fill(item)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    /// Replaces the placeholders of a text that are bound.
    pub fn fill_text(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => filled.push_str(literal),
                Piece::Placeholder(name) => match self.get(name) {
                    Some(value) => filled.push_str(&value),
                    None => filled.extend(["{{", name, "}}"]),
                },
            }
        }
        filled
    }

    /// `c7.path.to[0].value` in the answer of step 7; `c7.$exec` is the last
    /// part of its `executionArn` (of an Express one the last but one).
    fn reference(&self, name: &str) -> Option<String> {
        let (step, path) = name.strip_prefix('c')?.split_once(['.', '|'])?;
        let answer = self.answers.get(&step.parse().ok()?)?;
        if path == "$exec" || path == "$exec2" {
            let parts: Vec<&str> = answer["executionArn"].as_str()?.rsplit(':').collect();
            let express = parts.len() > 8 && path == "$exec";
            return parts.get(usize::from(express)).map(|part| (*part).to_owned());
        }
        match follow(answer, path)? {
            Value::String(text) => Some(text.clone()),
            number @ Value::Number(_) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Matches a text against a pattern whose bound placeholders were filled
    /// in. What is not bound yet is bound to the shortest text that fits.
    pub(super) fn match_text(&mut self, pattern: &str, text: &str) -> bool {
        let mut found = BTreeMap::new();
        if !matches(&pieces(pattern), text, &mut found) {
            return false;
        }
        self.values.extend(found.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        true
    }
}

/// `events[0].type` in a value: the recorder's own small path language.
pub(super) fn follow<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split(['.', '[']).filter(|part| !part.is_empty()).try_fold(value, |value, part| {
        match part.strip_suffix(']') {
            Some(index) => value.get(index.parse::<usize>().ok()?),
            None => value.get(part),
        }
    })
}

/// The name of a text that is one placeholder and nothing else.
pub(super) fn lone_placeholder(text: &str) -> Option<&str> {
    match pieces(text).as_slice() {
        [Piece::Placeholder(name)] => Some(name),
        _ => None,
    }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(open) = rest.get(from..).and_then(|tail| tail.find("{{")) {
        let open = from + open;
        let inside = rest.get(open + 2..).unwrap_or_default();
        let name = inside.split(['{', '}']).next().unwrap_or_default();
        let after = inside.get(name.len()..).and_then(|tail| tail.strip_prefix("}}"));
        match after {
            Some(after) if !name.is_empty() => {
                pieces.push(Piece::Literal(rest.get(..open).unwrap_or_default()));
                pieces.push(Piece::Placeholder(name));
                (rest, from) = (after, 0);
            }
            _ => from = open + 1,
        }
    }
    pieces.push(Piece::Literal(rest));
    pieces.retain(|piece| *piece != Piece::Literal(""));
    pieces
}

fn matches<'t>(pattern: &[Piece<'t>], text: &'t str, found: &mut BTreeMap<&'t str, &'t str>) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    let name = match first {
        Piece::Literal(literal) => {
            return text.strip_prefix(literal).is_some_and(|tail| matches(rest, tail, found));
        }
        Piece::Placeholder(name) => *name,
    };
    if let Some(value) = found.get(name) {
        return text.strip_prefix(value).is_some_and(|tail| matches(rest, tail, found));
    }
    let any = name.starts_with('*');
    for (end, _) in text.char_indices().skip(usize::from(!any)).chain([(text.len(), ' ')]) {
        let (value, tail) = text.split_at(end);
        if value.is_empty() && !any
            || matches!(rest.first(), Some(Piece::Literal(next)) if !tail.starts_with(next))
        {
            continue;
        }
        if !any {
            found.insert(name, value);
        }
        if matches(rest, tail, found) {
            return true;
        }
        found.remove(name);
    }
    false
}

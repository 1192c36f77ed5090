//! The values a filter compares. Jayway wraps what it finds into nodes with
//! their own notion of equality, which is not symmetric: `2 == '2.0'` holds,
//! `'2.0' == 2` does not.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::decimal::Decimal;
use super::pattern::Pattern;
use crate::budget::weight;

/// One side of a relation, evaluated.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Number(Cow<'a, Decimal>),
    Text(Cow<'a, str>),
    Boolean(bool),
    Null,
    /// The path found nothing.
    Undefined,
    Json(Json<'a>),
    Pattern(&'a Pattern),
}

/// An array or an object.
#[derive(Debug)]
pub(super) enum Json<'a> {
    /// Found in the document.
    Found(Cow<'a, Value>),
    /// Written in the filter, or a string in a list that reads like JSON.
    Literal { text: Cow<'a, str>, value: Option<Cow<'a, Value>> },
}

impl<'a> Node<'a> {
    pub(super) fn of(value: Cow<'a, Value>) -> Self {
        match value {
            Cow::Borrowed(Value::String(text)) => Self::Text(Cow::Borrowed(text)),
            Cow::Owned(Value::String(text)) => Self::Text(Cow::Owned(text)),
            other => match other.as_ref() {
                Value::Null => Self::Null,
                Value::Bool(flag) => Self::Boolean(*flag),
                Value::Number(number) => {
                    Decimal::of(number).map_or(Self::Undefined, |number| Self::Number(Cow::Owned(number)))
                }
                _ => Self::Json(Json::Found(other)),
            },
        }
    }

    /// What comparing the node may take beyond looking at it, in steps: a text
    /// or a list is looked at whole.
    pub(super) fn effort(&self) -> usize {
        match self {
            Self::Text(text) => text.len() / 64,
            Self::Number(number) => number.digits() / 16,
            Self::Json(json) => json.value().map_or(0, weight) / 512,
            _ => 0,
        }
    }

    /// The number or string as text.
    fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.text())),
            _ => None,
        }
    }

    /// What a pattern is matched against; empty for what has no text.
    pub(super) fn subject(&self) -> Cow<'_, str> {
        match self {
            Self::Boolean(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            other => other.as_text().unwrap_or_default(),
        }
    }

    /// Both are of the same kind of node.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// `self.equals(other)`.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(number), Self::Number(other)) => number.compare(other) == Ordering::Equal,
            (Self::Number(number), Self::Text(text)) => {
                Decimal::parse(text).is_some_and(|other| number.compare(&other) == Ordering::Equal)
            }
            (Self::Text(text), _) => other.as_text().is_some_and(|other| *text == other),
            (Self::Boolean(flag), Self::Boolean(other)) => flag == other,
            (Self::Null, Self::Null) => true,
            (Self::Json(json), Self::Json(other)) => json.same_source(other),
            (Self::Pattern(pattern), Self::Pattern(other)) => pattern.text() == other.text(),
            _ => false,
        }
    }

    /// `==`: what is written on the right is read before it is compared.
    pub(super) fn equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(Json::Found(value)), Self::Json(other)) => {
                other.value().is_some_and(|other| same_values(value, other))
            }
            // A text is never equal to the list it would be read as.
            (Self::Json(Json::Literal { .. }), Self::Json(_)) => false,
            _ => self.equals(other),
        }
    }

    /// Numbers with numbers, strings with strings; nothing else has an order.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(number), Self::Number(other)) => Some(number.compare(other)),
            // Java compares UTF-16 units.
            (Self::Text(text), Self::Text(other)) => Some(text.encode_utf16().cmp(other.encode_utf16())),
            _ => None,
        }
    }
}

impl Json<'_> {
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Found(value) => Some(value.as_ref()),
            Self::Literal { value, .. } => value.as_deref(),
        }
    }

    fn same_source(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Found(value), Self::Found(other)) => same_values(value, other),
            (Self::Literal { text, .. }, Self::Literal { text: other, .. }) => text == other,
            _ => false,
        }
    }
}

/// Equality of Java's collections: the order of keys does not matter, and an
/// integer is not a double.
fn same_values(left: &Value, right: &Value) -> bool {
    left == right
}

/// Reads JSON the way the literal of a filter may be written: with single
/// quotes, or words without any.
pub(super) fn lenient_json(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut reader = Lenient { characters: text.chars().collect(), position: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    (reader.position == reader.characters.len()).then_some(value)
}

struct Lenient {
    characters: Vec<char>,
    position: usize,
}

impl Lenient {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > crate::limits::JSONPATH_DEPTH_MAX {
            return None;
        }
        self.blanks();
        match self.peek()? {
            '[' => self.array(depth),
            '{' => self.object(depth),
            quote @ ('\'' | '"') => self.string(quote).map(Value::String),
            _ => self.word(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.position += 1;
        let mut items = Vec::new();
        loop {
            self.blanks();
            match self.peek()? {
                ']' => {
                    self.position += 1;
                    return Some(Value::Array(items));
                }
                ',' => self.position += 1,
                // No word starts with it, and no array goes on behind it.
                '}' => return None,
                _ => items.push(self.value(depth + 1)?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.position += 1;
        let mut fields = serde_json::Map::new();
        loop {
            self.blanks();
            match self.peek()? {
                '}' => {
                    self.position += 1;
                    return Some(Value::Object(fields));
                }
                ',' => self.position += 1,
                quote @ ('\'' | '"') => {
                    let key = self.string(quote)?;
                    self.field(key, &mut fields, depth)?;
                }
                _ => {
                    let key = self.until(&[':'])?;
                    self.field(key, &mut fields, depth)?;
                }
            }
        }
    }

    fn field(
        &mut self,
        key: String,
        fields: &mut serde_json::Map<String, Value>,
        depth: usize,
    ) -> Option<()> {
        self.blanks();
        (self.peek()? == ':').then(|| self.position += 1)?;
        let value = self.value(depth + 1)?;
        fields.insert(key, value);
        Some(())
    }

    fn string(&mut self, quote: char) -> Option<String> {
        let start = self.position + 1;
        let mut end = start;
        loop {
            match self.characters.get(end)? {
                '\\' => end += 2,
                found if *found == quote => break,
                _ => end += 1,
            }
        }
        self.position = end + 1;
        let text: String = self.characters.get(start..end)?.iter().collect();
        Some(super::unescape(&text))
    }

    fn until(&mut self, ends: &[char]) -> Option<String> {
        let start = self.position;
        while self.peek().is_some_and(|character| !ends.contains(&character)) {
            self.position += 1;
        }
        let text: String = self.characters.get(start..self.position)?.iter().collect();
        Some(text.trim().to_owned())
    }

    fn word(&mut self) -> Option<Value> {
        let text = self.until(&[',', ']', '}'])?;
        Some(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

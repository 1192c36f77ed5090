//! Reads JSON text into a tree that remembers where everything stands.
//!
//! Owns what makes a text unreadable: syntax, keys used twice, depth, size.
//! Strings and numbers are decoded by `serde_json`, so that both agree on them.

use std::ops::Range;

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use crate::limits;

/// A value and the bytes it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    Array(Vec<Node>),
    Object(IndexMap<String, Member>),
}

/// A field of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) span: Range<usize>,
}

impl Node {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&IndexMap<String, Member>> {
        match &self.kind {
            NodeKind::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The field of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_object().and_then(|fields| fields.get(key)).map(|member| &member.value)
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Boolean(flag) => Value::Bool(*flag),
            NodeKind::Number(number) => Value::Number(number.clone()),
            NodeKind::Text(text) => Value::String(text.clone()),
            NodeKind::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            NodeKind::Object(fields) => {
                let fields = fields.iter().map(|(key, member)| (key.clone(), member.value.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

/// Reads a whole text.
pub(crate) fn read(text: &str) -> Result<Node, Unreadable> {
    if text.len() > limits::DEFINITION_BYTES_MAX {
        let message = format!(
            "The definition has {} bytes; at most {} are allowed",
            text.len(),
            limits::DEFINITION_BYTES_MAX
        );
        return Err(Unreadable { message, span: 0..text.len() });
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    let node = reader.value()?;
    reader.skip_blanks();
    if reader.at < text.len() {
        return Err(reader.unexpected("the end of the text"));
    }
    Ok(node)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn unexpected(&self, expected: &str) -> Unreadable {
        let (found, length) = match self.rest().chars().next() {
            Some(found) => (format!("{found:?}"), found.len_utf8()),
            None => ("the end of the text".to_owned(), 0),
        };
        let (line, column) = position(self.text, self.at);
        Unreadable {
            message: format!("Expected {expected} but found {found} at line {line}, column {column}"),
            span: self.at..self.at + length,
        }
    }

    fn value(&mut self) -> Result<Node, Unreadable> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => NodeKind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { kind, span: start..self.at })
    }

    fn nested(
        &mut self,
        read: impl Fn(&mut Self) -> Result<NodeKind, Unreadable>,
    ) -> Result<NodeKind, Unreadable> {
        if self.depth >= limits::DEFINITION_JSON_DEPTH_MAX {
            let message =
                format!("Arrays and objects are nested deeper than {}", limits::DEFINITION_JSON_DEPTH_MAX);
            return Err(Unreadable { message, span: self.at..self.at + 1 });
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    /// After `{`.
    fn object(&mut self) -> Result<NodeKind, Unreadable> {
        let mut fields = IndexMap::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(NodeKind::Object(fields));
        }
        loop {
            self.skip_blanks();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let key = self.string()?;
            let key_span = start..self.at;
            if fields.contains_key(&key) {
                let (line, column) = position(self.text, start);
                let message =
                    format!("The key '{key}' is used twice in one object, at line {line}, column {column}");
                return Err(Unreadable { message, span: key_span });
            }
            self.skip_blanks();
            self.expect(b':', "':' after the key")?;
            let value = self.value()?;
            fields.insert(key, Member { key_span, value });
            if self.end_of_items(b'}', "',' or '}'")? {
                return Ok(NodeKind::Object(fields));
            }
        }
    }

    /// After `[`.
    fn array(&mut self) -> Result<NodeKind, Unreadable> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(NodeKind::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.end_of_items(b']', "',' or ']'")? {
                return Ok(NodeKind::Array(items));
            }
        }
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), Unreadable> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected(what))
        }
    }

    fn end_of_items(&mut self, end: u8, expected: &str) -> Result<bool, Unreadable> {
        self.skip_blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn string(&mut self) -> Result<String, Unreadable> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = start;
                    return Err(self.unexpected("a string that ends in '\"'"));
                }
            }
        }
        self.at += 1;
        self.decode(start, "a valid string")
    }

    fn number(&mut self) -> Result<NodeKind, Unreadable> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        self.decode(start, "a valid number").map(NodeKind::Number)
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, start: usize, what: &str) -> Result<T, Unreadable> {
        let token = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(token).map_err(|_| {
            let (line, column) = position(self.text, start);
            Unreadable {
                message: format!("Expected {what} at line {line}, column {column}"),
                span: start..self.at,
            }
        })
    }

    fn word(&mut self) -> Result<NodeKind, Unreadable> {
        for (word, kind) in
            [("null", NodeKind::Null), ("true", NodeKind::Boolean(true)), ("false", NodeKind::Boolean(false))]
        {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.unexpected("a JSON value"))
    }
}

/// Line and column, both from 1, the column in characters.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

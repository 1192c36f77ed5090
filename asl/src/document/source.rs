//! Reads JSON text into a tree that remembers where everything stands.
//!
//! Owns what makes a text unreadable: syntax, keys used twice, depth, size. What
//! is wrong is said in the words of the service, as far as they are recorded.
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

    /// What stands here is not what should; `expected` completes "was expecting …".
    fn unexpected(&self, expected: &str) -> Unreadable {
        let Some(found) = self.rest().chars().next() else {
            let message = format!("Unexpected end-of-input: was expecting {expected}");
            return Unreadable { message, span: self.at..self.at };
        };
        let message =
            format!("Unexpected character ('{found}' (code {})): was expecting {expected}", u32::from(found));
        Unreadable { message, span: self.at..self.at + found.len_utf8() }
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
                return Err(self.unexpected("double-quote to start field name"));
            }
            let key = self.string()?;
            let key_span = start..self.at;
            if fields.contains_key(&key) {
                return Err(Unreadable { message: format!("Duplicate field '{key}'"), span: key_span });
            }
            self.skip_blanks();
            self.expect(b':', "a colon to separate field name and value")?;
            let value = self.value()?;
            fields.insert(key, Member { key_span, value });
            if self.end_of_items(b'}', "comma to separate Object entries")? {
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
            if self.end_of_items(b']', "comma to separate Array entries")? {
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
                    let message = "Unexpected end-of-input: was expecting closing quote for a string value";
                    return Err(Unreadable { message: message.to_owned(), span: start..self.text.len() });
                }
            }
        }
        self.at += 1;
        self.decode(start, "Unrecognized character escape or control character in a string value")
    }

    fn number(&mut self) -> Result<NodeKind, Unreadable> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        self.decode(start, "Invalid numeric value").map(NodeKind::Number)
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, start: usize, what: &str) -> Result<T, Unreadable> {
        let token = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(token).map_err(|_| Unreadable { message: what.to_owned(), span: start..self.at })
    }

    fn word(&mut self) -> Result<NodeKind, Unreadable> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
        let kind = match rest.get(..length) {
            Some("null") => NodeKind::Null,
            Some("true") => NodeKind::Boolean(true),
            Some("false") => NodeKind::Boolean(false),
            Some("") | None => return Err(self.unexpected(A_VALUE)),
            Some(word) => {
                let message = format!("Unrecognized token '{word}': was expecting {A_VALUE}");
                return Err(Unreadable { message, span: self.at..self.at + length });
            }
        };
        self.at += length;
        Ok(kind)
    }
}

/// What may stand where a value is expected, in the words of the service (recorded).
const A_VALUE: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

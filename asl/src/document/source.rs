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
    /// What to do, where the reader alone can know it.
    pub(crate) advice: Option<String>,
}

impl Unreadable {
    fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, advice: None }
    }
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

/// The bytes of the text in which a part of a JSON string stands, by its place in the decoded
/// string in UTF-16 units. `span` is the string with its quotes.
pub(crate) fn part_of_string(text: &str, span: &Range<usize>, units: Range<usize>) -> Option<Range<usize>> {
    let written = text.get(span.start + 1..span.end.checked_sub(1)?)?;
    let (mut at, mut unit) = (0, 0);
    let mut start = None;
    while at < written.len() && unit < units.end {
        if unit >= units.start {
            start.get_or_insert(at);
        }
        let rest = written.get(at..)?;
        let (bytes, width) = match (rest.as_bytes().first()?, rest.as_bytes().get(1)) {
            (b'\\', Some(b'u')) => (6, 1),
            (b'\\', _) => (2, 1),
            _ => rest.chars().next().map(|character| (character.len_utf8(), character.len_utf16()))?,
        };
        (at, unit) = (at + bytes, unit + width);
    }
    let start = start.unwrap_or(at);
    Some(span.start + 1 + start..(span.start + 1 + at).max(span.start + 2 + start))
}

/// Where a name stands in a part of the text, not as the beginning or the end of a longer one.
pub(crate) fn name_in(text: &str, span: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let part = text.get(span.clone())?;
    let continues = |character: char| character.is_alphanumeric() || character == '_';
    let (found, _) = part.match_indices(name).find(|(at, _)| {
        let before = part.get(..*at).and_then(|before| before.chars().next_back());
        let after = part.get(at + name.len()..).and_then(|after| after.chars().next());
        !after.is_some_and(continues)
            && !before.is_some_and(|before| before == '$' || before == '.' || continues(before))
    })?;
    Some(span.start + found..span.start + found + name.len())
}

/// The line of a place, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Reads a whole text.
pub(crate) fn read(text: &str) -> Result<Node, Unreadable> {
    if text.len() > limits::DEFINITION_BYTES_MAX {
        let message = format!(
            "The definition has {} bytes; at most {} are allowed",
            text.len(),
            limits::DEFINITION_BYTES_MAX
        );
        return Err(Unreadable::new(message, 0..text.len()));
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
            return Unreadable::new(message, self.at..self.at);
        };
        let message =
            format!("Unexpected character ('{found}' (code {})): was expecting {expected}", u32::from(found));
        Unreadable::new(message, self.at..self.at + found.len_utf8())
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
            return Err(Unreadable::new(message, self.at..self.at + 1));
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    /// After `{`.
    fn object(&mut self) -> Result<NodeKind, Unreadable> {
        let mut fields: IndexMap<String, Member> = IndexMap::new();
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
            if let Some(first) = fields.get(&key) {
                return Err(self.duplicate(&key, first, key_span));
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

    fn duplicate(&self, key: &str, first: &Member, span: Range<usize>) -> Unreadable {
        let line = line_of(self.text, first.key_span.start);
        let place = if line == line_of(self.text, span.start) {
            "before it on the same line".to_owned()
        } else {
            format!("on line {line}")
        };
        let advice = format!(
            "the first '{key}' stands {place}: delete one of them, or check whether a brace is missing between"
        );
        Unreadable { advice: Some(advice), ..Unreadable::new(format!("Duplicate field '{key}'"), span) }
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
                    return Err(Unreadable::new(message, start..self.text.len()));
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
        serde_json::from_str(token).map_err(|_| Unreadable::new(what, start..self.at))
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
                return Err(Unreadable::new(message, self.at..self.at + length));
            }
        };
        self.at += length;
        Ok(kind)
    }
}

/// What may stand where a value is expected, in the words of the service (recorded).
const A_VALUE: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

//! TOML and JSON as one tree that remembers where everything stood.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SpecError;
use super::error::Problem;

/// Deepest nesting of a document. Ours; a level of an expression is one or two of them.
const DEPTH_MAX: usize = 100;

/// A value and the bytes of the file it was written in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A number with fraction or exponent, as written.
    Float(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) span: Range<usize>,
    pub(super) name: String,
}

impl Node {
    /// The place of a field such as `measures[2].column`, or of what comes nearest to it.
    pub(super) fn span_of(&self, field: &str) -> Range<usize> {
        let mut node = self;
        for part in field.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
            let next = match &node.data {
                Data::Table(entries) => {
                    entries.iter().find(|(key, _)| key.name == part).map(|(_, node)| node)
                }
                Data::List(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.span.clone()
    }
}

/// Reads a document; by its name, or by its first character.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, SpecError> {
    let json = file.rsplit('.').next().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
        || text.trim_start().starts_with('{');
    let parsed = if json { parse_json(text) } else { parse_toml(text) };
    parsed.map_err(|problem| SpecError::new(file, text, vec![problem]))
}

fn syntax(span: Range<usize>, message: String) -> Problem {
    Problem { span, field: String::new(), message, allowed: vec![], suggestion: None }
}

fn parse_toml(text: &str) -> Result<Node, Problem> {
    let table = DeTable::parse(text).map_err(|error| {
        syntax(error.span().unwrap_or(0..0), format!("not valid TOML: {}", error.message()))
    })?;
    let span = table.span();
    toml_table(span, table.get_ref(), 0)
}

/// What is nested deeper than anybody writes would exhaust the stack of whoever walks the tree.
fn within_depth(depth: usize, span: Range<usize>) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        return Err(syntax(span, format!("nested more than {DEPTH_MAX} levels deep")));
    }
    Ok(())
}

fn toml_table(span: Range<usize>, table: &DeTable<'_>, depth: usize) -> Result<Node, Problem> {
    within_depth(depth, span.clone())?;
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let name = key.get_ref().to_string();
        entries.push((Key { span: key.span(), name }, toml_node(value, depth + 1)?));
    }
    Ok(Node { span, data: Data::Table(entries) })
}

fn toml_node(value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Problem> {
    let span = value.span();
    within_depth(depth, span.clone())?;
    let data = match value.get_ref() {
        DeValue::String(text) => Data::Text(text.to_string()),
        DeValue::Boolean(truth) => Data::Boolean(*truth),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Data::Integer(parsed.map_err(|_| syntax(span.clone(), "this number is too large".into()))?)
        }
        DeValue::Float(number) => Data::Float(number.as_str().to_owned()),
        DeValue::Datetime(time) => Data::Text(time.to_string()),
        DeValue::Array(items) => {
            let nodes = items.iter().map(|item| toml_node(item, depth + 1));
            Data::List(nodes.collect::<Result<Vec<_>, Problem>>()?)
        }
        DeValue::Table(table) => return toml_table(span, table, depth),
    };
    Ok(Node { span, data })
}

/// `serde_json` decides whether the text is JSON; the scan after it only has to
/// find the places, and cannot meet anything else than JSON.
fn parse_json(text: &str) -> Result<Node, Problem> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let line_start =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let offset = (line_start + error.column().saturating_sub(1)).min(text.len());
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        return Err(syntax(offset..offset, format!("not valid JSON: {message}")));
    }
    let mut scan = Scan { text, at: 0, depth: 0 };
    scan.value()
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// How many tables and lists are open.
    depth: usize,
}

impl Scan<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(b' ')
    }

    fn blanks(&mut self) {
        while self.at < self.text.len() && self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// Skips a bracket, comma or colon and the blanks around it.
    fn mark(&mut self) {
        self.blanks();
        self.at += 1;
        self.blanks();
    }

    fn value(&mut self) -> Result<Node, Problem> {
        self.blanks();
        let start = self.at;
        within_depth(self.depth, start..start)?;
        self.depth += 1;
        let data = match self.peek() {
            b'{' => self.table()?,
            b'[' => self.list()?,
            b'"' => Data::Text(self.text()?),
            b't' | b'f' | b'n' => self.word(),
            _ => self.number()?,
        };
        self.depth -= 1;
        Ok(Node { span: start..self.at, data })
    }

    fn table(&mut self) -> Result<Data, Problem> {
        let mut entries: Vec<(Key, Node)> = vec![];
        self.mark();
        while self.at < self.text.len() && self.peek() != b'}' {
            let start = self.at;
            let name = self.text()?;
            let key = Key { span: start..self.at, name };
            if entries.iter().any(|(other, _)| other.name == key.name) {
                return Err(syntax(key.span, format!("`{}` is given twice", key.name)));
            }
            self.mark();
            let node = self.value()?;
            entries.push((key, node));
            self.blanks();
            if self.peek() == b',' {
                self.mark();
            }
        }
        self.at += 1;
        Ok(Data::Table(entries))
    }

    fn list(&mut self) -> Result<Data, Problem> {
        let mut items = vec![];
        self.mark();
        while self.at < self.text.len() && self.peek() != b']' {
            items.push(self.value()?);
            self.blanks();
            if self.peek() == b',' {
                self.mark();
            }
        }
        self.at += 1;
        Ok(Data::List(items))
    }

    fn text(&mut self) -> Result<String, Problem> {
        let start = self.at;
        self.at += 1;
        while self.at < self.text.len() && self.peek() != b'"' {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(self.text.len());
        let raw = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(raw).map_err(|error| syntax(start..self.at, error.to_string()))
    }

    fn word(&mut self) -> Data {
        let (data, length) = match self.peek() {
            b't' => (Data::Boolean(true), 4),
            b'f' => (Data::Boolean(false), 5),
            _ => (Data::Null, 4),
        };
        self.at += length;
        data
    }

    fn number(&mut self) -> Result<Data, Problem> {
        let start = self.at;
        while self.at < self.text.len()
            && matches!(self.peek(), b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
        {
            self.at += 1;
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        if raw.contains(['.', 'e', 'E']) {
            return Ok(Data::Float(raw.to_owned()));
        }
        let number = raw.parse().map_err(|_| syntax(start..self.at, "this number is too large".into()))?;
        Ok(Data::Integer(number))
    }
}

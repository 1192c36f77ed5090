//! XML: a tree from a text, answers from a tree, and bodies of requests.
//!
//! Threats (design of security, XML): a document type is refused, nesting and
//! the number of attributes have limits, entities are XML's own five.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::services::{Member, Service, Shape, Structure, TimestampFormat};
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Number, Value};

use super::form::scalar;
use super::{Style, json, time};

/// Levels of elements.
const DEPTH_MAX: usize = 64;
/// Attributes of an element.
const ATTRIBUTES_MAX: usize = 256;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Without a prefix.
    pub(crate) name: String,
    /// As they are written.
    attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Node>,
    pub(crate) text: String,
}

impl Node {
    /// The first child of a name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Every child of a name.
    pub(crate) fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// The root element of a text; of an empty text one without a name.
pub(crate) fn parse(text: &[u8]) -> Result<Node, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("the answer is not XML: {why}");
    let text = std::str::from_utf8(text).map_err(|error| wrong(&error))?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Node::default()];
    loop {
        match reader.read_event().map_err(|error| wrong(&error))? {
            Event::Start(start) if open.len() > DEPTH_MAX => {
                return Err(wrong(&format!(
                    "more than {DEPTH_MAX} levels at `{}`",
                    start.local_name().into_inner()
                )));
            }
            Event::Start(start) => open.push(element(&start).map_err(|why| wrong(&why))?),
            Event::Empty(start) => {
                let node = element(&start).map_err(|why| wrong(&why))?;
                open.last_mut().ok_or_else(|| wrong(&"no root"))?.children.push(node);
            }
            Event::End(_) => {
                let node = open.pop().ok_or_else(|| wrong(&"an end without a beginning"))?;
                open.last_mut().ok_or_else(|| wrong(&"an end without a beginning"))?.children.push(node);
            }
            Event::Text(piece) => append(&mut open, &piece.xml10_content()),
            Event::CData(piece) => append(&mut open, &piece.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| wrong(&error))?;
                let character = character.or_else(|| entity(&reference.xml10_content()));
                let character = character.ok_or_else(|| wrong(&"an entity that is not XML's own"))?;
                append(&mut open, character.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => return Err(wrong(&"it has a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(mut document), true) => Ok(document.children.pop().unwrap_or_default()),
        _ => Err(wrong(&"it ends too early")),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Node, String> {
    let mut node = Node { name: start.local_name().into_inner().to_owned(), ..Node::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if node.attributes.len() == ATTRIBUTES_MAX {
            return Err(format!("more than {ATTRIBUTES_MAX} attributes"));
        }
        node.attributes.push((attribute.key.into_inner().to_owned(), attribute.value.into_owned()));
    }
    Ok(node)
}

fn append(open: &mut [Node], piece: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(piece);
    }
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// The request id that some services tell in the body only.
pub(super) fn request_id(body: &[u8]) -> Option<String> {
    if !body.trim_ascii_start().starts_with(b"<") {
        return None;
    }
    let root = parse(body).ok()?;
    let inner = root.child("ResponseMetadata").unwrap_or(&root);
    let id = ["RequestId", "requestId", "RequestID"].iter().find_map(|name| inner.child(name))?;
    Some(id.text.trim().to_owned())
}

/// Answers from trees.
#[derive(Clone, Copy)]
pub(super) struct Reading<'s> {
    pub(super) service: &'s Service,
    pub(super) style: Style,
}

impl Reading<'_> {
    /// An element as results have it.
    pub(super) fn value(self, shape: usize, node: &Node, member: Option<&Member>) -> Value {
        match self.service.shape(shape) {
            Some(Shape::Structure(structure)) => Value::Object(sorted(self.members(structure, node))),
            Some(Shape::List { list, .. }) => {
                if list.flat || member.is_some_and(Member::is_flat) {
                    return Value::Array(vec![self.value(list.item, node, None)]);
                }
                node.children.iter().map(|item| self.value(list.item, item, None)).collect()
            }
            Some(Shape::Map(_)) => {
                Value::Object(self.entries(shape, &node.children.iter().collect::<Vec<_>>()))
            }
            Some(Shape::Boolean) => Value::Bool(node.text.trim() == "true"),
            Some(Shape::Integer(_) | Shape::Number(_)) => number(node.text.trim()),
            Some(Shape::Timestamp(_)) => {
                let text = Value::String(node.text.trim().to_owned());
                time::epoch_millis(&text).map_or(text, |millis| self.style.time(millis))
            }
            Some(Shape::Blob(_)) => match STANDARD.decode(node.text.trim()) {
                Ok(bytes) => json::blob(bytes),
                Err(_) => Value::String(node.text.clone()),
            },
            _ => Value::String(node.text.clone()),
        }
    }

    /// The members of a structure that are in its element.
    pub(super) fn members(self, structure: &Structure, node: &Node) -> Vec<(String, Value)> {
        let mut members = Vec::new();
        for (name, member) in structure.members.iter().filter(|(_, member)| member.location().is_none()) {
            if let Some(value) = self.member(name, member, node) {
                members.push((self.style.member(name), value));
            }
        }
        members
    }

    fn member(self, name: &str, member: &Member, node: &Node) -> Option<Value> {
        let written = member.name().unwrap_or(name);
        if member.is_attribute() {
            let (_, value) = node.attributes.iter().find(|(key, _)| key == written)?;
            return Some(Value::String(value.clone()));
        }
        match self.service.shape(member.shape()) {
            Some(Shape::List { list, .. }) if list.flat || member.is_flat() => {
                // Items that have their own name stand under that.
                let own = list.name.as_deref().filter(|_| member.name().is_none());
                let items = node.children.iter().filter(|child| child.name == own.unwrap_or(written));
                let items: Vec<Value> = items.map(|item| self.value(list.item, item, None)).collect();
                (!items.is_empty()).then_some(Value::Array(items))
            }
            Some(Shape::Map(map)) if map.flat || member.is_flat() => {
                let entries: Vec<&Node> =
                    node.children.iter().filter(|child| child.name == written).collect();
                (!entries.is_empty()).then(|| Value::Object(self.entries(member.shape(), &entries)))
            }
            _ => node.child(written).map(|child| self.value(member.shape(), child, Some(member))),
        }
    }

    fn entries(self, shape: usize, entries: &[&Node]) -> Map<String, Value> {
        let Some(Shape::Map(map)) = self.service.shape(shape) else { return Map::new() };
        let (key_name, value_name) = (map.key_name.as_deref(), map.value_name.as_deref());
        let entries = entries.iter().filter_map(|entry| {
            let key = entry.child(key_name.unwrap_or("key"))?.text.trim().to_owned();
            let value = entry.child(value_name.unwrap_or("value"))?;
            Some((key, self.value(map.value, value, None)))
        });
        entries.collect()
    }
}

/// Members in the order of their names.
pub(super) fn sorted(mut members: Vec<(String, Value)>) -> Map<String, Value> {
    members.sort_by(|(first, _), (second, _)| first.cmp(second));
    members.into_iter().collect()
}

/// A number in a text; what is none stays the text.
pub(super) fn number(text: &str) -> Value {
    let whole = text.parse::<i64>().map(Value::from);
    let float = || text.parse().ok().and_then(Number::from_f64).map(Value::Number);
    whole.ok().or_else(float).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The body of a request: a structure in an element.
pub(super) fn body(
    service: &Service,
    shape: usize,
    value: &Value,
    element: &str,
    namespace: Option<&str>,
) -> String {
    let mut text = String::new();
    write_element(
        service,
        shape,
        value,
        &Tag { name: element, namespace, timestamp: None, is_flat: false },
        &mut text,
    );
    text
}

/// How an element is written.
struct Tag<'a> {
    name: &'a str,
    namespace: Option<&'a str>,
    timestamp: Option<TimestampFormat>,
    is_flat: bool,
}

impl<'a> Tag<'a> {
    fn plain(name: &'a str) -> Self {
        Self { name, namespace: None, timestamp: None, is_flat: false }
    }
}

fn write_element(service: &Service, shape: usize, value: &Value, tag: &Tag<'_>, text: &mut String) {
    let mut attributes = tag.namespace.map(namespace_attribute).unwrap_or_default();
    let mut content = String::new();
    match (service.shape(shape), value) {
        (Some(Shape::Structure(structure)), Value::Object(fields)) => {
            // Elements stand in the order of the model: some services insist on it.
            for (name, member) in structure.members.iter().filter(|(_, member)| member.location().is_none()) {
                let Some(value) = fields.get(name) else { continue };
                let written = member.name().unwrap_or(name);
                if member.is_attribute() {
                    // Writing into a String cannot fail, here and below.
                    let _ = write!(attributes, " {written}=\"{}\"", escape(scalar(value)));
                    continue;
                }
                let tag = Tag {
                    name: written,
                    namespace: member.namespace(),
                    timestamp: member.timestamp(),
                    is_flat: member.is_flat(),
                };
                write_element(service, member.shape(), value, &tag, &mut content);
            }
        }
        (Some(Shape::List { list, .. }), Value::Array(items)) => {
            let is_flat = list.flat || tag.is_flat;
            let name = list.name.as_deref().unwrap_or(if is_flat { tag.name } else { "member" });
            for item in items {
                write_element(service, list.item, item, &Tag::plain(name), &mut content);
            }
            if is_flat {
                text.push_str(&content);
                return;
            }
        }
        (Some(Shape::Map(map)), Value::Object(entries)) => {
            let is_flat = map.flat || tag.is_flat;
            for (key, value) in entries {
                let key_name = map.key_name.as_deref().unwrap_or("key");
                let mut entry = format!("<{key_name}>{}</{key_name}>", escape(key));
                write_element(
                    service,
                    map.value,
                    value,
                    &Tag::plain(map.value_name.as_deref().unwrap_or("value")),
                    &mut entry,
                );
                let name = if is_flat { tag.name } else { "entry" };
                let _ = write!(content, "<{name}>{entry}</{name}>");
            }
            if is_flat {
                text.push_str(&content);
                return;
            }
        }
        (Some(Shape::Blob(_)), Value::String(bytes)) => content = STANDARD.encode(bytes),
        (Some(Shape::Timestamp(own)), value) => {
            let format = tag.timestamp.or(*own).unwrap_or(TimestampFormat::Iso8601);
            content = escape(scalar(&time::written(value, format))).into_owned();
        }
        (_, value) => content = escape(scalar(value)).into_owned(),
    }
    let _ = write!(text, "<{0}{attributes}>{content}</{0}>", tag.name);
}

/// Who may do something is told by its kind: `xsi:type` needs its namespace.
fn namespace_attribute(uri: &str) -> String {
    let name = if uri.ends_with("XMLSchema-instance") { "xmlns:xsi" } else { "xmlns" };
    format!(" {name}=\"{}\"", escape(uri))
}

//! Bodies of the query protocols: forms whose names are paths.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::services::{Member, Operation, Protocol, Service, Shape, TimestampFormat, capitalised};
use serde_json::Value;

use super::time;

/// The body of a request.
pub(super) fn body(service: &Service, name: &str, operation: &Operation, arguments: &Value) -> String {
    let mut form = Form { service, is_ec2: service.about.protocol == Protocol::Ec2, pairs: Vec::new() };
    form.pairs.push(("Action".to_owned(), name.to_owned()));
    form.pairs.push(("Version".to_owned(), service.about.version.clone()));
    if let Some(input) = operation.input {
        form.write(input, None, String::new(), arguments);
    }
    encoded(&form.pairs)
}

/// Pairs as a form has them.
pub(super) fn encoded(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", sigv4::encoded(name), sigv4::encoded(value)))
        .collect();
    pairs.join("&")
}

struct Form<'s> {
    service: &'s Service,
    is_ec2: bool,
    pairs: Vec<(String, String)>,
}

impl Form<'_> {
    fn write(&mut self, shape: usize, member: Option<&Member>, prefix: String, value: &Value) {
        match (self.service.shape(shape), value) {
            (Some(Shape::Structure(structure)), Value::Object(fields)) => {
                for (name, value) in fields {
                    let Some(member) = structure.members.get(name) else { continue };
                    let name = self.name(name, member);
                    let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                    self.write(member.shape(), Some(member), path, value);
                }
            }
            (Some(Shape::List { list, .. }), Value::Array(items)) => {
                let is_flat = self.is_ec2 || list.flat || member.is_some_and(Member::is_flat);
                let item_name = list.name.as_deref();
                let prefix = match (is_flat, item_name) {
                    // The items of a flat list have its place, and their own name if they have one.
                    (true, Some(own)) if !self.is_ec2 => match prefix.rsplit_once('.') {
                        Some((parent, _)) => format!("{parent}.{own}"),
                        None => own.to_owned(),
                    },
                    (true, _) => prefix,
                    (false, own) => format!("{prefix}.{}", own.unwrap_or("member")),
                };
                if items.is_empty() && !self.is_ec2 {
                    self.pairs.push((prefix, String::new()));
                    return;
                }
                for (at, item) in items.iter().enumerate() {
                    self.write(list.item, None, format!("{prefix}.{}", at + 1), item);
                }
            }
            (Some(Shape::Map(map)), Value::Object(entries)) => {
                let is_flat = map.flat || member.is_some_and(Member::is_flat);
                let prefix = if is_flat { prefix } else { format!("{prefix}.entry") };
                let (key_name, value_name) = (map.key_name.as_deref(), map.value_name.as_deref());
                for (at, (key, value)) in entries.iter().enumerate() {
                    let entry = format!("{prefix}.{}", at + 1);
                    self.pairs.push((format!("{entry}.{}", key_name.unwrap_or("key")), key.clone()));
                    self.write(map.value, None, format!("{entry}.{}", value_name.unwrap_or("value")), value);
                }
            }
            (shape, value) => {
                let text = match (shape, value) {
                    (Some(Shape::Blob(_)), Value::String(text)) => STANDARD.encode(text),
                    (Some(Shape::Timestamp(own)), value) => {
                        let own = member.and_then(Member::timestamp).or(*own);
                        scalar(&time::written(value, own.unwrap_or(TimestampFormat::Iso8601)))
                    }
                    (_, value) => scalar(value),
                };
                self.pairs.push((prefix, text));
            }
        }
    }

    fn name(&self, name: &str, member: &Member) -> String {
        if !self.is_ec2 {
            return member.name().unwrap_or(name).to_owned();
        }
        let written = || capitalised(member.name().unwrap_or(name));
        member.query_name().map_or_else(written, str::to_owned)
    }
}

/// A value without parts, as forms, headers and paths have it.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

//! JSON bodies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::services::{Member, Service, Shape, Structure, TimestampFormat};
use serde_json::{Map, Value};

use super::{Style, time};

/// The body of a request.
pub(super) fn body(service: &Service, input: usize, arguments: &Value) -> String {
    written(service, input, arguments, None).to_string()
}

/// A value as it is sent.
pub(super) fn written(
    service: &Service,
    shape: usize,
    value: &Value,
    format: Option<TimestampFormat>,
) -> Value {
    match (service.shape(shape), value) {
        (Some(Shape::Structure(structure)), Value::Object(fields)) => {
            let in_body = fields.iter().filter_map(|(name, value)| {
                let member = structure.members.get(name)?;
                member.location().is_none().then(|| {
                    let written = written(service, member.shape(), value, member.timestamp());
                    (member.name().unwrap_or(name).to_owned(), written)
                })
            });
            Value::Object(in_body.collect())
        }
        (Some(Shape::List { list, .. }), Value::Array(items)) => {
            items.iter().map(|item| written(service, list.item, item, None)).collect()
        }
        (Some(Shape::Map(map)), Value::Object(entries)) => {
            let entries =
                entries.iter().map(|(key, value)| (key.clone(), written(service, map.value, value, None)));
            Value::Object(entries.collect())
        }
        (Some(Shape::Blob(_)), Value::String(text)) => Value::String(STANDARD.encode(text)),
        (Some(Shape::Timestamp(own)), value) => {
            time::written(value, format.or(*own).unwrap_or(TimestampFormat::UnixTimestamp))
        }
        (_, value) => value.clone(),
    }
}

/// The answer in a body.
pub(super) fn answer(service: &Service, output: usize, body: &[u8], style: Style) -> Result<Value, String> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))?;
    Ok(read(service, output, &body, style))
}

/// A value in an answer as results have it.
pub(super) fn read(service: &Service, shape: usize, value: &Value, style: Style) -> Value {
    match (service.shape(shape), value) {
        (Some(Shape::Structure(structure)), Value::Object(fields)) => {
            Value::Object(members(service, structure, fields, style))
        }
        (Some(Shape::List { list, .. }), Value::Array(items)) => {
            items.iter().map(|item| read(service, list.item, item, style)).collect()
        }
        (Some(Shape::Map(map)), Value::Object(entries)) => {
            let entries =
                entries.iter().map(|(key, value)| (key.clone(), read(service, map.value, value, style)));
            Value::Object(entries.collect())
        }
        (Some(Shape::Blob(_)), Value::String(text)) => match STANDARD.decode(text) {
            Ok(bytes) => blob(bytes),
            Err(_) => value.clone(),
        },
        (Some(Shape::Timestamp(_)), value) => {
            time::epoch_millis(value).map_or_else(|| value.clone(), |millis| style.time(millis))
        }
        (_, value) => value.clone(),
    }
}

/// The members in a body, in the order of their names.
fn members(
    service: &Service,
    structure: &Structure,
    fields: &Map<String, Value>,
    style: Style,
) -> Map<String, Value> {
    let in_body = structure.members.iter().filter_map(|(name, member)| {
        let value = fields.get(Member::name(member).unwrap_or(name)).filter(|value| !value.is_null())?;
        let in_body = member.location().is_none();
        in_body.then(|| (style.member(name), read(service, member.shape(), value, style)))
    });
    let mut members: Vec<(String, Value)> = in_body.collect();
    members.sort_by(|(first, _), (second, _)| first.cmp(second));
    members.into_iter().collect()
}

/// Bytes in a result: their text. Bytes that are no text are in Base64, so that nothing is lost.
pub(super) fn blob(bytes: Vec<u8>) -> Value {
    Value::String(String::from_utf8(bytes).unwrap_or_else(|error| STANDARD.encode(error.as_bytes())))
}

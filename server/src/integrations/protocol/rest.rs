//! Requests and answers whose parts are in path, query, headers and status.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::services::{Location, Member, Operation, Protocol, Service, Shape, Structure, TimestampFormat};
use serde_json::{Map, Value};

use super::form::scalar;
use super::{Request, Response, Style, json, time, xml};

/// The request of an operation.
pub(super) fn request(service: &Service, operation: &Operation, arguments: &Value) -> Request {
    let (path, fixed_query) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
    let mut request = Request { method: operation.method.clone(), ..Request::default() };
    for pair in fixed_query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request.query.push((name.to_owned(), value.to_owned()));
    }
    path.clone_into(&mut request.path);
    let empty = Map::new();
    let fields = arguments.as_object().unwrap_or(&empty);
    let input = operation.input.and_then(|input| service.structure(input));
    let Some(structure) = input else { return request };
    for (name, member) in &structure.members {
        if let Some(value) = fields.get(name) {
            place(service, &mut request, name, member, value);
        }
    }
    fill_body(service, operation, structure, fields, &mut request);
    request
}

/// Puts a member where it belongs, if that is not the body.
fn place(service: &Service, request: &mut Request, name: &str, member: &Member, value: &Value) {
    let written = member.name().unwrap_or(name);
    let text = |value: &Value, usual: TimestampFormat| match service.shape(member.shape()) {
        Some(Shape::Timestamp(own)) => {
            scalar(&time::written(value, member.timestamp().or(*own).unwrap_or(usual)))
        }
        _ => scalar(value),
    };
    match (member.location(), value) {
        (Some(Location::Uri), value) => {
            let text = text(value, TimestampFormat::Iso8601);
            request.path = request.path.replace(&format!("{{{written}}}"), &sigv4::encoded(&text));
            request.path = request.path.replace(&format!("{{{written}+}}"), &sigv4::encoded_path(&text));
        }
        (Some(Location::Query), Value::Array(items)) => {
            let items = items.iter().map(|item| (written.to_owned(), text(item, TimestampFormat::Iso8601)));
            request.query.extend(items);
        }
        (Some(Location::Query), Value::Object(entries)) => {
            for (key, value) in entries {
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                request.query.extend(values.iter().map(|value| (key.clone(), scalar(value))));
            }
        }
        (Some(Location::Query), value) => {
            request.query.push((written.to_owned(), text(value, TimestampFormat::Iso8601)));
        }
        (Some(Location::Header), Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            request.headers.push((written.to_ascii_lowercase(), items.join(",")));
        }
        (Some(Location::Header), value) => {
            let text = text(value, TimestampFormat::Rfc822);
            // JSON in a header is in Base64, for it may hold any character.
            let text = if member.is_json() { STANDARD.encode(text) } else { text };
            request.headers.push((written.to_ascii_lowercase(), text));
        }
        (Some(Location::Headers), Value::Object(entries)) => {
            let named = |(key, value): (&String, &Value)| {
                (format!("{written}{key}").to_ascii_lowercase(), scalar(value))
            };
            request.headers.extend(entries.iter().map(named));
        }
        _ => {}
    }
}

fn fill_body(
    service: &Service,
    operation: &Operation,
    structure: &Structure,
    fields: &Map<String, Value>,
    request: &mut Request,
) {
    let is_json = service.about.protocol == Protocol::RestJson;
    let content_type = if is_json { "application/json" } else { "application/xml" };
    let mut own_type = None;
    if let Some(payload) = &structure.payload {
        let Some((value, member)) = fields.get(payload).zip(structure.members.get(payload)) else { return };
        let shape = member.shape();
        (request.body, own_type) = match service.shape(shape) {
            Some(Shape::Blob(_)) => (scalar(value).into_bytes(), Some("application/octet-stream")),
            Some(Shape::String(_) | Shape::Enum(_)) => (scalar(value).into_bytes(), Some("text/plain")),
            _ if is_json => (json::body(service, shape, value).into_bytes(), None),
            _ => {
                let name = member.name().unwrap_or(payload);
                (xml::body(service, shape, value, name, member.namespace()).into_bytes(), None)
            }
        };
    } else if let Some(input) = operation.input {
        let in_body =
            |(name, member): (&String, &Member)| member.location().is_none() && fields.contains_key(name);
        let has_body = structure.members.values().any(|member| member.location().is_none());
        if is_json && has_body {
            request.body = json::body(service, input, &Value::Object(fields.clone())).into_bytes();
        } else if !is_json && structure.members.iter().any(in_body) {
            let root = operation.root.as_deref().unwrap_or("Request");
            let value = Value::Object(fields.clone());
            request.body =
                xml::body(service, input, &value, root, operation.namespace.as_deref()).into_bytes();
        } else {
            return;
        }
    }
    if !request.headers.iter().any(|(name, _)| name == "content-type") {
        let content_type = own_type.unwrap_or(content_type);
        request.headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
}

/// The answer in status, headers and body.
pub(super) fn answer(
    service: &Service,
    output: usize,
    response: &Response,
    style: Style,
) -> Result<Value, String> {
    let Some(structure) = service.structure(output) else { return Ok(Value::Object(Map::new())) };
    let mut members: Vec<(String, Value)> = Vec::new();
    for (name, member) in &structure.members {
        if let Some(value) = outside(service, member, name, response, style) {
            members.push((style.member(name), value));
        }
    }
    let is_json = service.about.protocol == Protocol::RestJson;
    let Some(payload) = &structure.payload else {
        let in_body = if is_json {
            json::answer(service, output, &response.body, style)?
        } else {
            Value::Object(
                xml::Reading { service, style }
                    .members(structure, &xml::parse(&response.body)?)
                    .into_iter()
                    .collect(),
            )
        };
        members.extend(
            in_body.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())),
        );
        return Ok(Value::Object(xml::sorted(members)));
    };
    let mut result = xml::sorted(members);
    if let Some(member) = structure.members.get(payload)
        && let Some(value) = whole_body(service, member, response, style)?
    {
        // Recorded on AWS: the content of an object stands behind what is said about it.
        result.insert(style.member(payload), value);
    }
    Ok(Value::Object(result))
}

/// A member that is the whole body.
fn whole_body(
    service: &Service,
    member: &Member,
    response: &Response,
    style: Style,
) -> Result<Option<Value>, String> {
    let shape = member.shape();
    Ok(match service.shape(shape) {
        _ if member.is_event_stream() => return Err("the answer is a stream of events".to_owned()),
        Some(Shape::Blob(_)) => Some(json::blob(response.body.clone())),
        Some(Shape::String(_) | Shape::Enum(_)) => {
            Some(Value::String(String::from_utf8_lossy(&response.body).into_owned()))
        }
        _ if response.body.trim_ascii().is_empty() => None,
        _ if service.about.protocol == Protocol::RestJson => {
            Some(json::answer(service, shape, &response.body, style)?)
        }
        _ => Some(xml::Reading { service, style }.value(shape, &xml::parse(&response.body)?, Some(member))),
    })
}

/// A member that is not in the body.
fn outside(
    service: &Service,
    member: &Member,
    name: &str,
    response: &Response,
    style: Style,
) -> Option<Value> {
    let written = member.name().unwrap_or(name);
    match member.location()? {
        Location::StatusCode => Some(Value::from(response.status)),
        Location::Headers => {
            let entries = response.headers.iter().filter_map(|(name, value)| {
                let begin = name.get(..written.len())?;
                let key = begin.eq_ignore_ascii_case(written).then(|| name.get(written.len()..))??;
                Some((key.to_owned(), Value::String(value.clone())))
            });
            // Recorded on AWS: it is there without entries, too.
            Some(Value::Object(entries.collect()))
        }
        Location::Header => {
            let text = response.header(written)?;
            Some(match service.shape(member.shape()) {
                Some(Shape::Boolean) => Value::Bool(text == "true"),
                Some(Shape::Integer(_) | Shape::Number(_)) => xml::number(text),
                Some(Shape::Timestamp(_)) => {
                    let text = Value::from(text);
                    time::epoch_millis(&text).map_or(text, |millis| style.time(millis))
                }
                Some(Shape::List { .. }) => text.split(',').map(|item| Value::from(item.trim())).collect(),
                _ if member.is_json() => {
                    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                    Value::String(decoded.unwrap_or_else(|| text.to_owned()))
                }
                _ => Value::from(text),
            })
        }
        Location::Uri | Location::Query => None,
    }
}

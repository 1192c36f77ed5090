//! Requests as they are sent, and answers as they come, in the protocols of
//! AWS's services.
//!
//! Owns the mapping between JSON values that have a shape and HTTP messages;
//! knows nothing of hosts, signatures and sockets. Sources: Smithy 2.0, "AWS
//! JSON 1.0/1.1", "AWS restJson1", "AWS restXml", "AWS query", "AWS EC2 query".
//!
//! | file | owns |
//! |---|---|
//! | `json` | JSON bodies |
//! | `rest` | parts of requests and answers in path, query, headers and status |
//! | `form` | bodies of the query protocols |
//! | `xml` | XML: trees from text, answers from trees, bodies |
//! | `time` | how times are written |
//! | `refusals` | errors |

mod form;
mod json;
mod refusals;
mod rest;
#[cfg(test)]
mod tests;
mod time;
pub(crate) mod xml;

use engine::services::{Operation, Protocol, Service};
use serde_json::Value;

use super::naming;
use super::problem::Refusal;

/// A request, still without host and signature.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// As it is sent.
    pub(super) path: String,
    /// Not encoded.
    pub(super) query: Vec<(String, String)>,
    /// By lower-case name.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) status: u16,
    /// As they came.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// A header, by its name in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The id AWS gave the request.
    pub(super) fn request_id(&self) -> String {
        let names = ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"];
        let in_header = names.iter().find_map(|name| self.header(name)).map(str::to_owned);
        in_header.or_else(|| xml::request_id(&self.body)).unwrap_or_default()
    }
}

/// How results name members and write times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Of `aws-sdk` integrations: names of the SDK for Java, times in ISO 8601.
    Sdk,
    /// Of optimised integrations: names of the service with a capital letter,
    /// times in milliseconds since the epoch.
    Optimised,
}

impl Style {
    fn member(self, name: &str) -> String {
        match self {
            Self::Sdk => naming::member_name(name),
            Self::Optimised => engine::services::capitalised(name),
        }
    }

    /// A time, given in milliseconds since the epoch.
    fn time(self, millis: i64) -> Value {
        match self {
            Self::Sdk => Value::String(time::instant(millis)),
            Self::Optimised => Value::from(millis),
        }
    }
}

/// Writes the request of an operation; `arguments` are as [`super::arguments`] makes them.
pub(super) fn request(service: &Service, name: &str, operation: &Operation, arguments: &Value) -> Request {
    match service.about.protocol {
        Protocol::Json => {
            let version = service.about.json.as_deref().unwrap_or("1.0");
            let target = service.about.target.as_deref().unwrap_or_default();
            let headers = vec![
                ("content-type".to_owned(), format!("application/x-amz-json-{version}")),
                ("x-amz-target".to_owned(), format!("{target}.{name}")),
            ];
            let body = operation.input.map(|input| json::body(service, input, arguments));
            let body = body.unwrap_or_else(|| "{}".to_owned()).into_bytes();
            Request { method: "POST".to_owned(), path: "/".to_owned(), query: Vec::new(), headers, body }
        }
        Protocol::Query | Protocol::Ec2 => Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: Vec::new(),
            headers: vec![(
                "content-type".to_owned(),
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            )],
            body: form::body(service, name, operation, arguments).into_bytes(),
        },
        Protocol::RestJson | Protocol::RestXml => rest::request(service, operation, arguments),
    }
}

/// Reads the answer of an operation that did what it was asked to. `Err` says what cannot be read.
pub(super) fn answer(
    service: &Service,
    operation: &Operation,
    response: &Response,
    style: Style,
) -> Result<Value, String> {
    let Some(output) = operation.output else { return Ok(Value::Object(serde_json::Map::new())) };
    let value = match service.about.protocol {
        Protocol::Json => json::answer(service, output, &response.body, style)?,
        Protocol::RestJson | Protocol::RestXml => rest::answer(service, output, response, style)?,
        Protocol::Query => {
            let root = xml::parse(&response.body)?;
            let wrapped = operation.wrapper.as_deref().and_then(|wrapper| root.child(wrapper));
            xml::Reading { service, style }.value(output, wrapped.unwrap_or(&root), None)
        }
        Protocol::Ec2 => xml::Reading { service, style }.value(output, &xml::parse(&response.body)?, None),
    };
    Ok(value)
}

/// Reads why an operation did not do what it was asked to.
pub(super) fn refusal(service: &Service, response: &Response) -> Refusal {
    refusals::read(service, response)
}

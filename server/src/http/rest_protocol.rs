//! AWS's REST with JSON: operations by method and path, as the service's model has them.
//!
//! Paths like `/schedules/{Name}` could as well be keys of a bucket. What tells them apart is
//! the service that a request is signed for, which AWS's clients always do: a request
//! without a signature, or for another service, is not taken.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use asl::limits::REQUEST_BYTES_MAX;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use engine::services::{self, Location, Operation, Structure};
use serde_json::{Map, Number, Value};

use super::authentication::{Authentication, SignedBody};
use super::body;
use super::json_protocol::{JsonAnswer, JsonError, parameters};
use super::service::{Answer, Request, Response, Service, text};

const CONTENT_TYPE: &str = "application/json";

static ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An API on the protocol.
pub trait RestApi: Send + Sync {
    /// The model of the service.
    fn model(&self) -> &services::Service;

    /// Answers an operation of the model; its parameters are those of path, query and body together.
    fn call(self: Arc<Self>, operation: &str, parameters: Value) -> JsonAnswer;
}

/// The protocol with its APIs: a service that takes requests that are signed for one of them.
pub struct RestProtocol {
    apis: Vec<Arc<dyn RestApi>>,
    authentication: Authentication,
    body_time: Duration,
}

impl fmt::Debug for RestProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.apis.iter().map(|api| &api.model().about.id)).finish()
    }
}

impl RestProtocol {
    /// APIs behind one authentication. `body_time`: how long a body may take to come.
    pub fn new(apis: Vec<Arc<dyn RestApi>>, authentication: Authentication, body_time: Duration) -> Self {
        Self { apis, authentication, body_time }
    }

    /// The API whose service a request is signed for.
    fn find(&self, head: &Parts) -> Option<&Arc<dyn RestApi>> {
        let service = signed_for(head)?;
        self.apis.iter().find(|api| api.model().about.signing_name() == service)
    }

    async fn run(&self, api: &Arc<dyn RestApi>, request: Request) -> Result<Value, JsonError> {
        let (head, body) = request.into_parts();
        let found = route(api.model(), &head);
        let (name, mut given) = found.ok_or_else(|| JsonError {
            http_status: 404,
            ..JsonError::new("UnknownOperationException", "")
        })?;
        let body = body::read(&head.headers, body, REQUEST_BYTES_MAX, self.body_time).await;
        let body = body.map_err(|error| JsonError::of_body(error, REQUEST_BYTES_MAX))?;
        self.authentication.verify(&head, SignedBody::Whole(&body), api.model().about.signing_name())?;
        if let Value::Object(body) = parameters(&body)? {
            for (name, value) in body {
                given.entry(name).or_insert(value);
            }
        }
        Arc::clone(api).call(&name, Value::Object(given)).await
    }
}

impl Service for RestProtocol {
    fn takes(&self, head: &Parts) -> bool {
        self.find(head).is_some()
    }

    fn answer(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Some(api) = self.find(&head).cloned() else { return super::service::unknown() };
            match self.run(&api, Request::from_parts(head, body)).await {
                Ok(answer) => text(StatusCode::OK, CONTENT_TYPE, answer.to_string()),
                Err(error) => refused(&error),
            }
        })
    }
}

/// The service in the scope of a signature: `Credential=KEY/20260131/us-east-1/scheduler/aws4_request`.
fn signed_for(head: &Parts) -> Option<&str> {
    let authorization = head.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    let scope = credential.split([',', ' ']).next()?;
    scope.rsplit('/').nth(1)
}

/// The operation of a request, and what its path and query hold.
fn route(model: &services::Service, head: &Parts) -> Option<(String, Map<String, Value>)> {
    model.operations.iter().find_map(|(name, operation)| {
        let members = operation.input.and_then(|input| model.structure(input));
        parameters_of(operation, members, head).map(|given| (name.clone(), given))
    })
}

fn parameters_of(
    operation: &Operation,
    members: Option<&Structure>,
    head: &Parts,
) -> Option<Map<String, Value>> {
    if Method::from_bytes(operation.method.as_bytes()).ok()? != head.method {
        return None;
    }
    let template = operation.uri.split('?').next().unwrap_or_default();
    let mut wanted = template.trim_matches('/').split('/');
    let mut found = head.uri.path().trim_matches('/').split('/');
    let mut given = Map::new();
    loop {
        let (wanted, found) = match (wanted.next(), found.next()) {
            (None, None) => break,
            (Some(wanted), Some(found)) => (wanted, found),
            _ => return None,
        };
        match wanted.strip_prefix('{').and_then(|wanted| wanted.strip_suffix('}')) {
            Some(label) => {
                let member = member_named(members, Location::Uri, label).unwrap_or(label);
                given.insert(member.to_owned(), Value::String(decoded(found)));
            }
            None if wanted == found => {}
            None => return None,
        }
    }
    for pair in head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let Some(member) = member_named(members, Location::Query, &name) else { continue };
        match (value.parse::<i64>(), is_number(member)) {
            (Ok(number), true) => drop(given.insert(member.to_owned(), Number::from(number).into())),
            _ => add(&mut given, member, value),
        }
    }
    Some(given)
}

/// The query has texts only; the members of these services that count are `MaxResults` and `Limit`.
fn is_number(member: &str) -> bool {
    matches!(member, "MaxResults" | "Limit")
}

/// A name that comes several times is a list.
fn add(given: &mut Map<String, Value>, member: &str, value: String) {
    let is_list = member.ends_with("Keys") || member.ends_with("tagKeys");
    match given.get_mut(member) {
        Some(Value::Array(list)) => list.push(Value::String(value)),
        _ if is_list => drop(given.insert(member.to_owned(), Value::Array(vec![Value::String(value)]))),
        _ => drop(given.insert(member.to_owned(), Value::String(value))),
    }
}

/// The member that is in the path or the query under a name.
fn member_named<'m>(members: Option<&'m Structure>, location: Location, name: &str) -> Option<&'m str> {
    let mut members = members?.members.iter();
    members
        .find(|(key, member)| {
            member.location() == Some(location) && member.name().unwrap_or(key.as_str()) == name
        })
        .map(|(key, _)| key.as_str())
}

/// A part of a URL without its percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = ahead;
            }
            (byte, _, _) => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(error: &JsonError) -> Response {
    let mut body = Map::new();
    // Some models call it by the one name, some by the other.
    for name in ["message", "Message"] {
        body.insert(name.to_owned(), Value::String(error.message.clone()));
    }
    let status = StatusCode::from_u16(error.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text(status, CONTENT_TYPE, Value::Object(body).to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert(&ERROR_TYPE, code);
    }
    if matches!(error.http_status, 408 | 413) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str) -> Parts {
        let request = axum::http::Request::builder().method(method).uri(uri).header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20260131/us-east-1/scheduler/aws4_request, SignedHeaders=host, Signature=0",
        );
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn operations_are_found_by_method_and_path() {
        let model = services::Service::load("scheduler").expect("the model");
        let found = |method: &str, uri: &str| {
            route(&model, &head(method, uri)).map(|(name, given)| (name, Value::Object(given)))
        };
        let json = serde_json::json!({ "Name": "a b", "GroupName": "g" });
        assert_eq!(found("GET", "/schedules/a%20b?groupName=g"), Some(("GetSchedule".to_owned(), json)));
        let json = serde_json::json!({ "GroupName": "g", "MaxResults": 5 });
        assert_eq!(
            found("GET", "/schedules?ScheduleGroup=g&MaxResults=5"),
            Some(("ListSchedules".to_owned(), json))
        );
        assert_eq!(found("GET", "/schedules/a/b"), None);
        assert_eq!(found("PATCH", "/schedules/a"), None);
    }

    #[test]
    fn the_signature_says_for_whom_a_request_is() {
        assert_eq!(signed_for(&head("GET", "/schedules")), Some("scheduler"));
    }
}

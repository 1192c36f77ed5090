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
use engine::services::{self, Location, Member, Operation, Shape, Structure};
use serde_json::{Map, Value};

use super::authentication::{Authentication, SignedBody, signed_service};
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

    /// The API whose service a request is signed for. What is not signed at all is refused in the form of
    /// whoever has an operation there, where everybody has to sign: nobody reads a bucket like that.
    fn find(&self, head: &Parts) -> Option<&Arc<dyn RestApi>> {
        let mut apis = self.apis.iter();
        match signed_service(head) {
            Some(service) => apis.find(|api| api.model().about.signing_name() == service),
            None if self.authentication.is_open() => None,
            None => apis.find(|api| route(api.model(), head).is_some()),
        }
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

    fn signing_names(&self) -> Vec<&str> {
        self.apis.iter().map(|api| api.model().about.signing_name()).collect()
    }

    fn answer(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Some(api) = self.find(&head).cloned() else { return super::service::unknown(&head) };
            match self.run(&api, Request::from_parts(head, body)).await {
                Ok(answer) => text(StatusCode::OK, CONTENT_TYPE, answer.to_string()),
                Err(error) => refused(&error),
            }
        })
    }
}

/// The operation of a request, and what its path and query hold.
fn route(model: &services::Service, head: &Parts) -> Option<(String, Map<String, Value>)> {
    model.operations.iter().find_map(|(name, operation)| {
        let members = operation.input.and_then(|input| model.structure(input));
        parameters_of(model, operation, members, head).map(|given| (name.clone(), given))
    })
}

fn parameters_of(
    model: &services::Service,
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
                let member = member_named(members, Location::Uri, label).map_or(label, |(member, _)| member);
                given.insert(member.to_owned(), Value::String(decoded(found)));
            }
            None if wanted == found => {}
            None => return None,
        }
    }
    for pair in head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let Some((member, shape)) = member_named(members, Location::Query, &name) else { continue };
        add(&mut given, member, model.shape(shape), value);
    }
    Some(given)
}

/// The query has texts only: the model says what they are. A list comes a name for each.
fn add(given: &mut Map<String, Value>, member: &str, shape: Option<&Shape>, value: String) {
    let value = match (shape, value.parse::<i64>()) {
        (Some(Shape::Integer(_)), Ok(number)) => number.into(),
        _ => Value::String(value),
    };
    let is_list = matches!(shape, Some(Shape::List { .. }));
    match given.get_mut(member) {
        Some(Value::Array(list)) => list.push(value),
        _ => drop(given.insert(member.to_owned(), if is_list { Value::Array(vec![value]) } else { value })),
    }
}

/// The member that is in the path or the query under a name, and its shape.
fn member_named<'m>(
    members: Option<&'m Structure>,
    location: Location,
    name: &str,
) -> Option<(&'m str, usize)> {
    let mut members = members?.members.iter();
    let is_named = |(key, member): &(&String, &Member)| {
        member.location() == Some(location) && member.name().unwrap_or(key.as_str()) == name
    };
    members.find(is_named).map(|(key, member)| (key.as_str(), member.shape()))
}

/// A part of a URL without its percent signs.
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&sigv4::decoded(text)).into_owned()
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
        assert_eq!(signed_service(&head("GET", "/schedules")), Some("scheduler"));
    }
}

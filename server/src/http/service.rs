//! The port to what answers requests, and the answers nobody else gives.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::json;
use tokio::task::JoinError;

use super::authentication::signed_service;

/// A request whose body was not read yet.
pub type Request = axum::http::Request<Body>;
/// Where a request came from: an extension of it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);
/// What is answered.
pub type Response = axum::http::Response<Body>;
/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What answers some of the requests: a protocol with everything behind it.
pub trait Service: Send + Sync {
    /// Whether a request is for this service, by its method, path and headers.
    fn takes(&self, head: &Parts) -> bool;

    /// Answers. Who caused the request was let in by host and origin;
    /// signatures are checked by services, because they know the body.
    fn answer(self: Arc<Self>, request: Request) -> Answer;

    /// The services whose requests it takes, as signatures name them, e.g. `states`.
    fn signing_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether the answer is for a caller who is still there only: a request that waits for something
    /// to take. It is given up when its caller hangs up.
    fn waits(&self, _head: &Parts) -> bool {
        false
    }

    /// The server ends: what waits for something is to be answered now.
    fn stop(&self) {}
}

/// What an endpoint serves, as signatures name it, in the order of names: an extension of its requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Served(pub(super) Arc<[String]>);

impl Served {
    /// What is said to who asks for something else.
    pub(super) fn of_others(&self, service: &str) -> String {
        format!("This endpoint does not serve {service}. It serves {}.", self.0.join(", "))
    }
}

/// A response with a text.
pub(crate) fn text(status: StatusCode, content_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer to a request whose body was not read, or not to its end: the last of its connection, and its
/// caller knows.
pub(super) fn unlooked(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What AWS answers to what belongs to no protocol; what is signed for a service is told, in the form
/// its clients read, what there is.
pub(crate) fn unknown(head: &Parts) -> Response {
    let Some(service) = signed_service(head) else {
        return text(StatusCode::NOT_FOUND, "application/xml", "<UnknownOperationException/>\n");
    };
    // A request's words are not repeated unless they are a name.
    let is_name = service.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let service = if is_name { service } else { "that" };
    let served = head.extensions.get::<Served>().cloned().unwrap_or_default();
    let message = if served.0.iter().any(|name| name == service) {
        format!("{service} has no operation at this method and path.")
    } else {
        served.of_others(service)
    };
    let is_form = |value: &HeaderValue| value.as_bytes().starts_with(b"application/x-www-form-urlencoded");
    if head.headers.get(header::CONTENT_TYPE).is_some_and(is_form) {
        // The query protocol: SNS, STS, IAM and so on.
        let error = format!("<Type>Sender</Type><Code>UnknownOperation</Code><Message>{message}</Message>");
        let document = format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>\n");
        return text(StatusCode::NOT_FOUND, "text/xml", document);
    }
    let document = json!({ "message": message }).to_string();
    let mut response = text(StatusCode::NOT_FOUND, "application/json", document);
    let code = HeaderValue::from_static("UnknownOperationException");
    response.headers_mut().insert("x-amzn-errortype", code);
    response
}

/// A time as HTTP writes it (RFC 9110, 5.6.7).
pub(crate) fn http_date(time: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}

/// Does what waits for the disk where it holds nobody up.
pub(crate) async fn off_thread<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<JoinError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into()))
}

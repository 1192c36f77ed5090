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
use tokio::task::JoinError;

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

    /// The server ends: what waits for something is to be answered now.
    fn stop(&self) {}
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

/// What AWS answers to what belongs to no protocol.
pub(crate) fn unknown() -> Response {
    text(StatusCode::NOT_FOUND, "application/xml", "<UnknownOperationException/>\n")
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

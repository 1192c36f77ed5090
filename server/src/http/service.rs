//! The port to what answers requests, and the answers nobody else gives.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};

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

/// A random request id: UUID version 4.
pub(crate) fn request_id() -> String {
    let mut bytes = [0; 16];
    // Without random numbers the ids are all the same, and nothing depends on them.
    let _ = getrandom::fill(&mut bytes);
    let bits = (u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut id = format!("{bits:032x}");
    for at in [20, 16, 12, 8] {
        id.insert(at, '-');
    }
    id
}

//! What monitoring asks: `/healthz` (the process answers), `/readyz` (the
//! engine works), `/metrics` (Prometheus).

use std::fmt;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::Engine;

use super::authentication::Authentication;
use super::service::{Answer, Request, Response, Service, text};

use crate::metrics::Metrics;

const PLAIN: &str = "text/plain; charset=utf-8";
/// Prometheus documentation, "Exposition formats".
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The probes of an engine.
pub struct Probes {
    engine: Engine,
    metrics: Arc<Metrics>,
    authentication: Authentication,
}

impl fmt::Debug for Probes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Probes").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Probes {
    /// Metrics name state machines: where callers have keys, so has who reads
    /// them, as user name and password, for Prometheus signs nothing.
    pub fn new(engine: Engine, metrics: Arc<Metrics>, authentication: Authentication) -> Self {
        Self { engine, metrics, authentication }
    }

    fn respond(&self, path: &str, headers: &HeaderMap) -> Response {
        match path {
            "/healthz" => text(StatusCode::OK, PLAIN, "ok\n"),
            "/readyz" => match self.engine.stopped() {
                None => text(StatusCode::OK, PLAIN, "ok\n"),
                // Why is in the log.
                Some(_) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "the engine has stopped\n"),
            },
            _ if self.may_read_metrics(headers) => text(StatusCode::OK, EXPOSITION, self.metrics.to_text()),
            _ => {
                let mut response =
                    text(StatusCode::UNAUTHORIZED, PLAIN, "the metrics are for who has keys\n");
                let challenge = HeaderValue::from_static("Basic realm=\"stepwright\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
        }
    }

    fn may_read_metrics(&self, headers: &HeaderMap) -> bool {
        self.authentication.is_open()
            || basic(headers).is_some_and(|(name, password)| self.authentication.knows(&name, &password))
    }
}

/// User name and password of HTTP's basic authentication.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

impl Service for Probes {
    fn takes(&self, head: &Parts) -> bool {
        matches!(head.method, Method::GET | Method::HEAD)
            && matches!(head.uri.path(), "/healthz" | "/readyz" | "/metrics")
    }

    fn answer(self: Arc<Self>, request: Request) -> Answer {
        let response = self.respond(request.uri().path(), request.headers());
        Box::pin(std::future::ready(response))
    }
}

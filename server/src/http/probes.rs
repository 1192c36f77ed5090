//! What monitoring asks: `/healthz` (the process answers), `/readyz` (the
//! engine works, and what else there is), `/metrics` (Prometheus).

use std::fmt;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::Engine;
use tokio::task::JoinError;

use super::authentication::Authentication;
use super::service::{Answer, Request, Response, Service, off_thread, text};

use crate::metrics::Metrics;

const PLAIN: &str = "text/plain; charset=utf-8";
/// Prometheus documentation, "Exposition formats".
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is wrong, if anything is. May wait for the disk.
type Look = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The probes of an engine.
pub struct Probes {
    engine: Engine,
    also: Option<Look>,
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
        Self { engine, also: None, metrics, authentication }
    }

    /// What has to work besides the engine: says what is wrong, if anything is.
    #[must_use]
    pub fn and(mut self, look: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.also = Some(Arc::new(look));
        self
    }

    /// Why is in the log: whoever asks has no keys.
    async fn readiness(&self) -> Response {
        let unready = |what: &'static str| text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, what);
        if self.engine.stopped().is_some() {
            return unready("the engine has stopped\n");
        }
        if let Some(look) = self.also.clone() {
            let problem = off_thread(move || Ok::<_, JoinError>(look())).await;
            if !matches!(problem, Ok(None)) {
                return unready("queues and events cannot be written\n");
            }
        }
        text(StatusCode::OK, PLAIN, "ok\n")
    }

    fn respond(&self, path: &str, headers: &HeaderMap) -> Response {
        match path {
            "/healthz" => text(StatusCode::OK, PLAIN, "ok\n"),
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
        if request.uri().path() == "/readyz" {
            return Box::pin(async move { self.readiness().await });
        }
        let response = self.respond(request.uri().path(), request.headers());
        Box::pin(std::future::ready(response))
    }
}

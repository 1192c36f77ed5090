//! AWS JSON 1.0 and 1.1: an operation and its parameters in a `POST /`, the operation
//! named by `X-Amz-Target`. Several APIs share it by the first part of that name.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use asl::limits::REQUEST_BYTES_MAX;
use axum::body::HttpBody as _;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};
use tokio::task::JoinError;

use super::authentication::{Authentication, SignatureProblem, SignedBody, signed_service};
use super::body::{self, BodyError};
use super::service::{Answer, Request, Response, Served, Service, text, unknown, unlooked};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const CONTENT_TYPE_1_1: &str = "application/x-amz-json-1.1";

static TARGET: HeaderName = HeaderName::from_static("x-amz-target");
static QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// What an operation answers, on its way.
pub type JsonAnswer = Pin<Box<dyn Future<Output = Result<Value, JsonError>> + Send>>;

/// An error of the protocol or of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// AWS's name of the error, without a namespace.
    pub code: Cow<'static, str>,
    /// AWS's words; empty = none.
    pub message: String,
    /// Status of the HTTP answer.
    pub http_status: u16,
}

impl JsonError {
    /// An error that is the caller's fault: status 400.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), message: message.into(), http_status: 400 }
    }

    /// An error that is ours.
    pub fn internal() -> Self {
        let message = "Internal Server Error".to_owned();
        Self { code: Cow::Borrowed("InternalFailure"), message, http_status: 500 }
    }
}

impl From<SignatureProblem> for JsonError {
    fn from(problem: SignatureProblem) -> Self {
        let error = problem.json();
        Self { code: Cow::Borrowed(error.code), message: error.message, http_status: error.http_status }
    }
}

impl JsonError {
    /// A body that could not be read within `limit` bytes.
    pub(super) fn of_body(error: BodyError, limit: usize) -> Self {
        match error {
            BodyError::TooLarge => Self {
                code: Cow::Borrowed("RequestEntityTooLargeException"),
                message: format!("HTTP content length exceeded {limit} bytes."),
                http_status: 413,
            },
            BodyError::TooSlow => Self {
                code: Cow::Borrowed("RequestTimeout"),
                message: "The body of the request did not come in time.".to_owned(),
                http_status: 408,
            },
            BodyError::Broken => Self::new("SerializationException", ""),
        }
    }
}

impl From<JoinError> for JsonError {
    fn from(error: JoinError) -> Self {
        tracing::error!(%error, "a request failed");
        Self::internal()
    }
}

/// An API on the protocol.
pub trait JsonApi: Send + Sync {
    /// What its targets begin with, before the point, e.g. `AWSStepFunctions`.
    fn target_prefix(&self) -> &'static str;

    /// The name of the service in signatures, e.g. `states`.
    fn signing_name(&self) -> &'static str;

    /// Whether it has an operation of this name.
    fn has(&self, operation: &str) -> bool;

    /// Answers an operation it has.
    fn call(self: Arc<Self>, operation: &str, parameters: Value) -> JsonAnswer;

    /// Whether an operation waits for something to take, for a caller who is still there.
    fn waits(&self, _operation: &str) -> bool {
        false
    }

    /// The server ends: what waits for something is to be answered now.
    fn stop(&self) {}

    /// Whether it speaks AWS JSON 1.1, and not 1.0.
    fn is_1_1(&self) -> bool {
        false
    }

    /// Bytes of a request.
    fn request_bytes_max(&self) -> usize {
        REQUEST_BYTES_MAX
    }

    /// Whether its requests may come to any path: those of a queue come to the queue's URL.
    fn has_own_paths(&self) -> bool {
        false
    }

    /// What stands before the names of its errors, e.g. `com.amazonaws.sqs#`.
    fn error_namespace(&self) -> &'static str {
        ""
    }

    /// The name that an error had in the query protocol, for services that changed from it
    /// to this one: old clients, and new ones that keep their names, read it in a header.
    fn query_error(&self, code: &str) -> Option<Cow<'static, str>> {
        let _ = code;
        None
    }
}

/// The protocol with its APIs: a service that takes every `POST /`.
pub struct JsonProtocol {
    apis: Vec<Arc<dyn JsonApi>>,
    authentication: Authentication,
    body_time: Duration,
}

impl fmt::Debug for JsonProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes = self.apis.iter().map(|api| api.target_prefix());
        formatter.debug_list().entries(prefixes).finish()
    }
}

impl JsonProtocol {
    /// APIs behind one authentication. `body_time`: how long a body may take to come.
    pub fn new(apis: Vec<Arc<dyn JsonApi>>, authentication: Authentication, body_time: Duration) -> Self {
        Self { apis, authentication, body_time }
    }

    /// The API and the operation that a target names.
    fn find<'t>(&self, headers: &'t HeaderMap) -> Option<(Arc<dyn JsonApi>, &'t str)> {
        let (prefix, operation) = headers.get(&TARGET)?.to_str().ok()?.split_once('.')?;
        let api = self.apis.iter().find(|api| api.target_prefix() == prefix)?;
        api.has(operation).then(|| (Arc::clone(api), operation))
    }

    /// An operation that there is not: of an API that is here AWS says no more than that.
    fn no_operation(&self, head: &Parts) -> JsonError {
        let target = head.headers.get(&TARGET).and_then(|target| target.to_str().ok());
        let api = target.and_then(|target| target.split_once('.')).map(|(api, _)| api);
        let message = match (api, head.extensions.get::<Served>(), signed_service(head)) {
            (Some(api), Some(served), Some(service))
                if !self.apis.iter().any(|of| of.target_prefix() == api) =>
            {
                served.of_others(service)
            }
            _ => String::new(),
        };
        JsonError::new("UnknownOperationException", message)
    }

    async fn run(
        &self,
        found: Option<(Arc<dyn JsonApi>, String)>,
        request: Request,
    ) -> Result<Value, JsonError> {
        let (head, body) = request.into_parts();
        // Also of what is refused: who has sent it all may send the next request on the connection.
        let limit = found.as_ref().map_or(REQUEST_BYTES_MAX, |(api, _)| api.request_bytes_max());
        let body = body::read(&head.headers, body, limit, self.body_time).await;
        let body = body.map_err(|error| JsonError::of_body(error, limit))?;
        let (api, operation) = found.ok_or_else(|| self.no_operation(&head))?;
        self.authentication.verify(&head, SignedBody::Whole(&body), api.signing_name())?;
        let parameters = parameters(&body)?;
        drop(body);
        api.call(&operation, parameters).await
    }
}

impl Service for JsonProtocol {
    fn takes(&self, head: &Parts) -> bool {
        let has_own_path = || {
            let target = head.headers.get(&TARGET).and_then(|target| target.to_str().ok());
            let prefix = target.and_then(|target| target.split_once('.')).map(|(prefix, _)| prefix);
            self.apis.iter().any(|api| api.has_own_paths() && prefix == Some(api.target_prefix()))
        };
        head.method == Method::POST && (head.uri.path() == "/" || has_own_path())
    }

    fn signing_names(&self) -> Vec<&str> {
        self.apis.iter().map(|api| api.signing_name()).collect()
    }

    fn waits(&self, head: &Parts) -> bool {
        self.find(&head.headers).is_some_and(|(api, operation)| api.waits(operation))
    }

    fn answer(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(async move {
            // A body of another type may be a page's form: it is not looked at.
            if !is_json(request.headers()) {
                let (head, body) = request.into_parts();
                return if body.is_end_stream() { unknown(&head) } else { unlooked(unknown(&head)) };
            }
            let found = self.find(request.headers()).map(|(api, operation)| (api, operation.to_owned()));
            let api = found.as_ref().map(|(api, _)| Arc::clone(api));
            let is_1_1 = api.as_ref().is_some_and(|api| api.is_1_1());
            let content_type = if is_1_1 { CONTENT_TYPE_1_1 } else { CONTENT_TYPE };
            match self.run(found, request).await {
                Ok(answer) => text(StatusCode::OK, content_type, answer.to_string()),
                Err(error) => refused(&error, content_type, api.as_deref()),
            }
        })
    }

    fn stop(&self) {
        self.apis.iter().for_each(|api| api.stop());
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else { return false };
    let media_type = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    [CONTENT_TYPE, CONTENT_TYPE_1_1].iter().any(|known| media_type.trim().eq_ignore_ascii_case(known))
}

pub(super) fn parameters(body: &[u8]) -> Result<Value, JsonError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match serde_json::from_slice(body) {
        Ok(parameters @ Value::Object(_)) => Ok(parameters),
        _ => Err(JsonError::new("SerializationException", "")),
    }
}

fn refused(error: &JsonError, content_type: &'static str, api: Option<&dyn JsonApi>) -> Response {
    let mut body = Map::new();
    let namespace = namespace(&error.code);
    let namespace = if namespace.is_empty() { api.map_or("", JsonApi::error_namespace) } else { namespace };
    body.insert("__type".to_owned(), Value::String(format!("{namespace}{}", error.code)));
    if !error.message.is_empty() {
        body.insert("message".to_owned(), Value::String(error.message.clone()));
    }
    let status = StatusCode::from_u16(error.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text(status, content_type, Value::Object(body).to_string());
    if let Some(code) = api.and_then(|api| api.query_error(&error.code)) {
        let fault = if error.http_status < 500 { "Sender" } else { "Receiver" };
        if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
            response.headers_mut().insert(&QUERY_ERROR, value);
        }
    }
    if matches!(error.http_status, 408 | 413) {
        return unlooked(response);
    }
    response
}

/// AWS's front end names its own errors with a namespace; clients drop it.
fn namespace(code: &str) -> &'static str {
    match code {
        "UnknownOperationException"
        | "SerializationException"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "RequestEntityTooLargeException" => "com.amazon.coral.service#",
        "ValidationException" => "com.amazon.coral.validate#",
        _ => "",
    }
}

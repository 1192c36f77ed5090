//! The Lambda Runtime API (version 2018-06-01) as bootstraps see it.
//!
//! One listener on loopback serves all processes. The first path segment is a secret
//! of one process: other local users, and web pages, cannot guess it, and a bootstrap
//! cannot speak for another. The Rust runtime client keeps the base path of
//! `AWS_LAMBDA_RUNTIME_API`.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{
    Function, Shared,
    answer::{Answer, RESPONSE_BYTES_MAX},
    pool::Invocation,
    process::Call,
};

/// Largest error object read, in bytes; the rest is dropped. Ours: an error is no data channel.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// One invocation on its way to a bootstrap.
#[derive(Debug)]
pub(super) struct Delivery {
    request_id: String,
    deadline_millis: u128,
    function_arn: String,
    trace_id: String,
    payload: String,
}

impl Delivery {
    pub(super) fn new(shared: &Shared, function: &Function, invocation: &Invocation) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            request_id: invocation.request_id.clone(),
            deadline_millis: (now + function.timeout).as_millis(),
            function_arn: format!(
                "arn:aws:lambda:{}:{}:function:{}",
                shared.region, shared.account_id, function.name
            ),
            trace_id: invocation.trace_id.clone(),
            payload: invocation.payload.clone(),
        }
    }
}

impl IntoResponse for Delivery {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.payload));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("lambda-runtime-aws-request-id", self.request_id),
            ("lambda-runtime-deadline-ms", self.deadline_millis.to_string()),
            ("lambda-runtime-invoked-function-arn", self.function_arn),
            ("lambda-runtime-trace-id", self.trace_id),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// The routes. Anything else, and any wrong secret, is 404 without a word.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/{token}/2018-06-01/runtime/invocation/next", get(next))
        .route("/{token}/2018-06-01/runtime/invocation/{request_id}/response", post(response))
        .route("/{token}/2018-06-01/runtime/invocation/{request_id}/error", post(error))
        .route("/{token}/2018-06-01/runtime/init/error", post(init_error))
        .with_state(shared)
}

/// Why a request gets no answer of its own.
#[derive(Debug)]
enum Refusal {
    /// No process has this secret.
    Unknown,
    /// The answer is for another invocation than the process has.
    InvalidRequestId,
    /// The process is being ended; runtime clients take any 5xx as "leave".
    Gone,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND.into_response(),
            Self::InvalidRequestId => {
                problem(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
            }
            Self::Gone => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// The process behind a secret.
fn process(shared: &Shared, token: &str) -> Result<mpsc::Sender<Call>, Refusal> {
    shared.process(token).ok_or(Refusal::Unknown)
}

async fn next(State(shared): State<Arc<Shared>>, Path(token): Path<String>) -> Result<Delivery, Refusal> {
    let calls = process(&shared, &token)?;
    let (sender, receiver) = oneshot::channel();
    calls.send(Call::Next(sender)).await.map_err(|_| Refusal::Gone)?;
    // Waits as long as there is no work: AWS keeps this request open, too.
    receiver.await.map_err(|_| Refusal::Gone)
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path((token, request_id)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Refusal> {
    let calls = process(&shared, &token)?;
    let (answer, too_large) = match read(body, RESPONSE_BYTES_MAX).await {
        Ok(Read { bytes, truncated: false }) => (Answer::from_response(bytes), false),
        Ok(_) => (Answer::response_too_large(), true),
        Err(_) => return Err(Refusal::Gone),
    };
    let accepted = answered(&calls, request_id, answer).await?;
    if too_large {
        let message = format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
        return Ok(problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message));
    }
    Ok(accepted)
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path((token, request_id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let calls = process(&shared, &token)?;
    let read = read(body, ERROR_BYTES_MAX).await.map_err(|_| Refusal::Gone)?;
    answered(&calls, request_id, Answer::from_error(&read.bytes, error_type(&headers))).await
}

async fn init_error(
    State(shared): State<Arc<Shared>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let calls = process(&shared, &token)?;
    let read = read(body, ERROR_BYTES_MAX).await.map_err(|_| Refusal::Gone)?;
    let answer = Answer::from_error(&read.bytes, error_type(&headers));
    calls.send(Call::InitError(answer)).await.map_err(|_| Refusal::Gone)?;
    Ok(accepted())
}

/// Passes an answer on; 400 if it is not for the invocation the process has.
async fn answered(
    calls: &mpsc::Sender<Call>,
    request_id: String,
    answer: Answer,
) -> Result<Response, Refusal> {
    let (sender, receiver) = oneshot::channel();
    calls.send(Call::Answer { request_id, answer, accepted: sender }).await.map_err(|_| Refusal::Gone)?;
    match receiver.await {
        Ok(true) => Ok(accepted()),
        _ => Err(Refusal::InvalidRequestId),
    }
}

fn error_type(headers: &HeaderMap) -> Option<&str> {
    headers.get("lambda-runtime-function-error-type")?.to_str().ok()
}

fn accepted() -> Response {
    json_response(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn problem(status: StatusCode, error_type: &str, message: &str) -> Response {
    json_response(status, &json!({ "errorType": error_type, "errorMessage": message }))
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

struct Read {
    bytes: Vec<u8>,
    truncated: bool,
}

/// Reads a body to its end but keeps at most `limit` bytes: a client that is cut off while
/// it writes reports a broken connection instead of the real reason.
async fn read(body: Body, limit: usize) -> Result<Read, axum::Error> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    let mut truncated = false;
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            let room = limit.saturating_sub(bytes.len());
            truncated |= data.len() > room;
            bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        }
    }
    Ok(Read { bytes, truncated })
}

//! The Lambda Runtime API (version 2018-06-01) as bootstraps see it.
//!
//! Every process has a listener of its own on loopback, and `AWS_LAMBDA_RUNTIME_API` is its
//! `host:port`, as on AWS: the port says whose process asks. Other users of the machine are kept
//! out by who their end of the connection belongs to ([`super::peer`]), web pages by what they
//! cannot help sending, as everywhere ([`Door`]).
//!
//! Every invocation takes two requests, so this is hyper without a router above it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::answer::{Answer, RESPONSE_BYTES_MAX};
use super::invocation::Invocation;
use super::process::Call;
use super::{Function, Shared, peer};
use crate::http::door::Door;

/// Calls of one process that wait for its task. A bootstrap has one request open at a time.
const CALLS_WAITING_MAX: usize = 4;
/// Largest error object read, in bytes; the rest is dropped. Ours: an error is no data channel.
const ERROR_BYTES_MAX: usize = 256 * 1024;

static REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
static DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
static FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
static TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
static CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
static ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// One invocation on its way to a bootstrap.
#[derive(Debug)]
pub(super) struct Delivery {
    request_id: String,
    deadline_millis: u128,
    function_arn: String,
    trace_id: String,
    client_context: Option<String>,
    payload: String,
}

impl Delivery {
    /// Takes the payload out of the invocation; [`Self::into_payload`] gives it back.
    pub(super) fn new(shared: &Shared, function: &Function, invocation: &mut Invocation) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut function_arn = shared.function_arn(&function.name);
        if let Some(qualifier) = &invocation.qualifier {
            function_arn.push(':');
            function_arn.push_str(qualifier);
        }
        Self {
            request_id: invocation.request_id.clone(),
            deadline_millis: (now + function.timeout).as_millis(),
            function_arn,
            trace_id: invocation.trace_id.clone(),
            client_context: invocation.client_context.clone(),
            payload: std::mem::take(&mut invocation.payload),
        }
    }

    /// The payload of an invocation that did not reach its process.
    pub(super) fn into_payload(self) -> String {
        self.payload
    }

    fn into_response(self) -> Response<Whole> {
        let mut response = Response::new(Whole::of(self.payload));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            (&REQUEST_ID, Some(self.request_id)),
            (&DEADLINE, Some(self.deadline_millis.to_string())),
            (&FUNCTION_ARN, Some(self.function_arn)),
            (&TRACE_ID, Some(self.trace_id)),
            (&CLIENT_CONTEXT, self.client_context),
        ] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name.clone(), value);
            }
        }
        response
    }
}

/// A body that is there as a whole.
#[derive(Debug)]
struct Whole(Option<Bytes>);

impl Whole {
    fn of(text: impl Into<Bytes>) -> Self {
        let bytes: Bytes = text.into();
        Self((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// The Runtime API of one process. It listens until this value goes.
#[derive(Debug)]
pub(super) struct Api {
    /// Where: the value of `AWS_LAMBDA_RUNTIME_API`.
    pub(super) address: SocketAddr,
    /// What the process asks.
    pub(super) calls: mpsc::Receiver<Call>,
    listening: AbortHandle,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// What the connections of a process share.
#[derive(Debug)]
struct Process {
    address: SocketAddr,
    calls: mpsc::Sender<Call>,
    door: Door,
}

impl Api {
    /// Listens on a free port of 127.0.0.1.
    pub(super) fn open(shared: &Shared) -> std::io::Result<Self> {
        // Loopback is there: nothing is waited for.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let (sender, calls) = mpsc::channel(CALLS_WAITING_MAX);
        let process = Arc::new(Process { address, calls: sender, door: Door::default() });
        let listening = shared.handle.spawn(serve(listener, process)).abort_handle();
        Ok(Self { address, calls, listening })
    }
}

/// Accepts the connections of a bootstrap.
async fn serve(listener: TcpListener, process: Arc<Process>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&process)))),
            Err(error) => {
                tracing::warn!(%error, "a connection of a step process was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, process: Arc<Process>) {
    if !peer::is_of_our_user(&stream).await {
        tracing::warn!(address = %process.address, "somebody else connected to the Runtime API of a step process");
        return;
    }
    // Requests and answers are small: waiting to fill a packet would cost 40 ms each.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let process = Arc::clone(&process);
        async move { Ok::<_, Infallible>(respond(&process, request).await.unwrap_or_else(Refusal::into_response)) }
    });
    // A bootstrap that goes away is its process's end, which is noticed there.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Why a request gets no answer of its own.
#[derive(Debug)]
enum Refusal {
    /// There is no such resource: 404 without a word.
    Unknown,
    /// The request is a web page's, or for another host: 403 without a word.
    Page,
    /// The answer is for another invocation than the process has.
    InvalidRequestId,
    /// The process is being ended; runtime clients take any 5xx as "leave".
    Gone,
}

impl Refusal {
    fn into_response(self) -> Response<Whole> {
        let bare = |status: StatusCode| {
            let mut response = Response::new(Whole(None));
            *response.status_mut() = status;
            response
        };
        match self {
            Self::Unknown => bare(StatusCode::NOT_FOUND),
            Self::Page => bare(StatusCode::FORBIDDEN),
            Self::InvalidRequestId => {
                problem(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
            }
            Self::Gone => bare(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// What a path asks for.
enum Asked<'p> {
    Next,
    Response(&'p str),
    Error(&'p str),
    InitError,
}

impl<'p> Asked<'p> {
    fn read(method: &Method, path: &'p str) -> Option<Self> {
        let rest = path.strip_prefix("/2018-06-01/runtime/")?;
        match (method, rest) {
            (&Method::GET, "invocation/next") => Some(Self::Next),
            (&Method::POST, "init/error") => Some(Self::InitError),
            (&Method::POST, _) => match rest.strip_prefix("invocation/")?.split_once('/')? {
                (id, "response") => Some(Self::Response(id)),
                (id, "error") => Some(Self::Error(id)),
                _ => None,
            },
            _ => None,
        }
    }
}

async fn respond(process: &Process, request: Request<Incoming>) -> Result<Response<Whole>, Refusal> {
    let (head, body) = request.into_parts();
    process.door.check(&head, process.address.ip()).map_err(|_| Refusal::Page)?;
    let calls = &process.calls;
    match Asked::read(&head.method, head.uri.path()).ok_or(Refusal::Unknown)? {
        Asked::Next => {
            let (sender, receiver) = oneshot::channel();
            calls.send(Call::Next(sender)).await.map_err(|_| Refusal::Gone)?;
            // Waits as long as there is no work: AWS keeps this request open, too.
            receiver.await.map(Delivery::into_response).map_err(|_| Refusal::Gone)
        }
        Asked::Response(id) => response(calls, id, body).await,
        Asked::Error(id) => {
            let read = read(body, ERROR_BYTES_MAX).await?;
            answered(calls, id, Answer::from_error(&read.bytes, error_type(&head.headers))).await
        }
        Asked::InitError => {
            let read = read(body, ERROR_BYTES_MAX).await?;
            let answer = Answer::from_error(&read.bytes, error_type(&head.headers));
            calls.send(Call::InitError(answer)).await.map_err(|_| Refusal::Gone)?;
            Ok(accepted())
        }
    }
}

async fn response(
    calls: &mpsc::Sender<Call>,
    request_id: &str,
    body: Incoming,
) -> Result<Response<Whole>, Refusal> {
    let read = read(body, RESPONSE_BYTES_MAX).await?;
    if !read.truncated {
        return answered(calls, request_id, Answer::from_response(read.bytes)).await;
    }
    answered(calls, request_id, Answer::response_too_large()).await?;
    let message = format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
    Ok(problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message))
}

/// Passes an answer on; 400 if it is not for the invocation the process has.
async fn answered(
    calls: &mpsc::Sender<Call>,
    request_id: &str,
    answer: Answer,
) -> Result<Response<Whole>, Refusal> {
    let (sender, receiver) = oneshot::channel();
    let request_id = request_id.to_owned();
    calls.send(Call::Answer { request_id, answer, accepted: sender }).await.map_err(|_| Refusal::Gone)?;
    match receiver.await {
        Ok(true) => Ok(accepted()),
        _ => Err(Refusal::InvalidRequestId),
    }
}

fn error_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(&ERROR_TYPE)?.to_str().ok()
}

fn accepted() -> Response<Whole> {
    json_response(StatusCode::ACCEPTED, Bytes::from_static(br#"{"status":"OK"}"#))
}

fn problem(status: StatusCode, error_type: &str, message: &str) -> Response<Whole> {
    let body = json!({ "errorType": error_type, "errorMessage": message });
    json_response(status, Bytes::from(body.to_string()))
}

fn json_response(status: StatusCode, body: Bytes) -> Response<Whole> {
    let mut response = Response::new(Whole::of(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

struct Read {
    bytes: Vec<u8>,
    truncated: bool,
}

/// Reads a body to its end but keeps at most `limit` bytes: a client that is cut off while
/// it writes reports a broken connection instead of the real reason.
async fn read(body: Incoming, limit: usize) -> Result<Read, Refusal> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    let mut truncated = false;
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        if let Ok(data) = frame.map_err(|_| Refusal::Gone)?.into_data() {
            let room = limit.saturating_sub(bytes.len());
            truncated |= data.len() > room;
            bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        }
    }
    Ok(Read { bytes, truncated })
}

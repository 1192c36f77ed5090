//! Lambda's API for the functions of this process: `Invoke`, what `aws lambda invoke`, SDKs and service
//! integrations call, and the operations that tell which functions there are. No other operation is
//! answered: functions come from the project and from the folder that was named on the command line,
//! never by a request.
//!
//! API reference; shapes and header names: Lambda model of 2015-03-31 (rest-json).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use asl::limits;
use axum::body::{Body, HttpBody as _};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::authentication::{Authentication, SignatureError, SignedBody, signed_service};
use super::body::{self, BodyError};
use super::service::{Answer, Request, Response, Service, text, unlooked};
use crate::runtime::{InvokeRefusal, InvokeRequest, Invoked, RuntimeHost};

mod listing;

const PREFIX: &str = "/2015-03-31/functions";
const SIGNING_NAME: &str = "lambda";
const NO_OPERATION: &str = "Of lambda there are Invoke, ListFunctions, GetFunction and GetFunctionConfiguration here: functions come \
     from the project and from the folders of --functions, never by a request.";
const JSON: &str = "application/json";

static EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
static FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
static LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
static ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// The functions of a host behind Lambda's `Invoke`.
pub struct Functions {
    host: RuntimeHost,
    authentication: Authentication,
    body_time: Duration,
}

impl fmt::Debug for Functions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Functions").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Why a call is not answered by a function.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    /// AWS's name of the error.
    code: String,
    message: String,
    /// `Reason`, of throttling.
    reason: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), reason: None }
    }

    fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameterValueException", message)
    }

    fn service(message: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", message)
    }

    fn into_response(self) -> Response {
        let kind = if self.status.is_server_error() { "Service" } else { "User" };
        // The model spells the member in two ways.
        let member = if self.code == "ResourceNotFoundException" { "Message" } else { "message" };
        let mut body =
            Map::from_iter([("Type".to_owned(), json!(kind)), (member.to_owned(), json!(self.message))]);
        body.extend(self.reason.map(|reason| ("Reason".to_owned(), json!(reason))));
        let mut response = text(self.status, JSON, Value::Object(body).to_string());
        let headers = response.headers_mut();
        if let Ok(code) = HeaderValue::try_from(self.code) {
            headers.insert(ERROR_TYPE.clone(), code);
        }
        if matches!(self.status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
            // What is left of the body is not read.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<InvokeRefusal> for Refusal {
    fn from(refusal: InvokeRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            InvokeRefusal::NotFound { .. } => {
                Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
            }
            InvokeRefusal::Throttled => Self {
                reason: Some("ReservedFunctionConcurrentInvocationLimitExceeded"),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", message)
            },
            InvokeRefusal::Ended => Self::service(&message),
            InvokeRefusal::QualifiersDiffer => Self::invalid_parameter(message),
        }
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        Self::new(StatusCode::FORBIDDEN, error.code, error.message)
    }
}

/// What a call is to do. Model, `InvocationType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

impl Kind {
    fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        match header_text(headers, "x-amz-invocation-type") {
            None | Some("RequestResponse") => Ok(Self::RequestResponse),
            Some("Event") => Ok(Self::Event),
            Some("DryRun") => Ok(Self::DryRun),
            Some(other) => Err(Refusal::invalid_parameter(format!(
                "1 validation error detected: Value '{other}' at 'invocationType' failed to satisfy constraint: \
                 Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
            ))),
        }
    }

    /// What AWS says of a payload that is too large: the limits differ, and so do the words.
    fn too_large(self) -> Refusal {
        let message = match self {
            Self::Event => format!(
                "The payload is too large for the Event invocation type (limit {} bytes)",
                limits::INVOKE_EVENT_BYTES_MAX
            ),
            _ => format!(
                "Request must be smaller than {} bytes for the InvokeFunction operation",
                limits::INVOKE_PAYLOAD_BYTES_MAX
            ),
        };
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message)
    }
}

impl Functions {
    /// `body_time`: how long a body may take to come.
    pub fn new(host: RuntimeHost, authentication: Authentication, body_time: Duration) -> Self {
        Self { host, authentication, body_time }
    }

    async fn run(&self, request: Request) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        let Some(asked) = Asked::read(&head.method, head.uri.path()) else {
            let refusal = Refusal::new(StatusCode::NOT_FOUND, "UnknownOperationException", NO_OPERATION);
            let response = refusal.into_response();
            return Ok(if body.is_end_stream() { response } else { unlooked(response) });
        };
        let kind = Kind::read(&head.headers)?;
        let body = self.body(&head, body, kind).await?;
        match asked {
            Asked::Invoke => self.invoke(&head, body, kind).await,
            Asked::List => listing::list(&self.host, &head),
            Asked::Get(name) => listing::get(&self.host, &head, name),
            Asked::Configuration(name) => listing::configuration(&self.host, &head, name),
        }
    }

    /// The body, if whoever sent it may call.
    async fn body(&self, head: &Parts, body: Body, kind: Kind) -> Result<Vec<u8>, Refusal> {
        let most = match kind {
            Kind::Event => limits::INVOKE_EVENT_BYTES_MAX,
            _ => limits::INVOKE_PAYLOAD_BYTES_MAX,
        };
        let body = match body::read(&head.headers, body, most, self.body_time).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return Err(kind.too_large()),
            Err(BodyError::TooSlow) => {
                let message = "The body of the request did not come in time.";
                return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message));
            }
            Err(BodyError::Broken) => {
                let message = "Could not read request body.";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message));
            }
        };
        let signed = self.authentication.verify(head, SignedBody::Whole(&body), SIGNING_NAME);
        signed.map_err(|problem| Refusal::from(problem.json()))?;
        Ok(body)
    }

    async fn invoke(&self, head: &Parts, body: Vec<u8>, kind: Kind) -> Result<Response, Refusal> {
        let call = invoke_request(head, body)?;
        match kind {
            Kind::DryRun => {
                self.host.check(&call)?;
                Ok(bare(StatusCode::NO_CONTENT))
            }
            Kind::Event => match self.host.call_event(call)?.await {
                Ok(Ok(request_id)) => Ok(accepted(request_id)),
                // Why is in the log.
                Ok(Err(_)) | Err(_) => Err(Refusal::service("The event cannot be kept.")),
            },
            Kind::RequestResponse => {
                let wants_log = header_text(&head.headers, "x-amz-log-type") == Some("Tail");
                Ok(answered(self.host.call(call).await?, wants_log))
            }
        }
    }
}

fn answered(invoked: Invoked, wants_log: bool) -> Response {
    let mut response = text(StatusCode::OK, JSON, invoked.payload);
    let mut headers = vec![(&REQUEST_ID, invoked.request_id), (&EXECUTED_VERSION, invoked.executed_version)];
    if invoked.is_error {
        // Functions with a bootstrap of their own have no other kind.
        headers.push((&FUNCTION_ERROR, "Unhandled".to_owned()));
    }
    if wants_log {
        headers.push((&LOG_RESULT, STANDARD.encode(&invoked.log_tail)));
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}

/// A call that nobody waits for will take place.
fn accepted(request_id: String) -> Response {
    let mut response = bare(StatusCode::ACCEPTED);
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
}

fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Reads a call; an empty body is an empty object.
fn invoke_request(head: &Parts, body: Vec<u8>) -> Result<InvokeRequest, Refusal> {
    let content =
        |message: String| Refusal::new(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message);
    let mut payload = String::from_utf8(body)
        .map_err(|_| content("Could not parse request body into json: it is not UTF-8".to_owned()))?;
    if payload.is_empty() {
        payload.push_str("{}");
    } else if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&payload) {
        return Err(content(format!("Could not parse request body into json: {error}")));
    }
    let name = function_in(head.uri.path()).unwrap_or_default();
    Ok(InvokeRequest {
        function: identifier(name)?,
        qualifier: parameter(head, "Qualifier"),
        payload,
        client_context: client_context(&head.headers)?,
        trace_header: header_text(&head.headers, "x-amzn-trace-id").map(str::to_owned),
    })
}

/// A function as a path names it.
fn identifier(name: &str) -> Result<String, Refusal> {
    percent_decoded(name).filter(|name| is_identifier(name)).ok_or_else(|| {
        Refusal::invalid_parameter(
            "1 validation error detected: Value at 'functionName' failed to satisfy constraint: Member must \
             be the name or ARN of a function",
        )
    })
}

/// A parameter of the query that says something.
fn parameter(head: &Parts, wanted: &str) -> Option<String> {
    let mut pairs = head.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(name, _)| *name == wanted).and_then(|(_, value)| percent_decoded(value));
    value.filter(|value| !value.is_empty())
}

/// `ClientContext`: an object in base64.
fn client_context(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(encoded) = header_text(headers, "x-amz-client-context") else { return Ok(None) };
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let fits = |text: &String| {
        text.len() <= limits::INVOKE_CLIENT_CONTEXT_BYTES_MAX
            && matches!(serde_json::from_str(text), Ok(Value::Object(_)))
            && HeaderValue::from_str(text).is_ok()
    };
    let most = limits::INVOKE_CLIENT_CONTEXT_BYTES_MAX;
    decoded.filter(fits).map(Some).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContentException",
            format!("Client context must be a valid Base64-encoded JSON object of at most {most} bytes."),
        )
    })
}

/// An operation that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked<'p> {
    Invoke,
    List,
    Get(&'p str),
    Configuration(&'p str),
}

impl<'p> Asked<'p> {
    /// By method and path, as the model has them; of a name it is known that it is none of two.
    fn read(method: &Method, path: &'p str) -> Option<Self> {
        if *method == Method::POST {
            return function_in(path).map(|_| Self::Invoke);
        }
        let rest = path.strip_prefix(PREFIX).filter(|_| *method == Method::GET)?;
        let Some(rest) = rest.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
            return matches!(rest, "" | "/").then_some(Self::List);
        };
        match rest.split_once('/') {
            None => Some(Self::Get(rest)),
            Some((name, "configuration")) => Some(Self::Configuration(name)),
            Some(_) => None,
        }
    }
}

/// What a path names, if it is one of an invocation.
fn function_in(path: &str) -> Option<&str> {
    let name = path.strip_prefix(PREFIX)?.strip_prefix('/')?.strip_suffix("/invocations")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Model, `NamespacedFunctionName`, in outline.
fn is_identifier(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.$".contains(&byte);
    (1..=256).contains(&name.len()) && name.bytes().all(allowed)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

impl Service for Functions {
    fn takes(&self, head: &Parts) -> bool {
        match signed_service(head) {
            Some(service) => service == SIGNING_NAME,
            // Also of who does not sign: no bucket is called like that.
            None => head
                .uri
                .path()
                .strip_prefix(PREFIX)
                .is_some_and(|rest| matches!(rest.get(..1), None | Some("/"))),
        }
    }

    fn signing_names(&self) -> Vec<&str> {
        vec![SIGNING_NAME]
    }

    fn answer(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(async move { self.run(request).await.unwrap_or_else(Refusal::into_response) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_function() {
        assert_eq!(function_in("/2015-03-31/functions/f/invocations"), Some("f"));
        for other in [
            "/2015-03-31/functions//invocations",
            "/2015-03-31/functions/a/b/invocations",
            "/2015-03-31/functions/f",
            "/",
        ] {
            assert_eq!(function_in(other), None, "{other}");
        }
        let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af%3A%24LATEST";
        let decoded = percent_decoded(arn).unwrap();
        assert_eq!(decoded, "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST");
        assert!(is_identifier(&decoded));
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
        assert!(!is_identifier("../f") && !is_identifier(""));
    }

    #[test]
    fn operations_have_methods_and_paths() {
        let read = |path| Asked::read(&Method::GET, path);
        assert_eq!((read(PREFIX), read("/2015-03-31/functions/")), (Some(Asked::List), Some(Asked::List)));
        assert_eq!(read("/2015-03-31/functions/f"), Some(Asked::Get("f")));
        assert_eq!(read("/2015-03-31/functions/f/configuration"), Some(Asked::Configuration("f")));
        for none in ["/2015-03-31/functionsx", "/2015-03-31/functions/f/policy", "/2018-10-31/layers"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(Asked::read(&Method::DELETE, "/2015-03-31/functions/f"), None);
        assert_eq!(Asked::read(&Method::POST, PREFIX), None, "nothing is created");
    }

    #[test]
    fn a_client_context_is_an_object() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-client-context", HeaderValue::try_from(STANDARD.encode(text)).unwrap());
            client_context(&headers).ok().flatten()
        };
        assert_eq!(read(r#"{"a":1}"#).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(read("1"), None);
        assert_eq!(read("{\"a\":\n1}"), None, "it has to fit into a header");
        assert_eq!(read(&format!(r#"{{"a":"{}"}}"#, "x".repeat(4000))), None);
    }
}

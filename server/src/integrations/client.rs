//! Calls of operations: found in the models, written, signed, sent, read.
//!
//! Step Functions itself, where nobody says it is elsewhere, is the engine in
//! this process: such a call goes to [`Api`] instead of a socket and is read
//! and refused in the same way.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::services::{Operation, Service};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sigv4::Scope;
use ureq::Agent;

use super::arguments;
use super::problem::{Problem, Refusal};
use super::protocol::{self, Request, Response, Style};
use super::settings::{AwsSettings, Endpoint};
use crate::api::Api;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest any call may take: an invocation of a function. AWS quota: 900 seconds.
const CALL_TIMEOUT: Duration = Duration::from_mins(15);

/// An answer larger than this cannot become a result of 256 KiB; XML and Base64 need more than it.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// How long a call waits for the engine to be open: tasks go on while it opens.
const OPENING: Duration = Duration::from_secs(30);

/// A call of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    /// As in a resource: `putItem`.
    pub(super) action: &'a str,
    /// The arguments of the task.
    pub(super) arguments: &'a Value,
    pub(super) style: Style,
    /// `TimeoutSeconds` of the task.
    pub(super) timeout_seconds: Option<u64>,
}

/// What an operation answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The result.
    pub(super) value: Value,
    /// Status and headers; none of a call within this process.
    pub(super) metadata: Option<Metadata>,
}

/// What the SDK for Java tells about an answer.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) request_id: String,
}

/// The engine in this process, once it is open.
#[derive(Default)]
struct Local {
    state: Mutex<LocalState>,
    changed: Condvar,
}

#[derive(Default)]
enum LocalState {
    #[default]
    Opening,
    Open(Api),
    Closed,
}

impl Local {
    fn lock(&self) -> MutexGuard<'_, LocalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls operations.
pub(super) struct Client {
    settings: AwsSettings,
    agent: Agent,
    services: Mutex<BTreeMap<String, Option<Arc<Service>>>>,
    local: Local,
}

impl Client {
    pub(super) fn new(settings: AwsSettings) -> Self {
        let configuration = Agent::config_builder()
            .http_status_as_error(false)
            // A signature is for one host.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("stepwright/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { settings, agent: configuration.into(), services: Mutex::default(), local: Local::default() }
    }

    pub(super) fn settings(&self) -> &AwsSettings {
        &self.settings
    }

    /// Says which engine `states` is.
    pub(super) fn attach(&self, api: Api) {
        *self.local.lock() = LocalState::Open(api);
        self.local.changed.notify_all();
    }

    /// Forgets the engine.
    pub(super) fn close(&self) {
        *self.local.lock() = LocalState::Closed;
        self.local.changed.notify_all();
    }

    /// A service by its name in `aws-sdk` resources.
    pub(super) fn service(&self, name: &str) -> Option<Arc<Service>> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = services.get(name) {
            return known.clone();
        }
        let read = Service::load(name).map(Arc::new);
        // Names of definitions are bounded by the definitions; unknown ones are not worth keeping.
        if read.is_some() {
            services.insert(name.to_owned(), read.clone());
        }
        read
    }

    /// Whether calls of Step Functions go to the engine in this process: they
    /// do unless somebody said where Step Functions, of all services, is.
    pub(super) fn is_local(&self, service: &Service) -> bool {
        service.about.id == "SFN" && !self.settings.names_own_endpoint(&service.about)
    }

    /// The engine in this process; waits while it opens.
    pub(super) fn api(&self) -> Result<Api, Problem> {
        let waiting = |state: &mut LocalState| matches!(state, LocalState::Opening);
        let waited = self.local.changed.wait_timeout_while(self.local.lock(), OPENING, waiting);
        match &*waited.unwrap_or_else(PoisonError::into_inner).0 {
            LocalState::Open(api) => Ok(api.clone()),
            LocalState::Opening | LocalState::Closed => {
                Err(Problem::Unanswered("the engine of this process is not open".to_owned()))
            }
        }
    }

    /// Calls an operation and waits for its answer.
    pub(super) fn call(&self, call: &Call<'_>) -> Result<Answer, Problem> {
        let Some((name, operation)) = call.service.operation(call.action) else {
            let (service, action) = (&call.service.about.id, call.action);
            return Err(Problem::Arguments(format!("The service {service} has no action '{action}'")));
        };
        let arguments =
            arguments::request(call.service, operation.input, call.arguments, &crate::random::uuid)?;
        let response = if self.is_local(call.service) {
            self.local_response(name, arguments)?
        } else if name == "PutEvents" && self.settings.is_silent_bus(&call.service.about) {
            (unheard(&arguments), true)
        } else {
            self.response(call, name, operation, &arguments)?
        };
        let value = protocol::answer(call.service, operation, &response.0, call.style)
            .map_err(Problem::Unanswered)?;
        let Response { status, headers, .. } = &response.0;
        let metadata = response.1.then(|| Metadata {
            status: *status,
            headers: headers.clone(),
            request_id: response.0.request_id(),
        });
        Ok(Answer { value, metadata })
    }

    /// The answer of the engine in this process, and that no network was between.
    fn local_response(&self, name: &str, arguments: Value) -> Result<(Response, bool), Problem> {
        match self.api()?.call(name, arguments) {
            Ok(answer) => {
                let body = answer.to_string().into_bytes();
                Ok((Response { status: 200, headers: Vec::new(), body }, false))
            }
            Err(error) => Err(Problem::Refused(Box::new(Refusal {
                code: error.code.to_owned(),
                message: Some(error.message),
                status: error.http_status,
                request_id: crate::random::uuid(),
                ..Refusal::default()
            }))),
        }
    }

    fn response(
        &self,
        call: &Call<'_>,
        name: &str,
        operation: &Operation,
        arguments: &Value,
    ) -> Result<(Response, bool), Problem> {
        let about = &call.service.about;
        let endpoint = self.settings.endpoint(about)?;
        let mut request = protocol::request(call.service, name, operation, arguments);
        add_checksum(operation, arguments, &mut request);
        if request.path.contains('{') {
            return Err(Problem::Arguments(format!(
                "The Parameters '{}' could not be used to start the Task: [a parameter of its path is missing: {}]",
                call.arguments, request.path
            )));
        }
        let is_signed = operation.auth.as_deref() != Some("none");
        let service = is_signed.then(|| about.signing_name());
        let response = self.send(&endpoint, request, service, call.timeout_seconds)?;
        if (200..300).contains(&response.status) {
            return Ok((response, true));
        }
        Err(Problem::Refused(Box::new(protocol::refusal(call.service, &response))))
    }

    /// Signs and sends a request.
    pub(super) fn send(
        &self,
        endpoint: &Endpoint,
        request: Request,
        service: Option<&str>,
        timeout_seconds: Option<u64>,
    ) -> Result<Response, Problem> {
        let bad = |why: &dyn std::fmt::Display| {
            Problem::NotConfigured(format!(
                "The endpoint `{}` is not the URL of a service: {why}",
                endpoint.url
            ))
        };
        let uri: ureq::http::Uri = endpoint.url.parse().map_err(|error| bad(&error))?;
        let authority = uri.authority().ok_or_else(|| bad(&"it names no host"))?;
        let base = uri.path().trim_end_matches('/');
        let path = format!("{base}{}", request.path);
        let mut headers: BTreeMap<&str, String> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        headers.insert("host", authority.to_string());
        if let Some(service) = service {
            if service.starts_with("s3") {
                headers.insert("x-amz-content-sha256", sigv4::digest(&request.body));
            }
            let credentials = self.settings.credentials(&endpoint.url)?;
            let (method, query, body) = (&*request.method, &*request.query, &*request.body);
            let signing = sigv4::Request { method, path: &path, query, headers, body };
            headers =
                signing.signed(&credentials, &Scope { region: &endpoint.region, service }, Timestamp::now());
        }
        let scheme = uri.scheme_str().unwrap_or("http");
        let mut url = format!("{scheme}://{authority}{path}");
        for (at, (name, value)) in request.query.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(&sigv4::encoded(name));
            // A name alone is signed as if it had an empty value.
            url.push('=');
            url.push_str(&sigv4::encoded(value));
        }
        let timeout =
            timeout_seconds.map_or(CALL_TIMEOUT, |seconds| CALL_TIMEOUT.min(Duration::from_secs(seconds)));
        exchange(&self.agent, &request.method, &url, &headers, request.body, timeout, ANSWER_BYTES_MAX)
    }
}

/// What a bus without rules answers: every event has its id.
fn unheard(arguments: &Value) -> Response {
    let entries = arguments.get("Entries").and_then(Value::as_array).map_or(0, Vec::len);
    let ids: Vec<Value> =
        (0..entries).map(|_| serde_json::json!({ "EventId": crate::random::uuid() })).collect();
    let body = serde_json::json!({ "FailedEntryCount": 0, "Entries": ids });
    Response { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() }
}

/// Sends a request and reads the whole answer.
pub(super) fn exchange(
    agent: &Agent,
    method: &str,
    url: &str,
    headers: &BTreeMap<&str, String>,
    body: Vec<u8>,
    timeout: Duration,
    bytes_max: u64,
) -> Result<Response, Problem> {
    let unanswered =
        |error: &dyn std::fmt::Display| Problem::Unanswered(format!("{error} ({})", without_query(url)));
    let mut builder = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    let has_no_body = body.is_empty() && matches!(method, "GET" | "HEAD" | "DELETE");
    let answered = if has_no_body {
        let request = builder.body(()).map_err(|error| Problem::Arguments(error.to_string()))?;
        agent.run(agent.configure_request(request).timeout_global(Some(timeout)).build())
    } else {
        let request = builder.body(body).map_err(|error| Problem::Arguments(error.to_string()))?;
        agent.run(agent.configure_request(request).timeout_global(Some(timeout)).build())
    };
    let mut answered = answered.map_err(|error| unanswered(&error))?;
    let headers = answered.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let (status, headers) = (answered.status().as_u16(), headers.collect());
    let body = answered.body_mut().with_config().limit(bytes_max).read_to_vec();
    let body = body.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => Problem::TooLarge,
        error => unanswered(&error),
    })?;
    Ok(Response { status, headers, body })
}

/// A URL for a message: a query may hold secrets.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

/// The checksum that the SDK for Java sends with content: CRC-32, unless the caller wants another.
fn add_checksum(operation: &Operation, arguments: &Value, request: &mut Request) {
    let Some(member) = &operation.checksum else { return };
    let has_own = request.headers.iter().any(|(name, _)| {
        name.strip_prefix("x-amz-checksum-")
            .is_some_and(|kind| !["algorithm", "type", "mode"].contains(&kind))
    });
    let wanted = arguments.get(member).and_then(Value::as_str);
    if has_own
        || (request.body.is_empty() && request.method != "PUT")
        || wanted.is_some_and(|wanted| wanted != "CRC32")
    {
        return;
    }
    if wanted.is_none() {
        request.headers.push(("x-amz-sdk-checksum-algorithm".to_owned(), "CRC32".to_owned()));
    }
    request.headers.push(("x-amz-checksum-crc32".to_owned(), crc32(&request.body)));
}

/// CRC-32 as S3 writes it: four bytes in Base64.
fn crc32(content: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(crc32fast::hash(content).to_be_bytes())
}

impl Metadata {
    /// What results of optimised integrations tell about the answer. Recorded on AWS.
    pub(super) fn write(&self, result: &mut Map<String, Value>) {
        let headers = || self.headers.iter();
        let all = headers().map(|(name, value)| (name.clone(), Value::from(vec![value.clone()])));
        let plain = headers().map(|(name, value)| (name.clone(), Value::from(value.clone())));
        let http = serde_json::json!({
            "AllHttpHeaders": all.collect::<Map<_, _>>(),
            "HttpHeaders": plain.collect::<Map<_, _>>(),
            "HttpStatusCode": self.status,
        });
        result.insert("SdkHttpMetadata".to_owned(), http);
        result.insert("SdkResponseMetadata".to_owned(), serde_json::json!({ "RequestId": self.request_id }));
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded on AWS: `ChecksumCRC32` of `putObject`.
    #[test]
    fn content_is_sent_with_its_checksum() {
        assert_eq!(crc32(br#"{"Dict":"Value"}"#), "hnEfWw==");
        assert_eq!(crc32(b"0"), "9NvfIQ==");
    }
}

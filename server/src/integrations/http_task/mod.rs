//! HTTP tasks: `arn:aws:states:::http:invoke`, and calls of API Gateway.
//!
//! Source: developer guide, "Call HTTPS APIs in Step Functions workflows".
//!
//! | file | owns |
//! |---|---|
//! | `connection` | who the task says it is |
//! | `encoding` | bodies as forms |
//! | `gateway` | `arn:aws:states:::apigateway:invoke` |
//! | `guard` | which hosts may be called |

mod connection;
mod encoding;
mod gateway;
mod guard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use ureq::Agent;
use ureq::http::Uri;
use ureq::http::uri::Authority;
use ureq::unversioned::transport::DefaultConnector;

pub use guard::HTTP_HOSTS;

use super::client::exchange;
use super::problem::Problem;
use super::protocol::Response;
use super::settings::AwsSettings;
use connection::{Additions, Connections};
use encoding::{ArrayFormat, form, text};
use guard::{GuardedResolver, ListedHosts};

/// AWS quota: an HTTP task takes at most 60 seconds.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// AWS quota of a result. The answer's headers come on top.
const BODY_BYTES_MAX: u64 = asl::limits::PAYLOAD_BYTES_MAX as u64;

/// Headers that a definition cannot set: they are the connection's.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Beginnings of names of headers that a definition cannot set.
const RESERVED_PREFIXES: [&str; 3] = ["x-amz-", "x-amzn-", "x-forwarded-"];

/// A request, with its query apart.
#[derive(Clone)]
struct Outgoing {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Whoever makes requests, so that connections can ask for tokens.
trait Exchange {
    fn exchange(&self, outgoing: &Outgoing) -> Result<Response, Problem>;
}

/// Runs HTTP tasks.
pub(super) struct HttpTasks {
    agent: Agent,
    hosts: ListedHosts,
    connections: Connections,
}

impl HttpTasks {
    pub(super) fn new(settings: &AwsSettings) -> Self {
        let hosts = ListedHosts::of(settings.variable(HTTP_HOSTS).unwrap_or_default());
        let configuration = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, where every step is checked.
            .max_redirects(0)
            // A proxy would look the names up, unguarded.
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .build();
        let resolver = GuardedResolver(hosts.clone());
        let agent = Agent::with_parts(configuration, DefaultConnector::default(), resolver);
        Self { agent, hosts, connections: Connections::default() }
    }

    /// Runs a task, and answers its result.
    pub(super) fn run(&self, settings: &AwsSettings, arguments: &Value) -> Result<String, Problem> {
        let mut response = self.attempt(settings, arguments, false)?;
        // A token may have been taken back before its time.
        if response.1 && matches!(response.0.status, 401 | 407) {
            response = self.attempt(settings, arguments, true)?;
        }
        result(&response.0, "States.Http.StatusCode.")
    }

    /// The answer, and whether the request had a token that could be renewed.
    fn attempt(
        &self,
        settings: &AwsSettings,
        arguments: &Value,
        renew: bool,
    ) -> Result<(Response, bool), Problem> {
        let arn = ["/Authentication/ConnectionArn", "/InvocationConfig/ConnectionArn"]
            .iter()
            .find_map(|pointer| arguments.pointer(pointer)?.as_str());
        let arn = arn.ok_or_else(|| {
            runtime("http:invoke needs Authentication.ConnectionArn: an EventBridge connection")
        })?;
        let additions = self.connections.additions(settings, arn, renew, self)?;
        let has_token = additions.has_token;
        let outgoing = outgoing(arguments, additions, settings.region())?;
        Ok((self.exchange(&outgoing)?, has_token))
    }

    /// One request, without redirects.
    fn once(&self, outgoing: &Outgoing) -> Result<(Response, Uri), Problem> {
        let mut url = outgoing.url.clone();
        for (name, value) in &outgoing.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&sigv4::encoded(name));
            url.push('=');
            url.push_str(&sigv4::encoded(value));
        }
        let shown = outgoing.url.split('?').next().unwrap_or_default();
        let uri: Uri = url.parse().map_err(|error| runtime(&format!("'{shown}' is not a URL: {error}")))?;
        self.hosts.check(&uri).map_err(|why| runtime(&format!("'{shown}' cannot be called: {why}")))?;
        let headers: BTreeMap<&str, String> =
            outgoing.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let answered = exchange(
            &self.agent,
            &outgoing.method,
            &url,
            &headers,
            outgoing.body.clone(),
            TIMEOUT,
            BODY_BYTES_MAX,
        );
        match answered {
            Ok(response) => Ok((response, uri)),
            Err(Problem::Unanswered(why)) => Err(Problem::Failed("States.Http.Socket".to_owned(), why)),
            Err(Problem::Arguments(why)) => Err(runtime(&why)),
            Err(problem) => Err(problem),
        }
    }
}

impl Exchange for HttpTasks {
    fn exchange(&self, outgoing: &Outgoing) -> Result<Response, Problem> {
        let mut outgoing = outgoing.clone();
        for _ in 0..=REDIRECTS_MAX {
            let (response, uri) = self.once(&outgoing)?;
            let location =
                matches!(response.status, 301 | 302 | 303 | 307 | 308).then(|| response.header("location"));
            let Some(location) = location.flatten() else { return Ok(response) };
            redirect(&mut outgoing, &uri, location, response.status);
        }
        Err(Problem::Failed(
            "States.Http.Socket".to_owned(),
            format!("The server redirects more than {REDIRECTS_MAX} times."),
        ))
    }
}

/// The request that a redirect asks for. What says who we are is for the first host alone.
fn redirect(outgoing: &mut Outgoing, from: &Uri, location: &str, status: u16) {
    let (scheme, authority) =
        (from.scheme_str().unwrap_or("https"), from.authority().map_or("", Authority::as_str));
    outgoing.url = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    outgoing.query.clear();
    let same_host = outgoing.url.parse::<Uri>().is_ok_and(|uri| {
        uri.authority().map(Authority::as_str) == Some(authority) && uri.scheme_str() == Some(scheme)
    });
    if !same_host {
        let harmless = ["accept", "content-type", "range", "user-agent"];
        outgoing.headers.retain(|(name, _)| harmless.contains(&name.to_ascii_lowercase().as_str()));
    }
    if status == 303 || (matches!(status, 301 | 302) && outgoing.method == "POST") || !same_host {
        // The body may hold what the connection added, too.
        outgoing.body.clear();
        if status != 307 && status != 308 {
            "GET".clone_into(&mut outgoing.method);
        }
    }
}

/// The request of a task: what the definition says, overridden by what the connection says.
fn outgoing(arguments: &Value, additions: Additions, region: &str) -> Result<Outgoing, Problem> {
    let needed = |field: &str| {
        arguments
            .get(field)
            .and_then(Value::as_str)
            .ok_or_else(|| runtime(&format!("http:invoke needs {field}, a text")))
    };
    let (url, method) = (needed("ApiEndpoint")?, needed("Method")?);
    if !["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"].contains(&method) {
        return Err(runtime(&format!("'{method}' is not a method that http:invoke knows")));
    }
    let mut headers = headers(arguments.get("Headers"))?;
    let encoding = arguments.pointer("/Transform/RequestBodyEncoding").and_then(Value::as_str);
    let is_form = encoding == Some("URL_ENCODED");
    let body = merged(arguments.get("RequestBody"), additions.body)?;
    let body = match body {
        None | Some(Value::Null) => Vec::new(),
        Some(body) if is_form && body.is_object() => {
            let format =
                arguments.pointer("/Transform/RequestEncodingOptions/ArrayFormat").and_then(Value::as_str);
            let format = ArrayFormat::of(format)
                .ok_or_else(|| runtime("ArrayFormat is INDICES, REPEAT, COMMAS or BRACKETS"))?;
            form(&body, format).into_bytes()
        }
        Some(Value::String(text)) => text.into_bytes(),
        Some(body) => body.to_string().into_bytes(),
    };
    let usual = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    for (name, value) in [
        ("Content-Type", usual.to_owned()),
        ("User-Agent", format!("Amazon|StepFunctions|HttpInvoke|{region}")),
        ("Range", format!("bytes=0-{BODY_BYTES_MAX}")),
    ] {
        headers.entry(name.to_ascii_lowercase()).or_insert_with(|| value);
    }
    headers.extend(additions.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)));
    let mut query = pairs(arguments.get("QueryParameters"))?;
    query.retain(|(name, _)| !additions.query.iter().any(|(own, _)| own == name));
    query.extend(additions.query);
    Ok(Outgoing {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.into_iter().collect(),
        query,
        body,
    })
}

/// The headers of a definition, by lower-case name.
fn headers(given: Option<&Value>) -> Result<BTreeMap<String, String>, Problem> {
    let mut headers = BTreeMap::new();
    for (name, value) in pairs(given)? {
        let name = name.to_ascii_lowercase();
        if RESERVED.contains(&name.as_str())
            || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        {
            return Err(runtime(&format!("the header '{name}' cannot be set by an HTTP task")));
        }
        let values = headers.entry(name).or_insert_with(String::new);
        values.push_str(if values.is_empty() { "" } else { ", " });
        values.push_str(&value);
    }
    Ok(headers)
}

/// Names and values; a list has a pair for each of its items.
fn pairs(given: Option<&Value>) -> Result<Vec<(String, String)>, Problem> {
    let fields = match given {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(runtime("Headers and QueryParameters are objects")),
    };
    let mut pairs = Vec::new();
    for (name, value) in fields {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        pairs.extend(values.iter().map(|value| (name.clone(), text(value))));
    }
    Ok(pairs)
}

/// The body of a definition with what the connection adds to it.
fn merged(given: Option<&Value>, additions: Map<String, Value>) -> Result<Option<Value>, Problem> {
    if additions.is_empty() {
        return Ok(given.cloned());
    }
    let mut fields = match given {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) => {
            return Err(runtime(
                "the connection adds to the request's body, so RequestBody must be an object",
            ));
        }
    };
    fields.extend(additions);
    Ok(Some(Value::Object(fields)))
}

/// The result of an answer, or the error that its status is.
/// `error`: what the status is added to.
fn result(response: &Response, error: &str) -> Result<String, Problem> {
    let reason =
        ureq::http::StatusCode::from_u16(response.status).ok().and_then(|status| status.canonical_reason());
    let reason = reason.unwrap_or_default();
    let is_text = std::str::from_utf8(&response.body);
    if !(200..300).contains(&response.status) {
        let cause = is_text.ok().filter(|text| !text.is_empty()).unwrap_or(reason);
        return Err(Problem::Failed(format!("{error}{}", response.status), cause.to_owned()));
    }
    let text = is_text.map_err(|_| runtime("the answer of the API is not text"))?;
    let is_json = response.header("content-type").is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || kind.ends_with("+json")
    });
    let read = if is_json { serde_json::from_str(text).ok() } else { None };
    let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in &response.headers {
        headers.entry(name.clone()).or_default().push(value);
    }
    Ok(json!({
        "Headers": headers,
        "ResponseBody": read.unwrap_or_else(|| Value::from(text)),
        "StatusCode": response.status,
        "StatusText": reason,
    })
    .to_string())
}

fn runtime(why: &str) -> Problem {
    Problem::Failed("States.Runtime".to_owned(), format!("The HTTP task cannot be run: {why}."))
}

impl std::fmt::Debug for HttpTasks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HttpTasks").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

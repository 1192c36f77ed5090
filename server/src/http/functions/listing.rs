//! Which functions there are, as Lambda tells it. Their environment is not told: who may call need
//! not be who may see it.

use asl::limits;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::{Map, Value, json};

use super::{JSON, Refusal, identifier, parameter};
use crate::http::service::{Response, text};
use crate::runtime::{KnownFunction, RuntimeHost};

/// What runs any program: functions have a bootstrap of their own.
const RUNTIME: &str = "provided.al2023";

/// `ListFunctions`: a page of them. Its marker is the last name of the page before.
pub(super) fn list(host: &RuntimeHost, head: &Parts) -> Result<Response, Refusal> {
    let most = match parameter(head, "MaxItems") {
        None => limits::FUNCTIONS_PAGE_MAX,
        Some(most) => {
            let number =
                most.parse::<usize>().ok().filter(|most| limits::FUNCTIONS_LIST_ITEMS.contains(most));
            let number = number.ok_or_else(|| {
                Refusal::invalid_parameter(format!(
                    "1 validation error detected: Value '{most}' at 'maxItems' failed to satisfy constraint: \
                     Member must be between 1 and 10000"
                ))
            })?;
            number.min(limits::FUNCTIONS_PAGE_MAX)
        }
    };
    let after = parameter(head, "Marker").unwrap_or_default();
    let mut found: Vec<KnownFunction> = host.functions();
    found.retain(|found| found.function.name > after);
    let more = found.len() > most;
    found.truncate(most);
    let mut answer = Map::new();
    if let (true, Some(last)) = (more, found.last()) {
        answer.insert("NextMarker".to_owned(), json!(last.function.name));
    }
    answer.insert("Functions".to_owned(), found.iter().map(described).collect());
    Ok(text(StatusCode::OK, JSON, Value::Object(answer).to_string()))
}

/// `GetFunctionConfiguration`.
pub(super) fn configuration(host: &RuntimeHost, head: &Parts, name: &str) -> Result<Response, Refusal> {
    let found = find(host, head, name)?;
    Ok(text(StatusCode::OK, JSON, described(&found).to_string()))
}

/// `GetFunction`. Its code cannot be downloaded: it is on this machine.
pub(super) fn get(host: &RuntimeHost, head: &Parts, name: &str) -> Result<Response, Refusal> {
    let found = find(host, head, name)?;
    let mut answer = json!({ "Configuration": described(&found), "Code": {}, "Tags": {} });
    if let (Some(reserved), Some(answer)) = (found.function.reserved_concurrency, answer.as_object_mut()) {
        answer.insert("Concurrency".to_owned(), json!({ "ReservedConcurrentExecutions": reserved }));
    }
    Ok(text(StatusCode::OK, JSON, answer.to_string()))
}

fn find(host: &RuntimeHost, head: &Parts, name: &str) -> Result<KnownFunction, Refusal> {
    host.function(&identifier(name)?, parameter(head, "Qualifier").as_deref()).map_err(Refusal::from)
}

/// The model's `FunctionConfiguration`.
fn described(found: &KnownFunction) -> Value {
    let KnownFunction { function, arn, made } = found;
    let made = made.and_then(|made| jiff::Timestamp::try_from(made).ok()).unwrap_or_default();
    let bytes = std::fs::metadata(&function.bootstrap).map_or(0, |metadata| metadata.len());
    json!({
        "FunctionName": function.name,
        "FunctionArn": arn,
        "Runtime": RUNTIME,
        "Handler": function.handler,
        "CodeSize": bytes,
        "Description": "",
        "Timeout": function.timeout.as_secs(),
        "MemorySize": function.memory_mib,
        "LastModified": made.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string(),
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
    })
}

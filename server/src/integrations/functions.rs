//! Functions that this process does not run: behind a Lambda endpoint, or
//! behind a URL of their own.
//!
//! `STEPWRIGHT_FUNCTION_URL_<NAME>` says where a function is called by one
//! `POST` of its payload: a function URL, the invocation path of AWS's Runtime
//! Interface Emulator, or anything that answers so. The name is in capital
//! letters, with `_` for `-`.

use engine::services::Service;
use serde_json::{Value, json};

use super::arguments::as_text;
use super::client::{Answer, Call, Client, Metadata};
use super::optimised;
use super::problem::Problem;
use super::protocol::{Request, Style};
use super::settings::{Endpoint, REAL_SERVICES, is_of_aws};

/// Where a function is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At a URL of its own.
    Url(String),
    /// Where Lambda is.
    Lambda,
}

/// Where a function is that is not run here; `None` = nobody says.
pub(super) fn place(client: &Client, lambda: &Service, function: &str) -> Option<Place> {
    let variable = format!("STEPWRIGHT_FUNCTION_URL_{}", name(function).to_uppercase().replace('-', "_"));
    let url = client.settings().variable(&variable).map(|url| Place::Url(url.to_owned()));
    url.or_else(|| client.settings().names_endpoint(&lambda.about).then_some(Place::Lambda))
}

/// The plain name in a function's name, `name:qualifier`, partial ARN or ARN.
pub(super) fn name(given: &str) -> &str {
    let name = given.split_once(":function:").map_or(given, |(_, rest)| rest);
    name.split_once(':').map_or(name, |(name, _)| name)
}

/// Invokes a function through `arn:aws:states:::lambda:invoke`.
pub(super) fn invoke(
    client: &Client,
    lambda: &Service,
    place: &Place,
    arguments: &Value,
    timeout_seconds: Option<u64>,
) -> Result<String, Problem> {
    let answer = match place {
        Place::Lambda => client.call(&Call {
            service: lambda,
            action: "invoke",
            arguments,
            style: Style::Optimised,
            timeout_seconds,
        })?,
        Place::Url(url) => {
            let payload = arguments.get("Payload").map(as_text).unwrap_or_default();
            at_url(client, url, payload, timeout_seconds)?
        }
    };
    if answer.value.get("FunctionError").is_some() {
        let document = answer.value.get("Payload").map(as_text).unwrap_or_default();
        return Err(function_error(document));
    }
    optimised::result("lambda", "invoke", answer)
}

/// Invokes a function whose ARN is the `Resource`: what it returns is the result.
pub(super) fn invoke_directly(
    client: &Client,
    lambda: &Service,
    place: &Place,
    function: &str,
    input: &Value,
    timeout_seconds: Option<u64>,
) -> Result<String, Problem> {
    let arguments = json!({ "FunctionName": function, "Payload": input.to_string() });
    let answer = match place {
        Place::Lambda => client.call(&Call {
            service: lambda,
            action: "invoke",
            arguments: &arguments,
            style: Style::Optimised,
            timeout_seconds,
        })?,
        Place::Url(url) => at_url(client, url, input.to_string(), timeout_seconds)?,
    };
    let payload = answer.value.get("Payload").map(as_text).unwrap_or_default();
    if answer.value.get("FunctionError").is_some() {
        return Err(function_error(payload));
    }
    Ok(if payload.trim().is_empty() { "null".to_owned() } else { payload })
}

/// What a function at a URL answers, in the form of Lambda's answer.
fn at_url(
    client: &Client,
    url: &str,
    payload: String,
    timeout_seconds: Option<u64>,
) -> Result<Answer, Problem> {
    if is_of_aws(url) && !client.settings().lists("lambda") {
        return Err(Problem::NotConfigured(format!(
            "The function's URL {url} is AWS's. AWS itself is called only if {REAL_SERVICES} lists `lambda`."
        )));
    }
    let (base, path) =
        match url.find("://").and_then(|at| url.get(at + 3..)?.find('/').map(|slash| at + 3 + slash)) {
            Some(slash) => url.split_at(slash),
            None => (url, "/"),
        };
    let endpoint = Endpoint { url: base.to_owned(), region: client.settings().region().to_owned() };
    let request = Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: payload.into_bytes(),
        ..Request::default()
    };
    let response = client.send(&endpoint, request, Some("lambda"), timeout_seconds)?;
    let payload = String::from_utf8_lossy(&response.body).into_owned();
    let mut value =
        json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": response.status });
    let failed = response.header("x-amz-function-error").map(str::to_owned);
    // A function URL answers 502 for a function that failed.
    let failed = failed.or_else(|| (response.status >= 400).then(|| "Unhandled".to_owned()));
    if let (Some(fields), Some(failed)) = (value.as_object_mut(), failed) {
        fields.insert("FunctionError".to_owned(), Value::String(failed));
    }
    let metadata =
        Metadata { status: response.status, request_id: response.request_id(), headers: response.headers };
    Ok(Answer { value, metadata: Some(metadata) })
}

/// The error a function ended with: its error object is the cause.
fn function_error(document: String) -> Problem {
    let error = serde_json::from_str::<Value>(&document).ok();
    let error = error.and_then(|error| error.get("errorType")?.as_str().map(str::to_owned));
    match error.filter(|error| !error.is_empty()) {
        Some(error) => Problem::Failed(error, document),
        // Step Functions' own text for an error object without a name.
        None => Problem::Failed(
            "Lambda.Unknown".to_owned(),
            format!(
                "The cause could not be determined because Lambda did not return an error type. Returned payload: {document}"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_functions_are_their_own() {
        let document = r#"{"errorMessage":"","errorType":"CustomException"}"#;
        assert_eq!(
            function_error(document.to_owned()),
            Problem::Failed("CustomException".to_owned(), document.to_owned())
        );
        assert!(
            matches!(function_error("oops".to_owned()), Problem::Failed(error, _) if error == "Lambda.Unknown")
        );
    }

    #[test]
    fn a_function_is_found_by_its_plain_name() {
        for given in
            ["f", "f:PROD", "123456789012:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f:3"]
        {
            assert_eq!(name(given), "f", "{given}");
        }
    }
}

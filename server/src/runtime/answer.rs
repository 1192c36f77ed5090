//! AWS's words: what an invocation's result or failure looks like to a state machine.
//!
//! Texts and shapes are those the real services give (recorded behaviour of
//! `arn:aws:states:::lambda:invoke` and Lambda's Runtime API). Nothing here does I/O.

use std::time::Duration;

use engine::TaskOutcome;
use serde_json::{Value, json};

use super::identifier::Identifier;

/// Largest response a function may give, in bytes.
/// AWS quota: "Invocation payload, synchronous: 6 MB each for request and response", enforced at this figure.
pub const RESPONSE_BYTES_MAX: usize = 6_291_556;

/// What an invocation came to, before it is put into the words of Step Functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The function's response: JSON text, checked.
    Payload(String),
    /// The function reported an error: its error object, as text.
    FunctionError { error_type: String, document: String },
}

impl Answer {
    /// A failure that Lambda itself reports, in the form a function error has.
    pub(super) fn sandbox(error_type: &str, message: &str) -> Self {
        let document = json!({ "errorType": error_type, "errorMessage": message }).to_string();
        Self::FunctionError { error_type: error_type.to_owned(), document }
    }

    /// The function ran longer than its timeout and was killed.
    pub(super) fn timed_out(request_id: &str, limit: Duration) -> Self {
        let seconds = limit.as_secs_f64();
        let message = format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
        Self::sandbox("Sandbox.Timedout", &message)
    }

    /// The process ended before it answered. `reason` as Lambda says it (`exit status 1`, `signal: killed`).
    pub(super) fn exited(request_id: &str, reason: Option<&str>) -> Self {
        let message = match reason {
            Some(reason) => format!("RequestId: {request_id} Error: Runtime exited with error: {reason}"),
            None => format!("RequestId: {request_id} Error: Runtime exited without providing a reason"),
        };
        Self::sandbox("Runtime.ExitError", &message)
    }

    /// The bootstrap could not be started at all.
    pub(super) fn invalid_entrypoint(request_id: &str, why: &str) -> Self {
        Self::sandbox("Runtime.InvalidEntrypoint", &format!("RequestId: {request_id} Error: {why}"))
    }

    /// The response exceeds [`RESPONSE_BYTES_MAX`].
    pub(super) fn response_too_large() -> Self {
        Self::sandbox(
            "Function.ResponseSizeTooLarge",
            &format!(
                "Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            ),
        )
    }

    /// Reads a response body; an empty body is `null`, as Step Functions reads it.
    pub(super) fn from_response(body: Vec<u8>) -> Self {
        let text = match String::from_utf8(body) {
            Ok(text) if text.trim().is_empty() => return Self::Payload("null".to_owned()),
            Ok(text) => text,
            Err(_) => {
                return Self::sandbox("Runtime.InvalidResponse", "The function's response is not UTF-8.");
            }
        };
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Self::Payload(text),
            Err(error) => Self::sandbox(
                "Runtime.InvalidResponse",
                &format!("The function's response is not JSON: {error}."),
            ),
        }
    }

    /// Reads the body a runtime posted as its error. `header` is `Lambda-Runtime-Function-Error-Type`.
    pub(super) fn from_error(body: &[u8], header: Option<&str>) -> Self {
        let document = String::from_utf8_lossy(body).into_owned();
        let named = serde_json::from_str::<Value>(&document)
            .ok()
            .and_then(|value| value.get("errorType")?.as_str().map(str::to_owned))
            .filter(|name| !name.is_empty());
        match named.or_else(|| header.filter(|name| !name.is_empty()).map(str::to_owned)) {
            Some(error_type) => Self::FunctionError { error_type, document },
            // Step Functions' own text for an error object without a name.
            None => Self::FunctionError {
                error_type: "Lambda.Unknown".to_owned(),
                document: format!(
                    "The cause could not be determined because Lambda did not return an error type. \
                     Returned payload: {document}"
                ),
            },
        }
    }

    /// Whether the function failed.
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::FunctionError { .. })
    }

    /// Puts the answer into the words of the resource that asked.
    pub(super) fn into_outcome(self, form: Form, call: &CallIdentity<'_>) -> TaskOutcome {
        match (self, form) {
            (Self::Payload(payload), Form::Direct) => TaskOutcome::Succeeded(payload),
            (Self::Payload(payload), Form::Optimised) => {
                TaskOutcome::Succeeded(invoke_result(Some(&payload), 200, call))
            }
            (Self::FunctionError { error_type, document }, _) => {
                TaskOutcome::Failed { error: error_type, cause: document }
            }
        }
    }
}

/// What asked for a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `arn:aws:states:::lambda:invoke`: the result is the answer of Lambda's API.
    Optimised,
    /// The function's ARN as `Resource`: the result is what the function returns.
    Direct,
}

/// What the metadata of a result names.
#[derive(Debug)]
pub(super) struct CallIdentity<'a> {
    pub(super) request_id: &'a str,
    pub(super) trace_id: &'a str,
    /// What was executed: `$LATEST`, or the version that was asked for.
    pub(super) version: &'a str,
    /// RFC 9110, as in a `Date` header.
    pub(super) date: &'a str,
}

/// The result object of `arn:aws:states:::lambda:invoke`, key for key as the service gives it.
///
/// `payload` is put in as it stands, so that numbers keep the digits the function wrote.
fn invoke_result(payload: Option<&str>, status: u16, call: &CallIdentity<'_>) -> String {
    let payload = payload.unwrap_or("null");
    let length = if status == 200 { payload.len() } else { 0 };
    let CallIdentity { request_id, trace_id, version, date } = call;
    // None of these holds a character that JSON would escape.
    format!(
        "{{\"ExecutedVersion\":\"{version}\",\"Payload\":{payload},\"SdkHttpMetadata\":{{\"AllHttpHeaders\":{{\
         \"X-Amz-Executed-Version\":[\"{version}\"],\"x-amzn-Remapped-Content-Length\":[\"0\"],\
         \"Connection\":[\"keep-alive\"],\"x-amzn-RequestId\":[\"{request_id}\"],\"Content-Length\":[\"{length}\"],\
         \"Date\":[\"{date}\"],\"X-Amzn-Trace-Id\":[\"{trace_id}\"],\"Content-Type\":[\"application/json\"]}},\
         \"HttpHeaders\":{{\"Connection\":\"keep-alive\",\"Content-Length\":\"{length}\",\
         \"Content-Type\":\"application/json\",\"Date\":\"{date}\",\"X-Amz-Executed-Version\":\"{version}\",\
         \"x-amzn-Remapped-Content-Length\":\"0\",\"x-amzn-RequestId\":\"{request_id}\",\
         \"X-Amzn-Trace-Id\":\"{trace_id}\"}},\"HttpStatusCode\":{status}}},\
         \"SdkResponseMetadata\":{{\"RequestId\":\"{request_id}\"}},\"StatusCode\":{status}}}"
    )
}

/// The result of a call that nobody waits for (`Event`, status 202), or that checks only (`DryRun`, 204).
/// The answer has no payload.
pub(super) fn accepted(status: u16, call: &CallIdentity<'_>) -> TaskOutcome {
    TaskOutcome::Succeeded(invoke_result(None, status, call))
}

/// Lambda's answer for a function that does not exist.
pub(super) fn function_not_found(
    region: &str,
    account: &str,
    function: Identifier<'_>,
    request_id: &str,
) -> TaskOutcome {
    let (function, qualifier) = (function.name, function.qualifier.unwrap_or("$LATEST"));
    TaskOutcome::Failed {
        error: "Lambda.ResourceNotFoundException".to_owned(),
        cause: format!(
            "Function not found: arn:aws:lambda:{region}:{account}:function:{function}:{qualifier} \
             (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; \
             Request ID: {request_id}; Proxy: null)"
        ),
    }
}

/// Lambda's answer when a function's reserved concurrency is used up.
pub(super) fn throttled(request_id: &str) -> TaskOutcome {
    TaskOutcome::Failed {
        error: "Lambda.TooManyRequestsException".to_owned(),
        cause: format!(
            "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; \
             Request ID: {request_id}; Proxy: null)"
        ),
    }
}

/// Lambda's answer to two qualifiers that contradict each other.
pub(super) fn qualifiers_differ(request_id: &str) -> TaskOutcome {
    TaskOutcome::Failed {
        error: "Lambda.InvalidParameterValueException".to_owned(),
        cause: format!(
            "{QUALIFIERS_DIFFER} (Service: AWSLambda; Status Code: 400; Error Code: \
             InvalidParameterValueException; Request ID: {request_id}; Proxy: null)"
        ),
    }
}

/// Lambda's words for two qualifiers that contradict each other.
pub(super) const QUALIFIERS_DIFFER: &str =
    "The derived qualifier from the function name does not match the specified qualifier.";

/// A task this host cannot run: a definition error, not a transient one.
pub(super) fn refused(cause: String) -> TaskOutcome {
    TaskOutcome::Failed { error: "States.Runtime".to_owned(), cause }
}

#[cfg(test)]
mod tests;

//! `Retry`: the author's retriers, and one for what goes wrong around a function.

use serde_json::{Map, Value, json};
use stepwright::ErrorNames as _;
use stepwright::ir::{Retrier, ServiceRequest};
use stepwright::services::errors::{NO_TOKEN, NOBODY_WAITS};

/// Errors of the Lambda service, not of the function: the call may simply be made again.
/// The engine reports a task whose outcome a crash made unknown as the first of them.
pub(crate) const TRANSIENT: [&str; 5] = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
];

/// Names that stand for every error a task may raise, the transient ones included.
pub(crate) const WILDCARDS: [&str; 2] = ["States.ALL", "States.TaskFailed"];

/// What a call of a service may end in. `States.TaskFailed` stands for all but the time-out.
const WHATEVER_HAPPENED: [&str; 2] = ["States.TaskFailed", "States.Timeout"];

/// As written.
pub(crate) fn of(retriers: &[Retrier]) -> Vec<Value> {
    retriers.iter().map(retrier).collect()
}

/// As written, and the transient errors.
///
/// AWS takes the first retrier that matches, so the order decides. An error the
/// author names is the author's; the remaining transient ones come after those,
/// and before a wildcard that would never retry them. A wildcard that does retry
/// already covers them: what the author says holds.
pub(crate) fn of_task(retriers: &[Retrier]) -> Vec<Value> {
    let is_named =
        |error: &str| retriers.iter().any(|retrier| retrier.errors.iter().any(|name| name == error));
    let wildcard = retriers.iter().position(is_wildcard);
    let covers =
        wildcard.and_then(|index| retriers.get(index)).is_some_and(|retrier| retrier.max_attempts > 0);
    let missing: Vec<String> =
        TRANSIENT.iter().filter(|error| !is_named(error)).map(|error| (*error).to_owned()).collect();
    let mut written = of(retriers);
    if !covers && !missing.is_empty() {
        written.insert(wildcard.unwrap_or(written.len()), retrier(&transient(missing)));
    }
    written
}

/// As written, and then whatever happened, unless the author says something of every error.
/// An event that comes twice does less harm than one that does not come; an answer is good
/// once, and is not given again once it is known that nobody waits.
pub(crate) fn of_call(request: &ServiceRequest, retriers: &[Retrier]) -> Vec<Value> {
    let mut written = of(retriers);
    if retriers.iter().any(is_wildcard) {
        return written;
    }
    if !matches!(request, ServiceRequest::PutEvent { .. }) {
        let in_vain = (NOBODY_WAITS, NO_TOKEN).names().into_iter().map(str::to_owned).collect();
        written.push(retrier(&Retrier { max_attempts: 0, ..transient(in_vain) }));
    }
    written.push(retrier(&transient(WHATEVER_HAPPENED.map(str::to_owned).to_vec())));
    written
}

/// Six retries within about two minutes: 2, 4, 8, 16, 32 and 60 seconds, each spread by jitter.
fn transient(errors: Vec<String>) -> Retrier {
    Retrier {
        errors,
        interval_seconds: 2,
        max_attempts: 6,
        backoff_rate: 2.0,
        max_delay_seconds: Some(60),
        full_jitter: true,
    }
}

fn is_wildcard(retrier: &Retrier) -> bool {
    retrier.errors.iter().any(|error| WILDCARDS.contains(&error.as_str()))
}

fn retrier(retrier: &Retrier) -> Value {
    let mut fields = Map::new();
    fields.insert("ErrorEquals".to_owned(), json!(retrier.errors));
    fields.insert("IntervalSeconds".to_owned(), json!(retrier.interval_seconds));
    fields.insert("MaxAttempts".to_owned(), json!(retrier.max_attempts));
    fields.insert("BackoffRate".to_owned(), json!(retrier.backoff_rate));
    if let Some(seconds) = retrier.max_delay_seconds {
        fields.insert("MaxDelaySeconds".to_owned(), json!(seconds));
    }
    if retrier.full_jitter {
        fields.insert("JitterStrategy".to_owned(), json!("FULL"));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests;

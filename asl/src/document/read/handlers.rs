//! Reads `Retry` and `Catch`.

use std::collections::BTreeSet;

use super::super::flow::StateFlow;
use super::super::model::{Catcher, JitterStrategy, QueryLanguage, ResultPath, Retrier};
use super::super::source::NodeKind;
use super::expression::Place;
use super::fields::{Allowed, Fields, of_quoted_number};
use super::{At, Reader};
use crate::diagnostic::Code;
use crate::limits;

const RETRIER: Allowed = Allowed {
    both: &[
        "BackoffRate",
        "Comment",
        "ErrorEquals",
        "IntervalSeconds",
        "JitterStrategy",
        "MaxAttempts",
        "MaxDelaySeconds",
    ],
    jsonpath: &[],
    jsonata: &[],
};
const CATCHER: Allowed = Allowed {
    both: &["Assign", "Comment", "ErrorEquals", "Next"],
    jsonpath: &["ResultPath"],
    jsonata: &["Output"],
};
/// The name that matches every error.
const ALL: &str = "States.ALL";
/// Developer guide, "Handling errors in Step Functions workflows", and what was seen from the service.
const STATES_ERRORS: &[&str] = &[
    ALL,
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ReferencePathConflict",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];
/// The errors of Lambda's `Invoke`, and those the developer guide of Step Functions names.
const LAMBDA_ERRORS: &[&str] = &[
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.CodeStorageExceededException",
    "Lambda.EC2AccessDeniedException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.EFSIOException",
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountFailureException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.ENILimitReachedException",
    "Lambda.InvalidParameterValueException",
    "Lambda.InvalidRequestContentException",
    "Lambda.InvalidRuntimeException",
    "Lambda.InvalidSecurityGroupIDException",
    "Lambda.InvalidSubnetIDException",
    "Lambda.InvalidZipFileException",
    "Lambda.KMSAccessDeniedException",
    "Lambda.KMSDisabledException",
    "Lambda.KMSInvalidStateException",
    "Lambda.KMSNotFoundException",
    "Lambda.RecursiveInvocationException",
    "Lambda.RequestTooLargeException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotFoundException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.SnapStartException",
    "Lambda.SnapStartNotReadyException",
    "Lambda.SnapStartTimeoutException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Lambda.UnsupportedMediaTypeException",
];

impl Reader<'_> {
    /// `ErrorEquals`: `States.ALL` is alone in the last entry.
    fn error_equals(&mut self, fields: &Fields<'_>, is_last: bool) -> Option<Vec<String>> {
        let at = fields.at("ErrorEquals")?;
        let items = self.filled_array(&at)?;
        let mut names = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = at.item(index, item);
            let name = self.text(&at);
            if name.as_deref() == Some(ALL) && (items.len() > 1 || !is_last) {
                self.schema(format!("{ALL} must appear alone and at end of list"), &at);
                self.advise(Some(format!("move it into an entry of its own, the last one: [\"{ALL}\"]")));
            }
            if let Some(name) = &name {
                self.warn_of_error_name(name, &at);
            }
            names.push(name);
        }
        names.into_iter().collect()
    }

    /// A name that looks like one of the service's or of Lambda's, and is none.
    fn warn_of_error_name(&mut self, name: &str, at: &At<'_>) {
        let known = if name.starts_with("States.") {
            STATES_ERRORS
        } else if name.starts_with("Lambda.") {
            LAMBDA_ERRORS
        } else if matches!(name, "*" | "ALL" | "All" | "all") {
            self.warn(Code::UnknownErrorName, format!("'{name}' is the name of one error, not of all"), at);
            self.advise(Some(format!("`{ALL}` takes every error")));
            return;
        } else {
            return;
        };
        if known.contains(&name) {
            return;
        }
        let similar = self.guesses.similar(name, known.iter().copied());
        if name.starts_with("States.") {
            self.warn(
                Code::UnknownErrorName,
                format!("No error is called '{name}': nothing is handled by it"),
                at,
            );
            let all = || format!("names that begin with `States.` are the service's: {}", known.join(", "));
            self.advise(Some(similar.map_or_else(all, |similar| format!("did you mean `{similar}`?"))));
        } else if let Some(similar) = similar {
            // A function may raise what it likes, also this.
            self.warn(Code::UnknownErrorName, format!("Lambda itself raises no error called '{name}'"), at);
            self.advise(Some(format!("did you mean `{similar}`?")));
        }
    }

    /// Errors that an entry names in vain: an earlier one takes them, or none can.
    fn warn_of_handled(&mut self, entry: &At<'_>, taken: &mut BTreeSet<String>) {
        let Some(names) = entry.node.as_object().and_then(|fields| fields.get("ErrorEquals")) else { return };
        let names = At { node: &names.value, location: format!("{}/ErrorEquals", entry.location) };
        let NodeKind::Array(items) = &names.node.kind else { return };
        for (index, item) in items.iter().enumerate() {
            let Some(name) = item.as_text() else { continue };
            let (message, advice) = if name == "States.Runtime" {
                (
                    "Nothing takes States.Runtime: such an error always ends the execution".to_owned(),
                    "delete it, and correct what the state fails on",
                )
            } else if taken.insert(name.to_owned()) {
                continue;
            } else {
                (format!("'{name}' is named before: the first entry that names it takes it"), "delete it")
            };
            self.warn(Code::UnreachableHandler, message, &names.item(index, item));
            self.advise(Some(advice));
        }
    }

    pub(super) fn retriers(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Vec<Retrier> {
        let Some(at) = fields.at("Retry") else { return Vec::new() };
        let Some(items) = self.array(&at) else { return Vec::new() };
        let (mut retriers, mut taken) = (Vec::new(), BTreeSet::new());
        for (index, item) in items.iter().enumerate() {
            // Who writes a way into a retrier means a catcher: what it leads to is not said to be lost.
            flow.ways_unknown |= item.as_object().is_some_and(|fields| fields.contains_key("Next"));
            self.warn_of_handled(&at.item(index, item), &mut taken);
            retriers.extend(self.retrier(&at.item(index, item), index + 1 == items.len()));
        }
        retriers
    }

    fn retrier(&mut self, at: &At<'_>, is_last: bool) -> Option<Retrier> {
        let fields = self.object(at)?;
        self.allow(&fields, self.language, &RETRIER);
        self.optional_text(&fields, "Comment");
        self.require(&fields, &["ErrorEquals"]);
        let error_equals = self.error_equals(&fields, is_last);
        let interval =
            self.optional_whole_number(&fields, "IntervalSeconds", 1..=limits::RETRY_INTERVAL_SECONDS_MAX);
        let interval_is_right = interval.is_some() || !fields.has("IntervalSeconds");
        let interval_seconds = interval.unwrap_or(limits::RETRY_INTERVAL_SECONDS_DEFAULT);
        let max_attempts = self
            .optional_whole_number(&fields, "MaxAttempts", 0..=limits::RETRY_ATTEMPTS_MAX)
            .unwrap_or(limits::RETRY_ATTEMPTS_DEFAULT);
        let max_delay_seconds =
            self.optional_whole_number(&fields, "MaxDelaySeconds", 1..=limits::RETRY_DELAY_SECONDS_MAX);
        if let (Some(delay), Some(at)) = (max_delay_seconds, fields.at("MaxDelaySeconds"))
            && delay <= interval_seconds
        {
            let message = format!(
                "MaxDelaySeconds ({delay}) must be greater than IntervalSeconds ({interval_seconds})"
            );
            self.schema(message, &at);
            self.advise(Some("it bounds the waits, which begin with IntervalSeconds: make it larger"));
            // Compared with the default, the author did not write what it is compared with.
            self.is_consequence(!interval_is_right);
        }
        let backoff_rate = self.backoff_rate(&fields);
        let jitter = self
            .choice(
                &fields,
                "JitterStrategy",
                &[("FULL", JitterStrategy::Full), ("NONE", JitterStrategy::None)],
            )
            .unwrap_or_default();
        Some(Retrier {
            error_equals: error_equals?,
            interval_seconds,
            max_attempts,
            backoff_rate,
            max_delay_seconds,
            jitter,
        })
    }

    fn backoff_rate(&mut self, fields: &Fields<'_>) -> f64 {
        let Some(at) = fields.at("BackoffRate") else { return limits::RETRY_BACKOFF_RATE_DEFAULT };
        let NodeKind::Number(number) = &at.node.kind else {
            self.expected("Float", &at);
            self.advise(of_quoted_number(&at));
            return limits::RETRY_BACKOFF_RATE_DEFAULT;
        };
        match number.as_f64() {
            Some(rate) if rate >= limits::RETRY_BACKOFF_RATE_MIN => return rate,
            _ => self.schema(format!("Minimum value is {:.1}", limits::RETRY_BACKOFF_RATE_MIN), &at),
        }
        limits::RETRY_BACKOFF_RATE_DEFAULT
    }

    pub(super) fn catchers(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Vec<Catcher> {
        let Some(at) = fields.at("Catch") else { return Vec::new() };
        let Some(items) = self.array(&at) else { return Vec::new() };
        let (mut catchers, mut taken) = (Vec::new(), BTreeSet::new());
        for (index, item) in items.iter().enumerate() {
            self.warn_of_handled(&at.item(index, item), &mut taken);
            let catcher = self.catcher(&at.item(index, item), index + 1 == items.len(), flow);
            flow.ways_unknown |= item.as_object().is_none_or(|fields| !fields.contains_key("Next"));
            catchers.extend(catcher);
        }
        catchers
    }

    fn catcher(&mut self, at: &At<'_>, is_last: bool, flow: &mut StateFlow) -> Option<Catcher> {
        let fields = self.object(at)?;
        self.allow(&fields, flow.language, &CATCHER);
        let comment = self.optional_text(&fields, "Comment");
        self.require(&fields, &["ErrorEquals", "Next"]);
        let error_equals = self.error_equals(&fields, is_last);
        let (assign, names) = self.assign(&fields, Place::Catcher, flow);
        let output = self.optional_output(&fields, Place::Catcher, flow);
        let result_path = match flow.language {
            QueryLanguage::JsonPath => self.result_path(&fields, flow),
            QueryLanguage::Jsonata => Some(ResultPath::Replace),
        };
        let next = self.target(&fields, flow, names);
        Some(Catcher {
            comment,
            error_equals: error_equals?,
            next: next?,
            assign,
            output,
            result_path: result_path?,
        })
    }
}

//! What queues refuse, in AWS's words.

use std::borrow::Cow;

use crate::http::JsonError;

/// The name that an error had in the query protocol. Model, `awsQueryError` of each error.
pub(super) fn query_name(code: &str) -> Option<Cow<'static, str>> {
    let name = match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists" => "QueueAlreadyExists",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
        "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong",
        "InvalidBatchEntryId" => "AWS.SimpleQueueService.InvalidBatchEntryId",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        "PurgeQueueInProgress" => "AWS.SimpleQueueService.PurgeQueueInProgress",
        "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
        "ReceiptHandleIsInvalid"
        | "InvalidAttributeName"
        | "InvalidAttributeValue"
        | "OverLimit"
        | "InvalidMessageContents"
        | "InvalidParameterValue"
        | "MissingParameter"
        | "ResourceNotFoundException"
        | "InvalidAddress" => return Some(Cow::Owned(code.to_owned())),
        _ => return None,
    };
    Some(Cow::Borrowed(name))
}

pub(crate) fn no_queue() -> JsonError {
    JsonError::new("QueueDoesNotExist", "The specified queue does not exist.")
}

/// Of a URL that can be no queue's.
pub(crate) fn address(url: &str) -> JsonError {
    JsonError::new("InvalidAddress", format!("The address {url} is not valid for this endpoint."))
}

pub(super) fn missing(parameter: &str) -> JsonError {
    JsonError::new("MissingParameter", format!("The request must contain the parameter {parameter}."))
}

pub(super) fn value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> JsonError {
    let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
    JsonError::new("InvalidParameterValue", message)
}

pub(super) fn unknown_attribute(name: &str) -> JsonError {
    JsonError::new("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn attribute_value(name: &str, value: &str) -> JsonError {
    let mut shown: String = value.chars().take(256).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    let message = if name == "RedrivePolicy" {
        format!(
            "Value {shown} for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map."
        )
    } else {
        format!("Invalid value for the parameter {name}.")
    };
    JsonError::new("InvalidAttributeValue", message)
}

pub(super) fn receipt(handle: &str) -> JsonError {
    let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
    JsonError::new("ReceiptHandleIsInvalid", message)
}

/// Of a batch: who sends a request, and which of its entries are wrong together.
pub(super) fn batch(code: &'static str, message: impl Into<String>) -> JsonError {
    JsonError::new(code, message)
}

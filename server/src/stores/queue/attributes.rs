//! Attributes of queues: what can be set, to what, and what it means when nobody sets it.
//!
//! Source: API reference, `SetQueueAttributes`.

use asl::limits::{
    QUEUE_DATA_KEY_SECONDS_MAX, QUEUE_DATA_KEY_SECONDS_MIN, QUEUE_DELAY_SECONDS_MAX, QUEUE_MESSAGE_BYTES_MAX,
    QUEUE_MESSAGE_BYTES_MIN, QUEUE_RECEIVE_COUNT_MAX, QUEUE_RETENTION_SECONDS_MAX,
    QUEUE_RETENTION_SECONDS_MIN, QUEUE_VISIBILITY_SECONDS_MAX, QUEUE_WAIT_SECONDS_MAX,
};
use serde_json::{Map, Value, json};

use super::refusal;
use crate::http::JsonError;

/// What was set, by name.
pub(super) type Attributes = Map<String, Value>;

/// How a queue behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) is_fifo: bool,
    pub(super) delay_millis: i64,
    pub(super) message_bytes_max: usize,
    pub(super) retention_millis: i64,
    pub(super) wait_seconds: i64,
    pub(crate) visibility_millis: i64,
    /// Without an id of its own, a message is known by its body.
    pub(super) by_content: bool,
    /// Ids count within their message group.
    pub(super) within_group: bool,
    pub(super) redrive: Option<Redrive>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redrive {
    pub(super) arn: String,
    pub(super) receives_max: i64,
}

/// The largest message, as numbers of attributes are.
const MESSAGE_BYTES_MAX: i64 = QUEUE_MESSAGE_BYTES_MAX.cast_signed() as i64;

/// Attributes with a number: name, smallest, largest, default.
const NUMBERS: [(&str, i64, i64, i64); 6] = [
    ("DelaySeconds", 0, QUEUE_DELAY_SECONDS_MAX, 0),
    ("MaximumMessageSize", QUEUE_MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX),
    ("MessageRetentionPeriod", QUEUE_RETENTION_SECONDS_MIN, QUEUE_RETENTION_SECONDS_MAX, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, QUEUE_WAIT_SECONDS_MAX, 0),
    ("VisibilityTimeout", 0, QUEUE_VISIBILITY_SECONDS_MAX, 30),
    ("KmsDataKeyReusePeriodSeconds", QUEUE_DATA_KEY_SECONDS_MIN, QUEUE_DATA_KEY_SECONDS_MAX, 300),
];

impl Settings {
    /// Of attributes that were checked.
    pub(super) fn of(attributes: &Attributes) -> Self {
        let number = |name: &str| {
            let default = NUMBERS.iter().find(|(known, ..)| *known == name).map_or(0, |known| known.3);
            attributes.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let is = |name: &str, wanted: &str| attributes.get(name).and_then(Value::as_str) == Some(wanted);
        Self {
            is_fifo: is("FifoQueue", "true"),
            delay_millis: number("DelaySeconds") * 1_000,
            message_bytes_max: usize::try_from(number("MaximumMessageSize")).unwrap_or_default(),
            retention_millis: number("MessageRetentionPeriod") * 1_000,
            wait_seconds: number("ReceiveMessageWaitTimeSeconds"),
            visibility_millis: number("VisibilityTimeout") * 1_000,
            by_content: is("ContentBasedDeduplication", "true"),
            within_group: is("DeduplicationScope", "messageGroup"),
            redrive: attributes.get("RedrivePolicy").and_then(Value::as_str).and_then(redrive),
        }
    }
}

/// A redrive policy, if it is one.
fn redrive(text: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let count = policy.get("maxReceiveCount")?;
    let receives_max = count.as_i64().or_else(|| count.as_str()?.parse().ok())?;
    let arn = policy.get("deadLetterTargetArn")?.as_str()?.to_owned();
    ((1..=QUEUE_RECEIVE_COUNT_MAX).contains(&receives_max) && !arn.is_empty())
        .then_some(Redrive { arn, receives_max })
}

/// Takes new attributes over old ones; `is_new` = the queue is about to be made.
pub(super) fn put(
    attributes: &mut Attributes,
    given: &Map<String, Value>,
    is_new: bool,
) -> Result<(), JsonError> {
    for (name, value) in given {
        let Some(value) = value.as_str() else { continue };
        // An empty policy is none.
        if value.is_empty() && matches!(name.as_str(), "RedrivePolicy" | "Policy" | "RedriveAllowPolicy") {
            attributes.shift_remove(name);
            continue;
        }
        check(name, value, is_new)?;
        attributes.insert(name.clone(), json!(value));
    }
    let is_fifo = attributes.get("FifoQueue").is_some();
    let of_fifo = ["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];
    match of_fifo.into_iter().find(|name| attributes.contains_key(*name)) {
        Some(name) if !is_fifo => Err(refusal::unknown_attribute(name)),
        _ => Ok(()),
    }
}

fn check(name: &str, value: &str, is_new: bool) -> Result<(), JsonError> {
    let refused = || Err(refusal::attribute_value(name, value));
    if let Some((_, min, max, _)) = NUMBERS.iter().find(|(known, ..)| *known == name) {
        let is_good = value.parse::<i64>().is_ok_and(|number| (*min..=*max).contains(&number));
        return if is_good { Ok(()) } else { refused() };
    }
    match name {
        "FifoQueue" if is_new && value == "true" => Ok(()),
        "ContentBasedDeduplication" | "SqsManagedSseEnabled" if matches!(value, "true" | "false") => Ok(()),
        "DeduplicationScope" if matches!(value, "queue" | "messageGroup") => Ok(()),
        "FifoThroughputLimit" if matches!(value, "perQueue" | "perMessageGroupId") => Ok(()),
        "RedrivePolicy" if redrive(value).is_some() => Ok(()),
        "Policy" | "RedriveAllowPolicy" if serde_json::from_str::<Map<String, Value>>(value).is_ok() => {
            Ok(())
        }
        "KmsMasterKeyId" => Ok(()),
        "ContentBasedDeduplication"
        | "SqsManagedSseEnabled"
        | "DeduplicationScope"
        | "FifoThroughputLimit"
        | "RedrivePolicy"
        | "Policy"
        | "RedriveAllowPolicy" => refused(),
        _ => Err(refusal::unknown_attribute(name)),
    }
}

/// What `GetQueueAttributes` answers of these attributes: those that were set, and defaults.
pub(super) fn shown(attributes: &Attributes) -> Attributes {
    let mut shown = Attributes::new();
    for (name, _, _, default) in NUMBERS.iter().filter(|(name, ..)| !name.starts_with("Kms")) {
        shown.insert((*name).to_owned(), json!(default.to_string()));
    }
    shown.insert("SqsManagedSseEnabled".to_owned(), json!("true"));
    if attributes.contains_key("FifoQueue") {
        for (name, default) in [
            ("ContentBasedDeduplication", "false"),
            ("DeduplicationScope", "queue"),
            ("FifoThroughputLimit", "perQueue"),
        ] {
            shown.insert(name.to_owned(), json!(default));
        }
    }
    shown.extend(attributes.clone());
    shown
}

//! What a pipe is, ready to work.

use asl::jsonpath::Path;
use serde_json::{Map, Value, json};

use crate::http::JsonError;
use crate::stores::events::pattern::Pattern;
use crate::stores::place::{Place, service_of};
use crate::stores::queue::{self, Queue, Received};
use crate::stores::request::{Given, validation};
use crate::stores::template::Template;
use crate::stores::time;

/// Messages of one execution unless the pipe says otherwise. User guide, "Amazon SQS queue as a source": 10.
const BATCH: usize = 10;

/// A pipe that can work.
#[derive(Debug, Clone)]
pub(super) struct Pipe {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) batch_size: usize,
    pub(super) window_millis: i64,
    pub(super) is_running: bool,
    /// The execution is waited for, which only Express executions can be.
    pub(super) is_synchronous: bool,
    filters: Vec<Pattern>,
    template: Option<Template>,
}

impl Pipe {
    /// Reads a document, and says what is wrong with it.
    pub(super) fn of(name: &str, document: Given<'_>, place: &Place) -> Result<Self, JsonError> {
        let (source, target) = (document.required("Source"), document.required("Target"));
        if place.queue_name(source).is_none() {
            return Err(validation(format!(
                "Source {source} is not supported: sources are queues of this endpoint."
            )));
        }
        if service_of(target) != Some("states") {
            return Err(validation(format!("Target {target} is not supported: targets are state machines.")));
        }
        if document.text("Enrichment").is_some_and(|arn| !arn.is_empty()) {
            return Err(validation("Enrichment is not supported."));
        }
        let source_parameters = document.below("SourceParameters");
        let criteria = source_parameters.and_then(|parameters| parameters.below("FilterCriteria"));
        let mut filters = Vec::new();
        for filter in criteria.map_or(&[][..], |criteria| criteria.list("Filters")) {
            let pattern = Given::of(filter).required("Pattern");
            filters.push(Pattern::parse(pattern).map_err(|error| {
                validation(format!("Invalid filter pattern {pattern}. Reason: {}", error.reason))
            })?);
        }
        let queue = source_parameters.and_then(|parameters| parameters.below("SqsQueueParameters"));
        let number = |name: &str| queue.and_then(|queue| queue.number(name));
        let target_parameters = document.below("TargetParameters");
        let template = target_parameters.and_then(|parameters| parameters.text("InputTemplate"));
        let template = template.filter(|template| !template.is_empty());
        let invocation = target_parameters
            .and_then(|parameters| parameters.below("StepFunctionStateMachineParameters"))
            .and_then(|parameters| parameters.text("InvocationType"));
        let window_seconds = number("MaximumBatchingWindowInSeconds").unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            arn: place.pipe_arn(name),
            source: source.to_owned(),
            target: target.to_owned(),
            batch_size: number("BatchSize").and_then(|size| usize::try_from(size).ok()).unwrap_or(BATCH),
            window_millis: window_seconds * 1_000,
            is_running: document.text("DesiredState") != Some("STOPPED"),
            is_synchronous: invocation == Some("REQUEST_RESPONSE"),
            filters,
            template: template.map(|text| Template::parse(text, is_variable)),
        })
    }

    /// Whether the pipe is for a message.
    pub(super) fn is_for(&self, event: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(&with_body(event)))
    }

    /// The input of the execution of some messages: always a list.
    pub(super) fn input(&self, events: &[Value], now: i64) -> String {
        let texts: Vec<String> = events.iter().map(|event| self.item(event, now)).collect();
        format!("[{}]", texts.join(","))
    }

    fn item(&self, event: &Value, now: i64) -> String {
        let Some(template) = &self.template else { return event.to_string() };
        let body = with_body(event);
        let filled = template.fill(|name| match name {
            "aws.pipes.pipe-arn" => Some(json!(self.arn)),
            "aws.pipes.pipe-name" => Some(json!(self.name)),
            "aws.pipes.source-arn" => Some(json!(self.source)),
            "aws.pipes.target-arn" => Some(json!(self.target)),
            "aws.pipes.event.ingestion-time" => Some(json!(time::iso(now))),
            "aws.pipes.event" | "aws.pipes.event.json" => Some(event.clone()),
            path => Path::parse(path).ok()?.find(&body).ok().map(std::borrow::Cow::into_owned),
        });
        // What is no JSON is a text.
        match serde_json::from_str::<Value>(&filled) {
            Ok(_) => filled,
            Err(_) => Value::String(filled).to_string(),
        }
    }
}

/// Paths, and what the user guide calls "reserved variables".
fn is_variable(name: &str) -> bool {
    let reserved = [
        "aws.pipes.pipe-arn",
        "aws.pipes.pipe-name",
        "aws.pipes.source-arn",
        "aws.pipes.target-arn",
        "aws.pipes.event.ingestion-time",
        "aws.pipes.event",
        "aws.pipes.event.json",
    ];
    reserved.contains(&name) || (name.starts_with('$') && Path::parse(name).is_ok())
}

/// A message as pipes have it. User guide, "Amazon SQS queue as a source".
pub(super) fn event_of(queue: &Queue, received: &Received, place: &Place) -> Value {
    json!({
        "messageId": received.message_id,
        "receiptHandle": received.handle(queue),
        "body": received.body,
        "attributes": received.system(&place.account),
        "messageAttributes": attributes(&received.attributes),
        "md5OfBody": queue::md5(received.body.as_bytes()),
        "eventSource": "aws:sqs",
        "eventSourceARN": place.queue_arn(&queue.name),
        "awsRegion": place.region,
    })
}

/// Attributes as events have them: names of members with a small letter first.
fn attributes(attributes: &Map<String, Value>) -> Map<String, Value> {
    let names = [("stringValue", "StringValue"), ("binaryValue", "BinaryValue"), ("dataType", "DataType")];
    let of = |attribute: &Value| {
        let fields =
            names.iter().filter_map(|(name, from)| Some(((*name).to_owned(), attribute.get(from)?.clone())));
        Value::Object(fields.collect())
    };
    attributes.iter().map(|(name, attribute)| (name.clone(), of(attribute))).collect()
}

/// With the body read as JSON, if it is JSON: filters and paths look into it. User guide,
/// "Implicit body data parsing".
fn with_body(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(body) = event.get_mut("body")
        && let Some(Ok(read)) = body.as_str().map(serde_json::from_str::<Value>)
        && (read.is_object() || read.is_array())
    {
        *body = read;
    }
    event
}

//! The documents that executions write to a CloudWatch log group.
//!
//! Owns which events a level logs and the form of a document; refuses to know
//! where documents go: that is a [`LogSink`]'s business. Recorded on AWS: ids
//! are strings, and what `GetExecutionHistory` calls `…EventDetails` is `details`.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::machine::HistoryEvent;
use crate::registry::{LogLevel, Logging};

/// Fields that carry data of an execution; left out where data is not wanted.
const DATA_FIELDS: [&str; 7] = [
    "input",
    "inputDetails",
    "output",
    "outputDetails",
    "parameters",
    "assignedVariables",
    "assignedVariablesDetails",
];

/// One document of an execution's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEvent {
    /// ARN of the log group it goes to, as the state machine names it.
    pub log_group_arn: Arc<str>,
    /// ARN of the execution.
    pub execution_arn: Arc<str>,
    /// When the event happened, in milliseconds since the epoch.
    pub timestamp_millis: i64,
    /// The document.
    pub document: Value,
}

/// Where logs go. Called after the events are durable, in the order of each
/// execution; it must not wait, for it runs on a thread that others wait for.
pub trait LogSink: Send + Sync {
    /// Takes a document. What becomes of it changes nothing for the execution.
    fn write(&self, event: LogEvent);
}

/// Keeps everything in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryLogSink {
    events: Mutex<Vec<LogEvent>>,
}

impl MemoryLogSink {
    /// What was logged so far.
    pub fn events(&self) -> Vec<LogEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl LogSink for MemoryLogSink {
    fn write(&self, event: LogEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// The document of an event; `None` = its level is not logged.
pub fn log_document(
    event: &HistoryEvent,
    execution_arn: &str,
    logging: &Logging,
    redrive_count: u32,
) -> Option<Value> {
    let kind = event.event_type();
    if !is_logged(kind, logging.level) {
        return None;
    }
    Some(json!({
        "id": event.id.to_string(),
        "type": kind,
        "details": details(event, logging.include_execution_data),
        "redrive_count": redrive_count.to_string(),
        "previous_event_id": event.previous_event_id.to_string(),
        "event_timestamp": event.timestamp_millis.to_string(),
        "execution_arn": execution_arn,
    }))
}

/// Takes the fields out of an event of `GetExecutionHistory` that carry data of the execution.
pub fn without_execution_data(event: &mut Value) {
    let details =
        event.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    for details in details {
        details.retain(|field, _| !DATA_FIELDS.contains(&field.as_str()));
    }
}

fn details(event: &HistoryEvent, with_data: bool) -> Value {
    let mut event = serde_json::to_value(event).unwrap_or_default();
    if !with_data {
        without_execution_data(&mut event);
    }
    let fields = event.as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut details = fields.into_iter().filter(|(field, _)| field.ends_with("EventDetails"));
    details.next().map_or_else(|| Value::Object(Map::new()), |(_, details)| details)
}

/// Developer guide, "Log levels for Step Functions execution events".
fn is_logged(kind: &str, level: LogLevel) -> bool {
    let ends_execution = matches!(kind, "ExecutionAborted" | "ExecutionFailed" | "ExecutionTimedOut");
    match level {
        LogLevel::All => true,
        LogLevel::Error => {
            kind == "FailStateEntered"
                || ["Failed", "TimedOut", "Aborted"].iter().any(|end| kind.ends_with(end))
        }
        LogLevel::Fatal => ends_execution,
        LogLevel::Off => false,
    }
}

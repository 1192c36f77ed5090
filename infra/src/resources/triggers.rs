//! What starts executions: schedules, rules, queues and pipes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Tag;
use crate::cloudformation::{Properties, Text};
use crate::iam::PolicyDocument;
use crate::triggers::{ATTEMPTS_MAX, EVENT_AGE_SECONDS_MAX, RECEIVES_MAX, RETENTION_SECONDS};

/// Where what could not be delivered goes.
#[derive(Debug, Clone, Serialize)]
struct DeadLetters {
    #[serde(rename = "Arn")]
    arn: Text,
}

/// How long a delivery is tried.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RetryPolicy {
    maximum_event_age_in_seconds: u32,
    maximum_retry_attempts: u32,
}

const RETRIES: RetryPolicy =
    RetryPolicy { maximum_event_age_in_seconds: EVENT_AGE_SECONDS_MAX, maximum_retry_attempts: ATTEMPTS_MAX };

/// `AWS::Scheduler::Schedule` that starts executions at its exact times.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Schedule {
    name: String,
    description: String,
    schedule_expression: String,
    schedule_expression_timezone: String,
    flexible_time_window: FlexibleTimeWindow,
    state: &'static str,
    target: ScheduleTarget,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FlexibleTimeWindow {
    mode: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleTarget {
    arn: Text,
    role_arn: Text,
    input: String,
    dead_letter_config: DeadLetters,
    retry_policy: RetryPolicy,
}

/// What a trigger starts, as whom, and where goes what cannot be started.
#[derive(Debug, Clone)]
pub struct Start {
    /// ARN of the state machine.
    pub machine: Text,
    /// ARN of the role.
    pub role: Text,
    /// ARN of the queue.
    pub undelivered: Text,
}

impl Schedule {
    /// A schedule with this expression in a time zone; `input` is JSON text.
    pub fn new(name: &str, description: String, when: (&str, &str), input: String, start: Start) -> Self {
        let (expression, timezone) = when;
        Self {
            name: name.to_owned(),
            description,
            schedule_expression: expression.to_owned(),
            schedule_expression_timezone: timezone.to_owned(),
            flexible_time_window: FlexibleTimeWindow { mode: "OFF" },
            state: "ENABLED",
            target: ScheduleTarget {
                arn: start.machine,
                role_arn: start.role,
                input,
                dead_letter_config: DeadLetters { arn: start.undelivered },
                retry_policy: RETRIES,
            },
        }
    }
}

impl Properties for Schedule {
    const TYPE: &'static str = "AWS::Scheduler::Schedule";
}

/// `AWS::Events::Rule` about objects that arrive in a bucket.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rule {
    name: String,
    description: String,
    event_pattern: ObjectPattern,
    state: &'static str,
    targets: [RuleTarget; 1],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RuleTarget {
    id: &'static str,
    arn: Text,
    role_arn: Text,
    dead_letter_config: DeadLetters,
    retry_policy: RetryPolicy,
}

impl Rule {
    /// A rule that hands the events on as they are.
    pub fn new(name: &str, description: String, event_pattern: ObjectPattern, start: Start) -> Self {
        let target = RuleTarget {
            id: TARGET_ID,
            arn: start.machine,
            role_arn: start.role,
            dead_letter_config: DeadLetters { arn: start.undelivered },
            retry_policy: RETRIES,
        };
        Self { name: name.to_owned(), description, event_pattern, state: "ENABLED", targets: [target] }
    }
}

/// The one target of a rule of ours.
pub const TARGET_ID: &str = "machine";

impl Properties for Rule {
    const TYPE: &'static str = "AWS::Events::Rule";
}

/// The pattern of S3's events about objects that were made in a bucket.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectPattern {
    source: [&'static str; 1],
    #[serde(rename = "detail-type")]
    detail_type: [&'static str; 1],
    detail: ObjectDetail,
}

#[derive(Debug, Clone, Serialize)]
struct ObjectDetail {
    bucket: BucketNames,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectKeys>,
}

#[derive(Debug, Clone, Serialize)]
struct BucketNames {
    name: [Text; 1],
}

#[derive(Debug, Clone, Serialize)]
struct ObjectKeys {
    /// One of them.
    key: Vec<KeyPattern>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
enum KeyPattern {
    Prefix(String),
    Suffix(String),
    Wildcard(String),
}

impl KeyPattern {
    /// Of keys that begin and end so. A prefix beside a suffix would be one or the other.
    fn between(prefix: &str, ending: &str) -> Self {
        // `EventBridge` user guide, "Wildcard matching": `*` and `\` stand for themselves after `\`.
        let plain = |text: &str| text.replace('\\', r"\\").replace('*', r"\*");
        match prefix {
            "" => Self::Suffix(ending.to_owned()),
            _ => Self::Wildcard(format!("{}*{}", plain(prefix), plain(ending))),
        }
    }
}

impl ObjectPattern {
    /// Objects of a bucket whose keys begin so, and end in one of these ways.
    pub fn new(bucket: Text, prefix: &str, endings: &[String]) -> Self {
        let key = match endings {
            // An empty prefix is none, and not allowed in a pattern.
            [] if prefix.is_empty() => Vec::new(),
            [] => vec![KeyPattern::Prefix(prefix.to_owned())],
            _ => endings.iter().map(|ending| KeyPattern::between(prefix, ending)).collect(),
        };
        Self {
            source: ["aws.s3"],
            detail_type: ["Object Created"],
            detail: ObjectDetail {
                bucket: BucketNames { name: [bucket] },
                object: (!key.is_empty()).then_some(ObjectKeys { key }),
            },
        }
    }
}

/// `AWS::SQS::Queue`, encrypted.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Queue {
    queue_name: String,
    sqs_managed_sse_enabled: bool,
    message_retention_period: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_policy: Option<RedrivePolicy>,
    tags: Vec<Tag>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: Text,
    max_receive_count: u32,
}

impl Queue {
    /// A queue that keeps messages as long as a queue can.
    pub fn new(name: &str, tags: Vec<Tag>) -> Self {
        Self {
            queue_name: name.to_owned(),
            sqs_managed_sse_enabled: true,
            message_retention_period: RETENTION_SECONDS,
            visibility_timeout: None,
            redrive_policy: None,
            tags,
        }
    }

    /// The same, for a reader that needs its time; messages that come too often go elsewhere.
    #[must_use]
    pub fn read_by(self, visibility_seconds: u32, undelivered: Text) -> Self {
        let redrive = RedrivePolicy { dead_letter_target_arn: undelivered, max_receive_count: RECEIVES_MAX };
        Self { visibility_timeout: Some(visibility_seconds), redrive_policy: Some(redrive), ..self }
    }
}

impl Properties for Queue {
    const TYPE: &'static str = "AWS::SQS::Queue";
}

/// `AWS::SQS::QueuePolicy`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueuePolicy {
    /// The queue's URL.
    pub queues: [Text; 1],
    /// What it says.
    pub policy_document: PolicyDocument,
}

impl Properties for QueuePolicy {
    const TYPE: &'static str = "AWS::SQS::QueuePolicy";
}

/// `AWS::Pipes::Pipe` from a queue to a state machine, which it starts and does not wait for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pipe {
    name: String,
    description: String,
    desired_state: &'static str,
    role_arn: Text,
    source: Text,
    source_parameters: SourceParameters,
    target: Text,
    target_parameters: TargetParameters,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SourceParameters {
    sqs_queue_parameters: SqsQueueParameters,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsQueueParameters {
    batch_size: u32,
    maximum_batching_window_in_seconds: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetParameters {
    step_function_state_machine_parameters: Invocation,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Invocation {
    invocation_type: &'static str,
}

/// What differs from pipe to pipe.
#[derive(Debug)]
pub struct PipeSettings<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub description: String,
    /// Its role.
    pub role: Text,
    /// ARN of the queue.
    pub source: Text,
    /// Most messages of one execution.
    pub batch: u32,
    /// How long it collects them, in seconds.
    pub window_seconds: u32,
    /// ARN of the state machine.
    pub machine: Text,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl Pipe {
    /// A pipe that runs.
    pub fn new(settings: PipeSettings<'_>) -> Self {
        Self {
            name: settings.name.to_owned(),
            description: settings.description,
            desired_state: "RUNNING",
            role_arn: settings.role,
            source: settings.source,
            source_parameters: SourceParameters {
                sqs_queue_parameters: SqsQueueParameters {
                    batch_size: settings.batch,
                    maximum_batching_window_in_seconds: settings.window_seconds,
                },
            },
            target: settings.machine,
            target_parameters: TargetParameters {
                step_function_state_machine_parameters: Invocation { invocation_type: "FIRE_AND_FORGET" },
            },
            tags: settings.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        }
    }
}

impl Properties for Pipe {
    const TYPE: &'static str = "AWS::Pipes::Pipe";
}

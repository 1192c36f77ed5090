//! What starts executions, as it is both on AWS and in `stepwright dev`: names and
//! numbers, and the document that `dev` makes the local ones of.
//!
//! On AWS they are resources of the stack, see `stack::triggers`.

use serde_json::{Value, json};

use crate::cloudformation::Text;
use crate::manifest::{Manifest, Trigger, Workflow};
use crate::resources::{ObjectPattern, TARGET_ID};

#[cfg(test)]
mod tests;

/// AWS's own defaults of Scheduler and of rules, said so that they are seen: a day.
pub(crate) const EVENT_AGE_SECONDS_MAX: u32 = 86_400;
/// As above.
pub(crate) const ATTEMPTS_MAX: u32 = 185;
/// SQS: the longest a queue keeps a message, 14 days.
pub(crate) const RETENTION_SECONDS: u32 = 1_209_600;
/// `EventBridge` Pipes user guide, "Amazon SQS queue as a source": at least five, so that a throttled
/// start does not send messages to the dead letters.
pub(crate) const RECEIVES_MAX: u32 = 5;
/// Time for a pipe to start an execution with what it took, beside the time it collects.
const START_SECONDS: u32 = 300;

/// How long messages that a pipe took are nobody else's.
pub(crate) fn visibility_seconds(window_seconds: u32) -> u32 {
    START_SECONDS + window_seconds
}

/// The queue of what could not start an execution of a workflow.
pub(crate) fn undelivered(workflow: &Workflow) -> String {
    format!("{}-undelivered", workflow.name)
}

/// The time zone of a schedule that names none.
pub(crate) const UTC: &str = "UTC";

/// The triggers of an application as `stepwright dev --triggers` takes them, for state machines and
/// queues of this region and account. `None` if it has none.
pub fn local(manifest: &Manifest, region: &str, account: &str) -> Option<Value> {
    let (mut queues, mut rules, mut schedules, mut pipes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for workflow in manifest.workflows.iter().filter(|workflow| !workflow.triggers.is_empty()) {
        let machine = format!("arn:aws:states:{region}:{account}:stateMachine:{}", workflow.name);
        let queue_arn = |queue: &str| format!("arn:aws:sqs:{region}:{account}:{queue}");
        let undelivered = undelivered(workflow);
        let dead_letters = queue_arn(&undelivered);
        let retries = json!({
            "MaximumEventAgeInSeconds": EVENT_AGE_SECONDS_MAX,
            "MaximumRetryAttempts": ATTEMPTS_MAX,
        });
        let retention = json!({ "MessageRetentionPeriod": RETENTION_SECONDS });
        queues.push(json!({ "QueueName": undelivered, "Attributes": retention }));
        for trigger in &workflow.triggers {
            match trigger {
                Trigger::Schedule { name, expression, timezone, input } => schedules.push(json!({
                    "Name": name,
                    "ScheduleExpression": expression,
                    "ScheduleExpressionTimezone": timezone.as_deref().unwrap_or(UTC),
                    "Target": {
                        "Arn": machine,
                        "Input": input.to_string(),
                        "DeadLetterConfig": { "Arn": dead_letters },
                        "RetryPolicy": retries,
                    },
                })),
                Trigger::Objects { name, bucket, prefix, endings } => rules.push(json!({
                    "Name": name,
                    "EventPattern": json!(ObjectPattern::new(Text::literal(bucket), prefix, endings)).to_string(),
                    "Targets": [{
                        "Id": TARGET_ID,
                        "Arn": machine,
                        "DeadLetterConfig": { "Arn": dead_letters },
                        "RetryPolicy": retries,
                    }],
                })),
                Trigger::Queue { name, queue, batch, window_seconds, .. } => {
                    let redrive =
                        json!({ "deadLetterTargetArn": dead_letters, "maxReceiveCount": RECEIVES_MAX });
                    queues.push(json!({
                        "QueueName": queue,
                        "Attributes": {
                            "MessageRetentionPeriod": RETENTION_SECONDS,
                            "VisibilityTimeout": visibility_seconds(*window_seconds),
                            "RedrivePolicy": redrive.to_string(),
                        },
                    }));
                    pipes.push(json!({
                        "Name": name,
                        "Source": queue_arn(queue),
                        "SourceParameters": { "SqsQueueParameters": {
                            "BatchSize": batch,
                            "MaximumBatchingWindowInSeconds": window_seconds,
                        } },
                        "Target": machine,
                        "TargetParameters": {
                            "StepFunctionStateMachineParameters": { "InvocationType": "FIRE_AND_FORGET" },
                        },
                    }));
                }
            }
        }
    }
    let document = json!({ "Queues": queues, "Rules": rules, "Schedules": schedules, "Pipes": pipes });
    (!queues.is_empty()).then_some(document)
}

//! Actors: somebody outside who completes a task by its token.

use engine::simulate::TaskStep;
use engine::{TaskOutcome, TaskRequest};
use serde_json::Value;

/// How long after a message somebody who reads the queue acts on it, in milliseconds.
const MESSAGE_DELAY_MILLIS: i64 = 1_000;

/// An actor of a case.
pub(super) struct Actor {
    place: Place,
    /// What it does with a task, in order.
    deeds: Vec<String>,
    script: Value,
}

enum Place {
    /// Reads a queue, by its URL, as long as messages come.
    Queue(String),
    /// Works for an activity, by its ARN; takes one task.
    Activity { arn: String, has_worked: bool },
}

impl Actor {
    /// Reads an actor whose placeholders are filled.
    pub(super) fn read(script: &Value) -> Result<Self, String> {
        let text = |field: &str| script[field].as_str().unwrap_or_default().to_owned();
        let place = match script["actor"].as_str() {
            Some("sqs_task_token") => Place::Queue(text("queue")),
            Some("activity_worker") => Place::Activity { arn: text("activity"), has_worked: false },
            _ => return Err(format!("this runner does not know the actor {}", script["actor"])),
        };
        let deeds = script["do"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Self { place, deeds: deeds.map(str::to_owned).collect(), script: script.clone() })
    }

    /// What it does with a task that is for it, each so many milliseconds after the call.
    pub(super) fn take(&mut self, task: &TaskRequest) -> Option<Vec<(i64, TaskStep)>> {
        match &mut self.place {
            Place::Queue(url) => {
                let is_message = task.resource.ends_with(".waitForTaskToken")
                    && (task.arguments["QueueUrl"] == **url || self.script["envelope"] == "sns");
                let body = task.arguments.get("MessageBody").or_else(|| task.arguments.get("Message"))?;
                let steps = is_message.then(|| self.act(MESSAGE_DELAY_MILLIS, body))?;
                // Somebody who finds no token in the message can do nothing.
                Some(if body["TaskToken"].is_string() { steps } else { Vec::new() })
            }
            Place::Activity { arn, has_worked } => {
                if task.resource != *arn || std::mem::replace(has_worked, true) {
                    return None;
                }
                let worker = self.script["worker_name"].as_str().map(str::to_owned);
                let mut steps = vec![(0, TaskStep::Taken(worker))];
                steps.extend(self.act(0, &task.arguments));
                Some(steps)
            }
        }
    }

    /// `body`: the message, or the input of the activity.
    fn act(&self, mut at_millis: i64, body: &Value) -> Vec<(i64, TaskStep)> {
        let mut steps = Vec::new();
        for deed in &self.deeds {
            match deed.split_once(':').unwrap_or((deed, "")) {
                ("wait", seconds) => {
                    let seconds: f64 = seconds.parse().unwrap_or_default();
                    #[expect(clippy::cast_possible_truncation, reason = "a few seconds")]
                    let millis = (seconds * 1000.0) as i64;
                    at_millis += millis;
                }
                ("heartbeat", _) => steps.push((at_millis, TaskStep::Heartbeat)),
                ("success", _) => steps.push((at_millis, self.success(body))),
                // `failure:Error:input` of a worker, or with an error and a cause of its own.
                (_, error) => steps.push((at_millis, self.failure(error, body))),
            }
        }
        steps
    }

    fn success(&self, body: &Value) -> TaskStep {
        let output = match self.script["output"].as_str() {
            None | Some("body") => body.to_string(),
            Some(text) if text.starts_with('{') => text.to_owned(),
            Some(_) => body["Message"].to_string(),
        };
        TaskStep::Ended(TaskOutcome::Succeeded(output))
    }

    fn failure(&self, error: &str, body: &Value) -> TaskStep {
        let text = |field: &str| self.script[field].as_str().unwrap_or_default().to_owned();
        let (error, cause) = match error.split(':').next() {
            Some("") | None => (text("error"), text("cause")),
            Some(error) => (error.to_owned(), body.to_string()),
        };
        TaskStep::Ended(TaskOutcome::Failed { error, cause })
    }
}

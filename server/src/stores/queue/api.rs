//! The operations of queues, by name.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use asl::limits::{QUEUE_REQUEST_BYTES_MAX, QUEUE_WAIT_SECONDS_MAX};
use engine::services::Service;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Moves, messages, refusal, table};
use crate::http::service::off_thread;
use crate::http::{JsonAnswer, JsonApi, JsonError};
use crate::stores::request::{Answered, Given, check};
use crate::stores::shared::Shared;

/// Operations that answer without waiting for messages.
const OPERATIONS: [&str; 22] = [
    "CreateQueue",
    "DeleteQueue",
    "GetQueueUrl",
    "ListQueues",
    "PurgeQueue",
    "GetQueueAttributes",
    "SetQueueAttributes",
    "ListDeadLetterSourceQueues",
    "TagQueue",
    "UntagQueue",
    "ListQueueTags",
    "SendMessage",
    "SendMessageBatch",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "StartMessageMoveTask",
    "CancelMessageMoveTask",
    "ListMessageMoveTasks",
    "AddPermission",
    "RemovePermission",
];

/// The queues of a data folder.
pub(crate) struct Queues {
    pub(super) shared: Arc<Shared>,
    model: Service,
    stopping: watch::Sender<bool>,
    moves: Arc<Moves>,
}

impl Queues {
    /// `None`: there is no model of the service, which would be an error of the build.
    pub(crate) fn new(shared: Arc<Shared>, moves: Arc<Moves>) -> Option<Self> {
        let model = Service::load("sqs")?;
        Some(Self { shared, model, stopping: watch::Sender::new(false), moves })
    }

    pub(crate) const fn model(&self) -> &Service {
        &self.model
    }

    /// Runs an operation that does not wait.
    pub(crate) fn run(&self, operation: &str, parameters: &Value) -> Answered {
        self.check(operation, parameters)?;
        let given = Given::of(parameters);
        match operation {
            "CreateQueue" => self.create(given),
            "DeleteQueue" => self.delete_queue(given),
            "GetQueueUrl" => self.url_of_queue(given),
            "ListQueues" => self.list(given),
            "PurgeQueue" => self.purge(given),
            "GetQueueAttributes" => self.attributes(given),
            "SetQueueAttributes" => self.set_attributes(given),
            "ListDeadLetterSourceQueues" => self.sources(given),
            "TagQueue" => self.tag(given),
            "UntagQueue" => self.untag(given),
            "ListQueueTags" => self.tags(given),
            "SendMessage" => self.send(given),
            "SendMessageBatch" => self.send_batch(given),
            "DeleteMessage" => self.delete(given),
            "DeleteMessageBatch" => self.delete_batch(given),
            "ChangeMessageVisibility" => self.change_visibility(given),
            "ChangeMessageVisibilityBatch" => self.change_visibility_batch(given),
            "StartMessageMoveTask" => self.moves.start(given),
            "CancelMessageMoveTask" => self.moves.cancel(given),
            "ListMessageMoveTasks" => self.moves.list(given),
            "AddPermission" | "RemovePermission" => Err(JsonError::new(
                "UnsupportedOperation",
                "Permissions are not kept here: whoever may call the endpoint may use every queue.",
            )),
            _ => Err(JsonError::new("UnknownOperationException", "")),
        }
    }

    /// What is missing has an error of its own here, the first only.
    fn check(&self, operation: &str, parameters: &Value) -> Result<(), JsonError> {
        let given = Given::of(parameters);
        let input = self.model.operations.get(operation).and_then(|operation| operation.input);
        if let Some(structure) = input.and_then(|input| self.model.structure(input))
            && let Some(missing) = structure.required().find(|name| given.value(name).is_none())
        {
            return Err(refusal::missing(missing));
        }
        check(&self.model, operation, parameters)
    }

    /// Receives messages; waits for them as long as the caller or the queue says.
    async fn receive(self: Arc<Self>, parameters: Value) -> Answered {
        self.check("ReceiveMessage", &parameters)?;
        let (queues, asked) = (Arc::clone(&self), parameters.clone());
        let asked = off_thread(move || messages::Asked::of(&queues.shared, Given::of(&asked))).await?;
        let seconds = asked.wait_seconds.clamp(0, QUEUE_WAIT_SECONDS_MAX).unsigned_abs();
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut stopping = self.stopping.subscribe();
        let arrivals = self.shared.arrivals.of(asked.queue.id);
        loop {
            let mut arrived = std::pin::pin!(arrivals.notified());
            // What arrives from here on is heard.
            arrived.as_mut().enable();
            let (queues, receive) = (Arc::clone(&self), asked.clone());
            let (found, pause) = off_thread(move || receive.now(&queues.shared)).await?;
            if !found.is_empty() {
                return Ok(json!({ "Messages": found }));
            }
            // What is invisible now may become visible before anything arrives.
            let again = pause.map_or(until, |pause| until.min(Instant::now() + pause));
            if Instant::now() >= until {
                return Ok(json!({}));
            }
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(again) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(json!({})),
            }
        }
    }

    /// The queue that a URL names by its last part: where the URL leads does not matter.
    pub(super) fn name_in(url: &str) -> &str {
        url.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// The queue of a request.
    pub(super) fn queue_of(&self, given: Given<'_>) -> Answered<table::Queue> {
        let name = Self::name_in(given.required("QueueUrl")).to_owned();
        Ok(self.shared.database.read(|connection| table::queue(connection, &name))?)
    }
}

impl JsonApi for Queues {
    fn target_prefix(&self) -> &'static str {
        "AmazonSQS"
    }

    fn signing_name(&self) -> &'static str {
        "sqs"
    }

    fn has(&self, operation: &str) -> bool {
        operation == "ReceiveMessage" || OPERATIONS.contains(&operation)
    }

    fn waits(&self, operation: &str) -> bool {
        operation == "ReceiveMessage"
    }

    fn call(self: Arc<Self>, operation: &str, parameters: Value) -> JsonAnswer {
        if operation == "ReceiveMessage" {
            return Box::pin(self.receive(parameters));
        }
        let operation = operation.to_owned();
        Box::pin(off_thread(move || self.run(&operation, &parameters)))
    }

    fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn request_bytes_max(&self) -> usize {
        QUEUE_REQUEST_BYTES_MAX
    }

    fn has_own_paths(&self) -> bool {
        true
    }

    fn error_namespace(&self) -> &'static str {
        "com.amazonaws.sqs#"
    }

    fn query_error(&self, code: &str) -> Option<Cow<'static, str>> {
        refusal::query_name(code)
    }
}

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
use crate::stores::bell::Keeper;
use crate::stores::request::{Answered, Given, check};
use crate::stores::shared::Shared;

/// How often one of the calls that wait for a queue looks by itself: what others received comes
/// back when they do not delete it, and the clock may jump.
const LOOK: Duration = Duration::from_secs(1);

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
    /// See [`LOOK`].
    pub(super) look: Duration,
}

impl Queues {
    /// `None`: there is no model of the service, which would be an error of the build.
    pub(crate) fn new(shared: Arc<Shared>, moves: Arc<Moves>) -> Option<Self> {
        let model = Service::load("sqs")?;
        Some(Self { shared, model, stopping: watch::Sender::new(false), moves, look: LOOK })
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
        let waiting = self.shared.arrivals.enter(asked.queue.id);
        let mut keeper = None;
        loop {
            let mut arrived = std::pin::pin!(waiting.arrived());
            // What arrives from here on is heard.
            arrived.as_mut().enable();
            let baton = waiting.baton();
            let (queues, receive) = (Arc::clone(&self), asked.clone());
            let looked = off_thread(move || receive.now(&queues.shared)).await;
            if looked.as_ref().is_ok_and(|(found, _)| !found.is_empty()) {
                // There may be more: the next one looks.
                drop(baton);
                return Ok(json!({ "Messages": looked?.0 }));
            }
            baton.keep();
            let (_, next) = looked?;
            if Instant::now() >= until {
                return Ok(json!({}));
            }
            keeper = keeper.or_else(|| waiting.keep());
            if let (None, Some(next)) = (&keeper, next) {
                self.shared.arrivals.later(asked.queue.id, next);
            }
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.next_due(keeper.as_ref(), next) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(json!({})),
            }
        }
    }

    /// For the keeper: until a message becomes visible that is invisible now, or it is time to look.
    async fn next_due(&self, keeper: Option<&Keeper>, next_millis: Option<i64>) {
        let Some(keeper) = keeper else { return std::future::pending().await };
        let look = Instant::now() + self.look;
        let at = |due: i64| {
            let pause = (due - self.shared.now()).max(1).unsigned_abs();
            look.min(Instant::now() + Duration::from_millis(pause))
        };
        let mut due = next_millis.map_or(look, at);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => return,
                sooner = keeper.sooner() => due = due.min(at(sooner)),
            }
        }
    }

    /// The queue of a request.
    pub(super) fn queue_of(&self, given: Given<'_>) -> Answered<table::Queue> {
        let name = self.shared.queue_name(given.required("QueueUrl"))?.to_owned();
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

//! The Step Functions API on the JSON protocol.
//!
//! Short operations run on threads of their own, because they wait for the
//! journal; what can wait for minutes (`GetActivityTask`, `StartSyncExecution`)
//! holds none.

use std::fmt;
use std::sync::Arc;

use asl::limits::TEST_STATES_RUNNING_MAX;
use engine::EngineError;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;

use super::json_protocol::{JsonAnswer, JsonApi, JsonError};
use super::polls::Polls;
use super::service::off_thread;
use super::throttle::Throttle;
use crate::api::{Api, ApiError};
use crate::metrics::Metrics;

/// The API of an engine, for [`super::JsonProtocol`].
pub struct States {
    api: Api,
    metrics: Arc<Metrics>,
    polls: Arc<Polls>,
    tests: Semaphore,
    throttle: Option<Throttle>,
    stopping: watch::Sender<bool>,
}

impl fmt::Debug for States {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("States").field("api", &self.api).finish_non_exhaustive()
    }
}

impl States {
    /// The API. Calls are counted in the metrics. One a process and engine:
    /// the engine tells only the first of offered tasks.
    pub fn new(api: Api, metrics: Arc<Metrics>) -> Self {
        let polls = Arc::<Polls>::default();
        let offered = Arc::downgrade(&polls);
        api.engine().on_activity_task_offered(Arc::new(move |activity_arn| {
            if let Some(polls) = offered.upgrade() {
                match activity_arn {
                    Some(activity_arn) => polls.offer(activity_arn),
                    None => polls.end(),
                }
            }
        }));
        let (tests, stopping) = (Semaphore::new(TEST_STATES_RUNNING_MAX), watch::Sender::new(false));
        Self { api, metrics, polls, tests, throttle: None, stopping }
    }

    /// Refuses calls that come too often.
    #[must_use]
    pub fn with_throttle(self, throttle: Option<Throttle>) -> Self {
        Self { throttle, ..self }
    }

    fn admit(&self, operation: &str, parameters: &Value) -> Result<(), ApiError> {
        let Some(throttle) = &self.throttle else { return Ok(()) };
        let of_express = operation == "StartExecution" && self.api.is_for_express(parameters);
        if throttle.admits(operation, of_express, std::time::Instant::now()) {
            return Ok(());
        }
        Err(ApiError::of(EngineError::Throttled, ""))
    }

    async fn answer(&self, operation: &str, parameters: Value) -> Result<Value, ApiError> {
        self.admit(operation, &parameters)?;
        match operation {
            "GetActivityTask" => self.activity_task(parameters).await,
            "StartExecution" => self.start(parameters).await,
            "StartSyncExecution" => self.start_sync(parameters).await,
            // Reads a row or two, for which a thread of its own costs more than they do.
            "DescribeExecution" => self.api.call(operation, parameters),
            "TestState" => {
                // The semaphore is never closed.
                let _turn = self.tests.acquire().await;
                self.blocking(operation, parameters).await
            }
            _ => self.blocking(operation, parameters).await,
        }
    }

    async fn blocking(&self, operation: &str, parameters: Value) -> Result<Value, ApiError> {
        let (api, operation) = (self.api.clone(), operation.to_owned());
        off_thread(move || api.call(&operation, parameters)).await
    }

    /// Starts on this thread, and waits for the disk on none.
    async fn start(&self, parameters: Value) -> Result<Value, ApiError> {
        let (sender, answer) = oneshot::channel();
        let (api, runtime) = (self.api.clone(), Handle::current());
        self.api.begin_start(&parameters, move |accepted| {
            // Who asked may have gone; the execution goes on.
            let has_begun = accepted.has_begun();
            let tell = move || drop(sender.send(api.started(accepted)));
            if has_begun {
                tell();
            } else {
                runtime.spawn_blocking(tell);
            }
        })?;
        if let Ok(answer) = answer.await {
            return answer;
        }
        let engine = self.api.engine().clone();
        off_thread(move || Err(ApiError::of(engine.lost(), ""))).await
    }

    async fn start_sync(&self, parameters: Value) -> Result<Value, ApiError> {
        let (ended, end) = oneshot::channel();
        let api = self.api.clone();
        let began = off_thread(move || {
            // Who asked may have gone; the execution goes on.
            api.begin_start_sync(&parameters, move |answer| drop(ended.send(answer)))
        });
        began.await?;
        end.await.unwrap_or_else(|_| Err(ApiError::internal("the engine gave a synchronous execution up")))
    }

    /// Long polling: asks, and asks again whenever a task is offered.
    async fn activity_task(&self, parameters: Value) -> Result<Value, ApiError> {
        let (activity_arn, worker) = self.api.read_activity_poll(&parameters)?;
        let until = Instant::now() + self.api.activity_poll();
        let poll = self.polls.enter(&activity_arn).ok_or_else(Api::too_many_workers)?;
        let mut stopping = self.stopping.subscribe();
        loop {
            let offered = poll.offered.notified();
            let mut offered = std::pin::pin!(offered);
            // What is offered from here on is heard.
            offered.as_mut().enable();
            let (api, arn, name) = (self.api.clone(), activity_arn.clone(), worker.clone());
            if let Some(task) = off_thread(move || api.activity_task_now(&arn, name.as_deref())).await? {
                return Ok(task);
            }
            tokio::select! {
                () = offered => {}
                () = tokio::time::sleep_until(until) => return Ok(Api::no_activity_task()),
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(Api::no_activity_task()),
            }
        }
    }
}

impl JsonApi for States {
    fn target_prefix(&self) -> &'static str {
        "AWSStepFunctions"
    }

    fn signing_name(&self) -> &'static str {
        "states"
    }

    fn has(&self, operation: &str) -> bool {
        Api::has(operation)
    }

    fn call(self: Arc<Self>, operation: &str, parameters: Value) -> JsonAnswer {
        let operation = operation.to_owned();
        Box::pin(async move {
            let answer = self.answer(&operation, parameters).await;
            self.metrics.called(&operation, answer.as_ref().err().map(|error| error.code));
            answer.map_err(JsonError::from)
        })
    }

    fn waits(&self, operation: &str) -> bool {
        operation == "GetActivityTask"
    }

    fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

impl From<ApiError> for JsonError {
    fn from(error: ApiError) -> Self {
        Self { code: error.code.into(), message: error.message, http_status: error.http_status }
    }
}

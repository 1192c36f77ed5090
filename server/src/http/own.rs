//! What the command asks of a running server beyond AWS's operations: a redrive
//! with its reason. The target begins with `Stepwright`; signatures are as for `states`.

use std::sync::Arc;

use engine::RedriveExecution;
use serde_json::{Value, json};

use super::json_protocol::{JsonAnswer, JsonApi, JsonError};
use super::service::off_thread;
use crate::api::{Api, ApiError};

/// The operations of ours.
#[derive(Debug)]
pub struct Own {
    api: Api,
}

impl Own {
    /// On the engine of an API.
    pub fn new(api: Api) -> Self {
        Self { api }
    }

    fn redrive(&self, parameters: &Value) -> Result<Value, ApiError> {
        let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
        let execution_arn = text("executionArn").unwrap_or_default();
        let request = RedriveExecution {
            execution_arn: execution_arn.clone(),
            client_token: text("clientToken"),
            reason: text("reason"),
        };
        let redriven = self.api.engine().redrive_execution(&request);
        let redriven = redriven.map_err(|error| ApiError::of(error, &execution_arn))?;
        Ok(json!({ "redriveMillis": redriven.redrive_millis }))
    }
}

impl JsonApi for Own {
    fn target_prefix(&self) -> &'static str {
        "Stepwright"
    }

    fn signing_name(&self) -> &'static str {
        "states"
    }

    fn has(&self, operation: &str) -> bool {
        operation == "RedriveExecution"
    }

    fn call(self: Arc<Self>, _: &str, parameters: Value) -> JsonAnswer {
        Box::pin(async move { off_thread(move || self.redrive(&parameters)).await.map_err(JsonError::from) })
    }
}

//! Calls the running `stepwright dev` that holds the journal of a data folder.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use server::http::Call;

use crate::address::Address;
use crate::problem::Problem;
use crate::run::now_millis;

/// How long an answer may take: nothing that is asked here waits for an execution.
const PATIENCE: Duration = Duration::from_secs(30);
/// The name of the service in signatures.
const SERVICE: &str = "states";

/// A server that was there a moment ago.
#[derive(Debug)]
pub(crate) struct Remote {
    address: Address,
}

/// What a call did not do.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::Remote { detail: format!("{}: {}", refused.code, refused.message) }
    }
}

impl Remote {
    /// The server of a data folder; `None` = there is none, or it is gone.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let address = Address::read(folder)?;
        TcpStream::connect_timeout(&address.socket, PATIENCE).ok()?;
        Some(Self { address })
    }

    /// Calls an operation by its target, e.g. `AWSStepFunctions.StopExecution`.
    pub(crate) fn call(&self, target: &str, parameters: &Value) -> Result<Result<Value, Refused>, Problem> {
        let text = parameters.to_string();
        let call = Call {
            socket: self.address.socket,
            credentials: self.address.credentials(),
            region: &self.address.region,
            service: SERVICE,
            target,
            body: text.as_bytes(),
            patience: PATIENCE,
        };
        let answer = call.send(now_millis());
        let (status, body) = answer.map_err(|error| Problem::Remote { detail: error.to_string() })?;
        let body: Value = serde_json::from_slice(&body).map_err(|error| Problem::Remote {
            detail: format!("it answered {status} and no JSON: {error}"),
        })?;
        if status == 200 {
            return Ok(Ok(body));
        }
        let part = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Err(Refused { code: part("__type"), message: part("message") }))
    }
}

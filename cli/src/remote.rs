//! Calls the running `stepwright dev` that holds the journal of a data folder.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use server::http::sign;

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
        let answer = self.exchange(target, parameters.to_string().as_bytes());
        let (status, body) = answer.map_err(|error| Problem::Remote { detail: error.to_string() })?;
        let body: Value = serde_json::from_slice(&body).map_err(|error| Problem::Remote {
            detail: format!("it answered {status} and no JSON: {error}"),
        })?;
        if status == 200 {
            return Ok(Ok(body));
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Err(Refused { code: text("__type"), message: text("message") }))
    }

    /// One request on a connection of its own, which the server closes behind its answer.
    fn exchange(&self, target: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let host = self.address.socket.to_string();
        let mut headers = vec![("host", host.as_str()), ("x-amz-target", target)];
        let signed = self.address.credentials().map(|credentials| {
            sign(&credentials, &headers, body, &self.address.region, SERVICE, now_millis())
        });
        if let Some(signed) = &signed {
            headers.extend([("x-amz-date", signed.date.as_str()), ("authorization", &signed.authorization)]);
        }
        let length = body.len().to_string();
        headers.extend([
            ("content-type", "application/x-amz-json-1.0"),
            ("content-length", &length),
            ("connection", "close"),
        ]);
        let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = lines.collect::<Vec<_>>().concat();
        let mut stream = TcpStream::connect_timeout(&self.address.socket, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("POST / HTTP/1.1\r\n{head}\r\n").as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read_answer(&answer).ok_or_else(|| std::io::Error::other("it does not answer in HTTP"))
    }
}

/// Status and body of a response that ends with its connection.
fn read_answer(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer.get(end + 4..)?.to_vec()))
}

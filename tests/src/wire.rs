//! A client of the Step Functions API that costs little: one connection, the
//! JSON protocol, no signatures. For comparing and for measuring; that AWS's own
//! clients work is another test.
#![expect(clippy::indexing_slicing, reason = "only JSON is indexed, and a field that is missing is null")]

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_string(), received: Vec::with_capacity(4096) })
    }

    /// Calls an operation, e.g. `StartExecution`; answers the HTTP status and the body.
    pub async fn call(&mut self, operation: &str, parameters: &Value) -> io::Result<(u16, Value)> {
        self.call_target(&format!("AWSStepFunctions.{operation}"), parameters).await
    }

    /// Calls an operation of any API by its target, e.g. `AmazonSQS.SendMessage`.
    pub async fn call_target(&mut self, target: &str, parameters: &Value) -> io::Result<(u16, Value)> {
        // Those who do not check signatures want to see one.
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: {target}\r\n\
             content-type: application/x-amz-json-1.0\r\nx-amz-date: 20261121T000000Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=local/20261121/us-east-1/states/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=0\r\ncontent-length: ",
            self.host
        );
        let body = parameters.to_string();
        let request = format!("{request}{}\r\n\r\n{body}", body.len());
        self.stream.write_all(request.as_bytes()).await?;
        let (status, body) = self.response().await?;
        if body.is_empty() {
            return Ok((status, Value::Null));
        }
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// Calls an operation that has to succeed.
    pub async fn succeed(&mut self, operation: &str, parameters: &Value) -> io::Result<Value> {
        match self.call(operation, parameters).await? {
            (200, answer) => Ok(answer),
            (status, answer) => {
                let text = format!("{operation}: {status} {}: {}", answer["__type"], answer["message"]);
                Err(io::Error::other(text))
            }
        }
    }

    async fn response(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.receive().await?;
        };
        let no_http = || io::Error::other("what was answered is no HTTP");
        let head =
            self.received.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or_else(no_http)?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(no_http)?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = end + length.ok_or_else(no_http)?;
        while self.received.len() < whole {
            self.receive().await?;
        }
        let body = self.received.get(end..whole).unwrap_or_default().to_vec();
        self.received.drain(..whole);
        Ok((status, body))
    }

    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ => Ok(()),
        }
    }
}

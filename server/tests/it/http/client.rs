//! A client that sends what it is told, byte for byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    address: SocketAddr,
    received: Vec<u8>,
    /// Silence is an end, too.
    ends_in_silence: bool,
}

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Status and name of an error.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["__type"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        // Heads and bodies are written one after the other: neither waits for the other's receipt.
        stream.set_nodelay(true).expect("an option");
        Self { stream, address, received: Vec::new(), ends_in_silence: false }
    }

    pub(super) fn call(&mut self, operation: &str, parameters: &Value) -> Reply {
        self.begin(operation, parameters);
        self.reply().expect("an answer")
    }

    /// Says that nothing more will be sent.
    pub(super) fn close_our_half(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    }

    /// Sends a call and does not wait for its answer.
    pub(super) fn begin(&mut self, operation: &str, parameters: &Value) {
        let target = format!("AWSStepFunctions.{operation}");
        let body = parameters.to_string();
        self.post(
            &[("X-Amz-Target", &target), ("Content-Type", "application/x-amz-json-1.0")],
            body.as_bytes(),
        );
    }

    pub(super) fn post(&mut self, headers: &[(&str, &str)], body: &[u8]) {
        let length = body.len().to_string();
        let mut all = vec![("Content-Length", length.as_str())];
        all.extend(headers);
        self.send("POST / HTTP/1.1", &all, body);
    }

    pub(super) fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1"), headers, b"");
        self.reply().expect("an answer")
    }

    /// Adds the host, unless it is among the headers.
    pub(super) fn send(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{line}\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head = format!("{head}Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head = format!("{head}{name}: {value}\r\n");
        }
        self.raw(format!("{head}\r\n").as_bytes());
        self.raw(body);
    }

    /// A server that has seen enough closes the connection: what it answered counts.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The status of every response until the connection is closed, or says nothing for two seconds.
    pub(super) fn statuses(mut self) -> Vec<u16> {
        self.ends_in_silence = true;
        self.stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        std::iter::from_fn(|| self.reply()).map(|reply| reply.status).collect()
    }

    /// Nothing more will be sent.
    pub(super) fn finish(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The next response; `None` = the connection was closed without one.
    pub(super) fn reply(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.receive()?;
        };
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut reply = Reply { status, head, body: String::new() };
        let length: usize =
            reply.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        while self.received.len() < end + length {
            self.receive()?;
        }
        reply.body = String::from_utf8_lossy(&self.received[end..end + length]).into_owned();
        self.received.drain(..end + length);
        Some(reply)
    }

    fn receive(&mut self) -> Option<()> {
        let mut buffer = vec![0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => None,
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Some(())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.ends_in_silence => None,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

//! A bootstrap that answers as it is told: by `STEPWRIGHT_REPLAY`, a JSON object.
//!
//! | member | answer |
//! |---|---|
//! | `return` | this value |
//! | `return_repeat` | `{"text", "times"}`: the text so many times |
//! | `return_format` | the text, with `{event}` for the event |
//! | `raise` | the error `{"errorType", "errorMessage", "stackTrace"}` |
//! | `print` | nothing more; the line goes to standard output first |
//! | `allocate_mib` | nothing more; so much memory is taken first |
//! | `sleep_seconds` | nothing more; it takes so long |
//! | none of them, or `echo` | the event |
//!
//! It speaks the Lambda Runtime API with nothing but the standard library: what runs here is any
//! program that reads and writes HTTP, not only one that uses AWS's runtime client.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

const REQUEST_ID: &str = "lambda-runtime-aws-request-id:";

fn main() -> ExitCode {
    let told = std::env::var("STEPWRIGHT_REPLAY").unwrap_or_default();
    let told: Value = serde_json::from_str(&told).unwrap_or_default();
    match serve(&told) {
        Ok(()) => ExitCode::SUCCESS,
        // The host has gone: so do we, without a word.
        Err(_) => ExitCode::FAILURE,
    }
}

/// The Runtime API behind one connection.
struct Api {
    stream: BufReader<TcpStream>,
    /// Host and port.
    address: String,
}

/// What the Runtime API answers.
struct Answer {
    request_id: String,
    body: Vec<u8>,
}

impl Api {
    fn open() -> io::Result<Self> {
        let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
        let stream = TcpStream::connect(&address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let (host, length) = (&self.address, body.len());
        let request = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut request_id, mut length) = (String::new(), 0);
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            } else if let Some(value) = header.strip_prefix(REQUEST_ID) {
                value.trim().clone_into(&mut request_id);
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { request_id, body })
    }
}

fn serve(told: &Value) -> io::Result<()> {
    let mut api = Api::open()?;
    loop {
        let next = api.request("GET", "invocation/next", "")?;
        let id = next.request_id;
        match answer(told, &next.body, &id) {
            Ok(value) => api.request("POST", &format!("invocation/{id}/response"), &value)?,
            Err(error) => api.request("POST", &format!("invocation/{id}/error"), &error)?,
        };
    }
}

fn answer(told: &Value, event: &[u8], request_id: &str) -> Result<String, String> {
    let number = |field: &str| told.get(field).and_then(Value::as_u64);
    if let Some(line) = told.get("print").and_then(Value::as_str) {
        let mut out = io::stdout().lock();
        // Nobody reads on: nothing to do about it.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
    if let Some(mebibytes) = number("allocate_mib") {
        // Written, so that it is there; and read, so that it is not left out.
        let taken = vec![1_u8; usize::try_from(mebibytes).unwrap_or_default() << 20];
        std::hint::black_box(&taken);
    }
    if let Some(seconds) = number("sleep_seconds") {
        std::thread::sleep(Duration::from_secs(seconds));
    }
    if let Some(error) = told.get("raise") {
        let field = |name: &str| error.get(name).cloned().unwrap_or_default();
        let error = json!({
            "errorMessage": field("errorMessage"),
            "errorType": field("errorType"),
            "requestId": request_id,
            "stackTrace": field("stackTrace"),
        });
        return Err(error.to_string());
    }
    if let Some(repeat) = told.get("return_repeat") {
        let times = repeat.get("times").and_then(Value::as_u64).and_then(|times| usize::try_from(times).ok());
        let text = repeat.get("text").and_then(Value::as_str).unwrap_or_default();
        return Ok(json!(text.repeat(times.unwrap_or_default())).to_string());
    }
    let event = String::from_utf8_lossy(event);
    if let Some(format) = told.get("return_format").and_then(Value::as_str) {
        return Ok(json!(format.replace("{event}", &event)).to_string());
    }
    Ok(told.get("return").map_or_else(|| event.into_owned(), Value::to_string))
}

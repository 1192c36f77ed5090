//! A Lambda endpoint for the functions that cases describe.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::stubs::{function_name, returned};

/// Bytes of a request at most. A payload has 262,144.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Functions by name, behind `POST /2015-03-31/functions/NAME/invocations`.
#[derive(Debug)]
pub(super) struct Functions {
    pub(super) endpoint: String,
    stubs: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Functions {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let stubs = Arc::<Mutex<BTreeMap<String, Value>>>::default();
        let known = Arc::clone(&stubs);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let known = Arc::clone(&known);
                // A caller that goes away gets no answer.
                std::thread::spawn(move || drop(serve(stream, &known)));
            }
        });
        Ok(Self { endpoint, stubs })
    }

    pub(super) fn add(&self, name: String, stub: Value) {
        self.stubs.lock().unwrap_or_else(PoisonError::into_inner).insert(name, stub);
    }
}

fn serve(mut stream: TcpStream, stubs: &Mutex<BTreeMap<String, Value>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if path.is_empty() {
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; length.min(REQUEST_BYTES_MAX)];
    reader.read_exact(&mut body)?;
    let name = path.split('/').nth(3).unwrap_or_default().replace("%3A", ":").replace("%24", "$");
    let stub = stubs.lock().unwrap_or_else(PoisonError::into_inner).get(function_name(&name)).cloned();
    let (status, headers, body) = answer(&name, stub.as_ref(), &body);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nx-amzn-RequestId: 1\r\nConnection: close\r\n"
    );
    stream.write_all(format!("{head}{headers}Content-Length: {length}\r\n\r\n{body}").as_bytes())
}

fn answer(name: &str, stub: Option<&Value>, body: &[u8]) -> (&'static str, &'static str, String) {
    let Some(stub) = stub else {
        let arn = engine_arn(name);
        let error = json!({ "Type": "User", "Message": format!("Function not found: {arn}:$LATEST") });
        return ("404 Not Found", "x-amzn-ErrorType: ResourceNotFoundException\r\n", error.to_string());
    };
    if let Some(seconds) = stub["sleep_seconds"].as_u64() {
        std::thread::sleep(Duration::from_secs(seconds));
    }
    let event = serde_json::from_slice(body).unwrap_or_default();
    if let Some(value) = returned(stub, event) {
        return ("200 OK", "X-Amz-Executed-Version: $LATEST\r\n", value.to_string());
    }
    let raised = &stub["raise"];
    let error = json!({
        "errorMessage": raised["errorMessage"], "errorType": raised["errorType"],
        "requestId": "6c1f2a52-6f0e-4a5c-9d3b-2f1c6f6f0a11", "stackTrace": raised["stackTrace"],
    });
    ("200 OK", "X-Amz-Executed-Version: $LATEST\r\nX-Amz-Function-Error: Unhandled\r\n", error.to_string())
}

fn engine_arn(name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let (region, account) = (engine::arn::DEFAULT_REGION, engine::arn::DEFAULT_ACCOUNT);
    format!("arn:aws:lambda:{region}:{account}:function:{name}")
}

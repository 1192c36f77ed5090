//! Half a million rows over HTTP, to an endpoint that keeps none of them.

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stepwright::{Read, Use};
use stepwright_step_deliver::{DeliverHttps, StageRequest, Staging, VerifyHttps};
use tempfile::TempDir;

use crate::place::Place;

/// The rows must never be in memory together: a small Lambda function has to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_needs_little_memory() {
    const ROWS: u64 = 540_000;
    if std::env::var_os("SLOW").is_none() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let place = Place::new(format!("sqlite://{}/coreview.db", dir.path().display()));
    let request = StageRequest { channel: "https".into(), ..place.large_request(ROWS) };
    let batch = place.stage_request(request).await;
    let url = Counting::start();
    let staging: Read<Staging> = Read::at(&place.location).unwrap();
    let receipt = DeliverHttps::handle(batch, staging, Use::of(&*place.url), Use::of(&*url)).await.unwrap();
    assert_eq!((receipt.rows, receipt.already_delivered), (ROWS, false));
    VerifyHttps::handle(receipt, Use::of(url)).await.unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 200 * 1024, "{kib} KiB");
    eprintln!("peak memory: {kib} KiB");
}

/// An endpoint that counts and hashes what it is sent.
#[derive(Default)]
struct Counting {
    booking: Mutex<Option<Value>>,
}

impl Counting {
    /// Its URL, with a key.
    fn start() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://id:key@127.0.0.1:{}", listener.local_addr().unwrap().port());
        let counting = Arc::new(Self::default());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counting = Arc::clone(&counting);
                thread::spawn(move || counting.serve(&client));
            }
        });
        url
    }

    fn serve(&self, mut client: &TcpStream) {
        let mut reader = BufReader::new(client);
        let head: Vec<String> =
            (&mut reader).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let header = |name: &str| {
            let found = head.iter().filter_map(|line| line.split_once(": "));
            found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        if head[0].starts_with("PUT ") {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            let manifest = URL_SAFE_NO_PAD.decode(header("stepwright-manifest").unwrap()).unwrap();
            let mut left: usize = header("content-length").unwrap().parse().unwrap();
            let (mut hash, mut rows, mut buffer) = (Sha256::new(), 0, vec![0; 64 * 1024]);
            while left > 0 {
                let wanted = left.min(buffer.len());
                reader.read_exact(&mut buffer[..wanted]).unwrap();
                hash.update(&buffer[..wanted]);
                rows += buffer[..wanted].split(|byte| *byte == b'\n').count() - 1;
                left -= wanted;
            }
            let digits: Vec<String> = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            let sha256 = digits.concat();
            let mut booking: Value = serde_json::from_slice(&manifest).unwrap();
            for (name, value) in [
                ("coreview_id", json!("CV-1")),
                ("version", json!(1)),
                ("changed_rows", json!(rows)),
                ("delivered_at", json!("2026-11-22T08:00:00Z")),
                ("state", json!("active")),
                (
                    "holds",
                    json!({ "rows": rows, "totals": { "flights": rows.to_string() }, "sha256": sha256 }),
                ),
            ] {
                booking[name] = value;
            }
            *self.booking.lock().unwrap() = Some(booking);
        }
        let booking = self.booking.lock().unwrap().clone();
        let status = if booking.is_none() {
            404
        } else if head[0].starts_with("PUT ") {
            201
        } else {
            200
        };
        let body = booking.unwrap_or(json!({})).to_string();
        let length = body.len();
        write!(client, "HTTP/1.1 {status} S\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
    }
}

//! A receiver of batches over HTTP on a port of this machine, which does its part
//! as docs/delivery.md has it, and misbehaves when it is told to.
//!
//! Needs `base64`, `hmac`, `serde_json` and `sha2`, and nothing of this crate, so
//! that tests of other packages can take the file over.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const KEY_ID: &str = "planning";
/// Tests look for it in messages, where it must not be. Needs percent-encoding.
pub(crate) const SECRET: &str = "s3cret/canary@1";

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It does what it is asked for and hangs up instead of answering.
    HangUpAfter,
    /// It reads everything and hangs up before it does anything.
    HangUpBefore,
    /// It hangs up in the middle of the body.
    Cut,
    /// It answers with a status, and with `Retry-After`, before it reads the body.
    Answer(u16, Option<&'static str>),
    /// It refuses the rows with this body and status 422.
    RefuseRows(Value),
    /// It does what it is asked for, but answers when [`HttpReceiver::release`] is called.
    Slow,
    /// It answers with what is not JSON.
    Nonsense,
}

/// The server; its threads end with the process.
#[derive(Clone)]
pub(crate) struct HttpReceiver {
    port: u16,
    state: Arc<Mutex<State>>,
    released: Arc<(Mutex<bool>, Condvar)>,
}

#[derive(Default)]
struct State {
    faults: VecDeque<(&'static str, Fault)>,
    bookings: Vec<Value>,
    figures: BTreeMap<Period, BTreeMap<String, Value>>,
    /// Method and status of every request; 0 where it hung up.
    seen: Vec<(String, u16)>,
}

/// Feed, period and market.
type Period = (String, String, String);

impl HttpReceiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
            released: Arc::default(),
        };
        let server = receiver.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(client));
            }
        });
        receiver
    }

    /// Where it is, with the key: the value of the secret `coreview-https`.
    pub(crate) fn url(&self) -> String {
        let secret = SECRET.replace('/', "%2F").replace('@', "%40");
        format!("http://{KEY_ID}:{secret}@127.0.0.1:{}/coreview/v1/", self.port)
    }

    /// The next request with this method goes wrong, and those after it as they were told.
    pub(crate) fn fail(&self, method: &'static str, fault: Fault) {
        self.state().faults.push_back((method, fault));
    }

    /// Lets slow answers go.
    pub(crate) fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }

    /// Method and status of the requests so far; 0 where it hung up.
    pub(crate) fn seen(&self) -> Vec<(String, u16)> {
        self.state().seen.clone()
    }

    /// What it has booked, oldest first.
    pub(crate) fn bookings(&self) -> Vec<Value> {
        self.state().bookings.clone()
    }

    /// What it holds for a feed, period and market (empty for none), by entity.
    pub(crate) fn figures(&self, feed: &str, period: &str, market: &str) -> BTreeMap<String, Value> {
        let period = (feed.to_owned(), period.to_owned(), market.to_owned());
        self.state().figures.get(&period).cloned().unwrap_or_default()
    }

    /// Changes a figure behind everybody's back.
    pub(crate) fn tamper(&self, change: impl FnOnce(&mut BTreeMap<String, Value>)) {
        change(self.state().figures.values_mut().next().unwrap());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, client: TcpStream) {
        let mut stream = client.try_clone().unwrap();
        let mut reader = BufReader::new(client);
        let Some(mut request) = Request::read(&mut reader) else { return };
        let fault = self.next_fault(&request.method);
        let answer = self.answer(&mut request, &mut reader, &mut stream, fault.as_ref());
        if matches!(fault, Some(Fault::Slow)) {
            let released = self.released.0.lock().unwrap();
            drop(self.released.1.wait_while(released, |released| !*released).unwrap());
        }
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        self.state().seen.push((request.method, status));
        if let Some(Answer { status, retry_after, body }) = answer {
            let retry_after = retry_after.map_or(String::new(), |value| format!("Retry-After: {value}\r\n"));
            let _ = write!(
                stream,
                "HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {}\r\n{retry_after}\r\n{body}",
                body.len()
            );
        }
    }

    fn next_fault(&self, method: &str) -> Option<Fault> {
        let mut state = self.state();
        let at = state.faults.iter().position(|(at, _)| *at == method)?;
        state.faults.remove(at).map(|(_, fault)| fault)
    }

    /// `None` hangs up.
    fn answer(
        &self,
        request: &mut Request,
        reader: &mut impl BufRead,
        stream: &mut TcpStream,
        fault: Option<&Fault>,
    ) -> Option<Answer> {
        if let Some(Fault::Answer(status, retry_after)) = fault {
            let body = json!({ "detail": "busy\u{7}" }).to_string();
            return Some(Answer { status: *status, retry_after: *retry_after, body });
        }
        if request.header("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        }
        let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        let wanted = if matches!(fault, Some(Fault::Cut)) { length / 2 } else { length };
        request.body = vec![0; wanted];
        // Who hangs up in the middle has sent nothing.
        reader.read_exact(&mut request.body).ok()?;
        if matches!(fault, Some(Fault::Cut | Fault::HangUpBefore)) {
            return None;
        }
        if let Err(problem) = request.check_signature() {
            return Some(Answer::of(401, &json!({ "detail": problem })));
        }
        if let Some(Fault::RefuseRows(body)) = fault {
            return Some(Answer::of(422, body));
        }
        let answer = self.act(request);
        match fault {
            Some(Fault::HangUpAfter) => None,
            Some(Fault::Nonsense) => {
                Some(Answer { status: answer.status, retry_after: None, body: "<html>".into() })
            }
            _ => Some(answer),
        }
    }

    fn act(&self, request: &Request) -> Answer {
        let path = request.path.strip_prefix("/coreview/v1/batches/").expect("a path below the base");
        match (&*request.method, path.split_once('/')) {
            ("GET", None) => self.told(path, 200),
            ("PUT", None) => self.book(path, request),
            ("POST", Some((id, "withdrawal"))) => self.withdraw(id, request),
            _ => Answer::of(405, &json!({})),
        }
    }

    /// A booking, and what is found in the store for its period.
    fn told(&self, id: &str, status: u16) -> Answer {
        let state = self.state();
        let Some(booking) = state.bookings.iter().find(|booking| booking["delivery_id"] == id) else {
            return Answer::of(404, &json!({ "detail": "no such batch" }));
        };
        let mut told = booking.clone();
        let none = BTreeMap::new();
        told["holds"] = holds(state.figures.get(&period_of(booking)).unwrap_or(&none), &booking["totals"]);
        Answer::of(status, &told)
    }

    fn book(&self, id: &str, request: &Request) -> Answer {
        let manifest: Value = serde_json::from_slice(
            &URL_SAFE_NO_PAD.decode(request.header("stepwright-manifest").unwrap()).unwrap(),
        )
        .unwrap();
        assert_eq!(manifest["delivery_id"], id);
        assert_eq!(request.header("idempotency-key"), Some(id));
        assert_eq!(manifest["batch_sha256"], hex(&Sha256::digest(&request.body)));
        let is = |booking: &Value, name: &str| booking[name] == manifest[name];
        let (status, id) = {
            let mut state = self.state();
            let known = state.bookings.iter().any(|booking| booking["delivery_id"] == id);
            let active = state.bookings.iter().position(|booking| {
                booking["state"] == "active"
                    && ["feed", "period", "market"].iter().all(|name| is(booking, name))
            });
            match active {
                _ if known => (200, id.to_owned()),
                Some(at) if is(&state.bookings[at], "batch_sha256") => {
                    (200, state.bookings[at]["delivery_id"].as_str().unwrap().to_owned())
                }
                Some(at) if manifest["correction"].is_null() => {
                    let active = &state.bookings[at]["delivery_id"];
                    let detail = "the period has other figures";
                    return Answer::of(409, &json!({ "detail": detail, "delivery_id": active }));
                }
                active
                    if !manifest["correction"].is_null()
                        && state.last_of(&manifest) != manifest["replaces"] =>
                {
                    let active = active.map(|at| &state.bookings[at]["delivery_id"]);
                    let detail = "it was corrected meanwhile";
                    return Answer::of(409, &json!({ "detail": detail, "delivery_id": active }));
                }
                active => {
                    state.enter(&manifest, active, &request.body);
                    (201, id.to_owned())
                }
            }
        };
        self.told(&id, status)
    }

    fn withdraw(&self, id: &str, request: &Request) -> Answer {
        let reason = serde_json::from_slice::<Value>(&request.body).unwrap()["reason"].clone();
        let mut state = self.state();
        let Some(at) = state.bookings.iter().position(|booking| booking["delivery_id"] == id) else {
            return Answer::of(404, &json!({ "detail": "no such batch" }));
        };
        match state.bookings[at]["state"].as_str().unwrap() {
            "withdrawn" => {}
            "active" => {
                let period = period_of(&state.bookings[at]);
                state.figures.remove(&period);
                state.bookings[at]["state"] = json!("withdrawn");
                state.bookings[at]["ended_by"] = reason;
            }
            _ => return Answer::of(409, &json!({ "detail": "it was replaced" })),
        }
        Answer { status: 204, retry_after: None, body: String::new() }
    }
}

impl State {
    /// The delivery it has booked last for the period of another; null before the first.
    fn last_of(&self, manifest: &Value) -> Value {
        let of_the_period = |booking: &&Value| period_of(booking) == period_of(manifest);
        self.bookings
            .iter()
            .rfind(of_the_period)
            .map_or(Value::Null, |booking| booking["delivery_id"].clone())
    }

    /// Books a batch: the whole of it, changing only what differs.
    fn enter(&mut self, manifest: &Value, active: Option<usize>, body: &[u8]) {
        let period = period_of(manifest);
        let rows: BTreeMap<String, Value> = String::from_utf8(body.to_vec())
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| (line["entity"].to_string(), line["figures"].clone()))
            .collect();
        assert_eq!(manifest["rows"], rows.len());
        let old = self.figures.insert(period.clone(), rows.clone()).unwrap_or_default();
        let changed = rows.iter().filter(|(entity, figures)| old.get(*entity) != Some(*figures)).count();
        let gone = old.keys().filter(|entity| !rows.contains_key(*entity)).count();
        if let Some(at) = active {
            self.bookings[at]["state"] = json!("superseded");
            self.bookings[at]["ended_by"] = manifest["delivery_id"].clone();
        }
        let version = self.bookings.iter().filter(|booking| period_of(booking) == period).count() + 1;
        let mut booking = manifest.clone();
        booking["coreview_id"] = json!(format!("CV-{}", self.bookings.len() + 1));
        booking["version"] = json!(version);
        booking["changed_rows"] = json!(changed + gone);
        booking["delivered_at"] = json!("2026-11-22T08:00:00Z");
        booking["state"] = json!("active");
        self.bookings.push(booking);
    }
}

/// Computed from what is stored, as a receiver has to.
fn holds(figures: &BTreeMap<String, Value>, totals: &Value) -> Value {
    let mut hash = Sha256::new();
    for (entity, figures) in figures {
        hash.update(format!("{{\"entity\":{entity},\"figures\":{figures}}}\n"));
    }
    let total = |name: &String| -> i128 {
        let (column, part) = match name.split_once('[') {
            Some((column, part)) => (column, part.trim_end_matches(']').split_once('=')),
            None => (name.as_str(), None),
        };
        let value = |entity: &str, figures: &Value, name: &str| {
            let entity: Value = serde_json::from_str(entity).unwrap();
            figures[name].as_str().or(entity[name].as_str()).map(str::to_owned)
        };
        let counts = |entity: &str, figures: &Value| {
            part.is_none_or(|(by, is)| value(entity, figures, by).as_deref() == Some(is))
        };
        figures
            .iter()
            .filter(|(entity, figures)| counts(entity, figures))
            .filter_map(|(entity, figures)| value(entity, figures, column))
            .map(|text| millionths(&text))
            .sum()
    };
    let names = totals.as_object().unwrap().keys();
    let totals: serde_json::Map<String, Value> = names
        .map(|name| {
            let total = total(name);
            let sign = if total < 0 { "-" } else { "" };
            let (whole, rest) = (total.abs() / 1_000_000, total.abs() % 1_000_000);
            (name.clone(), json!(format!("{sign}{whole}.{rest:06}")))
        })
        .collect();
    json!({ "rows": figures.len(), "totals": totals, "sha256": hex(&hash.finalize()) })
}

/// A decimal text with at most six decimals, in millionths; nothing for an empty one.
fn millionths(text: &str) -> i128 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{decimals:0<6}");
    if text.is_empty() { 0 } else { digits.parse().unwrap() }
}

fn period_of(booking: &Value) -> Period {
    let text = |name: &str| booking[name].as_str().unwrap_or_default().to_owned();
    (text("feed"), text("period"), text("market"))
}

struct Answer {
    status: u16,
    retry_after: Option<&'static str>,
    body: String,
}

impl Answer {
    fn of(status: u16, body: &Value) -> Self {
        Self { status, retry_after: None, body: body.to_string() }
    }
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut lines = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let line = lines.next()?;
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        });
        Some(Self { method, path, headers: headers.collect(), body: Vec::new() })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn check_signature(&self) -> Result<(), &'static str> {
        let header = self.header("authorization").ok_or("no signature")?;
        let parts: BTreeMap<&str, &str> = header
            .strip_prefix("stepwright-hmac-sha256 ")
            .ok_or("another scheme")?
            .split(", ")
            .filter_map(|part| part.split_once('='))
            .collect();
        if parts["keyid"] != KEY_ID {
            return Err("another key");
        }
        let body_sha256 = Sha256::digest(&self.body);
        let digest = format!("sha-256=:{}:", STANDARD.encode(body_sha256));
        if !self.body.is_empty() && self.header("content-digest") != Some(&digest) {
            return Err("another body");
        }
        let manifest_sha256 = hex(&Sha256::digest(self.header("stepwright-manifest").unwrap_or_default()));
        let signed = format!(
            "stepwright-hmac-sha256\n{}\n{}\n{}\n{}\n{manifest_sha256}\n{}\n",
            self.method,
            self.path,
            parts["timestamp"],
            self.header("idempotency-key").unwrap_or_default(),
            hex(&body_sha256)
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        if hex(&mac.finalize().into_bytes()) == parts["signature"] { Ok(()) } else { Err("another secret") }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

//! A month through all three channels, as it runs where nobody sits at a terminal: files arrive in
//! buckets, `stepwright dev` starts what they start, receivers take what comes and misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::commission::{REFERENCES, sample};
use super::drop_receiver::DropReceiver;
use super::http_receiver::{Fault, HttpReceiver};
use crate::stepwright;

/// How long anything may take; a month takes some seconds.
const PATIENCE: Duration = Duration::from_mins(3);
const ALL_CHANNELS: &str = r#"channels = ["coreview-database", "file-drop", "https"]"#;
const MARKETS: [&str; 3] = ["north", "south", "west"];

/// A `stepwright dev` with the project's workflows and somebody's CoreView.
struct Dev {
    data: TempDir,
    process: Child,
    host: String,
    machines: BTreeMap<String, String>,
}

impl Dev {
    fn start(https: &HttpReceiver) -> Self {
        let data = TempDir::new().expect("a folder");
        let mut process = stepwright(data.path())
            .args(["dev", "--listen", "127.0.0.1:0", "-o", "json", "--log", "error"])
            .env("STEPWRIGHT_SECRET_COREVIEW_HTTPS", https.url())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let announced: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let machines = announced["stateMachines"].as_array().expect("a list").iter().map(|machine| {
            let text = |name: &str| machine[name].as_str().expect("a text").to_owned();
            (text("name"), text("stateMachineArn"))
        });
        let machines = machines.collect();
        let host = announced["endpoint"].as_str().expect("a URL").trim_start_matches("http://").to_owned();
        Self { data, process, host, machines }
    }

    fn ask(&self, what: &str, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        let head = format!(
            "{what} HTTP/1.1\r\nHost: {}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.host,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    fn call(&self, target: &str, parameters: &Value) -> Value {
        let head = format!("X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\n");
        let (status, body) = self.ask("POST /", &head, parameters.to_string().as_bytes());
        assert_eq!(status, 200, "{target}: {body}");
        serde_json::from_str(&body).unwrap_or(Value::Null)
    }

    /// Puts an object, as `aws s3 cp` does.
    fn put(&self, place: &str, content: &[u8]) {
        let (status, said) = self.ask(&format!("PUT /{place}"), "", content);
        assert_eq!(status, 200, "{place}: {said}");
    }

    /// The executions of a workflow that have ended, with what they were started with and came to.
    fn ended(&self, workflow: &str) -> Vec<Value> {
        let machine = &self.machines[workflow];
        let listed = self.call("AWSStepFunctions.ListExecutions", &json!({ "stateMachineArn": machine }));
        let listed = listed["executions"].as_array().expect("a list").clone();
        let ended = listed.iter().filter(|execution| execution["status"] != "RUNNING");
        let ended = ended.map(|execution| self.described(&execution["executionArn"]));
        // What the clock starts is not what a test does.
        ended.filter(|execution| execution["input"] != json!({})).collect()
    }

    fn described(&self, arn: &Value) -> Value {
        let mut described = self.call("AWSStepFunctions.DescribeExecution", &json!({ "executionArn": arn }));
        for part in ["input", "output"] {
            let text = described[part].as_str().unwrap_or("null").to_owned();
            described[part] = serde_json::from_str(&text).expect("JSON");
        }
        described
    }

    /// Waits until so many executions of a workflow have ended, all of them well; their outputs.
    fn succeeded(&self, workflow: &str, count: usize) -> Vec<Value> {
        let ended = until(workflow, || Some(self.ended(workflow)).filter(|ended| ended.len() >= count));
        assert_eq!(ended.len(), count, "{ended:#?}");
        for execution in &ended {
            assert_eq!(execution["status"], "SUCCEEDED", "{execution:#}");
        }
        ended.into_iter().map(|execution| execution["output"].clone()).collect()
    }

    /// Settles a month of 2024, up to its end.
    fn started(&self, month: &str, name: &str) -> Value {
        let configuration = json!({ "bucket": "drops", "key": "configuration/customer.toml" });
        let input = json!({ "files": [], "configuration": configuration, "period": format!("2024-{month}") });
        let machine = &self.machines["coreview-commission"];
        let parameters = json!({ "stateMachineArn": machine, "name": name, "input": input.to_string() });
        self.call("AWSStepFunctions.StartExecution", &parameters)["executionArn"].clone()
    }

    fn ends(&self, execution: &Value) -> Value {
        until("its end", || {
            Some(self.described(execution)).filter(|described| described["status"] != "RUNNING")
        })
    }

    fn asked(&self, sql: &str) -> Vec<String> {
        let database = rusqlite::Connection::open(self.data.path().join("coreview.db")).expect("opens");
        let mut statement = database.prepare(sql).expect("the table is there");
        let rows = statement.query_map([], |row| row.get(0)).expect("the query runs");
        rows.collect::<Result<_, _>>().expect("rows read")
    }

    /// Waits until so many states wait for an answer to files that were dropped.
    fn waits(&self, count: usize) {
        until("answers are awaited", || {
            let open = self.asked("SELECT delivery_id FROM delivery_ack WHERE answered_by IS NULL");
            (open.len() == count).then_some(())
        });
    }

    fn drop_folder(&self) -> PathBuf {
        self.data.path().join("objects/coreview-drop")
    }

    /// Puts an answer beside a manifest, as a receiver does that has only the bucket.
    fn answer(&self, file: &Path, answer: &Value) {
        let key = file.strip_prefix(self.drop_folder()).expect("in the bucket");
        self.put(&format!("coreview-drop/{}", key.display()), answer.to_string().as_bytes());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Nothing to do about one that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(50));
    }
}

/// A rule starts an execution for every revision that is announced.
fn listen(dev: &mut Dev) {
    let definition =
        r#"{"StartAt":"Hear","States":{"Hear":{"Type":"Pass","OutputPath":"$.detail","End":true}}}"#;
    let machine =
        json!({ "name": "heard", "definition": definition, "roleArn": "arn:aws:iam::123456789012:role/r" });
    let made = dev.call("AWSStepFunctions.CreateStateMachine", &machine)["stateMachineArn"].clone();
    let pattern = json!({ "source": ["coreview-refdata"], "detail-type": ["Reference Data Revised"] });
    dev.call("AWSEvents.PutRule", &json!({ "Name": "heard", "EventPattern": pattern.to_string() }));
    let target = json!({ "Rule": "heard", "Targets": [{ "Id": "run", "Arn": made }] });
    assert_eq!(dev.call("AWSEvents.PutTargets", &target)["FailedEntryCount"], 0);
    dev.machines.insert("heard".to_owned(), made.as_str().expect("an ARN").to_owned());
}

/// The customer with all channels, and its reference data, put into the buckets.
fn set_up(dev: &Dev) {
    for entry in fs::read_dir(sample()).expect("the sample") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = fs::read_to_string(&path).expect("a text");
            let text = text.replace(r#"channels = ["coreview-database"]"#, ALL_CHANNELS);
            assert!(name != "customer.toml" || text.contains(ALL_CHANNELS), "{text}");
            dev.put(&format!("drops/configuration/{name}"), text.as_bytes());
        }
    }
    for name in REFERENCES {
        dev.put(&format!("drops/reference/{name}"), &input(name));
    }
}

fn input(name: &str) -> Vec<u8> {
    fs::read(sample().join("input").join(name)).expect("a file of the sample")
}

/// What the three targets hold of a month: batch and totals by market.
fn held(dev: &Dev, https: &HttpReceiver, period: &str) -> [BTreeMap<String, (Value, Value)>; 3] {
    let by_market = |of: Vec<Value>| -> BTreeMap<String, (Value, Value)> {
        let of = of.into_iter().filter(|held| held["period"] == period).map(|held| {
            let market = held["market"].as_str().expect("a market").to_owned();
            (market, (held["batch_sha256"].clone(), held["totals"].clone()))
        });
        of.collect()
    };
    let receipts = dev.asked(&format!(
        "SELECT receipt FROM coreview_ledger WHERE state = 'active' AND period = '{period}'"
    ));
    let ledger = receipts.iter().map(|text| serde_json::from_str(text).expect("a receipt")).collect();
    let bookings: Vec<Value> =
        https.bookings().into_iter().filter(|booking| booking["state"] == "active").collect();
    let mut manifests = Vec::new();
    for market in MARKETS {
        let folder = dev.drop_folder().join(format!("commissions/{period}/market-{market}"));
        let versions = fs::read_dir(&folder).map(Iterator::count).unwrap_or_default();
        assert_eq!(versions, 1, "one version of {market}: {}", folder.display());
        let text = fs::read(folder.join("v0001/manifest.json")).expect("a manifest");
        manifests.push(serde_json::from_slice(&text).expect("JSON"));
    }
    [ledger, bookings, manifests].map(by_market)
}

/// Every channel has one batch a market, whatever went wrong, and all of them the same.
fn assert_once(dev: &Dev, https: &HttpReceiver, period: &str) {
    let [ledger, bookings, manifests] = held(dev, https, period);
    assert_eq!(ledger.keys().map(String::as_str).collect::<Vec<_>>(), MARKETS);
    assert_eq!(bookings, ledger, "the endpoint holds what the database holds");
    assert_eq!(manifests, ledger, "and so do the files");
    let booked = https.bookings().iter().filter(|booking| booking["period"] == period).count();
    assert_eq!(booked, MARKETS.len(), "nothing was booked twice");
    let ledger_rows = dev.asked(&format!("SELECT market FROM coreview_ledger WHERE period = '{period}'"));
    assert_eq!(ledger_rows.len(), MARKETS.len(), "nor entered twice");
}

#[test]
fn a_month_reaches_every_receiver_once() {
    let https = HttpReceiver::start();
    let mut dev = Dev::start(&https);
    let mut receiver = DropReceiver::watching(&dev.drop_folder());
    listen(&mut dev);

    // Reference data starts its workflow, and what is new is announced.
    set_up(&dev);
    dev.succeeded("coreview-refdata", 3);
    let heard = dev.succeeded("heard", 3);
    let names: BTreeSet<&str> = heard.iter().filter_map(|detail| detail["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["cells", "rates", "targets"]), "{heard:?}");
    assert!(heard.iter().all(|detail| detail["number"] == 1 && detail["sha256"].is_string()), "{heard:?}");
    dev.put(&format!("drops/reference/again-{}", REFERENCES[1]), &input(REFERENCES[1]));
    let kept = dev.succeeded("coreview-refdata", 4);
    assert_eq!(kept.iter().filter(|kept| kept["revisions"][0]["unchanged"] == true).count(), 1);
    assert_eq!(dev.ended("heard").len(), 3, "what changes nothing is not announced");

    // Contracts arrive; then the month is settled, while the endpoint has a bad day.
    dev.put("drops/contracts/contracts-2024-01.csv", &input("contracts-2024-01.csv"));
    dev.succeeded("coreview-commission", 1);
    for fault in [
        Fault::HangUpAfter,
        Fault::Answer(503, None),
        Fault::Answer(503, Some("1")),
        Fault::Answer(503, None),
        Fault::HangUpAfter,
    ] {
        https.fail("PUT", fault);
    }
    let january = dev.started("01", "january");
    dev.waits(MARKETS.len());
    assert_eq!(dev.described(&january)["status"], "RUNNING", "the receiver has said nothing");
    let mut answers = Vec::new();
    assert_eq!(receiver.accept_by(|file, answer| answers.push((file.to_owned(), answer.clone()))), 3);
    for (file, answer) in &answers {
        dev.answer(file, answer);
    }
    let settled = dev.ends(&january);
    assert_eq!(settled["status"], "SUCCEEDED", "{settled:#}");
    let passed = dev.succeeded("coreview-acknowledge", 3);
    assert!(passed.iter().all(|passed| passed["told"] == 1 && passed["too_late"] == 0), "{passed:?}");
    let deliveries = settled["output"]["deliveries"].as_array().expect("deliveries");
    assert_eq!(deliveries.len(), 9, "three markets by three channels");
    assert_once(&dev, &https, "2024-01");
    assert_eq!(https.seen().iter().filter(|(method, status)| method == "PUT" && *status == 0).count(), 2);

    // The same month again: nothing twice, and nobody has to say again that it is taken.
    let again = dev.ends(&dev.started("01", "january-again"));
    assert_eq!(again["status"], "SUCCEEDED", "{again:#}");
    let deliveries = again["output"]["deliveries"].as_array().expect("deliveries");
    assert!(deliveries.iter().all(|delivery| delivery["already_delivered"] == true), "{deliveries:?}");
    assert_once(&dev, &https, "2024-01");

    // An answer that comes a second time troubles nobody; one that is none is named.
    dev.answer(&answers[0].0, &answers[0].1);
    let passed = dev.succeeded("coreview-acknowledge", 4);
    assert_eq!(passed.iter().filter(|passed| passed["told"] == 0).count(), 1);
    dev.put("coreview-drop/commissions/2024-01/market-north/v0001/nak.json", b"{");
    let unreadable = until("an error", || {
        let ended = dev.ended("coreview-acknowledge");
        ended.into_iter().find(|execution| execution["status"] != "SUCCEEDED")
    });
    assert_eq!(unreadable["error"], "Acknowledge.Unreadable", "{unreadable:#}");
    assert!(unreadable["cause"].as_str().is_some_and(|cause| cause.contains("nak.json is no answer")));

    // The next month is refused, with the rows.
    dev.put("drops/contracts/contracts-2024-02.csv", &input("contracts-2024-02.csv"));
    until("contracts are kept", || (dev.ended("coreview-commission").len() == 4).then_some(()));
    let stopped = dev.started("02", "february-stopped");
    dev.waits(MARKETS.len());
    dev.call("AWSStepFunctions.StopExecution", &json!({ "executionArn": stopped }));
    let february = dev.started("02", "february");
    dev.waits(2 * MARKETS.len());
    let rows = json!([{ "line": 2, "code": "UNKNOWN_AGENT", "detail": "no such agent" }]);
    assert_eq!(receiver.refuse_by("one row is wrong", &rows, |file, answer| dev.answer(file, answer)), 3);
    let refused = dev.ends(&february);
    assert_eq!((&refused["status"], &refused["error"]), (&json!("FAILED"), &json!("Deliver.Rejected")));
    let cause = refused["cause"].as_str().expect("a cause");
    assert!(cause.contains("line 2: UNKNOWN_AGENT no such agent"), "{cause}");
    // The first refusal ends the month: it is told to the state that waits, and not to the one that
    // was stopped. Of the others somebody has to know, too.
    let ended = until("all are told", || {
        let ended = dev.ended("coreview-acknowledge");
        Some(ended).filter(|ended| ended.len() == 5 + MARKETS.len())
    });
    let told = ended.iter().filter(|ended| ended["output"]["told"] == 1 && ended["output"]["too_late"] == 1);
    let refused = ended.iter().filter(|ended| ended["error"] == "Deliver.Rejected");
    let (told, refused) = (told.count(), refused.count());
    assert!(told >= 1 && told + refused == MARKETS.len(), "{ended:#?}");
    assert_once(&dev, &https, "2024-01");
}

//! Cases that are one execution: run in virtual time.

use std::sync::Arc;

use asl::StateMachine;
use engine::log_events::log_document;
use engine::object_store::MemoryStore;
use engine::registry::Logging;
use engine::simulate::{SimulatedRun, SimulationOptions, run_with};
use serde_json::{Map, Value, json};

use super::Transport;
use super::bindings::Bindings;
use super::case::Case;
use super::history::unify_histories;
use super::report::{Verdict, part};
use super::stubs::Stubs;
use super::tree::{Tree, decode, decode_outputs, parse_once};
use super::unify::{Difference, unify};

/// Account of the second party in cases across accounts.
const OTHER_ACCOUNT: &str = "000000000002";
/// Where queues are; no queue is ever called.
const SQS_ENDPOINT: &str = "https://sqs.us-east-1.amazonaws.com";
/// How long an execution is watched that was recorded while it was running.
const RUNNING_WATCHED_MILLIS: i64 = 5_000;
/// What is compared of how an execution ended.
const OUTCOME: [&str; 4] = ["status", "output", "error", "cause"];

/// Runs a case.
pub(super) fn run(case: &Case, transport: Transport) -> Verdict {
    let bindings = bindings(case);
    let definition = definition(case, &bindings);
    let definition = match StateMachine::parse(&definition) {
        Ok(definition) => Arc::new(definition),
        Err(error) => return Verdict::not_run(case, &format!("the definition is refused: {error}")),
    };
    let input = match input(case, &bindings) {
        Ok(input) => input,
        Err(error) => return Verdict::not_run(case, &format!("the input is not JSON: {error}")),
    };
    let mut stubs = match Stubs::new(case, &bindings).and_then(|stubs| stubs.served(transport)) {
        Ok(stubs) => stubs,
        Err(reason) => return Verdict::not_run(case, &reason),
    };
    let run = run_with(&options(case, &bindings), &definition, input, &mut |task| stubs.answer(task));
    match Ended::simulated(case, &run) {
        Ok(ended) => compare(case, &ended, &bindings),
        Err(reason) => Verdict::not_run(case, &reason),
    }
}

/// What is compared of an execution.
pub(super) struct Ended {
    pub(super) status: String,
    pub(super) output: Option<String>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// The events of `GetExecutionHistory`.
    pub(super) history: Value,
    /// What it wrote to its log group, if the case wants it.
    pub(super) logs: Value,
}

impl Ended {
    fn simulated(case: &Case, run: &SimulatedRun) -> Result<Self, String> {
        let logs = case.body["expected"].get("logged_events").map(|_| logged(case, run)).transpose()?;
        Ok(Self {
            status: run.status.as_str().to_owned(),
            output: run.execution.output().map(|output| output.text().to_owned()),
            error: run.error.clone(),
            cause: run.cause.clone(),
            history: serde_json::to_value(&run.history)
                .map_err(|error| format!("history: cannot be written: {error}"))?,
            logs: logs.unwrap_or_default(),
        })
    }
}

/// The text of the definition.
pub(super) fn definition(case: &Case, bindings: &Bindings) -> String {
    match case.body["definition_raw"].as_str() {
        Some(text) => bindings.fill_text(text),
        None => bindings.fill(&case.body["definition"]).to_string(),
    }
}

/// What placeholders stand for before anything has happened.
pub(super) fn bindings(case: &Case) -> Bindings {
    let mut bindings = Bindings::default();
    bindings.bind("account", engine::arn::DEFAULT_ACCOUNT);
    // Recordings across accounts name the first account where the input names the other's state
    // machine: to compare them both have to be one.
    let crosses = case.list("requires").iter().any(|need| need == "cross-account");
    bindings.bind("account2", if crosses { engine::arn::DEFAULT_ACCOUNT } else { OTHER_ACCOUNT });
    bindings.bind("region", engine::arn::DEFAULT_REGION);
    bindings.bind("sqs_endpoint", SQS_ENDPOINT);
    for number in 0..100 {
        bindings.bind(format!("u{number}"), format!("unique{number:02}"));
    }
    bind_days_from_now(case, &mut bindings);
    let name = case.body["execution_name"].as_str().map(|name| bindings.fill_text(name));
    bindings.bind("exec", name.unwrap_or_else(|| "exec-0123456789abcdef".to_owned()));
    bindings
}

/// `{{now+24855d}}`: a time that many days after the start.
fn bind_days_from_now(case: &Case, bindings: &mut Bindings) {
    let start = SimulationOptions::default().start_millis;
    for name in case.body.to_string().split("{{").filter_map(|piece| piece.split("}}").next()) {
        let days = name.strip_prefix("now+").and_then(|days| days.strip_suffix('d')?.parse::<i64>().ok());
        let time = days.and_then(|days| {
            jiff::Timestamp::from_millisecond(start.checked_add(days.checked_mul(86_400_000)?)?).ok()
        });
        if let Some(time) = time {
            bindings.bind(name, time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string());
        }
    }
}

pub(super) fn options(case: &Case, bindings: &Bindings) -> SimulationOptions {
    let text = |field: &str| case.body[field].as_str().map(|text| bindings.fill_text(text));
    SimulationOptions {
        state_machine_name: text("name").unwrap_or_else(|| "machine".to_owned()),
        execution_name: bindings.get("exec").unwrap_or_default(),
        role_arn: text("role_arn"),
        // Recorded while it was still running: nobody waited for its end.
        watch_millis: (case.body["expected"]["status"] == "RUNNING").then_some(RUNNING_WATCHED_MILLIS),
        objects: Arc::new(objects(case, bindings)),
        ..SimulationOptions::default()
    }
}

/// The buckets and objects of a case.
fn objects(case: &Case, bindings: &Bindings) -> MemoryStore {
    let store = MemoryStore::new();
    prepare_all(case, bindings, &store);
    store
}

/// Puts them into a store.
pub(super) fn prepare_all(case: &Case, bindings: &Bindings, store: &MemoryStore) {
    for resource in case.list("resources").iter().filter(|resource| resource["service"] == "s3") {
        prepare_objects(
            store,
            resource["op"].as_str().unwrap_or_default(),
            &bindings.fill(&resource["params"]),
        );
    }
}

/// Creates a bucket, or puts an object into one.
pub(super) fn prepare_objects(store: &MemoryStore, operation: &str, parameters: &Value) {
    let text = |field: &str| parameters[field].as_str().unwrap_or_default();
    match operation {
        "create_bucket" => store.create_bucket(text("Bucket")),
        "put_object" => store.insert(text("Bucket"), text("Key"), text("Body")),
        _ => {}
    }
}

pub(super) fn input(case: &Case, bindings: &Bindings) -> serde_json::Result<Value> {
    match (case.body.get("input"), case.body["input_raw"].as_str()) {
        (Some(input), _) => Ok(bindings.fill(input)),
        (None, Some(text)) => serde_json::from_str(&bindings.fill_text(text)),
        (None, None) => Ok(json!({})),
    }
}

pub(super) fn compare(case: &Case, run: &Ended, bindings: &Bindings) -> Verdict {
    let expected = &case.body["expected"];
    let ignored = case.ignored_keys();
    let decoded = case.normalises("decode_output");
    let outcome = {
        let wanted = OUTCOME.iter().filter_map(|key| Some(((*key).to_owned(), expected.get(*key)?.clone())));
        let wanted = Value::Object(wanted.collect());
        let mut found = outcome(run, decoded);
        parse_once(&mut found);
        let compared =
            unify(&Tree::of(&wanted, &ignored), &Tree::of(&found, &ignored), &mut bindings.clone(), "$");
        compared.map_err(|difference| Difference(format!("{difference}{}", ending(run))))
    };
    let history = expected.get("history").map(|wanted| {
        let mut found = run.history.clone();
        if decoded {
            decode_outputs(&mut found);
        }
        parse_once(&mut found);
        let (wanted, found) = (Tree::of(wanted, &ignored), Tree::of(&found, &ignored));
        let unordered = case.normalises("parallel_unordered");
        unify_histories(wanted.items(), found.items(), unordered, &mut bindings.clone())
    });
    let logs = expected.get("logged_events").map_or(Ok(()), |wanted| {
        let mut found = run.logs.clone();
        parse_once(&mut found);
        unify(&Tree::of(wanted, &ignored), &Tree::of(&found, &ignored), &mut bindings.clone(), "logs")
    });
    let history = history.map(|history| part(history.and(logs)));
    Verdict { outcome: Some(part(outcome)), history, ..Verdict::default() }
}

/// What the execution writes to its log group.
fn logged(case: &Case, run: &SimulatedRun) -> Result<Value, String> {
    let logging: Logging = serde_json::from_value(json!({
        "level": case.body["logging"]["level"],
        "include_execution_data": case.body["logging"]["includeExecutionData"],
    }))
    .map_err(|error| format!("logs: the configuration is not known: {error}"))?;
    let arn = run.execution.started().map_or_else(|| "".into(), |started| Arc::clone(&started.execution_arn));
    Ok(run.history.iter().filter_map(|event| log_document(event, &arn, &logging, 0)).collect())
}

/// How a failed execution ended, for a difference that does not tell.
fn ending(run: &Ended) -> String {
    match (&run.error, &run.cause) {
        (None, None) => String::new(),
        (error, cause) => {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            format!(" (it ended with {}: {})", text(error), text(cause))
        }
    }
}

/// As `DescribeExecution` tells it.
fn outcome(run: &Ended, decoded: bool) -> Value {
    let mut outcome = Map::new();
    outcome.insert("status".to_owned(), json!(run.status));
    if let Some(output) = &run.output {
        let mut text = json!(output);
        if decoded {
            decode(&mut text);
        }
        outcome.insert("output".to_owned(), text);
    }
    for (key, text) in [("error", &run.error), ("cause", &run.cause)] {
        if let Some(text) = text {
            outcome.insert(key.to_owned(), json!(text));
        }
    }
    Value::Object(outcome)
}

//! Cases of the API: steps that call operations and compare their answers.

use serde_json::{Map, Value, json};

use super::bindings::{Bindings, follow};
use super::case::Case;
use super::history::{split_events, unify_histories};
use super::tree::{Tree, parse_once, sort_variable_references};
use super::unify::{Difference, unify};

/// Members of answers that are points in time: numbers on the wire, texts where they are compared.
const TIMESTAMPS: [&str; 6] =
    ["creationDate", "updateDate", "startDate", "stopDate", "redriveDate", "timestamp"];

/// A refusal, as the wire has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error's name.
    pub code: String,
    /// What it says.
    pub message: String,
    /// The status of the response.
    pub http_status: u16,
}

/// What a script calls.
pub trait Service {
    /// Calls an operation, e.g. `CreateStateMachine`.
    fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, Refusal>;
    /// Prepares something in another service, e.g. a log group; who needs nothing there ignores it.
    fn prepare(&mut self, service: &str, operation: &str, parameters: &Value);
    /// Lets time pass until the execution is at its end, or, of anything else, until all executions are.
    fn wait_for_end(&mut self, arn: &str);
    /// Lets everything happen that needs no time.
    fn settle(&mut self);
    /// The log events written so far.
    fn logs(&mut self) -> Vec<Value>;
}

/// Runs the steps of a case; answers every difference.
pub fn run_script(case: &Case, service: &mut dyn Service, bindings: Bindings) -> Vec<Difference> {
    let mut script =
        Script { case, service, bindings, ignored: case.ignored_keys(), differences: Vec::new() };
    case.list("steps").iter().for_each(|step| script.step(step));
    script.differences
}

struct Script<'c> {
    case: &'c Case,
    service: &'c mut dyn Service,
    bindings: Bindings,
    ignored: Vec<String>,
    differences: Vec<Difference>,
}

impl Script<'_> {
    fn step(&mut self, step: &Value) {
        let service = step["service"].as_str().unwrap_or("stepfunctions");
        match (step["await"].as_str(), step["op"].as_str()) {
            (Some(what), _) => self.wait(step, what),
            (None, Some(operation)) if service == "stepfunctions" => self.call(step, operation),
            (None, Some(operation)) => {
                let parameters = self.bindings.fill(&step["params"]);
                self.service.prepare(service, operation, &parameters);
            }
            (None, None) => self.differ("step", &format!("this runner does not know a step like {step}")),
        }
    }

    fn differ(&mut self, key: &str, what: &str) {
        self.differences.push(Difference(format!("{key}: {what}")));
    }

    fn wait(&mut self, step: &Value, what: &str) {
        let arn = self.bindings.fill_text(step["arn"].as_str().unwrap_or_default());
        match what {
            "await_execution_terminated"
            | "await_execution_success"
            | "await_execution_aborted"
            | "await_execution_lists_terminated"
            | "await_list_execution_status"
            | "await_on_execution_logs" => self.service.wait_for_end(&arn),
            _ => self.service.settle(),
        }
        for expected in step["expect"].as_array().into_iter().flatten() {
            let mut logs = Value::Array(self.service.logs());
            if expected["logs"] != "|logs" {
                logs = logs.as_array().and_then(|logs| logs.last()).cloned().unwrap_or_default();
            }
            parse_once(&mut logs);
            self.compare(key_of(expected), &expected["value"], logs);
        }
    }

    fn call(&mut self, step: &Value, operation: &str) {
        let refused = &step["expect_error"];
        if refused["client_side"] == true {
            // The SDK refuses this by itself and sends nothing.
            return;
        }
        let parameters = self.bindings.fill(&step["params"]);
        match (self.service.call(&pascal_case(operation), parameters), refused.is_object()) {
            (Err(refusal), true) => self.compare_refusal(refused, &refusal),
            (Ok(_), true) => {
                self.differ(
                    key_of(refused),
                    &format!("expected error {}, but the call succeeded", refused["code"]),
                );
            }
            (Err(_), false) if step["may_fail"] == true => {}
            (Err(Refusal { code, message, .. }), false) => {
                let key = format!("step {} {operation}", step["id"]);
                self.differ(&key, &format!("unexpected error {code}: {message}"));
            }
            (Ok(mut answer), false) => {
                write_timestamps(&mut answer);
                if let Some(id) = step["id"].as_u64() {
                    self.bindings.answer(id, answer.clone());
                }
                for expected in step["expect"].as_array().into_iter().flatten() {
                    let mut found = answer.clone();
                    parse_once(&mut found);
                    if let Some(path) = expected["path"].as_str() {
                        found = follow(&found, path).cloned().unwrap_or_default();
                    }
                    self.compare(key_of(expected), &expected["response"], found);
                }
            }
        }
    }

    fn compare_refusal(&mut self, expected: &Value, refusal: &Refusal) {
        let key = key_of(expected);
        let wanted = Tree::of(&expected["code"], &self.ignored);
        let found = Tree::Text(refusal.code.clone());
        if let Err(difference) = unify(&wanted, &found, &mut self.bindings, "$.code") {
            let difference = format!("{difference}: {}", refusal.message);
            return self.differ(&format!("{key}/code"), &difference);
        }
        let actual = [
            ("code", json!(refusal.code)),
            ("message", json!(refusal.message)),
            ("http_status", json!(refusal.http_status)),
        ];
        let (mut wanted, mut found) = (Map::new(), Map::new());
        for (name, value) in actual {
            if let Some(expected) = expected.get(name) {
                wanted.insert(name.to_owned(), expected.clone());
                found.insert(name.to_owned(), value);
            }
        }
        let mut found = Value::Object(found);
        parse_once(&mut found);
        let (wanted, found) =
            (Tree::of(&Value::Object(wanted), &self.ignored), Tree::of(&found, &self.ignored));
        if let Err(difference) = unify(&wanted, &found, &mut self.bindings, "$") {
            self.differ(&format!("{key}/message"), &difference.0);
        }
    }

    /// `found` is read as the recorder did; see [`parse_once`].
    fn compare(&mut self, key: &str, wanted: &Value, mut found: Value) {
        let mut wanted = wanted.clone();
        if self.case.normalises("sort_variable_references") {
            sort_variable_references(&mut wanted);
            sort_variable_references(&mut found);
        }
        let (wanted, found) = (Tree::of(&wanted, &self.ignored), Tree::of(&found, &self.ignored));
        if let (Some((wanted, wanted_rest)), Some((found, found_rest))) =
            (split_events(&wanted), split_events(&found))
        {
            let unordered = self.case.normalises("parallel_unordered");
            let compared = unify_histories(wanted, found, unordered, &mut self.bindings)
                .and_then(|()| unify(&wanted_rest, &found_rest, &mut self.bindings, "$"));
            if let Err(difference) = compared {
                self.differ(key, &difference.0);
            }
            return;
        }
        let essential = (wanted.without_metadata(), found.without_metadata());
        if let Err(difference) = unify(&essential.0, &essential.1, &mut self.bindings.clone(), "$") {
            return self.differ(key, &difference.0);
        }
        if let Err(difference) = unify(&wanted, &found, &mut self.bindings, "$") {
            self.differ(&format!("{key}/metadata"), &difference.0);
        }
    }
}

fn key_of(expected: &Value) -> &str {
    expected["key"].as_str().unwrap_or("answer")
}

/// `CreateStateMachine` of `create_state_machine`.
fn pascal_case(operation: &str) -> String {
    operation
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

/// Seconds since the epoch become the text that a client's point in time is compared as.
fn write_timestamps(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, item) in map.iter_mut() {
                match item.as_f64() {
                    Some(seconds) if TIMESTAMPS.contains(&key.as_str()) => *item = json!(timestamp(seconds)),
                    _ => write_timestamps(item),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(write_timestamps),
        _ => {}
    }
}

fn timestamp(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds is far below 2^53")]
    let millis = (seconds * 1000.0).round() as i64;
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

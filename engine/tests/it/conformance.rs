//! Recordings of the real service, run through `simulate`.
//!
//! Read from `../shared/conformance` beside the repository; skipped, loudly,
//! where it is not. A case takes part when it needs nothing but functions and
//! its definition runs in JSONata: as it is, or because it uses no field of
//! JSONPath at all, so that it means the same in both languages.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use asl::StateMachine;
use engine::simulate::{Reply, SimulationOptions, run_with};
use engine::{TaskOutcome, TaskRequest, lambda_invoke_result};
use serde_json::{Value, json};

use crate::unify::{Bindings, canonical, parse_once, substitute, unify, unify_histories};

/// Cases that must agree; raise them when more do.
const OUTCOMES_MIN: usize = 92;
const HISTORIES_MIN: usize = 92;

/// What makes a definition JSONPath. Fields that end in `Path` and keys that end in `.$` do too.
const JSONPATH_FIELDS: [&str; 4] = ["Parameters", "Result", "ResultSelector", "Variable"];

fn recordings() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/sfn");
    folder.is_dir().then_some(folder)
}

#[test]
fn recorded_executions() {
    let Some(folder) = recordings() else {
        println!("SKIPPED: ../shared/conformance is not there, no recording was compared");
        return;
    };
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut taken, mut refused, mut outcomes, mut histories) = (0, 0, 0, 0);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| !file.ends_with("index.json")) {
        let read: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let cases = read.as_array().or_else(|| read["cases"].as_array()).unwrap();
        for case in cases.iter().filter(|case| is_candidate(case)) {
            let id = case["id"].as_str().unwrap();
            if !id.contains(&only) {
                continue;
            }
            let Some(result) = run_case(case) else {
                refused += 1;
                continue;
            };
            taken += 1;
            outcomes += usize::from(result.0.is_ok());
            histories += usize::from(result.1.is_ok());
            for problem in [result.0.err(), result.1.err()].into_iter().flatten() {
                println!("DIFFERS {id}\n     {problem}");
            }
        }
    }
    println!(
        "{taken} recordings taken, {refused} not (their language is JSONPath or they need more than functions): \
         {outcomes} outcomes equal, {histories} whole histories equal"
    );
    if only.is_empty() {
        assert!(outcomes >= OUTCOMES_MIN, "{outcomes} outcomes are equal, at least {OUTCOMES_MIN} were");
        assert!(histories >= HISTORIES_MIN, "{histories} histories are equal, at least {HISTORIES_MIN} were");
    }
}

fn is_candidate(case: &Value) -> bool {
    let requires = case["requires"].as_array().map(Vec::as_slice).unwrap_or_default();
    case["kind"] == "exec"
        && case["type"] == "STANDARD"
        && case["definition"].is_object()
        && requires.iter().all(|need| need == "lambda")
}

/// The comparison of the outcome and of the history; `None` = not for this engine yet.
fn run_case(case: &Value) -> Option<(Result<(), String>, Result<(), String>)> {
    let mut bindings = bindings();
    let definition = substitute(&case["definition"], &bindings);
    let definition = in_jsonata(definition)?;
    let definition = StateMachine::parse(&definition.to_string()).ok()?;
    let name = substitute(&case["name"], &bindings).as_str().unwrap_or("machine").to_owned();
    let options = SimulationOptions {
        state_machine_name: name,
        execution_name: bindings["exec"].clone(),
        role_arn: substitute(&case["role_arn"], &bindings).as_str().map(str::to_owned),
        ..SimulationOptions::default()
    };
    let mut host = Stubs::new(case, &bindings);
    let input = case.get("input").map_or_else(|| json!({}), |input| substitute(input, &bindings));
    let run = run_with(&options, &Arc::new(definition), input, &mut |task| host.answer(task));

    let expected = &case["expected"];
    let mut wanted = json!({});
    let mut found = json!({ "status": run.status.as_str() });
    for key in ["status", "output", "error", "cause"] {
        if let Some(value) = expected.get(key) {
            wanted[key] = value.clone();
        }
    }
    let decoded =
        case["normalise"].as_array().is_some_and(|all| all.iter().any(|one| one == "decode_output"));
    if let Some(output) = &run.output {
        found["output"] = if decoded { output.clone() } else { Value::String(output.to_string()) };
    }
    for (key, text) in [("error", &run.error), ("cause", &run.cause)] {
        if let Some(text) = text {
            found[key] = json!(text);
        }
    }
    parse_once(&mut found);
    let outcome = unify(&canonical(&wanted), &canonical(&found), &mut bindings.clone(), "");

    let unordered =
        case["normalise"].as_array().is_some_and(|all| all.iter().any(|one| one == "parallel_unordered"));
    let mut events = serde_json::to_value(&run.history).unwrap();
    parse_once(&mut events);
    let (wanted, found) = (canonical(&expected["history"]), canonical(&events));
    let history = match (wanted.as_array(), found.as_array()) {
        (Some(wanted), Some(found)) => unify_histories(wanted, found, unordered, &mut bindings),
        _ => outcome.clone(),
    };
    Some((outcome, history))
}

fn bindings() -> Bindings {
    let mut bindings: Bindings =
        (1..10).map(|number| (format!("u{number}"), format!("unique{number}"))).collect();
    bindings.insert("region".into(), engine::arn::DEFAULT_REGION.into());
    bindings.insert("account".into(), engine::arn::DEFAULT_ACCOUNT.into());
    bindings.insert("exec".into(), "recorded".into());
    bindings
}

/// The definition in JSONata, if it means the same there.
fn in_jsonata(mut definition: Value) -> Option<Value> {
    let text = definition.to_string();
    if uses_jsonpath(&definition) || (text.contains("{%") && !text.contains("JSONata")) {
        return None;
    }
    strip_languages(&mut definition);
    definition["QueryLanguage"] = json!("JSONata");
    Some(definition)
}

fn uses_jsonpath(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, item)| {
            JSONPATH_FIELDS.contains(&key.as_str())
                || (key.ends_with("Path") && key.len() > 4)
                || key.ends_with(".$")
                || uses_jsonpath(item)
        }),
        Value::Array(items) => items.iter().any(uses_jsonpath),
        _ => false,
    }
}

fn strip_languages(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.shift_remove("QueryLanguage");
            map.values_mut().for_each(strip_languages);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_languages),
        _ => {}
    }
}

/// Functions as the recording describes them: results of states, or stubs by name.
struct Stubs {
    by_state: BTreeMap<String, Vec<Value>>,
    by_function: Value,
}

impl Stubs {
    fn new(case: &Value, bindings: &Bindings) -> Self {
        let mocks = substitute(&case["derived_mocks"], bindings);
        let by_state = mocks.as_object().into_iter().flatten().map(|(state, results)| {
            let mut results = results.as_array().cloned().unwrap_or_default();
            results.reverse();
            (state.clone(), results)
        });
        Self { by_state: by_state.collect(), by_function: substitute(&case["lambda_stubs"], bindings) }
    }

    fn answer(&mut self, task: &TaskRequest) -> Reply {
        let service = task.resource.starts_with("arn:aws:states:");
        let function =
            if service { task.arguments["FunctionName"].as_str() } else { Some(task.resource.as_str()) };
        let name = function.and_then(|function| function.rsplit(':').next()).unwrap_or_default();
        let stub = &self.by_function[name];
        if stub.is_null() {
            let result = self.by_state.get_mut(&task.state_name).and_then(Vec::pop).unwrap_or_default();
            return Reply::Now(derived(&result));
        }
        if stub["sleep_seconds"].as_i64().is_some() {
            return Reply::Never;
        }
        let payload = if service { &task.arguments["Payload"] } else { &task.arguments };
        let repeated = stub["return_repeat"]["times"].as_u64().map(|times| {
            let text = stub["return_repeat"]["text"].as_str().unwrap_or_default();
            Value::String(text.repeat(usize::try_from(times).unwrap_or_default()))
        });
        let returned =
            if stub["echo"] == true { Some(payload) } else { stub.get("return").or(repeated.as_ref()) };
        Reply::Now(match returned {
            Some(value) if service => TaskOutcome::Succeeded(lambda_invoke_result(&value.to_string())),
            Some(value) => TaskOutcome::Succeeded(value.to_string()),
            None => raised(&stub["raise"]),
        })
    }
}

fn derived(result: &Value) -> TaskOutcome {
    match (&result["Return"], &result["Throw"]) {
        (value, Value::Null) => TaskOutcome::Succeeded(value.to_string()),
        (_, thrown) => {
            let cause = thrown["Cause"].as_str().map_or_else(|| thrown["Cause"].to_string(), str::to_owned);
            TaskOutcome::Failed { error: thrown["Error"].as_str().unwrap_or_default().to_owned(), cause }
        }
    }
}

fn raised(error: &Value) -> TaskOutcome {
    let cause = json!({
        "errorMessage": error["errorMessage"],
        "errorType": error["errorType"],
        "requestId": "6c1f2a52-6f0e-4a5c-9d3b-2f1c6f6f0a11",
        "stackTrace": error["stackTrace"],
    });
    let error = error["errorType"].as_str().unwrap_or("Unhandled").to_owned();
    TaskOutcome::Failed { error, cause: cause.to_string() }
}

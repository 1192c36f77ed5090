//! The language against the official implementation's recorded answers: the
//! whole suite of JSONata 2.0.6, and generated expressions.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::super::budget::Bounds;
use super::super::convert::to_lenient_json;
use super::super::evaluate::Evaluator;
use super::super::value::Value;
use super::super::{EvaluationError, Expression, FailureKind};
use super::Still;
use crate::template::Scope;

/// Bounds as the recording had them: none but depth and time.
const LOOSE: Bounds = Bounds {
    depth: 1_000,
    steps: 30_000_000,
    sequence_items: 20_000_000,
    string_units: 100_000_000,
    bytes: usize::MAX,
};

/// A text of the folder of recordings.
fn recording(name: &str) -> Option<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/jsonata").join(name);
    #[expect(clippy::disallowed_methods, reason = "a test reads what was recorded")]
    let text = std::fs::read_to_string(&file);
    if text.is_err() {
        eprintln!("SKIPPED: ../shared/conformance/jsonata/{name} is not there; nothing was tested");
    }
    text.ok()
}

/// Two cases hold half of a UTF-16 pair, which no Rust string can.
fn without_lone_surrogates(text: &str) -> String {
    let unit = |at: usize| u32::from_str_radix(text.get(at..at + 6)?.strip_prefix("\\u")?, 16).ok();
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let next = match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at + 12,
            (Some(0xD800..=0xDFFF), _) => {
                result.push_str("\\ufffd");
                at += 6;
                continue;
            }
            _ if rest.starts_with('\\') => at + 2,
            _ => at + rest.find('\\').unwrap_or(rest.len()).max(1),
        };
        result.push_str(text.get(at..next).unwrap_or_default());
        at = next;
    }
    result
}

/// What we answer, in the form of the recording.
fn answer(source: &str, input: Option<&Json>, variables: &IndexMap<String, Json>, bounds: Bounds) -> Json {
    let expression = match Expression::parse(source) {
        Ok(expression) => expression,
        Err(error) => return json!({"out": "error", "code": error.code, "message": error.message}),
    };
    let states = variables.get("states").cloned().unwrap_or(Json::Null);
    let mut others = variables.clone();
    others.shift_remove("states");
    let scope =
        Scope { states: &states, variables: &others, host: &Still, budget: &crate::StateBudget::new() };
    let program = &expression.inner.program;
    let mut evaluator = Evaluator::new(program, scope, bounds);
    let context = input.map_or(Value::Undefined, Value::from_json);
    match evaluator.run(context).map_err(EvaluationError::from) {
        Ok(value) => match to_lenient_json(&value, usize::MAX) {
            Some(value) => json!({"out": "value", "value": value}),
            None => json!({"out": "undefined"}),
        },
        Err(error) => {
            // The recording has a code for bounds, and its own end of the sentence.
            let is_bound = error.kind == FailureKind::Bound;
            let message = match error.message.strip_suffix("tail-recursive") {
                Some(start) => format!("{}tail-recursive.", start.replace(". C", ".  C")),
                None => error.message,
            };
            let code = if is_bound { "U1001".to_owned() } else { error.code };
            json!({"out": "error", "code": code, "message": message})
        }
    }
}

/// Numbers are compared as JavaScript has them; keys have an order.
fn same(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((key, one), (name, other))| key == name && same(one, other))
        }
        _ => ours == theirs,
    }
}

fn agrees(ours: &Json, theirs: &Json) -> bool {
    // An error without a code is one of JavaScript's own: any error will do.
    if theirs["out"] == "error" && theirs["code"] == "" {
        return ours["out"] == "error";
    }
    ["out", "value", "code", "message"].iter().all(|part| match (ours.get(part), theirs.get(part)) {
        (Some(ours), Some(theirs)) => same(ours, theirs),
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    })
}

fn variables(bindings: &Json) -> IndexMap<String, Json> {
    bindings.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Runs the work where the stack is deep enough for more levels than AWS allows.
fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(64 * 1024 * 1024)
            .spawn_scoped(scope, work)
            .expect("a thread")
            .join()
            .expect("it ends well")
    })
}

#[test]
fn the_suite_is_answered_as_recorded() {
    let (Some(cases), Some(oracle)) = (recording("cases-2.0.6.json"), recording("oracle-2.0.6.json")) else {
        return;
    };
    let cases: Json = serde_json::from_str(&without_lone_surrogates(&cases)).expect("JSON");
    let oracle: Json = serde_json::from_str(&without_lone_surrogates(&oracle)).expect("JSON");
    let cases_list = cases["cases"].as_array().expect("an array");
    let oracle = oracle.as_array().expect("an array");
    let wrong = with_deep_stack(|| {
        let mut wrong = Vec::new();
        for (case, recorded) in cases_list.iter().zip(oracle) {
            let source = case["expr"].as_str().expect("a text");
            let group = case["group"].as_str().expect("a text");
            // AWS leaves `$eval` out; no Rust string holds half a pair.
            if source.contains('\u{fffd}') || source.contains("\\ud800") || source.contains("$eval") {
                continue;
            }
            let input = match &case["input"] {
                Json::Object(input) => match input.get("ds") {
                    Some(name) => Some(&cases["datasets"][name.as_str().expect("a name")]),
                    None => input.get("v"),
                },
                _ => None,
            };
            let depth = case["depth"]
                .as_u64()
                .map_or(LOOSE.depth, |depth| usize::try_from(depth).expect("a small number"));
            let bounds = Bounds { depth, ..LOOSE };
            let ours = answer(source, input, &variables(&case["bindings"]), bounds);
            if !agrees(&ours, &recorded["answer"]) {
                wrong.push(format!("{group}: {source}\n  ours   {ours}\n  theirs {}", recorded["answer"]));
            }
        }
        wrong
    });
    eprintln!("suite: {} of {} wrong", wrong.len(), cases_list.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn generated_expressions_are_answered_as_recorded() {
    let (Some(lines), Some(bindings)) =
        (recording("fuzz-oracle-2.0.6.jsonl"), recording("fuzz-bindings.json"))
    else {
        return;
    };
    let bindings: Json = serde_json::from_str(&bindings).expect("JSON");
    let variables = variables(&bindings);
    let lines = without_lone_surrogates(&lines);
    let (count, mut wrong) = with_deep_stack(|| {
        let mut count = 0;
        let mut wrong = Vec::new();
        for line in lines.lines() {
            let recorded: Json = serde_json::from_str(line).expect("JSON");
            let source = recorded["expr"].as_str().expect("a text");
            let ours = answer(source, None, &variables, LOOSE);
            count += 1;
            if !agrees(&ours, &recorded) {
                let theirs = json!({"out": recorded["out"], "value": recorded.get("value"), "message": recorded.get("message")});
                wrong.push(format!("{source}\n  ours   {ours}\n  theirs {theirs}"));
            }
        }
        (count, wrong)
    });
    eprintln!("generated: {} of {count} wrong", wrong.len());
    wrong.sort_by_key(String::len);
    let shown: Vec<String> = wrong.iter().take(60).cloned().collect();
    assert!(wrong.len() * 1_000 <= count, "{} of {count} wrong:\n{}", wrong.len(), shown.join("\n"));
}

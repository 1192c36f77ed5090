//! The answers of Jayway 3.0.0 to thousands of paths.

use std::path::Path as File;

use serde::Deserialize;
use serde_json::Value;

use crate::jsonpath::error::{Failure, Kind};
use crate::jsonpath::evaluate::{Budget, Demand, answer};
use crate::jsonpath::parse::compile;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    path: String,
    doc: usize,
    definite: Option<bool>,
    norm: Option<String>,
    /// Absent when there is an error; `Some(Null)` is the value null.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    error: Option<String>,
    compile_error: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The document in the order in which Java's `HashMap` walked its keys: the
/// recorded answers list the values of objects, and quote documents, in that
/// order. It is read off an answer that holds the whole document.
fn as_walked(document: &Value, doc: usize, vectors: &[Vector]) -> Value {
    let quoted = |text: &str| {
        let (_, quoted) = text.split_once("Current context is: ")?;
        serde_json::from_str(quoted).ok()
    };
    vectors
        .iter()
        .filter(|vector| vector.doc == doc)
        .filter_map(|vector| vector.value.clone().or_else(|| quoted(vector.error.as_deref()?)))
        .find(|found| found == document)
        .unwrap_or_else(|| document.clone())
}

/// The failure with the name of Jayway's exception in front.
fn exception(failure: &Failure) -> String {
    let name = match failure.kind {
        kind if kind.is_not_found() => "PathNotFoundException",
        Kind::Invalid => "InvalidPathException",
        _ if failure.message.starts_with("class ") => "ClassCastException",
        _ => "JsonPathException",
    };
    format!("{name}: {}", failure.message)
}

fn difference(vector: &Vector, documents: &[Value]) -> Option<String> {
    let path = match compile(&vector.path, 0) {
        Ok(path) => path,
        Err(refusal) => {
            let got = format!("InvalidPathException: {}", refusal.message);
            return (vector.compile_error.as_deref() != Some(&got)).then(|| format!("refused: {got}"));
        }
    };
    if let Some(expected) = &vector.compile_error {
        return Some(format!("accepted, but Jayway says: {expected}"));
    }
    if vector.definite != Some(path.is_definite()) {
        return Some(format!("definite: {}", path.is_definite()));
    }
    if vector.norm.as_deref() != Some(&path.to_string()) {
        return Some(format!("normalised: {path}"));
    }
    let document = &documents[vector.doc];
    let got = answer(&path, document, document, Demand::Some, &Budget::new(u64::MAX));
    match (&got, &vector.value, &vector.error) {
        (Ok(got), Some(expected), None) if **got == *expected => None,
        (Err(failure), None, Some(expected)) if exception(failure) == *expected => None,
        (Ok(got), _, _) => Some(format!("got {got}\n  expected {:?} {:?}", vector.value, vector.error)),
        (Err(failure), _, _) => {
            Some(format!("got {}\n  expected {:?} {:?}", exception(failure), vector.value, vector.error))
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the recorded answers are files")]
fn answers_are_those_of_jayway() {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/jsonpath");
    let Ok(text) = std::fs::read_to_string(folder.join("jayway-3.0.0.jsonl")) else {
        println!("SKIPPED: ../shared/conformance/jsonpath is not there");
        return;
    };
    let documents = std::fs::read_to_string(folder.join("docs.json")).expect("the documents");
    let documents: Vec<Value> = serde_json::from_str(&documents).expect("JSON");
    let vectors: Vec<Vector> =
        text.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect();
    let documents: Vec<Value> =
        documents.iter().enumerate().map(|(doc, document)| as_walked(document, doc, &vectors)).collect();
    let differences: Vec<String> = vectors
        .iter()
        .filter_map(|vector| Some(format!("{}\n  {}", vector.path, difference(vector, &documents)?)))
        .collect();
    println!("{} of {} answers are Jayway's", vectors.len() - differences.len(), vectors.len());
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

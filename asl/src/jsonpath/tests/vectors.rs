//! The answers of Jayway JsonPath 3.0.0 to thousands of paths.

use std::path::Path as File;

use serde::Deserialize;
use serde_json::{Map, Value};

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

/// Java's `HashMap` walks its keys by their hashes: the recorded answers list
/// the values of objects, and quote documents, in that order.
fn in_hash_order(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(in_hash_order).collect(),
        Value::Object(fields) => {
            let mut buckets = 16_u32;
            while fields.len() * 4 > buckets as usize * 3 {
                buckets *= 2;
            }
            let bucket = |key: &str| {
                let hash = key.encode_utf16().fold(0_u32, |hash, unit| {
                    hash.wrapping_mul(31).wrapping_add(u32::from(unit))
                });
                (hash ^ (hash >> 16)) & (buckets - 1)
            };
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| bucket(key));
            let fields = fields.into_iter().map(|(key, item)| (key.clone(), in_hash_order(item)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
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
    let got = answer(&path, document, document, Demand::Some, &Budget::new());
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
fn answers_are_those_of_jayway() {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/jsonpath");
    let Ok(text) = std::fs::read_to_string(folder.join("jayway-3.0.0.jsonl")) else {
        println!("SKIPPED: ../shared/conformance/jsonpath is not there");
        return;
    };
    let documents = std::fs::read_to_string(folder.join("docs.json")).expect("the documents");
    let documents: Vec<Value> = serde_json::from_str(&documents).expect("JSON");
    let documents: Vec<Value> = documents.iter().map(in_hash_order).collect();
    let vectors: Vec<Vector> =
        text.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect();
    let differences: Vec<String> = vectors
        .iter()
        .filter_map(|vector| Some(format!("{}\n  {}", vector.path, difference(vector, &documents)?)))
        .collect();
    println!("{} of {} answers are Jayway's", vectors.len() - differences.len(), vectors.len());
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

//! The step `parse`: source files in, typed rows, rejects and counts out.
//!
//! Reads separated and fixed-width text, JSON, JSON Lines, XML, XLSX and Parquet,
//! bare or inside gz and zip, as the feed's spec describes them. Every data row of the source ends up in exactly one place: accepted,
//! cancelled, or rejected with a code and its raw text. Whatever would make
//! that promise false (a cut archive, an undecodable byte, a missing column) is
//! an error of the whole file, and nothing becomes visible.
//!
//! Streams: memory does not grow with the number of rows.
//! Refuses to guess: values that do not fit are rejected, never repaired.
#![warn(missing_docs)]

use feed::{Drops, FeedSpec, Parsed, Staging};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, Write, step};

mod cell;
mod columns;
mod container;
mod convert;
mod cross;
mod delimiter;
mod error;
mod fixed;
mod json;
mod lines;
mod parquet;
mod records;
mod separated;
mod sink;
mod text;
mod warn;
mod workbook;
mod xml;

#[cfg(test)]
mod tests;

pub use error::ParseError;

use error::SourceFile;
use sink::Sink;

/// Most files of one run; more would not fit a state's payload anyway.
const FILES_MAX: usize = 1000;

/// What is to be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ParseRequest {
    /// The feed's spec: TOML or JSON.
    pub spec: ObjectRef,
    /// The source files, in the order in which their rows are read.
    pub files: Vec<ObjectRef>,
}

/// Parses the source files of a feed into typed rows, rejects and row counts.
#[step(memory = 1024, timeout = 900)]
pub async fn parse(
    request: ParseRequest,
    drops: Read<Drops>,
    staging: Write<Staging>,
) -> Result<Parsed, ParseError> {
    run(&request, &drops, &staging)
}

/// The step without its wrapper.
///
/// # Errors
/// See [`ParseError`]. Nothing is visible in `staging` then.
pub fn run(
    request: &ParseRequest,
    drops: &Read<Drops>,
    staging: &Write<Staging>,
) -> Result<Parsed, ParseError> {
    let spec_file = drops.get(&request.spec).map_err(ParseError::storage)?;
    let spec = FeedSpec::read(name_of(&request.spec), spec_file)
        .map_err(|error| ParseError::Spec { detail: error.to_string() })?;
    if request.files.is_empty() || request.files.len() > FILES_MAX {
        return Err(ParseError::Unsupported {
            detail: format!("{} source files were given; 1 to {FILES_MAX} are possible", request.files.len()),
        });
    }
    let folder = folder_of(&spec, request);
    let rows = staging.create(&format!("{folder}/rows.jsonl")).map_err(ParseError::storage)?;
    let rejects = staging.create(&format!("{folder}/rejects.jsonl")).map_err(ParseError::storage)?;
    let mut sink = Sink::new(&spec, rows, rejects)?;
    for object in &request.files {
        let file = drops.get(object).map_err(ParseError::storage)?;
        let source = SourceFile::new(name_of(object));
        container::read(file, &source, object.bytes, &spec, &mut sink)?;
    }
    sink.finish()
}

/// What messages call an object: the last segment of its key.
fn name_of(object: &ObjectRef) -> &str {
    object.key.rsplit('/').next().unwrap_or(&object.key)
}

/// Where the results go: the same input and code, the same place and bytes. A
/// run that is repeated finds its own results; other inputs never overwrite them.
fn folder_of(spec: &FeedSpec, request: &ParseRequest) -> String {
    let mut parts = vec!["parse/2", env!("CARGO_PKG_VERSION"), &request.spec.sha256];
    for file in &request.files {
        parts.extend([file.sha256.as_str(), name_of(file)]);
    }
    format!("{}/{}", spec.feed, feed::fingerprint(parts))
}

//! What becomes of the results of child executions: files and a manifest in a
//! bucket, or the state's output.
//!
//! The developer guide (page `ResultWriter`) shows the files' names, the manifest
//! and the metadata of a result. Results come in the order of the items.
//! Files are pulled record by record by the store that writes them; a file
//! that would pass its limit ends, and the next one begins.

use std::io::{self, Read};

use asl::{OutputType, Transformation};
use serde_json::{Map, Value, json};

use crate::engine::{NotRedrivable, RedriveStatus};
use crate::machine::{Payload, Status};
use crate::object_store::{ObjectError, ObjectStore};

/// The end of a child execution.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildResult {
    /// ARN of the execution.
    pub execution_arn: String,
    /// ARN of its state machine.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// The JSON text of its input.
    pub input: String,
    /// The output of a success.
    pub output: Option<Payload>,
    /// The error of a failure.
    pub error: Option<String>,
    /// The cause of a failure.
    pub cause: Option<String>,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
    /// When it ended, in milliseconds since the epoch.
    pub stop_millis: Option<i64>,
    /// How often it was redriven.
    pub redrive_count: u32,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultFormat {
    /// `OutputType`.
    pub output_type: OutputType,
    /// `Transformation`.
    pub transformation: Transformation,
}

/// Where results are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Name of the bucket.
    pub bucket: String,
    /// `Prefix`, without a slash at its end; may be empty.
    pub prefix: String,
    /// ARN of the Map Run; its UUID is part of the keys.
    pub map_run_arn: String,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The key of the manifest.
    pub manifest_key: String,
    /// How many results are in the files.
    pub results: u64,
}

/// Why results could not be written. The text is the cause of `States.ResultWriterFailed`.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object store refused.
    #[error("The results could not be written to Amazon S3: {0}")]
    Object(#[from] ObjectError),
    /// The results could not be read back.
    #[error("The results of the child executions could not be read: {0}")]
    Results(String),
}

/// The kinds of result files, in the order of the manifest. The manifest of AWS has a third one
/// between them, `PENDING`: the children that were not started when the Map Run failed. Items that
/// were not taken are not read here to be listed; that list is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed,
    Succeeded,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Failed, Self::Succeeded];

    const fn name(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Succeeded => "SUCCEEDED",
        }
    }

    const fn of(status: Status) -> Self {
        match status {
            Status::Succeeded => Self::Succeeded,
            _ => Self::Failed,
        }
    }
}

/// Results of child executions, in the order of the items.
pub type Results<'a> = Box<dyn Iterator<Item = Result<ChildResult, String>> + 'a>;

impl Destination {
    /// The destination of a result writer's arguments.
    pub fn new(arguments: &Value, map_run_arn: &str) -> Result<Self, String> {
        let text = |name: &str| match arguments.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(format!("The ResultWriter's {name} must be a string, but is {other}.")),
        };
        let bucket = text("Bucket")?.ok_or("The ResultWriter's arguments have no Bucket.")?;
        let prefix = text("Prefix")?.unwrap_or_default();
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            map_run_arn: map_run_arn.to_owned(),
        })
    }

    fn key(&self, file: &str) -> String {
        let uuid = self.map_run_arn.rsplit(':').next().unwrap_or_default();
        if self.prefix.is_empty() {
            format!("{uuid}/{file}")
        } else {
            format!("{}/{uuid}/{file}", self.prefix)
        }
    }
}

/// The key of the manifest of a Map Run. Recorded on AWS: `<prefix>/<uuid>/manifest.json`.
pub fn manifest_key(destination: &Destination) -> String {
    destination.key("manifest.json")
}

/// Writes the result files of a Map Run, and their manifest last. `results`
/// is called once for each kind of file.
pub fn write_results<'a>(
    store: &dyn ObjectStore,
    destination: &Destination,
    format: ResultFormat,
    file_bytes_max: u64,
    mut results: impl FnMut() -> Results<'a>,
) -> Result<Written, WriteError> {
    let mut files = Map::new();
    let mut count = 0;
    for kind in Kind::ALL {
        let of_kind =
            results().filter(|result| !matches!(result, Ok(result) if Kind::of(result.status) != kind));
        let mut records = Records { results: Box::new(of_kind), kept: None, format, failure: None };
        let mut listed = Vec::new();
        while records.prepare()? {
            let end = match format.output_type {
                OutputType::Json => "json",
                OutputType::JsonLines => "jsonl",
            };
            let key = destination.key(&format!("{}_{}.{end}", kind.name(), listed.len()));
            let mut file = FileBody::new(&mut records, file_bytes_max);
            let put = store.put(&destination.bucket, &key, &mut file);
            let (bytes, written) = (file.bytes, file.results);
            if let Some(failure) = records.failure.take() {
                return Err(WriteError::Results(failure));
            }
            put?;
            count += written;
            listed.push(json!({ "Key": key, "Size": bytes }));
        }
        files.insert(kind.name().to_owned(), Value::Array(listed));
        if kind == Kind::Failed {
            files.insert("PENDING".to_owned(), json!([]));
        }
    }
    let manifest = json!({
        "DestinationBucket": destination.bucket,
        "MapRunArn": destination.map_run_arn,
        "ResultFiles": files,
    });
    let manifest_key = manifest_key(destination);
    store.put(&destination.bucket, &manifest_key, &mut manifest.to_string().as_bytes())?;
    Ok(Written { manifest_key, results: count })
}

/// The results as a state's output; `None` = it has more bytes than `bytes_max`.
pub fn collect_results(
    results: Results<'_>,
    format: ResultFormat,
    bytes_max: usize,
) -> Result<Option<Payload>, WriteError> {
    let mut records = Records { results, kept: None, format, failure: None };
    let separator = if format.output_type == OutputType::Json { "," } else { "\n" };
    let mut text = String::new();
    while records.prepare()? {
        if let Some(record) = records.kept.take() {
            if !text.is_empty() && !record.is_empty() {
                text.push_str(separator);
            }
            text.push_str(&record.join(separator));
        }
        if text.len() > bytes_max {
            return Ok(None);
        }
    }
    let output = match format.output_type {
        OutputType::Json => Payload::from_journal(&format!("[{text}]")),
        OutputType::JsonLines => Payload::from_value(Value::String(text)),
    };
    Ok((output.len() <= bytes_max).then_some(output))
}

/// Results as the texts of records: one, or with `FLATTEN` any number.
struct Records<'a> {
    results: Results<'a>,
    kept: Option<Vec<String>>,
    format: ResultFormat,
    failure: Option<String>,
}

impl Records<'_> {
    /// Has a look whether there is another result, and keeps it.
    fn prepare(&mut self) -> Result<bool, WriteError> {
        self.pull().map_err(WriteError::Results)
    }

    fn pull(&mut self) -> Result<bool, String> {
        if self.kept.is_none() {
            self.kept =
                self.results.next().transpose()?.map(|result| records(&result, self.format.transformation));
        }
        Ok(self.kept.is_some())
    }
}

/// The records of one result. Developer guide: what did not succeed is always written as with `NONE`.
fn records(result: &ChildResult, transformation: Transformation) -> Vec<String> {
    let output = match (&result.output, transformation) {
        (Some(output), Transformation::Compact) => return vec![output.text().to_owned()],
        (Some(output), Transformation::Flatten) => output,
        _ => return vec![metadata(result).to_string()],
    };
    match output.value() {
        Value::Array(elements) => elements.iter().map(Value::to_string).collect(),
        _ => vec![output.text().to_owned()],
    }
}

/// A result with everything AWS says of its execution.
fn metadata(result: &ChildResult) -> Value {
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    if let Some(cause) = text(&result.cause) {
        put("Cause", cause);
    }
    if let Some(error) = text(&result.error) {
        put("Error", error);
    }
    put("ExecutionArn", json!(result.execution_arn));
    put("Input", json!(result.input));
    put("InputDetails", json!({ "Included": true }));
    put("Name", json!(result.name));
    if let Some(output) = &result.output {
        put("Output", json!(output.text()));
        put("OutputDetails", json!({ "Included": true }));
    }
    put("RedriveCount", json!(result.redrive_count));
    let redrive = match result.status {
        Status::Succeeded => RedriveStatus::NotRedrivable(NotRedrivable::Succeeded),
        _ => RedriveStatus::RedrivableByMapRun,
    };
    put("RedriveStatus", json!(redrive.as_str()));
    if let Some(reason) = redrive.reason() {
        put("RedriveStatusReason", json!(reason.to_string()));
    }
    put("StartDate", json!(crate::machine::instant(result.start_millis)));
    put("StateMachineArn", json!(result.state_machine_arn));
    put("Status", json!(result.status.as_str()));
    if let Some(stop) = result.stop_millis {
        put("StopDate", json!(crate::machine::instant(stop)));
    }
    Value::Object(record)
}

/// One result file, as a store reads it.
struct FileBody<'a, 'b> {
    records: &'a mut Records<'b>,
    bytes_max: u64,
    bytes: u64,
    results: u64,
    chunk: Vec<u8>,
    read: usize,
    is_at_end: bool,
}

impl<'a, 'b> FileBody<'a, 'b> {
    fn new(records: &'a mut Records<'b>, bytes_max: u64) -> Self {
        let chunk = if records.format.output_type == OutputType::Json { b"[".to_vec() } else { Vec::new() };
        let bytes = chunk.len() as u64;
        Self { records, bytes_max, bytes, results: 0, chunk, read: 0, is_at_end: false }
    }

    /// The next piece of the file: a result, or its end.
    fn advance(&mut self) -> Result<(), String> {
        let is_json = self.records.format.output_type == OutputType::Json;
        let mut piece = Vec::new();
        let found = self.records.pull()?;
        if found && let Some(records) = self.records.kept.take() {
            for record in &records {
                if is_json && self.bytes + piece.len() as u64 > 1 {
                    piece.push(b',');
                }
                piece.extend_from_slice(record.as_bytes());
                if !is_json {
                    piece.push(b'\n');
                }
            }
            // A result that is larger than a file may be still needs a file.
            if self.results == 0 || self.bytes + (piece.len() as u64) < self.bytes_max {
                self.results += 1;
                self.set(piece);
                return Ok(());
            }
            self.records.kept = Some(records);
        }
        self.is_at_end = true;
        self.set(if is_json { b"]".to_vec() } else { Vec::new() });
        Ok(())
    }

    fn set(&mut self, piece: Vec<u8>) {
        self.bytes += piece.len() as u64;
        (self.chunk, self.read) = (piece, 0);
    }
}

impl Read for FileBody<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = self.chunk.get(self.read..).unwrap_or_default();
            if !rest.is_empty() || buffer.is_empty() {
                let count = rest.len().min(buffer.len());
                let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) else {
                    return Ok(0);
                };
                to.copy_from_slice(from);
                self.read += count;
                return Ok(count);
            }
            if self.is_at_end {
                return Ok(0);
            }
            if let Err(failure) = self.advance() {
                self.records.failure = Some(failure.clone());
                return Err(io::Error::other(failure));
            }
        }
    }
}

//! Files from the command line become objects and an execution input.
//!
//! Each file is copied into the bucket the workflow takes files from, under a key made
//! of its content hash and its name. The same file again is the same object, so the
//! same command makes the same input: that is how an interrupted run is recognised.

use std::{
    fmt::Write as _,
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use asl::limits::PAYLOAD_BYTES_MAX;
use infra::manifest::{Intake, Workflow};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::{data::DataDir, problem::Problem};

/// Longest part of a file's name that goes into a key, in bytes. File systems allow 255 per segment.
const NAME_BYTES_MAX: usize = 200;

/// The files an execution is given, found and readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// A spec, the files of a feed, and what of them is wanted.
    Files {
        /// The spec.
        spec: PathBuf,
        /// The feed.
        inputs: Vec<PathBuf>,
        /// Messages, one a line.
        messages: Option<PathBuf>,
        /// The business period.
        period: Option<String>,
        /// Why the period is delivered again.
        correction: Option<String>,
    },
    /// The execution input itself.
    Document(PathBuf),
}

impl Given {
    fn files(&self) -> Vec<&PathBuf> {
        match self {
            Self::Files { spec, inputs, messages, .. } => {
                std::iter::once(spec).chain(inputs).chain(messages).collect()
            }
            Self::Document(path) => vec![path],
        }
    }

    /// Better said now than by a step later.
    pub(crate) fn readable(&self) -> Result<(), Problem> {
        for path in self.files() {
            let unreadable = |error| Problem::file("cannot read", path, error);
            // Asked before it is opened: opening a pipe waits for who writes into it.
            let metadata = std::fs::metadata(path).map_err(unreadable)?;
            if metadata.is_dir() {
                return Err(Problem::Folder { path: path.clone() });
            }
            if !metadata.is_file() {
                return Err(Problem::NotRegular { path: path.clone() });
            }
            File::open(path).map_err(unreadable)?;
        }
        Ok(())
    }

    /// Copies the files into the bucket and makes the execution input.
    pub(crate) fn into_input(self, workflow: &Workflow, data: &DataDir) -> Result<String, Problem> {
        match (self, &workflow.intake) {
            (Self::Files { spec, inputs, messages, period, correction }, Some(intake)) => {
                let files = inputs.iter().map(|path| put(data, &intake.bucket, path));
                let files = files.collect::<Result<Vec<Value>, _>>()?;
                let spec = if intake.with_folder {
                    put_folder(data, intake, &spec)?
                } else {
                    put(data, &intake.bucket, &spec)?
                };
                let mut input = Map::new();
                input.insert(intake.spec_field.clone(), spec);
                input.insert(intake.files_field.clone(), Value::Array(files));
                let mut set = |field: &Option<String>, value: Option<Value>| {
                    input.extend(field.clone().zip(value));
                };
                set(&intake.messages_field, messages.as_deref().map(lines).transpose()?);
                set(&intake.period_field, period.map(Value::String));
                set(&intake.correction_field, correction.map(|reason| json!({ "reason": reason })));
                Ok(Value::Object(input).to_string())
            }
            (given, _) => document(given.files().first().map_or(Path::new(""), |path| path.as_path())),
        }
    }
}

/// The lines of a file that are not blank: all of them, if an execution's input can hold them.
fn lines(path: &Path) -> Result<Value, Problem> {
    let read = |error| Problem::file("cannot read", path, error);
    // One byte more tells a file that is too large from one that just fits.
    let limit = u64::try_from(PAYLOAD_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    File::open(path).map_err(read)?.take(limit).read_to_string(&mut text).map_err(read)?;
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(Problem::Usage {
            message: format!(
                "{}: more than {PAYLOAD_BYTES_MAX} bytes of messages, which is all an execution's input can hold",
                path.display()
            ),
            hint: "split the file and run it part by part, or give it as a file of the feed: --input"
                .to_owned(),
        });
    }
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(Value::from).collect())
}

/// Copies a spec and the specs beside it into the bucket, together in a place made of what they hold.
fn put_folder(data: &DataDir, intake: &Intake, spec: &Path) -> Result<Value, Problem> {
    let folder = spec.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unreadable = |error| Problem::file("cannot read", folder, error);
    let is_spec = |path: &PathBuf| {
        path.is_file() && path.extension().is_some_and(|ending| ending == "toml" || ending == "json")
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        files.push(entry.map_err(unreadable)?.path());
    }
    files.retain(is_spec);
    if !files.iter().any(|path| path.file_name() == spec.file_name()) {
        files.push(spec.to_owned());
    }
    files.sort();
    let mut all = Sha256::new();
    for path in &files {
        let content = std::fs::read(path).map_err(|error| Problem::file("cannot read", path, error))?;
        all.update(key_name(path));
        all.update([0]);
        all.update(Sha256::digest(&content));
    }
    let prefix = hex(&all.finalize());
    let mut reference = None;
    for path in &files {
        let object = put_under(data, &intake.bucket, path, Some(&prefix))?;
        if path.file_name() == spec.file_name() {
            reference = Some(object);
        }
    }
    let missing = || Problem::file("cannot read", spec, std::io::ErrorKind::NotFound.into());
    reference.ok_or_else(missing)
}

/// An execution input given as a file, in one canonical form.
fn document(path: &Path) -> Result<String, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| Problem::file("cannot read", path, error))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| Problem::Usage {
        message: format!("{} is not JSON: {error}", path.display()),
        hint: "the execution input is one JSON document".to_owned(),
    })?;
    Ok(value.to_string())
}

/// Copies a file into a bucket and returns the reference to it, as `stepwright::objects::ObjectRef` reads it.
fn put(data: &DataDir, bucket: &str, path: &Path) -> Result<Value, Problem> {
    put_under(data, bucket, path, None)
}

/// The same, under a prefix: without one, under the hash of its content.
fn put_under(data: &DataDir, bucket: &str, path: &Path, prefix: Option<&str>) -> Result<Value, Problem> {
    let read = |error| Problem::file("cannot read", path, error);
    let folder = data.bucket(bucket);
    let not_written = |source| Problem::NotWritten { path: folder.clone(), source };
    let mut source = File::open(path).map_err(read)?;
    bucket::make_durable_dir(&folder).map_err(not_written)?;
    // Written beside its place and renamed: a killed run leaves no half object.
    let mut copy = NamedTempFile::with_prefix_in(".incoming-", &folder).map_err(not_written)?;
    let mut hash = Sha256::new();
    let mut bytes = 0_u64;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read_bytes = source.read(&mut buffer).map_err(read)?;
        let Some(chunk) = buffer.get(..read_bytes).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
        copy.write_all(chunk).map_err(not_written)?;
        bytes += chunk.len() as u64;
    }
    let sha256 = hex(&hash.finalize());
    let key = format!("{}/{}", prefix.unwrap_or(&sha256), key_name(path));
    let place = folder.join(&key);
    let parent = place.parent().unwrap_or(&folder).to_owned();
    bucket::make_durable_dir(&parent).map_err(not_written)?;
    // Also over an object of this name: should it be damaged, running again mends it.
    copy.as_file().sync_all().map_err(not_written)?;
    copy.persist(&place).map_err(|error| not_written(error.error))?;
    File::open(&parent).and_then(|dir| dir.sync_all()).map_err(not_written)?;
    Ok(json!({ "bucket": bucket, "key": key, "sha256": sha256, "bytes": bytes }))
}

/// The file's name as the last segment of a key: steps recognise formats by it and name it in messages.
fn key_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut key: String = name
        .chars()
        .map(|c| if c.is_control() || matches!(c, '/' | '\\' | '\u{fffd}') { '_' } else { c })
        .collect();
    while key.len() > NAME_BYTES_MAX {
        // From the front: the ending says what the file is.
        key.remove(0);
    }
    if key.is_empty() { "file".to_owned() } else { key }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;

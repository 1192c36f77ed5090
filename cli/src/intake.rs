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

use infra::manifest::{Intake, Workflow};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::{arguments::Run, data::DataDir, problem::Problem, project::Application};

/// Longest part of a file's name that goes into a key, in bytes. File systems allow 255 per segment.
const NAME_BYTES_MAX: usize = 200;

/// The files a run was given, found and readable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// A spec and the files of a feed.
    Files {
        /// The spec.
        spec: PathBuf,
        /// The feed.
        inputs: Vec<PathBuf>,
    },
    /// The execution input itself.
    Document(PathBuf),
}

impl Given {
    /// What the command line says, or the workflow's sample.
    pub(crate) fn find(
        arguments: &Run,
        workflow: &Workflow,
        application: &Application,
    ) -> Result<Self, Problem> {
        let usage =
            |message: &str, hint: &str| Problem::Usage { message: message.to_owned(), hint: hint.to_owned() };
        let given = match (&workflow.intake, &arguments.spec, arguments.input.as_slice()) {
            (None, None, [document]) => Self::Document(document.clone()),
            (None, Some(_), _) => {
                return Err(usage(
                    &format!("the workflow `{}` takes no spec", workflow.name),
                    "give its input as one JSON file: --input FILE",
                ));
            }
            (None, None, _) => {
                return Err(usage(
                    &format!("the workflow `{}` takes its input as one JSON file", workflow.name),
                    "give exactly one: --input FILE",
                ));
            }
            (Some(intake), None, []) => Self::sample(workflow, intake, application)?,
            (Some(_), Some(spec), [_, ..]) => {
                Self::Files { spec: spec.clone(), inputs: arguments.input.clone() }
            }
            (Some(_), Some(_), []) => {
                return Err(usage("--spec is given, but no file of the feed", "add --input FILE"));
            }
            (Some(_), None, [_, ..]) => {
                return Err(usage(
                    "--input is given, but no spec",
                    "add --spec FILE: it says how to read, check and calculate the feed",
                ));
            }
        };
        given.readable()?;
        Ok(given)
    }

    /// The sample folder: `spec.toml`, and the feed in `input/`.
    fn sample(workflow: &Workflow, intake: &Intake, application: &Application) -> Result<Self, Problem> {
        let none = |detail: String| Problem::NoSample { workflow: workflow.name.clone(), detail };
        let folder = Path::new(&intake.sample);
        let folder = match &application.package_dir {
            _ if intake.sample.is_empty() => return Err(none("it names no folder".to_owned())),
            Some(base) => base.join(folder),
            None if folder.is_absolute() => folder.to_owned(),
            None => return Err(none("it lies in the project, and this is not its folder".to_owned())),
        };
        sample_in(&folder).map_err(none)
    }

    fn files(&self) -> Vec<&PathBuf> {
        match self {
            Self::Files { spec, inputs } => std::iter::once(spec).chain(inputs).collect(),
            Self::Document(path) => vec![path],
        }
    }

    /// Better said now than by a step later.
    fn readable(&self) -> Result<(), Problem> {
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
            (Self::Files { spec, inputs }, Some(intake)) => {
                let put = |path: &PathBuf| put(data, &intake.bucket, path);
                let files = inputs.iter().map(put).collect::<Result<Vec<Value>, _>>()?;
                let mut input = Map::new();
                input.insert(intake.spec_field.clone(), put(&spec)?);
                input.insert(intake.files_field.clone(), Value::Array(files));
                Ok(Value::Object(input).to_string())
            }
            (given, _) => document(given.files().first().map_or(Path::new(""), |path| path.as_path())),
        }
    }
}

/// The files of a sample folder, or what is wrong with it.
fn sample_in(folder: &Path) -> Result<Given, String> {
    let spec = folder.join("spec.toml");
    if !spec.is_file() {
        return Err(format!("{} is not there", spec.display()));
    }
    let input = folder.join("input");
    let entries = std::fs::read_dir(&input).map_err(|error| format!("{}: {error}", input.display()))?;
    let is_hidden = |path: &Path| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let mut inputs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && !is_hidden(path))
        .collect();
    inputs.sort();
    if inputs.is_empty() {
        return Err(format!("{} holds no file", input.display()));
    }
    Ok(Given::Files { spec, inputs })
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
    let key = format!("{sha256}/{}", key_name(path));
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

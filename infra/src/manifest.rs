//! The manifest: everything about an application that its users need, as data.
//!
//! `app manifest` prints it, `stepwright` reads it to run the workflows, and
//! [`crate::assembly`] turns it into what deploys them. It holds the exact
//! definition bytes, so the engine and AWS execute the same text.
//!
//! Owns the format and what a valid manifest is. Refuses a manifest of another
//! format version and values AWS would not accept, before anything is built on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod check;
#[cfg(test)]
mod tests;

pub use check::Problem;

/// The format this version reads and writes.
pub const SCHEMA_VERSION: u64 = 1;

/// An application: its workflows, their functions and the resources they ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u64,
    /// The application's name; prefix of its functions' names.
    pub app: String,
    /// In the order of the application's `main`.
    pub workflows: Vec<Workflow>,
    /// Every function of every workflow once, by name.
    pub functions: Vec<Function>,
    /// Names of the buckets the functions ask for, sorted.
    pub buckets: Vec<String>,
    /// Names of the secrets the functions ask for, sorted.
    pub secrets: Vec<String>,
}

/// One state machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workflow {
    /// The state machine's name.
    pub name: String,
    /// What it does, in a sentence.
    pub comment: Option<String>,
    /// The ASL text: these bytes are executed locally and deployed.
    pub definition: String,
    /// SHA-256 of `definition`, in hexadecimal.
    pub definition_sha256: String,
    /// JSON schema of the execution input.
    pub input_schema: Value,
    /// State name → `file:line` of the Rust source, in the order of the states.
    pub source_map: IndexMap<String, String>,
    /// How files given on a command line become an input.
    pub intake: Option<Intake>,
    /// What starts executions by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// Names of the functions it calls, sorted.
    pub functions: Vec<String>,
    /// It puts events on the default bus.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub puts_events: bool,
    /// Names of the functions whose steps wait and that it answers, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
}

/// Something that starts executions of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Trigger {
    /// The clock: a schedule of `EventBridge` Scheduler.
    Schedule {
        /// The schedule's name.
        name: String,
        /// `cron(…)`, `rate(…)` or `at(…)`.
        expression: String,
        /// IANA name; UTC if none is given.
        timezone: Option<String>,
        /// What an execution is started with; texts may hold `<aws.scheduler.scheduled-time>`.
        input: Value,
    },
    /// Objects that arrive in a bucket: a rule of `EventBridge` for S3's events.
    Objects {
        /// The rule's name.
        name: String,
        /// The bucket's name in the application.
        bucket: String,
        /// What their keys begin with.
        prefix: String,
        /// What their keys end with, one of these; anything if there is none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        endings: Vec<String>,
    },
    /// Messages of a queue: a pipe of `EventBridge` Pipes.
    Queue {
        /// The pipe's name.
        name: String,
        /// The queue's name: `<app>-<name>`.
        queue: String,
        /// AWS accounts that may send, beside the own one.
        accounts: Vec<String>,
        /// Most messages of one execution.
        batch: u32,
        /// How long the pipe collects them.
        window_seconds: u32,
    },
}

impl Trigger {
    /// What the schedule, the rule or the pipe is called.
    pub fn name(&self) -> &str {
        match self {
            Self::Schedule { name, .. } | Self::Objects { name, .. } | Self::Queue { name, .. } => name,
        }
    }
}

impl fmt::Display for Trigger {
    /// `cron(0 5 2 * ? *) in Europe/Berlin`, for somebody who wants to know what starts a workflow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule { expression, timezone: None, .. } => write!(f, "{expression}"),
            Self::Schedule { expression, timezone: Some(zone), .. } => write!(f, "{expression} in {zone}"),
            Self::Objects { bucket, prefix, endings, .. } => {
                let one = |ending: &String| format!("{bucket}/{prefix}…{ending}");
                match endings.iter().map(one).collect::<Vec<_>>().as_slice() {
                    [] => write!(f, "objects in {bucket}/{prefix}"),
                    keys => write!(f, "objects in {}", keys.join(" or ")),
                }
            }
            Self::Queue { queue, .. } => write!(f, "messages of {queue}"),
        }
    }
}

/// How files given on a command line become an execution input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intake {
    /// The bucket that receives the files.
    pub bucket: String,
    /// The input field that takes the list of file references.
    pub files_field: String,
    /// The input field that takes the reference to the spec file.
    pub spec_field: String,
    /// Whether the files beside the spec are put into the bucket with it.
    #[serde(default)]
    pub with_folder: bool,
    /// The input field that takes the business period.
    #[serde(default)]
    pub period_field: Option<String>,
    /// The input field that takes messages: a list of texts.
    #[serde(default)]
    pub messages_field: Option<String>,
    /// The input field that takes why a period is delivered again: an object with `reason`.
    #[serde(default)]
    pub correction_field: Option<String>,
    /// Folder of the sample, relative to the package of the application.
    pub sample: String,
}

/// One Lambda function: one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Function {
    /// `<app>-<step>`.
    pub name: String,
    /// The step's name.
    pub step: String,
    /// What the step does: the first paragraph of its documentation.
    #[serde(default)]
    pub description: String,
    /// The cargo package that holds the step.
    pub package: String,
    /// The package's binary, without a folder; it serves every step of the package.
    pub binary: String,
    /// `_HANDLER`: tells the binary which step it is.
    pub handler: String,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Time limit of one invocation in seconds.
    pub timeout_seconds: u32,
    /// Environment variables beside those of buckets and secrets.
    pub environment: BTreeMap<String, String>,
    /// What it may touch.
    pub grants: Vec<Grant>,
    /// It gets a task token, and its state waits for what the bearer answers. Its payload
    /// is `{"input": …, "taskToken": …}`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// JSON schema of the payload; of one that waits, of the payload's `input`.
    pub input_schema: Value,
    /// JSON schema of the result; of one that waits, of the answer.
    pub output_schema: Value,
    /// Names of the errors it declares.
    pub errors: Vec<String>,
}

/// A resource and what a function may do with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What the resource is.
    pub kind: ResourceKind,
    /// Its name in the application.
    pub name: String,
    /// The access.
    pub access: Access,
}

/// Kinds of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// Object storage: a folder locally, S3 on AWS.
    Bucket,
    /// A value known to the step only, such as a database's URL.
    Secret,
}

/// Ways to touch a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Get objects.
    Read,
    /// Get and put objects.
    Write,
    /// Get objects that may not be there.
    Look,
    /// Put objects, and get those that may not be there.
    Exchange,
    /// Read the secret's value.
    Use,
}

/// Why a manifest was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not the JSON of a manifest.
    #[error("the manifest is not readable: {0}; is the application built with the same Stepwright?")]
    Syntax(#[from] serde_json::Error),
    /// It is of another format.
    #[error(
        "the manifest has schemaVersion {found}, this Stepwright reads {SCHEMA_VERSION}; \
         build the application and the stepwright command from the same version"
    )]
    Version {
        /// What it says, `nothing` when it says nothing.
        found: String,
    },
    /// It describes something that cannot run or be deployed.
    #[error("the manifest of `{app}` is not valid:\n{}", list(problems))]
    Invalid {
        /// The application.
        app: String,
        /// What is wrong, at least one.
        problems: Vec<Problem>,
    },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

impl Manifest {
    /// Reads a manifest and checks it.
    ///
    /// # Errors
    /// [`ManifestError`]; the format's version is looked at first, so that a
    /// newer manifest is not reported as a broken one.
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        let value: Value = serde_json::from_str(text)?;
        let version = value.get("schemaVersion");
        if version.and_then(Value::as_u64) != Some(SCHEMA_VERSION) {
            let found = version.map_or_else(|| "nothing".to_owned(), Value::to_string);
            return Err(ManifestError::Version { found });
        }
        let manifest: Self = serde_json::from_value(value)?;
        manifest.validated()
    }

    /// The manifest as JSON text: two spaces, a newline at the end.
    ///
    /// # Errors
    /// None in practice: every value is JSON already.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The manifest, if it describes something that can run and be deployed.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] with every problem found.
    pub fn validated(self) -> Result<Self, ManifestError> {
        let problems = check::check(&self);
        if problems.is_empty() { Ok(self) } else { Err(ManifestError::Invalid { app: self.app, problems }) }
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The workflow of this name.
    pub fn workflow(&self, name: &str) -> Option<&Workflow> {
        self.workflows.iter().find(|workflow| workflow.name == name)
    }

    /// The binaries that serve the functions, as (package, binary), once each.
    pub fn binaries(&self) -> BTreeSet<(&str, &str)> {
        self.functions.iter().map(|f| (f.package.as_str(), f.binary.as_str())).collect()
    }
}

//! What a valid manifest is: names, AWS's limits, references that resolve.

use std::collections::BTreeSet;
use std::fmt;

use super::{Access, Function, Manifest, ResourceKind, Trigger, Workflow};
use crate::hash::sha256_hex;

/// AWS Lambda quota: characters of a function name.
const FUNCTION_NAME_CHARACTERS_MAX: usize = 64;
/// AWS Lambda quota: memory of a function in MiB.
const MEMORY_MIB: std::ops::RangeInclusive<u32> = 128..=10_240;
/// AWS Lambda quota: timeout of a function in seconds.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<u32> = 1..=900;
/// AWS Lambda quota: all environment variables of a function together, in bytes.
const ENVIRONMENT_BYTES_MAX: usize = 4_096;
/// AWS Step Functions quota: characters of a state machine name.
const STATE_MACHINE_NAME_CHARACTERS_MAX: usize = 80;
/// AWS Step Functions quota: bytes of a definition.
const DEFINITION_BYTES_MAX: usize = 1_048_576;
/// `EventBridge`: characters of the name of a schedule, a rule or a pipe.
const TRIGGER_NAME_CHARACTERS_MAX: usize = 64;
/// SQS: characters of the name of a queue.
const QUEUE_NAME_CHARACTERS_MAX: usize = 80;
/// Ours: the longest application, bucket or secret name, so that the names made of it fit.
const NAME_CHARACTERS_MAX: usize = 40;

/// One thing wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `function reference-parse`.
    pub place: String,
    /// What, and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Every problem, in the order of the manifest.
pub(super) fn check(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    if !is_name(&manifest.app, NAME_CHARACTERS_MAX) {
        problems.add("app", name_rule(&manifest.app, NAME_CHARACTERS_MAX));
    }
    unique(&mut problems, "workflow", manifest.workflows.iter().map(|workflow| workflow.name.as_str()));
    unique(&mut problems, "function", manifest.functions.iter().map(|function| function.name.as_str()));
    for (kind, names) in [("bucket", &manifest.buckets), ("secret", &manifest.secrets)] {
        unique(&mut problems, kind, names.iter().map(String::as_str));
        for name in names.iter().filter(|name| !is_name(name, NAME_CHARACTERS_MAX)) {
            problems.add(&format!("{kind} {name}"), name_rule(name, NAME_CHARACTERS_MAX));
        }
    }
    let triggers = || manifest.workflows.iter().flat_map(|workflow| &workflow.triggers);
    unique(&mut problems, "trigger", triggers().map(Trigger::name));
    let queues = triggers().filter_map(|trigger| match trigger {
        Trigger::Queue { queue, .. } => Some(queue.as_str()),
        Trigger::Schedule { .. } | Trigger::Objects { .. } => None,
    });
    unique(&mut problems, "queue", queues);
    manifest.workflows.iter().for_each(|workflow| check_workflow(&mut problems, manifest, workflow));
    manifest.functions.iter().for_each(|function| check_function(&mut problems, manifest, function));
    problems.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, place: &str, message: impl Into<String>) {
        self.0.push(Problem { place: place.to_owned(), message: message.into() });
    }
}

fn check_workflow(problems: &mut Problems, manifest: &Manifest, workflow: &Workflow) {
    let place = format!("workflow {}", workflow.name);
    let characters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let length = workflow.name.len();
    if length == 0 || length > STATE_MACHINE_NAME_CHARACTERS_MAX || !workflow.name.chars().all(characters) {
        problems.add(
            &place,
            format!("a name has 1 to {STATE_MACHINE_NAME_CHARACTERS_MAX} letters, digits, `-` and `_`"),
        );
    }
    if workflow.definition.len() > DEFINITION_BYTES_MAX {
        let bytes = workflow.definition.len();
        problems.add(&place, format!("the definition has {bytes} bytes, AWS accepts {DEFINITION_BYTES_MAX}"));
    }
    if workflow.definition_sha256 != sha256_hex(workflow.definition.as_bytes()) {
        problems.add(&place, "definitionSha256 is not the hash of the definition");
    }
    for function in workflow.functions.iter().filter(|name| manifest.function(name).is_none()) {
        problems.add(&place, format!("it calls `{function}`, which is not among the functions"));
    }
    if let Some(intake) = workflow.intake.as_ref().filter(|intake| !manifest.buckets.contains(&intake.bucket))
    {
        problems.add(&place, format!("its intake names bucket `{}`, which no step asks for", intake.bucket));
    }
    for function in &workflow.answers {
        let waits = manifest.function(function).is_some_and(|function| function.waits);
        let is_called = manifest.workflows.iter().any(|workflow| workflow.functions.contains(function));
        if !waits || !is_called {
            problems.add(
                &place,
                format!("it answers `{function}`, which waits in no workflow of this application"),
            );
        }
    }
    check_triggers(problems, manifest, workflow);
}

fn check_triggers(problems: &mut Problems, manifest: &Manifest, workflow: &Workflow) {
    let place = format!("workflow {}", workflow.name);
    let mut limited = |what: &str, name: &str, characters_max: usize| {
        if name.len() > characters_max {
            let length = name.len();
            problems.add(
                &place,
                format!(
                    "its {what} is called `{name}`, {length} characters, and AWS accepts {characters_max}: \
                     shorten the workflow's name or the queue's"
                ),
            );
        }
    };
    if !workflow.triggers.is_empty() {
        limited("queue", &crate::triggers::undelivered(workflow), QUEUE_NAME_CHARACTERS_MAX);
    }
    for trigger in &workflow.triggers {
        limited("trigger", trigger.name(), TRIGGER_NAME_CHARACTERS_MAX);
        if let Trigger::Queue { queue, .. } = trigger {
            limited("queue", queue, QUEUE_NAME_CHARACTERS_MAX);
        }
    }
    for trigger in &workflow.triggers {
        if let Trigger::Objects { bucket, .. } = trigger
            && !manifest.buckets.contains(bucket)
        {
            problems.add(&place, format!("objects in `{bucket}` start it, which is not listed as a bucket"));
        }
    }
}

fn check_function(problems: &mut Problems, manifest: &Manifest, function: &Function) {
    let place = format!("function {}", function.name);
    if !is_name(&function.name, FUNCTION_NAME_CHARACTERS_MAX) {
        problems.add(&place, name_rule(&function.name, FUNCTION_NAME_CHARACTERS_MAX));
    }
    if function.name != format!("{}-{}", manifest.app, function.step) {
        problems.add(&place, format!("it serves step `{}`, so its name is `<app>-<step>`", function.step));
    }
    if !MEMORY_MIB.contains(&function.memory_mib) {
        problems.add(&place, format!("{} MiB of memory: AWS offers 128 to 10,240", function.memory_mib));
    }
    if !TIMEOUT_SECONDS.contains(&function.timeout_seconds) {
        problems.add(&place, format!("a timeout of {} s: AWS offers 1 to 900", function.timeout_seconds));
    }
    let bytes: usize = function.environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        problems.add(&place, format!("{bytes} bytes of environment: AWS accepts {ENVIRONMENT_BYTES_MAX}"));
    }
    if function.binary.is_empty() || function.binary.contains(['/', '\\', '\0']) || function.binary == ".." {
        problems.add(&place, format!("`{}` is not the name of a binary", function.binary));
    }
    for grant in &function.grants {
        let (known, kind, fits) = match grant.kind {
            ResourceKind::Bucket => (&manifest.buckets, "bucket", grant.access != Access::Use),
            ResourceKind::Secret => (&manifest.secrets, "secret", grant.access == Access::Use),
        };
        if !known.contains(&grant.name) {
            problems.add(&place, format!("it asks for {kind} `{}`, which is not listed", grant.name));
        }
        if !fits {
            problems.add(&place, format!("{:?} is not an access to a {kind}", grant.access));
        }
    }
}

fn unique<'a>(problems: &mut Problems, kind: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for name in names.filter(|name| !seen.insert(*name)).collect::<BTreeSet<_>>() {
        problems.add(&format!("{kind} {name}"), "the name is taken twice");
    }
}

/// Lower case letters, digits and single `-`, starting with a letter: what
/// every AWS name, environment variable and logical id can be made of, each
/// name giving another one.
fn is_name(name: &str, characters_max: usize) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    starts_well
        && name.len() <= characters_max
        && name.chars().all(allowed)
        && !name.ends_with('-')
        && !name.contains("--")
}

fn name_rule(name: &str, characters_max: usize) -> String {
    format!(
        "`{name}` is not a name: up to {characters_max} lower case letters, digits and single `-`, \
         a letter first"
    )
}

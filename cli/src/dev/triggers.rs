//! What starts executions of `dev`: what the workflows declare, and `--triggers`, a file.

use std::path::{Path, PathBuf};

use engine::Engine;
use infra::Manifest;
use serde_json::{Map, Value, json};
use server::Stores;

use crate::problem::Problem;
use crate::text;

/// Makes what the workflows of a project declare, or changes what is there.
pub(super) fn put_declared(stores: &Stores, engine: &Engine, manifest: &Manifest) -> Result<(), Problem> {
    let (region, account) = engine.region_and_account();
    let Some(document) = infra::triggers::local(manifest, region, account) else { return Ok(()) };
    let put = stores.put_triggers(&document);
    put.map(drop).map_err(|error| Problem::Usage {
        message: format!("{}: {}", named(&document, &error.place), text::safe(error.problem.trim_end())),
        hint: "correct the `.every(..)`, `.on_objects(..)` or `.on_queue(..)` of that workflow".to_owned(),
    })
}

/// `Schedules[0].ScheduleExpression` as `monthly-schedule-1, ScheduleExpression`.
fn named(document: &Value, place: &str) -> String {
    let found = || {
        let (list, rest) = place.split_once('[')?;
        let (at, member) = rest.split_once(']')?;
        let item = document.get(list)?.get(at.parse::<usize>().ok()?)?;
        let name = ["Name", "QueueName"].iter().find_map(|name| item.get(name)?.as_str())?;
        let member = member.trim_start_matches('.');
        Some(if member.is_empty() { name.to_owned() } else { format!("{name}, {member}") })
    };
    found().unwrap_or_else(|| place.to_owned())
}

/// What starts the workflows of a project, for whoever starts `dev`.
pub(super) fn declared(manifest: &Manifest) -> Vec<Value> {
    let mut declared = Vec::new();
    for workflow in &manifest.workflows {
        for trigger in &workflow.triggers {
            let mut shown = Map::new();
            shown.insert("starts".to_owned(), json!(workflow.name));
            shown.insert("by".to_owned(), json!(trigger.to_string()));
            shown.insert("name".to_owned(), json!(trigger.name()));
            declared.push(Value::Object(shown));
        }
    }
    declared
}

/// A file of triggers that was read.
pub(super) struct Triggers {
    file: PathBuf,
    document: Value,
}

/// Reads a file: JSON if its name ends so, else TOML.
pub(super) fn read(file: &Path) -> Result<Triggers, Problem> {
    let written = std::fs::read_to_string(file)
        .map_err(|source| Problem::file("the file of triggers cannot be read:", file.to_owned(), source))?;
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let document = if is_json {
        serde_json::from_str(&written).map_err(|error| error.to_string())
    } else {
        toml::from_str(&written).map_err(|error| error.to_string())
    };
    let file = file.to_owned();
    match document {
        Ok(document) => Ok(Triggers { file, document }),
        Err(detail) => Err(refused(&file, &detail, NOTHING_PUT)),
    }
}

impl Triggers {
    /// Makes what the file has, or changes what is there.
    pub(super) fn put(&self, stores: &Stores) -> Result<(), Problem> {
        match stores.put_triggers(&self.document) {
            Ok(_) => Ok(()),
            Err(error) => {
                let hint = if error.is_partly_put { PARTLY_PUT } else { NOTHING_PUT };
                Err(refused(&self.file, &error.to_string(), hint))
            }
        }
    }
}

const NOTHING_PUT: &str = "docs/triggers.md shows the form of the file; nothing of it was put";
const PARTLY_PUT: &str = "the file is right, and its first part was put: see to what the log says of queues and events, \
                          then start again, which puts the rest";

fn refused(file: &Path, detail: &str, hint: &str) -> Problem {
    Problem::Usage {
        message: format!("{}: {}", file.display(), text::safe(detail.trim_end())),
        hint: hint.to_owned(),
    }
}

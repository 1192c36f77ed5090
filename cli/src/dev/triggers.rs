//! `dev --triggers`: what starts executions, from a file.

use std::path::{Path, PathBuf};

use serde_json::Value;
use server::Stores;

use crate::problem::Problem;
use crate::text;

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

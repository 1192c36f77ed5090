//! The step `keep_revision`: reference data, as numbered revisions of which one
//! is in force.
//!
//! What has a scope (the matrices of a year) has one revision in force for each.
//! The same content again changes nothing; other content is another revision,
//! and the one before stops being in force in the same transaction. Whoever
//! calculated with it still finds it.

use std::collections::BTreeMap;
use std::io::BufReader;

use database::{CoreViewUrl, Database, Purpose, Value as Cell, migrations};
use feed::rows::{RowReader, RowsColumn};
use feed::spec::Outcome;
use feed::{Drops, Parsed, Staging, Value, Warned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, Use, step};

use crate::failure::{of_objects, of_rows, of_the_configuration, of_the_database};
use crate::tables::{ROWS_PER_CHUNK, end, reference, signed, unsigned};
use crate::{clock, customer, layout};

/// Longest name of a scope.
const SCOPE_BYTES_MAX: usize = 200;

/// What is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct KeepRequest {
    /// The customer's `customer.toml`.
    pub configuration: ObjectRef,
    /// The reference's name there.
    pub name: String,
    /// What parsing left behind.
    pub parsed: Parsed,
    /// The file that was parsed.
    pub file: ObjectRef,
    /// The spec it was parsed with.
    pub spec: ObjectRef,
    /// The execution that asks.
    pub execution_arn: String,
}

/// The revision in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Revision {
    /// The reference's name.
    pub name: String,
    /// What it is in force for, such as `year=2024`; empty for everything.
    pub scope: String,
    /// 1 for the first revision of name and scope, one more for each that came after.
    pub number: u64,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of the rows.
    pub sha256: String,
    /// Whether this content had been in force before this execution.
    pub unchanged: bool,
    /// What deserves a look, by code.
    pub warnings: BTreeMap<String, Warned>,
}

/// The warning of a revision that has fewer rows than the one it replaces.
const FEWER_ROWS: &str = "FEWER_ROWS";

/// Why nothing was kept.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "KeepRevision"]
pub enum KeepError {
    /// `customer.toml` has mistakes, or does not know the reference.
    #[message("{detail}")]
    Configuration {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// The file has no rows, or rows of several scopes.
    #[message("{detail}")]
    BadScope {
        /// What was found, and what to do.
        detail: String,
    },
    /// The stored rows are not what the parser writes.
    #[message("{detail}")]
    Damaged {
        /// What happened and what to do.
        detail: String,
    },
    /// The objects cannot be read.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
    /// The database is down or cannot be reached.
    #[message("{detail}")]
    Unavailable {
        /// What happened and what to do.
        detail: String,
    },
    /// The database is busy.
    #[message("{detail}")]
    Throttled {
        /// What happened and what to do.
        detail: String,
    },
    /// The database refuses the step.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do.
        detail: String,
    },
}

of_objects!(KeepError);
of_rows!(KeepError);
of_the_configuration!(KeepError);
of_the_database!(KeepError);

/// Keeps reference data as a revision, and puts it in force for its scope. The
/// same content again changes nothing.
#[step(memory = 512, timeout = 300)]
pub async fn keep_revision(
    request: KeepRequest,
    drops: Read<Drops>,
    staging: Read<Staging>,
    coreview: Use<CoreViewUrl>,
) -> Result<Revision, KeepError> {
    let customer = customer::read(&drops, &request.configuration)?;
    let Some(files) = customer.reference(&request.name) else {
        let detail = format!(
            "{} has no [[references]] with the name `{}`; add it",
            customer::name_of(&request.configuration.key),
            request.name.escape_debug()
        );
        return Err(KeepError::Configuration { detail });
    };
    let scope = scope_of(&request, &files.scope, &staging)?;
    // Before the transaction: an object that comes slowly keeps nobody waiting.
    let reader = RowReader::new(BufReader::new(staging.get(&request.parsed.rows)?))?;
    let mut database = database::warm(coreview.value()).await?;
    migrations::apply(&mut database).await?;
    database.begin(Purpose::Write).await?;
    let outcome = keep_in_transaction(&mut database, &request, &scope, reader).await;
    end(&mut database, outcome).await
}

async fn keep_in_transaction(
    database: &mut impl Database,
    request: &KeepRequest,
    scope: &str,
    mut reader: RowReader<BufReader<std::fs::File>>,
) -> Result<Revision, KeepError> {
    let latest = reference::count(database, &request.name, scope).await?;
    let sha256 = &request.parsed.rows.sha256;
    let revision = |number: i64, rows, unchanged, warnings| Revision {
        name: request.name.clone(),
        scope: scope.to_owned(),
        number: unsigned(Some(number)),
        rows,
        sha256: sha256.clone(),
        unchanged,
        warnings,
    };
    let active = reference::find_active(database, &request.name, scope).await?;
    if let Some(active) = active.as_ref().filter(|active| active.sha256 == *sha256) {
        // A repetition of this execution says what it said the first time.
        let unchanged = active.execution_arn != request.execution_arn;
        let said = serde_json::from_str(&active.warnings);
        let warnings = said.unwrap_or_else(|_| request.parsed.warnings.clone());
        return Ok(revision(active.number, active.rows, unchanged, warnings));
    }
    let layout = layout::note(database, &reader.header().columns).await?;
    let number = latest + 1;
    let rows = insert_rows(database, request, scope, number, &mut reader).await?;
    let mut warnings = request.parsed.warnings.clone();
    warnings.extend(active.and_then(|active| fewer(active.rows, rows)));
    let rest = vec![
        Cell::from(&**sha256),
        Cell::from(&*request.parsed.feed),
        Cell::from(layout),
        Cell::from(signed(rows)),
        Cell::from(&*request.file.key),
        Cell::from(&*request.file.sha256),
        Cell::from(&*request.spec.sha256),
        Cell::from(serde_json::to_string(&warnings).unwrap_or_default()),
        Cell::from(&*request.execution_arn),
        Cell::from(clock::now()),
    ];
    reference::enter(database, &request.name, scope, number, rest).await?;
    Ok(revision(number, rows, false, warnings))
}

/// A file that brings only what is new ends what it does not repeat, which nobody may have meant.
fn fewer(before: u64, now: u64) -> Option<(String, Warned)> {
    let rows = before.checked_sub(now).filter(|rows| *rows > 0)?;
    let first = format!(
        "the revision before had {before} rows and this one has {now}: what a file does not repeat is not in force any \
         more; give the reference a `scope` in customer.toml if its files are for parts of it"
    );
    Some((FEWER_ROWS.to_owned(), Warned { rows, first }))
}

async fn insert_rows(
    database: &mut impl Database,
    request: &KeepRequest,
    scope: &str,
    number: i64,
    reader: &mut RowReader<BufReader<std::fs::File>>,
) -> Result<u64, KeepError> {
    let mut row = vec![];
    let mut position = 0_i64;
    loop {
        let mut chunk = Vec::with_capacity(ROWS_PER_CHUNK);
        while chunk.len() < ROWS_PER_CHUNK {
            let Some(index) = reader.read(&mut row)? else { break };
            position += 1;
            let decided = reader.outcome(index);
            let accepted = decided.is_some_and(|decided| decided.outcome == Outcome::Accept);
            chunk.push(vec![
                Cell::from(&*request.name),
                Cell::from(scope),
                Cell::from(number),
                Cell::from(position),
                Cell::from(if accepted { "accepted" } else { "cancelled" }),
                Cell::from(decided.map_or("", |decided| &*decided.code)),
                Cell::from(reader.stored_values()),
            ]);
        }
        if chunk.is_empty() {
            return Ok(unsigned(Some(position)));
        }
        database.insert_many("reference_row", &reference::ROW_COLUMNS, &chunk).await?;
    }
}

/// What the rows are for: the one value each scope column has.
fn scope_of(request: &KeepRequest, columns: &[String], staging: &Read<Staging>) -> Result<String, KeepError> {
    let bad = |problem: String| KeepError::BadScope {
        detail: format!(
            "{}: {problem}; correct the file, or `scope` of the reference `{}` in {}",
            customer::name_of(&request.file.key),
            request.name,
            customer::name_of(&request.configuration.key)
        ),
    };
    let mut reader = RowReader::new(BufReader::new(staging.get(&request.parsed.rows)?))?;
    let places = places_of(&reader.header().columns, columns).map_err(&bad)?;
    let mut found: Option<Vec<Value>> = None;
    let mut row = vec![];
    while reader.read(&mut row)?.is_some() {
        let values: Vec<Value> = places.iter().filter_map(|place| row.get(*place).cloned()).collect();
        match &found {
            Some(first) if *first == values => {}
            Some(first) => {
                return Err(bad(format!(
                    "it has rows for {} and rows for {}, but one file is for one",
                    words(columns, first),
                    words(columns, &values)
                )));
            }
            None => found = Some(values),
        }
    }
    let Some(found) = found else { return Err(bad("it has no rows".to_owned())) };
    if let Some((name, _)) = columns.iter().zip(&found).find(|(_, value)| value.is_null()) {
        return Err(bad(format!("its rows have no `{name}`, which says what they are for")));
    }
    let scope = words(columns, &found);
    if scope.len() > SCOPE_BYTES_MAX || scope.chars().any(char::is_control) {
        return Err(bad(format!("its scope has control characters or more than {SCOPE_BYTES_MAX} bytes")));
    }
    Ok(scope)
}

fn places_of(columns: &[RowsColumn], names: &[String]) -> Result<Vec<usize>, String> {
    let place = |name: &String| {
        let found = columns.iter().position(|column| column.name == *name);
        found.ok_or_else(|| format!("its spec has no column `{name}`"))
    };
    names.iter().map(place).collect()
}

/// `year=2024, market=north`.
fn words(columns: &[String], values: &[Value]) -> String {
    let parts = columns.iter().zip(values).map(|(column, value)| format!("{column}={value}"));
    parts.collect::<Vec<_>>().join(", ")
}

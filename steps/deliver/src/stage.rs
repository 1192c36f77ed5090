//! The step `stage`: figures in, canonical batch out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;

use feed::Correction;
use rusqlite::{ErrorCode, OptionalExtension as _, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::{ObjectError, ObjectRef};
use stepwright::{Shape, StepError, Use, Write, step};

use crate::batch::{Batch, CHANNELS, ENTITY_KEY_BYTES_MAX, Entry, LINE_BYTES_MAX, Row, framed_sha256};
use crate::outbox::Outbox;
use crate::tally::{Tally, first_difference};
use crate::{CoreViewUrl, Staging};
use database::{DatabaseError, ErrorKind};

/// Names of workflows, feeds and periods are identifiers, not data.
const NAME_BYTES_MAX: usize = 200;

/// What is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct StageRequest {
    /// The workflow that delivers.
    pub workflow: String,
    /// How to deliver: `coreview-database`, `file-drop` or `https`.
    pub channel: String,
    /// The feed the figures were computed from.
    pub feed: String,
    /// The business period of the figures, such as `2024-06`.
    pub period: String,
    /// The market the figures are of, where a period has figures of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<String>,
    /// The figures: CSV in UTF-8 with a header line.
    pub figures: ObjectRef,
    /// The columns that identify a row.
    pub key_columns: Vec<String>,
    /// How many rows there must be.
    pub rows: u64,
    /// What columns must sum up to, as decimal texts: `commission` is a column's
    /// sum, `commission[currency=EUR]` its sum over the rows in that currency.
    pub totals: BTreeMap<String, String>,
    /// The execution that asks.
    pub execution_arn: String,
    /// Present when figures delivered for the same period and market are to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// With a correction: the last delivery that was known when it was looked at; absent when
    /// none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// Why figures were not staged.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Stage"]
pub enum StageError {
    /// The request names something that cannot be.
    #[message("{detail}")]
    BadRequest {
        /// What happened and what to do.
        detail: String,
    },
    /// The figures are not the CSV they should be.
    #[message("{detail}")]
    Malformed {
        /// What happened and what to do.
        detail: String,
    },
    /// Rows or sums are not what was announced.
    #[message("{detail}")]
    TotalsMismatch {
        /// What happened and what to do.
        detail: String,
    },
    /// The figures cannot be read or the batch cannot be written.
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

/// Stages figures: writes their canonical batch, checks its control totals and
/// notes it in the outbox. Doing it twice is doing it once.
#[step(memory = 512, timeout = 300)]
pub async fn stage(
    request: StageRequest,
    staging: Write<Staging>,
    coreview: Use<CoreViewUrl>,
) -> Result<Batch, StageError> {
    let batch = canonical_batch(request, &staging)?;
    let connection = database::warm(coreview.value()).await?;
    Outbox::open(connection).await?.note_staged(&batch).await?;
    Ok(batch)
}

/// The batch of a request, written into the bucket.
pub(crate) fn canonical_batch(request: StageRequest, staging: &Write<Staging>) -> Result<Batch, StageError> {
    check(&request)?;
    let figures = staging.get(&request.figures)?;
    let mut tally = Tally::of(request.totals.keys());
    let mut sorted = Sorted::new()?;
    read_figures(&request, figures, &mut tally, &mut sorted)?;
    compare(&request, &tally)?;

    let batch = write_batch(&request, staging, &sorted, tally.rows())?;
    let mut staged = Batch {
        delivery_id: String::new(),
        channel: request.channel,
        workflow: request.workflow,
        feed: request.feed,
        period: request.period,
        market: request.market,
        batch_sha256: batch.sha256.clone(),
        batch,
        rows: tally.rows(),
        totals: tally.totals(),
        execution_arn: request.execution_arn,
        replaces: request.correction.as_ref().and(request.replaces),
        correction: request.correction,
    };
    staged.delivery_id = staged.identity();
    Ok(staged)
}

fn check(request: &StageRequest) -> Result<(), StageError> {
    let bad = |detail: String| Err(StageError::BadRequest { detail });
    let reason = request.correction.as_ref().map(|correction| ("reason", correction.reason.as_str()));
    let names = [("workflow", &*request.workflow), ("feed", &*request.feed), ("period", &*request.period)];
    let market = request.market.as_deref().map(|market| ("market", market));
    let replaces = request.replaces.as_deref().map(|delivery| ("replaces", delivery));
    for (field, name) in names.into_iter().chain(market).chain(reason).chain(replaces) {
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return bad(format!("`{field}` is empty or has control characters; set it in the request"));
        }
        if field != "reason" && name.len() > NAME_BYTES_MAX {
            return bad(format!(
                "`{field}` is longer than {NAME_BYTES_MAX} bytes; shorten it in the request"
            ));
        }
    }
    if !CHANNELS.contains(&&*request.channel) {
        let channel = request.channel.escape_debug();
        return bad(format!("there is no channel `{channel}`; choose one of `{}`", CHANNELS.join("`, `")));
    }
    let distinct: BTreeSet<_> = request.key_columns.iter().collect();
    if request.key_columns.is_empty() || distinct.len() != request.key_columns.len() {
        return bad(
            "`key_columns` is empty or names a column twice; name the columns that identify a row".to_owned()
        );
    }
    Ok(())
}

/// Reads the CSV row by row into the sorter, summing on the way.
fn read_figures(
    request: &StageRequest,
    figures: File,
    tally: &mut Tally,
    sorted: &mut Sorted,
) -> Result<(), StageError> {
    let malformed = |problem: String| StageError::Malformed {
        detail: format!(
            "figures `{}` of {} {}: {problem}; the step that computes them must put it right",
            request.figures.key, request.feed, request.period
        ),
    };
    let mut reader = csv::Reader::from_reader(figures);
    let header = reader.headers().map_err(|error| malformed(error.to_string()))?.clone();
    check_header(request, &header, tally).map_err(&malformed)?;

    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| malformed(error.to_string()))? {
        let line = record.position().map_or(0, csv::Position::line);
        let at_line = |problem: String| malformed(format!("line {line}: {problem}"));
        let mut entry = Entry { entity: BTreeMap::new(), figures: BTreeMap::new() };
        for (column, value) in header.iter().zip(&record) {
            let is_key = request.key_columns.iter().any(|key| key == column);
            let part = if is_key { &mut entry.entity } else { &mut entry.figures };
            part.insert(column.to_owned(), value.to_owned());
        }
        tally.add(&entry).map_err(|error| at_line(error.to_string()))?;
        if let Some(part) = tally.uncovered(&entry) {
            return Err(at_line(format!("no control total `{part}` covers it")));
        }
        let row = entry.to_row();
        if row.entity_key.len() > ENTITY_KEY_BYTES_MAX {
            return Err(at_line(format!("its key columns have more than {ENTITY_KEY_BYTES_MAX} bytes")));
        }
        if row.line().len() > LINE_BYTES_MAX {
            return Err(at_line(format!("it has more than {LINE_BYTES_MAX} bytes")));
        }
        if let Some(first) = sorted.insert(&row, line)? {
            return Err(at_line(format!("the same {} as line {first}", request.key_columns.join(", "))));
        }
    }
    Ok(())
}

fn check_header(request: &StageRequest, header: &csv::StringRecord, tally: &Tally) -> Result<(), String> {
    let columns: BTreeSet<&str> = header.iter().collect();
    if columns.len() != header.len() {
        return Err("line 1: two columns have the same name".to_owned());
    }
    if let Some(missing) = request.key_columns.iter().find(|key| !columns.contains(key.as_str())) {
        return Err(format!("line 1: there is no key column `{missing}`"));
    }
    match tally.without_column(|column| columns.contains(column)) {
        Some(total) => Err(format!("line 1: there is no column for the control total `{total}`")),
        None => Ok(()),
    }
}

fn compare(request: &StageRequest, tally: &Tally) -> Result<(), StageError> {
    let mismatch = |problem: String| StageError::TotalsMismatch {
        detail: format!(
            "figures `{}` of {} {}: {problem}; compute them again from the accepted rows",
            request.figures.key, request.feed, request.period
        ),
    };
    if tally.rows() != request.rows {
        return Err(mismatch(format!("{} rows instead of the announced {}", tally.rows(), request.rows)));
    }
    let totals = tally.totals();
    match first_difference(&request.totals, &totals) {
        None => Ok(()),
        Some(name) => {
            let text = |totals: &BTreeMap<String, String>| totals.get(&name).cloned().unwrap_or_default();
            Err(mismatch(format!(
                "`{name}` sums up to {} instead of the announced {}",
                text(&totals),
                text(&request.totals)
            )))
        }
    }
}

fn write_batch(
    request: &StageRequest,
    staging: &Write<Staging>,
    sorted: &Sorted,
    rows: u64,
) -> Result<ObjectRef, StageError> {
    // The batch follows from these alone, so the second time it is there already.
    let mut parts = vec!["stepwright batch 1", &request.figures.sha256];
    parts.extend(request.key_columns.iter().map(String::as_str));
    let mut writer = staging.create(&format!("batches/{}.jsonl", framed_sha256(&parts)))?;
    sorted.each(|row| {
        writer.write_all(row.line().as_bytes()).map_err(|error| StageError::StorageFailed {
            detail: format!("cannot write the batch of {} {}: {error}", request.feed, request.period),
        })
    })?;
    Ok(writer.finish(Some(rows))?)
}

/// Rows in the order of their keys' bytes, however many: they are kept in a
/// temporary database that SQLite spills to disk and deletes by itself.
struct Sorted {
    database: rusqlite::Connection,
}

impl Sorted {
    fn new() -> Result<Self, StageError> {
        // An empty name is a private file of its own.
        let database = rusqlite::Connection::open("").map_err(|error| spill(&error))?;
        database
            .execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768;
                 BEGIN;
                 CREATE TABLE row (entity_key TEXT PRIMARY KEY, figures TEXT NOT NULL, line INTEGER NOT NULL)
                 WITHOUT ROWID;",
            )
            .map_err(|error| spill(&error))?;
        Ok(Self { database })
    }

    /// The line that has the same key, if there is one.
    fn insert(&mut self, row: &Row, line: u64) -> Result<Option<i64>, StageError> {
        let inserted = self
            .database
            .prepare_cached("INSERT INTO row (entity_key, figures, line) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| {
                insert.execute(params![row.entity_key, row.figures, i64::try_from(line).unwrap_or_default()])
            });
        match inserted {
            Ok(_) => Ok(None),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => self
                .database
                .query_row("SELECT line FROM row WHERE entity_key = ?1", [&row.entity_key], |row| row.get(0))
                .optional()
                .map_err(|error| spill(&error)),
            Err(error) => Err(spill(&error)),
        }
    }

    fn each(&self, mut take: impl FnMut(&Row) -> Result<(), StageError>) -> Result<(), StageError> {
        let mut select = self
            .database
            .prepare("SELECT entity_key, figures FROM row ORDER BY entity_key")
            .map_err(|error| spill(&error))?;
        let mut rows = select.query([]).map_err(|error| spill(&error))?;
        while let Some(row) = rows.next().map_err(|error| spill(&error))? {
            let text = |column| row.get::<_, String>(column).map_err(|error| spill(&error));
            take(&Row { entity_key: text(0)?, figures: text(1)? })?;
        }
        Ok(())
    }
}

fn spill(error: &rusqlite::Error) -> StageError {
    StageError::StorageFailed {
        detail: format!(
            "cannot sort the figures in the directory for temporary files: {error}; free some space there"
        ),
    }
}

impl From<ObjectError> for StageError {
    fn from(error: ObjectError) -> Self {
        Self::StorageFailed { detail: error.to_string() }
    }
}

impl From<DatabaseError> for StageError {
    fn from(error: DatabaseError) -> Self {
        let detail = error.to_string();
        match error.kind {
            // Noting the same batch again changes nothing, so it is simply tried again.
            ErrorKind::Unavailable | ErrorKind::Unknown => Self::Unavailable { detail },
            ErrorKind::Throttled => Self::Throttled { detail },
            ErrorKind::Rejected | ErrorKind::Forbidden => Self::Rejected { detail },
        }
    }
}

#[cfg(test)]
mod tests;

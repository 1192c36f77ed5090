//! The examination of a journal: says what is wrong with it and which
//! executions that touches. Changes nothing, not even the files beside the
//! database, and goes on behind everything it cannot read.

mod history;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use asl::StateMachine;
use rusqlite::{Connection, Row};

use super::reader::Reader;
use super::schema::{self, FILE, FILES, JournalError, SCHEMA_VERSION};
use super::segment::decode;
use crate::database::{self, Depth, Holder, holder};
use crate::machine::{Fact, Record};
use crate::map_run::{Processors, child_definition};

/// Findings that are told one by one; the others are counted.
const FINDINGS_MAX: usize = 1_000;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// The files.
    File,
    /// Pages, tables and indexes of the database.
    Structure,
    /// State machines, versions, aliases, activities, tags, settings.
    Registry,
    /// A definition.
    Definition,
    /// An execution.
    Execution,
    /// A Map Run.
    MapRun,
}

impl Area {
    /// A word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Structure => "structure",
            Self::Registry => "registry",
            Self::Definition => "definition",
            Self::Execution => "execution",
            Self::MapRun => "mapRun",
        }
    }
}

/// Something that is not as an engine leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// Which one, e.g. the ARN of the execution; empty if there is only one.
    pub subject: String,
    /// What is wrong.
    pub problem: String,
}

/// What an examination looked at, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examination {
    /// The version of the schema.
    pub schema: i64,
    /// Executions that were read.
    pub executions: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Records that were read.
    pub records: u64,
    /// What is wrong, at most 1,000 findings.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond these.
    pub more_findings: u64,
}

impl Examination {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn found(&mut self, area: Area, subject: &str, problem: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            let subject = subject.to_owned();
            self.findings.push(Finding { area, subject, problem: problem.into() });
        } else {
            self.more_findings += 1;
        }
    }
}

/// Examines a journal: that of a data directory, also while an engine writes it,
/// or a file, e.g. a backup. An error says that there is no journal to examine.
pub fn examine(directory_or_file: &Path) -> Result<Examination, JournalError> {
    let (directory, file) = if directory_or_file.is_dir() {
        (directory_or_file.to_path_buf(), directory_or_file.join(FILE))
    } else {
        let parent = directory_or_file.parent().map(Path::to_path_buf).unwrap_or_default();
        (parent, directory_or_file.to_path_buf())
    };
    let mut examination = Examination::default();
    let is_of_directory = file.file_name().is_some_and(|name| name == FILE);
    // Where only the log is gone, or the end of the database, the rest is examined all the same.
    if is_of_directory && let Err(gone @ JournalError::Gone { .. }) = database::check(&directory, FILES) {
        return Err(gone);
    }
    if !file.exists() {
        return Err(JournalError::Missing { directory });
    }
    let holder = if is_of_directory { Some(holder(&directory, FILES)) } else { None };
    if let Some(Holder::Nobody { lost_log: Some(JournalError::Damaged { detail, .. }), .. }) = &holder {
        let log = database::log_of(&file).display().to_string();
        examination.found(Area::File, &log, format!("the engine was killed: {detail}"));
    }
    let connection = match open(&file, matches!(holder, Some(Holder::Somebody))) {
        Ok(connection) => connection,
        Err(JournalError::Damaged { detail, .. }) => {
            examination.found(Area::Structure, "", format!("the database cannot be opened: {detail}"));
            return Ok(examination);
        }
        Err(error) => return Err(error),
    };
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    examination.schema = version.map_err(|source| JournalError::of(&file, "read the header of", source))?;
    if examination.schema == 0 && !examination.is_sound() {
        // All of it was in the log that is gone.
        return Ok(examination);
    }
    if examination.schema == 0 {
        return Err(JournalError::Missing { directory });
    }
    if let Err(JournalError::Damaged { detail, .. }) = database::check_length(&connection, &file) {
        examination.found(Area::File, &file.display().to_string(), detail);
    }
    // Everything is of one moment, whatever an engine commits meanwhile.
    if let Err(error) = connection.execute_batch("BEGIN") {
        examination.found(Area::Structure, "", format!("the database cannot be read: {error}"));
    }
    structure(&connection, &mut examination);
    match Reader::new(connection, file) {
        Ok(reader) => Doctor::new(&reader, &mut examination).contents(),
        Err(error) => examination.found(Area::Registry, "settings", error.to_string()),
    }
    drop(holder);
    Ok(examination)
}

/// Opens the database so that nothing changes.
fn open(file: &Path, is_in_use: bool) -> Result<Connection, JournalError> {
    let connection = database::open_unchanged(file, is_in_use)?;
    schema::check(&connection, file)?;
    Ok(connection)
}

/// Pages, rows and indexes, and whether the tables are those of this schema.
fn structure(connection: &Connection, examination: &mut Examination) {
    let wanted = if examination.schema == SCHEMA_VERSION { schema::blank().ok() } else { None };
    for fault in database::faults(connection, Depth::Indexes, wanted.as_ref()) {
        examination.found(Area::Structure, &fault.subject, fault.problem);
    }
}

/// The row of an execution, as far as it has to agree with its records.
struct ExecutionRow {
    arn: String,
    name: String,
    sha256: [u8; 32],
    map_run: Option<(i64, u64)>,
    stood: history::Stood,
}

/// Goes through what the tables hold.
struct Doctor<'a> {
    reader: &'a Reader,
    examination: &'a mut Examination,
    definitions: BTreeMap<[u8; 32], Option<Arc<StateMachine>>>,
    processors: Processors,
    last_millis: i64,
}

impl<'a> Doctor<'a> {
    fn new(reader: &'a Reader, examination: &'a mut Examination) -> Self {
        let (definitions, processors) = (BTreeMap::new(), Processors::new());
        Self { reader, examination, definitions, processors, last_millis: i64::MAX }
    }

    fn contents(mut self) {
        match self.reader.last_millis() {
            Ok(millis) => self.last_millis = millis,
            Err(error) => self.examination.found(Area::Registry, "settings", error.to_string()),
        }
        if self.examination.schema == SCHEMA_VERSION
            && let Err(error) = self.reader.store().contents()
        {
            self.examination.found(Area::Registry, "", error.to_string());
        }
        self.all_definitions();
        for id in self.ids() {
            self.execution(id);
        }
        self.strays();
    }

    /// Every definition has the SHA-256 of its key.
    fn all_definitions(&mut self) {
        let keys = self.reader.rows("SELECT sha256 FROM definitions", [], |row| row.get::<_, [u8; 32]>(0));
        match keys {
            Ok(keys) => {
                for key in keys {
                    self.definition(&key);
                }
            }
            Err(error) => self.examination.found(Area::Definition, "", error.to_string()),
        }
    }

    /// A definition that is as it was put; what is wrong with it is told once.
    fn definition(&mut self, sha256: &[u8; 32]) -> Option<Arc<StateMachine>> {
        if let Some(known) = self.definitions.get(sha256) {
            return known.clone();
        }
        let shown = crate::digest::hex(sha256);
        let parsed = match self.reader.definition("a state machine", sha256) {
            Ok(text) => StateMachine::parse_accepted(&text).map_err(|findings| findings.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let definition = match parsed {
            Ok(definition) => Some(Arc::new(definition)),
            Err(problem) => {
                self.examination.found(Area::Definition, &shown, problem);
                None
            }
        };
        self.definitions.insert(*sha256, definition.clone());
        definition
    }

    /// The numbers of all executions. Where the table cannot be walked, from both of its ends and
    /// from those of the table of segments.
    fn ids(&mut self) -> BTreeSet<i64> {
        let mut ids = BTreeSet::new();
        if self.walk("SELECT id FROM executions ORDER BY id", &mut ids).is_ok() {
            return ids;
        }
        for query in [
            "SELECT id FROM executions ORDER BY id DESC",
            "SELECT DISTINCT execution_id FROM segments ORDER BY 1",
            "SELECT DISTINCT execution_id FROM segments ORDER BY 1 DESC",
        ] {
            // Whatever stops a walk is told by the integrity check and by the executions themselves.
            let _ = self.walk(query, &mut ids);
        }
        ids
    }

    fn walk(&self, query: &str, ids: &mut BTreeSet<i64>) -> Result<(), JournalError> {
        self.reader
            .rows(query, [], |row| {
                ids.insert(row.get(0)?);
                Ok(())
            })
            .map(drop)
    }

    /// One execution: its row, its segments, and whether both tell the same.
    fn execution(&mut self, id: i64) {
        self.examination.executions += 1;
        let number = format!("execution number {id}");
        let row = match self.row(id) {
            Ok(Some(row)) => row,
            Ok(None) => return self.touched(&number, "it has no row, or its state machine has none"),
            Err(error) => return self.touched(&number, format!("its row cannot be read: {error}")),
        };
        let records = match self.records(id) {
            Ok(records) => records,
            Err(problem) => return self.touched(&row.arn, problem),
        };
        let problems = history::problems_of(&records, &row.stood, self.last_millis);
        for problem in &problems {
            self.touched(&row.arn, problem.as_str());
        }
        if problems.is_empty() {
            self.fold(&row, &records);
        }
    }

    fn touched(&mut self, subject: &str, problem: impl Into<String>) {
        self.examination.found(Area::Execution, subject, problem);
    }

    fn row(&self, id: i64) -> Result<Option<ExecutionRow>, JournalError> {
        let since = |version: i64, column: &'static str| {
            if self.examination.schema >= version { column } else { "NULL" }
        };
        let label = if self.examination.schema >= 3 {
            "(SELECT '/' || label FROM map_runs r WHERE r.id = e.map_run_id)"
        } else {
            "NULL"
        };
        let query = format!(
            "SELECT m.name || coalesce({label}, ''), e.name, e.sha256, e.status, e.start_millis, \
             e.stop_millis, {}, {}, {}, {} FROM executions e JOIN state_machines m ON m.id = e.machine_id \
             WHERE e.id = ?1",
            since(3, "e.map_run_id"),
            since(3, "e.map_number"),
            since(4, "e.events"),
            since(5, "e.error"),
        );
        Ok(self.reader.rows(&query, [id], |row| self.read_row(row))?.pop())
    }

    fn read_row(&self, row: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
        let (machine, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (region, account) = self.reader.region_and_account();
        let map_run = row.get::<_, Option<i64>>(6)?.zip(row.get::<_, Option<i64>>(7)?);
        Ok(ExecutionRow {
            arn: crate::arn::execution_arn(region, account, &machine, &name),
            name,
            sha256: row.get(2)?,
            map_run: map_run.map(|(run, number)| (run, number.cast_unsigned())),
            stood: history::Stood {
                status: row.get(3)?,
                start_millis: row.get(4)?,
                stop_millis: row.get(5)?,
                events: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
                error: row.get(9)?,
                notes_errors: self.examination.schema >= 5,
            },
        })
    }

    /// The records of all segments, which follow each other without a gap.
    fn records(&mut self, id: i64) -> Result<Vec<Record>, String> {
        let query =
            "SELECT first_record, records FROM segments WHERE execution_id = ?1 ORDER BY first_record";
        let segments: Vec<(i64, Vec<u8>)> = self
            .reader
            .rows(query, [id], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| format!("its segments cannot be read: {error}"))?;
        let mut records = Vec::new();
        for (first, bytes) in segments {
            self.examination.segments += 1;
            let (first, expected) = (first.cast_unsigned(), records.len() as u64);
            if first != expected {
                return Err(format!("segment {expected} is missing: the next one is {first}"));
            }
            let decoded =
                decode(id, first, &bytes).map_err(|problem| format!("segment {first}: {}", problem.0))?;
            self.examination.records += decoded.len() as u64;
            records.extend(decoded);
        }
        if records.is_empty() { Err("it has no segments".to_owned()) } else { Ok(records) }
    }

    /// The execution is a fold over its records, and the fold stands where the row says.
    fn fold(&mut self, row: &ExecutionRow, records: &[Record]) {
        if let Some(Fact::ExecutionStarted { started, .. }) = records.first().map(|record| &record.fact)
            && *started.name != *row.name
        {
            let problem = format!("its row calls it '{}', its first record '{}'", row.name, started.name);
            self.touched(&row.arn, problem);
        }
        let Some(mut definition) = self.definition(&row.sha256) else {
            return self.touched(&row.arn, "its definition is damaged");
        };
        if row.map_run.is_some() {
            if self.examination.schema != SCHEMA_VERSION {
                return;
            }
            match child_definition(self.reader, row.map_run, &definition, &mut self.processors) {
                Ok(Some((processor, _))) => definition = processor,
                Ok(None) => return self.touched(&row.arn, "its Map Run is missing"),
                Err(error) => return self.touched(&row.arn, error.to_string()),
            }
        }
        for problem in history::problems_of_fold(definition, records, &row.stood) {
            self.touched(&row.arn, problem);
        }
    }

    /// Rows that belong to nothing.
    fn strays(&mut self) {
        let has_map_runs = self.examination.schema >= 3;
        let strays = [
            (
                Area::Execution,
                true,
                "segments of an execution that has no row",
                "SELECT count(DISTINCT execution_id) FROM segments s \
              WHERE NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = s.execution_id)",
            ),
            (
                Area::MapRun,
                has_map_runs,
                "children of a Map Run that has no row",
                "SELECT count(*) FROM executions e WHERE e.map_run_id IS NOT NULL \
              AND NOT EXISTS (SELECT 1 FROM map_runs r WHERE r.id = e.map_run_id)",
            ),
            (
                Area::Execution,
                self.examination.schema >= 2,
                "executions of a revision that has no row",
                "SELECT count(*) FROM executions e WHERE e.revision IS NOT NULL AND NOT EXISTS \
              (SELECT 1 FROM revisions r WHERE r.machine_id = e.machine_id AND r.revision = e.revision)",
            ),
        ];
        for (area, applies, what, query) in strays {
            let count =
                if applies { self.reader.rows(query, [], |row| row.get::<_, i64>(0)) } else { continue };
            match count.map(|counts| counts.into_iter().next().unwrap_or_default()) {
                Ok(0) => {}
                Ok(count) => self.examination.found(area, "", format!("{what}: {count}")),
                Err(error) => self.examination.found(area, "", error.to_string()),
            }
        }
    }
}

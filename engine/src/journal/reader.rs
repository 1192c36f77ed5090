//! Reading the journal: descriptions, lists, histories, and what recovery needs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row};

use super::map_runs::status;
use super::schema::{self, FILE, FILES, JournalError, SCHEMA_VERSION};
use super::segment::decode;
use crate::arn::{execution_arn, execution_names, state_machine_arn, state_machine_name};
use crate::clock::{Clock, SystemClock};
use crate::database::{self, Lock};
use crate::machine::{Fact, HistoryEvent, Record, Status};
use crate::registry::{Revision, Store};

/// How many connections are kept for the next reader.
const IDLE_MAX: usize = 16;

/// An execution, as `DescribeExecution` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionDescription {
    /// ARN of the execution.
    pub execution_arn: String,
    /// ARN of the state machine.
    pub state_machine_arn: String,
    /// Name of the execution.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
    /// When it ended, in milliseconds since the epoch.
    pub stop_millis: Option<i64>,
    /// The JSON text of the input.
    pub input: String,
    /// The JSON text of the output of a success.
    pub output: Option<String>,
    /// The error of a failure.
    pub error: Option<String>,
    /// The cause of a failure.
    pub cause: Option<String>,
    /// `X-Amzn-Trace-Id` of the start.
    pub trace_header: Option<String>,
    /// The version of the state machine it was started with, if by a version or an alias.
    pub version: Option<u32>,
    /// The alias it was started with.
    pub alias: Option<String>,
    /// ARN of the Map Run whose child it is.
    pub map_run_arn: Option<String>,
    /// How many events its history has, once it has ended.
    pub events: u64,
    /// How often it was redriven.
    pub redrive_count: u32,
    /// When it was last redriven, in milliseconds since the epoch.
    pub redrive_millis: Option<i64>,
}

/// An execution, as `ListExecutions` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionSummary {
    /// ARN of the execution.
    pub execution_arn: String,
    /// ARN of the state machine.
    pub state_machine_arn: String,
    /// Name of the execution.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
    /// When it ended, in milliseconds since the epoch.
    pub stop_millis: Option<i64>,
    /// The version of the state machine it was started with, if by a version or an alias.
    pub version: Option<u32>,
    /// The alias it was started with.
    pub alias: Option<String>,
    /// ARN of the Map Run whose child it is.
    pub map_run_arn: Option<String>,
    /// Of a child: how many items it has.
    pub item_count: Option<u64>,
    /// The error of a failure.
    pub error: Option<String>,
    /// How often it was redriven.
    pub redrive_count: u32,
    /// When it was last redriven, in milliseconds since the epoch.
    pub redrive_millis: Option<i64>,
    /// Its number in the journal: tells executions of one millisecond apart.
    pub number: i64,
}

/// A state machine, as `DescribeStateMachine` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachineDescription {
    /// ARN of the state machine.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// The definition, byte for byte as it was put.
    pub definition: String,
    /// The definition's SHA-256, in hexadecimal digits.
    pub definition_sha256: String,
    /// The revision: 1 first.
    pub revision: u32,
    /// ARN of the role.
    pub role_arn: String,
    /// When the revision was put, in milliseconds since the epoch.
    pub created_millis: i64,
}

/// An execution that has not ended: what recovery starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenExecution {
    /// Its number in the journal.
    pub id: i64,
    /// ARN of the execution.
    pub execution_arn: String,
    /// SHA-256 of its definition.
    pub sha256: [u8; 32],
    /// The number of its state machine in the journal.
    pub machine_id: i64,
    /// Of a child: the number of its Map Run, and its own number there.
    pub map_run: Option<(i64, u64)>,
}

/// What an execution runs, and by which version or alias it was started.
#[derive(Debug)]
pub(crate) struct RevisionOfExecution {
    pub(crate) machine_id: i64,
    pub(crate) revision: Revision,
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<String>,
}

/// Reads a journal, also while an engine writes it. See [`Reader::open`].
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    region: String,
    account: String,
}

type Found<T> = Result<T, JournalError>;

/// Lets the database and its schema become what an engine would make of them.
fn bring_up_to_date(directory: &Path, path: &Path) -> Found<()> {
    // No engine may be at work on the tables while they change.
    let mut lock = Lock::acquire(directory, FILES)?;
    let connection = schema::open(path, SystemClock.now_millis())?;
    lock.log_goes();
    drop(connection);
    drop(lock);
    Ok(())
}

impl Reader {
    /// Opens the journal of a data directory for reading. It sees what was
    /// durable at the time of each call. A journal of an earlier release is
    /// brought up to date first. One that a part was taken away from, its log
    /// or its database, is refused, and what is left of it stays as it is.
    pub fn open(directory: &Path) -> Found<Self> {
        let path = directory.join(FILE);
        database::check(directory, FILES)?;
        // An empty one is not opened either: SQLite would lay files beside it.
        if std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
            return Err(JournalError::Missing { directory: directory.to_path_buf() });
        }
        let connection = match schema::open_read_only(&path) {
            // Somebody was killed while the journal was made: only who may write takes that back.
            Err(JournalError::Database { source, .. })
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) =>
            {
                bring_up_to_date(directory, &path)?;
                schema::open_read_only(&path)?
            }
            opened => opened?,
        };
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
        match version.map_err(|source| JournalError::of(&path, "read", source))? {
            0 => return Err(JournalError::Missing { directory: directory.to_path_buf() }),
            older if older < SCHEMA_VERSION => bring_up_to_date(directory, &path)?,
            _ => {}
        }
        Self::new(connection, path)
    }

    pub(crate) fn new(connection: Connection, path: PathBuf) -> Found<Self> {
        let setting = |name: &str| {
            let query = "SELECT value FROM settings WHERE name = ?1";
            connection
                .query_row(query, [name], |row| row.get::<_, String>(0))
                .optional()
                .map_err(|source| JournalError::of(&path, "read the settings", source))
        };
        let region = setting("region")?.unwrap_or_else(|| crate::arn::DEFAULT_REGION.to_owned());
        let account = setting("account")?.unwrap_or_else(|| crate::arn::DEFAULT_ACCOUNT.to_owned());
        Ok(Self { connection, path, region, account })
    }

    /// The region and the account of this journal's ARNs.
    pub fn region_and_account(&self) -> (&str, &str) {
        (&self.region, &self.account)
    }

    /// Describes an execution; `None` = there is none of this ARN.
    pub fn describe_execution(&self, arn: &str) -> Found<Option<ExecutionDescription>> {
        self.at_one_moment(|| self.describe(arn))
    }

    fn describe(&self, arn: &str) -> Found<Option<ExecutionDescription>> {
        let Some((id, summary)) = self.find(arn)? else { return Ok(None) };
        let (first, last) = self.edge_segments(id, arn, summary.status != Status::Running)?;
        let mut described = ExecutionDescription {
            execution_arn: summary.execution_arn,
            state_machine_arn: summary.state_machine_arn,
            name: summary.name,
            status: summary.status,
            start_millis: summary.start_millis,
            stop_millis: summary.stop_millis,
            input: String::new(),
            output: None,
            error: None,
            cause: None,
            trace_header: None,
            version: summary.version,
            alias: summary.alias,
            map_run_arn: summary.map_run_arn,
            events: 0,
            redrive_count: summary.redrive_count,
            redrive_millis: summary.redrive_millis,
        };
        if let Some(Fact::ExecutionStarted { started, .. }) = first.first().map(|record| &record.fact) {
            started.input.text().clone_into(&mut described.input);
            described.trace_header = started.trace_header.as_deref().map(str::to_owned);
        }
        let last = last.as_ref().unwrap_or(&first).last().filter(|_| summary.status != Status::Running);
        if let Some(event) = last.and_then(HistoryEvent::of) {
            described.events = event.id;
            described.output = event.output().map(str::to_owned);
            described.error = event.error().map(str::to_owned);
            described.cause = event.cause().map(str::to_owned);
        }
        Ok(Some(described))
    }

    /// The whole history of an execution; `None` = there is no such execution.
    pub fn execution_history(&self, arn: &str) -> Found<Option<Vec<HistoryEvent>>> {
        let page = self.history_page(arn, false, 0, usize::MAX, usize::MAX)?;
        Ok(page.map(|(events, _)| events))
    }

    /// A part of the history of an execution, in its order or reversed: at
    /// most `limit` events after the first `from`, and no more than the segment
    /// with which they are `bytes` long; and whether there are more. Memory
    /// holds this part and one segment, however long the history is.
    pub fn history_page(
        &self,
        arn: &str,
        reverse: bool,
        from: usize,
        limit: usize,
        bytes: usize,
    ) -> Found<Option<(Vec<HistoryEvent>, bool)>> {
        self.at_one_moment(|| {
            let Some((id, _)) = self.find(arn)? else { return Ok(None) };
            self.events(id, arn, reverse, (from, limit, bytes)).map(Some)
        })
    }

    fn events(
        &self,
        id: i64,
        arn: &str,
        reverse: bool,
        (from, limit, bytes_max): (usize, usize, usize),
    ) -> Found<(Vec<HistoryEvent>, bool)> {
        let order = if reverse { "DESC" } else { "ASC" };
        let query = format!("{SEGMENTS} ORDER BY first_record {order}");
        let failed = |source| self.failed(source);
        let mut statement = self.connection.prepare_cached(&query).map_err(failed)?;
        let mut rows = statement.query([id]).map_err(failed)?;
        // Where the next segment has to begin, or reversed to end; what is the last one of all only the rows know.
        let mut edge = (!reverse).then_some(0);
        let (mut skipped, mut events, mut held) = (0, Vec::new(), 0_usize);
        while let Some(row) = rows.next().map_err(failed)? {
            let first: u64 = row.get::<_, i64>(0).map_err(failed)?.cast_unsigned();
            let bytes: Vec<u8> = row.get(1).map_err(failed)?;
            let mut records = decode(id, first, &bytes).map_err(|problem| damaged(arn, first, problem.0))?;
            let end = first + records.len() as u64;
            let (here, next) = if reverse { (end, first) } else { (first, end) };
            if edge.is_some_and(|edge| edge != here) {
                return Err(damaged(arn, edge.unwrap_or_default(), "it is missing"));
            }
            edge = Some(next);
            if reverse {
                records.reverse();
            }
            for event in records.iter().filter_map(HistoryEvent::of) {
                if skipped < from {
                    skipped += 1;
                } else if events.len() < limit && held < bytes_max {
                    events.push(event);
                } else {
                    return Ok((events, true));
                }
            }
            if !events.is_empty() {
                held = held.saturating_add(bytes.len());
            }
        }
        match edge {
            None | Some(0) if events.is_empty() && skipped == 0 => Err(damaged(arn, 0, "it is missing")),
            _ => Ok((events, false)),
        }
    }

    /// All state machines in their current revision, by name.
    pub fn state_machines(&self) -> Found<Vec<StateMachineDescription>> {
        let query = format!("{MACHINES} ORDER BY m.name");
        self.rows(&query, [], |row| self.machine(row))?
            .into_iter()
            .map(|machine| self.with_definition(machine))
            .collect()
    }

    /// A state machine, by name or ARN.
    pub fn state_machine(&self, name_or_arn: &str) -> Found<Option<StateMachineDescription>> {
        let query = format!("{MACHINES} AND m.name = ?1");
        let machine = self.rows(&query, [state_machine_name(name_or_arn)], |row| self.machine(row))?.pop();
        machine.map(|machine| self.with_definition(machine)).transpose()
    }

    /// The definition an execution runs, byte for byte.
    pub fn definition_of(&self, execution_arn: &str) -> Found<Option<String>> {
        self.at_one_moment(|| {
            let Some((id, _)) = self.find(execution_arn)? else { return Ok(None) };
            let query = "SELECT sha256 FROM executions WHERE id = ?1";
            match self.rows(query, [id], |row| row.get(0))?.pop() {
                Some(sha256) => self.definition(execution_arn, &sha256).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Every execution that has not ended, oldest first.
    pub fn open_executions(&self) -> Found<Vec<OpenExecution>> {
        let query = format!("{OPEN} WHERE e.status = 0 ORDER BY e.id");
        self.rows(&query, [], |row| self.open_execution(row))
    }

    /// What an execution that has ended is taken up again from.
    pub(crate) fn openable(&self, id: i64) -> Found<Option<OpenExecution>> {
        let query = format!("{OPEN} WHERE e.id = ?1");
        Ok(self.rows(&query, [id], |row| self.open_execution(row))?.pop())
    }

    fn open_execution(&self, row: &Row<'_>) -> rusqlite::Result<OpenExecution> {
        let (machine, name): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(OpenExecution {
            id: row.get(0)?,
            execution_arn: execution_arn(&self.region, &self.account, &machine, &name),
            sha256: row.get(3)?,
            machine_id: row.get(4)?,
            map_run: row.get::<_, Option<i64>>(5)?.zip(row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned)),
        })
    }

    /// Everything the journal holds of an execution. A segment that is damaged
    /// or missing is an error.
    pub fn records(&self, id: i64, arn: &str) -> Found<Vec<Record>> {
        let query = format!("{SEGMENTS} ORDER BY first_record");
        let segments: Vec<(i64, Vec<u8>)> = self.rows(&query, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut records = Vec::new();
        for (first_record, bytes) in segments {
            let first_record = first_record.cast_unsigned();
            if first_record != records.len() as u64 {
                return Err(damaged(arn, records.len() as u64, "it is missing"));
            }
            records.extend(
                decode(id, first_record, &bytes).map_err(|problem| damaged(arn, first_record, problem.0))?,
            );
        }
        if records.is_empty() {
            return Err(damaged(arn, 0, "it is missing"));
        }
        Ok(records)
    }

    /// The definition of this SHA-256, for the execution or state machine that
    /// is named when it is missing or has another SHA-256.
    pub(crate) fn definition(&self, owner: &str, sha256: &[u8; 32]) -> Found<String> {
        let damaged = |problem| {
            let owner = owner.to_owned();
            JournalError::DamagedDefinition { owner, sha256: crate::digest::hex(sha256), problem }
        };
        // As bytes: what is damaged need not be text any more.
        let query = "SELECT CAST(text AS BLOB) FROM definitions WHERE sha256 = ?1";
        let bytes: Option<Vec<u8>> = self.rows(query, [sha256], |row| row.get(0))?.pop();
        let bytes = bytes.ok_or_else(|| damaged("it is missing"))?;
        if crate::digest::sha256(&bytes) != *sha256 {
            return Err(damaged("its SHA-256 is another one"));
        }
        String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))
    }

    pub(crate) fn last_millis(&self) -> Found<i64> {
        let query = "SELECT value FROM settings WHERE name = 'last_millis'";
        Ok(self.rows(query, [], |row| row.get(0))?.pop().unwrap_or(0))
    }

    /// The highest number of an execution so far.
    pub(crate) fn last_execution_id(&self) -> Found<i64> {
        let highest = self.rows("SELECT max(id) FROM executions", [], |row| row.get::<_, Option<i64>>(0))?;
        Ok(highest.into_iter().flatten().next().unwrap_or(0))
    }

    /// Whether a state machine has an execution of this name.
    pub(crate) fn has_execution(&self, machine_id: i64, name: &str) -> Found<bool> {
        let query = "SELECT 1 FROM executions WHERE machine_id = ?1 AND name = ?2";
        Ok(!self.rows(query, rusqlite::params![machine_id, name], |_| Ok(()))?.is_empty())
    }

    /// What is registered.
    pub(crate) fn store(&self) -> Store<'_> {
        Store { connection: &self.connection, path: &self.path }
    }

    /// The number of an execution's state machine, and the revision it runs. Older
    /// journals did not note the revision: it is the last one of these bytes then.
    pub(crate) fn revision_of_execution(&self, arn: &str) -> Found<Option<RevisionOfExecution>> {
        let Some((id, ExecutionSummary { version, alias, .. })) = self.find(arn)? else { return Ok(None) };
        let query = "SELECT e.machine_id, coalesce(e.revision, (SELECT max(r.revision) FROM revisions r \
                     WHERE r.machine_id = e.machine_id AND r.sha256 = e.sha256)) FROM executions e WHERE e.id = ?1";
        let found = self.rows(query, [id], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?.pop();
        let Some((machine_id, number)) = found else { return Ok(None) };
        let revision = self.store().revision(machine_id, number)?;
        Ok(revision.map(|revision| RevisionOfExecution { machine_id, revision, version, alias }))
    }

    pub(crate) fn find(&self, arn: &str) -> Found<Option<(i64, ExecutionSummary)>> {
        let Some((machine, name)) = execution_names(arn) else { return Ok(None) };
        // Children of Map Runs have the label behind the name of the state machine.
        let machine = machine.split('/').next().unwrap_or_default();
        let query = format!("SELECT {SUMMARY} WHERE {BY_NAMES} ORDER BY e.machine_id");
        let found = self.rows(&query, [machine, name], |row| self.summary(row))?.pop();
        Ok(found.filter(|(_, summary)| summary.execution_arn == arn))
    }

    /// The first segment, and the last one if it is wanted and another one.
    fn edge_segments(&self, id: i64, arn: &str, last: bool) -> Found<(Vec<Record>, Option<Vec<Record>>)> {
        let last = if last { Some(self.edge_segment(id, arn, LAST_SEGMENT)?) } else { None };
        match last {
            // Many executions are over in one commit.
            Some((0, only)) => Ok((only, None)),
            last => {
                let (_, first) = self.edge_segment(id, arn, FIRST_SEGMENT)?;
                Ok((first, last.map(|(_, records)| records)))
            }
        }
    }

    fn edge_segment(&self, id: i64, arn: &str, query: &str) -> Found<(u64, Vec<Record>)> {
        let segment: Option<(i64, Vec<u8>)> =
            self.rows(query, [id], |row| Ok((row.get(0)?, row.get(1)?)))?.pop();
        let Some((first_record, bytes)) = segment else { return Err(damaged(arn, 0, "it is missing")) };
        let first_record = first_record.cast_unsigned();
        let records =
            decode(id, first_record, &bytes).map_err(|problem| damaged(arn, first_record, problem.0))?;
        Ok((first_record, records))
    }

    pub(super) fn summary(&self, row: &Row<'_>) -> rusqlite::Result<(i64, ExecutionSummary)> {
        let (machine, name): (String, String) = (row.get(1)?, row.get(2)?);
        let summary = ExecutionSummary {
            execution_arn: execution_arn(&self.region, &self.account, &machine, &name),
            state_machine_arn: state_machine_arn(&self.region, &self.account, &machine),
            name,
            status: status(row.get(3)?)?,
            start_millis: row.get(4)?,
            stop_millis: row.get(5)?,
            version: row.get(6)?,
            alias: row.get(7)?,
            number: row.get(0)?,
            map_run_arn: row.get(8)?,
            item_count: row.get::<_, Option<i64>>(9)?.map(i64::cast_unsigned),
            redrive_count: row.get(10)?,
            redrive_millis: row.get(11)?,
            error: row.get(12)?,
        };
        Ok((summary.number, summary))
    }

    /// A state machine without its definition, and the SHA-256 of that.
    fn machine(&self, row: &Row<'_>) -> rusqlite::Result<(StateMachineDescription, [u8; 32])> {
        let name: String = row.get(0)?;
        let sha256: [u8; 32] = row.get(1)?;
        let described = StateMachineDescription {
            state_machine_arn: state_machine_arn(&self.region, &self.account, &name),
            name,
            definition: String::new(),
            definition_sha256: crate::digest::hex(&sha256),
            revision: row.get(2)?,
            role_arn: row.get(3)?,
            created_millis: row.get(4)?,
        };
        Ok((described, sha256))
    }

    fn with_definition(
        &self,
        (mut described, sha256): (StateMachineDescription, [u8; 32]),
    ) -> Found<StateMachineDescription> {
        described.definition = self.definition(&described.state_machine_arn, &sha256)?;
        Ok(described)
    }

    /// Everything that is read meanwhile is of one moment, whatever is written beside it.
    /// Within another such reading it is of that one's moment.
    pub(crate) fn at_one_moment<T, E: From<JournalError>>(
        &self,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.connection.is_autocommit() {
            return read();
        }
        let execute = |sql: &str| {
            let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
            done.map(drop).map_err(|source| self.failed(source))
        };
        execute("BEGIN DEFERRED")?;
        let result = read();
        let ended = execute("COMMIT");
        let value = result?;
        ended?;
        Ok(value)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> JournalError {
        JournalError::of(&self.path, "read", source)
    }

    pub(super) fn rows<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Found<Vec<T>> {
        let failed = |source| self.failed(source);
        let mut statement = self.connection.prepare_cached(query).map_err(failed)?;
        let rows = statement.query_map(parameters, read).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}

/// The columns that `summary` reads. The executions come first, so that an index of theirs gives the order.
pub(super) const SUMMARY: &str = "e.id, m.name || coalesce('/' || r.label, ''), e.name, \
     CASE WHEN e.pending_redrive = 1 THEN 5 ELSE e.status END, e.start_millis, e.stop_millis, e.version, \
     e.alias, r.arn, e.map_items, e.redrive_count, e.redrive_millis, e.error FROM executions e \
     CROSS JOIN state_machines m ON m.id = e.machine_id LEFT JOIN map_runs r ON r.id = e.map_run_id";

/// The executions of a name, of all state machines of a name.
pub(super) const BY_NAMES: &str =
    "e.machine_id IN (SELECT id FROM state_machines WHERE name = ?1) AND e.name = ?2";

/// The columns that `open_execution` reads.
const OPEN: &str = "SELECT e.id, m.name || coalesce('/' || r.label, ''), e.name, e.sha256, m.id, e.map_run_id, \
     e.map_number FROM executions e JOIN state_machines m ON m.id = e.machine_id \
     LEFT JOIN map_runs r ON r.id = e.map_run_id";

/// The records of an execution.
const SEGMENTS: &str = "SELECT first_record, records FROM segments WHERE execution_id = ?1";

const FIRST_SEGMENT: &str =
    "SELECT first_record, records FROM segments WHERE execution_id = ?1 ORDER BY first_record LIMIT 1";
const LAST_SEGMENT: &str =
    "SELECT first_record, records FROM segments WHERE execution_id = ?1 ORDER BY first_record DESC LIMIT 1";

/// The current revision of every state machine that was not deleted.
const MACHINES: &str = "SELECT m.name, r.sha256, r.revision, r.role_arn, r.created_millis \
     FROM state_machines m JOIN revisions r ON r.machine_id = m.id \
     WHERE m.deleted_millis IS NULL AND r.revision = (SELECT max(revision) FROM revisions WHERE machine_id = m.id)";

fn damaged(execution: &str, segment: u64, problem: &str) -> JournalError {
    JournalError::DamagedSegment { execution: execution.to_owned(), segment, problem: problem.to_owned() }
}

/// Readers for the engine's callers: opened when needed, kept for the next one.
#[derive(Debug)]
pub(crate) struct Readers {
    directory: PathBuf,
    /// `None`: the engine is being shut down, and none is kept.
    idle: Mutex<Option<Vec<Reader>>>,
}

impl Readers {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), idle: Mutex::new(Some(Vec::new())) }
    }

    pub(crate) fn with<T>(&self, read: impl FnOnce(&Reader) -> Found<T>) -> Found<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(Vec::pop);
        let reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.directory)?,
        };
        let result = read(&reader);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(idle) = idle.as_mut().filter(|idle| idle.len() < IDLE_MAX) {
            idle.push(reader);
        }
        result
    }

    /// Lets go of all readers: only the last connection that closes removes the write-ahead log,
    /// and only if it may write.
    pub(crate) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

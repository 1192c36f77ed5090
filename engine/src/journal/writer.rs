//! The writer thread: takes appends, commits many at once, releases their effects.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use rusqlite::{Connection, params};

use super::redrives::exactly_one;
use crate::crash::CrashPoints;
use crate::database::Lock;
use crate::machine::{Status, Text};

/// Executions per transaction. Measured: beyond this the throughput no longer grows.
const APPENDS_MAX: usize = 512;
/// Bytes of segments after which a checkpoint is asked for.
const CHECKPOINT_BYTES: usize = 4 << 20;

/// What an append takes in memory besides its segment: the message, its release, its effects.
const APPEND_OVERHEAD_BYTES: usize = 512;

/// What is released when an append is durable; dropped when it never will be.
pub(crate) type Release = Box<dyn FnOnce() + Send>;
/// A change that is not an append: a change of the registry.
pub(crate) type Change = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

/// The row of a new execution.
#[derive(Debug, Clone)]
pub(crate) struct NewExecution {
    pub(crate) machine_id: i64,
    pub(crate) revision: u32,
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<String>,
    pub(crate) name: Arc<str>,
    pub(crate) sha256: [u8; 32],
    pub(crate) start_millis: i64,
    /// Of a child: its Map Run, its number there, and how many items it has.
    pub(crate) map_run: Option<(i64, u64, u64)>,
    /// Of a child: where its last item is in a dataset of several objects, as JSON text.
    pub(crate) place: Option<String>,
}

/// The end of an execution.
#[derive(Debug, Clone)]
pub(crate) struct Closed {
    pub(crate) status: Status,
    pub(crate) millis: i64,
    /// How many events the history has.
    pub(crate) events: u64,
    pub(crate) error: Option<Text>,
}

/// New records of one execution.
pub(crate) struct Append {
    pub(crate) execution_id: i64,
    pub(crate) new: Option<NewExecution>,
    /// What else becomes durable with it, or not at all.
    pub(crate) change: Option<Change>,
    pub(crate) first_record: u64,
    pub(crate) segment: Vec<u8>,
    pub(crate) last_millis: i64,
    pub(crate) closed: Option<Closed>,
    pub(crate) release: Release,
}

impl Append {
    /// About what it takes in memory until it is durable.
    pub(crate) fn bytes(&self) -> usize {
        self.segment.len() + APPEND_OVERHEAD_BYTES
    }
}

/// What waits for the writer, in bytes. Shared by the writer and whoever sends.
#[derive(Debug, Default)]
pub(crate) struct Backlog(AtomicUsize);

impl Backlog {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn grow(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }

    fn shrink(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::SeqCst);
    }
}

/// What the writer is asked for, in order.
pub(crate) enum Message {
    Append(Box<Append>),
    Change(Change, Release),
    /// Answers when everything before is durable and released.
    Sync(SyncSender<()>),
    /// Write what came before, then end.
    Stop,
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Append(_) => "Append",
            Self::Change(..) => "Change",
            Self::Sync(_) => "Sync",
            Self::Stop => "Stop",
        })
    }
}

/// Why the writer ended.
pub(crate) enum End {
    /// It was asked to.
    Stopped,
    /// A crash point froze it.
    Frozen,
    /// The journal failed; never to be tried again.
    Failed(String),
}

/// Owns the only connection that writes, and the lock of the directory.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) lock: Lock,
    pub(crate) path: PathBuf,
    pub(crate) crash_points: Arc<CrashPoints>,
    pub(crate) checkpoint: SyncSender<()>,
    pub(crate) backlog: Arc<Backlog>,
}

impl Drop for Writer {
    /// However the writer ends, closing the database moves what is left of the log. The fields go in
    /// their order: the connection, then the lock.
    fn drop(&mut self) {
        self.lock.log_goes();
    }
}

/// What one transaction is made of, in the order in which it was sent.
#[derive(Default)]
struct Batch {
    work: Vec<Work>,
    appends: usize,
    append_bytes: usize,
    segment_bytes: usize,
    syncs: Vec<SyncSender<()>>,
    stop: bool,
}

enum Work {
    Append(Box<Append>),
    Change(Change, Release),
}

impl Writer {
    /// Works until it is told to stop, or cannot go on.
    pub(crate) fn run(mut self, messages: &Receiver<Message>) -> End {
        let mut unchecked_bytes = 0;
        while let Some(batch) = Batch::receive(messages) {
            let (stop, taken) = (batch.stop, batch.append_bytes);
            unchecked_bytes += batch.segment_bytes;
            let committed = self.commit(batch);
            self.backlog.shrink(taken);
            match committed {
                Ok(false) => {}
                Ok(true) => return End::Frozen,
                Err(error) => {
                    return End::Failed(format!("journal {}: commit: {error}", self.path.display()));
                }
            }
            if unchecked_bytes > CHECKPOINT_BYTES {
                // Full means that one is under way: the next commit asks again.
                if self.checkpoint.try_send(()).is_ok() {
                    unchecked_bytes = 0;
                }
            }
            if stop {
                break;
            }
        }
        End::Stopped
    }

    /// One transaction and its effects; `true` = frozen by a crash point.
    fn commit(&mut self, batch: Batch) -> rusqlite::Result<bool> {
        let Batch { work, syncs, .. } = batch;
        let mut releases: Vec<Release> = Vec::with_capacity(work.len());
        if !work.is_empty() {
            if self.crash_points.reach() {
                return Ok(true);
            }
            let transaction = self.connection.transaction()?;
            write_all(&transaction, work, &mut releases)?;
            if self.crash_points.reach() {
                return Ok(true);
            }
            transaction.commit()?;
            self.lock.committed(&self.connection);
            if self.crash_points.reach() {
                return Ok(true);
            }
        }
        for release in releases {
            release();
            if self.crash_points.reach() {
                return Ok(true);
            }
        }
        for sync in syncs {
            let _ = sync.send(());
        }
        Ok(false)
    }
}

impl Batch {
    /// Waits for a message and takes what else is there; `None` = nobody will send any more.
    fn receive(messages: &Receiver<Message>) -> Option<Self> {
        let mut batch = Self::default();
        let mut message = messages.recv().ok()?;
        loop {
            match message {
                Message::Append(append) => {
                    batch.appends += 1;
                    batch.append_bytes += append.bytes();
                    batch.segment_bytes += append.segment.len();
                    batch.work.push(Work::Append(append));
                }
                Message::Change(change, release) => batch.work.push(Work::Change(change, release)),
                Message::Sync(sync) => batch.syncs.push(sync),
                Message::Stop => batch.stop = true,
            }
            if batch.stop || batch.appends >= APPENDS_MAX {
                return Some(batch);
            }
            message = match messages.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Some(batch),
            };
        }
    }
}

/// The latest time of all records. Two executions take their time before they are in line here:
/// a later batch may hold the earlier time, and time must not run backwards after a restart.
const NOTE_LAST_MILLIS: &str = "INSERT INTO settings VALUES ('last_millis', ?1) \
     ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";

/// Writes everything in the order in which it was sent: what is released in
/// that order has become durable in it, too.
fn write_all(connection: &Connection, work: Vec<Work>, releases: &mut Vec<Release>) -> rusqlite::Result<()> {
    let mut last_millis = None;
    for work in work {
        match work {
            Work::Change(change, release) => {
                change(connection)?;
                releases.push(release);
            }
            Work::Append(mut append) => {
                if let Some(change) = append.change.take() {
                    change(connection)?;
                }
                write_append(connection, &append)?;
                last_millis = last_millis.max(Some(append.last_millis));
                releases.push(append.release);
            }
        }
    }
    if let Some(last_millis) = last_millis {
        connection.prepare_cached(NOTE_LAST_MILLIS)?.execute([last_millis])?;
    }
    Ok(())
}

/// The row of an execution, as far as it changes, and its new segment. One that
/// starts and ends in one append is written once.
fn write_append(connection: &Connection, append: &Append) -> rusqlite::Result<()> {
    let Append { execution_id, new, first_record, segment, closed, .. } = append;
    let (status, stop_millis, events, error) = match closed {
        Some(Closed { status, millis, events, error }) => {
            (*status, Some(*millis), Some(events.cast_signed()), error.as_deref())
        }
        None => (Status::Running, None, None, None),
    };
    if let Some(new) = new {
        let insert = "INSERT INTO executions (id, machine_id, name, sha256, status, start_millis, revision, version, \
                      alias, map_run_id, map_number, map_items, stop_millis, events, error, map_place) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
        connection.prepare_cached(insert)?.execute(params![
            execution_id,
            new.machine_id,
            new.name,
            new.sha256,
            status as i64,
            new.start_millis,
            new.revision,
            new.version,
            new.alias,
            new.map_run.map(|(id, _, _)| id),
            new.map_run.map(|(_, number, _)| number.cast_signed()),
            new.map_run.map(|(_, _, items)| items.cast_signed()),
            stop_millis,
            events,
            error,
            new.place
        ])?;
    } else if closed.is_some() {
        let close =
            "UPDATE executions SET status = ?2, stop_millis = ?3, events = ?4, error = ?5 WHERE id = ?1";
        let updated = connection.prepare_cached(close)?.execute(params![
            execution_id,
            status as i64,
            stop_millis,
            events,
            error
        ])?;
        exactly_one(updated)?;
    }
    connection.prepare_cached("INSERT INTO segments VALUES (?1, ?2, ?3)")?.execute(params![
        execution_id,
        first_record.cast_signed(),
        segment
    ])?;
    Ok(())
}

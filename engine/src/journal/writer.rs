//! The writer thread: takes appends, commits many at once, releases their effects.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use rusqlite::{Connection, params};

use super::lock::DirectoryLock;
use crate::crash::CrashPoints;
use crate::machine::Status;

/// Executions per transaction. Measured: beyond this the throughput no longer grows.
const APPENDS_MAX: usize = 512;
/// Bytes of segments after which a checkpoint is asked for.
const CHECKPOINT_BYTES: usize = 4 << 20;

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
    /// How and when the execution ended, and how many events its history has.
    pub(crate) closed: Option<(Status, i64, u64)>,
    pub(crate) release: Release,
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
    pub(crate) lock: DirectoryLock,
    pub(crate) path: PathBuf,
    pub(crate) crash_points: Arc<CrashPoints>,
    pub(crate) checkpoint: SyncSender<()>,
}

/// What one transaction is made of.
#[derive(Default)]
struct Batch {
    appends: Vec<Append>,
    changes: Vec<(Change, Release)>,
    syncs: Vec<SyncSender<()>>,
    stop: bool,
}

impl Writer {
    /// Works until it is told to stop, or cannot go on.
    pub(crate) fn run(mut self, messages: &Receiver<Message>) -> End {
        let mut unchecked_bytes = 0;
        while let Some(batch) = Batch::receive(messages) {
            let stop = batch.stop;
            unchecked_bytes += batch.appends.iter().map(|append| append.segment.len()).sum::<usize>();
            match self.commit(batch) {
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
        // Closing the database moves what is left of the log: the lock goes last.
        let Self { connection, lock, .. } = self;
        drop(connection);
        drop(lock);
        End::Stopped
    }

    /// One transaction and its effects; `true` = frozen by a crash point.
    fn commit(&mut self, batch: Batch) -> rusqlite::Result<bool> {
        let Batch { appends, changes, syncs, .. } = batch;
        let mut releases: Vec<Release> = Vec::with_capacity(appends.len() + changes.len());
        if !appends.is_empty() || !changes.is_empty() {
            if self.crash_points.reach() {
                return Ok(true);
            }
            let transaction = self.connection.transaction()?;
            for (change, release) in changes {
                change(&transaction)?;
                releases.push(release);
            }
            append_all(&transaction, appends, &mut releases)?;
            if self.crash_points.reach() {
                return Ok(true);
            }
            transaction.commit()?;
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
                Message::Append(append) => batch.appends.push(*append),
                Message::Change(change, release) => batch.changes.push((change, release)),
                Message::Sync(sync) => batch.syncs.push(sync),
                Message::Stop => batch.stop = true,
            }
            if batch.stop || batch.appends.len() >= APPENDS_MAX {
                return Some(batch);
            }
            message = match messages.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Some(batch),
            };
        }
    }
}

fn append_all(
    connection: &Connection,
    appends: Vec<Append>,
    releases: &mut Vec<Release>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO executions (id, machine_id, name, sha256, status, start_millis, revision, version, alias, \
         map_run_id, map_number, map_items, stop_millis) \
         VALUES (?1, ?2, ?3, ?4, ?12, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?13)",
    )?;
    let mut append = connection.prepare_cached("INSERT INTO segments VALUES (?1, ?2, ?3)")?;
    let mut close = connection
        .prepare_cached("UPDATE executions SET status = ?2, stop_millis = ?3, events = ?4 WHERE id = ?1")?;
    let mut last_millis = None;
    for Append {
        execution_id,
        new,
        change,
        first_record,
        segment,
        closed,
        release,
        last_millis: at_millis,
    } in appends
    {
        if let Some(change) = change {
            change(connection)?;
        }
        if let Some(new) = new {
            let NewExecution { machine_id, revision, version, alias, name, sha256, start_millis, map_run } =
                new;
            insert.execute(params![
                execution_id,
                machine_id,
                name,
                sha256,
                start_millis,
                revision,
                version,
                alias,
                map_run.map(|(id, _, _)| id),
                map_run.map(|(_, number, _)| number.cast_signed()),
                map_run.map(|(_, _, items)| items.cast_signed()),
                closed.map_or(Status::Running, |(status, ..)| status) as i64,
                closed.map(|(_, stop_millis, _)| stop_millis),
                closed.map(|(.., events)| events.cast_signed())
            ])?;
        } else if let Some((status, stop_millis, events)) = closed {
            close.execute(params![execution_id, status as i64, stop_millis, events.cast_signed()])?;
        }
        append.execute(params![execution_id, first_record.cast_signed(), segment])?;
        last_millis = last_millis.max(Some(at_millis));
        releases.push(release);
    }
    if let Some(last_millis) = last_millis {
        connection
            .prepare_cached("INSERT OR REPLACE INTO settings VALUES ('last_millis', ?1)")?
            .execute([last_millis])?;
    }
    Ok(())
}

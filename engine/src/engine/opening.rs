//! Opening a data directory: what is registered is read, every open execution
//! is folded from its records, the threads start, and what was under way goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;

use super::{Engine, EngineError, EngineOptions, STACK_BYTES};
use crate::arn::{execution_names, state_machine_arn};
use crate::crash::CrashPoints;
use crate::database::Lock;
use crate::journal::{self, JournalError, Message, OpenExecution, Reader, Writer};
use crate::machine::{Execution, Input};
use crate::map_run::{Processors, abort_orphans, child_definition};
use crate::scheduler::{Belonging, Job, Keeping, Parts, Scheduler, Slot, lock};

/// A state machine or an execution that could not be taken up from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its ARN.
    pub arn: String,
    /// What is wrong.
    pub problem: String,
}

impl Engine {
    /// Opens a data directory, recovers and resumes every open execution. Fails
    /// when another process has it open, or when the database is damaged. An
    /// execution whose own records or definition are damaged is left out and
    /// keeps no other one from going on: see [`Self::left_out`].
    pub fn open(options: EngineOptions) -> Result<Self, EngineError> {
        let lock = Lock::acquire(&options.data_dir, journal::FILES)?;
        let path = options.data_dir.join(journal::FILE);
        let connection = journal::open(&path, options.clock.now_millis())?;
        let reader = Self::settle_identity(&options, &path, &connection)?;
        let crash_points = Arc::new(CrashPoints::new(&options));
        let EngineOptions { data_dir, clock, task_host, objects, logs, observer, .. } = options;
        let EngineOptions { retention, backlog_bytes_max, takes_up, .. } = options;
        let (region, account) = reader.region_and_account();
        let (journal, messages) = channel();
        let (checkpoint, wanted) = sync_channel(1);
        let (express, jobs) = channel();
        let scheduler = Arc::new(Scheduler::new(Parts {
            directory: data_dir,
            region: region.to_owned(),
            account: account.to_owned(),
            clock,
            task_host,
            crash_points: Arc::clone(&crash_points),
            journal,
            express,
            logs,
            observer,
            objects,
            backlog_bytes_max,
            retention,
            last_id: reader.last_execution_id()?,
            last_millis: reader.last_millis()?,
        }));
        let engine = Self { scheduler };
        engine.load_registry(&reader)?;
        let recovered = engine.replay(&reader)?;
        let express = reader.store().express_starts()?;
        let orphans_are_possible = !reader.open_map_runs()?.is_empty();
        drop(reader);
        let backlog = Arc::clone(&engine.scheduler.backlog);
        let writer = Writer { connection, lock, path: path.clone(), crash_points, checkpoint, backlog };
        engine.spawn(writer, messages, wanted, jobs)?;
        if !takes_up {
            return Ok(engine);
        }
        for slot in recovered {
            engine.scheduler.input(&slot, Input::Recovered);
        }
        if orphans_are_possible {
            // Map Runs that are still wanted are under way again after this.
            engine.scheduler.sync()?;
            abort_orphans(&engine.scheduler)?;
        }
        engine.scheduler.expire_if_due();
        engine.restart_express(express)?;
        for entry in engine.scheduler.registry.deleting() {
            engine.scheduler.delete_if_idle(&entry);
        }
        Ok(engine)
    }

    /// A new journal takes region and account from the options; an old one has its own.
    fn settle_identity(
        options: &EngineOptions,
        path: &Path,
        connection: &rusqlite::Connection,
    ) -> Result<Reader, EngineError> {
        let insert = "INSERT OR IGNORE INTO settings VALUES ('region', ?1), ('account', ?2)";
        connection
            .execute(insert, (&options.region, &options.account))
            .map_err(|source| JournalError::of(path, "write the settings", source))?;
        Ok(Reader::open(&options.data_dir)?)
    }

    /// Reads what is registered. Every current definition is checked now, rather than at a start.
    fn load_registry(&self, reader: &Reader) -> Result<(), EngineError> {
        let contents = reader.store().contents()?;
        for entry in contents.machines.values() {
            let arn = state_machine_arn(&self.scheduler.region, &self.scheduler.account, &entry.name);
            if let Err(error) = reader.definition(&arn, &entry.current.sha256) {
                self.leave_out(&arn, error.into())?;
            }
        }
        self.scheduler.registry.replace(contents);
        Ok(())
    }

    /// Folds every open execution.
    fn replay(&self, reader: &Reader) -> Result<Vec<Arc<Slot>>, EngineError> {
        let mut slots = Vec::new();
        let mut processors = BTreeMap::new();
        for open in reader.open_executions()? {
            let arn = open.execution_arn.clone();
            let slot = match self.slot_of(reader, open, &mut processors) {
                Ok(slot) => slot,
                Err(error) => {
                    self.leave_out(&arn, error)?;
                    continue;
                }
            };
            lock(&self.scheduler.open).insert(&slot);
            slots.push(slot);
        }
        Ok(slots)
    }

    /// Goes on without something that is damaged on its own. Any other error is
    /// one of the whole journal.
    pub(crate) fn leave_out(&self, arn: &str, error: EngineError) -> Result<(), EngineError> {
        match &error {
            EngineError::Journal(
                JournalError::DamagedSegment { .. } | JournalError::DamagedDefinition { .. },
            )
            | EngineError::Replay { .. }
            | EngineError::InvalidDefinition { .. }
            | EngineError::InvalidExecutionInput { .. }
            | EngineError::ExecutionLimitExceeded => {
                tracing::error!(arn, %error, "left out: it does not go on, everything else does; `stepwright doctor` says more");
                let problem = error.to_string();
                lock(&self.scheduler.left_out).push(LeftOut { arn: arn.to_owned(), problem });
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// What was found damaged when the engine was opened: state machines that
    /// cannot be started, and executions that do not go on. Everything else does.
    pub fn left_out(&self) -> Vec<LeftOut> {
        lock(&self.scheduler.left_out).clone()
    }

    /// Folds an execution that is in the journal.
    pub(super) fn slot_of(
        &self,
        reader: &Reader,
        found: OpenExecution,
        processors: &mut Processors,
    ) -> Result<Arc<Slot>, EngineError> {
        let OpenExecution { id, execution_arn: arn, sha256, map_run, .. } = found;
        let text = reader.definition(&arn, &sha256)?;
        let name = execution_names(&arn).map_or(arn.as_str(), |(machine, _)| machine);
        let mut definition = self.parsed_as_accepted(name, &sha256, &text)?;
        let child = child_definition(reader, map_run, &definition, processors)?;
        if let Some((processor, _)) = &child {
            definition = Arc::clone(processor);
        }
        let records = reader.records(id, &arn)?;
        let execution = Execution::replay(definition, &records)
            .map_err(|source| EngineError::Replay { execution_arn: arn.clone(), source })?;
        self.scheduler.time.is_at_least(execution.last_millis());
        let Some(belonging) = self.belonging(reader, &arn)? else {
            return Err(EngineError::StateMachineDoesNotExist { name: name.to_owned() });
        };
        let count = records.len() as u64;
        let slot = Slot::new(id, arn.into(), execution, count, Keeping::Journal, belonging);
        if let Some((_, child_of)) = child {
            slot.set_child_of(child_of);
        }
        Ok(slot)
    }

    fn belonging(&self, reader: &Reader, execution_arn: &str) -> Result<Option<Belonging>, EngineError> {
        let Some(found) = reader.revision_of_execution(execution_arn)? else { return Ok(None) };
        let entry = self.scheduler.registry.entry_by_id(found.machine_id);
        Ok(entry.map(|entry| Belonging::new(&entry, &found.revision, found.version, found.alias.as_deref())))
    }

    /// Starts the engine's threads. They end when the last engine is gone.
    fn spawn(
        &self,
        writer: Writer,
        messages: Receiver<Message>,
        wanted: Receiver<()>,
        jobs: Receiver<Job>,
    ) -> Result<(), EngineError> {
        let (path, scheduler) = (writer.path.clone(), Arc::downgrade(&self.scheduler));
        let write = move || {
            let end = writer.run(&messages);
            drop(messages);
            if let Some(scheduler) = scheduler.upgrade() {
                scheduler.writer_ended(end);
            }
        };
        let timers = Arc::clone(&self.scheduler.timers);
        let (time, scheduler) = (Arc::clone(&self.scheduler.time), Arc::downgrade(&self.scheduler));
        let jumped = Arc::downgrade(&timers);
        time.on_jump(Arc::new(move || {
            if let Some(timers) = jumped.upgrade() {
                timers.clock_jumped();
            }
        }));
        let tick = move || {
            timers.run(
                || time.now_millis(),
                |(id, timer)| {
                    if let Some(scheduler) = scheduler.upgrade() {
                        scheduler.fire(id, timer);
                    }
                },
            );
        };
        let checkpoint = move || checkpoint(&path, &wanted);
        let express = move || jobs.iter().for_each(|job| job());
        let mut threads = lock(&self.scheduler.threads);
        let guard = || Some(StopGuard(Arc::downgrade(&self.scheduler)));
        threads.push(named_thread("stepwright-journal", guard(), write)?);
        threads.push(named_thread("stepwright-timers", guard(), tick)?);
        threads.push(named_thread("stepwright-express", guard(), express)?);
        threads.push(named_thread("stepwright-checkpoint", None, checkpoint)?);
        Ok(())
    }
}

/// Moves the write-ahead log into the database, beside the writer, so that no commit waits for it.
fn checkpoint(path: &Path, wanted: &Receiver<()>) {
    let mut connection = None;
    while wanted.recv().is_ok() {
        if connection.is_none() {
            let opened = rusqlite::Connection::open(path);
            connection = opened
                .inspect_err(|error| {
                    tracing::warn!(%error, "no connection for checkpoints of the journal; the next one tries again");
                })
                .ok();
        }
        if let Some(connection) = &connection {
            let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = done {
                tracing::warn!(%error, "a checkpoint of the journal failed; the next one tries again");
            }
        }
    }
}

/// Stops the engine when one of its threads is at its end, however that came.
struct StopGuard(Weak<Scheduler>);

impl Drop for StopGuard {
    fn drop(&mut self) {
        if let Some(scheduler) = self.0.upgrade() {
            scheduler.stop("a thread of the engine ended".to_owned());
        }
    }
}

fn named_thread(
    name: &str,
    guard: Option<StopGuard>,
    body: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, EngineError> {
    let body = move || {
        let _guard = guard;
        body();
    };
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    builder
        .spawn(body)
        .map_err(|error| EngineError::System { action: "start a thread", problem: error.to_string() })
}

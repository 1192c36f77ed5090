//! The engine's API: state machines, executions, histories.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, MutexGuard, Weak};
use std::thread;
use std::time::Duration;

use asl::{Diagnostics, StateMachine};

use crate::arn::{self, execution_arn, execution_names, state_machine_arn};
use crate::clock::{Clock, SystemClock};
use crate::crash::{CrashPlan, CrashPoints};
use crate::journal::{
    self, DirectoryLock, ExecutionDescription, ExecutionFilter, ExecutionSummary, JournalError, Message,
    NewExecution, Reader, StateMachineDescription, Writer,
};
use crate::log_events::LogSink;
use crate::machine::{
    Execution, HistoryEvent, Input, Payload, ReplayError, Started as StartedRecord, TaskKey, advance,
};
use crate::map_run::{abort_orphans, child_definition};
use crate::object_store::{NoStore, ObjectStore};
use crate::registry::{RegistryError, StateMachineType, Target};
use crate::scheduler::{
    Belonging, Job, Keeping, Live, NOTICES_MAX, OPEN_EXECUTIONS_MAX, Parts, Scheduler, Slot, lock,
};
use crate::task::TaskHost;

/// Stack of the engine's threads: expressions nest up to 100 levels.
pub(crate) const STACK_BYTES: usize = 8 << 20;

/// How to open an engine.
#[derive(Clone)]
pub struct EngineOptions {
    /// Where the journal is; created (for its owner only) when it is not there.
    pub data_dir: PathBuf,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What runs tasks.
    pub task_host: Arc<dyn TaskHost>,
    /// What item readers read and result writers write.
    pub objects: Arc<dyn ObjectStore>,
    /// Region in the ARNs of a new journal. An existing journal keeps its own.
    pub region: String,
    /// Account in the ARNs of a new journal. An existing journal keeps its own.
    pub account: String,
    /// Where tests crash the engine.
    pub crash: Option<CrashPlan>,
    /// Where the logs of executions go; `None` = nowhere.
    pub logs: Option<Arc<dyn LogSink>>,
}

impl EngineOptions {
    /// The defaults: the machine's clock, `us-east-1`, account `123456789012`.
    pub fn new(data_dir: impl Into<PathBuf>, task_host: Arc<dyn TaskHost>) -> Self {
        Self {
            data_dir: data_dir.into(),
            clock: Arc::new(SystemClock),
            task_host,
            objects: Arc::new(NoStore),
            region: arn::DEFAULT_REGION.to_owned(),
            account: arn::DEFAULT_ACCOUNT.to_owned(),
            crash: None,
            logs: None,
        }
    }
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EngineOptions").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

/// Why the engine does not do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The engine has stopped; what was acknowledged is in the journal.
    #[error("the engine has stopped: {reason}. Open it again: what it acknowledged is in the journal")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// The registry refuses it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Only an Express execution can be started and waited for.
    #[error("state machine '{name}' is not of type EXPRESS: start an execution and wait for it")]
    StateMachineTypeNotSupported {
        /// The state machine.
        name: String,
    },
    /// The definition has errors.
    #[error("the definition of state machine '{name}' is refused: {diagnostics}")]
    InvalidDefinition {
        /// The state machine.
        name: String,
        /// Everything that was found.
        diagnostics: Diagnostics,
    },
    /// A name has characters that AWS does not allow, or is too long.
    #[error(
        "the name '{name}' is not valid: use 1 to 80 characters, none of them white space or one of <>{{}}[]?*\"#%\\^|~`$&,;:/"
    )]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The journal and the definition of an execution do not belong together.
    #[error("execution {execution_arn} cannot be recovered: {source}")]
    Replay {
        /// The execution.
        execution_arn: String,
        /// What does not fit.
        source: ReplayError,
    },
    /// There is no such state machine.
    #[error("state machine '{name}' does not exist: put its definition first")]
    StateMachineDoesNotExist {
        /// Name or ARN.
        name: String,
    },
    /// There is no such execution.
    #[error("execution '{execution_arn}' does not exist")]
    ExecutionDoesNotExist {
        /// The ARN.
        execution_arn: String,
    },
    /// There is no such Map Run.
    #[error("Map Run '{map_run_arn}' does not exist")]
    MapRunDoesNotExist {
        /// The ARN.
        map_run_arn: String,
    },
    /// A Map Run that has ended cannot be changed.
    #[error("Map Run '{map_run_arn}' has ended: it cannot be changed any more")]
    MapRunHasEnded {
        /// The ARN.
        map_run_arn: String,
    },
    /// The name is taken by an execution with another input, or by one that has ended.
    #[error("execution '{execution_arn}' already exists: use another name")]
    ExecutionAlreadyExists {
        /// The ARN.
        execution_arn: String,
    },
    /// The input is not JSON, or larger than 256 KiB.
    #[error("the input of the execution is refused: {problem}")]
    InvalidExecutionInput {
        /// What is wrong.
        problem: String,
    },
    /// As many executions are open as may be.
    #[error("{OPEN_EXECUTIONS_MAX} executions are open, which is the limit: wait until some have ended")]
    ExecutionLimitExceeded,
    /// The text is no task token.
    #[error("the task token is not valid: use the one that the task was given")]
    InvalidToken,
    /// The task of the token is over: it was completed before, it took too long, or its execution ended.
    #[error("the task of the token is over: it was completed or timed out, or its execution has ended")]
    TaskTimedOut,
    /// The output of a task is not JSON.
    #[error("the output of the task is not JSON: {problem}")]
    InvalidOutput {
        /// What is wrong.
        problem: String,
    },
    /// A thread could not be started, or no random numbers could be had.
    #[error("{action}: {problem}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        problem: String,
    },
}

/// A request to start an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartExecution {
    /// Name or ARN of the state machine; an ARN may name a version or an alias.
    pub state_machine: String,
    /// Name of the execution; `None` = a random UUID. The same name with the
    /// same input answers the same execution while that one runs.
    pub name: Option<String>,
    /// The JSON text of the input, at most 262,144 bytes; empty = `{}`.
    pub input: String,
    /// `X-Amzn-Trace-Id`, kept with the execution.
    pub trace_header: Option<String>,
}

/// An execution that was started, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// ARN of the execution.
    pub execution_arn: String,
    /// When it started, in milliseconds since the epoch.
    pub start_millis: i64,
}

/// The answer to a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutStateMachine {
    /// ARN of the state machine.
    pub state_machine_arn: String,
    /// Its current revision: 1 first.
    pub revision: u32,
    /// Whether this call made it.
    pub changed: bool,
}

/// An event that became durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// ARN of the execution.
    pub execution_arn: Arc<str>,
    /// The event.
    pub event: HistoryEvent,
}

/// A durable execution engine on one data directory. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) scheduler: Arc<Scheduler>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("directory", &self.scheduler.directory).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens a data directory, recovers and resumes every open execution.
    /// Fails when another process has it open, or when anything in it is damaged.
    pub fn open(options: EngineOptions) -> Result<Self, EngineError> {
        let lock = DirectoryLock::acquire(&options.data_dir)?;
        let path = options.data_dir.join(journal::FILE);
        let connection = journal::open(&path, options.clock.now_millis())?;
        let reader = Self::settle_identity(&options, &path, &connection)?;
        let EngineOptions { data_dir, clock, task_host, objects, crash, logs, .. } = options;
        let (region, account) = reader.region_and_account();
        let crash_points = Arc::new(CrashPoints::new(crash));
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
            objects,
            last_id: reader.last_execution_id()?,
            last_millis: reader.last_millis()?,
        }));
        let engine = Self { scheduler };
        engine.load_registry(&reader)?;
        let recovered = engine.replay(&reader)?;
        let express = reader.store().express_starts()?;
        let orphans_are_possible = !reader.open_map_runs()?.is_empty();
        drop(reader);
        let writer = Writer { connection, lock, path: path.clone(), crash_points, checkpoint };
        engine.spawn(writer, messages, wanted, jobs)?;
        for slot in recovered {
            engine.scheduler.input(&slot, Input::Recovered);
        }
        if orphans_are_possible {
            // Map Runs that are still wanted are under way again after this.
            engine.scheduler.sync()?;
            abort_orphans(&engine.scheduler)?;
        }
        engine.restart_express(express)?;
        for entry in engine.scheduler.registry.deleting() {
            engine.scheduler.delete_if_idle(&entry);
        }
        Ok(engine)
    }

    /// Opens the journal of a data directory for reading, with or without an
    /// engine running on it.
    pub fn open_read_only(data_dir: &Path) -> Result<Reader, EngineError> {
        Ok(Reader::open(data_dir)?)
    }

    pub(crate) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// All state machines in their current revision, by name.
    pub fn state_machines(&self) -> Result<Vec<StateMachineDescription>, EngineError> {
        Ok(self.scheduler.readers.with(Reader::state_machines)?)
    }

    /// Starts an execution. When this answers, the start survives a crash; of
    /// an Express execution that means that it runs at least once.
    pub fn start_execution(&self, request: StartExecution) -> Result<Started, EngineError> {
        self.scheduler.check()?;
        let input = read_input(&request.input)?;
        let target = self.target(&request.state_machine)?;
        if target.entry.kind == StateMachineType::Express {
            return self.start_express(&target, &request);
        }
        let definition = self.definition_to_run(&target.entry, &target.revision)?;
        let is_named = request.name.is_some();
        let name = match request.name {
            Some(name) => check_name(&name).map(|()| name)?,
            None => random_name()?,
        };
        let Scheduler { region, account, .. } = &*self.scheduler;
        let arn: Arc<str> = execution_arn(region, account, &target.entry.name, &name).into();
        let started = Box::new(StartedRecord {
            execution_arn: Arc::clone(&arn),
            name: name.as_str().into(),
            state_machine_arn: state_machine_arn(region, account, &target.entry.name).into(),
            state_machine_name: Arc::clone(&target.entry.name),
            role_arn: Arc::clone(&target.revision.role_arn),
            input,
            seed: random_seed()?,
            trace_header: request.trace_header.map(Into::into),
        });
        let mut open = lock(&self.scheduler.open);
        if target.entry.deleting.load(Ordering::SeqCst) {
            let name = target.entry.name.to_string();
            return Err(RegistryError::StateMachineDeleting { name }.into());
        }
        if let Some(slot) = open.by_arn(&arn) {
            drop(open);
            return self.started_before(&slot, &started.input);
        }
        if is_named && self.scheduler.readers.with(|reader| reader.has_execution(target.entry.id, &name))? {
            return Err(EngineError::ExecutionAlreadyExists { execution_arn: arn.to_string() });
        }
        let id = self.scheduler.next_id.load(Ordering::SeqCst);
        let execution = Execution::new(definition);
        let slot = Slot::new(id, arn, execution, 0, Keeping::Journal, target.belonging());
        open.admit(&slot)?;
        self.scheduler.next_id.store(id + 1, Ordering::SeqCst);
        // Whoever finds the slot waits until the execution has begun.
        let live = lock(&slot.live);
        drop(open);
        self.start(&slot, live, &target, started)
    }

    /// Stops an execution. `Ok` = it is at its end, durably, whether by this
    /// call or before; answers when, in milliseconds since the epoch.
    pub fn stop_execution(
        &self,
        execution_arn: &str,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<i64, EngineError> {
        self.scheduler.check()?;
        let slot = lock(&self.scheduler.open).by_arn(execution_arn);
        if let Some(slot) = slot {
            self.scheduler.input(&slot, Input::Stop { error, cause });
            self.scheduler.sync()?;
        }
        let described = self.describe_execution(execution_arn)?;
        Ok(described.stop_millis.unwrap_or(described.start_millis))
    }

    /// Describes an execution.
    pub fn describe_execution(&self, execution_arn: &str) -> Result<ExecutionDescription, EngineError> {
        self.found(execution_arn, |reader| reader.describe_execution(execution_arn))
    }

    /// Executions, newest first.
    pub fn list_executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionSummary>, EngineError> {
        Ok(self.scheduler.readers.with(|reader| reader.list_executions(filter))?)
    }

    /// The history of an execution: in its order or reversed, from a position, at most `limit` events.
    pub fn execution_history(
        &self,
        execution_arn: &str,
        reverse: bool,
        from: usize,
        limit: Option<usize>,
    ) -> Result<Vec<HistoryEvent>, EngineError> {
        let mut events = self.found(execution_arn, |reader| reader.execution_history(execution_arn))?;
        if reverse {
            events.reverse();
        }
        Ok(events.into_iter().skip(from).take(limit.unwrap_or(usize::MAX)).collect())
    }

    /// The region and the account of this engine's ARNs.
    pub fn region_and_account(&self) -> (&str, &str) {
        (&self.scheduler.region, &self.scheduler.account)
    }

    /// The time of the engine, in milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        self.scheduler.now_millis()
    }

    /// The definition an execution runs, byte for byte as it was put.
    pub fn definition_of(&self, execution_arn: &str) -> Result<String, EngineError> {
        self.found(execution_arn, |reader| reader.definition_of(execution_arn))
    }

    /// ARNs of the executions that have not ended, oldest first, each with
    /// the names of the states it is in.
    pub fn open_executions(&self) -> Vec<(String, Vec<String>)> {
        let slots = lock(&self.scheduler.open).slots();
        slots.iter().map(|slot| (slot.arn.to_string(), lock(&slot.live).execution.current_states())).collect()
    }

    /// Every event from now on, after it became durable; those of one
    /// execution in their order. No event is missed between this call and a
    /// history read after it. One that became durable just before this call
    /// may come and be in that history, too: ids tell.
    ///
    /// A subscriber that is more than 65,536 events behind is cut off: its
    /// channel ends, and it catches up from histories. When the engine stops,
    /// or has stopped, the channel ends.
    pub fn subscribe(&self) -> Receiver<Notice> {
        let (sender, receiver) = sync_channel(NOTICES_MAX);
        self.scheduler.subscribe(sender);
        receiver
    }

    /// Waits until an execution is at its end, durably.
    pub fn wait(&self, execution_arn: &str) -> Result<ExecutionDescription, EngineError> {
        self.wait_for(execution_arn, None)
    }

    /// Like [`Self::wait`], at most for a time: the description then says that the execution runs.
    pub fn wait_for(
        &self,
        execution_arn: &str,
        timeout: Option<Duration>,
    ) -> Result<ExecutionDescription, EngineError> {
        let slot = lock(&self.scheduler.open).by_arn(execution_arn);
        if let Some(slot) = slot {
            // An end that is durable is told, even if the engine has stopped since.
            if !slot.wait(&self.scheduler, timeout) {
                self.scheduler.check()?;
            }
        }
        self.describe_execution(execution_arn)
    }

    /// A running task says that it lives.
    pub fn heartbeat(&self, task: &TaskKey) -> Result<(), EngineError> {
        self.scheduler.check()?;
        let slot = lock(&self.scheduler.open).by_arn(&task.execution_arn);
        if let Some(slot) = slot {
            self.scheduler.input(&slot, Input::TaskHeartbeat { event_id: task.event_id });
        }
        Ok(())
    }

    /// Waits until nothing is on its way to the journal, effects included,
    /// and every timer that is due has fired.
    /// With a task host that answers at once and a clock that stands still,
    /// every execution then waits for a timer or has ended: tests need no sleep.
    pub fn settle(&self) -> Result<(), EngineError> {
        self.scheduler.settle()
    }

    /// When the next timer is due, in milliseconds since the epoch.
    pub fn next_timer_millis(&self) -> Option<i64> {
        self.scheduler.timers.next_due_millis()
    }

    /// Why the engine has stopped; `None` = it works.
    pub fn stopped(&self) -> Option<String> {
        self.scheduler.stopped().map(str::to_owned)
    }

    /// How many crash points the engine has passed. See [`CrashPlan`].
    pub fn crash_points_passed(&self) -> u64 {
        self.scheduler.crash_points.passed()
    }

    /// Writes what is on its way, and ends. Tasks that run have an unknown
    /// outcome when the journal is opened again. Not to be called from a task host.
    pub fn shutdown(self) {
        let _ = self.scheduler.send(Message::Stop);
        let threads = std::mem::take(&mut *lock(&self.scheduler.threads));
        for thread in threads {
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
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

    /// Reads what is registered. Every definition that can be started is checked now, rather than then.
    fn load_registry(&self, reader: &Reader) -> Result<(), EngineError> {
        let contents = reader.store().contents()?;
        for entry in contents.machines.values() {
            let arn = state_machine_arn(&self.scheduler.region, &self.scheduler.account, &entry.name);
            reader.definition(&arn, &entry.current.sha256)?;
        }
        self.scheduler.registry.replace(contents);
        Ok(())
    }

    /// The definition of these bytes, parsed once.
    pub(crate) fn parsed(
        &self,
        name: &str,
        sha256: &[u8; 32],
        text: &str,
    ) -> Result<Arc<StateMachine>, EngineError> {
        let known = lock(&self.scheduler.definitions).get(sha256).and_then(Weak::upgrade);
        if let Some(definition) = known {
            return Ok(definition);
        }
        let definition = StateMachine::parse(text)
            .map_err(|diagnostics| EngineError::InvalidDefinition { name: name.to_owned(), diagnostics })?;
        let definition = Arc::new(definition);
        lock(&self.scheduler.definitions).insert(*sha256, Arc::downgrade(&definition));
        Ok(definition)
    }

    /// Folds every open execution.
    fn replay(&self, reader: &Reader) -> Result<Vec<Arc<Slot>>, EngineError> {
        let mut slots = Vec::new();
        let mut processors = BTreeMap::new();
        for open in reader.open_executions()? {
            let arn = open.execution_arn;
            let text = reader.definition(&arn, &open.sha256)?;
            let name = execution_names(&arn).map_or(arn.as_str(), |(machine, _)| machine);
            let mut definition = self.parsed(name, &open.sha256, &text)?;
            let child = child_definition(reader, open.map_run, &definition, &mut processors)?;
            if let Some((processor, _)) = &child {
                definition = Arc::clone(processor);
            }
            let records = reader.records(open.id, &arn)?;
            let execution = Execution::replay(definition, &records)
                .map_err(|source| EngineError::Replay { execution_arn: arn.clone(), source })?;
            self.scheduler.last_millis.fetch_max(execution.last_millis(), Ordering::SeqCst);
            let Some(belonging) = self.belonging(reader, &arn)? else {
                return Err(EngineError::StateMachineDoesNotExist { name: name.to_owned() });
            };
            let count = records.len() as u64;
            let slot = Slot::new(open.id, arn.into(), execution, count, Keeping::Journal, belonging);
            if let Some((_, child_of)) = child {
                slot.set_child_of(child_of);
            }
            lock(&self.scheduler.open).insert(&slot);
            slots.push(slot);
        }
        Ok(slots)
    }

    fn belonging(&self, reader: &Reader, execution_arn: &str) -> Result<Option<Belonging>, EngineError> {
        let Some((machine_id, revision)) = reader.revision_of_execution(execution_arn)? else {
            return Ok(None);
        };
        let entry = self.scheduler.registry.entry_by_id(machine_id);
        Ok(entry.map(|entry| Belonging::new(&entry, &revision)))
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
        let (clock, scheduler) = (Arc::clone(&self.scheduler.clock), Arc::downgrade(&self.scheduler));
        let jumped = Arc::downgrade(&timers);
        clock.on_jump(Arc::new(move || {
            if let Some(timers) = jumped.upgrade() {
                timers.clock_jumped();
            }
        }));
        let last_millis = Arc::clone(&self.scheduler.last_millis);
        let tick = move || {
            let now_millis = || clock.now_millis().max(last_millis.load(Ordering::SeqCst));
            timers.run(now_millis, |(id, timer)| {
                if let Some(scheduler) = scheduler.upgrade() {
                    scheduler.fire(id, timer);
                }
            });
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

    fn start(
        &self,
        slot: &Arc<Slot>,
        mut live: MutexGuard<'_, Live>,
        target: &Target,
        started: Box<StartedRecord>,
    ) -> Result<Started, EngineError> {
        let (answer, answered) = sync_channel(1);
        let name = Arc::clone(&started.name);
        let now = self.scheduler.now_millis();
        let transition = match advance(&mut live.execution, Input::Start(started), now) {
            Ok(transition) => transition,
            Err(source) => {
                drop(live);
                // Nothing of it was sent to the journal: the name is free again.
                lock(&self.scheduler.open).remove(slot);
                return Err(EngineError::Replay { execution_arn: slot.arn.to_string(), source });
            }
        };
        let start_millis = live.execution.start_millis();
        let new = NewExecution {
            machine_id: target.entry.id,
            revision: target.revision.number,
            version: target.version,
            alias: target.alias.clone(),
            name,
            sha256: target.revision.sha256,
            start_millis,
            map_run: None,
        };
        self.scheduler.commit(slot, &mut live, transition, Some(new), Some(answer));
        drop(live);
        answered.recv().map_err(|_| self.scheduler.gone())?;
        Ok(Started { execution_arn: slot.arn.to_string(), start_millis })
    }

    /// The name is taken by an open execution: the same input is the same request.
    fn started_before(&self, slot: &Slot, input: &Payload) -> Result<Started, EngineError> {
        let live = lock(&slot.live);
        let execution_arn = slot.arn.to_string();
        let same = live.execution.started().is_some_and(|started| started.input.value() == input.value());
        if !same || live.execution.stop_millis().is_some() {
            return Err(EngineError::ExecutionAlreadyExists { execution_arn });
        }
        let start_millis = live.execution.start_millis();
        drop(live);
        // The other start may still be on its way to the journal.
        self.scheduler.sync()?;
        Ok(Started { execution_arn, start_millis })
    }

    fn found<T>(
        &self,
        execution_arn: &str,
        read: impl FnOnce(&Reader) -> Result<Option<T>, JournalError>,
    ) -> Result<T, EngineError> {
        let found = self.scheduler.readers.with(read)?;
        found.ok_or_else(|| EngineError::ExecutionDoesNotExist { execution_arn: execution_arn.to_owned() })
    }
}

/// Moves the write-ahead log into the database, beside the writer, so that no commit waits for it.
fn checkpoint(path: &Path, wanted: &Receiver<()>) {
    let mut connection = None;
    while wanted.recv().is_ok() {
        if connection.is_none() {
            connection = rusqlite::Connection::open(path).ok();
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

pub(crate) fn read_input(text: &str) -> Result<Payload, EngineError> {
    let refused = |problem: String| EngineError::InvalidExecutionInput { problem };
    if text.len() > asl::limits::PAYLOAD_BYTES_MAX {
        return Err(refused(format!("it has {} bytes, the limit is 262,144", text.len())));
    }
    let text = if text.is_empty() { "{}" } else { text };
    Payload::parse(text).map_err(|error| refused(format!("it is not JSON: {error}")))
}

/// AWS's rule for names of state machines and executions.
pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    let length = name.chars().count();
    let allowed = |character: char| {
        !character.is_whitespace()
            && !character.is_control()
            && !"<>{}[]?*\"#%\\^|~`$&,;:/".contains(character)
    };
    if (1..=asl::limits::EXECUTION_NAME_CHARS_MAX).contains(&length) && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(EngineError::InvalidName { name: name.to_owned() })
    }
}

pub(crate) fn random_seed() -> Result<u64, EngineError> {
    getrandom::u64()
        .map_err(|error| EngineError::System { action: "draw a seed", problem: error.to_string() })
}

pub(crate) fn random_name() -> Result<String, EngineError> {
    Ok(crate::machine::uuid(random_seed()?, random_seed()?))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

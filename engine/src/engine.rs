//! The engine's API: state machines, executions, histories. What it reads is
//! durable; what it changes is durable when it answers.

mod error;
mod opening;
mod redrive;
mod start;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use asl::{Diagnostics, StateMachine};

use crate::arn;
use crate::clock::{Clock, SystemClock};
use crate::crash::CrashPlan;
use crate::journal::{
    BackedUp, ExecutionDescription, ExecutionFilter, ExecutionSummary, JournalError, Message, Reader,
    StateMachineDescription, back_up,
};
use crate::log_events::LogSink;
use crate::machine::{HistoryEvent, Input, Status};
use crate::object_store::{NoStore, ObjectStore};
use crate::observer::Observer;
use crate::scheduler::{NOTICES_MAX, Scheduler, lock};
use crate::task::TaskHost;

pub use error::EngineError;
pub use opening::LeftOut;
pub use redrive::{NotRedrivable, RedriveExecution, RedriveStatus, Redriven};
pub use start::{Accepted, StartExecution, Started};
pub(crate) use start::{check_name, name_of_time, random_name, random_seed, read_input};

/// Stack of the engine's threads: expressions nest up to 100 levels.
pub(crate) const STACK_BYTES: usize = 8 << 20;

/// Bytes that may wait for the disk. Ours: some seconds of a disk's work, and a fraction of a machine's memory.
const BACKLOG_BYTES_MAX: usize = 64 << 20;

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
    /// Who sees what executions do; `None` = nobody.
    pub observer: Option<Arc<dyn Observer>>,
    /// Whether open executions go on. Without it they stand where they are:
    /// no timer is armed and no outcome is given up, for who only wants to
    /// stop some of them. What waits goes on in the next engine.
    pub takes_up: bool,
    /// How long an execution is kept after its end; `None` = for ever.
    pub retention: Option<Duration>,
    /// Bytes that may wait for the disk before whatever is to be written is refused with
    /// [`EngineError::Throttled`]. What was accepted goes on.
    pub backlog_bytes_max: usize,
    /// A bug for the crash lab to notice.
    #[cfg(feature = "planted-faults")]
    pub planted: Option<crate::crash::PlantedFault>,
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
            observer: None,
            takes_up: true,
            retention: Some(Duration::from_secs(asl::limits::EXECUTION_RETENTION_SECONDS)),
            backlog_bytes_max: BACKLOG_BYTES_MAX,
            #[cfg(feature = "planted-faults")]
            planted: None,
        }
    }
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EngineOptions").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
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

/// Whether a definition was checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trust {
    /// It comes from outside.
    None,
    /// It is in the journal.
    Accepted,
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
    /// Opens the journal of a data directory for reading, with or without an
    /// engine running on it.
    pub fn open_read_only(data_dir: &Path) -> Result<Reader, EngineError> {
        Ok(Reader::open(data_dir)?)
    }

    /// All state machines in their current revision, by name.
    pub fn state_machines(&self) -> Result<Vec<StateMachineDescription>, EngineError> {
        Ok(self.scheduler.readers.with(Reader::state_machines)?)
    }

    /// Stops an execution. `Ok` = it is at its end, durably, whether by this
    /// call or before; answers when, in milliseconds since the epoch. One that was left out
    /// when the engine was opened cannot be stopped.
    pub fn stop_execution(
        &self,
        execution_arn: &str,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<i64, EngineError> {
        self.scheduler.admit()?;
        let slot = lock(&self.scheduler.open).by_arn(execution_arn);
        if let Some(slot) = slot {
            self.scheduler.input(&slot, Input::Stop { error, cause });
            self.scheduler.sync()?;
            if let Some(stop_millis) = lock(&slot.live).execution.stop_millis() {
                return Ok(stop_millis);
            }
        }
        let described = self.describe_execution(execution_arn)?;
        described.stop_millis.ok_or_else(|| self.not_taken_up(execution_arn))
    }

    /// Why an execution that has not ended is not open.
    fn not_taken_up(&self, execution_arn: &str) -> EngineError {
        let left_out = lock(&self.scheduler.left_out);
        let found = left_out.iter().find(|left_out| left_out.arn == execution_arn);
        EngineError::ExecutionLeftOut {
            execution_arn: execution_arn.to_owned(),
            problem: found.map_or_else(|| "nothing is known of it".to_owned(), |found| found.problem.clone()),
        }
    }

    /// Describes an execution.
    pub fn describe_execution(&self, execution_arn: &str) -> Result<ExecutionDescription, EngineError> {
        match self.scheduler.described(execution_arn) {
            Some((described, _)) => Ok(described),
            None => self.found(execution_arn, |reader| reader.describe_execution(execution_arn)),
        }
    }

    /// Describes an execution, and says whether it can be redriven now.
    pub fn describe_for_redrive(
        &self,
        execution_arn: &str,
    ) -> Result<(ExecutionDescription, RedriveStatus), EngineError> {
        if let Some((described, is_deleting)) = self.scheduler.described(execution_arn) {
            let status = RedriveStatus::of(&described, is_deleting, self.now_millis());
            return Ok((described, status));
        }
        let described = self.describe_execution(execution_arn)?;
        let status = self.redrive_status(&described)?;
        Ok((described, status))
    }

    /// Whether an execution can be redriven now.
    pub fn redrive_status(&self, described: &ExecutionDescription) -> Result<RedriveStatus, EngineError> {
        let now = self.now_millis();
        Ok(self.scheduler.readers.with(|reader| reader.redrive_status(described, now))?)
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
        let limit = limit.unwrap_or(usize::MAX);
        let page = self.history_page(execution_arn, reverse, from, limit, usize::MAX);
        page.map(|(events, _)| events)
    }

    /// The same, but no more than about `bytes`; and whether there are more.
    pub fn history_page(
        &self,
        execution_arn: &str,
        reverse: bool,
        from: usize,
        limit: usize,
        bytes: usize,
    ) -> Result<(Vec<HistoryEvent>, bool), EngineError> {
        #[cfg(feature = "planted-faults")]
        if let Some(shown) = self.scheduler.shown_too_early(execution_arn) {
            return Ok((shown, false));
        }
        self.found(execution_arn, |reader| reader.history_page(execution_arn, reverse, from, limit, bytes))
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

    /// How many tasks of all open executions are with the task host: what an
    /// engine that goes away now would not learn the outcome of.
    pub fn calls_under_way(&self) -> usize {
        let slots = lock(&self.scheduler.open).slots();
        slots.iter().map(|slot| lock(&slot.live).execution.calls_under_way()).sum()
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
        let open_slot = || lock(&self.scheduler.open).by_arn(execution_arn);
        let slot = if let Some(slot) = open_slot() {
            slot
        } else {
            let described = self.describe_execution(execution_arn)?;
            if described.status != Status::Running {
                return Ok(described);
            }
            // Redriven between the two looks, or left out.
            open_slot().ok_or_else(|| self.not_taken_up(execution_arn))?
        };
        // An end that is durable is told, even if the engine has stopped since.
        if !slot.wait(&self.scheduler, timeout) {
            self.scheduler.check()?;
        }
        slot.description().map_or_else(|| self.describe_execution(execution_arn), Ok)
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

    /// Copies the journal into a file that is not there yet, while the engine goes
    /// on, and examines the copy.
    pub fn back_up(&self, target: &Path) -> Result<BackedUp, EngineError> {
        Ok(back_up(&self.scheduler.directory, target)?)
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
        self.scheduler.readers.close();
        let _ = self.scheduler.send(Message::Stop);
        let threads = std::mem::take(&mut *lock(&self.scheduler.threads));
        for thread in threads {
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    /// The definition of these bytes, checked and parsed once.
    pub(crate) fn parsed(
        &self,
        name: &str,
        sha256: &[u8; 32],
        text: &str,
    ) -> Result<Arc<StateMachine>, EngineError> {
        self.parsed_by(name, (*sha256, Trust::None), || StateMachine::parse(text))
    }

    /// The same of a definition that is registered: some release accepted it. What this one
    /// would refuse goes on as far as it can be read, rather than being given up.
    pub(crate) fn parsed_as_accepted(
        &self,
        name: &str,
        sha256: &[u8; 32],
        text: &str,
    ) -> Result<Arc<StateMachine>, EngineError> {
        self.parsed_by(name, (*sha256, Trust::Accepted), || StateMachine::parse_accepted(text))
    }

    fn parsed_by(
        &self,
        name: &str,
        key: ([u8; 32], Trust),
        parse: impl FnOnce() -> Result<StateMachine, Diagnostics>,
    ) -> Result<Arc<StateMachine>, EngineError> {
        let known = lock(&self.scheduler.definitions).get(&key).and_then(Weak::upgrade);
        if let Some(definition) = known {
            return Ok(definition);
        }
        let definition = parse()
            .map_err(|diagnostics| EngineError::InvalidDefinition { name: name.to_owned(), diagnostics })?;
        let definition = Arc::new(definition);
        let mut definitions = lock(&self.scheduler.definitions);
        // What nobody holds any more would otherwise stay for as long as the engine.
        definitions.retain(|_, definition| definition.strong_count() > 0);
        definitions.insert(key, Arc::downgrade(&definition));
        Ok(definition)
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

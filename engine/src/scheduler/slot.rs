//! An open execution as the shell holds it: what the machine works on, where its
//! records are kept, who waits for its end.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::{Scheduler, lock};
use crate::journal::ExecutionDescription;
use crate::machine::Execution;
use crate::map_run::ChildOf;
use crate::registry::{Configuration, Entry, Revision};

/// Where the records of an execution are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// In the journal, before anything follows from them.
    Journal,
    /// Nowhere: an Express execution. `noted`: its start is in the journal.
    Memory { noted: bool },
}

/// What an execution has of its state machine, whatever becomes of that.
#[derive(Debug, Clone)]
pub(crate) struct Belonging {
    pub(crate) machine_id: i64,
    pub(crate) revision: u32,
    pub(crate) sha256: [u8; 32],
    /// The version and the alias that a start named.
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<Arc<str>>,
    pub(super) deleting: Arc<AtomicBool>,
    pub(super) configuration: Arc<Configuration>,
    pub(super) log_group_arn: Option<Arc<str>>,
}

impl Belonging {
    pub(crate) fn is_deleting(&self) -> bool {
        self.deleting.load(Ordering::SeqCst)
    }

    pub(crate) fn new(entry: &Entry, revision: &Revision, version: Option<u32>, alias: Option<&str>) -> Self {
        Self {
            machine_id: entry.id,
            revision: revision.number,
            sha256: revision.sha256,
            version,
            alias: alias.map(Into::into),
            deleting: Arc::clone(&entry.deleting),
            configuration: Arc::clone(&revision.configuration),
            log_group_arn: revision.configuration.logging.destination().map(Into::into),
        }
    }
}

/// An execution that has not ended.
pub(crate) struct Slot {
    pub(crate) id: i64,
    pub(crate) arn: Arc<str>,
    pub(crate) live: Mutex<Live>,
    pub(super) keeping: Keeping,
    pub(super) belonging: Belonging,
    pub(super) child_of: OnceLock<ChildOf>,
    /// When it started, in milliseconds since the epoch; known without the lock of what it does.
    pub(super) start_millis: AtomicI64,
    /// That it started is durable, and nothing was taken back since.
    begun: AtomicBool,
    pub(super) ended: Mutex<bool>,
    pub(super) signal: Condvar,
    at_end: Mutex<Option<AtEnd>>,
}

/// Called when an execution is at its end, or the engine is: whatever comes first.
pub(crate) type AtEnd = Box<dyn FnOnce(&Scheduler, &Slot) + Send>;

/// What the machine works on, and how many of its records are on their way.
pub(crate) struct Live {
    pub(crate) execution: Execution,
    pub(crate) records: u64,
}

impl Slot {
    pub(crate) fn new(
        id: i64,
        arn: Arc<str>,
        execution: Execution,
        records: u64,
        keeping: Keeping,
        belonging: Belonging,
    ) -> Arc<Self> {
        let start_millis = AtomicI64::new(execution.start_millis());
        let live = Mutex::new(Live { execution, records });
        let (ended, signal, at_end) = (Mutex::new(false), Condvar::new(), Mutex::default());
        let child_of = OnceLock::new();
        let begun = AtomicBool::new(false);
        Arc::new(Self {
            id,
            arn,
            live,
            keeping,
            belonging,
            child_of,
            start_millis,
            begun,
            ended,
            signal,
            at_end,
        })
    }

    /// Says whose child the execution is, before anything happens to it.
    pub(crate) fn set_child_of(&self, child_of: ChildOf) {
        let _ = self.child_of.set(child_of);
    }

    pub(crate) fn machine(&self) -> &Belonging {
        &self.belonging
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.belonging.is_deleting()
    }

    /// Asks for a call at the end, before anything happens to the execution.
    pub(crate) fn set_at_end(&self, at_end: AtEnd) {
        *lock(&self.at_end) = Some(at_end);
    }

    /// The end is there: who asked for it hears of it, once.
    pub(crate) fn tell_end(&self, scheduler: &Scheduler) {
        let at_end = lock(&self.at_end).take();
        if let Some(at_end) = at_end {
            at_end(scheduler, self);
        }
    }

    /// Waits until the execution's end is durable, or the engine stops, or the
    /// time is over; answers whether the end is durable.
    pub(crate) fn wait(&self, engine: &Scheduler, timeout: Option<Duration>) -> bool {
        let ended = lock(&self.ended);
        let waiting = |ended: &mut bool| !*ended && engine.stopped().is_none();
        let ended = match timeout {
            Some(timeout) => {
                let waited = self.signal.wait_timeout_while(ended, timeout, waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.signal.wait_while(ended, waiting).unwrap_or_else(PoisonError::into_inner),
        };
        *ended
    }

    /// That it started is durable.
    pub(crate) fn set_begun(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// Whether its input and output are no longer than this together.
    pub(super) fn is_light(&self, bytes_max: usize) -> bool {
        let live = lock(&self.live);
        let input = live.execution.started().map_or(0, |started| started.input.text().len());
        let output = live.execution.output().map_or(0, |output| output.text().len());
        input + output <= bytes_max
    }

    /// What the journal says of an execution, without reading it. `None`: nobody knows but the journal.
    pub(crate) fn description(&self) -> Option<ExecutionDescription> {
        if self.keeping != Keeping::Journal || self.child_of.get().is_some() {
            return None;
        }
        let has_ended = *lock(&self.ended);
        if has_ended {
            return described(self, &lock(&self.live).execution);
        }
        if !self.begun.load(Ordering::Acquire) {
            return None;
        }
        // Who works on it may take a while.
        let live = self.live.try_lock().ok()?;
        // Whether an end is durable already, and was told, only the journal knows.
        if live.execution.stop_millis().is_some() {
            return None;
        }
        Some(ExecutionDescription { events: 0, ..described(self, &live.execution)? })
    }
}

/// An execution as it is in memory.
fn described(slot: &Slot, execution: &Execution) -> Option<ExecutionDescription> {
    let started = execution.started()?;
    Some(ExecutionDescription {
        execution_arn: slot.arn.to_string(),
        state_machine_arn: started.state_machine_arn.to_string(),
        name: started.name.to_string(),
        status: execution.status(),
        start_millis: execution.start_millis(),
        stop_millis: execution.stop_millis(),
        input: started.input.text().to_owned(),
        output: execution.output().map(|output| output.text().to_owned()),
        error: execution.error().map(str::to_owned),
        cause: execution.cause().map(str::to_owned),
        trace_header: started.trace_header.as_deref().map(str::to_owned),
        version: slot.belonging.version,
        alias: slot.belonging.alias.as_deref().map(str::to_owned),
        map_run_arn: None,
        events: execution.event_count(),
        redrive_count: execution.redrive_count(),
        redrive_millis: execution.redrives().last().map(|redrive| redrive.at_millis),
    })
}

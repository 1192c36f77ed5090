//! The shell around the machine: open executions, their commits, and the
//! release of effects. The API in front of it is [`crate::Engine`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use asl::StateMachine;

use crate::clock::{Clock, EngineTime};
use crate::crash::CrashPoints;
use crate::engine::{EngineError, LeftOut, Notice, Trust};
use crate::journal::{
    Append, Backlog, Change, Closed, End, ExecutionDescription, Message, NewExecution, Readers, Release,
    encode,
};
use crate::log_events::{LogEvent, LogSink, log_document};
use crate::machine::{
    Effect, Execution, Fact, HistoryEvent, Input, Record, ReplayError, TaskRequest, TimerId, Transition,
    advance,
};
use crate::map_run::{MapRuns, Told};
use crate::object_store::ObjectStore;
use crate::observer::{Observed, Observer};
use crate::registry::{Entry, Registry, delete_express, delete_machine};
use crate::task::{Completion, TaskHost, TaskReport};
use crate::timers::{Timers, YEAR_END};
use crate::tokens::Activities;

mod age;
mod recent;
mod slot;
#[cfg(test)]
mod tests;

use recent::Recent;
pub(crate) use slot::{Belonging, Keeping, Live, Slot};

/// Notices a subscriber may be behind before it is cut off.
pub(crate) const NOTICES_MAX: usize = 65_536;

/// A mutex whose holder never leaves it half-done; a panic elsewhere is no reason to give up.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is called when something is durable, and where that is heard.
pub(crate) fn answer() -> (Release, Receiver<()>) {
    let (sender, receiver) = sync_channel(1);
    let release: Release = Box::new(move || {
        let _ = sender.send(());
    });
    (release, receiver)
}

/// What becomes durable in one transaction with the records of a transition.
#[derive(Default)]
pub(crate) struct Alongside {
    /// The row of the execution, when it starts.
    pub(crate) new: Option<NewExecution>,
    /// Anything else.
    pub(crate) change: Option<Change>,
    /// Called when it is durable, on the writer's thread; dropped when it never will be.
    pub(crate) answer: Option<Release>,
}

/// Open executions by number and by ARN.
#[derive(Default)]
pub(crate) struct Open {
    by_id: HashMap<i64, Arc<Slot>>,
    by_arn: HashMap<Arc<str>, Arc<Slot>>,
    /// Has ended and is about to be open again.
    held: Option<i64>,
}

impl Open {
    pub(crate) fn insert(&mut self, slot: &Arc<Slot>) {
        self.by_id.insert(slot.id, Arc::clone(slot));
        self.by_arn.insert(Arc::clone(&slot.arn), Arc::clone(slot));
    }

    pub(crate) fn by_arn(&self, arn: &str) -> Option<Arc<Slot>> {
        self.by_arn.get(arn).cloned()
    }

    /// Inserts an execution, if one more may be open.
    pub(crate) fn admit(&mut self, slot: &Arc<Slot>) -> Result<(), EngineError> {
        if self.by_id.len() >= asl::limits::OPEN_EXECUTIONS_MAX {
            return Err(EngineError::ExecutionLimitExceeded);
        }
        self.insert(slot);
        Ok(())
    }

    /// Whether an execution of a state machine is open.
    pub(crate) fn has_machine(&self, machine_id: i64) -> bool {
        self.by_id.values().any(|slot| slot.belonging.machine_id == machine_id)
    }

    /// Whether an execution is open, or may be in a moment.
    pub(crate) fn has(&self, id: i64) -> bool {
        self.held == Some(id) || self.by_id.contains_key(&id)
    }

    /// Holds one execution that has ended, or none.
    pub(crate) fn hold(&mut self, id: Option<i64>) {
        self.held = id;
    }

    /// All open executions, oldest first.
    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        let mut slots: Vec<Arc<Slot>> = self.by_id.values().cloned().collect();
        slots.sort_by_key(|slot| slot.id);
        slots
    }

    pub(crate) fn remove(&mut self, slot: &Slot) {
        self.by_id.remove(&slot.id);
        self.by_arn.remove(&slot.arn);
    }
}

/// What happens after a transition of an Express execution, off the thread that made it.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// What was parsed and is still in use, by the text's SHA-256 and how it was read.
pub(crate) type Definitions = HashMap<([u8; 32], Trust), Weak<StateMachine>>;

/// Everything the engine's threads share.
pub(crate) struct Scheduler {
    pub(crate) directory: PathBuf,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) time: Arc<EngineTime>,
    pub(crate) task_host: Arc<dyn TaskHost>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) map_runs: MapRuns,
    /// Held from the reading of an execution that is redriven until it is open.
    pub(crate) redriving: Mutex<()>,
    pub(crate) readers: Readers,
    pub(crate) open: Mutex<Open>,
    pub(crate) recent: Recent,
    pub(crate) registry: Registry,
    pub(crate) definitions: Mutex<Definitions>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) activities: Activities,
    pub(crate) crash_points: Arc<CrashPoints>,
    pub(crate) next_id: AtomicI64,
    /// Express executions count down, so that the journal's numbers have no gaps.
    pub(crate) next_express_id: AtomicI64,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    journal: Sender<Message>,
    express: Mutex<Option<Sender<Job>>>,
    express_jobs: AtomicU64,
    logs: Option<Arc<dyn LogSink>>,
    observer: Option<Arc<dyn Observer>>,
    sent: AtomicU64,
    pub(crate) backlog: Arc<Backlog>,
    backlog_bytes_max: usize,
    pub(crate) retention: Option<Duration>,
    pub(crate) left_out: Mutex<Vec<LeftOut>>,
    /// When old executions are looked for next, in milliseconds since the epoch.
    pub(crate) next_expiry_millis: AtomicI64,
    /// When the oldest open execution has run for a year, in milliseconds since the epoch.
    year_end_millis: AtomicI64,
    stopped: OnceLock<String>,
    subscribers: Mutex<Vec<SyncSender<Notice>>>,
}

/// What a scheduler is made of, besides what it makes itself.
pub(crate) struct Parts {
    pub(crate) directory: PathBuf,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) task_host: Arc<dyn TaskHost>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) crash_points: Arc<CrashPoints>,
    pub(crate) journal: Sender<Message>,
    pub(crate) express: Sender<Job>,
    pub(crate) logs: Option<Arc<dyn LogSink>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) backlog_bytes_max: usize,
    pub(crate) retention: Option<Duration>,
    pub(crate) last_id: i64,
    pub(crate) last_millis: i64,
}

impl Scheduler {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            readers: Readers::new(&parts.directory),
            directory: parts.directory,
            region: parts.region,
            account: parts.account,
            time: Arc::new(EngineTime::new(parts.clock, parts.last_millis)),
            task_host: parts.task_host,
            objects: parts.objects,
            map_runs: MapRuns::default(),
            redriving: Mutex::default(),
            open: Mutex::default(),
            recent: Recent::default(),
            registry: Registry::default(),
            definitions: Mutex::default(),
            timers: Arc::default(),
            activities: Activities::default(),
            crash_points: parts.crash_points,
            next_id: AtomicI64::new(parts.last_id + 1),
            next_express_id: AtomicI64::new(-1),
            threads: Mutex::default(),
            journal: parts.journal,
            express: Mutex::new(Some(parts.express)),
            express_jobs: AtomicU64::new(0),
            logs: parts.logs,
            observer: parts.observer,
            sent: AtomicU64::new(0),
            backlog: Arc::default(),
            backlog_bytes_max: parts.backlog_bytes_max,
            retention: parts.retention,
            left_out: Mutex::default(),
            next_expiry_millis: AtomicI64::new(0),
            year_end_millis: AtomicI64::new(i64::MAX),
            stopped: OnceLock::new(),
            subscribers: Mutex::default(),
        }
    }

    /// Milliseconds since the epoch; not before anything that was journalled.
    pub(crate) fn now_millis(&self) -> i64 {
        self.time.now_millis()
    }

    /// Why the engine does nothing any more; `None` = it works.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.stopped.get().map(String::as_str)
    }

    pub(crate) fn check(&self) -> Result<(), EngineError> {
        match self.stopped() {
            Some(reason) => Err(EngineError::Stopped { reason: reason.to_owned() }),
            None => Ok(()),
        }
    }

    /// Whether an execution or a state machine was left out when the journal was opened.
    pub(crate) fn is_left_out(&self, arn: &str) -> bool {
        lock(&self.left_out).iter().any(|left_out| left_out.arn == arn)
    }

    /// Refuses new work while the writer is behind. What was accepted goes on:
    /// it is bounded by the executions that are open.
    pub(crate) fn admit(&self) -> Result<(), EngineError> {
        self.check()?;
        if self.is_behind() { Err(EngineError::Throttled) } else { Ok(()) }
    }

    /// Whether more waits for the disk than may.
    pub(crate) fn is_behind(&self) -> bool {
        self.backlog.bytes() > self.backlog_bytes_max
    }

    /// Stops the engine for good. The first reason counts.
    pub(crate) fn stop(&self, reason: String) {
        if self.stopped.set(reason).is_ok() {
            self.timers.stop();
            // The thread of the Express executions ends with its channel.
            lock(&self.express).take();
            // So do those of Map Runs.
            self.map_runs.clear();
            self.activities.wake();
            for slot in lock(&self.open).slots() {
                drop(lock(&slot.ended));
                slot.signal.notify_all();
                slot.tell_end(self);
            }
            lock(&self.subscribers).clear();
        }
    }

    /// What the end of the writer thread means.
    pub(crate) fn writer_ended(&self, end: End) {
        match end {
            End::Stopped => self.stop("the engine was shut down".to_owned()),
            End::Frozen => self.stop("a crash point was reached".to_owned()),
            End::Failed(reason) => {
                tracing::error!(%reason, "the journal failed; the engine stops and does not try again");
                self.stop(reason);
            }
        }
    }

    pub(crate) fn send(&self, message: Message) -> Result<(), EngineError> {
        self.sent.fetch_add(1, Ordering::SeqCst);
        self.journal.send(message).map_err(|_| self.gone())
    }

    /// Waits until everything sent so far is durable and released.
    pub(crate) fn sync(&self) -> Result<(), EngineError> {
        let (answer, answered) = sync_channel(1);
        self.send(Message::Sync(answer))?;
        answered.recv().map_err(|_| self.gone())
    }

    /// Waits until nothing is on its way to the journal any more, and no timer is due.
    pub(crate) fn settle(&self) -> Result<(), EngineError> {
        loop {
            let busy = self.timers.is_busy(self.now_millis());
            let before = self.sent.load(Ordering::SeqCst);
            self.sync()?;
            let busy = busy || self.map_runs.is_busy() || self.express_jobs.load(Ordering::SeqCst) > 0;
            if !busy
                && self.sent.load(Ordering::SeqCst) == before + 1
                && !self.timers.is_busy(self.now_millis())
                && !self.map_runs.is_busy()
            {
                return Ok(());
            }
            std::thread::yield_now();
        }
    }

    /// Makes a change of the journal, and waits until it is durable.
    pub(crate) fn change(&self, change: Change) -> Result<(), EngineError> {
        let (release, answered) = answer();
        self.send(Message::Change(change, release))?;
        answered.recv().map_err(|_| self.gone())
    }

    /// Calls when everything sent so far is durable.
    pub(crate) fn when_durable(&self, release: Release) -> Result<(), EngineError> {
        self.send(Message::Change(Box::new(|_| Ok(())), release))
    }

    /// Why an answer of the writer will never come. The writer drops what it
    /// cannot commit a moment before it says why, so this waits for the reason.
    /// A writer that still answers will give none: then the answer itself was lost.
    pub(crate) fn gone(&self) -> EngineError {
        let (answer, answered) = sync_channel(1);
        let lives = self.journal.send(Message::Sync(answer)).is_ok() && answered.recv().is_ok();
        match self.stopped() {
            None if lives => EngineError::System {
                action: "wait for the journal",
                problem: "the answer was lost, what was asked for may have happened".to_owned(),
            },
            _ => EngineError::Stopped { reason: self.stopped.wait().clone() },
        }
    }

    /// Adds a subscriber, unless the engine has stopped: nobody would ever end its channel.
    pub(crate) fn subscribe(&self, subscriber: SyncSender<Notice>) {
        let mut subscribers = lock(&self.subscribers);
        // `stop` sets the reason before it clears this list.
        if self.stopped().is_none() {
            subscribers.push(subscriber);
        }
    }

    /// An execution as the journal has it, without reading it; and whether its state machine is
    /// being deleted. `None`: nobody knows but the journal.
    pub(crate) fn described(&self, arn: &str) -> Option<(ExecutionDescription, bool)> {
        // One that was redriven is open again: the end it had counts no more.
        let open = lock(&self.open).by_arn(arn);
        let slot = open.or_else(|| self.recent.find(arn))?;
        slot.description().map(|described| (described, slot.is_deleting()))
    }

    /// Gives an input to an open execution.
    pub(crate) fn input(self: &Arc<Self>, slot: &Arc<Slot>, input: Input) {
        self.input_with(slot, input, Alongside::default());
    }

    /// The same; what follows from it becomes durable together with something else.
    pub(crate) fn input_with(self: &Arc<Self>, slot: &Arc<Slot>, input: Input, alongside: Alongside) {
        if self.stopped().is_some() {
            return;
        }
        let Ok(mut live) = slot.live.lock() else {
            return self.stop(format!("execution {} is in an unknown state after a panic", slot.arn));
        };
        self.take(slot, &mut live, input, alongside);
    }

    /// Gives an open execution the input that is made of how it stands; `false` = there is none to give.
    pub(crate) fn input_if(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        input: impl FnOnce(&Execution) -> Option<Input>,
    ) -> bool {
        if self.stopped().is_some() {
            return false;
        }
        let mut live = lock(&slot.live);
        let input = input(&live.execution);
        let given = input.is_some();
        if let Some(input) = input {
            self.take(slot, &mut live, input, Alongside::default());
        }
        given
    }

    fn take(self: &Arc<Self>, slot: &Arc<Slot>, live: &mut Live, input: Input, alongside: Alongside) {
        let is_sign_of_life = matches!(input, Input::TaskHeartbeat { .. });
        match self.advance(slot, live, input, is_sign_of_life) {
            Ok(transition) => self.commit(slot, live, transition, alongside),
            Err(error) => self.stop(format!("execution {}: {error}", slot.arn)),
        }
    }

    /// Advances an execution; one whose state machine is being deleted is
    /// aborted when it has made a transition. Model, `DeleteStateMachine`.
    fn advance(
        &self,
        slot: &Slot,
        live: &mut Live,
        input: Input,
        is_sign_of_life: bool,
    ) -> Result<Transition, ReplayError> {
        let now = self.now_millis();
        let mut transition = advance(&mut live.execution, input, now)?;
        if slot.is_deleting() && !is_sign_of_life && live.execution.stop_millis().is_none() {
            let stop = advance(&mut live.execution, Input::Stop { error: None, cause: None }, now)?;
            transition.records.extend(stop.records);
            // What would only begin to be cancelled need not begin.
            transition.effects.retain(|effect| {
                !matches!(
                    effect,
                    Effect::Invoke(_)
                        | Effect::Resume { .. }
                        | Effect::SetTimer { .. }
                        | Effect::StartMapRun(_)
                )
            });
            transition.effects.extend(stop.effects);
        }
        Ok(transition)
    }

    /// Sends what a transition made to the journal; effects follow when it is
    /// durable. The slot's lock is held, so that the order of segments is the
    /// order of transitions.
    pub(crate) fn commit(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        live: &mut Live,
        transition: Transition,
        alongside: Alongside,
    ) {
        let Transition { records, effects } = transition;
        let Alongside { new, change, answer } = alongside;
        if slot.keeping == Keeping::Journal && live.execution.stop_millis().is_none() {
            self.expect_year_end(live.execution.start_millis());
        }
        if let Keeping::Memory { .. } = slot.keeping {
            let (scheduler, slot) = (Arc::clone(self), Arc::clone(slot));
            return self.after_express(Box::new(move || {
                if scheduler.stopped().is_some() {
                    return;
                }
                scheduler.notify(&slot, &records, 0);
                if let Some(answer) = answer {
                    answer();
                }
                scheduler.release(&slot, effects);
            }));
        }
        if records.is_empty() {
            return self.release_in_turn(slot, change, answer, effects);
        }
        #[cfg(feature = "planted-faults")]
        self.remember(slot, &records);
        #[cfg(feature = "planted-faults")]
        let (answer, effects) = self.release_too_early(slot, answer, effects);
        let first_record = live.records;
        live.records += records.len() as u64;
        let segment = encode(slot.id, first_record, &records);
        live.execution.rest();
        let redrive_count = live.execution.redrive_count();
        let (scheduler, released) = (Arc::clone(self), Arc::clone(slot));
        let append = Append {
            execution_id: slot.id,
            new,
            change,
            first_record,
            segment,
            last_millis: live.execution.last_millis(),
            closed: closed(&live.execution),
            release: Box::new(move || {
                scheduler.notify(&released, &records, redrive_count);
                if let Some(answer) = answer {
                    answer();
                }
                scheduler.release(&released, effects);
            }),
        };
        self.backlog.grow(append.bytes());
        // When the writer is gone, everybody who waits learns it from `stopped`.
        let _ = self.send(Message::Append(Box::new(append)));
    }

    /// Releases effects that follow from what is durable already, as those of
    /// a recovery do. On the writer's thread like all others: the execution's
    /// lock is held here, and a host that answers at once would ask for it.
    fn release_in_turn(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        change: Option<Change>,
        answer: Option<Release>,
        effects: Vec<Effect>,
    ) {
        if change.is_none() && answer.is_none() && effects.is_empty() {
            return;
        }
        let change = change.unwrap_or_else(|| Box::new(|_| Ok(())));
        let (scheduler, slot) = (Arc::clone(self), Arc::clone(slot));
        let release: Release = Box::new(move || {
            if let Some(answer) = answer {
                answer();
            }
            scheduler.release(&slot, effects);
        });
        // When the writer is gone, everybody who waits learns it from `stopped`.
        let _ = self.send(Message::Change(change, release));
    }

    /// Does something on the thread of the Express executions: a task that
    /// answers at once must not find the lock of its execution held.
    fn after_express(self: &Arc<Self>, job: Job) {
        if let Some(express) = &*lock(&self.express) {
            self.express_jobs.fetch_add(1, Ordering::SeqCst);
            let scheduler = Arc::downgrade(self);
            let counted: Job = Box::new(move || {
                job();
                if let Some(scheduler) = scheduler.upgrade() {
                    scheduler.express_jobs.fetch_sub(1, Ordering::SeqCst);
                }
            });
            // Nobody receives after the end of the engine; then there is nothing left to do.
            let _ = express.send(counted);
        }
    }

    /// Deletes a state machine that waits for nothing any more. May be asked twice.
    pub(crate) fn delete_if_idle(self: &Arc<Self>, entry: &Arc<Entry>) {
        if lock(&self.open).has_machine(entry.id) {
            return;
        }
        let (id, now_millis) = (entry.id, self.now_millis());
        let (scheduler, entry) = (Arc::downgrade(self), Arc::clone(entry));
        let change: Change = Box::new(move |connection| delete_machine(connection, id, now_millis));
        let release: Release = Box::new(move || {
            if let Some(scheduler) = scheduler.upgrade() {
                scheduler.recent.clear();
                scheduler.registry.forget(&entry);
            }
        });
        // When the writer is gone, the next engine finds the mark and does it.
        let _ = self.send(Message::Change(change, release));
    }

    /// Tells whoever is subscribed now, not when the records were made: an
    /// event on its way to the journal during `subscribe` is heard.
    fn notify(&self, slot: &Slot, records: &[Record], redrive_count: u32) {
        self.log(slot, records, redrive_count);
        self.show(slot, records, redrive_count);
        let mut subscribers = lock(&self.subscribers);
        if subscribers.is_empty() {
            return;
        }
        for event in records.iter().filter_map(HistoryEvent::of) {
            let notice = Notice { execution_arn: Arc::clone(&slot.arn), event };
            subscribers.retain(|subscriber| match subscriber.try_send(notice.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            });
        }
    }

    /// Shows records to the observer.
    fn show(&self, slot: &Slot, records: &[Record], redrive_count: u32) {
        let Some(observer) = &self.observer else { return };
        if let Some(first) = records.first()
            && matches!(first.fact, Fact::ExecutionStarted { .. })
        {
            slot.start_millis.store(first.at_millis, Ordering::Relaxed);
        }
        let start_millis = slot.start_millis.load(Ordering::Relaxed);
        observer.observe(&Observed { execution_arn: &slot.arn, start_millis, redrive_count, records });
    }

    /// Writes the log of an execution whose state machine wants one.
    fn log(&self, slot: &Slot, records: &[Record], redrive_count: u32) {
        let (Some(logs), Some(log_group_arn)) = (&self.logs, &slot.belonging.log_group_arn) else { return };
        let logging = &slot.belonging.configuration.logging;
        for event in records.iter().filter_map(HistoryEvent::of) {
            if let Some(document) = log_document(&event, &slot.arn, logging, redrive_count) {
                logs.write(LogEvent {
                    log_group_arn: Arc::clone(log_group_arn),
                    execution_arn: Arc::clone(&slot.arn),
                    timestamp_millis: event.timestamp_millis,
                    document,
                });
            }
        }
    }

    /// Releases effects. What they follow from is durable.
    pub(crate) fn release(self: &Arc<Self>, slot: &Arc<Slot>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Invoke(task) if task.is_of_activity() => self.offer(slot, task),
                Effect::Invoke(task) => {
                    let done = self.completion(slot, task.key.event_id);
                    self.task_host.invoke(task, done);
                }
                Effect::Resume { task, submission } => {
                    let done = self.completion(slot, task.key.event_id);
                    self.task_host.resume(task, submission.value().clone(), done);
                }
                Effect::SetTimer { timer, at_millis } => self.timers.set((slot.id, timer), at_millis),
                Effect::CancelTimer(timer) => self.timers.cancel((slot.id, timer)),
                Effect::CancelTask(key) => {
                    self.activities.withdraw(&key);
                    self.task_host.cancel(&key);
                }
                Effect::StartMapRun(plan) => self.start_map_run(slot, *plan),
                Effect::StopMapRun { map_run_arn } => {
                    self.map_runs.tell(&map_run_arn, Told::Stop);
                }
                Effect::Finished => self.finished(slot),
            }
        }
    }

    fn finished(self: &Arc<Self>, slot: &Arc<Slot>) {
        lock(&self.open).remove(slot);
        if let Some(child) = slot.child_of.get() {
            let status = lock(&slot.live).execution.status();
            self.map_runs.tell(&child.map_run_arn, Told::Ended(child.number, status));
        }
        if slot.keeping == (Keeping::Memory { noted: true }) {
            let arn = Arc::clone(&slot.arn);
            let change: Change = Box::new(move |connection| delete_express(connection, &arn));
            // When this is lost the execution runs once more, which is what was promised.
            let _ = self.send(Message::Change(change, Box::new(|| {})));
        }
        *lock(&slot.ended) = true;
        self.recent.keep(slot);
        slot.signal.notify_all();
        slot.tell_end(self);
        if slot.is_deleting()
            && let Some(entry) = self.registry.entry_by_id(slot.belonging.machine_id)
        {
            self.delete_if_idle(&entry);
        }
    }

    /// Offers a task to the workers of its activity, if there is such an activity.
    fn offer(self: &Arc<Self>, slot: &Arc<Slot>, task: TaskRequest) {
        let name = task.resource.rsplit(':').next().unwrap_or_default();
        if self.registry.read(|contents| contents.activities.contains_key(name)) {
            return self.activities.offer(task);
        }
        let cause = format!("Activity does not exist: '{}'", task.resource);
        let (event_id, error) = (task.key.event_id, "ActivityDoesNotExist".to_owned());
        let input = Input::TaskNotScheduled { event_id, error, cause };
        // Not here: the thread of the journal has more to do than to run an execution.
        let (scheduler, slot) = (Arc::clone(self), Arc::clone(slot));
        self.after_express(Box::new(move || scheduler.input(&slot, input)));
    }

    /// The way back of a task's call.
    fn completion(self: &Arc<Self>, slot: &Arc<Slot>, event_id: u64) -> Completion {
        let (scheduler, slot) = (Arc::downgrade(self), Arc::downgrade(slot));
        Completion::reporting(move |report| complete(&scheduler, &slot, event_id, report))
    }

    /// The body of what a timer does.
    pub(crate) fn fire(self: &Arc<Self>, id: i64, timer: TimerId) {
        if (id, timer) == YEAR_END {
            return self.end_overdue();
        }
        let slot = lock(&self.open).by_id.get(&id).cloned();
        if let Some(slot) = slot {
            self.input(&slot, Input::TimerFired(timer));
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // The writer ends because nobody can send any more; the timer thread has to be told.
        self.timers.stop();
    }
}

/// The end of an execution that has one.
fn closed(execution: &Execution) -> Option<Closed> {
    execution.stop_millis().map(|millis| Closed {
        status: execution.status(),
        millis,
        events: execution.event_count(),
        error: execution.error().map(Into::into),
    })
}

/// What a host tells, from whatever thread. After the end of the engine it is lost, as in a crash.
fn complete(scheduler: &Weak<Scheduler>, slot: &Weak<Slot>, event_id: u64, report: TaskReport) {
    if let (Some(scheduler), Some(slot)) = (scheduler.upgrade(), slot.upgrade()) {
        let input = match report {
            TaskReport::Submitted(output) => Input::TaskSubmitted { event_id, output },
            TaskReport::Finished(outcome) => outcome.into_input(event_id),
        };
        scheduler.input(&slot, input);
    }
}

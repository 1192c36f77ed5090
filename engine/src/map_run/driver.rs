//! One thread for each Map Run: reads items, starts child executions while
//! there may be more of them, hears of their ends, and reports the outcome.
//!
//! A child becomes durable by one transaction that holds its row (its number
//! in the Map Run, how many items it took) and its first records. The end of a
//! child is told after its own commit. A child that ended before the thread
//! had counted the children is told twice, and counted once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread;

use asl::StateMachine;

use super::inputs::{ChildInput, ChildInputs, results_outcome};
use super::tally::{Limits, Tally};
use crate::arn::child_arn;
use crate::engine::{EngineError, STACK_BYTES, random_name, random_seed};
use crate::items::{ChildResult, Results};
use crate::journal::{
    Change, ChildRow, MapRunRow, NewExecution, Reader, close_map_run, insert_map_run, note_items,
    update_limits,
};
use crate::machine::{
    Execution, Failure, Input, MapRunOutcome, MapRunPlan, Nature, ReplayError, Status, advance, errors,
    processor_of,
};
use crate::scheduler::{Alongside, Keeping, Scheduler, Slot, lock};

/// Children of which results are read from the journal at a time.
const RESULTS_PAGE: u32 = 256;

/// Whose child an execution is.
#[derive(Debug, Clone)]
pub(crate) struct ChildOf {
    pub(crate) map_run_arn: Arc<str>,
    pub(crate) number: u64,
}

/// What a Map Run is told.
pub(crate) enum Told {
    /// A child ended.
    Ended(u64, Status),
    /// Somebody changed its limits.
    Limits(Limits),
    /// Nobody waits for it any more.
    Stop,
}

/// The Map Runs of an engine that have a thread.
#[derive(Default)]
pub(crate) struct MapRuns {
    open: Mutex<HashMap<Arc<str>, Sender<Told>>>,
    /// Held while limits are read, changed and written.
    changing: Mutex<()>,
    /// Messages that were sent and are not worked off.
    jobs: Arc<AtomicU64>,
}

impl MapRuns {
    /// Tells a Map Run something; `false` = it has no thread.
    pub(crate) fn tell(&self, arn: &str, told: Told) -> bool {
        let Some(sender) = lock(&self.open).get(arn).cloned() else { return false };
        self.jobs.fetch_add(1, Ordering::SeqCst);
        let is_told = sender.send(told).is_ok();
        if !is_told {
            self.jobs.fetch_sub(1, Ordering::SeqCst);
        }
        is_told
    }

    /// Keeps other changes of limits out until the guard is gone.
    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        lock(&self.changing)
    }

    pub(crate) fn has(&self, arn: &str) -> bool {
        lock(&self.open).contains_key(arn)
    }

    /// Whether a Map Run is at work.
    pub(crate) fn is_busy(&self) -> bool {
        self.jobs.load(Ordering::SeqCst) > 0
    }

    /// Ends all threads.
    pub(crate) fn clear(&self) {
        lock(&self.open).clear();
    }
}

/// One message less to work off, however the work ends.
struct Job(Arc<AtomicU64>);

impl Drop for Job {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scheduler {
    /// Runs a Map Run, or goes on with it.
    pub(crate) fn start_map_run(self: &Arc<Self>, slot: &Arc<Slot>, plan: MapRunPlan) {
        let (sender, told) = channel();
        let arn = Arc::clone(&plan.run.arn);
        lock(&self.map_runs.open).insert(Arc::clone(&arn), sender);
        self.map_runs.jobs.fetch_add(1, Ordering::SeqCst);
        let job = Job(Arc::clone(&self.map_runs.jobs));
        let (scheduler, parent) = (Arc::downgrade(self), Arc::clone(slot));
        let alarm = Alarm { scheduler: Arc::downgrade(self), arn: Arc::clone(&arn) };
        let body = move || {
            if let Err(error) = run(&scheduler, &parent, Arc::new(plan), &told, job) {
                alarm.stop_engine(&error.to_string());
            }
        };
        let name = "stepwright-map-run".to_owned();
        if let Err(error) = thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(body) {
            self.stop(format!("Map Run {arn}: start a thread: {error}"));
        }
    }
}

/// Stops the engine when a Map Run's thread cannot go on: the execution that
/// waits for it would wait for ever, and the next engine can take it up again.
struct Alarm {
    scheduler: Weak<Scheduler>,
    arn: Arc<str>,
}

impl Alarm {
    fn stop_engine(&self, problem: &str) {
        if let Some(scheduler) = self.scheduler.upgrade() {
            scheduler.stop(format!("Map Run {}: {problem}", self.arn));
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.stop_engine("its thread panicked");
        }
    }
}

/// The body of a Map Run's thread. `Ok` = it is over, or the engine is gone.
fn run(
    scheduler: &Weak<Scheduler>,
    parent: &Arc<Slot>,
    plan: Arc<MapRunPlan>,
    told: &Receiver<Told>,
    begin: Job,
) -> Result<(), EngineError> {
    let jobs = Arc::clone(&begin.0);
    let Some(engine) = scheduler.upgrade() else { return Ok(()) };
    let mut driver = Driver::open(&engine, parent, plan)?;
    drop(engine);
    let mut job = begin;
    loop {
        let Some(engine) = scheduler.upgrade() else { return Ok(()) };
        driver.work(&engine)?;
        drop((engine, job));
        if driver.is_over {
            return Ok(());
        }
        let Ok(message) = told.recv() else { return Ok(()) };
        job = Job(Arc::clone(&jobs));
        match message {
            Told::Ended(number, status) => driver.ended(number, status),
            Told::Limits(limits) => driver.tally.set_limits(limits),
            Told::Stop => driver.tally.stop(),
        }
    }
}

/// A Map Run at work.
struct Driver {
    plan: Arc<MapRunPlan>,
    parent: Arc<Slot>,
    row: i64,
    machine_id: i64,
    revision: u32,
    sha256: [u8; 32],
    definition: Arc<StateMachine>,
    tally: Tally,
    inputs: Option<ChildInputs>,
    /// Children that run, by number: their ARN.
    running: HashMap<u64, Arc<str>>,
    is_aborting: bool,
    is_over: bool,
}

impl Driver {
    /// Counts the children there are already, and opens the items behind the
    /// last one that was taken.
    fn open(
        scheduler: &Arc<Scheduler>,
        parent: &Arc<Slot>,
        plan: Arc<MapRunPlan>,
    ) -> Result<Self, EngineError> {
        let has_reader = plan.distributed().is_some_and(|distributed| distributed.item_reader.is_some());
        let total = (!has_reader).then(|| plan.items.item_count() as u64);
        let found = scheduler.readers.with(|reader| reader.map_run(&plan.run.arn))?;
        let limits = found.as_ref().map_or_else(|| Limits::of(&plan.run), MapRunRow::limits);
        let mut tally = Tally::new(limits, total);
        let mut running = HashMap::new();
        let mut row = 0;
        if let Some(found) = &found {
            row = found.id;
            let mut recall = |child: ChildRow| {
                tally.recall(child.number, child.items, child.status);
                if child.status == Status::Running {
                    running.insert(child.number, child.execution_arn.into());
                }
            };
            scheduler.readers.with(|reader| reader.map_run_children(found.id, &mut recall))?;
        }
        let machine = parent.machine();
        let mut driver = Self {
            definition: plan.definition(),
            parent: Arc::clone(parent),
            row,
            machine_id: machine.machine_id,
            revision: machine.revision,
            sha256: machine.sha256,
            tally,
            inputs: None,
            running,
            is_aborting: false,
            is_over: false,
            plan,
        };
        let known = found.as_ref().and_then(|found| found.fingerprint.clone());
        let position = driver.tally.position();
        let opened = ChildInputs::open(&driver.plan, &scheduler.objects, position, known.as_deref());
        let fingerprint = opened.as_ref().ok().and_then(|inputs| inputs.fingerprint().map(str::to_owned));
        if found.is_none() {
            driver.row = driver.insert(scheduler, total, fingerprint)?;
        }
        match opened {
            Ok(inputs) => driver.inputs = Some(inputs),
            Err(failure) => driver.tally.fail(failure),
        }
        Ok(driver)
    }

    /// Makes the Map Run durable, before it has any child.
    fn insert(
        &self,
        scheduler: &Arc<Scheduler>,
        total: Option<u64>,
        fingerprint: Option<String>,
    ) -> Result<i64, EngineError> {
        let run = &self.plan.run;
        let row = MapRunRow {
            id: 0,
            arn: run.arn.to_string(),
            execution_arn: self.plan.parent.execution_arn.to_string(),
            label: run.label.to_string(),
            state: self.plan.state_name().to_owned(),
            fingerprint,
            max_concurrency: run.max_concurrency,
            tolerated_count: run.tolerated_failure_count,
            tolerated_percentage: run.tolerated_failure_percentage(),
            items_total: total,
            is_batched: self.plan.batcher().is_some(),
            status: Status::Running,
            start_millis: scheduler.now_millis(),
            stop_millis: None,
        };
        scheduler.change(Box::new(move |connection| insert_map_run(connection, &row)))?;
        let found = scheduler.readers.with(|reader| reader.map_run(&run.arn))?;
        let missing = || EngineError::MapRunDoesNotExist { map_run_arn: run.arn.to_string() };
        found.map(|found| found.id).ok_or_else(missing)
    }

    /// Starts what may start, aborts what has to be, and ends when all is done.
    fn work(&mut self, scheduler: &Arc<Scheduler>) -> Result<(), EngineError> {
        while self.tally.wants_child() {
            let Some(inputs) = &mut self.inputs else { break };
            match inputs.next(scheduler.now_millis()) {
                Ok(Some(input)) => self.start_child(scheduler, input)?,
                Ok(None) => {
                    self.tally.exhaust();
                    let (row, total) = (self.row, self.tally.position());
                    scheduler.change(Box::new(move |connection| note_items(connection, row, total)))?;
                }
                Err(failure) => self.tally.fail(failure),
            }
        }
        if self.tally.is_ending() && !self.is_aborting {
            self.is_aborting = true;
            self.abort_children(scheduler);
        }
        if self.tally.is_done() {
            self.finish(scheduler)?;
        }
        Ok(())
    }

    fn start_child(&mut self, scheduler: &Arc<Scheduler>, child: ChildInput) -> Result<(), EngineError> {
        let name = random_name()?;
        let arn: Arc<str> = child_arn(&self.plan.run.arn, &name).into();
        let started = self.plan.child(&arn, &name, child.input, random_seed()?);
        let mut open = lock(&scheduler.open);
        let id = scheduler.next_id.load(Ordering::SeqCst);
        let execution = Execution::new(Arc::clone(&self.definition));
        let slot =
            Slot::new(id, Arc::clone(&arn), execution, 0, Keeping::Journal, self.parent.machine().clone());
        if let Err(error) = open.admit(&slot) {
            drop(open);
            let failure = Failure::new(Nature::Raised, errors::RUNTIME, error.to_string());
            self.tally.fail(failure);
            return Ok(());
        }
        scheduler.next_id.store(id + 1, Ordering::SeqCst);
        let number = self.tally.start(child.items);
        let map_run_arn = Arc::clone(&self.plan.run.arn);
        slot.set_child_of(ChildOf { map_run_arn, number });
        self.running.insert(number, Arc::clone(&arn));
        let mut live = lock(&slot.live);
        drop(open);
        let transition = advance(&mut live.execution, Input::Start(started), scheduler.now_millis())
            .map_err(|source| EngineError::Replay { execution_arn: arn.to_string(), source })?;
        let start_millis = live.execution.start_millis();
        let new = NewExecution {
            machine_id: self.machine_id,
            revision: self.revision,
            version: None,
            alias: None,
            name: name.into(),
            sha256: self.sha256,
            start_millis,
            map_run: Some((self.row, number, child.items)),
        };
        let alongside = Alongside { new: Some(new), ..Alongside::default() };
        scheduler.commit(&slot, &mut live, transition, alongside);
        Ok(())
    }

    fn ended(&mut self, number: u64, status: Status) {
        self.running.remove(&number);
        self.tally.end(number, status);
    }

    fn abort_children(&self, scheduler: &Arc<Scheduler>) {
        let mut numbers: Vec<u64> = self.tally.running().collect();
        numbers.sort_unstable();
        for arn in numbers.iter().filter_map(|number| self.running.get(number)) {
            let slot = lock(&scheduler.open).by_arn(arn);
            if let Some(slot) = slot {
                scheduler.input(&slot, Input::Stop { error: None, cause: None });
            }
        }
    }

    /// All children have ended: their results are handed on.
    fn finish(&mut self, scheduler: &Arc<Scheduler>) -> Result<(), EngineError> {
        self.is_over = true;
        // The end of the last child is durable, and so visible to readers.
        let outcome = (!self.tally.is_stopped()).then(|| self.outcome(scheduler));
        let status = match &outcome {
            Some(MapRunOutcome::Succeeded(_)) => Status::Succeeded,
            Some(MapRunOutcome::Failed(_)) => Status::Failed,
            None => Status::Aborted,
        };
        let (row, now) = (self.row, scheduler.now_millis());
        let close: Change = Box::new(move |connection| close_map_run(connection, row, status, now));
        let Some(outcome) = outcome else {
            scheduler.change(close)?;
            lock(&scheduler.map_runs.open).remove(&self.plan.run.arn);
            return Ok(());
        };
        // Whoever waits for the Map Run hears of its end when its row has it, and the other way
        // round: after a crash it has either ended for both, or goes on.
        let event_id = self.plan.event_id;
        let alongside = Alongside { change: Some(close), ..Alongside::default() };
        scheduler.input_with(&self.parent, Input::MapRunEnded { event_id, outcome }, alongside);
        // Until its row is closed it counts as under way: it is no orphan.
        scheduler.sync()?;
        lock(&scheduler.map_runs.open).remove(&self.plan.run.arn);
        Ok(())
    }

    fn outcome(&self, scheduler: &Arc<Scheduler>) -> MapRunOutcome {
        let results = || -> Results<'_> {
            Box::new(ResultPages { scheduler, row: self.row, next: Some(0), page: Vec::new().into_iter() })
        };
        results_outcome(&self.plan, &*scheduler.objects, self.tally.failure(), results)
    }
}

/// The results of the children of a Map Run, read from the journal page by page.
struct ResultPages<'a> {
    scheduler: &'a Arc<Scheduler>,
    row: i64,
    /// The number of the next child to read; `None` = all are read.
    next: Option<u64>,
    page: std::vec::IntoIter<ChildResult>,
}

impl Iterator for ResultPages<'_> {
    type Item = Result<ChildResult, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(result) = self.page.next() {
                return Some(Ok(result));
            }
            let from = self.next?;
            let read =
                self.scheduler.readers.with(|reader| reader.map_run_results(self.row, from, RESULTS_PAGE));
            match read {
                Ok((results, next)) => (self.page, self.next) = (results.into_iter(), next),
                Err(error) => {
                    self.next = None;
                    return Some(Err(error.to_string()));
                }
            }
        }
    }
}

/// Ends the Map Runs that nobody waited for any more when the engine went
/// away, and aborts their children. To be called when all executions were
/// recovered and their effects are released.
pub(crate) fn abort_orphans(scheduler: &Arc<Scheduler>) -> Result<(), EngineError> {
    for orphan in scheduler.readers.with(Reader::open_map_runs)? {
        if scheduler.map_runs.has(&orphan.arn) {
            continue;
        }
        let mut running = Vec::new();
        let mut note = |child: ChildRow| {
            if child.status == Status::Running {
                running.push(child.execution_arn);
            }
        };
        scheduler.readers.with(|reader| reader.map_run_children(orphan.id, &mut note))?;
        for arn in running {
            let slot = lock(&scheduler.open).by_arn(&arn);
            if let Some(slot) = slot {
                scheduler.input(&slot, Input::Stop { error: None, cause: None });
            }
        }
        // A Map Run that has ended meanwhile has closed its row itself.
        let (row, now) = (orphan.id, scheduler.now_millis());
        scheduler.change(Box::new(move |connection| close_map_run(connection, row, Status::Aborted, now)))?;
    }
    Ok(())
}

/// What an open child of a Map Run executes, and whose child it is; `None` =
/// it is no child. `root` is the definition its Map state is in; processors
/// that were made before are shared, by Map Run.
pub(crate) fn child_definition(
    reader: &Reader,
    map_run: Option<(i64, u64)>,
    root: &StateMachine,
    processors: &mut BTreeMap<i64, (Arc<str>, Arc<StateMachine>)>,
) -> Result<Option<(Arc<StateMachine>, ChildOf)>, EngineError> {
    let Some((id, number)) = map_run else { return Ok(None) };
    let (arn, processor) = match processors.entry(id) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => {
            let Some(run) = reader.map_run_by_id(id)? else { return Ok(None) };
            let processor = processor_of(root, &run.state).ok_or_else(|| EngineError::Replay {
                execution_arn: run.arn.clone(),
                source: ReplayError::UnknownState { name: run.state.clone() },
            })?;
            unknown.insert((run.arn.into(), processor))
        }
    };
    Ok(Some((Arc::clone(processor), ChildOf { map_run_arn: Arc::clone(arn), number })))
}

/// Changes the limits of a Map Run, durably; `false` = it has ended.
pub(crate) fn change_limits(
    scheduler: &Arc<Scheduler>,
    found: &MapRunRow,
    limits: Limits,
) -> Result<bool, EngineError> {
    if found.status != Status::Running || !scheduler.map_runs.has(&found.arn) {
        return Ok(false);
    }
    let row = found.id;
    scheduler.change(Box::new(move |connection| update_limits(connection, row, limits)))?;
    Ok(scheduler.map_runs.tell(&found.arn, Told::Limits(limits)))
}

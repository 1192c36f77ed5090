//! A Map Run at work: reads items, starts child executions while there may be
//! more of them, hears of their ends, and reports the outcome. Whose turn it
//! is, and on which thread, is the pool's affair.
//!
//! A child becomes durable by one transaction that holds its row (its number
//! in the Map Run, how many items it took) and its first records. The end of a
//! child is told after its own commit. A child that ended before the driver
//! had counted the children is told twice, and counted once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use asl::{ExecutionType, StateMachine};

use super::inputs::{ChildInput, ChildInputs, results_outcome};
use super::pool::{OpenDataset, Told};
use super::tally::{Limits, Tally};
use crate::arn::child_arn;
use crate::engine::{EngineError, name_of_time, random_seed};
use crate::items::{ChildResult, Place, Results};
use crate::journal::{
    Change, ChildRow, JournalError, MapRunRow, NewExecution, PendingChild, Reader, begin_map_run_redrive,
    close_map_run, fail_child, insert_map_run, note_fingerprint, note_items, reopen_child, reopen_execution,
    update_limits,
};
use crate::machine::{
    Execution, Failure, Input, MapRunOutcome, MapRunPlan, Nature, Redrive, ReplayError, Status, advance,
    errors, processor_of,
};
use crate::scheduler::{Alongside, Keeping, Scheduler, Slot, lock};

/// Children of which results are read from the journal at a time.
const RESULTS_PAGE: u32 = 256;
/// Children that wait to be redriven and are read from the journal at a time.
const PENDING_PAGE: u32 = 256;
/// Children that are started in one turn, so that other Map Runs have theirs.
const CHILDREN_PER_TURN: usize = 256;
/// Bytes of the inputs of children that run, of one Map Run. AWS has no such limit; there may be
/// 10,000 children with 256 KiB each. Ours: 6.5 KiB each then, and fewer at a time of larger ones,
/// as a `MaxConcurrency` never promises that so many run.
/// Tests have a smaller one.
pub(super) const RUNNING_INPUT_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// Whose child an execution is.
#[derive(Debug, Clone)]
pub(crate) struct ChildOf {
    pub(crate) map_run_arn: Arc<str>,
    pub(crate) number: u64,
}

/// A child that runs.
struct Running {
    arn: Arc<str>,
    /// Of its input.
    bytes: usize,
}

/// A Map Run at work.
pub(super) struct Driver {
    plan: Arc<MapRunPlan>,
    parent: Arc<Slot>,
    row: i64,
    machine_id: i64,
    revision: u32,
    sha256: [u8; 32],
    definition: Arc<StateMachine>,
    tally: Tally,
    inputs: Option<(ChildInputs, OpenDataset)>,
    /// Where the last item is that was taken, in a dataset of several objects.
    place: Option<Place>,
    /// What the items are read from, if that can be told.
    fingerprint: Option<String>,
    /// Children that run, by number.
    running: HashMap<u64, Running>,
    /// Bytes of their inputs.
    running_bytes: usize,
    /// The next children to redrive, and from which number on there may be more.
    pending: (VecDeque<PendingChild>, u64),
    is_aborting: bool,
    is_over: bool,
}

impl Driver {
    /// Counts the children there are already, and opens the items behind the
    /// last one that was taken.
    pub(super) fn open(
        scheduler: &Arc<Scheduler>,
        parent: &Arc<Slot>,
        plan: Arc<MapRunPlan>,
    ) -> Result<Self, EngineError> {
        let has_reader = plan.distributed().is_some_and(|distributed| distributed.item_reader.is_some());
        let total = (!has_reader).then(|| plan.items.item_count() as u64);
        let found = begun(scheduler, &plan)?;
        let limits = found.as_ref().map_or_else(|| Limits::of(&plan.run), MapRunRow::limits);
        let mut tally = Tally::new(limits, total);
        let mut running: Vec<(u64, Arc<str>)> = Vec::new();
        if let Some(found) = &found {
            let mut recall = |child: ChildRow| {
                tally.recall(child.number, child.items, child.status);
                if child.status == Status::Running {
                    running.push((child.number, child.execution_arn.into()));
                }
            };
            scheduler.readers.with(|reader| reader.map_run_children(found.id, &mut recall))?;
            // When all items were taken, nobody needs to read where they came from.
            if plan.redrive_count > 0 && found.items_total == Some(tally.position()) {
                tally.exhaust();
            }
        }
        let machine = parent.machine();
        let mut driver = Self {
            definition: plan.definition(),
            parent: Arc::clone(parent),
            row: found.as_ref().map_or(0, |found| found.id),
            machine_id: machine.machine_id,
            revision: machine.revision,
            sha256: machine.sha256,
            tally,
            inputs: None,
            place: None,
            fingerprint: found.as_ref().and_then(|found| found.fingerprint.clone()),
            running: HashMap::new(),
            running_bytes: 0,
            pending: (VecDeque::new(), 0),
            is_aborting: false,
            is_over: false,
            plan,
        };
        driver.take_up(scheduler, running)?;
        driver.open_inputs(scheduler, found.as_ref(), total)?;
        Ok(driver)
    }

    /// Goes on with the children that run. One that is damaged in the journal was left out when
    /// the engine was opened, and will never end: it failed, which is what the definition's
    /// tolerance of failures is for, and its row says so from now on, for it must not begin to
    /// run when its Map Run is over.
    fn take_up(
        &mut self,
        scheduler: &Arc<Scheduler>,
        running: Vec<(u64, Arc<str>)>,
    ) -> Result<(), EngineError> {
        for (number, arn) in running {
            let slot = lock(&scheduler.open).by_arn(&arn);
            if slot.is_none() && scheduler.is_left_out(&arn) {
                let now = scheduler.now_millis();
                let row = self.row;
                scheduler.change(Box::new(move |connection| fail_child(connection, row, number, now)))?;
                self.tally.end(number, Status::Failed);
                continue;
            }
            let bytes = slot.map_or(0, |slot| {
                lock(&slot.live).execution.started().map_or(0, |started| started.input.len())
            });
            // Without a slot it has ended meanwhile, which is about to be told.
            self.runs(number, arn, bytes);
        }
        Ok(())
    }

    fn runs(&mut self, number: u64, arn: Arc<str>, bytes: usize) {
        self.running_bytes += bytes;
        self.running.insert(number, Running { arn, bytes });
    }

    /// Opens the items behind the last one that was taken, unless all were.
    fn open_inputs(
        &mut self,
        scheduler: &Arc<Scheduler>,
        found: Option<&MapRunRow>,
        total: Option<u64>,
    ) -> Result<(), EngineError> {
        if self.tally.is_exhausted() {
            return Ok(());
        }
        let position = self.tally.position();
        // Developer guide, "Redriving Map Runs": items are read anew when no child was started.
        let known = found.filter(|_| position > 0).and_then(|found| found.fingerprint.clone());
        if let Some(found) = found.filter(|_| position > 0) {
            self.place = scheduler.readers.with(|reader| reader.map_run_place(found.id))?;
        }
        let place = self.place.as_ref();
        let opened = ChildInputs::open(&self.plan, &scheduler.objects, position, known.as_deref(), place);
        let fingerprint = opened.as_ref().ok().and_then(|inputs| inputs.fingerprint().map(str::to_owned));
        self.fingerprint.clone_from(&fingerprint);
        match found {
            None => self.row = self.insert(scheduler, total, fingerprint)?,
            Some(found) if position == 0 && found.fingerprint != fingerprint => {
                let row = found.id;
                scheduler.change(Box::new(move |connection| {
                    note_fingerprint(connection, row, fingerprint.as_deref())
                }))?;
            }
            Some(_) => {}
        }
        match opened {
            Ok(inputs) => self.inputs = Some((inputs, scheduler.map_runs.count_dataset())),
            Err(failure) => self.tally.fail(failure),
        }
        Ok(())
    }

    /// Gives the dataset up until the next turn that needs it, as a crash would.
    pub(super) fn close_inputs(&mut self) {
        self.inputs = None;
    }

    /// The dataset behind the last item that was taken; opened again if it was given up.
    fn inputs(&mut self, scheduler: &Arc<Scheduler>) -> Result<&mut ChildInputs, Failure> {
        let open = if let Some(open) = self.inputs.take() {
            open
        } else {
            let position = self.tally.position();
            let known = self.fingerprint.as_deref().filter(|_| position > 0);
            let place = self.place.as_ref();
            let opened = ChildInputs::open(&self.plan, &scheduler.objects, position, known, place)?;
            (opened, scheduler.map_runs.count_dataset())
        };
        Ok(&mut self.inputs.insert(open).0)
    }

    /// Makes the Map Run durable, before it has any child.
    fn insert(
        &self,
        scheduler: &Arc<Scheduler>,
        total: Option<u64>,
        fingerprint: Option<String>,
    ) -> Result<i64, EngineError> {
        let (run, now) = (&self.plan.run, scheduler.now_millis());
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
            start_millis: now,
            stop_millis: None,
            is_express: self.plan.execution_type() == ExecutionType::Express,
            redrive_count: self.plan.redrive_count,
            redrive_millis: (self.plan.redrive_count > 0).then_some(now),
        };
        scheduler.change(Box::new(move |connection| insert_map_run(connection, &row)))?;
        let found = scheduler.readers.with(|reader| reader.map_run(&run.arn))?;
        let missing = || EngineError::MapRunDoesNotExist { map_run_arn: run.arn.to_string() };
        found.map(|found| found.id).ok_or_else(missing)
    }

    /// Takes note of what it is told.
    pub(super) fn hear(&mut self, told: Told) {
        match told {
            Told::Ended(number, status) => self.ended(number, status),
            Told::Limits(limits) => self.tally.set_limits(limits),
            Told::Stop => self.tally.stop(),
        }
    }

    /// Whether it is over: nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Starts what may start, aborts what has to be, and ends when all is
    /// done. Answers whether there is more to start.
    pub(super) fn work(&mut self, scheduler: &Arc<Scheduler>) -> Result<bool, EngineError> {
        let mut started = 0;
        while self.may_start() && started < CHILDREN_PER_TURN {
            started += 1;
            if self.tally.has_pending() {
                self.redrive_child(scheduler)?;
                continue;
            }
            let next = self.inputs(scheduler).and_then(|inputs| inputs.next(scheduler.now_millis()));
            match next {
                Ok(Some(input)) => self.start_child(scheduler, input)?,
                Ok(None) => {
                    self.tally.exhaust();
                    self.inputs = None;
                    let (row, total) = (self.row, self.tally.position());
                    scheduler.change(Box::new(move |connection| note_items(connection, row, total)))?;
                }
                Err(failure) => self.tally.fail(failure),
            }
        }
        if self.tally.is_ending() && !self.is_aborting {
            self.is_aborting = true;
            self.inputs = None;
            self.abort_children(scheduler);
        }
        if self.tally.is_done() {
            self.finish(scheduler)?;
        }
        // What is started waits for the disk like everything else: no more of it than may wait.
        if scheduler.is_behind() {
            scheduler.sync()?;
        }
        Ok(!self.is_over && self.may_start())
    }

    /// Whether one more child may run: by its number, and by the size of those that do.
    fn may_start(&self) -> bool {
        self.tally.wants_child() && self.running_bytes < RUNNING_INPUT_BYTES_MAX
    }

    fn start_child(&mut self, scheduler: &Arc<Scheduler>, child: ChildInput) -> Result<(), EngineError> {
        let name = name_of_time(scheduler.now_millis())?;
        let arn: Arc<str> = child_arn(&self.plan.run.arn, &name).into();
        let bytes = child.input.len();
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
        self.runs(number, Arc::clone(&arn), bytes);
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
            place: child.place.as_ref().and_then(|place| serde_json::to_string(place).ok()),
        };
        self.place = child.place;
        let alongside = Alongside { new: Some(new), ..Alongside::default() };
        scheduler.commit(&slot, &mut live, transition, alongside);
        Ok(())
    }

    /// Redrives the next child that waits for it; an Express child starts again.
    fn redrive_child(&mut self, scheduler: &Arc<Scheduler>) -> Result<(), EngineError> {
        let Some(child) = self.next_pending(scheduler)? else {
            // Cannot be: as many wait as were counted. Better none of them than for ever.
            self.tally.fail(Failure::runtime("Children that wait to be redriven are not in the journal."));
            return Ok(());
        };
        let arn: Arc<str> = child.execution_arn.as_str().into();
        let replayed = |source| EngineError::Replay { execution_arn: arn.to_string(), source };
        let Some((execution, count)) = self.folded(scheduler, &child)? else {
            // Damaged since it ended: it stays as it ended.
            self.tally.redrive(child.number, child.items);
            self.ended(child.number, Status::Failed);
            return Ok(());
        };
        let machine = self.parent.machine().clone();
        let slot = Slot::new(child.id, Arc::clone(&arn), execution, count, Keeping::Journal, machine);
        slot.set_child_of(ChildOf { map_run_arn: Arc::clone(&self.plan.run.arn), number: child.number });
        let mut open = lock(&scheduler.open);
        if let Err(error) = open.admit(&slot) {
            drop(open);
            self.tally.fail(Failure::new(Nature::Raised, errors::RUNTIME, error.to_string()));
            return Ok(());
        }
        let mut live = lock(&slot.live);
        drop(open);
        self.tally.redrive(child.number, child.items);
        let bytes = live.execution.started().map_or(0, |started| started.input.len());
        self.runs(child.number, Arc::clone(&arn), bytes);
        let (id, now) = (child.id, scheduler.now_millis());
        let redrive_count = live.execution.redrive_count() + 1;
        let (input, change): (Input, Change) = match self.plan.execution_type() {
            ExecutionType::Express => {
                (Input::Restart, Box::new(move |connection| reopen_child(connection, id)))
            }
            ExecutionType::Standard => (
                Input::Redrive(Redrive::default()),
                Box::new(move |connection| reopen_execution(connection, id, redrive_count, now)),
            ),
        };
        let status = live.execution.status();
        let transition = advance(&mut live.execution, input, now).map_err(replayed)?;
        if transition.records.is_empty() {
            // Its history has no room: it stays as it ended. An older journal did not know before.
            drop(live);
            lock(&scheduler.open).remove(&slot);
            self.ended(child.number, status);
            return Ok(());
        }
        scheduler.commit(
            &slot,
            &mut live,
            transition,
            Alongside { change: Some(change), ..Alongside::default() },
        );
        Ok(())
    }

    /// A child that waits to be redriven, and how many records it has; `None` = it is damaged.
    fn folded(
        &self,
        scheduler: &Arc<Scheduler>,
        child: &PendingChild,
    ) -> Result<Option<(Execution, u64)>, EngineError> {
        let arn = &child.execution_arn;
        let problem = match scheduler.readers.with(|reader| reader.records(child.id, arn)) {
            Ok(records) => match Execution::replay(Arc::clone(&self.definition), &records) {
                Ok(execution) => return Ok(Some((execution, records.len() as u64))),
                Err(problem) => problem.to_string(),
            },
            Err(error @ JournalError::DamagedSegment { .. }) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        tracing::error!(arn, %problem, "not redriven: its part of the journal is damaged");
        Ok(None)
    }

    fn next_pending(&mut self, scheduler: &Arc<Scheduler>) -> Result<Option<PendingChild>, EngineError> {
        let (page, from) = &mut self.pending;
        if page.is_empty() {
            let row = self.row;
            let read = scheduler.readers.with(|reader| reader.pending_children(row, *from, PENDING_PAGE))?;
            page.extend(read);
        }
        let next = page.pop_front();
        *from = next.as_ref().map_or(*from, |child| child.number + 1);
        Ok(next)
    }

    fn ended(&mut self, number: u64, status: Status) {
        if let Some(child) = self.running.remove(&number) {
            self.running_bytes -= child.bytes;
        }
        self.tally.end(number, status);
    }

    fn abort_children(&self, scheduler: &Arc<Scheduler>) {
        let mut numbers: Vec<u64> = self.tally.running().collect();
        numbers.sort_unstable();
        for child in numbers.iter().filter_map(|number| self.running.get(number)) {
            let slot = lock(&scheduler.open).by_arn(&child.arn);
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
        let Some(outcome) = outcome else { return scheduler.change(close) };
        // Whoever waits for the Map Run hears of its end when its row has it, and the other way
        // round: after a crash it has either ended for both, or goes on.
        let event_id = self.plan.event_id;
        let alongside = Alongside { change: Some(close), ..Alongside::default() };
        scheduler.input_with(&self.parent, Input::MapRunEnded { event_id, outcome }, alongside);
        // Until its row is closed it counts as under way: it is no orphan.
        scheduler.sync()
    }

    fn outcome(&self, scheduler: &Arc<Scheduler>) -> MapRunOutcome {
        let results = || -> Results<'_> {
            Box::new(ResultPages { scheduler, row: self.row, next: Some(0), page: Vec::new().into_iter() })
        };
        results_outcome(&self.plan, &*scheduler.objects, self.tally.failure(), results)
    }
}

/// The row of a Map Run, if it has one. A redrive is noted there before anything follows from it.
fn begun(scheduler: &Arc<Scheduler>, plan: &MapRunPlan) -> Result<Option<MapRunRow>, EngineError> {
    let read = || scheduler.readers.with(|reader| reader.map_run(&plan.run.arn));
    let Some(found) = read()? else { return Ok(None) };
    if found.redrive_count >= plan.redrive_count {
        return Ok(Some(found));
    }
    let (row, is_express, redrive_count) = (found.id, found.is_express, plan.redrive_count);
    let now = scheduler.now_millis();
    scheduler.change(Box::new(move |connection| {
        begin_map_run_redrive(connection, row, is_express, redrive_count, now)
    }))?;
    Ok(read()?)
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
/// away, and aborts their children. Those of an execution that was left out stay:
/// it may go on in another release, or after a repair. To be called when all executions were
/// recovered and their effects are released.
pub(crate) fn abort_orphans(scheduler: &Arc<Scheduler>) -> Result<(), EngineError> {
    for orphan in scheduler.readers.with(Reader::open_map_runs)? {
        // One whose execution is left out as damaged has somebody who may wait again, from a backup.
        if scheduler.map_runs.has(&orphan.arn) || scheduler.is_left_out(&orphan.execution_arn) {
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

/// The processors of Map Runs, by the number of the Map Run, with its ARN.
pub(crate) type Processors = BTreeMap<i64, (Arc<str>, Arc<StateMachine>)>;

/// What an open child of a Map Run executes, and whose child it is; `None` =
/// it is no child. `root` is the definition its Map state is in; processors
/// that were made before are shared, by Map Run.
pub(crate) fn child_definition(
    reader: &Reader,
    map_run: Option<(i64, u64)>,
    root: &StateMachine,
    processors: &mut Processors,
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

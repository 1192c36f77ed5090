//! The threads that drive Map Runs: a few, however many Map Runs there are.
//!
//! A Map Run that waits is what its driver remembers, and a queue of what it
//! was told meanwhile. It has a turn when it was told something, and another
//! one when it could not do all that was to do in the last. A turn works off
//! one message, so what a Map Run does follows from the order in which it was
//! told things, and not from how the threads came to run.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use super::driver::Driver;
use super::tally::Limits;
use crate::engine::{EngineError, STACK_BYTES};
use crate::machine::{MapRunPlan, Status};
use crate::scheduler::{Scheduler, Slot, lock};

/// Threads that drive Map Runs. Ours: most of the time each waits for the disk or for an object
/// store, and what so many commit at once is one transaction.
pub(super) const THREADS_MAX: usize = 16;
/// Datasets that Map Runs keep open while they wait. Ours: a quarter of the 1,024 files that a
/// process may have open on most machines. Further ones are opened anew for each turn.
const DATASETS_MAX: usize = 256;

/// What a Map Run is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    /// A child ended.
    Ended(u64, Status),
    /// Somebody changed its limits.
    Limits(Limits),
    /// Nobody waits for it any more.
    Stop,
}

/// The Map Runs of an engine that are under way.
#[derive(Default)]
pub(crate) struct MapRuns {
    pool: Arc<Pool>,
    /// Held while limits are read, changed and written.
    changing: Mutex<()>,
}

#[derive(Default)]
struct Pool {
    work: Mutex<Work>,
    /// Somebody is ready, or all is over.
    wanted: Condvar,
    /// Messages that were sent and are not worked off, and turns that are to come.
    jobs: Arc<AtomicU64>,
    /// Datasets that are open.
    datasets: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Work {
    open: HashMap<Arc<str>, Open>,
    /// Who is to have a turn, in that order; nobody twice.
    ready: VecDeque<Arc<str>>,
    threads: usize,
    is_over: bool,
}

/// A Map Run that is under way.
struct Open {
    stage: Stage,
    /// It has a turn to come even if it is told nothing.
    unfinished: Option<Job>,
    inbox: VecDeque<(Told, Job)>,
    is_ready: bool,
    /// Its redrive, which begins when it is at its end. Developer guide,
    /// "Redriving Map Runs": not before all children are cancelled.
    next: Option<Next>,
}

enum Stage {
    /// Its first turn is to come.
    New(Arc<Slot>, Arc<MapRunPlan>),
    /// Between two turns.
    Resting(Box<Driver>),
    /// A thread has it.
    AtWork,
}

/// A Map Run that is about to begin.
struct Next {
    parent: Arc<Slot>,
    plan: Arc<MapRunPlan>,
    job: Job,
}

/// One thing less to do, however it is done.
struct Job(Arc<AtomicU64>);

impl Job {
    fn new(jobs: &Arc<AtomicU64>) -> Self {
        jobs.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(jobs))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An open dataset, counted.
pub(super) struct OpenDataset(Arc<AtomicUsize>);

impl Drop for OpenDataset {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl MapRuns {
    /// Tells a Map Run something; `false` = it is not under way.
    pub(crate) fn tell(&self, arn: &str, told: Told) -> bool {
        let mut work = lock(&self.pool.work);
        let Some(open) = work.open.get_mut(arn) else { return false };
        // Nobody waits for the redrive any more either.
        let given_up = if matches!(told, Told::Stop) { open.next.take() } else { None };
        open.inbox.push_back((told, Job::new(&self.pool.jobs)));
        self.pool.let_come(&mut work, arn);
        drop(work);
        drop(given_up);
        true
    }

    /// Keeps other changes of limits out until the guard is gone.
    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        lock(&self.changing)
    }

    pub(crate) fn has(&self, arn: &str) -> bool {
        lock(&self.pool.work).open.contains_key(arn)
    }

    /// Whether a Map Run has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.pool.jobs.load(Ordering::SeqCst) > 0
    }

    /// How many threads there are.
    #[cfg(test)]
    pub(crate) fn threads(&self) -> usize {
        lock(&self.pool.work).threads
    }

    /// Counts a dataset as open until the answer is dropped.
    pub(super) fn count_dataset(&self) -> OpenDataset {
        self.pool.datasets.fetch_add(1, Ordering::SeqCst);
        OpenDataset(Arc::clone(&self.pool.datasets))
    }

    /// Ends all threads.
    pub(crate) fn clear(&self) {
        let mut work = lock(&self.pool.work);
        work.is_over = true;
        let open = std::mem::take(&mut work.open);
        work.ready.clear();
        drop(work);
        self.pool.wanted.notify_all();
        drop(open);
    }
}

impl Drop for MapRuns {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Scheduler {
    /// Runs a Map Run, or goes on with it. One that is still at work on its
    /// end begins anew behind that.
    pub(crate) fn start_map_run(self: &Arc<Self>, slot: &Arc<Slot>, plan: MapRunPlan) {
        let pool = &self.map_runs.pool;
        let job = Job::new(&pool.jobs);
        let (arn, next) =
            (Arc::clone(&plan.run.arn), Next { parent: Arc::clone(slot), plan: Arc::new(plan), job });
        let mut work = lock(&pool.work);
        if work.is_over {
            return;
        }
        if let Some(before) = work.open.get_mut(&arn) {
            before.next = Some(next);
            return;
        }
        pool.begin(&mut work, &arn, next);
        let is_short = work.threads < work.open.len().min(THREADS_MAX);
        work.threads += usize::from(is_short);
        drop(work);
        if is_short {
            self.start_thread();
        }
    }

    fn start_thread(self: &Arc<Self>) {
        let (pool, scheduler) = (Arc::clone(&self.map_runs.pool), Arc::downgrade(self));
        let body = move || pool.serve(&scheduler);
        let name = "stepwright-map-runs".to_owned();
        if let Err(error) = thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(body) {
            self.stop(format!("start a thread for Map Runs: {error}"));
        }
    }
}

/// What a thread takes from the pool.
struct Turn {
    arn: Arc<str>,
    stage: Stage,
    told: Option<Told>,
    job: Job,
}

impl Pool {
    /// The body of a thread: one turn after the other, until all is over.
    fn serve(&self, scheduler: &Weak<Scheduler>) {
        while let Some(turn) = self.next() {
            let Some(engine) = scheduler.upgrade() else { return };
            let alarm = Alarm { scheduler: Weak::clone(scheduler), arn: Arc::clone(&turn.arn) };
            let Turn { arn, stage, told, job } = turn;
            match take_turn(&engine, stage, told) {
                Ok(Some((driver, goes_on))) => self.put_back(&arn, driver, goes_on, job),
                Ok(None) => {}
                Err(error) => alarm.stop_engine(&error.to_string()),
            }
        }
    }

    /// Waits for somebody to be ready; `None` = all is over.
    fn next(&self) -> Option<Turn> {
        let mut work = lock(&self.work);
        loop {
            if work.is_over {
                return None;
            }
            if let Some(turn) = work.take() {
                return Some(turn);
            }
            work = self.wanted.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A Map Run rests again, or is over; then its redrive begins, if there is one already.
    fn put_back(&self, arn: &Arc<str>, mut driver: Box<Driver>, goes_on: bool, job: Job) {
        if self.datasets.load(Ordering::SeqCst) > DATASETS_MAX {
            driver.close_inputs();
        }
        let mut work = lock(&self.work);
        if driver.is_over() {
            let over = work.open.remove(arn);
            if let Some(next) = over.and_then(|open| open.next) {
                self.begin(&mut work, arn, next);
            }
        } else if let Some(open) = work.open.get_mut(arn) {
            open.stage = Stage::Resting(driver);
            open.unfinished = goes_on.then_some(job);
            if open.unfinished.is_some() || !open.inbox.is_empty() {
                self.let_come(&mut work, arn);
            }
        }
    }

    fn begin(&self, work: &mut Work, arn: &Arc<str>, next: Next) {
        let Next { parent, plan, job } = next;
        let stage = Stage::New(parent, plan);
        let open = Open { stage, unfinished: Some(job), inbox: VecDeque::new(), is_ready: false, next: None };
        work.open.insert(Arc::clone(arn), open);
        self.let_come(work, arn);
    }

    /// A Map Run is to have a turn. One that a thread has comes when it rests.
    fn let_come(&self, work: &mut Work, arn: &str) {
        let Some((arn, open)) = work.open.get_key_value(arn) else { return };
        if open.is_ready || matches!(open.stage, Stage::AtWork) {
            return;
        }
        let arn = Arc::clone(arn);
        work.ready.push_back(Arc::clone(&arn));
        if let Some(open) = work.open.get_mut(&arn) {
            open.is_ready = true;
        }
        self.wanted.notify_one();
    }
}

impl Work {
    /// The next turn, if somebody is ready.
    fn take(&mut self) -> Option<Turn> {
        while let Some(arn) = self.ready.pop_front() {
            let Some(open) = self.open.get_mut(&arn) else { continue };
            open.is_ready = false;
            let (told, job) = match open.unfinished.take() {
                Some(job) => (None, job),
                None => match open.inbox.pop_front() {
                    Some((told, job)) => (Some(told), job),
                    None => continue,
                },
            };
            let stage = std::mem::replace(&mut open.stage, Stage::AtWork);
            return Some(Turn { arn, stage, told, job });
        }
        None
    }
}

/// One turn; answers whether another one is to follow.
fn take_turn(
    engine: &Arc<Scheduler>,
    stage: Stage,
    told: Option<Told>,
) -> Result<Option<(Box<Driver>, bool)>, EngineError> {
    let mut driver = match stage {
        Stage::New(parent, plan) => Box::new(Driver::open(engine, &parent, plan)?),
        Stage::Resting(driver) => driver,
        // Cannot be: nobody is ready whom a thread has.
        Stage::AtWork => return Ok(None),
    };
    if let Some(told) = told {
        driver.hear(told);
    }
    let goes_on = driver.work(engine)?;
    Ok(Some((driver, goes_on)))
}

/// Stops the engine when a Map Run cannot go on: the execution that waits for
/// it would wait for ever, and the next engine can take it up again.
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

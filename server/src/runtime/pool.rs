//! The processes of one function: who is warm, what waits, when to start another.
//!
//! Invocations wait in order of arrival. A process that is free takes the first; if
//! none is free or about to be and fewer than `concurrency_max` run, one more is started. (AWS would
//! throttle beyond the account's concurrency; one machine has nothing to gain from a
//! retry, so the invocation waits instead.) A function with reserved concurrency never
//! has more invocations than that: the next one is throttled, as on AWS.
//!
//! A start that fails answers exactly one waiting invocation with the failure, so a
//! broken bootstrap can never be started again and again for the same invocation; nor
//! can one that hangs up on the first invocation it is handed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use engine::TaskKey;
use tokio::sync::{Notify, oneshot};

use super::{
    Function, FunctionFigures, Shared,
    invocation::{Invocation, Refused},
    logs::FunctionLog,
    process,
};

/// What a free process gets.
pub(super) enum Work {
    Now(Box<Invocation>),
    Later(oneshot::Receiver<Invocation>),
    /// The host is shutting down.
    Never,
}

/// One function and its processes.
pub(super) struct Pool {
    pub(super) function: Function,
    pub(super) log: Arc<FunctionLog>,
    /// When the program was made, as far as it can be told: another program under the same name is
    /// another function.
    pub(super) made: Option<SystemTime>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Invocation>,
    /// Free processes, the most recently used last: it is the warmest.
    free: Vec<oneshot::Sender<Invocation>>,
    /// Those that wait and those that are worked on, by their numbers.
    open: BTreeMap<u64, (Option<TaskKey>, Arc<Notify>)>,
    numbered: u64,
    live: usize,
    starting: usize,
    /// Processes that have answered, or just started, and are about to ask for work.
    returning: usize,
    /// Why it takes no more work, if it does not.
    closed: Option<Closed>,
    figures: FunctionFigures,
}

/// Why a pool takes no more work.
#[derive(Clone)]
enum Closed {
    /// The host ends.
    Ended,
    /// The function is gone.
    Gone,
    /// Another has taken its place, and takes what still comes.
    Replaced(Arc<Pool>),
}

/// An invocation that a pool does not take.
pub(super) struct Returned {
    pub(super) invocation: Box<Invocation>,
    pub(super) why: Refused,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("function", &self.function.name).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(function: Function, log: FunctionLog) -> Self {
        let made = std::fs::metadata(&function.bootstrap).and_then(|metadata| metadata.modified()).ok();
        Self { function, log: Arc::new(log), made, inner: Mutex::default() }
    }

    /// Whether both run the same program in the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.function == other.function && self.made == other.made
    }

    /// Goes on with the figures of the pool it takes the place of.
    pub(super) fn follow(&self, old: &Self) {
        self.inner().figures = old.figures();
    }

    /// Takes no more work: free processes end, the others after their answer. Returns what waited.
    pub(super) fn retire(&self, successor: Option<&Arc<Self>>) -> VecDeque<Invocation> {
        let mut inner = self.inner();
        inner.closed = Some(successor.map_or(Closed::Gone, |next| Closed::Replaced(Arc::clone(next))));
        inner.free.clear();
        let waiting = std::mem::take(&mut inner.waiting);
        for invocation in &waiting {
            inner.open.remove(&invocation.number);
        }
        waiting
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an invocation: to a warm process, or into the queue with one more process started for it.
    /// What it does not take comes back.
    pub(super) fn submit(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        mut invocation: Invocation,
    ) -> Result<(), Returned> {
        let returned = |invocation, why| Err(Returned { invocation: Box::new(invocation), why });
        let mut inner = self.inner();
        match inner.closed.clone() {
            None => {}
            Some(Closed::Ended) => return returned(invocation, Refused::Ended),
            Some(Closed::Gone) => return returned(invocation, Refused::Gone),
            Some(Closed::Replaced(next)) => {
                drop(inner);
                return next.submit(shared, invocation);
            }
        }
        if self.function.reserved_concurrency.is_some_and(|reserved| inner.open.len() >= reserved as usize) {
            inner.figures.throttles += 1;
            return returned(invocation, Refused::Throttled);
        }
        inner.numbered += 1;
        invocation.number = inner.numbered;
        let open = (invocation.key.clone(), Arc::clone(&invocation.cancelled));
        inner.open.insert(invocation.number, open);
        while let Some(process) = inner.free.pop() {
            match process.send(invocation) {
                Ok(()) => return Ok(()),
                Err(back) => invocation = back,
            }
        }
        inner.waiting.push_back(invocation);
        self.start_if_needed(&mut inner, shared);
        Ok(())
    }

    fn start_if_needed(self: &Arc<Self>, inner: &mut Inner, shared: &Arc<Shared>) {
        while inner.closed.is_none()
            && inner.live < self.processes_max()
            && inner.waiting.len() > inner.starting + inner.returning
        {
            inner.live += 1;
            inner.starting += 1;
            shared.spawn(process::run(Arc::clone(shared), Arc::clone(self)));
        }
    }

    fn processes_max(&self) -> usize {
        let reserved = self.function.reserved_concurrency.map_or(usize::MAX, |reserved| reserved as usize);
        self.function.concurrency_max.min(reserved).max(1)
    }

    /// A process is ready for the first time: it asks for work next.
    pub(super) fn started(&self, init: Duration) {
        let mut inner = self.inner();
        inner.starting = inner.starting.saturating_sub(1);
        inner.returning += 1;
        inner.figures.cold_start(init);
    }

    /// A process could not get ready: the first waiting invocation is to have the failure.
    pub(super) fn start_failed(&self) -> Option<Invocation> {
        let mut inner = self.inner();
        inner.starting = inner.starting.saturating_sub(1);
        inner.waiting.pop_front()
    }

    /// A process is about to answer and to ask for more. Told before the engine
    /// hears the answer: what it asks for next then finds this process, warm,
    /// and starts none.
    pub(super) fn returns(&self) {
        self.inner().returning += 1;
    }

    /// A process that was about to ask for work will not.
    pub(super) fn lost(&self) {
        let mut inner = self.inner();
        inner.returning = inner.returning.saturating_sub(1);
    }

    /// A process asks for work: after [`Self::started`] or [`Self::returns`].
    pub(super) fn take(&self) -> Work {
        let mut inner = self.inner();
        inner.returning = inner.returning.saturating_sub(1);
        if inner.closed.is_some() {
            return Work::Never;
        }
        if let Some(invocation) = inner.waiting.pop_front() {
            return Work::Now(Box::new(invocation));
        }
        let (sender, receiver) = oneshot::channel();
        inner.free.push(sender);
        Work::Later(receiver)
    }

    /// A process died between taking an invocation and starting it: nothing has happened yet.
    pub(super) fn put_back(&self, shared: &Arc<Shared>, invocation: Invocation) {
        let mut inner = self.inner();
        let Some(closed) = inner.closed.clone() else { return inner.waiting.push_front(invocation) };
        inner.open.remove(&invocation.number);
        // Others are told, and take it, without our lock.
        drop(inner);
        match closed {
            Closed::Ended => invocation.refuse(shared, &self.function.name, Refused::Ended),
            Closed::Gone => invocation.refuse(shared, &self.function.name, Refused::Gone),
            Closed::Replaced(next) => next.hand_on(shared, invocation),
        }
    }

    /// Takes an invocation that others had, or tells who waits for it why not.
    pub(super) fn hand_on(self: &Arc<Self>, shared: &Arc<Shared>, invocation: Invocation) {
        if let Err(Returned { invocation, why }) = self.submit(shared, invocation) {
            invocation.refuse(shared, &self.function.name, why);
        }
    }

    /// A process has ended; others are started if invocations wait.
    pub(super) fn ended(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut inner = self.inner();
        inner.live = inner.live.saturating_sub(1);
        inner.free.retain(|sender| !sender.is_closed());
        self.start_if_needed(&mut inner, shared);
    }

    /// Records what an invocation came to, before the engine hears of it.
    pub(super) fn answered(&self, number: u64, failed: bool, duration: Duration, memory_kib: Option<u64>) {
        let mut inner = self.inner();
        inner.open.remove(&number);
        inner.figures.invocation(duration, failed, memory_kib);
    }

    /// Nobody waits for this invocation any more: it leaves the queue, or its process is killed.
    pub(super) fn cancel(&self, key: &TaskKey) {
        let mut inner = self.inner();
        let found = inner.open.iter().find(|(_, (of, _))| of.as_ref() == Some(key));
        let Some(number) = found.map(|(number, _)| *number) else { return };
        let Some((_, cancelled)) = inner.open.remove(&number) else { return };
        let waiting = inner.waiting.iter().position(|waiting| waiting.number == number);
        let dropped = waiting.and_then(|at| inner.waiting.remove(at));
        // An invocation that is dropped calls the engine: never under our lock.
        drop(inner);
        if dropped.is_none() {
            cancelled.notify_one();
        }
    }

    /// Takes no more work; free processes learn that there will be none.
    pub(super) fn close(&self) {
        let mut inner = self.inner();
        inner.closed = Some(Closed::Ended);
        inner.free.clear();
        let dropped = std::mem::take(&mut inner.waiting);
        // Invocations that are dropped call the engine: never under our lock.
        drop(inner);
        drop(dropped);
    }

    pub(super) fn figures(&self) -> FunctionFigures {
        self.inner().figures.clone()
    }
}

//! The processes of one function: who is warm, what waits, when to start another.
//!
//! Invocations wait in order of arrival. A process that is free takes the first; if
//! none is free or about to be and fewer than `concurrency_max` run, one more is started. (AWS would
//! answer `Lambda.TooManyRequestsException` beyond the reserved concurrency; one
//! machine has nothing to gain from a retry, so the invocation waits instead.)
//!
//! A start that fails answers exactly one waiting invocation with the failure, so a
//! broken bootstrap can never be started again and again for the same invocation; nor
//! can one that hangs up on the first invocation it is handed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use engine::{Completion, TaskKey};
use tokio::sync::{Notify, oneshot};

use super::{Function, FunctionFigures, Shared, answer::Answer, logs::FunctionLog, process};

/// One call of a function.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) key: TaskKey,
    pub(super) request_id: String,
    pub(super) trace_id: String,
    /// JSON text.
    pub(super) payload: String,
    pub(super) done: Completion,
    /// Told when nobody waits for the answer any more.
    pub(super) cancelled: Arc<Notify>,
}

impl Invocation {
    /// Hands the answer to the engine.
    pub(super) fn finish(self, answer: Answer) {
        let date = super::http_date();
        let call = super::answer::CallIdentity {
            request_id: &self.request_id,
            trace_id: &self.trace_id,
            date: &date,
        };
        let outcome = answer.into_outcome(&call);
        self.done.finish(outcome);
    }
}

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
    made: Option<SystemTime>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Invocation>,
    /// Free processes, the most recently used last: it is the warmest.
    free: Vec<oneshot::Sender<Invocation>>,
    running: Vec<(TaskKey, Arc<Notify>)>,
    live: usize,
    starting: usize,
    /// Processes that have answered, or just started, and are about to ask for work.
    returning: usize,
    closed: bool,
    /// Who takes what still comes to a pool that was retired.
    successor: Option<Arc<Pool>>,
    figures: FunctionFigures,
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
        inner.closed = true;
        inner.successor = successor.cloned();
        inner.free.clear();
        let waiting = std::mem::take(&mut inner.waiting);
        inner.running.retain(|(key, _)| waiting.iter().all(|invocation| invocation.key != *key));
        waiting
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an invocation: to a warm process, or into the queue with one more process started for it.
    pub(super) fn submit(self: &Arc<Self>, shared: &Arc<Shared>, invocation: Invocation) {
        let mut inner = self.inner();
        if inner.closed {
            let successor = inner.successor.clone();
            // Dropped, or handed on, after the lock: to an engine that still listens, an unknown outcome.
            drop(inner);
            if let Some(next) = successor {
                next.submit(shared, invocation);
            }
            return;
        }
        inner.running.push((invocation.key.clone(), Arc::clone(&invocation.cancelled)));
        let mut invocation = invocation;
        while let Some(process) = inner.free.pop() {
            match process.send(invocation) {
                Ok(()) => return,
                Err(back) => invocation = back,
            }
        }
        inner.waiting.push_back(invocation);
        self.start_if_needed(&mut inner, shared);
    }

    fn start_if_needed(self: &Arc<Self>, inner: &mut Inner, shared: &Arc<Shared>) {
        while !inner.closed
            && inner.live < self.function.concurrency_max.max(1)
            && inner.waiting.len() > inner.starting + inner.returning
        {
            inner.live += 1;
            inner.starting += 1;
            shared.spawn(process::run(Arc::clone(shared), Arc::clone(self)));
        }
    }

    /// A process is ready for the first time: it asks for work next.
    pub(super) fn started(&self, init: Duration) {
        let mut inner = self.inner();
        inner.starting = inner.starting.saturating_sub(1);
        inner.returning += 1;
        inner.figures.cold_start(init);
    }

    /// A process could not get ready: the first waiting invocation has the failure.
    pub(super) fn start_failed(&self, answer: impl FnOnce(&str) -> Answer) {
        let invocation = {
            let mut inner = self.inner();
            inner.starting = inner.starting.saturating_sub(1);
            inner.waiting.pop_front()
        };
        if let Some(invocation) = invocation {
            let answer = answer(&invocation.request_id);
            self.answered(&invocation, &answer, Duration::ZERO, None);
            invocation.finish(answer);
        }
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
        if inner.closed {
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
        match inner.successor.clone() {
            None => inner.waiting.push_front(invocation),
            Some(next) => {
                drop(inner);
                next.submit(shared, invocation);
            }
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
    pub(super) fn answered(
        &self,
        invocation: &Invocation,
        answer: &Answer,
        duration: Duration,
        memory_kib: Option<u64>,
    ) {
        let mut inner = self.inner();
        inner.running.retain(|(key, _)| *key != invocation.key);
        inner.figures.invocation(duration, answer.is_error(), memory_kib);
    }

    /// Nobody waits for this invocation any more: it leaves the queue, or its process is killed.
    pub(super) fn cancel(&self, key: &TaskKey) {
        let mut inner = self.inner();
        let Some(at) = inner.running.iter().position(|(running, _)| running == key) else { return };
        let (_, cancelled) = inner.running.swap_remove(at);
        let waiting = inner.waiting.iter().position(|waiting| waiting.key == *key);
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
        inner.closed = true;
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

//! The threads that call services.
//!
//! A call waits for a network, so it never runs on the thread that writes the
//! journal. Threads are started as they are needed, at most
//! [`THREADS_MAX`], and end when nothing was to do for a while; what there is
//! no thread for waits its turn. What waits is bounded by the tasks that are
//! open. Jobs to be done later (polls) wait without a thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Calls under way at a time. Ours: a thread that waits costs some 20 KiB.
const THREADS_MAX: usize = 64;

/// A thread that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(5);

/// The engine works on the thread that hands in an outcome: expressions nest up to 100 levels.
const STACK_BYTES: usize = 8 << 20;

/// Something to be done on a thread of the pool.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The threads. Clones are the same pool.
#[derive(Clone, Default)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Job>,
    later: BTreeMap<(Instant, u64), Job>,
    numbered: u64,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// Does something as soon as a thread is free.
    pub(super) fn run(&self, job: Job) {
        let mut state = self.shared.lock();
        if !state.closed {
            state.ready.push_back(job);
            self.wake(state);
        }
    }

    /// Does something after a time.
    pub(super) fn run_after(&self, delay: Duration, job: Job) {
        let mut state = self.shared.lock();
        if !state.closed {
            let number = state.numbered;
            state.numbered += 1;
            state.later.insert((Instant::now() + delay, number), job);
            self.wake(state);
        }
    }

    /// Does nothing more: what waits is dropped. Calls under way come to their end.
    pub(super) fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let dropped = (std::mem::take(&mut state.ready), std::mem::take(&mut state.later));
        drop(state);
        self.shared.changed.notify_all();
        // Outside of the lock: what is dropped may be a completion, which speaks to the engine.
        drop(dropped);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        // One that was woken counts as idle until it has the lock: what is ready is counted as well.
        let needs_thread = state.idle <= state.ready.len().saturating_sub(1) && state.threads < THREADS_MAX;
        if !needs_thread {
            drop(state);
            self.shared.changed.notify_one();
            return;
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("integration".to_owned()).stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(move || shared.work()) {
            tracing::warn!(%error, "no thread for a call; it waits for one");
            self.shared.lock().threads -= 1;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's work, to its end.
    fn work(&self) {
        while let Some(job) = self.next() {
            // A job that panics loses its own task, whose completion says so; not the thread.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    }

    /// The next thing to do; `None` = the thread ends.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        let until = Instant::now() + IDLE;
        loop {
            if let Some(job) = state.take(Instant::now()) {
                // Jobs take minutes: what is ready or due besides is for somebody else.
                if state.has_more(Instant::now()) {
                    self.changed.notify_one();
                }
                return Some(job);
            }
            let now = Instant::now();
            let due = state.later.first_key_value().map(|((due, _), _)| *due);
            // The last thread stays for what is due later.
            let is_last = due.is_some() && state.idle == 0;
            if state.closed || (now >= until && !is_last) {
                state.threads -= 1;
                return None;
            }
            let wake_at = due.map_or(until, |due| if is_last { due } else { due.min(until) });
            state.idle += 1;
            let waited = self.changed.wait_timeout(state, wake_at.saturating_duration_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
    }
}

impl State {
    fn has_more(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.later.first_key_value().is_some_and(|((due, _), _)| *due <= now)
    }

    fn take(&mut self, now: Instant) -> Option<Job> {
        if let Some(job) = self.ready.pop_front() {
            return Some(job);
        }
        let first = self.later.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pool").field("threads", &self.shared.lock().threads).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_run_at_once_and_later_in_their_order() {
        let pool = Pool::default();
        let (sender, receiver) = channel();
        for (millis, name) in [(60, "third"), (30, "second")] {
            let sender = sender.clone();
            pool.run_after(Duration::from_millis(millis), Box::new(move || sender.send(name).unwrap()));
        }
        pool.run(Box::new(|| panic!("a job that panics")));
        pool.run(Box::new(move || sender.send("first").unwrap()));
        assert_eq!(receiver.iter().collect::<Vec<_>>(), ["first", "second", "third"]);
    }

    #[test]
    fn more_jobs_than_threads_are_all_done() {
        let pool = Pool::default();
        let (sender, receiver) = channel();
        for number in 0..1_000 {
            let sender = sender.clone();
            pool.run(Box::new(move || sender.send(number).unwrap()));
        }
        drop(sender);
        let mut done: Vec<i32> = receiver.iter().collect();
        done.sort_unstable();
        assert_eq!(done, (0..1_000).collect::<Vec<_>>());
        assert!(pool.shared.lock().threads <= THREADS_MAX);
    }

    #[test]
    fn a_job_does_not_wait_for_another_behind_one_warm_thread() {
        let pool = Pool::default();
        let (warm, is_warm) = channel();
        pool.run(Box::new(move || warm.send(()).unwrap()));
        is_warm.recv().unwrap();
        while pool.shared.lock().idle == 0 {
            std::thread::yield_now();
        }
        let ((one, from_one), (other, from_other)) = (channel(), channel());
        let (done, is_done) = channel();
        let done_too = done.clone();
        // Each ends when the other has begun.
        pool.run(Box::new(move || {
            one.send(()).unwrap();
            from_other.recv().unwrap();
            done.send(()).unwrap();
        }));
        pool.run(Box::new(move || {
            other.send(()).unwrap();
            from_one.recv().unwrap();
            done_too.send(()).unwrap();
        }));
        assert_eq!(is_done.iter().count(), 2);
    }

    #[test]
    fn a_closed_pool_drops_what_waits() {
        let pool = Pool::default();
        let (sender, receiver) = channel::<()>();
        pool.run_after(Duration::from_hours(1), Box::new(move || drop(sender)));
        pool.close();
        assert!(receiver.recv().is_err());
    }
}

//! The timers of all executions: one thread, one ordered set.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::machine::TimerId;

/// The longest sleep: the wall clock may jump (suspend, correction) while a
/// condition variable counts only the time the machine was awake.
const SLEEP_MAX: Duration = Duration::from_secs(20);

/// A timer of an execution, by the execution's number in the journal.
pub(crate) type Key = (i64, TimerId);

/// The timer of no execution and of all: when the oldest one that is open has run for a year. One
/// timer for each of them would cost memory for what hardly ever happens.
pub(crate) const YEAR_END: Key = (0, TimerId(0));

/// Armed timers, shared by the engine and the timer thread.
#[derive(Default)]
pub(crate) struct Timers {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    due: BTreeSet<(i64, Key)>,
    by_key: HashMap<Key, i64>,
    /// The thread has taken timers and not yet fired all of them.
    firing: bool,
    stopped: bool,
}

impl Timers {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a timer. The thread is woken only when it is the first one.
    pub(crate) fn set(&self, key: Key, due_millis: i64) {
        let mut inner = self.lock();
        if let Some(old) = inner.by_key.insert(key, due_millis) {
            inner.due.remove(&(old, key));
        }
        inner.due.insert((due_millis, key));
        if inner.due.first() == Some(&(due_millis, key)) {
            self.changed.notify_one();
        }
    }

    pub(crate) fn cancel(&self, key: Key) {
        let mut inner = self.lock();
        if let Some(due_millis) = inner.by_key.remove(&key) {
            inner.due.remove(&(due_millis, key));
        }
    }

    /// When the next timer of an execution is due, in milliseconds since the epoch.
    pub(crate) fn next_due_millis(&self) -> Option<i64> {
        let inner = self.lock();
        inner.due.iter().find(|(_, key)| *key != YEAR_END).map(|(due_millis, _)| *due_millis)
    }

    /// Whether a timer is due or is just firing.
    pub(crate) fn is_busy(&self, now_millis: i64) -> bool {
        let inner = self.lock();
        let due = inner.due.first().is_some_and(|(due_millis, _)| *due_millis <= now_millis);
        inner.firing || due
    }

    pub(crate) fn clock_jumped(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until timers are due and takes them away; `None` = stopped.
    fn take_due(&self, now_millis: impl Fn() -> i64) -> Option<Vec<Key>> {
        let mut inner = self.lock();
        loop {
            if inner.stopped {
                return None;
            }
            let now = now_millis();
            let mut keys = Vec::new();
            while let Some((due_millis, key)) = inner.due.first().copied()
                && due_millis <= now
            {
                inner.due.pop_first();
                inner.by_key.remove(&key);
                keys.push(key);
            }
            inner.firing = !keys.is_empty();
            if inner.firing {
                return Some(keys);
            }
            let left = inner.due.first().map_or(i64::MAX, |(due_millis, _)| due_millis.saturating_sub(now));
            let sleep = Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(SLEEP_MAX);
            inner = self.changed.wait_timeout(inner, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The body of the timer thread.
    pub(crate) fn run(&self, now_millis: impl Fn() -> i64, fire: impl Fn(Key)) {
        while let Some(keys) = self.take_due(&now_millis) {
            for key in keys {
                fire(key);
            }
        }
    }
}

//! Wakes the threads of the stores, and calls that wait for messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

/// Rings for one thread: a ring that comes while it works is heard afterwards.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rings: u64,
    is_over: bool,
}

impl Bell {
    /// Wakes who waits.
    pub(crate) fn ring(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rings += 1;
        self.rung.notify_all();
    }

    /// Nobody is to wait any more.
    pub(crate) fn end(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.rung.notify_all();
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_over
    }

    /// How often it rang so far.
    pub(crate) fn rings(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rings
    }

    /// Waits until it rang more often than `heard`, or a time has passed; `false` = it is over.
    pub(crate) fn wait(&self, heard: u64, time: Option<Duration>) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_waiting = |state: &mut State| state.rings <= heard && !state.is_over;
        let state = match time {
            Some(time) => {
                let waited = self.rung.wait_timeout_while(state, time, is_waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.rung.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner),
        };
        !state.is_over
    }
}

/// Messages that come into queues: heard by calls that wait for one queue, and by bells.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    queues: Mutex<BTreeMap<i64, Arc<Notify>>>,
    bells: Mutex<BTreeMap<i64, Vec<Weak<Bell>>>>,
}

impl Arrivals {
    /// What waiters of a queue wait for.
    pub(crate) fn of(&self, queue: i64) -> Arc<Notify> {
        Arc::clone(self.queues.lock().unwrap_or_else(PoisonError::into_inner).entry(queue).or_default())
    }

    /// Rings with every message of a queue, as long as somebody has the bell.
    pub(crate) fn ring_also(&self, queue: i64, bell: &Arc<Bell>) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry(queue).or_default().push(Arc::downgrade(bell));
    }

    /// Messages may be there.
    pub(crate) fn tell(&self, queue: i64) {
        let notify = self.queues.lock().unwrap_or_else(PoisonError::into_inner).get(&queue).cloned();
        if let Some(notify) = notify {
            notify.notify_waiters();
        }
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bells) = bells.get_mut(&queue) {
            bells.retain(|bell| {
                bell.upgrade().is_some_and(|bell| {
                    bell.ring();
                    true
                })
            });
        }
    }
}

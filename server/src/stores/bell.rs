//! Wakes the threads of the stores, and calls that wait for messages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

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

    /// Waits for a time, however often it rings meanwhile, unless it is over.
    pub(crate) fn rest(&self, time: Duration) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = self.rung.wait_timeout_while(state, time, |state| !state.is_over);
        drop(rested.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Messages that come into queues: heard by calls that wait for one queue, and by bells.
///
/// A message wakes one call, and a call that found something wakes the next: as many look into the
/// queue as there is something to find, and one more. One of those that wait, its keeper, knows
/// when the next message becomes visible that nobody has to send.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    lines: Mutex<BTreeMap<i64, Arc<Line>>>,
    bells: Mutex<BTreeMap<i64, Vec<Weak<Bell>>>>,
}

/// The calls that wait for one queue.
#[derive(Debug, Default)]
pub(crate) struct Line {
    arrived: Notify,
    is_kept: AtomicBool,
    /// For the keeper: a message becomes visible sooner than it knows, and when.
    sooner: Notify,
    due_millis: Mutex<Option<i64>>,
}

/// A call that waits. Nothing is kept of a queue for which none does.
#[derive(Debug)]
pub(crate) struct Waiting {
    arrivals: Arc<Arrivals>,
    queue: i64,
    line: Arc<Line>,
}

/// The one of those that wait that knows the time. Another one takes over when it is dropped.
#[derive(Debug)]
pub(crate) struct Keeper(Arc<Line>);

/// Wakes the next of those that wait when it is dropped, unless it was told not to.
#[derive(Debug)]
pub(crate) struct Baton(Option<Arc<Line>>);

impl Arrivals {
    /// Begins to wait for a queue.
    pub(crate) fn enter(self: &Arc<Self>, queue: i64) -> Waiting {
        let line = Arc::clone(self.lines().entry(queue).or_default());
        Waiting { arrivals: Arc::clone(self), queue, line }
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<i64, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait for a queue.
    #[cfg(test)]
    pub(crate) fn waiting(&self, queue: i64) -> usize {
        // One of those that hold it is the map.
        self.lines().get(&queue).map_or(0, |line| Arc::strong_count(line).saturating_sub(1))
    }

    /// Rings with every message of a queue, as long as somebody has the bell.
    pub(crate) fn ring_also(&self, queue: i64, bell: &Arc<Bell>) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry(queue).or_default().push(Arc::downgrade(bell));
    }

    /// A message may be there.
    pub(crate) fn tell(&self, queue: i64) {
        self.tell_of(queue, 1);
    }

    /// So many messages may be there.
    pub(crate) fn tell_of(&self, queue: i64, messages: usize) {
        if messages == 0 {
            return;
        }
        if let Some(line) = self.lines().get(&queue) {
            // One of those that hold it is the map.
            for _ in 0..messages.min(Arc::strong_count(line)) {
                line.arrived.notify_one();
            }
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

    /// A message becomes visible at a time, in milliseconds since the epoch: nobody looks before.
    pub(crate) fn later(&self, queue: i64, due_millis: i64) {
        if let Some(line) = self.lines().get(&queue) {
            let mut due = line.due_millis.lock().unwrap_or_else(PoisonError::into_inner);
            *due = Some(due.map_or(due_millis, |known| known.min(due_millis)));
            line.sooner.notify_one();
        }
    }

    /// A queue is gone: who waits for it is to see that.
    pub(crate) fn gone(&self, queue: i64) {
        if let Some(line) = self.lines().get(&queue) {
            line.arrived.notify_waiters();
        }
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner).remove(&queue);
        bells.iter().flatten().filter_map(Weak::upgrade).for_each(|bell| bell.ring());
    }
}

impl Waiting {
    /// A message has arrived. What arrives after this was polled, or enabled, is heard.
    pub(crate) fn arrived(&self) -> Notified<'_> {
        self.line.arrived.notified()
    }

    /// Whoever looks into the queue next, if this call finds something or does not end its look.
    pub(crate) fn baton(&self) -> Baton {
        Baton(Some(Arc::clone(&self.line)))
    }

    /// Becomes the one that knows the time, if nobody is.
    pub(crate) fn keep(&self) -> Option<Keeper> {
        let is_kept = self.line.is_kept.swap(true, Ordering::SeqCst);
        (!is_kept).then(|| Keeper(Arc::clone(&self.line)))
    }
}

impl Keeper {
    /// A message becomes visible sooner than was known: when, in milliseconds since the epoch.
    pub(crate) async fn sooner(&self) -> i64 {
        loop {
            let due = self.0.due_millis.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(due) = due {
                return due;
            }
            self.0.sooner.notified().await;
        }
    }
}

impl Baton {
    /// Nothing was found: who waits need not look.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Baton {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.arrived.notify_one();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.is_kept.store(false, Ordering::SeqCst);
        self.0.arrived.notify_one();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut lines = self.arrivals.lines();
        // The map's and this one's: nobody else waits.
        if Arc::strong_count(&self.line) <= 2 {
            lines.remove(&self.queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_a_queue_that_nobody_waits_for() {
        let arrivals = Arc::<Arrivals>::default();
        let (one, other) = (arrivals.enter(7), arrivals.enter(7));
        arrivals.gone(7);
        drop(one);
        assert_eq!(arrivals.lines().len(), 1);
        let keeper = other.keep().unwrap();
        assert!(other.keep().is_none(), "one at a time");
        drop(keeper);
        assert!(other.keep().is_some());
        drop(other);
        assert_eq!(arrivals.lines().len(), 0);
    }

    /// Lets everything run that can.
    async fn settle() {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_message_wakes_one_of_many_and_one_that_is_delayed_only_tells_the_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (arrivals, woken) = (Arc::<Arrivals>::default(), Arc::new(Mutex::new(0)));
            let keeper = arrivals.enter(7);
            let keeping = keeper.keep().unwrap();
            for _ in 0..100 {
                let (waiting, woken) = (arrivals.enter(7), Arc::clone(&woken));
                tokio::spawn(async move {
                    waiting.arrived().await;
                    *woken.lock().unwrap() += 1;
                });
            }
            let woken = || *woken.lock().unwrap();
            settle().await;
            arrivals.later(7, 2_000);
            arrivals.later(7, 1_000);
            settle().await;
            assert_eq!((woken(), keeping.sooner().await), (0, 1_000));
            arrivals.tell(7);
            settle().await;
            assert_eq!(woken(), 1);
            arrivals.tell_of(7, 10);
            settle().await;
            assert_eq!(woken(), 11);
            // Who found something has the next one look; who found nothing does not.
            keeper.baton().keep();
            drop(keeper.baton());
            settle().await;
            assert_eq!(woken(), 12);
            // Somebody else is to know the time.
            drop(keeping);
            settle().await;
            assert_eq!(woken(), 13);
            arrivals.gone(7);
            settle().await;
            assert_eq!(woken(), 100);
        });
    }
}

//! What becomes of executions with time: an open one ends after a year, one
//! that has ended is removed when it was kept long enough.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::{Keeping, Scheduler, lock};
use crate::journal::{Change, Identity, Message, Place, Release, Removed, before, remove_some};
use crate::machine::{Execution, Input};
use crate::timers::YEAR_END;

/// How often old executions are looked for.
const EXPIRY_MILLIS: i64 = 3_600_000;

/// How long an execution may run. AWS quota: one year.
const YEAR_MILLIS: i64 = asl::limits::STANDARD_EXECUTION_SECONDS_MAX.cast_signed() * 1000;

/// The least time between two looks for executions that have run for a year: each looks at all.
const YEAR_END_PAUSE_MILLIS: i64 = 60_000;

impl Scheduler {
    /// Removes what has been kept long enough, if that has not been looked at for
    /// an hour. A little in each transaction, and the next bit after it.
    pub(crate) fn expire_if_due(self: &Arc<Self>) {
        let Some(retention) = self.retention else { return };
        let (now, due) = (self.now_millis(), self.next_expiry_millis.load(Ordering::SeqCst));
        let next = now.saturating_add(EXPIRY_MILLIS);
        let mine = || {
            self.next_expiry_millis.compare_exchange(due, next, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        if now >= due && mine() {
            self.expire(before(now, retention), Place::FIRST);
        }
    }

    fn expire(self: &Arc<Self>, ended_before_millis: i64, from: Place) {
        let removed = Arc::new(Mutex::new(Removed::default()));
        let identity = Identity { region: self.region.clone(), account: self.account.clone() };
        let (scheduler, outcome) = (Arc::downgrade(self), Arc::clone(&removed));
        let change: Change = Box::new(move |connection| {
            let is_open = |id| scheduler.upgrade().is_none_or(|scheduler| lock(&scheduler.open).has(id));
            *lock(&outcome) = remove_some(connection, &identity, ended_before_millis, from, &is_open)?;
            Ok(())
        });
        let scheduler = Arc::downgrade(self);
        let release: Release = Box::new(move || {
            if let Some(scheduler) = scheduler.upgrade() {
                scheduler.recent.clear();
            }
            let next = lock(&removed).next;
            if let (Some(scheduler), Some(next)) = (scheduler.upgrade(), next) {
                scheduler.expire(ended_before_millis, next);
            }
        });
        // When the writer is gone, the next engine does it.
        let _ = self.send(Message::Change(change, release));
    }

    /// An execution that started then is open.
    pub(crate) fn expect_year_end(&self, start_millis: i64) {
        let due = start_millis.saturating_add(YEAR_MILLIS);
        // Time does not run backwards: after the first one this is seldom true.
        if due < self.year_end_millis.load(Ordering::SeqCst) {
            self.year_end_millis.fetch_min(due, Ordering::SeqCst);
            self.timers.set(YEAR_END, due);
        }
    }

    /// Ends what has run for a year, and waits for the next one.
    pub(super) fn end_overdue(self: &Arc<Self>) {
        let now = self.now_millis();
        let mut oldest = now;
        for slot in lock(&self.open).slots() {
            if slot.keeping != Keeping::Journal {
                continue;
            }
            let overdue = |execution: &Execution| {
                let start = execution.start_millis();
                if start.saturating_add(YEAR_MILLIS) <= now {
                    return Some(Input::Overdue);
                }
                oldest = oldest.min(start);
                None
            };
            self.input_if(&slot, overdue);
        }
        let soon = now.saturating_add(YEAR_END_PAUSE_MILLIS);
        let next = oldest.saturating_add(YEAR_MILLIS).max(soon);
        self.year_end_millis.store(next, Ordering::SeqCst);
        self.timers.set(YEAR_END, next);
    }
}

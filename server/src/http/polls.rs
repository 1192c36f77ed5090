//! Workers that wait for a task of an activity: none of them holds a thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asl::limits::ACTIVITY_POLLERS_MAX;
use tokio::sync::Notify;

/// Who waits, by the ARN of the activity.
#[derive(Debug, Default)]
pub(super) struct Polls {
    waiting: Mutex<BTreeMap<String, Arc<Notify>>>,
}

/// A worker that waits; it is forgotten with this value.
pub(super) struct Poll {
    polls: Arc<Polls>,
    activity_arn: String,
    pub(super) offered: Arc<Notify>,
}

impl Polls {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker begins to wait; `None` = too many do.
    pub(super) fn enter(self: &Arc<Self>, activity_arn: &str) -> Option<Poll> {
        let mut waiting = self.waiting();
        let offered = waiting.entry(activity_arn.to_owned()).or_default();
        // One of them is the map's.
        if Arc::strong_count(offered) > ACTIVITY_POLLERS_MAX {
            return None;
        }
        let offered = Arc::clone(offered);
        drop(waiting);
        Some(Poll { polls: Arc::clone(self), activity_arn: activity_arn.to_owned(), offered })
    }

    /// One more task of an activity: wakes who has waited longest.
    pub(super) fn offer(&self, activity_arn: &str) {
        if let Some(offered) = self.waiting().get(activity_arn) {
            offered.notify_one();
        }
    }

    /// Wakes everybody: there will be no task any more.
    pub(super) fn end(&self) {
        self.waiting().values().for_each(|offered| offered.notify_waiters());
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        let mut waiting = self.polls.waiting();
        // The map's and this one's: nobody else waits.
        if Arc::strong_count(&self.offered) <= 2 {
            waiting.remove(&self.activity_arn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_who_has_left() {
        let polls = Arc::new(Polls::default());
        let (one, other) = (polls.enter("a").unwrap(), polls.enter("a").unwrap());
        drop(one);
        assert_eq!(polls.waiting().len(), 1);
        drop(other);
        assert_eq!(polls.waiting().len(), 0);
    }

    #[test]
    fn so_many_workers_may_wait_and_no_more() {
        let polls = Arc::new(Polls::default());
        let mut waiting: Vec<Poll> = (0..ACTIVITY_POLLERS_MAX).map_while(|_| polls.enter("a")).collect();
        assert_eq!(waiting.len(), ACTIVITY_POLLERS_MAX);
        assert!(polls.enter("a").is_none() && polls.enter("b").is_some());
        waiting.pop();
        assert!(polls.enter("a").is_some());
    }
}

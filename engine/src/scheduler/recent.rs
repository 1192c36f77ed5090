//! Executions that ended a moment ago: whoever waits for an end asks for it then,
//! and is told without reading the journal.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::{Slot, lock};

/// How many are kept. Ours: more than end while their callers ask once.
const RECENT_MAX: usize = 256;
/// Bytes of input and output of one that is kept. Ours: all of them then take a few MiB at most.
const RECENT_PAYLOAD_BYTES_MAX: usize = 8 << 10;

/// The latest ends, by ARN.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Ends>);

#[derive(Default)]
struct Ends {
    by_arn: HashMap<Arc<str>, Arc<Slot>>,
    /// Oldest first. One that ended again after a redrive is in here twice.
    order: VecDeque<Arc<Slot>>,
}

impl Recent {
    /// The end is durable.
    pub(super) fn keep(&self, slot: &Arc<Slot>) {
        if !slot.is_light(RECENT_PAYLOAD_BYTES_MAX) {
            return;
        }
        let mut ends = lock(&self.0);
        ends.by_arn.insert(Arc::clone(&slot.arn), Arc::clone(slot));
        ends.order.push_back(Arc::clone(slot));
        if ends.order.len() > RECENT_MAX
            && let Some(oldest) = ends.order.pop_front()
            && ends.by_arn.get(&oldest.arn).is_some_and(|kept| Arc::ptr_eq(kept, &oldest))
        {
            ends.by_arn.remove(&oldest.arn);
        }
    }

    pub(crate) fn find(&self, arn: &str) -> Option<Arc<Slot>> {
        lock(&self.0).by_arn.get(arn).cloned()
    }

    /// Forgets an end that is about to be taken back.
    pub(crate) fn forget(&self, arn: &str) {
        lock(&self.0).by_arn.remove(arn);
    }

    /// Forgets all: some of them are about to be removed from the journal.
    pub(crate) fn clear(&self) {
        *lock(&self.0) = Ends::default();
    }
}

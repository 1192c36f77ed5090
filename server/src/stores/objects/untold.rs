//! Changes of objects that took place and whose events were not taken: told again until they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bucket::Folder;

use super::failure::Failure;
use super::store::Buckets;
use crate::stores::bell::Bell;

/// The first pause before a change is told again; each further one is twice as long. Ours.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause. Ours.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The changes, by their buckets and the files of their intents.
#[derive(Debug, Default)]
pub(super) struct Untold {
    changes: Mutex<BTreeSet<(String, PathBuf)>>,
    /// Rings when there is one.
    pub(super) bell: Bell,
}

impl Untold {
    fn changes(&self) -> MutexGuard<'_, BTreeSet<(String, PathBuf)>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change is to be told later.
    pub(super) fn add(&self, bucket: &str, intent: &Path) {
        self.changes().insert((bucket.to_owned(), intent.to_path_buf()));
        self.bell.ring();
    }

    /// Tells what is added, until it is over or there are no buckets any more.
    pub(super) fn run(&self, buckets: &Weak<Buckets>) {
        let mut failures = 0_u32;
        loop {
            let heard = self.bell.rings();
            if self.changes().is_empty() {
                failures = 0;
                if !self.bell.wait(heard, None) {
                    return;
                }
                continue;
            }
            self.bell.rest(PAUSE.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX));
            let Some(buckets) = buckets.upgrade().filter(|_| !self.bell.is_over()) else { return };
            if let Err(failure) = buckets.tell_untold(None) {
                failures = failures.saturating_add(1);
                if failures.is_power_of_two() {
                    let problem = failure.message;
                    tracing::warn!(
                        problem,
                        attempts = failures,
                        "events of objects are not taken; they are told again"
                    );
                }
            }
        }
    }
}

impl Buckets {
    /// Tells what was not told of a bucket, or of all; `Err` = something still is not.
    pub(super) fn tell_untold(&self, bucket: Option<&str>) -> Result<(), Failure> {
        let changes = self.untold.changes().clone();
        let mut done = Ok(());
        for change in changes.into_iter().filter(|(of, _)| bucket.is_none_or(|bucket| bucket == of)) {
            let folder = Folder::new(self.root().join(&change.0));
            match self.end(&folder, &change.1) {
                Ok(()) => drop(self.untold.changes().remove(&change)),
                Err(failure) => done = Err(failure),
            }
        }
        done
    }
}

//! Crash points: places around each commit at which a test ends the engine.
//!
//! Compiled in always: one atomic addition per point when off. The points of
//! one transaction, in order: before anything is appended; after the append,
//! before the commit; after the commit, before any effect; after the effects
//! of each execution of the transaction.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::EngineOptions;

/// When to crash, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPlan {
    /// The number of the point, counted from 1 when the engine opens.
    pub at: u64,
    /// What happens there.
    pub how: Crash,
}

/// What happens at a crash point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process aborts, as with `kill -9`: for tests with real processes.
    Abort,
    /// The engine stops working and never writes or calls anything again, as
    /// if its process were gone: for tests within one process.
    Freeze,
}

/// A bug that the crash lab plants to show that it would notice. It exists in
/// builds with the feature `planted-faults` only, which nothing ships.
#[cfg(feature = "planted-faults")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedFault {
    /// Callers are answered before their records are in the journal.
    AcknowledgeBeforeRecord,
    /// Tasks are called before their schedule is in the journal.
    EffectBeforeRecord,
    /// Timers fire half a second before their time.
    TimerEarly,
    /// Histories show records that are not in the journal yet.
    ShowBeforeRecord,
}

#[cfg(feature = "planted-faults")]
impl PlantedFault {
    /// The fault of a name, e.g. `timer-early`.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "acknowledge-before-record" => Some(Self::AcknowledgeBeforeRecord),
            "effect-before-record" => Some(Self::EffectBeforeRecord),
            "timer-early" => Some(Self::TimerEarly),
            "show-before-record" => Some(Self::ShowBeforeRecord),
            _ => None,
        }
    }
}

/// Counts the points of one engine.
#[derive(Debug)]
pub(crate) struct CrashPoints {
    plan: Option<CrashPlan>,
    passed: AtomicU64,
    #[cfg(feature = "planted-faults")]
    planted: Option<PlantedFault>,
    #[cfg(feature = "planted-faults")]
    shown: planted::Shown,
}

impl CrashPoints {
    pub(crate) fn new(options: &EngineOptions) -> Self {
        Self {
            plan: options.crash,
            passed: AtomicU64::new(0),
            #[cfg(feature = "planted-faults")]
            planted: options.planted,
            #[cfg(feature = "planted-faults")]
            shown: planted::Shown::default(),
        }
    }

    /// How many points were reached.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Reaches a point. `true`: the engine is to freeze.
    #[must_use]
    pub(crate) fn reach(&self) -> bool {
        let number = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        match self.plan {
            Some(CrashPlan { at, how: Crash::Abort }) if at == number => std::process::abort(),
            Some(CrashPlan { at, how: Crash::Freeze }) => number >= at,
            _ => false,
        }
    }
}

/// What a planted bug does not let wait for the journal.
#[cfg(feature = "planted-faults")]
mod planted {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::PlantedFault;
    use crate::journal::Release;
    use crate::machine::{Effect, HistoryEvent, Record};
    use crate::scheduler::{Scheduler, Slot, lock};

    /// The events of executions as memory has them.
    pub(super) type Shown = Mutex<BTreeMap<Arc<str>, Vec<HistoryEvent>>>;

    impl Scheduler {
        /// Keeps what is shown before it is in the journal.
        pub(crate) fn remember(&self, slot: &Slot, records: &[Record]) {
            if self.crash_points.planted == Some(PlantedFault::ShowBeforeRecord) {
                let mut shown = lock(&self.crash_points.shown);
                let events = shown.entry(Arc::clone(&slot.arn)).or_default();
                events.extend(records.iter().filter_map(HistoryEvent::of));
            }
        }

        /// The history of an execution that this engine started, as memory has it.
        pub(crate) fn shown_too_early(&self, arn: &str) -> Option<Vec<HistoryEvent>> {
            lock(&self.crash_points.shown).get(arn).cloned()
        }

        /// Takes away, and lets happen, what the planted bug is about.
        pub(crate) fn release_too_early(
            self: &Arc<Self>,
            slot: &Arc<Slot>,
            mut answer: Option<Release>,
            mut effects: Vec<Effect>,
        ) -> (Option<Release>, Vec<Effect>) {
            match self.crash_points.planted {
                Some(PlantedFault::AcknowledgeBeforeRecord) => {
                    if let Some(answer) = answer.take() {
                        answer();
                    }
                }
                Some(PlantedFault::EffectBeforeRecord) => {
                    let is_call = |effect: &mut Effect| matches!(effect, Effect::Invoke(_));
                    let calls: Vec<Effect> = effects.extract_if(.., is_call).collect();
                    // Off this thread: the execution's lock is held here.
                    let (scheduler, slot) = (Arc::clone(self), Arc::clone(slot));
                    std::thread::spawn(move || scheduler.release(&slot, calls));
                }
                Some(PlantedFault::ShowBeforeRecord) | None => {}
                Some(PlantedFault::TimerEarly) => {
                    for effect in &mut effects {
                        if let Effect::SetTimer { at_millis, .. } = effect {
                            *at_millis -= 500;
                        }
                    }
                }
            }
            (answer, effects)
        }
    }
}

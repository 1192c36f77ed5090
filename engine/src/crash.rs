//! Crash points: places around each commit at which a test ends the engine.
//!
//! Compiled in always: one atomic addition per point when off. The points of
//! one transaction, in order: before anything is appended; after the append,
//! before the commit; after the commit, before any effect; after the effects
//! of each execution of the transaction.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// Counts the points of one engine.
#[derive(Debug)]
pub(crate) struct CrashPoints {
    plan: Option<CrashPlan>,
    passed: AtomicU64,
}

impl CrashPoints {
    pub(crate) fn new(plan: Option<CrashPlan>) -> Self {
        Self { plan, passed: AtomicU64::new(0) }
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

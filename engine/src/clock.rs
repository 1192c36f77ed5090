//! The port to time.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Called when a clock jumped.
pub type Jumped = Arc<dyn Fn() + Send + Sync>;

/// Where the engine takes the time from. It may run backwards: the engine's
/// time is the later of the clock and what the journal holds.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_millis(&self) -> i64;

    /// Asks for a call whenever the clock jumps. Clocks that only pass do not need it.
    fn on_jump(&self, jumped: Jumped) {
        drop(jumped);
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is told to move: for tests.
#[derive(Clone)]
pub struct ManualClock(Arc<Manual>);

struct Manual {
    millis: AtomicI64,
    listeners: Mutex<Vec<Jumped>>,
}

impl ManualClock {
    /// A clock at a time, in milliseconds since the epoch.
    pub fn at(millis: i64) -> Self {
        Self(Arc::new(Manual { millis: AtomicI64::new(millis), listeners: Mutex::default() }))
    }

    /// Moves the clock on.
    pub fn advance_millis(&self, millis: i64) {
        self.set_millis(self.now_millis() + millis);
    }

    /// Moves the clock to a time, also backwards.
    pub fn set_millis(&self, millis: i64) {
        self.0.millis.store(millis, Ordering::SeqCst);
        let listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for jumped in listeners {
            jumped();
        }
    }
}

impl Clock for ManualClock {
    fn now_millis(&self) -> i64 {
        self.0.millis.load(Ordering::SeqCst)
    }

    fn on_jump(&self, jumped: Jumped) {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(jumped);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ManualClock").field(&self.now_millis()).finish()
    }
}

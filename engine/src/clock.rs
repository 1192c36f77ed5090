//! The port to time.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Called when a clock jumped.
pub type Jumped = Arc<dyn Fn() + Send + Sync>;

/// Where the engine takes the time from. It may run backwards: the engine's
/// time does not, and goes on at nearly the clock's pace until both agree.
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

/// Of the time that passes, one part in so many is given up while the engine is ahead of its clock.
const SLEW: i64 = 10;

/// The time of an engine: never before what the journal holds, and never
/// standing still for longer than its clock takes to step back.
pub(crate) struct EngineTime {
    clock: Arc<dyn Clock>,
    reading: Mutex<Reading>,
}

/// All in milliseconds.
struct Reading {
    clock: i64,
    engine: i64,
    /// What passed while the engine was ahead, and of which no part was given up yet.
    passed: i64,
}

impl EngineTime {
    /// A time that begins at its clock's, or at what was journalled last if that is later.
    pub(crate) fn new(clock: Arc<dyn Clock>, journalled_millis: i64) -> Self {
        let now = clock.now_millis();
        let reading = Reading { clock: now, engine: now.max(journalled_millis), passed: 0 };
        Self { clock, reading: Mutex::new(reading) }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_millis(&self) -> i64 {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.go_to(self.clock.now_millis());
        reading.engine
    }

    /// Something has happened at a time: it is not before it any more.
    pub(crate) fn is_at_least(&self, millis: i64) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.engine = reading.engine.max(millis);
    }

    pub(crate) fn on_jump(&self, jumped: Jumped) {
        self.clock.on_jump(jumped);
    }
}

impl Reading {
    fn go_to(&mut self, clock: i64) {
        let passed = clock.saturating_sub(self.clock).max(0);
        self.clock = clock;
        self.passed = self.passed.saturating_add(passed);
        let given_up = self.passed / SLEW;
        self.passed %= SLEW;
        self.engine = self.engine.saturating_add(passed).saturating_sub(given_up).max(clock);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clock_millis: i64, journalled_millis: i64) -> (ManualClock, EngineTime) {
        let clock = ManualClock::at(clock_millis);
        (clock.clone(), EngineTime::new(Arc::new(clock), journalled_millis))
    }

    #[test]
    fn it_is_the_clocks_while_that_goes_forward() {
        let (clock, time) = at(1_000, 500);
        assert_eq!(time.now_millis(), 1_000);
        clock.advance_millis(3);
        assert_eq!(time.now_millis(), 1_003);
        clock.advance_millis(86_400_000);
        assert_eq!(time.now_millis(), 86_401_003);
    }

    #[test]
    fn it_goes_on_when_the_journal_is_ahead_of_the_clock() {
        let (clock, time) = at(0, 3_600_000);
        assert_eq!(time.now_millis(), 3_600_000);
        clock.advance_millis(2_000);
        assert_eq!(time.now_millis(), 3_601_800);
        clock.advance_millis(36_000_000);
        assert_eq!(time.now_millis(), clock.now_millis(), "ten hours later both agree");
    }

    #[test]
    fn it_does_not_follow_the_clock_backwards() {
        let (clock, time) = at(100_000, 0);
        clock.set_millis(40_000);
        assert_eq!(time.now_millis(), 100_000);
        for _ in 0..1_000 {
            clock.advance_millis(1);
            time.now_millis();
        }
        assert_eq!(time.now_millis(), 100_900, "however often it is read");
        time.is_at_least(200_000);
        assert_eq!(time.now_millis(), 200_000);
    }
}

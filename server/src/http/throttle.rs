//! Token buckets, as AWS throttles calls: each operation has one, which holds
//! so many calls and fills by so many a second.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use asl::limits::{CALL_RATES, EXPRESS_START_RATE};

/// The bucket of `StartExecution` for Express workflows.
const EXPRESS: &str = "StartExecution of Express";

/// How calls are throttled.
#[derive(Debug)]
pub struct Throttle {
    buckets: Mutex<BTreeMap<&'static str, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    size: f64,
    refill: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn new((size, refill): (u32, u32), now: Instant) -> Self {
        let size = f64::from(size);
        Self { size, refill: f64::from(refill), tokens: size, filled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.refill).min(self.size);
        self.filled = self.filled.max(now);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

impl Throttle {
    /// AWS's default quotas, see [`CALL_RATES`]. All buckets are full.
    pub fn aws(now: Instant) -> Self {
        let rates = CALL_RATES.into_iter().map(|(operation, size, refill)| (operation, (size, refill)));
        let rates = rates.chain([(EXPRESS, EXPRESS_START_RATE)]);
        let buckets = rates.map(|(operation, rate)| (operation, Bucket::new(rate, now))).collect();
        Self { buckets: Mutex::new(buckets) }
    }

    /// Whether an operation may be called now. What has no bucket may.
    pub(super) fn admits(&self, operation: &str, of_express: bool, now: Instant) -> bool {
        let name = if of_express && operation == "StartExecution" { EXPRESS } else { operation };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get_mut(name).is_none_or(|bucket| bucket.take(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let now = Instant::now();
        let throttle = Throttle::aws(now);
        let admitted = |operation: &str, express, at| {
            (0..10_000).filter(|_| throttle.admits(operation, express, at)).count()
        };
        assert_eq!(admitted("StartExecution", false, now), 1_300);
        assert_eq!(admitted("StartExecution", true, now), 6_000, "a bucket of its own");
        assert_eq!(admitted("StartSyncExecution", true, now), 10_000, "has none");
        let later = now + Duration::from_secs(2);
        assert_eq!(admitted("StartExecution", false, later), 600);
        assert_eq!(admitted("StartExecution", false, now), 0, "time does not go back");
        assert_eq!(
            admitted("StartExecution", false, later + Duration::from_hours(1)),
            1_300,
            "not beyond its size"
        );
    }

    #[test]
    fn every_operation_but_one_has_a_bucket() {
        let throttle = Throttle::aws(Instant::now());
        let buckets = throttle.buckets.lock().unwrap();
        let without: Vec<&str> =
            crate::Api::operations().filter(|name| !buckets.contains_key(name)).collect();
        assert_eq!(without, ["StartSyncExecution"]);
    }
}

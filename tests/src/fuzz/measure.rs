//! What an input takes: time of a processor, and memory.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

/// The time a processor has worked for this thread: what others do at the moment does not count.
pub(super) fn worked() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The most memory of the process that was resident since [`forget_peak`], in MiB.
pub(super) fn peak_mebibytes() -> u64 {
    let kibibytes = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u64::try_from(kibibytes).unwrap_or(0) / 1024
}

/// Begins to measure the peak anew; where the system cannot, the old one stays.
pub(super) fn forget_peak() {
    // The number for "the peak of resident memory".
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

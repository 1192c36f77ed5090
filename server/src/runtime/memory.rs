//! How much memory a function uses.
//!
//! On AWS the sandbox has as much as the function is configured with, and a
//! process that wants more is killed. Here the memory of the process is looked
//! at instead: while it works, and when it has answered. What counts is what is
//! its own: pages of files, of the program itself above all, can be given back
//! at any time. (`RLIMIT_AS` would count address space, of which allocators and
//! garbage collectors reserve far more than they use.)
//!
//! Linux tells this in `/proc`; elsewhere memory is neither told nor limited.

use std::collections::BTreeSet;
use std::time::Duration;

/// Time between two looks at a process that works. Ours: what it takes in between is seen by its peak.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Processes looked at below a bootstrap. Ours.
const DESCENDANTS_MAX: usize = 64;

/// What a process uses, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// The most it has had, files included.
    pub(super) peak: u64,
    /// At least so much of its own it has had at a time.
    pub(super) own: u64,
}

impl Usage {
    /// Of one process.
    pub(super) fn of(process: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        Some(Self::read(&status))
    }

    /// Of a process and all it has started, together; `strays`: what is known to be of it otherwise.
    pub(super) fn of_all(process: u32, strays: &[u32]) -> Option<Self> {
        let mut whole = Self::of(process)?;
        let mut seen = BTreeSet::from([process]);
        let mut parents = vec![process];
        parents.extend(strays.iter().filter(|stray| seen.insert(**stray)));
        for stray in parents.iter().skip(1) {
            whole = whole.and(Self::of(*stray));
        }
        while let Some(parent) = parents.pop() {
            let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
            let children = children.unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                if seen.len() > DESCENDANTS_MAX {
                    return Some(whole);
                }
                if seen.insert(child) {
                    whole = whole.and(Self::of(child));
                    parents.push(child);
                }
            }
        }
        Some(whole)
    }

    /// With that of another, which may be gone.
    fn and(self, other: Option<Self>) -> Self {
        let other = other.unwrap_or_default();
        Self { peak: self.peak + other.peak, own: self.own + other.own }
    }

    fn read(status: &str) -> Self {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let peak = field("VmHWM:");
        // The share of files only grows, so the peak less all of it is a lower bound.
        Self { peak, own: peak.saturating_sub(field("RssFile:")) }
    }

    /// Whether this is more than a function may have.
    pub(super) fn exceeds(self, limit_mib: u32) -> bool {
        self.own > u64::from(limit_mib) * 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_do_not_count() {
        let status = "Name:\tbootstrap\nVmHWM:\t  140000 kB\nVmRSS:\t  135000 kB\nRssAnon:\t  100000 kB\nRssFile:\t   20000 kB\n";
        let usage = Usage::read(status);
        assert_eq!(usage, Usage { peak: 140_000, own: 120_000 });
        assert!(!usage.exceeds(128));
        assert!(usage.exceeds(117));
        assert_eq!(Usage::read(""), Usage::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_tells_of_this_process() {
        let whole = Usage::of_all(std::process::id(), &[]).expect("told");
        assert!(whole.peak > 0 && whole.own > 0, "{whole:?}");
    }
}

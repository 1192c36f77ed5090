//! Processes that a function left behind: in a session of their own, with parents that are gone, no
//! kill of a group reaches them and no walk from parents to children.
//!
//! What they cannot help having is the environment they were started with, and in it the name of
//! their process's log stream, 32 random digits of which half are the host's. So they are found in
//! `/proc`. One that has emptied its environment is not, and nothing is elsewhere than on Linux.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Time between two looks for what has left its parents: it takes a walk over all processes. Ours.
const LOOK: Duration = Duration::from_secs(1);

/// How often it is looked again for what was started meanwhile. Ours.
const ROUNDS_MAX: usize = 10;
/// How often the environment of a process is read that has a program and no environment, and the
/// time between. Ours: longer than a program takes to be loaded.
const READS_MAX: usize = 3;
const READ_AGAIN: Duration = Duration::from_millis(1);
/// Digits of the mark of a process.
const MARK_DIGITS: usize = 32;
/// Those of them that are the host's.
const HOST_DIGITS: usize = 16;

/// What is in the environment of a process and of all it starts, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(String);

/// What is known of a host's processes by their marks: one walk tells of all of them.
#[derive(Debug)]
pub(super) struct Known {
    host: Mark,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    looked: Option<Instant>,
    processes: BTreeMap<Mark, Vec<u32>>,
}

impl Known {
    /// Of a host.
    pub(super) fn of(host: Mark) -> Self {
        Self { host, seen: Mutex::default() }
    }

    /// The processes with a mark, as they were seen a second ago at most. May read all of `/proc`.
    pub(super) fn look(&self, mark: &Mark) -> Vec<u32> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            *seen = Seen { looked: Some(Instant::now()), processes: self.host.by_process() };
        }
        seen.processes.get(mark).cloned().unwrap_or_default()
    }

    /// The processes with a mark, as they were seen last.
    pub(super) fn last_seen(&self, mark: &Mark) -> Vec<u32> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.processes.get(mark).cloned().unwrap_or_default()
    }
}

impl Mark {
    /// Of a host: what the marks of its processes begin with.
    pub(super) fn of_host() -> Self {
        Self(crate::random::hex().chars().take(HOST_DIGITS).collect())
    }

    /// Of one more process of a host.
    pub(super) fn of_process(&self) -> Self {
        let digits = crate::random::hex();
        Self(format!("{}{}", self.0, digits.get(HOST_DIGITS..).unwrap_or_default()))
    }

    /// Its digits.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole mark that begins with this one in an environment.
    fn whole_in(&self, environment: &[u8]) -> Option<Self> {
        let digits = self.0.as_bytes();
        let from = environment.windows(digits.len()).position(|window| window == digits)?;
        let whole = environment.get(from..from + MARK_DIGITS)?;
        std::str::from_utf8(whole).ok().map(|whole| Self(whole.to_owned()))
    }

    /// The processes whose marks begin with this one, by their marks. Reads the environments of
    /// all of this user's.
    fn by_process(&self) -> BTreeMap<Self, Vec<u32>> {
        let mut found = BTreeMap::<Self, Vec<u32>>::new();
        let entries = std::fs::read_dir("/proc").into_iter().flatten();
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        for process in numbers.filter(|process| *process != std::process::id()) {
            if let Some(mark) = self.whole_in(&environment_of(process)) {
                found.entry(mark).or_default().push(process);
            }
        }
        found
    }

    /// The processes that have it.
    fn processes(&self) -> Vec<u32> {
        self.by_process().into_values().flatten().collect()
    }

    /// Ends all that have it.
    pub(super) fn kill(&self) {
        for _ in 0..ROUNDS_MAX {
            let found = self.processes();
            if found.is_empty() {
                return;
            }
            for process in found.into_iter().filter_map(|process| i32::try_from(process).ok()) {
                // One that is gone already is no error.
                let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
            }
        }
    }
}

/// The environment of a process; empty = it has none, or is of another user.
fn environment_of(process: u32) -> Vec<u8> {
    let folder = std::path::Path::new("/proc").join(process.to_string());
    for _ in 0..READS_MAX {
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        // The kernel's own threads have none, and no program either.
        if !environment.is_empty() || std::fs::read_link(folder.join("exe")).is_err() {
            return environment;
        }
        // It becomes another program at this moment: then there is none to be read.
        std::thread::sleep(READ_AGAIN);
    }
    Vec::new()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_has_left_is_found_by_its_environment() {
        let host = Mark::of_host();
        let (one, other) = (host.of_process(), host.of_process());
        assert_eq!(one.as_str().len(), 32);
        let script = "(setsid sleep 600 &) ; (setsid sleep 600 &) ; exit 0";
        let start = |mark: &Mark| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]).env("MARK", mark.as_str()).stdin(Stdio::null());
            assert!(command.status().expect("it runs").success());
        };
        start(&one);
        start(&other);
        assert_eq!((one.processes().len(), other.processes().len(), host.processes().len()), (2, 2, 4));
        let end = |mark: &Mark| {
            let began = std::time::Instant::now();
            // A process that was killed goes when it is its turn.
            while !mark.processes().is_empty() {
                mark.kill();
                assert!(began.elapsed() < std::time::Duration::from_secs(20));
            }
        };
        end(&one);
        assert_eq!(other.processes().len(), 2);
        end(&host);
    }
}

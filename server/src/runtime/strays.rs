//! Processes that a function left behind: in a session of their own, with parents that are gone, no
//! kill of a group reaches them and no walk from parents to children.
//!
//! What they cannot help having is the environment they were started with, and in it the name of
//! their process's log stream, 32 random digits of which half are the host's. So they are found in
//! `/proc`. One that has emptied its environment is not, and nothing is elsewhere than on Linux.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often it is looked again for what was started meanwhile. Ours.
const ROUNDS_MAX: usize = 10;
/// Digits of a mark that are the host's.
const HOST_DIGITS: usize = 16;

/// What is in the environment of a process and of all it starts, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(String);

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

    fn is_in(&self, environment: &[u8]) -> bool {
        let mark = self.0.as_bytes();
        environment.windows(mark.len()).any(|window| window == mark)
    }

    /// The processes that have it. Reads the environments of all of this user's.
    pub(super) fn processes(&self) -> Vec<u32> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let is_marked = |process: &u32| {
            // Those of others cannot be read.
            std::fs::read(format!("/proc/{process}/environ")).is_ok_and(|text| self.is_in(&text))
        };
        numbers.filter(|process| *process != std::process::id()).filter(is_marked).collect()
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

//! Step processes must not outlive us, not even when we are killed with `SIGKILL`.
//!
//! An idle bootstrap leaves by itself: its connection to the Runtime API breaks. A busy
//! one would go on working for an execution whose engine is gone. So one small shell
//! waits beside us, holding the read end of a pipe. Every process group of a bootstrap
//! is written into the pipe; when the last write end closes, which the kernel does for
//! us however we die, the shell kills the groups that are still listed.
//!
//! `PR_SET_PDEATHSIG` would need code between fork and exec (unsafe), and exists on Linux only.

use std::{
    collections::BTreeSet,
    io::Write as _,
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::strays::Mark;

/// Reads `add N` and `del N` lines, and `end` where nothing is left to do; at the end of input kills
/// every group still listed, and what has the mark of the host in its environment (Linux). Signals meant for our terminal group do not reach it: it has a group of its own.
const SCRIPT: &str = "\
groups=' '
while read -r verb group; do
  case $verb in
    add) groups=\"$groups$group \" ;;
    del) case $groups in
      *\" $group \"*) groups=\"${groups%% $group *} ${groups#* $group }\" ;;
    esac ;;
    end) exit 0 ;;
  esac
done
for group in $groups; do kill -KILL \"-$group\" 2>/dev/null; done
for found in $(printf '%s\n' /proc/[0-9]*/environ | xargs grep -lsF -e \"$1\"); do
  process=${found#/proc/}
  kill -KILL \"${process%/environ}\" 2>/dev/null
done
exit 0
";

/// The waiting shell and our end of its pipe.
#[derive(Debug)]
pub(super) struct Guard {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    shell: Option<(Child, ChildStdin)>,
    groups: BTreeSet<u32>,
}

impl Guard {
    /// Starts the shell, for the processes of a host.
    pub(super) fn start(mark: &Mark) -> std::io::Result<Self> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "stepwright-guard", mark.as_str()])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        let Some(stdin) = child.stdin.take() else {
            return Err(std::io::Error::other("the guard shell has no input"));
        };
        Ok(Self { inner: Mutex::new(Inner { shell: Some((child, stdin)), groups: BTreeSet::new() }) })
    }

    /// From now on the group dies with us.
    pub(super) fn add(&self, group: u32) {
        let mut inner = self.inner();
        inner.groups.insert(group);
        inner.tell("add", group);
    }

    /// The group is gone; its number may be used again by others.
    pub(super) fn remove(&self, group: u32) {
        let mut inner = self.inner();
        inner.groups.remove(&group);
        inner.tell("del", group);
    }

    /// Kills every group that is still listed, and says whether there was one.
    pub(super) fn kill_all(&self) -> bool {
        let inner = self.inner();
        inner.groups.iter().for_each(|group| super::process::kill_group(*group));
        !inner.groups.is_empty()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn tell(&mut self, verb: &str, group: u32) {
        let Some((_, stdin)) = self.shell.as_mut() else { return };
        if writeln!(stdin, "{verb} {group}").is_err() {
            tracing::warn!(
                "the guard of the step processes has ended; a kill -9 may now leave steps running"
            );
            self.shell = None;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut inner = self.inner();
        let is_empty = inner.groups.is_empty();
        if let Some((mut child, mut stdin)) = inner.shell.take() {
            if is_empty {
                // One that is gone needs no word.
                let _ = writeln!(stdin, "end");
            }
            drop(stdin);
            // Ends at once: its input is closed and its list is short.
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests;

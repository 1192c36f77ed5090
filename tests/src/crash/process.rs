//! The driver's end of a worker: starts the engine's process in one of several
//! ways, asks it, hears it, kills it.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::world::{FILE, World};

/// Longest time that a process may take to open its journal, or to end in order.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a process is started, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// As it is; the driver decides when it dies.
    Plain,
    /// It aborts at this crash point of the engine.
    CrashPoint(u64),
    /// The kernel kills it as it is about to make the n-th of these system
    /// calls on the journal: `pwrite64` leaves a commit half written, `fdatasync` not synced.
    SystemCall {
        /// The system call.
        call: &'static str,
        /// Which of them.
        nth: u64,
    },
    /// Every write and sync is written to a file; see [`super::disk`].
    Traced {
        /// The file.
        trace: PathBuf,
        /// Whether syncs are left out: what `synchronous = OFF` would do.
        without_sync: bool,
    },
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// The engine is open; its process.
    Ready(i32),
    /// The answer to a request, or the code of an error.
    Answer(u64, Result<Value, String>),
    /// An execution has ended.
    Ended(String),
    /// A task token: execution and token.
    Token(String, String),
    /// How many crash points were passed, at an end in order.
    Points(u64),
    /// Nothing more: the process is gone, or about to be.
    Nothing,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    pid: Option<i32>,
    stdin: Option<ChildStdin>,
    said: Receiver<Said>,
    next_id: u64,
}

impl Worker {
    /// Starts the engine's process of a world.
    ///
    /// # Panics
    /// When the binary does not start.
    pub fn start(world: &World, binary: &Path, launch: &Launch) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(world.folder.join("worker.log"));
        let mut command = command(world, binary, launch);
        command
            .arg(world.folder.join(FILE))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("the worker's log opens"));
        if let Launch::CrashPoint(at) = launch {
            command.arg("--crash-at").arg(at.to_string());
        }
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("its output");
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A line that its process did not finish was never said.
                let Ok(value) = serde_json::from_str::<Value>(&line) else { break };
                if sender.send(said_by(&value)).is_err() {
                    return;
                }
            }
            let _ = sender.send(Said::Nothing);
        });
        // Under a tracer the child is the tracer; the engine's own process says who it is.
        let pid = match launch {
            Launch::Plain | Launch::CrashPoint(_) => i32::try_from(child.id()).ok(),
            _ => None,
        };
        Self { child, pid, stdin, said, next_id: 0 }
    }

    /// The engine's process, once known.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Sends a request; answers its number. A process that is gone does not answer.
    pub fn ask(&mut self, operation: &str, parameters: &Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let line = json!({ "id": id, "operation": operation, "parameters": parameters });
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(format!("{line}\n").as_bytes());
        }
        id
    }

    /// What the worker says next, until a moment; `None` = nothing until then.
    pub fn hear(&mut self, until: Instant) -> Option<Said> {
        let said = match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(said) => said,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => Said::Nothing,
        };
        if let Said::Ready(pid) = said {
            self.pid = Some(pid);
        }
        Some(said)
    }

    /// Asks and waits for the answer; what else is said meanwhile is dropped.
    pub fn call(&mut self, operation: &str, parameters: &Value) -> Result<Value, String> {
        let id = self.ask(operation, parameters);
        let until = Instant::now() + PATIENCE;
        loop {
            match self.hear(until) {
                Some(Said::Answer(answered, answer)) if answered == id => return answer,
                Some(Said::Nothing) | None => return Err("no answer".to_owned()),
                Some(_) => {}
            }
        }
    }

    /// Waits until the engine is open; `false` = it is not going to be.
    pub fn wait_ready(&mut self, until: Instant) -> bool {
        loop {
            match self.hear(until) {
                Some(Said::Ready(_)) => return true,
                Some(Said::Nothing) | None => return false,
                Some(_) => {}
            }
        }
    }

    /// Kills the engine's process with SIGKILL, if it still lives, and waits. What it said
    /// before its end is left in `late`.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(mut self, late: &mut Vec<Said>) -> ExitStatus {
        if self.child.try_wait().expect("a child").is_none() {
            match self.pid {
                Some(pid) => drop(kill(Pid::from_raw(pid), Signal::SIGKILL)),
                None => drop(self.child.kill()),
            }
        }
        let status = self.child.wait().expect("a child");
        self.drain(late);
        status
    }

    /// Lets the process end in order.
    ///
    /// # Panics
    /// When it does not end.
    pub fn finish(mut self, late: &mut Vec<Said>) -> ExitStatus {
        drop(self.stdin.take());
        self.drain(late);
        self.child.wait().expect("a child")
    }

    /// Takes what was said until the end of the output.
    fn drain(&mut self, late: &mut Vec<Said>) {
        let until = Instant::now() + PATIENCE;
        while let Some(said) = self.hear(until) {
            if said == Said::Nothing {
                return;
            }
            late.push(said);
        }
        panic!("the worker does not end");
    }
}

/// Whether a process died as one that is killed or aborted does, rather than of its own failure.
pub fn was_killed(status: ExitStatus) -> bool {
    matches!(status.signal(), Some(libc_kill) if libc_kill == Signal::SIGKILL as i32 || libc_kill == Signal::SIGABRT as i32)
        // A shell's way to tell of a signal.
        || matches!(status.code(), Some(137 | 134))
}

fn command(world: &World, binary: &Path, launch: &Launch) -> Command {
    let strace = |arguments: &[&str]| {
        let mut command = Command::new("strace");
        command.args(["-f", "--seccomp-bpf", "-qq"]).args(arguments);
        command
    };
    let data = world.data();
    match launch {
        Launch::Plain | Launch::CrashPoint(_) => Command::new(binary),
        Launch::SystemCall { call, nth } => {
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            let mut command = strace(&["-o", "/dev/null", "-e", "trace=pwrite64,fdatasync", "-e", &inject]);
            for file in ["journal.db", "journal.db-wal"] {
                command.arg("-P").arg(data.join(file));
            }
            command.arg(binary);
            command
        }
        Launch::Traced { trace, without_sync } => {
            let mut command = strace(&["-xx", "-y", "-s", "1048576", "-e", super::disk::TRACED]);
            if *without_sync {
                command.args(["-e", "inject=fsync,fdatasync:retval=0"]);
            }
            command.arg("-o").arg(trace).arg(binary);
            command
        }
    }
}

fn said_by(value: &Value) -> Said {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    if value.get("ready").is_some() {
        Said::Ready(i32::try_from(number("/ready/pid")).unwrap_or_default())
    } else if value.get("ended").is_some() {
        Said::Ended(text("ended"))
    } else if value.get("token").is_some() {
        Said::Token(text("execution"), text("token"))
    } else if value.get("points").is_some() {
        Said::Points(number("/points"))
    } else {
        let answer = value.get("answer").cloned().ok_or_else(|| text("error"));
        Said::Answer(number("/id"), answer)
    }
}

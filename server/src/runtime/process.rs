//! The life of one bootstrap process: start → ready → (work → answer)* → end.
//!
//! ```text
//!              spawn           GET next              take()
//!   (none) ──────────► starting ─────────► free ◄──────────────► busy ──► answer
//!                         │ exit, init/error │ exit        exit, │ timeout, cancel
//!                         ▼                  ▼                   ▼
//!                     start_failed         ended          answer, kill, ended
//! ```
//! One task per process owns the child and is the only one to change its state; the
//! HTTP side ([`super::api`]) sends it what the bootstrap asks for.

use std::{
    fmt::Write as _,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{sys::signal::Signal, unistd::Pid};
use tokio::{
    process::{Child, Command},
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
};

use super::{
    Shared,
    answer::Answer,
    api::Delivery,
    pool::{Invocation, Pool, Work},
};

/// How long a bootstrap may take until its first `next`.
/// AWS quota: the Init phase of a Lambda function is limited to 10 seconds.
const INIT_MAX: Duration = Duration::from_secs(10);
/// How long an exited process's remaining output is awaited. Ours: a grandchild may hold the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);
/// How long a process may take to ask for more after it answered. Ours.
const NEXT_MAX: Duration = Duration::from_secs(10);

/// What the HTTP side hears from a bootstrap.
#[derive(Debug)]
pub(super) enum Call {
    /// `GET invocation/next`; the answer is one invocation.
    Next(oneshot::Sender<Delivery>),
    /// `POST invocation/{id}/response` or `/error`.
    Answer { request_id: String, answer: Answer, accepted: oneshot::Sender<bool> },
    /// `POST init/error`.
    InitError(Answer),
}

/// Environment a bootstrap gets from us as it is, if we have it: where temporary files go, how talkative it is.
const INHERITED: [&str; 5] = ["TMPDIR", "RUST_LOG", "RUST_BACKTRACE", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Runs one process of `pool` until it ends or the host shuts down.
pub(super) async fn run(shared: Arc<Shared>, pool: Arc<Pool>) {
    let (token, calls) = shared.register();
    let born = Instant::now();
    match Process::spawn(&shared, &pool, &token, calls) {
        Ok(mut process) => {
            let readiness = process.until_ready(born).await;
            if let Some((next, init)) = readiness {
                pool.started(init);
                process.work(next, init).await;
            }
            process.end().await;
        }
        Err(error) => {
            let path = pool.function.bootstrap.display().to_string();
            pool.start_failed(|request_id| {
                Answer::invalid_entrypoint(request_id, &format!("fork/exec {path}: {error}"))
            });
        }
    }
    shared.unregister(&token);
    pool.ended(&shared);
}

struct Process {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    child: Child,
    group: Option<u32>,
    calls: mpsc::Receiver<Call>,
    output: JoinSet<()>,
}

/// What ended the wait for an answer.
enum Served {
    /// Answered; the process goes on.
    Answered(Answer),
    /// The process is gone or must go.
    Gone(Answer),
    /// Nobody wants the answer.
    Cancelled,
}

impl Process {
    fn spawn(
        shared: &Arc<Shared>,
        pool: &Arc<Pool>,
        token: &str,
        calls: mpsc::Receiver<Call>,
    ) -> std::io::Result<Self> {
        let function = &pool.function;
        let mut command = Command::new(&function.bootstrap);
        command
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(lambda_environment(shared, pool, token))
            .envs(&shared.environment)
            .envs(&function.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C on our terminal is for us, and a kill reaches its children too.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let group = child.id();
        if let Some(group) = group {
            shared.guard.add(group);
        }
        let mut output = JoinSet::new();
        if let Some(stream) = child.stdout.take() {
            let log = Arc::clone(&pool.log);
            output.spawn(async move { log.copy(stream).await });
        }
        if let Some(stream) = child.stderr.take() {
            let log = Arc::clone(&pool.log);
            output.spawn(async move { log.copy(stream).await });
        }
        Ok(Self { shared: Arc::clone(shared), pool: Arc::clone(pool), child, group, calls, output })
    }

    /// Waits for the first `next`. `None`: it never came, and one waiting invocation has been told.
    async fn until_ready(&mut self, born: Instant) -> Option<(oneshot::Sender<Delivery>, Duration)> {
        let failure = tokio::select! {
            call = self.calls.recv() => match call {
                Some(Call::Next(next)) => return Some((next, born.elapsed())),
                Some(Call::InitError(answer)) => Some(answer),
                // An answer before the first `next` is no Runtime API client.
                Some(Call::Answer { .. }) | None => None,
            },
            status = self.child.wait() => {
                self.drain_output().await;
                let reason = exit_reason(status);
                self.pool.start_failed(|request_id| Answer::exited(request_id, reason.as_deref()));
                return None;
            }
            () = tokio::time::sleep(INIT_MAX) => {
                self.pool.start_failed(|request_id| Answer::timed_out(request_id, INIT_MAX));
                return None;
            }
        };
        self.pool.start_failed(|request_id| failure.unwrap_or_else(|| Answer::exited(request_id, None)));
        None
    }

    /// Takes invocations one after another until there are no more or the process is gone.
    async fn work(&mut self, first: oneshot::Sender<Delivery>, init: Duration) {
        let mut next = first;
        let mut cold = Some(init);
        loop {
            let Some(invocation) = self.next_invocation().await else { return };
            match self.serve(next, invocation, cold.take()).await {
                Some(again) => next = again,
                None => return,
            }
        }
    }

    /// Waits for work, or for the end of the process or of the host.
    async fn next_invocation(&mut self) -> Option<Invocation> {
        let mut receiver = match self.pool.take() {
            Work::Now(invocation) => return Some(*invocation),
            Work::Later(receiver) => receiver,
            Work::Never => return None,
        };
        tokio::select! {
            given = &mut receiver => return given.ok(),
            _ = self.child.wait() => {}
            // A second `next` while one waits: its connection broke, or it is no Runtime API client.
            _ = self.calls.recv() => {}
        }
        receiver.close();
        if let Ok(invocation) = receiver.try_recv() {
            self.pool.put_back(&self.shared, invocation);
        }
        None
    }

    /// Serves one invocation; returns the process's next `next`, or `None` when it is to end.
    async fn serve(
        &mut self,
        next: oneshot::Sender<Delivery>,
        invocation: Invocation,
        cold: Option<Duration>,
    ) -> Option<oneshot::Sender<Delivery>> {
        let function = Arc::clone(&self.pool);
        let limit = function.function.timeout;
        let began = Instant::now();
        if next.send(Delivery::new(&self.shared, &function.function, &invocation)).is_err() {
            self.hung_up(invocation, cold.is_some());
            return None;
        }
        self.pool.log.line(&format!("START RequestId: {} Version: $LATEST", invocation.request_id));
        let (request_id, cancelled) = (invocation.request_id.clone(), Arc::clone(&invocation.cancelled));
        let served = self.answer(&request_id, &cancelled, began + limit, limit).await;
        let duration = began.elapsed();
        let memory_kib = self.memory_kib();
        self.report(&invocation, duration, memory_kib, cold);
        match served {
            Served::Answered(answer) => {
                self.pool.answered(&invocation, &answer, duration, memory_kib);
                self.pool.returns();
                invocation.finish(answer);
                let next = self.until_next().await;
                if next.is_none() {
                    self.pool.lost();
                }
                next
            }
            Served::Gone(answer) => {
                self.pool.answered(&invocation, &answer, duration, memory_kib);
                // Killed before the engine hears of it: a retry never meets its predecessor.
                self.kill().await;
                invocation.finish(answer);
                None
            }
            Served::Cancelled => {
                self.kill().await;
                None
            }
        }
    }

    /// The bootstrap hung up before it got an invocation, which has not begun:
    /// another process takes it. One that hangs up on its very first invocation
    /// would do so again and again, so that invocation fails.
    fn hung_up(&self, invocation: Invocation, is_first: bool) {
        if !is_first {
            return self.pool.put_back(&self.shared, invocation);
        }
        let answer = Answer::exited(&invocation.request_id, None);
        self.pool.answered(&invocation, &answer, Duration::ZERO, None);
        invocation.finish(answer);
    }

    /// Waits for the answer to one invocation.
    async fn answer(
        &mut self,
        request_id: &str,
        cancelled: &Notify,
        deadline: Instant,
        limit: Duration,
    ) -> Served {
        let deadline = tokio::time::Instant::from_std(deadline);
        loop {
            tokio::select! {
                // In this order: an answer that has arrived counts, even if the process has ended since.
                biased;
                call = self.calls.recv() => match call {
                    Some(Call::Answer { request_id: given, answer, accepted }) => {
                        let ours = given == request_id;
                        let _ = accepted.send(ours);
                        if ours {
                            return Served::Answered(answer);
                        }
                    }
                    Some(Call::Next(_) | Call::InitError(_)) | None => {
                        return Served::Gone(Answer::exited(request_id, None));
                    }
                },
                () = cancelled.notified() => return Served::Cancelled,
                status = self.child.wait() => {
                    self.drain_output().await;
                    return Served::Gone(Answer::exited(request_id, exit_reason(status).as_deref()));
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Served::Gone(Answer::timed_out(request_id, limit));
                }
            }
        }
    }

    /// Waits until the process asks for more.
    async fn until_next(&mut self) -> Option<oneshot::Sender<Delivery>> {
        tokio::select! {
            call = self.calls.recv() => match call {
                Some(Call::Next(next)) => Some(next),
                _ => None,
            },
            _ = self.child.wait() => None,
            () = tokio::time::sleep(NEXT_MAX) => None,
        }
    }

    /// Lambda's closing lines of an invocation.
    fn report(
        &self,
        invocation: &Invocation,
        duration: Duration,
        memory_kib: Option<u64>,
        cold: Option<Duration>,
    ) {
        let milliseconds = duration.as_secs_f64() * 1000.0;
        let mut line = format!(
            "REPORT RequestId: {} Duration: {milliseconds:.2} ms Billed Duration: {:.0} ms Memory Size: {} MB",
            invocation.request_id,
            milliseconds.ceil(),
            self.pool.function.memory_mib,
        );
        if let Some(memory) = memory_kib {
            let _ = write!(line, " Max Memory Used: {} MB", memory.div_ceil(1024));
        }
        if let Some(init) = cold {
            let _ = write!(line, " Init Duration: {:.2} ms", init.as_secs_f64() * 1000.0);
        }
        self.pool.log.line(&format!("END RequestId: {}", invocation.request_id));
        self.pool.log.line(&line);
    }

    /// The most memory the process has had, where the system tells (Linux).
    fn memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Reads what the ended process still had to say, so that its last words stand in the log first.
    async fn drain_output(&mut self) {
        let drained = async { while self.output.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(OUTPUT_GRACE, drained).await;
    }

    /// Ends the process and all its children, and waits until it is gone.
    async fn kill(&mut self) {
        if let Some(group) = self.group {
            kill_group(group);
        }
        let _ = self.child.wait().await;
        self.drain_output().await;
    }

    async fn end(mut self) {
        self.kill().await;
        if let Some(group) = self.group.take() {
            self.shared.guard.remove(group);
        }
    }
}

/// Kills every process of a group. A group that is gone already is no error.
pub(super) fn kill_group(group: u32) {
    if let Ok(group) = i32::try_from(group) {
        let _ = nix::sys::signal::killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// Lambda's words for how a process ended; `None` for a clean exit.
fn exit_reason(status: std::io::Result<ExitStatus>) -> Option<String> {
    use std::os::unix::process::ExitStatusExt as _;
    let status = status.ok()?;
    if let Some(signal) = status.signal() {
        let name = Signal::try_from(signal).map_or_else(
            |_| format!("signal {signal}"),
            |signal| match signal {
                Signal::SIGKILL => "killed".to_owned(),
                Signal::SIGABRT => "aborted".to_owned(),
                Signal::SIGSEGV => "segmentation fault".to_owned(),
                Signal::SIGTERM => "terminated".to_owned(),
                other => other.as_str().to_ascii_lowercase(),
            },
        );
        return Some(format!("signal: {name}"));
    }
    match status.code() {
        Some(0) | None => None,
        Some(code) => Some(format!("exit status {code}")),
    }
}

/// The reserved environment variables of a Lambda function (AWS: "Using Lambda environment variables").
fn lambda_environment(shared: &Shared, pool: &Pool, token: &str) -> Vec<(&'static str, String)> {
    let function = &pool.function;
    vec![
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("_HANDLER", function.handler.clone()),
        // With a scheme: the Rust runtime client takes a base path only in a whole URL.
        ("AWS_LAMBDA_RUNTIME_API", format!("http://{}/{token}", shared.address)),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mib.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_REGION", shared.region.clone()),
        ("AWS_DEFAULT_REGION", shared.region.clone()),
    ]
}

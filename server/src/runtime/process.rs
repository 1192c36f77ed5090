//! The life of one bootstrap process: start → ready → (work → answer)* → end.
//!
//! ```text
//!              spawn           GET next              take()
//!   (none) ──────────► starting ─────────► free ◄──────────────► busy ──► answer
//!                         │ exit, init/error │ exit        exit, │ timeout, memory, cancel
//!                         ▼                  ▼                   ▼
//!                     start_failed         ended          answer, kill, ended
//! ```
//! One task per process owns the child and its output, and is the only one to change its
//! state; the HTTP side ([`super::api`]) sends it what the bootstrap asks for.

use std::{
    process::ExitStatus,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{sys::signal::Signal, unistd::Pid};
use tokio::{
    process::{Child, Command},
    sync::{Notify, oneshot},
};

use super::{
    Shared,
    answer::Answer,
    api::{Api, Delivery},
    environment::{self, Identity},
    invocation::{Invocation, InvocationLog, Report},
    memory::{self, Usage},
    output::Output,
    pool::{Pool, Work},
    strays::Mark,
};

/// How long a bootstrap may take until its first `next`.
const INIT_MAX: Duration = Duration::from_secs(asl::limits::FUNCTION_INIT_SECONDS_MAX);
/// How long an exited process's remaining output is awaited. Ours: a grandchild may hold the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);
/// How long a process may take to ask for more after it answered. Ours.
const NEXT_MAX: Duration = Duration::from_secs(10);
/// Lines of output between invocations that are kept for the next one. Ours.
const LINES_KEPT_MAX: usize = 1000;
/// How old what is known of a process's memory may be when it has answered. Ours: a look costs as
/// much as a quick invocation.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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

/// Runs one process of `pool` until it ends or the host shuts down.
pub(super) async fn run(shared: Arc<Shared>, pool: Arc<Pool>) {
    let born = Instant::now();
    match Process::spawn(&shared, &pool) {
        Ok(mut process) => {
            if let Some((next, init)) = process.until_ready(born).await {
                pool.started(init);
                process.work(next, init).await;
            }
            process.end().await;
        }
        Err(error) => {
            let path = pool.function.bootstrap.display().to_string();
            not_started(&pool, born, &mut Vec::new(), |request_id| {
                Answer::invalid_entrypoint(request_id, &format!("fork/exec {path}: {error}"))
            });
        }
    }
    pool.ended(&shared);
}

/// A process did not get ready: one waiting invocation is told, and has what it said in its log.
fn not_started(pool: &Pool, born: Instant, lines: &mut Vec<String>, answer: impl FnOnce(&str) -> Answer) {
    let Some(invocation) = pool.start_failed() else { return };
    let answer = answer(&invocation.request_id);
    let mut log = InvocationLog::of(&invocation);
    log.said(&pool.log, lines);
    log.init_failed(born.elapsed(), &answer);
    log.failed(&answer);
    log.flush(&pool.log);
    pool.answered(invocation.number, true, Duration::ZERO, None);
    invocation.finish(answer, &log);
}

struct Process {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    child: Child,
    /// Its group, until it was killed: the number may be another's after that.
    group: Option<u32>,
    mark: Mark,
    api: Api,
    output: Output,
    /// What it has written and no invocation has in its log yet.
    lines: Vec<String>,
    /// What was seen of its memory, and when.
    usage: Option<(Usage, Instant)>,
    /// It was killed, and all it had started.
    has_ended: bool,
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

/// Why a process did not get ready.
enum NotReady {
    /// It said so itself.
    Said(Answer),
    /// It ended, or had to.
    Ended(Option<String>),
    TimedOut,
}

/// What happened while something was awaited.
enum Moment {
    Call(Option<Call>),
    Lines(Vec<String>),
    Cancelled,
    Ended(std::io::Result<ExitStatus>),
    Look,
}

impl Process {
    fn spawn(shared: &Arc<Shared>, pool: &Arc<Pool>) -> std::io::Result<Self> {
        let function = &pool.function;
        let api = Api::open(shared)?;
        let identity = Identity { address: api.address, mark: shared.mark.of_process() };
        let (output, out, err) = Output::open()?;
        let mut command = Command::new(&function.bootstrap);
        command
            .env_clear()
            .envs(environment::of(shared, function, &identity))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            // A group of its own: Ctrl-C on our terminal is for us, and a kill reaches its children too.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(root) = function.task_root() {
            command.current_dir(root);
        }
        let child = command.spawn()?;
        let group = child.id();
        if let Some(group) = group {
            shared.guard.add(group);
        }
        Ok(Self {
            shared: Arc::clone(shared),
            pool: Arc::clone(pool),
            child,
            group,
            mark: identity.mark,
            api,
            output,
            lines: Vec::new(),
            usage: None,
            has_ended: false,
        })
    }

    /// Waits for the first `next`. `None`: it never came, and one waiting invocation has been told.
    async fn until_ready(&mut self, born: Instant) -> Option<(oneshot::Sender<Delivery>, Duration)> {
        let failure = match self.first_next(born).await {
            Ok(next) => return Some((next, born.elapsed())),
            Err(failure) => failure,
        };
        self.output.written(&mut self.lines);
        // Before the engine hears of it: a Retry is not to meet its predecessor.
        self.kill().await;
        not_started(&self.pool, born, &mut self.lines, |id| match failure {
            NotReady::Said(answer) => answer,
            NotReady::Ended(reason) => Answer::exited(id, reason.as_deref()),
            NotReady::TimedOut => Answer::timed_out(id, INIT_MAX),
        });
        None
    }

    async fn first_next(&mut self, born: Instant) -> Result<oneshot::Sender<Delivery>, NotReady> {
        let deadline = born + INIT_MAX;
        let nobody = Notify::new();
        let mut look = born + memory::LOOK;
        loop {
            match self.moment(&nobody, look.min(deadline)).await {
                Moment::Call(Some(Call::Next(next))) => return Ok(next),
                Moment::Call(Some(Call::InitError(answer))) => return Err(NotReady::Said(answer)),
                // An answer before the first `next` is no Runtime API client.
                Moment::Call(_) | Moment::Cancelled => return Err(NotReady::Ended(None)),
                Moment::Lines(fresh) => self.keep(fresh),
                Moment::Ended(status) => {
                    self.remaining_output().await;
                    return Err(NotReady::Ended(exit_reason(status)));
                }
                Moment::Look if Instant::now() >= deadline => return Err(NotReady::TimedOut),
                Moment::Look if self.uses_too_much() => {
                    return Err(NotReady::Ended(Some(KILLED.to_owned())));
                }
                Moment::Look => look = Instant::now() + memory::LOOK,
            }
        }
    }

    /// Takes invocations one after another until there are no more or the process is gone.
    async fn work(&mut self, first: oneshot::Sender<Delivery>, init: Duration) {
        let mut next = first;
        let mut cold = Some(init);
        loop {
            let Some((asked, invocation)) = self.next_invocation(next).await else { return };
            match self.serve(asked, invocation, cold.take()).await {
                Some(again) => next = again,
                None => return,
            }
        }
    }

    /// Waits for work, or for the end of the process or of the host. A process that asks again has
    /// given up its first question: clients do not wait for ever.
    async fn next_invocation(
        &mut self,
        mut next: oneshot::Sender<Delivery>,
    ) -> Option<(oneshot::Sender<Delivery>, Invocation)> {
        let mut later = match self.pool.take() {
            Work::Now(invocation) => return Some((next, *invocation)),
            Work::Later(receiver) => receiver,
            Work::Never => return None,
        };
        loop {
            let mut fresh = Vec::new();
            tokio::select! {
                biased;
                call = self.api.calls.recv() => match call {
                    Some(Call::Next(again)) => next = again,
                    _ => return unless_given(&mut later, &self.shared, &self.pool),
                },
                invocation = &mut later => return Some((next, invocation.ok()?)),
                () = self.output.lines(&mut fresh) => self.keep(fresh),
                _ = self.child.wait() => {
                    self.kill_group();
                    return unless_given(&mut later, &self.shared, &self.pool);
                }
            }
        }
    }

    /// Serves one invocation; answers with the process's next question, if it has one.
    async fn serve(
        &mut self,
        next: oneshot::Sender<Delivery>,
        mut invocation: Invocation,
        cold: Option<Duration>,
    ) -> Option<oneshot::Sender<Delivery>> {
        let began = Instant::now();
        let delivery = Delivery::new(&self.shared, &self.pool.function, &mut invocation);
        if let Err(delivery) = next.send(delivery) {
            invocation.payload = delivery.into_payload();
            self.hung_up(invocation, cold.is_some());
            return None;
        }
        let mut log = InvocationLog::of(&invocation);
        log.said(&self.pool.log, &mut self.lines);
        log.start();
        let cancelled = Arc::clone(&invocation.cancelled);
        let served = self.answer(&cancelled, began, &mut log).await;
        let duration = began.elapsed();
        let served = match served {
            Served::Answered(answer) if self.exceeded() => {
                drop(answer);
                Served::Gone(Answer::exited(&invocation.request_id, Some(KILLED)))
            }
            served => served,
        };
        self.output.written(&mut self.lines);
        log.said(&self.pool.log, &mut self.lines);
        let peak_kib = self.usage.map(|(usage, _)| usage.peak);
        let answer = match &served {
            Served::Answered(answer) => Some(answer),
            Served::Gone(answer) => {
                log.failed(answer);
                Some(answer)
            }
            Served::Cancelled => None,
        };
        let memory_mib = self.pool.function.memory_mib;
        log.end(&Report { duration, init: cold, memory_mib, peak_kib, answer });
        log.flush(&self.pool.log);
        let failed = answer.is_some_and(Answer::is_error);
        match served {
            Served::Answered(answer) => {
                self.pool.answered(invocation.number, failed, duration, peak_kib);
                self.pool.returns();
                invocation.finish(answer, &log);
                let next = self.until_next().await;
                if next.is_none() {
                    self.pool.lost();
                }
                next
            }
            Served::Gone(answer) => {
                self.pool.answered(invocation.number, failed, duration, peak_kib);
                // Killed before the engine hears of it: a retry never meets its predecessor.
                self.kill().await;
                invocation.finish(answer, &log);
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
        self.pool.answered(invocation.number, true, Duration::ZERO, None);
        let log = InvocationLog::of(&invocation);
        invocation.finish(answer, &log);
    }

    /// Waits for the answer to one invocation.
    async fn answer(&mut self, cancelled: &Notify, began: Instant, log: &mut InvocationLog) -> Served {
        let limit = self.pool.function.timeout;
        let request_id = log.request_id().to_owned();
        let request_id = request_id.as_str();
        let deadline = began + limit;
        let mut look = began + memory::LOOK;
        loop {
            match self.moment(cancelled, look.min(deadline)).await {
                Moment::Call(Some(Call::Answer { request_id: given, answer, accepted })) => {
                    let ours = given == request_id;
                    let _ = accepted.send(ours);
                    if ours {
                        return Served::Answered(answer);
                    }
                }
                Moment::Call(_) => return Served::Gone(Answer::exited(request_id, None)),
                Moment::Lines(mut fresh) => {
                    log.said(&self.pool.log, &mut fresh);
                    log.flush(&self.pool.log);
                }
                Moment::Cancelled => return Served::Cancelled,
                Moment::Ended(status) => {
                    let reason = exit_reason(status);
                    self.remaining_output().await;
                    return Served::Gone(Answer::exited(request_id, reason.as_deref()));
                }
                Moment::Look if Instant::now() >= deadline => {
                    return Served::Gone(Answer::timed_out(request_id, limit));
                }
                Moment::Look => {
                    // Whoever looks into the file sees what is under way.
                    log.flush(&self.pool.log);
                    if self.uses_too_much() {
                        return Served::Gone(Answer::exited(request_id, Some(KILLED)));
                    }
                    look = Instant::now() + memory::LOOK;
                }
            }
        }
    }

    /// The next thing that happens while the process starts or works.
    async fn moment(&mut self, cancelled: &Notify, look: Instant) -> Moment {
        let mut fresh = Vec::new();
        let moment = tokio::select! {
            // In this order: an answer that has arrived counts, even if the process has ended since.
            biased;
            call = self.api.calls.recv() => Moment::Call(call),
            () = cancelled.notified() => Moment::Cancelled,
            () = self.output.lines(&mut fresh) => Moment::Lines(Vec::new()),
            status = self.child.wait() => Moment::Ended(status),
            () = tokio::time::sleep_until(tokio::time::Instant::from_std(look)) => Moment::Look,
        };
        match moment {
            Moment::Lines(_) => Moment::Lines(fresh),
            Moment::Ended(status) => {
                // At once, while its number is nobody else's.
                self.kill_group();
                Moment::Ended(status)
            }
            moment => moment,
        }
    }

    /// Waits until the process asks for more. What it writes until then, a program that keeps its
    /// output back for example, is the next invocation's.
    async fn until_next(&mut self) -> Option<oneshot::Sender<Delivery>> {
        let nobody = Notify::new();
        let deadline = Instant::now() + NEXT_MAX;
        loop {
            match self.moment(&nobody, deadline).await {
                Moment::Call(Some(Call::Next(next))) => return Some(next),
                Moment::Lines(fresh) => self.keep(fresh),
                _ => return None,
            }
        }
    }

    /// Keeps what was written while there was no invocation: the next one has it in its log.
    fn keep(&mut self, lines: Vec<String>) {
        let room = LINES_KEPT_MAX.saturating_sub(self.lines.len());
        self.lines.extend(lines.into_iter().take(room));
    }

    /// Looks at the memory of the process and of all it has started.
    fn uses_too_much(&mut self) -> bool {
        // Other processes are not to wait for a walk over all there are.
        let strays = tokio::task::block_in_place(|| self.shared.strays.look(&self.mark));
        self.uses_too_much_with(&strays)
    }

    fn uses_too_much_with(&mut self, strays: &[u32]) -> bool {
        let usage = self.child.id().and_then(|process| Usage::of_all(process, strays));
        self.usage = usage.map(|usage| (usage, Instant::now()));
        self.usage.is_some_and(|(usage, _)| usage.exceeds(self.pool.function.memory_mib))
    }

    /// Whether a process that has answered had more memory than it may have: on AWS it would not
    /// have come to answer. Its caller waits: no walk over all processes.
    fn exceeded(&mut self) -> bool {
        let is_recent = self.usage.is_some_and(|(_, seen)| seen.elapsed() < LOOK_AGAIN);
        !is_recent && self.uses_too_much_with(&self.shared.strays.last_seen(&self.mark))
    }

    /// Reads what the ended process still had to say, so that its last words stand in the log first.
    async fn remaining_output(&mut self) {
        let mut lines = Vec::new();
        let _ = tokio::time::timeout(OUTPUT_GRACE, self.output.remaining(&mut lines)).await;
        self.lines.append(&mut lines);
    }

    /// Kills the process and its group, once.
    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            kill_group(group);
            self.shared.guard.remove(group);
        }
    }

    /// Ends the process and everything it has started, and waits until it is gone.
    async fn kill(&mut self) {
        self.has_ended = true;
        self.kill_group();
        let _ = self.child.wait().await;
        let mark = self.mark.clone();
        // A walk over all processes; what it comes to is done or cannot be.
        let _ = tokio::task::spawn_blocking(move || mark.kill()).await;
    }

    async fn end(mut self) {
        if !self.has_ended {
            self.kill().await;
        }
    }
}

/// How Lambda says that a process was killed.
const KILLED: &str = "signal: killed";

/// A process has ended while it was free; work that reached it in the same moment goes back.
fn unless_given(
    later: &mut oneshot::Receiver<Invocation>,
    shared: &Arc<Shared>,
    pool: &Pool,
) -> Option<(oneshot::Sender<Delivery>, Invocation)> {
    later.close();
    if let Ok(invocation) = later.try_recv() {
        pool.put_back(shared, invocation);
    }
    None
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

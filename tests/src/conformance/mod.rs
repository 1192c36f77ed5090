//! Recordings of the real service, run against the engine within this
//! process: executions in virtual time, the API without HTTP; or everything
//! through the endpoint, on a clock that jumps.
//!
//! | file | owns |
//! |---|---|
//! | `case` | reading the recordings |
//! | `bindings` | placeholders |
//! | `tree`, `unify`, `history` | normalisation and comparison |
//! | `exec` | cases that are one execution |
//! | `stubs` | who answers their tasks |
//! | `processes` | functions as real processes instead of stubs |
//! | `actor` | who completes tasks by their tokens |
//! | `script` | cases that are steps of the API |
//! | `world` | the engine they run on |
//! | `wire` | the same over HTTP: the endpoint before it, and cases that are one execution |
//! | `services`, `functions` | the same executions in real time, their tasks sent to simulated services |
//! | `report` | verdicts, the table, the list of differences |
//!
//! The rules are those of the runner over HTTP that lies beside the
//! recordings. A case that cannot be run is a case that differs, with its reason.
#![expect(clippy::indexing_slicing, reason = "only JSON is indexed, and a field that is missing is null")]

mod actor;
mod bindings;
mod case;
mod exec;
mod functions;
mod history;
mod processes;
mod report;
mod script;
mod services;
mod stubs;
#[cfg(test)]
mod tests;
mod tree;
mod unify;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

pub use bindings::Bindings;
pub use case::{Case, Kind, load, recordings};
pub use history::unify_histories;
pub use processes::bootstrap as replay_bootstrap;
pub use report::{Counts, Report, Verdict};
pub use script::{Refusal, Service, run_script};
pub use services::{Services, needs_services};
pub use tree::Tree;
pub use unify::{Difference, unify};

/// A case that takes longer is given up: each takes milliseconds, on a busy machine a second.
const CASE_SECONDS_MAX: u64 = 60;
/// Of the thread a case runs on.
const STACK_BYTES: usize = 16 << 20;

/// How the engine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// By a call.
    #[default]
    InProcess,
    /// By HTTP, each case with a server of its own.
    Http,
    /// By a call, with the functions that cases describe as real processes.
    Processes,
}

/// Cases that wait for services at a time: they hardly work.
const WAITING_LANES: usize = 8;

/// Runs cases, several at a time, and answers in their order.
pub fn run(cases: Vec<Case>, transport: Transport) -> Report {
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    run_by(cases, lanes, &(Arc::new(move |case: &Case| run_case(case, transport)) as Runner))
}

/// Runs cases in real time against simulated services.
pub fn run_with(services: &Arc<Services>, cases: Vec<Case>) -> Report {
    let services = Arc::clone(services);
    run_by(cases, WAITING_LANES, &(Arc::new(move |case: &Case| services.run(case)) as Runner))
}

/// What runs one case.
type Runner = Arc<dyn Fn(&Case) -> Verdict + Send + Sync>;

fn run_by(cases: Vec<Case>, lanes: usize, runner: &Runner) -> Report {
    let lanes = lanes.min(cases.len());
    let next = AtomicUsize::new(0);
    let mut verdicts: Vec<(usize, Verdict)> = std::thread::scope(|scope| {
        let lane = || {
            let mut verdicts = Vec::new();
            while let Some((at, case)) = take(&cases, &next) {
                verdicts.push((at, run_guarded(case, runner)));
            }
            verdicts
        };
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap_or_default()).collect()
    });
    verdicts.sort_by_key(|(at, _)| *at);
    Report::new(cases.into_iter().zip(verdicts.into_iter().map(|(_, verdict)| verdict)).collect())
}

fn take<'c>(cases: &'c [Case], next: &AtomicUsize) -> Option<(usize, &'c Case)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    cases.get(at).map(|case| (at, case))
}

/// Runs a case on its own thread: neither a panic nor an endless loop of the
/// engine ends the run.
fn run_guarded(case: &Case, runner: &Runner) -> Verdict {
    let (sender, receiver) = mpsc::channel();
    let (own, runner) = (case.clone(), Arc::clone(runner));
    let thread = std::thread::Builder::new().name(case.id.clone()).stack_size(STACK_BYTES);
    let spawned = thread.spawn(move || {
        let verdict = catch_unwind(AssertUnwindSafe(|| runner(&own)));
        let verdict = verdict.unwrap_or_else(|panic| Verdict::not_run(&own, &panicked(&*panic)));
        // Nobody listens any more when the case was given up.
        drop(sender.send(verdict));
    });
    if let Err(error) = spawned {
        return Verdict::not_run(case, &format!("no thread to run it on: {error}"));
    }
    receiver
        .recv_timeout(Duration::from_secs(CASE_SECONDS_MAX))
        .unwrap_or_else(|_| Verdict::not_run(case, &format!("not done after {CASE_SECONDS_MAX} seconds")))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

fn run_case(case: &Case, transport: Transport) -> Verdict {
    match (case.quarantine(), case.kind) {
        (Some(reason), _) => Verdict::quarantined(reason),
        (None, Kind::Exec | Kind::MockExec) => match transport {
            Transport::InProcess | Transport::Processes => exec::run(case, transport),
            Transport::Http => wire::run(case),
        },
        (None, Kind::Api) => world::run(case, exec::bindings(case), transport),
    }
}

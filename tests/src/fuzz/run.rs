//! Runs targets on all cores, watched: an input that does not end ends the process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Choices, PATIENCE, Target, targets};

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Inputs of all targets together.
    pub inputs: u64,
    /// What the inputs follow from.
    pub seed: u64,
    /// Only targets whose name contains this.
    pub target: Option<String>,
    /// Only the input of this index, of each target.
    pub index: Option<u64>,
    /// Threads that work.
    pub threads: usize,
    /// Where to note the inputs that are worked on: a stack that overflows cannot be caught.
    pub notes: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { inputs: 100_000, seed: 1, target: None, index: None, threads, notes: None }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// By target, in order.
    pub targets: Vec<TargetReport>,
    /// Laws that did not hold, with what repeats them; at most a hundred.
    pub failures: Vec<String>,
}

/// The inputs of one target.
#[derive(Debug)]
pub struct TargetReport {
    /// Its name.
    pub name: &'static str,
    /// How many inputs it was fed.
    pub inputs: u64,
    /// How long that took.
    pub took: Duration,
    /// The input that took longest: its index, and how long.
    pub slowest: (u64, Duration),
}

impl Report {
    /// Inputs of all targets.
    pub fn inputs(&self) -> u64 {
        self.targets.iter().map(|target| target.inputs).sum()
    }
}

/// What a thread works on, for the one that watches.
struct Desk {
    number: u64,
    /// Milliseconds since the start, plus one; zero while nothing is worked on.
    since: AtomicU64,
    index: AtomicU64,
}

impl Desk {
    fn new(number: u64) -> Self {
        Self { number, since: AtomicU64::new(0), index: AtomicU64::new(0) }
    }

    /// Each desk has a line of its own.
    fn note(&self, notes: Option<&File>, target: &dyn Target, index: u64) {
        const LINE: u64 = 64;
        if let Some(notes) = notes {
            let line = format!("--target {} --index {index:<20}\n", target.name());
            notes.write_all_at(line.as_bytes(), self.number * LINE).expect("the notes can be written");
        }
    }
}

/// Runs every target in turn.
pub fn run(options: &Options) -> Report {
    let wanted = |name: &str| options.target.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let targets: Vec<_> = targets().into_iter().filter(|target| wanted(target.name())).collect();
    let shares: u64 = targets.iter().map(|target| target.share()).sum();
    let mut report = Report::default();
    let (mut share, mut given) = (0, 0);
    for target in &targets {
        // Rounded so that the counts add up.
        share += target.share();
        let until = options.inputs * share / shares.max(1);
        let indices = match options.index {
            Some(index) => index..index + 1,
            None => 0..until - given,
        };
        given = until;
        run_target(target.as_ref(), options, indices, &mut report);
    }
    report
}

fn run_target(target: &dyn Target, options: &Options, indices: std::ops::Range<u64>, report: &mut Report) {
    let started = Instant::now();
    let next = AtomicU64::new(indices.start);
    let failures = Mutex::new(Vec::new());
    let slowest = Mutex::new((0, Duration::ZERO));
    let done = AtomicU64::new(0);
    let desks: Vec<Desk> = (0..).take(options.threads.max(1)).map(Desk::new).collect();
    let notes = options.notes.as_ref().map(|path| File::create(path).expect("the notes can be written"));
    std::thread::scope(|threads| {
        let workers = desks.iter().map(|desk| {
            let work = || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= indices.end {
                        break;
                    }
                    desk.index.store(index, Ordering::Relaxed);
                    desk.note(notes.as_ref(), target, index);
                    desk.since.store(1 + millis(started.elapsed()), Ordering::Release);
                    let took = Instant::now();
                    if let Err(law) = feed(target, options.seed, index) {
                        failures.lock().expect("no panic while held").push((index, law));
                    }
                    let took = took.elapsed();
                    desk.since.store(0, Ordering::Release);
                    let mut slowest = slowest.lock().expect("no panic while held");
                    if took > slowest.1 {
                        *slowest = (index, took);
                    }
                }
                done.fetch_add(1, Ordering::Release);
            };
            // Expressions of full depth are evaluated where the engine has its stack: 2 MiB.
            std::thread::Builder::new()
                .stack_size(2 << 20)
                .spawn_scoped(threads, work)
                .expect("a thread starts")
        });
        let workers: Vec<_> = workers.collect();
        while done.load(Ordering::Acquire) < workers.len() as u64 {
            watch(target, options, &desks, started);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut failures = failures.into_inner().expect("no panic while held");
    failures.sort();
    let room = 100_usize.saturating_sub(report.failures.len());
    report.failures.extend(failures.into_iter().take(room).map(|(index, law)| {
        let input = target.input(&mut Choices::of(options.seed, target.name(), index));
        let shown: String = input.chars().take(400).collect();
        format!("{}: {law}\n  input {shown:?}\n  {}", target.name(), again(target, options, index))
    }));
    report.targets.push(TargetReport {
        name: target.name(),
        inputs: indices.end - indices.start,
        took: started.elapsed(),
        slowest: slowest.into_inner().expect("no panic while held"),
    });
}

/// One input; a panic is a broken law.
fn feed(target: &dyn Target, seed: u64, index: u64) -> Result<(), String> {
    let input = target.input(&mut Choices::of(seed, target.name(), index));
    catch_unwind(AssertUnwindSafe(|| target.check(&input))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", words.unwrap_or("without words")))
    })
}

/// A thread cannot be stopped from outside: where one hangs, the run ends with a word about it.
#[expect(clippy::exit, reason = "a thread that hangs cannot be stopped in another way")]
#[expect(clippy::print_stderr, reason = "the last words of a run that hangs")]
fn watch(target: &dyn Target, options: &Options, desks: &[Desk], started: Instant) {
    for desk in desks {
        let since = desk.since.load(Ordering::Acquire);
        if since > 0 && millis(started.elapsed()) + 1 - since > millis(PATIENCE) {
            let index = desk.index.load(Ordering::Relaxed);
            eprintln!("{}: hangs\n  {}", target.name(), again(target, options, index));
            std::process::exit(2);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The input of a target at an index.
pub fn input(name: &str, seed: u64, index: u64) -> Option<String> {
    let target = targets().into_iter().find(|target| target.name() == name)?;
    Some(target.input(&mut Choices::of(seed, name, index)))
}

/// What repeats one input.
fn again(target: &dyn Target, options: &Options, index: u64) -> String {
    format!("again: cargo xtask fuzz --seed {} --target {} --index {index}", options.seed, target.name())
}

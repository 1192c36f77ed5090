//! Runs targets on all cores, watched: an input that does not end ends the process.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Choices, MEMORY_MEBIBYTES_MAX, PATIENCE, TIME_MAX, Target, measure, targets};

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
    /// How long one input may take, of a processor's time.
    pub time: Duration,
    /// Where to note the inputs that are worked on: a stack that overflows cannot be caught.
    pub notes: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { inputs: 100_000, seed: 1, target: None, index: None, threads, time: TIME_MAX, notes: None }
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
    /// The most memory of the process that was resident meanwhile, in MiB.
    pub peak_mebibytes: u64,
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
    fn note(&self, notes: Option<&File>, target: &dyn Target, options: &Options, index: u64) {
        const LINE: usize = 128;
        if let Some(notes) = notes {
            let line = format!("{:<width$}\n", again(target, options, index), width = LINE - 1);
            notes.write_all_at(line.as_bytes(), self.number * LINE as u64).expect("the notes can be written");
        }
    }
}

/// Runs every target in turn.
pub fn run(options: &Options) -> Report {
    let all = targets();
    // A whole name is meant as one.
    let is_name = all.iter().any(|target| Some(target.name()) == options.target.as_deref());
    let wanted = |name: &str| match options.target.as_deref() {
        None => true,
        Some(whole) if is_name => name == whole,
        Some(part) => name.contains(part),
    };
    let targets: Vec<_> = all.into_iter().filter(|target| wanted(target.name())).collect();
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

fn run_target(target: &dyn Target, options: &Options, indices: Range<u64>, report: &mut Report) {
    let threads = if target.is_heavy() { 1 } else { options.threads.max(1) };
    let bench = Bench {
        target,
        options,
        started: Instant::now(),
        end: indices.end,
        next: AtomicU64::new(indices.start),
        notes: options.notes.as_ref().map(|path| File::create(path).expect("the notes can be written")),
        found: Mutex::default(),
        done: AtomicU64::new(0),
    };
    let desks: Vec<Desk> = (0..).take(threads).map(Desk::new).collect();
    std::thread::scope(|scope| {
        for desk in &desks {
            // Expressions of full depth are evaluated where the engine has its stack: 2 MiB.
            let thread = std::thread::Builder::new().stack_size(2 << 20);
            thread.spawn_scoped(scope, || bench.work(desk)).expect("a thread starts");
        }
        while bench.done.load(Ordering::Acquire) < desks.len() as u64 {
            watch(target, options, &desks, bench.started);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let found = bench.found.into_inner().expect("no panic while held");
    let mut failures = found.failures;
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
        took: bench.started.elapsed(),
        slowest: found.slowest,
        peak_mebibytes: found.peak_mebibytes,
    });
}

/// The work on one target.
struct Bench<'t> {
    target: &'t dyn Target,
    options: &'t Options,
    started: Instant,
    end: u64,
    next: AtomicU64,
    notes: Option<File>,
    found: Mutex<Found>,
    /// Threads that are through.
    done: AtomicU64,
}

/// What came of a target so far.
#[derive(Default)]
struct Found {
    failures: Vec<(u64, String)>,
    slowest: (u64, Duration),
    peak_mebibytes: u64,
}

impl Bench<'_> {
    fn work(&self, desk: &Desk) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.end {
                break;
            }
            desk.index.store(index, Ordering::Relaxed);
            desk.note(self.notes.as_ref(), self.target, self.options, index);
            desk.since.store(1 + millis(self.started.elapsed()), Ordering::Release);
            let (took, law) = self.feed(index);
            desk.since.store(0, Ordering::Release);
            self.note(index, took, law);
        }
        self.done.fetch_add(1, Ordering::Release);
    }

    /// One input; a panic is a broken law.
    fn feed(&self, index: u64) -> (Duration, Result<(), String>) {
        let target = self.target;
        let input = target.input(&mut Choices::of(self.options.seed, target.name(), index));
        let before = measure::worked();
        let law = catch_unwind(AssertUnwindSafe(|| target.check(&input))).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", words.unwrap_or("without words")))
        });
        (measure::worked().saturating_sub(before) / target.looks(), law)
    }

    /// Time and memory have laws of their own.
    fn note(&self, index: u64, took: Duration, law: Result<(), String>) {
        let peak = measure::peak_mebibytes();
        let mut found = self.found.lock().expect("no panic while held");
        found.failures.extend(law.err().map(|law| (index, law)));
        if took > self.options.time {
            found.failures.push((index, format!("took {:.1} s", took.as_secs_f64())));
        }
        if peak > MEMORY_MEBIBYTES_MAX {
            found.failures.push((index, format!("{peak} MiB were resident")));
        }
        if took > found.slowest.1 {
            found.slowest = (index, took);
        }
        found.peak_mebibytes = found.peak_mebibytes.max(peak);
        // The next one has its own peak.
        if self.target.is_heavy() || peak > MEMORY_MEBIBYTES_MAX {
            measure::forget_peak();
        }
    }
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

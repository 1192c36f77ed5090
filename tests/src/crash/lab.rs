//! The suites of the lab.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::checker::{Damage, Violation};
use super::coreview::CoreView;
use super::disk::{self, DiskFault, Recording};
use super::draw::Draws;
use super::lane::Lane;
use super::process::Launch;
use super::world::World;

/// Worlds at once: kills wait for clocks more than for cores.
const LANES: u64 = 3;
/// A server of PostgreSQL is stopped and started this often.
const SERVER_CRASH_EVERY: Duration = Duration::from_secs(15);

/// What a suite runs with.
#[derive(Debug)]
pub struct Lab {
    /// What chance follows from.
    pub seed: u64,
    /// Where worlds are made.
    pub base: PathBuf,
    /// The engine's process.
    pub worker: PathBuf,
    /// Where `crash-worker`, which is also the step, is.
    pub binaries: PathBuf,
    /// The binary of the steps `stage`, `deliver`, `verify`.
    pub deliver: PathBuf,
    /// CoreView; `None` = no deliveries.
    pub coreview: Option<CoreView>,
    /// A bug for the worker to have.
    pub fault: Option<String>,
    /// Whether system calls can be traced and counted.
    pub can_trace: bool,
    /// Whether only deliveries are started.
    pub only_deliveries: bool,
    /// The planted bug "key = ARN".
    pub keyed_by_execution: bool,
    /// When to stop killing, if before the number of kills is reached.
    pub deadline: Option<Instant>,
}

impl Lab {
    /// A lab with the binaries of a folder, without CoreView and without faults.
    pub fn new(seed: u64, base: &Path, binaries: &Path) -> Self {
        Self {
            seed,
            base: base.to_path_buf(),
            worker: binaries.join("crash-worker"),
            binaries: binaries.to_path_buf(),
            deliver: binaries.join("step-deliver"),
            coreview: None,
            fault: None,
            can_trace: disk::can_trace(),
            only_deliveries: false,
            keyed_by_execution: false,
            deadline: None,
        }
    }

    /// Whether the time for killing is over.
    pub fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The description of a world of this lab.
    pub fn world(&self, name: &str, coreview: Option<String>, origin_millis: i64) -> World {
        World {
            folder: self.base.join(name),
            binaries: self.binaries.clone(),
            deliver: self.deliver.clone(),
            coreview,
            origin_millis,
            pace: 1,
            fault: self.fault.clone(),
        }
    }
}

/// What happened in a suite.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Killed by the driver at a random moment.
    pub at_moments: u64,
    /// Aborted at a crash point of the engine.
    pub at_points: u64,
    /// Killed by the kernel before a system call on the journal.
    pub at_calls: u64,
    /// Which crash points.
    pub points: BTreeSet<u64>,
    /// Step processes that were killed.
    pub steps_killed: u64,
    /// Connections that PostgreSQL ended.
    pub backends_ended: u64,
    /// Crashes of the PostgreSQL server.
    pub server_crashes: u64,
    /// Executions whose start was acknowledged.
    pub started: u64,
    /// Calls of tasks.
    pub invocations: u64,
    /// Answers to tokens and for the activity that were acknowledged.
    pub answers: u64,
    /// Stops that were acknowledged.
    pub stops: u64,
    /// Redrives that were acknowledged.
    pub redrives: u64,
    /// Executions that delivered.
    pub deliveries: u64,
    /// Data directories.
    pub worlds: u64,
    /// Times that everything had to end.
    pub rounds: u64,
    /// Times that everything was read and checked.
    pub looks: u64,
    /// Answers to a commit that were lost.
    pub answers_lost: u64,
    /// Connections to PostgreSQL that were cut.
    pub connections_cut: u64,
    /// Images of a disk.
    pub images: u64,
    /// Images in which something unsynced was missing.
    pub incomplete_images: u64,
    /// Acknowledgements looked for in images.
    pub acknowledgements: u64,
}

impl Tally {
    /// Kills of the engine's process.
    pub fn kills(&self) -> u64 {
        self.at_moments + self.at_points + self.at_calls
    }

    /// Notes a kill.
    pub fn killed(&mut self, launch: &Launch) {
        match launch {
            Launch::Plain | Launch::Traced { .. } => self.at_moments += 1,
            Launch::CrashPoint(point) => {
                self.at_points += 1;
                self.points.insert(*point);
            }
            Launch::SystemCall { .. } => self.at_calls += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        let Self { points, .. } = other;
        self.points.extend(points);
        let pairs: [(&mut u64, u64); 20] = [
            (&mut self.at_moments, other.at_moments),
            (&mut self.at_points, other.at_points),
            (&mut self.at_calls, other.at_calls),
            (&mut self.steps_killed, other.steps_killed),
            (&mut self.backends_ended, other.backends_ended),
            (&mut self.server_crashes, other.server_crashes),
            (&mut self.started, other.started),
            (&mut self.invocations, other.invocations),
            (&mut self.answers, other.answers),
            (&mut self.stops, other.stops),
            (&mut self.redrives, other.redrives),
            (&mut self.deliveries, other.deliveries),
            (&mut self.worlds, other.worlds),
            (&mut self.rounds, other.rounds),
            (&mut self.looks, other.looks),
            (&mut self.answers_lost, other.answers_lost),
            (&mut self.connections_cut, other.connections_cut),
            (&mut self.images, other.images),
            (&mut self.incomplete_images, other.incomplete_images),
            (&mut self.acknowledgements, other.acknowledgements),
        ];
        for (mine, theirs) in pairs {
            *mine += theirs;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.kills(), "kills of the engine"),
            (self.at_moments, "at random moments"),
            (self.at_points, "at crash points"),
            (self.points.len() as u64, "different points"),
            (self.at_calls, "before writes and syncs"),
            (self.steps_killed, "step processes killed"),
            (self.backends_ended, "PostgreSQL backends ended"),
            (self.server_crashes, "PostgreSQL servers crashed"),
            (self.answers_lost, "answers to COMMIT lost"),
            (self.connections_cut, "connections cut"),
            (self.images, "images"),
            (self.incomplete_images, "of them without something unsynced"),
            (self.acknowledgements, "acknowledgements looked for"),
            (self.started, "executions accepted"),
            (self.invocations, "tasks run"),
            (self.answers, "tokens answered"),
            (self.stops, "stops"),
            (self.redrives, "redrives"),
            (self.deliveries, "deliveries"),
            (self.rounds, "times all ended"),
            (self.looks, "checks"),
        ];
        let shown = parts.iter().filter(|(count, _)| *count > 0);
        let shown: Vec<String> = shown.map(|(count, what)| format!("{count} {what}")).collect();
        formatter.write_str(&shown.join(", "))
    }
}

/// What a suite came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What happened.
    pub tally: Tally,
    /// What was broken.
    pub violations: Vec<Violation>,
    /// Where to look at it.
    pub folders: Vec<PathBuf>,
}

impl Outcome {
    /// How many broken promises of a kind there are.
    pub fn count(&self, damage: Damage) -> u64 {
        self.violations.iter().filter(|violation| violation.damage == damage).count() as u64
    }

    /// What a kill sweep did not do enough of to say anything; `None` = it did.
    pub fn shortfall_of_kills(&self, kills: u64, lab: &Lab) -> Option<String> {
        let tally = &self.tally;
        let mut wanted = vec![
            ("kills of the engine", kills, tally.kills()),
            ("kills at random moments", kills / 4, tally.at_moments),
            ("kills at crash points", kills / 10, tally.at_points),
            ("different crash points", (kills / 12).min(40), tally.points.len() as u64),
            ("executions accepted", kills, tally.started),
            ("tasks run", kills, tally.invocations),
            ("tokens answered", kills / 20, tally.answers),
            ("times that everything ended", 1, tally.rounds),
        ];
        if lab.can_trace {
            wanted.push(("kills before writes and syncs", kills / 40, tally.at_calls));
        }
        if lab.coreview.is_some() {
            wanted.push(("deliveries", kills / 20, tally.deliveries));
            wanted.push(("backends of PostgreSQL ended", kills / 200, tally.backends_ended));
            wanted.push(("crashes of PostgreSQL", kills / 500, tally.server_crashes));
        }
        short(&wanted)
    }

    /// The same of a suite of lost answers.
    pub fn shortfall_of_answers(&self, deliveries: u64) -> Option<String> {
        short(&[
            ("deliveries", deliveries, self.tally.deliveries),
            ("answers to COMMIT lost", deliveries / 3, self.tally.answers_lost),
            ("connections cut", deliveries / 10, self.tally.connections_cut),
        ])
    }

    /// The same of a suite of images.
    pub fn shortfall_of_images(&self, images: u64) -> Option<String> {
        short(&[
            ("images", images, self.tally.images),
            ("images without something unsynced", images / 20, self.tally.incomplete_images),
            ("acknowledgements looked for", 10 * images, self.tally.acknowledgements),
        ])
    }

    fn take(&mut self, lane: Lane<'_>) {
        self.tally.add(&lane.tally);
        if !lane.violations.is_empty() {
            self.folders.push(lane.world.folder.clone());
        }
        self.violations.extend(lane.violations);
    }
}

fn short(wanted: &[(&str, u64, u64)]) -> Option<String> {
    let short = wanted.iter().find(|(_, least, is)| is < least);
    short.map(|(what, least, is)| format!("only {is} {what}, at least {least} are needed to say anything"))
}

/// The kill sweep: the engine, its steps, PostgreSQL and its backends die at
/// random moments and at chosen points, until the engine was killed so often.
///
/// # Panics
/// When a thread of the lab does.
pub fn kill_sweep(lab: &Lab, kills: u64, killed: &(dyn Fn() + Sync)) -> Outcome {
    let mut outcome = Outcome::default();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let nemesis =
            scope.spawn(|| lab.coreview.as_ref().map(|coreview| nemesis(coreview, lab.seed, &over)));
        let lanes: Vec<_> = (0..LANES.min(kills))
            .map(|number| {
                let share = kills / LANES + u64::from(number < kills % LANES);
                scope.spawn(move || {
                    let mut lane = Lane::new(lab, number);
                    lane.run(number, share, killed);
                    lane
                })
            })
            .collect();
        let lanes: Vec<_> = lanes.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::SeqCst);
        for lane in lanes {
            outcome.take(lane.expect("a lane"));
        }
        if let Some(tally) = nemesis.join().expect("the nemesis") {
            outcome.tally.add(&tally);
        }
    });
    if let Some(coreview) = &lab.coreview {
        outcome.tally.answers_lost = coreview.proxy.lost();
        outcome.tally.connections_cut = coreview.proxy.cut();
    }
    outcome
}

/// What happens to PostgreSQL meanwhile.
fn nemesis(coreview: &CoreView, seed: u64, over: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut draws = Draws::new(seed, 0x6e65_6d65_7369_73);
    let mut last_crash = Instant::now();
    coreview.proxy.set(5, 5);
    while !over.load(Ordering::SeqCst) {
        std::thread::sleep(draws.moment(Duration::from_millis(600)));
        tally.backends_ended += u64::from(coreview.terminate_a_backend());
        if last_crash.elapsed() > SERVER_CRASH_EVERY {
            coreview.crash();
            tally.server_crashes += 1;
            last_crash = Instant::now();
        }
    }
    tally
}

/// Deliveries whose answers get lost; nobody is killed.
///
/// # Panics
/// When the lab has no CoreView.
pub fn lost_answers(lab: &Lab, deliveries: u64, delivered: &(dyn Fn() + Sync)) -> Outcome {
    let coreview = lab.coreview.as_ref().expect("deliveries need CoreView");
    let (lost, cut) = (coreview.proxy.lost(), coreview.proxy.cut());
    coreview.proxy.set(75, 20);
    let mut outcome = Outcome::default();
    let mut lane = Lane::new(lab, LANES);
    while lane.tally.deliveries < deliveries && lane.violations.is_empty() {
        let before = lane.tally.deliveries;
        lane.deliver((deliveries - before).min(12));
        (before..lane.tally.deliveries).for_each(|_| delivered());
    }
    coreview.proxy.set(0, 0);
    outcome.take(lane);
    outcome.tally.answers_lost = coreview.proxy.lost() - lost;
    outcome.tally.connections_cut = coreview.proxy.cut() - cut;
    outcome
}

/// A traced life of the engine, and images of what a power loss leaves of it.
/// `without_sync`: the life of an engine that never syncs.
pub fn power_loss(
    lab: &Lab,
    images: u64,
    without_sync: bool,
    fault: DiskFault,
    made: &(dyn Fn() + Sync),
) -> Outcome {
    let mut lane = Lane::new(lab, LANES + 1);
    let recording = lane.record(without_sync);
    let mut outcome = Outcome::default();
    let done = AtomicU64::new(0);
    let halves: Vec<_> = std::thread::scope(|scope| {
        let half = |number: u64| {
            let (recording, done): (&Recording, &AtomicU64) = (&recording, &done);
            scope.spawn(move || {
                let mut draws = Draws::new(lab.seed, 0x6469_736b + number);
                recording.check_images(images.div_ceil(2), &mut draws, fault, &|| {
                    done.fetch_add(1, Ordering::SeqCst);
                    made();
                })
            })
        };
        let halves = [half(0), half(1)];
        halves.into_iter().map(|half| half.join().expect("images are checked")).collect()
    });
    outcome.take(lane);
    for verdict in halves {
        outcome.tally.images += verdict.images;
        outcome.tally.incomplete_images += verdict.incomplete;
        outcome.tally.acknowledgements += verdict.acknowledgements;
        outcome.violations.extend(verdict.violations);
    }
    if !outcome.violations.is_empty() {
        outcome.folders.push(recording.world.folder.clone());
    }
    outcome
}

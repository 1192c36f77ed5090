//! The reference workflow by `stepwright run`, killed; what CoreView holds
//! afterwards, read from outside with SQL.
//!
//! Killing sees record-then-act order and doubled deliveries. It does not see a
//! missing fsync (the page cache survives the process).

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::draw::Draws;
use super::planted::naive_deliver;
use crate::run::{Delivered, coreview};
use crate::{binaries, stepwright, told};

/// Kills in a test run.
const KILLS: u32 = 25;

/// How many runs are under way at once: kills wait for retry intervals, not for cores.
const LANES: u32 = 3;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

fn run_command(data: &Path) -> Command {
    let mut command = stepwright(data);
    command.args(["run", "coreview-delivery", "--quiet"]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Lets an interrupted run go on to its end, as a user would: by typing it again.
fn resume(data: &Path) {
    let output = stepwright(data).args(["run", "coreview-delivery", "-o", "json"]).output().expect("starts");
    assert_eq!(output.status.code(), Some(0), "the resumed run failed: {}", told(&output));
    let output = stepwright(data).args(["list", "-o", "json"]).output().expect("starts");
    let executions: serde_json::Value = serde_json::from_slice(&output.stdout).expect("list prints JSON");
    for execution in executions.as_array().or(executions["executions"].as_array()).expect("a list") {
        assert_eq!(execution["status"], "SUCCEEDED", "an accepted execution did not end well: {execution}");
    }
}

/// One undisturbed run: what CoreView has to hold, and how long it takes.
fn undisturbed() -> (Delivered, Duration) {
    binaries();
    let data = tempfile::tempdir().expect("a folder");
    let started = Instant::now();
    assert!(run_command(data.path()).status().expect("starts").success());
    (coreview(data.path()), started.elapsed())
}

/// What a kill did to the deliveries.
#[derive(Default, Debug, Clone, Copy)]
struct Damage {
    kills: u32,
    lost: u32,
    doubled: u32,
}

impl Damage {
    fn of(found: &Delivered, wanted: &Delivered) -> Self {
        Self {
            kills: 1,
            lost: u32::from(wanted.figures.iter().any(|row| !found.figures.contains(row))),
            doubled: u32::from(found.figures.len() > wanted.figures.len() || found.ledger.len() > 1),
        }
    }

    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.lost += other.lost;
        self.doubled += other.doubled;
    }
}

/// Says what came out.
fn conclude(where_killed: &str, total: Damage) {
    let Damage { kills, lost, doubled } = total;
    println!("kills {kills} lost {lost} doubled {doubled}: {where_killed}");
}

/// Kills the process with SIGKILL; answers whether it was still alive.
fn kill(child: &mut Child) -> bool {
    let alive = child.try_wait().expect("a child").is_none();
    child.kill().expect("SIGKILL");
    child.wait().expect("a child");
    alive
}

#[test]
fn killed_at_random_moments_everything_is_delivered_exactly_once() {
    let (wanted, span) = undisturbed();
    let seed = number("STEPWRIGHT_SEED", u64::from(std::process::id()));
    println!("seed {seed}, {KILLS} kills within {span:?}");
    let mut total = Damage::default();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let wanted = &wanted;
                let share = KILLS / LANES + u32::from(lane < KILLS % LANES);
                scope.spawn(move || random_kills(&mut Draws::new(seed, lane.into()), share, span, wanted))
            })
            .collect();
        for lane in lanes {
            total.add(lane.join().expect("a lane"));
        }
    });
    conclude(&format!("at random moments within {span:?} (seed {seed})"), total);
    assert_eq!((total.kills, total.lost, total.doubled), (KILLS, 0, 0));
}

fn random_kills(draws: &mut Draws, kills: u32, span: Duration, wanted: &Delivered) -> Damage {
    let mut damage = Damage::default();
    while damage.kills < kills {
        let data = tempfile::tempdir().expect("a folder");
        let mut child = run_command(data.path()).spawn().expect("starts");
        std::thread::sleep(draws.moment(span));
        if kill(&mut child) {
            resume(data.path());
            damage.add(Damage::of(&coreview(data.path()), wanted));
        }
    }
    damage
}

#[test]
fn killed_at_every_journal_write_point_everything_is_delivered_exactly_once() {
    let (wanted, _) = undisturbed();
    let total = every_write_point(&wanted, binaries(), Expect::Success);
    conclude("at every journal write point", total);
    assert!(total.kills > 20, "a run has more journal write points than {}", total.kills);
    assert_eq!((total.lost, total.doubled), (0, 0));
}

#[test]
fn with_the_idempotency_key_taken_out_the_crash_lab_goes_red() {
    let (wanted, _) = undisturbed();
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(binaries()).expect("binaries").flatten() {
        let name = entry.file_name();
        let name = name.to_str().expect("UTF-8");
        if name == "app" || (name.starts_with("step-") && !name.contains('.')) {
            std::fs::copy(entry.path(), folder.path().join(name)).expect("copies");
        }
    }
    std::fs::copy(naive_deliver(), folder.path().join("step-deliver")).expect("copies");
    let total = every_write_point(&wanted, folder.path(), Expect::Anything);
    conclude("at every journal write point, without the idempotency key", total);
    assert!(total.doubled > 0, "nothing was doubled without the key: the lab cannot see what it is for");
}

/// How a run that was interrupted has to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// As if nothing had happened.
    Success,
    /// In whatever way: reading back notices doubled rows and fails the run,
    /// but they are there.
    Anything,
}

/// Runs again and again, the engine aborting at its first, second, … write
/// point, until a run comes to its end undisturbed.
fn every_write_point(wanted: &Delivered, binaries: &Path, expect: Expect) -> Damage {
    let next = std::sync::atomic::AtomicU32::new(1);
    let ended = std::sync::atomic::AtomicBool::new(false);
    let mut total = Damage::default();
    std::thread::scope(|scope| {
        let lane = || {
            let mut damage = Damage::default();
            while !ended.load(std::sync::atomic::Ordering::SeqCst) {
                let point = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let data = tempfile::tempdir().expect("a folder");
                let status = run_command(data.path())
                    .env("STEPWRIGHT_TEST_CRASH_AT", point.to_string())
                    .env("STEPWRIGHT_APP", binaries.join("app"))
                    .status()
                    .expect("starts");
                if status.success() {
                    ended.store(true, std::sync::atomic::Ordering::SeqCst);
                    break;
                }
                assert!(status.code().is_none(), "point {point}: ended with {status}, not by the abort");
                let output = stepwright(data.path())
                    .args(["run", "coreview-delivery", "-o", "json"])
                    .env("STEPWRIGHT_APP", binaries.join("app"))
                    .output()
                    .expect("starts");
                if expect == Expect::Success {
                    assert_eq!(output.status.code(), Some(0), "point {point}: {}", told(&output));
                }
                damage.add(Damage::of(&coreview(data.path()), wanted));
            }
            damage
        };
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            total.add(lane.join().expect("a lane"));
        }
    });
    total
}

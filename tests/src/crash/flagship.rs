//! The reference workflows by `stepwright run`, killed; what the planning
//! database holds afterwards, read from outside with SQL.
//!
//! Killing sees record-then-act order and doubled deliveries. It does not see a
//! missing fsync (the page cache survives the process).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::draw::Draws;
use super::planted::naive_deliver;
use crate::run::{FIGURES, LEDGER, rows};
use crate::{binaries, project_root, stepwright, told};

/// Kills in a test run.
const KILLS: u32 = 25;

/// How many runs are under way at once: kills wait for retry intervals, not for cores.
const LANES: u32 = 3;

/// A command that is killed, and what it has to leave behind.
struct Job {
    /// What is typed after `stepwright run`.
    arguments: Vec<String>,
    /// The data directory the command finds; `None` = a new one.
    prepared: Option<TempDir>,
    /// What is compared, by a name: queries whose rows neither clock nor execution decides.
    compared: &'static [(&'static str, &'static str)],
    /// Those of `compared` that have too much in them when something was delivered twice.
    delivered: &'static [&'static str],
}

/// What a job left behind, by the names of its queries.
type Held = BTreeMap<&'static str, Vec<String>>;

impl Job {
    /// A feed of its own, delivered.
    fn delivery() -> Self {
        Self {
            arguments: vec!["coreview-delivery".to_owned()],
            prepared: None,
            compared: &[("ledger", LEDGER), ("figures", FIGURES)],
            delivered: &["ledger", "figures"],
        }
    }

    /// Reference data of the sample customer: three files, each a revision of something.
    fn references() -> Self {
        let files =
            ["commission_matrices_2024.xlsx", "agent_volume_targets_2024.xlsx", "reference_rates_2024.zip"];
        Self {
            arguments: of_the_customer("coreview-refdata", &files),
            prepared: None,
            compared: REFERENCES,
            delivered: &["revisions", "rows"],
        }
    }

    /// A month of the sample customer, from its contracts to the receipts.
    fn month() -> Self {
        let references = Self::references();
        let prepared = references.data();
        references.to_the_end(prepared.path(), binaries());
        let mut arguments = of_the_customer("coreview-commission", &["contracts-2024-01.csv"]);
        arguments.extend(["--period".to_owned(), "2024-01".to_owned()]);
        Self {
            arguments,
            prepared: Some(prepared),
            compared: MONTH,
            delivered: &["ledger", "figures", "receipts", "staged"],
        }
    }

    /// A data directory to run in.
    fn data(&self) -> TempDir {
        let data = tempfile::tempdir().expect("a folder");
        if let Some(prepared) = &self.prepared {
            copy(prepared.path(), data.path());
        }
        data
    }

    fn command(&self, data: &Path, binaries: &Path) -> Command {
        let mut command = stepwright(data);
        command.arg("run").args(&self.arguments).env("STEPWRIGHT_APP", binaries.join("app"));
        command
    }

    /// The command to its end; answers how it ended.
    fn quiet(&self, data: &Path, binaries: &Path) -> Command {
        let mut command = self.command(data, binaries);
        command.arg("--quiet").stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Lets an interrupted run go on to its end, as a user would: by typing it again.
    fn to_the_end(&self, data: &Path, binaries: &Path) {
        let output = self.command(data, binaries).args(["-o", "json"]).output().expect("starts");
        assert_eq!(output.status.code(), Some(0), "the resumed run failed: {}", told(&output));
        let output = stepwright(data).args(["list", "-o", "json"]).output().expect("starts");
        let executions: serde_json::Value = serde_json::from_slice(&output.stdout).expect("list prints JSON");
        for execution in executions.as_array().or(executions["executions"].as_array()).expect("a list") {
            assert_eq!(
                execution["status"], "SUCCEEDED",
                "an accepted execution did not end well: {execution}"
            );
        }
    }

    fn held(&self, data: &Path) -> Held {
        self.compared.iter().map(|(name, sql)| (*name, rows(data, sql))).collect()
    }

    /// One undisturbed run: what it leaves behind, and how long it takes.
    fn undisturbed(&self) -> (Held, Duration) {
        binaries();
        let data = self.data();
        let started = Instant::now();
        assert!(self.quiet(data.path(), binaries()).status().expect("starts").success());
        let took = started.elapsed();
        let held = self.held(data.path());
        assert!(held.values().all(|rows| !rows.is_empty()), "nothing to compare: {held:?}");
        (held, took)
    }

    /// What a kill did.
    fn damage(&self, found: &Held, wanted: &Held) -> Damage {
        let missing = |name| wanted[name].iter().any(|row| !found[name].contains(row));
        let too_many = |name| found[name].len() > wanted[name].len();
        Damage {
            kills: 1,
            lost: u32::from(wanted.keys().any(missing)),
            doubled: u32::from(self.delivered.iter().any(too_many)),
            different: u32::from(found != wanted),
        }
    }
}

/// `run WORKFLOW` with files of the sample customer.
fn of_the_customer(workflow: &str, files: &[&str]) -> Vec<String> {
    let sample = project_root().join("workflows/samples/coreview-commission");
    let path = |name: &str| sample.join(name).display().to_string();
    let mut arguments = vec![workflow.to_owned(), "--spec".to_owned(), path("customer.toml")];
    arguments.extend(files.iter().flat_map(|name| ["--input".to_owned(), path(&format!("input/{name}"))]));
    arguments
}

/// Copies what is in a folder, at every depth.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target: PathBuf = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}

/// What is kept of reference data.
const REFERENCES: &[(&str, &str)] = &[
    (
        "revisions",
        "SELECT name, scope, number, sha256, row_count, file_key, file_sha256, spec_sha256, warnings, state \
         FROM reference_revision ORDER BY 1, 2, 3",
    ),
    ("rows", "SELECT * FROM reference_row ORDER BY 1, 2, 3, 4"),
];

/// What is kept of a month: what was loaded, what was calculated of it, what was delivered. Not how
/// often somebody came to load: a step whose answer was lost comes again.
const MONTH: &[(&str, &str)] = &[
    ("loaded", "SELECT * FROM ingest_row ORDER BY feed, row_key"),
    (
        "files",
        "SELECT feed, source, position, file_key, file_sha256, rows_sha256, load_number, rows_in, loaded \
         FROM ingest_file ORDER BY 1, 2, 3",
    ),
    (
        "runs",
        "SELECT id, feed, period, input_sha256, reference_revisions, state, totals FROM calc_run ORDER BY 1",
    ),
    ("calculated", "SELECT * FROM calc_row ORDER BY 1, 2, 3, 4"),
    ("totals", "SELECT * FROM calc_total ORDER BY 1, 2, 3, 4"),
    (
        "planned",
        "SELECT run_id, market, channel, state, delivery_id, coreview_id, batch_sha256, row_count \
         FROM calc_delivery ORDER BY 1, 2, 3",
    ),
    ("staged", "SELECT delivery_id, batch_sha256, row_count, totals, state FROM delivery_outbox ORDER BY 1"),
    ("ledger", LEDGER),
    ("figures", FIGURES),
    (
        "receipts",
        "SELECT delivery_id, channel, market, version, batch_sha256, row_count, totals \
         FROM delivery_receipt ORDER BY 1",
    ),
];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// What kills did.
#[derive(Default, Debug, Clone, Copy)]
struct Damage {
    kills: u32,
    lost: u32,
    doubled: u32,
    /// How often anything at all was another than without the kill.
    different: u32,
}

impl Damage {
    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.different += other.different;
    }
}

/// Rows that only one of both has.
fn differences(found: &Held, wanted: &Held) -> String {
    let only = |sign: &str, one: &Held, other: &Held| -> Vec<String> {
        let all = one.iter().flat_map(|(name, rows)| rows.iter().map(move |row| (*name, row)));
        let missing = all.filter(|(name, row)| !other[name].contains(row));
        missing.map(|(name, row)| format!("{sign} {name}: {row}")).collect()
    };
    [only("-", wanted, found), only("+", found, wanted)].concat().join("\n  ")
}

/// Says what came out.
fn conclude(where_killed: &str, total: Damage) {
    let Damage { kills, lost, doubled, different } = total;
    println!("kills {kills} lost {lost} doubled {doubled} different {different}: {where_killed}");
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
    random_moments(&Job::delivery(), KILLS);
}

#[test]
fn a_month_killed_at_random_moments_is_settled_exactly_once() {
    random_moments(&Job::month(), KILLS);
}

/// Kills runs of a job at random moments of the time that an undisturbed one takes.
fn random_moments(job: &Job, kills: u32) {
    let (wanted, span) = job.undisturbed();
    let seed = number("STEPWRIGHT_SEED", u64::from(std::process::id()));
    println!("seed {seed}, {kills} kills within {span:?}");
    let mut total = Damage::default();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let wanted = &wanted;
                let share = kills / LANES + u32::from(lane < kills % LANES);
                scope
                    .spawn(move || random_kills(job, &mut Draws::new(seed, lane.into()), share, span, wanted))
            })
            .collect();
        for lane in lanes {
            total.add(lane.join().expect("a lane"));
        }
    });
    conclude(&format!("at random moments within {span:?} (seed {seed})"), total);
    assert_eq!((total.kills, total.lost, total.doubled, total.different), (kills, 0, 0, 0));
}

fn random_kills(job: &Job, draws: &mut Draws, kills: u32, span: Duration, wanted: &Held) -> Damage {
    let mut damage = Damage::default();
    while damage.kills < kills {
        let data = job.data();
        let mut child = job.quiet(data.path(), binaries()).spawn().expect("starts");
        std::thread::sleep(draws.moment(span));
        if kill(&mut child) {
            job.to_the_end(data.path(), binaries());
            damage.add(job.damage(&job.held(data.path()), wanted));
        }
    }
    damage
}

#[test]
fn killed_at_every_journal_write_point_everything_is_delivered_exactly_once() {
    nothing_is_lost_at_any_write_point(&Job::delivery(), 20);
}

#[test]
fn reference_data_killed_at_every_journal_write_point_is_kept_exactly_once() {
    nothing_is_lost_at_any_write_point(&Job::references(), 20);
}

#[test]
fn a_month_killed_at_every_journal_write_point_is_settled_exactly_once() {
    nothing_is_lost_at_any_write_point(&Job::month(), 60);
}

fn nothing_is_lost_at_any_write_point(job: &Job, at_least: u32) {
    let (wanted, _) = job.undisturbed();
    let total = every_write_point(job, &wanted, binaries(), Expect::Success);
    conclude("at every journal write point", total);
    assert!(total.kills > at_least, "a run has more journal write points than {}", total.kills);
    assert_eq!((total.lost, total.doubled, total.different), (0, 0, 0));
}

#[test]
fn with_the_idempotency_key_taken_out_the_crash_lab_goes_red() {
    let job = Job::delivery();
    let (wanted, _) = job.undisturbed();
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(binaries()).expect("binaries").flatten() {
        let name = entry.file_name();
        let name = name.to_str().expect("UTF-8");
        if name == "app" || (name.starts_with("step-") && !name.contains('.')) {
            std::fs::copy(entry.path(), folder.path().join(name)).expect("copies");
        }
    }
    std::fs::copy(naive_deliver(), folder.path().join("step-deliver")).expect("copies");
    let total = every_write_point(&job, &wanted, folder.path(), Expect::Anything);
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
fn every_write_point(job: &Job, wanted: &Held, binaries: &Path, expect: Expect) -> Damage {
    let next = AtomicU32::new(1);
    let ended = AtomicBool::new(false);
    let mut total = Damage::default();
    std::thread::scope(|scope| {
        let lane = || {
            let mut damage = Damage::default();
            while !ended.load(Ordering::SeqCst) {
                let point = next.fetch_add(1, Ordering::SeqCst);
                let data = job.data();
                let mut command = job.quiet(data.path(), binaries);
                let status =
                    command.env("STEPWRIGHT_TEST_CRASH_AT", point.to_string()).status().expect("starts");
                if status.success() {
                    ended.store(true, Ordering::SeqCst);
                    break;
                }
                assert!(status.code().is_none(), "point {point}: ended with {status}, not by the abort");
                let output =
                    job.command(data.path(), binaries).args(["-o", "json"]).output().expect("starts");
                if expect == Expect::Success {
                    assert_eq!(output.status.code(), Some(0), "point {point}: {}", told(&output));
                }
                let found = job.held(data.path());
                let damage_here = job.damage(&found, wanted);
                if expect == Expect::Success && damage_here.different > 0 {
                    println!("point {point} left something else behind: {}", differences(&found, wanted));
                }
                damage.add(damage_here);
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

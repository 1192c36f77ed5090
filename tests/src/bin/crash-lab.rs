//! The crash lab; `cargo xtask crash` builds and starts it.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line tool speaks on the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use stepwright_tests::crash::checker::Damage;
use stepwright_tests::crash::coreview::CoreView;
use stepwright_tests::crash::disk::DiskFault;
use stepwright_tests::crash::lab::{Lab, Outcome, kill_sweep, lost_answers, power_loss};
use stepwright_tests::crash::planted::{self, Bug};
use stepwright_tests::processes::binaries;

#[derive(Parser)]
#[command(
    name = "cargo xtask crash",
    about = "Kills everything, and looks whether what was acknowledged is kept"
)]
struct Arguments {
    /// How often the engine's process is killed.
    #[arg(long, default_value_t = 1000)]
    kills: u64,
    /// Stop killing after so many minutes, however many kills there were.
    #[arg(long)]
    minutes: Option<u64>,
    /// What chance follows from; drawn if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Deliveries whose answers get lost.
    #[arg(long, default_value_t = 60)]
    deliveries: u64,
    /// Images of a disk that lost power.
    #[arg(long, default_value_t = 2000)]
    images: u64,
    /// Only these suites.
    #[arg(long, value_enum)]
    suite: Vec<Suite>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Kills at random moments, at crash points, before writes and syncs.
    Kills,
    /// Answers of PostgreSQL that get lost.
    Answers,
    /// Images of a disk that lost power.
    Disk,
    /// Bugs that are planted, each of which has to be noticed.
    Planted,
}

impl Suite {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What all suites together came to.
#[derive(Default)]
struct Sum {
    kills: u64,
    lost: u64,
    doubled: u64,
    failed: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap_or_default().subsec_nanos().into()
    });
    println!("seed {seed}");
    let base = std::env::temp_dir().join(format!("stepwright-crash-{seed}-{}", std::process::id()));
    let suites = if arguments.suite.is_empty() { Suite::value_variants() } else { &arguments.suite };
    let mut sum = Sum::default();
    for suite in suites {
        let began = Instant::now();
        let result = run(*suite, &arguments, seed, &base.join(suite.name()));
        let seconds = began.elapsed().as_secs_f64();
        conclude(*suite, result, seconds, &arguments, seed, &mut sum);
    }
    if !sum.failed {
        let _ = std::fs::remove_dir_all(&base);
    }
    println!("kills {} lost {} doubled {}", sum.kills, sum.lost, sum.doubled);
    if sum.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One suite: its figures, or why they say nothing.
fn run(suite: Suite, arguments: &Arguments, seed: u64, base: &std::path::Path) -> Result<Outcome, String> {
    let mut lab = Lab::new(seed, base, binaries());
    let no_postgres = || "PostgreSQL is not installed: `cargo xtask tools`".to_owned();
    match suite {
        Suite::Kills => {
            lab.coreview = Some(CoreView::start(seed).ok_or_else(no_postgres)?);
            lab.deadline =
                arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
            let bar = bar("kills", arguments.kills);
            let outcome = kill_sweep(&lab, arguments.kills, &|| bar.inc(1));
            bar.finish_and_clear();
            let timed = arguments.minutes.is_some();
            enough(outcome, |outcome| {
                outcome.shortfall_of_kills(if timed { 0 } else { arguments.kills }, &lab)
            })
        }
        Suite::Answers => {
            lab.coreview = Some(CoreView::start(seed).ok_or_else(no_postgres)?);
            lab.only_deliveries = true;
            let bar = bar("deliveries", arguments.deliveries);
            let outcome = lost_answers(&lab, arguments.deliveries, &|| bar.inc(1));
            bar.finish_and_clear();
            enough(outcome, |outcome| outcome.shortfall_of_answers(arguments.deliveries))
        }
        Suite::Disk => {
            if !lab.can_trace {
                return Err("strace cannot trace here: install it, and allow ptrace".to_owned());
            }
            let bar = bar("images", arguments.images);
            let outcome = power_loss(&lab, arguments.images, false, DiskFault::None, &|| bar.inc(1));
            bar.finish_and_clear();
            enough(outcome, |outcome| outcome.shortfall_of_images(arguments.images))
        }
        Suite::Planted => {
            let bar = bar("bugs", Bug::ALL.len() as u64);
            let mut all = Outcome::default();
            for bug in Bug::ALL {
                bar.set_message(bug.name());
                let shown = planted::show(bug, seed, base)?;
                bar.println(format!("  {}: noticed: {shown}", bug.name()));
                bar.inc(1);
            }
            bar.finish_and_clear();
            all.tally.rounds = Bug::ALL.len() as u64;
            Ok(all)
        }
    }
}

fn enough(outcome: Outcome, shortfall: impl Fn(&Outcome) -> Option<String>) -> Result<Outcome, String> {
    match shortfall(&outcome) {
        // What was broken counts more than how little was done.
        Some(short) if outcome.violations.is_empty() => Err(format!("{short} ({})", outcome.tally)),
        _ => Ok(outcome),
    }
}

fn conclude(
    suite: Suite,
    result: Result<Outcome, String>,
    seconds: f64,
    arguments: &Arguments,
    seed: u64,
    sum: &mut Sum,
) {
    let again = format!(
        "cargo xtask crash --suite {} --seed {seed} --kills {} --deliveries {} --images {}",
        suite.name(),
        arguments.kills,
        arguments.deliveries,
        arguments.images
    );
    match result {
        Err(problem) => {
            sum.failed = true;
            eprintln!("{} ({seconds:.0} s): {problem}\nto repeat: {again}", suite.name());
        }
        Ok(outcome) => {
            let figures = if suite == Suite::Planted {
                format!("{} planted bugs, each noticed", outcome.tally.rounds)
            } else {
                outcome.tally.to_string()
            };
            println!("{} ({seconds:.0} s): {figures}", suite.name());
            sum.kills += outcome.tally.kills();
            sum.lost += outcome.count(Damage::Lost);
            sum.doubled += outcome.count(Damage::Doubled);
            if outcome.violations.is_empty() {
                return;
            }
            sum.failed = true;
            for violation in outcome.violations.iter().take(20) {
                eprintln!("  {violation}");
            }
            let folders: Vec<PathBuf> = outcome.folders;
            eprintln!(
                "{} broken promises; everything is kept in {folders:?}\nto repeat: {again}",
                outcome.violations.len()
            );
        }
    }
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {prefix} {elapsed} left {eta} {msg}");
    ProgressBar::new(length)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(what)
}

//! The lab in small, as part of the tests.

use super::coreview::CoreView;
use super::disk::DiskFault;
use super::lab::{Lab, Outcome, kill_sweep, lost_answers, power_loss};
use super::planted::{self, Bug};
use crate::processes::binaries;

/// Kills of the sweep in a test run; `cargo xtask crash` makes a thousand.
const KILLS: u64 = 40;
/// Deliveries whose answers get lost.
const DELIVERIES: u64 = 12;
/// Images of a disk.
const IMAGES: u64 = 150;

fn seed() -> u64 {
    let drawn = || u64::from(std::process::id());
    std::env::var("STEPWRIGHT_SEED").map_or_else(|_| drawn(), |text| text.parse().expect("STEPWRIGHT_SEED"))
}

/// A lab in a folder that stays when something was broken.
fn in_a_lab(coreview: bool, run: impl FnOnce(&mut Lab) -> Outcome) -> Option<(Outcome, Lab)> {
    let (seed, folder) = (seed(), tempfile::tempdir().expect("a folder"));
    let mut lab = Lab::new(seed, folder.path(), binaries());
    if coreview {
        lab.coreview = Some(CoreView::start(seed)?);
    }
    let outcome = run(&mut lab);
    println!("seed {seed}: {}", outcome.tally);
    if !outcome.violations.is_empty() {
        let kept = folder.keep();
        panic!("seed {seed}, kept in {}: {:#?}", kept.display(), outcome.violations);
    }
    Some((outcome, lab))
}

#[test]
fn a_kill_sweep_loses_nothing_and_doubles_nothing() {
    let Some((outcome, lab)) = in_a_lab(true, |lab| kill_sweep(lab, KILLS, &|| {})) else { return };
    assert_eq!(outcome.shortfall_of_kills(KILLS, &lab), None);
}

#[test]
fn lost_answers_deliver_everything_once() {
    let run = |lab: &mut Lab| {
        lab.only_deliveries = true;
        lost_answers(lab, DELIVERIES, &|| {})
    };
    let Some((outcome, _)) = in_a_lab(true, run) else { return };
    assert_eq!(outcome.shortfall_of_answers(DELIVERIES), None);
}

/// Whether this machine can trace; where the tools must be there it has to.
fn can_trace() -> bool {
    let can = super::disk::can_trace();
    let must = std::env::var_os("STEPWRIGHT_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(can || !must, "strace cannot trace here: install it, and allow ptrace");
    if !can {
        eprintln!("LEFT OUT: strace cannot trace here, so this test checked nothing");
    }
    can
}

#[test]
fn a_disk_without_power_keeps_what_was_acknowledged() {
    if !can_trace() {
        return;
    }
    let run = |lab: &mut Lab| power_loss(lab, IMAGES, false, DiskFault::None, &|| {});
    let Some((outcome, _)) = in_a_lab(false, run) else { return };
    assert_eq!(outcome.shortfall_of_images(IMAGES), None);
}

#[test]
fn every_planted_bug_is_noticed() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for bug in Bug::ALL {
        match planted::show(bug, seed(), folder.path()) {
            Ok(words) => println!("{}: {words}", bug.name()),
            Err(problem) if problem.contains("PostgreSQL is not installed") => {
                eprintln!("LEFT OUT: {}: {problem}", bug.name());
            }
            Err(problem) => panic!("{problem}"),
        }
    }
}

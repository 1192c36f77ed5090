//! Bugs that are planted to show that the lab would notice them: a suite that
//! stays green on all of them proves nothing.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::checker::Damage;
use super::coreview::CoreView;
use super::disk::DiskFault;
use super::lab::{Lab, Outcome, kill_sweep, lost_answers, power_loss};
use crate::processes::{binaries, binary};

/// Kills within which a bug has to be noticed.
const KILLS: u64 = 200;
/// Images within which a bug has to be noticed.
const IMAGES: u64 = 400;
/// Deliveries within which a bug has to be noticed.
const DELIVERIES: u64 = 40;

/// A bug, and how the lab has to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// `StartExecution` answers before its records are in the journal.
    AcknowledgeBeforeRecord,
    /// A task is called before its schedule is in the journal.
    EffectBeforeRecord,
    /// Timers fire before their time.
    TimerEarly,
    /// Syncs do nothing, as under `synchronous = OFF`. No kill shows it.
    NoSync,
    /// Histories show records that are not in the journal yet.
    ShowBeforeRecord,
    /// A damaged frame in the middle of the log ends it silently.
    CutAtBadFrame,
    /// Deliveries have no ledger.
    NoLedger,
    /// The execution is part of the identity of a delivery.
    KeyedByExecution,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 8] = [
        Self::AcknowledgeBeforeRecord,
        Self::EffectBeforeRecord,
        Self::TimerEarly,
        Self::NoSync,
        Self::ShowBeforeRecord,
        Self::CutAtBadFrame,
        Self::NoLedger,
        Self::KeyedByExecution,
    ];

    /// Its name; of those in the engine the one by which it is planted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeRecord => "acknowledge-before-record",
            Self::EffectBeforeRecord => "effect-before-record",
            Self::TimerEarly => "timer-early",
            Self::NoSync => "no-sync",
            Self::ShowBeforeRecord => "show-before-record",
            Self::CutAtBadFrame => "cut-at-bad-frame",
            Self::NoLedger => "no-ledger",
            Self::KeyedByExecution => "keyed-by-execution",
        }
    }

    /// What has to be seen of it.
    const fn damage(self) -> Damage {
        match self {
            Self::AcknowledgeBeforeRecord | Self::NoSync | Self::ShowBeforeRecord | Self::CutAtBadFrame => {
                Damage::Lost
            }
            Self::EffectBeforeRecord | Self::NoLedger | Self::KeyedByExecution => Damage::Doubled,
            Self::TimerEarly => Damage::Wrong,
        }
    }
}

/// Plants a bug, and answers in which words the lab noticed it; an error when it did not.
pub fn show(bug: Bug, seed: u64, base: &Path) -> Result<String, String> {
    let mut lab = Lab::new(seed, &base.join(bug.name()), binaries());
    let outcome = match bug {
        Bug::AcknowledgeBeforeRecord | Bug::EffectBeforeRecord | Bug::TimerEarly => {
            lab.worker = planted_worker().to_path_buf();
            lab.fault = Some(bug.name().to_owned());
            kill_sweep(&lab, KILLS, &|| {})
        }
        Bug::NoSync | Bug::ShowBeforeRecord | Bug::CutAtBadFrame => {
            if bug == Bug::ShowBeforeRecord {
                lab.worker = planted_worker().to_path_buf();
                lab.fault = Some(bug.name().to_owned());
            }
            if !lab.can_trace {
                return Err("strace cannot trace here: install it, and allow ptrace".to_owned());
            }
            let fault = if bug == Bug::CutAtBadFrame { DiskFault::FlippedBit } else { DiskFault::None };
            power_loss(&lab, IMAGES, bug == Bug::NoSync, fault, &|| {})
        }
        Bug::NoLedger | Bug::KeyedByExecution => {
            let coreview = CoreView::start(seed).ok_or("PostgreSQL is not installed: `cargo xtask tools`")?;
            lab.coreview = Some(coreview);
            lab.only_deliveries = true;
            if bug == Bug::NoLedger {
                lab.deliver = naive_deliver().to_path_buf();
            }
            lab.keyed_by_execution = bug == Bug::KeyedByExecution;
            lost_answers(&lab, DELIVERIES, &|| {})
        }
    };
    noticed(bug, &outcome)
}

fn noticed(bug: Bug, outcome: &Outcome) -> Result<String, String> {
    let mut seen = outcome.violations.iter().filter(|violation| violation.damage == bug.damage());
    match seen.next() {
        Some(violation) => Ok(violation.to_string()),
        None => Err(format!(
            "the planted bug {} was not noticed as {:?} in: {} ({:?})",
            bug.name(),
            bug.damage(),
            outcome.tally,
            outcome.violations
        )),
    }
}

/// The worker that knows the planted bugs. Nothing else is built with them.
fn planted_worker() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let features = "stepwright-tests/planted-faults";
    let arguments = ["--workspace", "--features", features, "--bin", "crash-worker-planted"];
    BINARY.get_or_init(|| binary("crash-worker-planted", &arguments))
}

/// The delivery without its ledger.
pub(crate) fn naive_deliver() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let package = "stepwright-step-deliver";
    let arguments = ["-p", package, "--features", "planted-faults", "--bin", "step-deliver-naive"];
    BINARY.get_or_init(|| binary("step-deliver-naive", &arguments))
}

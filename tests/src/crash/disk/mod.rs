//! The simulated disk: what a power loss leaves of the journal.
//!
//! Killing a process loses nothing that it has written, synced or not. So one
//! life of the real engine is traced, every write and sync of it and every
//! line it said; then, for many moments of that life, the folder is made
//! again as a disk without power could have left it: all that was synced,
//! and any part of the rest. On each image an engine is opened; whatever had
//! been said to the outside by that moment has to be there.
//!
//! `strace` sees what the real process asks of the real kernel, through
//! SQLite's own file layer; nothing of the engine is replaced for it.

pub mod image;
mod shown;
pub mod trace;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use engine::{Completion, Engine, EngineOptions, TaskHost, TaskRequest};
use serde_json::Value;
use server::Api;

use super::checker::{Accepted, Changed, Damage, Evidence, Phase, TokenAnswer, Violation, check};
use super::draw::Draws;
use super::evidence;
use super::workload::Order;
use super::world::World;
use image::{Fate, Files, after_power_loss};
use shown::Shown;
use trace::{Call, Event};

/// What `strace` is to tell of.
pub const TRACED: &str = "trace=openat,pwrite64,write,fdatasync,fsync,ftruncate,unlink,unlinkat";

/// Whether this machine can trace.
pub fn can_trace() -> bool {
    let traced = std::process::Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "true"])
        .output();
    traced.is_ok_and(|output| output.status.success())
}

/// The files of a folder.
///
/// # Panics
/// When they cannot be read.
pub fn files_of(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let named = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        (!name.ends_with("-shm")).then(|| (name, fs::read(entry.path()).unwrap_or_default()))
    });
    named.collect()
}

/// A life that was traced, and what to expect of it.
#[derive(Debug)]
pub struct Recording {
    /// The world it was lived in.
    pub world: World,
    /// The data directory before it.
    pub before: Files,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What was started, by name of the execution.
    pub orders: Vec<Order>,
    /// Answers that were given to tokens, none of them acknowledged yet.
    pub answers: Vec<TokenAnswer>,
}

/// What came of the images.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many were opened and checked.
    pub images: u64,
    /// In how many of them something unsynced was left out.
    pub incomplete: u64,
    /// Acknowledgements that were looked for, in all images together.
    pub acknowledgements: u64,
    /// What was missing or wrong.
    pub violations: Vec<Violation>,
}

/// A fault that the disk has besides, to show that the checks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// None: a disk that keeps what was synced.
    None,
    /// A bit in the middle of the log is flipped, which SQLite cannot tell from its end.
    FlippedBit,
}

impl Recording {
    /// Makes images of moments drawn from a seed, and checks each.
    pub fn check_images(&self, images: u64, draws: &mut Draws, fault: DiskFault, made: &dyn Fn()) -> Verdict {
        let mut verdict = Verdict::default();
        let moments = self.moments();
        while verdict.images < images && verdict.violations.is_empty() && !moments.is_empty() {
            let chosen = usize::try_from(draws.below(moments.len() as u64)).unwrap_or_default();
            let at = moments.get(chosen).copied().unwrap_or_default();
            let fate = [Fate::None, Fate::All, Fate::Prefix, Fate::Some, Fate::Some]
                .get(usize::try_from(draws.below(5)).unwrap_or_default())
                .copied()
                .unwrap_or(Fate::None);
            let folder = self.world.data();
            let mut files = after_power_loss(&self.before, &folder, &self.events, at, fate, draws);
            let whole = after_power_loss(&self.before, &folder, &self.events, at, Fate::All, draws);
            verdict.incomplete += u64::from(files != whole);
            if fault == DiskFault::FlippedBit {
                flip_a_bit(&mut files, draws);
            }
            self.check_image(&files, at, fate, &mut verdict);
            made();
        }
        verdict
    }

    /// After every event of the journal, and after everything that was said.
    fn moments(&self) -> Vec<usize> {
        let folder = self.world.folder.display().to_string();
        let matters = |event: &Event| match &event.call {
            Call::Write { path, .. } => path.starts_with(&folder) || path.starts_with("pipe:"),
            Call::Sync { path }
            | Call::Truncate { path, .. }
            | Call::Create { path }
            | Call::Unlink { path } => path.starts_with(&folder),
            Call::Returned => true,
        };
        let moments = self.events.iter().enumerate().filter(|(_, event)| matters(event));
        moments.map(|(number, _)| number + 1).collect()
    }

    fn check_image(&self, files: &Files, at: usize, fate: Fate, verdict: &mut Verdict) {
        let place = tempfile::tempdir_in(memory()).expect("a folder for an image");
        let mut world = self.world.clone();
        world.folder = place.path().to_path_buf();
        fs::create_dir_all(world.data()).expect("a folder for an image");
        for (name, content) in files {
            fs::write(world.data().join(name), content).expect("an image is written");
        }
        verdict.images += 1;
        let (said, shown) = self.said(at);
        verdict.acknowledgements +=
            (said.accepted.len() + said.invocations.len() + said.answers.len() + shown.len()) as u64;
        let recovered = recovered(&world, &shown);
        let found = recovered.and_then(|untrue| Ok((untrue, evidence::journal(&world)?)));
        let violations = match found {
            Ok((mut violations, found)) => {
                violations.extend(check(&Evidence { found, ..said }, Phase::Underway));
                violations
            }
            Err(violation) => vec![violation],
        };
        if !violations.is_empty() {
            let kept = self.world.folder.join(format!("image-{at}"));
            let _ = fs::create_dir_all(&kept);
            for (name, content) in files {
                let _ = fs::write(kept.join(name), content);
            }
        }
        verdict.violations.extend(violations.into_iter().map(|violation| Violation {
            what: format!("power lost before event {at} ({fate:?}): {}", violation.what),
            ..violation
        }));
    }

    /// What had been said to the outside, and done there, before a moment; and what was shown there.
    fn said(&self, at: usize) -> (Evidence, Shown) {
        let mut shown = Shown::default();
        let mut said = Evidence { answers: self.answers.clone(), ..Evidence::default() };
        let invocations = self.world.invocations().display().to_string();
        for event in self.events.iter().take(at) {
            let Call::Write { path, bytes, .. } = &event.call else { continue };
            let text = String::from_utf8_lossy(bytes);
            if *path == invocations {
                said.invocations.extend(text.lines().filter_map(|line| {
                    let (arn, event) = line.rsplit_once(' ')?;
                    Some((arn.to_owned(), event.parse().ok()?))
                }));
            } else if path.starts_with("pipe:") {
                for line in text.lines() {
                    if let Ok(line) = serde_json::from_str::<Value>(line) {
                        self.hear(&line, &mut said);
                        shown.note(&line);
                    }
                }
            }
        }
        (said, shown)
    }

    /// What one line of the worker's output acknowledges.
    fn hear(&self, line: &Value, said: &mut Evidence) {
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if let Some(arn) = line.get("ended").and_then(Value::as_str) {
            said.announced.insert(arn.to_owned());
        }
        if line.get("answer").is_none() {
            return;
        }
        match text("/asked/operation") {
            "StartExecution" => {
                let name = text("/asked/parameters/name");
                let order = self.orders.iter().find(|order| order.name == name);
                said.accepted.extend(order.map(|order| Accepted {
                    arn: text("/answer/executionArn").to_owned(),
                    expected: order.expected.clone(),
                    changed: Changed::default(),
                }));
            }
            "StopExecution" => {
                let arn = text("/asked/parameters/executionArn");
                let stopped = said.accepted.iter_mut().filter(|accepted| accepted.arn == arn);
                stopped.for_each(|accepted| accepted.changed.stopped = true);
            }
            "SendTaskSuccess" => {
                let token = text("/asked/parameters/taskToken");
                let output: Value =
                    serde_json::from_str(text("/asked/parameters/output")).unwrap_or_default();
                let given = said.answers.iter_mut();
                let given = given.filter(|answer| answer.token == token && answer.output == output);
                given.for_each(|answer| answer.acknowledged = true);
            }
            _ => {}
        }
    }
}

/// Takes what it is asked for, and never answers.
struct Silent;

impl TaskHost for Silent {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        std::mem::forget(done);
    }
}

/// Opens an engine on an image, which recovers what is open there; answers what was shown and is
/// not so.
fn recovered(world: &World, shown: &Shown) -> Result<Vec<Violation>, Violation> {
    match Engine::open(EngineOptions::new(world.data(), Arc::new(Silent))) {
        Ok(engine) => {
            let untrue = shown.untrue(&Api::new(engine.clone()));
            engine.shutdown();
            Ok(untrue)
        }
        Err(error) => {
            Err(Violation { damage: Damage::Lost, what: format!("the engine does not open: {error}") })
        }
    }
}

/// Flips a bit in the first half of the log.
fn flip_a_bit(files: &mut Files, draws: &mut Draws) {
    if let Some(log) = files.get_mut("journal.db-wal") {
        let at = usize::try_from(draws.below(log.len() as u64 / 2)).unwrap_or_default();
        if let Some(byte) = log.get_mut(at) {
            *byte ^= 1;
        }
    }
}

/// Where images lie: in memory where there is such a place, as thousands are synced and thrown away.
fn memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() }
}

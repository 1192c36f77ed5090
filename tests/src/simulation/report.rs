//! Many scenarios: their figures, and what is to be told of those that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::Status;
use serde_json::Value;

use super::scenario::{Played, Scenario};
use super::shrink::shrink;
use super::world::Figures;
use super::{Bug, Choices};

/// Failures that are shortened and shown; all are counted.
const SHOWN_MAX: usize = 3;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many scenarios.
    pub scenarios: u64,
    /// What they follow from.
    pub seed: u64,
    /// The index of the first one.
    pub first: u64,
    /// On how many threads.
    pub threads: usize,
    /// A bug to be found.
    pub bug: Option<Bug>,
    /// Whether failures are shortened before they are shown.
    pub shorten: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { scenarios: 1000, seed: 1, first: 0, threads: 2, bug: None, shorten: true }
    }
}

/// How it went.
#[derive(Debug, Default)]
pub struct Report {
    /// Scenarios played.
    pub scenarios: u64,
    /// Events of the histories.
    pub events: u64,
    /// Crashes that happened.
    pub crashes: u64,
    /// Redrives that happened.
    pub redrives: u64,
    /// Executions that were stopped, at their last end.
    pub stops: u64,
    /// Transitions that were written, and lost in a crash.
    pub undone: u64,
    /// Inputs that came too late, and led to nothing.
    pub ignored: u64,
    /// Steps after which the records were replayed and compared with the live state.
    pub compared: u64,
    /// In how many scenarios something was in the definition, by name.
    pub features: BTreeMap<String, u64>,
    /// In how many scenarios something happened, by name.
    pub happenings: BTreeMap<&'static str, u64>,
    /// How many failed.
    pub failed: u64,
    /// What is wrong with the first of them.
    pub failures: Vec<String>,
}

impl Report {
    fn add(
        &mut self,
        scenario: &Scenario,
        outcome: Result<Played, String>,
        told: impl FnOnce(&str) -> String,
    ) {
        self.scenarios += 1;
        let mut features = BTreeSet::new();
        features_of(&scenario.definition, &mut features);
        for feature in features {
            *self.features.entry(feature).or_default() += 1;
        }
        match outcome {
            Ok(played) => {
                let Figures { events, crashes, undone, ignored, compared, .. } = played.figures;
                self.events += events;
                self.crashes += crashes;
                self.redrives += played.redrives;
                self.stops += u64::from(played.seen.status() == Status::Aborted);
                self.undone += undone;
                self.ignored += ignored;
                self.compared += compared;
                let happenings: BTreeSet<_> = played.happenings().into_iter().collect();
                for happening in happenings {
                    *self.happenings.entry(happening).or_default() += 1;
                }
            }
            Err(law) => {
                self.failed += 1;
                if self.failures.len() < SHOWN_MAX {
                    self.failures.push(told(&law));
                }
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.events += other.events;
        self.crashes += other.crashes;
        self.redrives += other.redrives;
        self.stops += other.stops;
        self.undone += other.undone;
        self.ignored += other.ignored;
        self.compared += other.compared;
        for (name, count) in other.features {
            *self.features.entry(name).or_default() += count;
        }
        for (name, count) in other.happenings {
            *self.happenings.entry(name).or_default() += count;
        }
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(SHOWN_MAX);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(formatter, "{failure}\n")?;
        }
        writeln!(formatter, "scenarios in whose definition there is:")?;
        for (name, count) in &self.features {
            writeln!(formatter, "  {name:<44} {count:>9}")?;
        }
        writeln!(formatter, "scenarios in which there was:")?;
        for (name, count) in &self.happenings {
            writeln!(formatter, "  {name:<44} {count:>9}")?;
        }
        writeln!(
            formatter,
            "events {} crashes {} redrives {} stops {}",
            self.events, self.crashes, self.redrives, self.stops
        )?;
        writeln!(
            formatter,
            "{} transitions undone by crashes, {} inputs that came too late, {} steps replayed",
            self.undone, self.ignored, self.compared
        )?;
        write!(formatter, "scenarios {} failed {}", self.scenarios, self.failed)
    }
}

/// The types and fields of the states of a definition.
fn features_of(region: &Value, features: &mut BTreeSet<String>) {
    const LABELS: [&str; 33] = [
        "Retry",
        "Catch",
        "Assign",
        "InputPath",
        "OutputPath",
        "ResultPath",
        "ResultSelector",
        "Parameters",
        "Arguments",
        "Output",
        "Seconds",
        "SecondsPath",
        "Timestamp",
        "TimestampPath",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
        "HeartbeatSeconds",
        "MaxConcurrency",
        "MaxConcurrencyPath",
        "ItemSelector",
        "ItemsPath",
        "Items",
        "ErrorPath",
        "And",
        "Or",
        "Not",
        "IsPresent",
        "Condition",
        "MaxDelaySeconds",
        "JitterStrategy",
        "MaxAttempts",
        "BackoffRate",
        "Default",
    ];
    if region.get("States").is_some() && region.get("TimeoutSeconds").is_some() {
        features.insert("TimeoutSeconds of the machine".to_owned());
    }
    for state in region["States"].as_object().into_iter().flat_map(|states| states.values()) {
        let kind = state["Type"].as_str().unwrap_or_default();
        let language = if state["QueryLanguage"] == "JSONata" { ", JSONata" } else { "" };
        features.insert(format!("{kind}{language}"));
        if let Some(resource) = state["Resource"].as_str() {
            let resource = resource.trim_start_matches("arn:aws:").trim_start_matches("states:::");
            features.insert(format!("Resource {resource}"));
        }
        let text = state.as_object().into_iter().flatten();
        let own = text.filter(|(name, _)| !matches!(name.as_str(), "Branches" | "ItemProcessor"));
        for (name, value) in own {
            let shown = value.to_string();
            for label in LABELS {
                if name == label || shown.contains(&format!("\"{label}\"")) {
                    features.insert(format!("field {label}"));
                }
            }
        }
        for branch in state["Branches"].as_array().into_iter().flatten() {
            features_of(branch, features);
        }
        features_of(&state["ItemProcessor"], features);
    }
}

/// Plays scenarios.
pub fn run(options: &Options) -> Report {
    let next = AtomicU64::new(0);
    let total = Mutex::new(Report::default());
    std::thread::scope(|threads| {
        for _ in 0..options.threads.max(1) {
            threads.spawn(|| {
                let mut report = Report::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= options.scenarios {
                        break;
                    }
                    let index = options.first + number;
                    let mut choices = Choices::of(options.seed, index);
                    let scenario = Scenario::of(&mut choices);
                    let outcome = play(&scenario, options.bug);
                    report.add(&scenario, outcome, |law| {
                        let again =
                            format!("again: cargo xtask simulate --seed {} --index {index}", options.seed);
                        if !options.shorten {
                            return format!("{law}\n{again}");
                        }
                        format!("{}\n{again}", shortened(choices.made().to_vec(), law))
                    });
                }
                if let Ok(mut total) = total.lock() {
                    total.merge(report);
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A panic is a broken law.
fn play(scenario: &Scenario, bug: Option<Bug>) -> Result<Played, String> {
    catch_unwind(AssertUnwindSafe(|| scenario.play(bug))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", words.unwrap_or("without words")))
    })
}

/// The shortest scenario that fails like this one, told in full.
fn shortened(choices: Vec<u32>, law: &str) -> String {
    let invalid = law.starts_with("a definition that is not valid");
    let fails = |candidate: &[u32]| match play(&Scenario::of(&mut Choices::again(candidate.to_vec())), None) {
        Ok(_) => false,
        Err(law) => law.starts_with("a definition that is not valid") == invalid,
    };
    let shortest = shrink(choices, &mut |candidate| fails(candidate));
    let scenario = Scenario::of(&mut Choices::again(shortest));
    let law = play(&scenario, None).err().unwrap_or_default();
    tell(&scenario, &law)
}

fn tell(scenario: &Scenario, law: &str) -> String {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    format!(
        "{law}\ndefinition: {}\ninput: {}\nscript: {:#?}\n{}",
        pretty(&scenario.definition),
        scenario.input,
        scenario.script,
        scenario.story(None)
    )
}

/// One scenario in full, and the verdict.
pub fn explain(seed: u64, index: u64) -> String {
    let scenario = Scenario::of(&mut Choices::of(seed, index));
    let verdict = play(&scenario, None).err().unwrap_or_else(|| "as it should be".to_owned());
    tell(&scenario, &verdict)
}

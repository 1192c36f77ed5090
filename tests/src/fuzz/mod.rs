//! Fuzzing: inputs made from a seed, thrown at everything that reads what
//! others wrote. Nothing may panic, hang or take memory without a bound, and
//! each target has laws that hold for every input.
//!
//! An input is made from the seed of the run, the name of its target and its
//! index alone, so that any of them can be repeated. `cargo xtask fuzz` runs
//! millions, the tests a few thousand.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test program: it ends where it finds a fault of its own"
)]

mod choices;
mod definition;
mod heavy;
mod jsonata;
mod jsonpath;
mod measure;
mod mutate;
mod run;
mod sample;
mod times;

use std::time::Duration;

pub use choices::Choices;
pub use run::{Options, Report, input, run};

/// How long one input may take, of a processor's time.
pub const TIME_MAX: Duration = Duration::from_secs(2);
/// How much memory of the process may be resident while an input is worked on, in MiB.
pub const MEMORY_MEBIBYTES_MAX: u64 = 512;
/// How long one input may take before it counts as one that hangs.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Something that reads text.
pub trait Target: Sync {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;

    /// Its share of the inputs, beside that of the others.
    fn share(&self) -> u64 {
        1_000
    }

    /// How often it does the same with an input, to compare.
    fn looks(&self) -> u32 {
        1
    }

    /// Whether its inputs are so large, or ask for so much, that they are worked on one at a time: the memory
    /// of the process is theirs alone then.
    fn is_heavy(&self) -> bool {
        false
    }

    /// Makes an input.
    fn input(&self, choices: &mut Choices) -> String;

    /// Feeds it. The error is the law that does not hold; a panic counts as one.
    fn check(&self, input: &str) -> Result<(), String>;
}

/// All targets. A new one is added here.
pub fn targets() -> Vec<Box<dyn Target>> {
    let mut targets: Vec<Box<dyn Target>> = vec![
        Box::new(jsonata::Generated),
        Box::new(jsonata::Mutated),
        Box::new(jsonata::Arguments),
        Box::new(jsonata::Hostile),
        Box::new(jsonpath::Paths),
        Box::new(jsonpath::Mutated),
        Box::new(jsonpath::Intrinsics),
        Box::new(definition::Generated),
        Box::new(definition::Mutated),
        Box::new(definition::Hostile),
        Box::new(times::Timestamps),
    ];
    targets.extend(heavy::targets());
    targets
}

#[cfg(test)]
mod tests {
    use super::{Options, TIME_MAX, run};

    /// A few thousand inputs in every test run.
    #[test]
    fn no_input_breaks_a_law() {
        // What is not optimised takes its time.
        let time = TIME_MAX * 10;
        let options = Options { inputs: 6_000, seed: 1, time, ..Options::default() };
        let report = run(&options);
        assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
        assert_eq!(report.inputs(), 6_000);
    }

    /// One input of each heavy target.
    #[test]
    fn no_large_input_breaks_a_law() {
        let options = Options {
            target: Some("heavy".to_owned()),
            index: Some(0),
            time: TIME_MAX * 10,
            ..Options::default()
        };
        let report = run(&options);
        assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
        assert_eq!(report.targets.len(), 5);
    }

    /// Inputs that broke a law once, by target.
    #[test]
    fn what_was_mended_stays_mended() {
        let mended = [("jsonpath-mutated", "$[?(@ in [1, '}'}])]"), ("jsonpath-mutated", "$[?(@ in [1 }])]")];
        for (name, input) in mended {
            let target = super::targets().into_iter().find(|target| target.name() == name).expect(name);
            assert_eq!(target.check(input), Ok(()), "{name}: {input}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        for target in super::targets() {
            let input = |index| target.input(&mut super::Choices::of(7, target.name(), index));
            for index in 0..20 {
                assert_eq!(input(index), input(index), "{}", target.name());
            }
            assert!((0..20).any(|index| input(index) != input(index + 1)), "{}", target.name());
        }
    }
}

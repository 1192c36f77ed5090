//! Runs the fuzz targets; `cargo xtask fuzz` builds and starts it.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line tool speaks on the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use stepwright_tests::fuzz::{MEMORY_MEBIBYTES_MAX, Options, TIME_MAX, input, run};

/// How much of a single input is shown, in characters.
const SHOWN: usize = 4_000;

#[derive(Parser)]
#[command(name = "fuzz", about = "Feeds random inputs to everything that reads what others wrote")]
struct Arguments {
    /// Inputs of all targets together.
    #[arg(long, default_value_t = 1_000_000)]
    inputs: u64,
    /// What the inputs follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only targets whose name contains this.
    #[arg(long)]
    target: Option<String>,
    /// Only the input of this index.
    #[arg(long)]
    index: Option<u64>,
    /// Where to note what is worked on, for the case that the process dies.
    #[arg(long)]
    notes: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        inputs: arguments.inputs,
        seed: arguments.seed,
        target: arguments.target,
        index: arguments.index,
        notes: arguments.notes,
        ..Options::default()
    };
    // Panics are counted and shown at the end.
    std::panic::set_hook(Box::new(|_| {}));
    let report = run(&options);
    println!("seed {}", options.seed);
    for target in &report.targets {
        let (index, slowest) = target.slowest;
        if let Some(index) = options.index {
            let input = input(target.name, options.seed, index).unwrap_or_default();
            let shown: String = input.chars().take(SHOWN).collect();
            println!("{shown}\n{} bytes", input.len());
        }
        println!(
            "{:<22} {:>9} inputs {:>9.0}/s, slowest {:>8.1} ms (index {index}), peak {:>4} MiB",
            target.name,
            target.inputs,
            per_second(target.inputs, target.took.as_secs_f64()),
            slowest.as_secs_f64() * 1e3,
            target.peak_mebibytes,
        );
    }
    let took: f64 = report.targets.iter().map(|target| target.took.as_secs_f64()).sum();
    let peak = report.targets.iter().map(|target| target.peak_mebibytes).max();
    println!(
        "{} inputs in {took:.1} s, {:.0}/s, {} MiB at most, {} failures; no input may take more than \
         {} s or {MEMORY_MEBIBYTES_MAX} MiB",
        report.inputs(),
        per_second(report.inputs(), took),
        peak.unwrap_or_default(),
        report.failures.len(),
        TIME_MAX.as_secs(),
    );
    for failure in &report.failures {
        eprintln!("{failure}");
    }
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::cast_precision_loss, reason = "a rate, for reading")]
fn per_second(inputs: u64, seconds: f64) -> f64 {
    inputs as f64 / seconds.max(1e-9)
}

//! Simulates executions in random worlds; `cargo xtask simulate` builds and starts it.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on the terminal")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use stepwright_tests::simulation::{Options, explain, run};

#[derive(Parser)]
#[command(name = "simulate", about = "Random executions in random worlds, compared with a naive interpreter")]
struct Arguments {
    /// How many scenarios.
    #[arg(long, default_value_t = 100_000)]
    scenarios: u64,
    /// What they follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the scenario of this index, in full.
    #[arg(long)]
    index: Option<u64>,
    /// Show failures as they are, without looking for shorter ones.
    #[arg(long)]
    as_is: bool,
    /// On how many threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic of the machine is reported with its scenario.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(index) = arguments.index {
        println!("{}", explain(arguments.seed, index));
        return ExitCode::SUCCESS;
    }
    let Arguments { scenarios, seed, threads, as_is, .. } = arguments;
    println!("seed {seed}");
    let began = Instant::now();
    let report = run(&Options { scenarios, seed, threads, shorten: !as_is, ..Options::default() });
    let seconds = began.elapsed().as_secs_f64();
    println!("{seconds:.1} s on {threads} threads");
    println!("{report}");
    if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! Runs the recordings of the real service against the engine, and says what differs.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line tool speaks on the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use regex::Regex;
use stepwright_tests::conformance::{self, Kind, Transport};
use stepwright_tests::processes::Moto;

#[derive(Parser)]
#[command(name = "conformance", about = "Runs the recordings of AWS Step Functions against the engine")]
struct Arguments {
    /// Where the recordings are, if not in ../shared/conformance/sfn.
    #[arg(long)]
    cases: Option<PathBuf>,
    /// Only these features (the file names of the recordings).
    #[arg(long)]
    feature: Vec<String>,
    /// Only cases whose id matches.
    #[arg(long)]
    only: Option<Regex>,
    /// Only cases of these kinds: exec, `mock_exec`, api.
    #[arg(long, value_parser = kind)]
    kind: Vec<Kind>,
    /// Only executions that need services, in real time, their tasks sent to a moto server at this
    /// URL, or to one of our own.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    services: Option<String>,
    /// Through the endpoint, by HTTP, instead of by calls.
    #[arg(long)]
    http: bool,
    /// With the functions that cases describe as real processes, over the Runtime API.
    #[arg(long, conflicts_with_all = ["http", "services"])]
    processes: bool,
    /// Every case and every difference, in full.
    #[arg(long, short)]
    verbose: bool,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::of(name).ok_or_else(|| "expected exec, mock_exec or api".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(folder) = arguments.cases.or_else(conformance::recordings) else {
        println!("SKIPPED: ../shared/conformance is not there, no recording was compared");
        return ExitCode::SUCCESS;
    };
    let mut cases = match conformance::load(&folder) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("conformance: {error}");
            return ExitCode::FAILURE;
        }
    };
    cases.retain(|case| {
        (arguments.feature.is_empty() || arguments.feature.contains(&case.feature))
            && arguments.only.as_ref().is_none_or(|only| only.is_match(&case.id))
            && (arguments.kind.is_empty() || arguments.kind.contains(&case.kind))
            && (arguments.services.is_none() || conformance::needs_services(case))
    });
    // A panic of the engine is reported with its case.
    std::panic::set_hook(Box::new(|_| {}));
    let transport = match (arguments.http, arguments.processes) {
        (true, _) => Transport::Http,
        (_, true) => Transport::Processes,
        _ => Transport::InProcess,
    };
    let own = arguments.services.as_deref().filter(|url| url.is_empty()).and_then(|_| Moto::start());
    let endpoint = own.as_ref().map(|moto| &moto.endpoint).or(arguments.services.as_ref());
    let report = match endpoint.map(|endpoint| conformance::Services::at(endpoint)) {
        None => conformance::run(cases, transport),
        Some(Ok(services)) => conformance::run_with(&services, cases),
        Some(Err(error)) => {
            eprintln!("conformance: no endpoint for functions: {error}");
            return ExitCode::FAILURE;
        }
    };
    match arguments.output {
        Output::Text => print!("{}", report.text(arguments.verbose)),
        Output::Json => println!("{}", report.json()),
    }
    ExitCode::SUCCESS
}

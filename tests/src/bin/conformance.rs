//! Runs the recordings of the real service against the engine, and says what differs.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line tool speaks on the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use regex::Regex;
use stepwright_tests::conformance::{self, Kind, Transport};

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
    /// Through the endpoint, by HTTP, instead of by calls.
    #[arg(long)]
    http: bool,
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
    });
    // A panic of the engine is reported with its case.
    std::panic::set_hook(Box::new(|_| {}));
    let transport = if arguments.http { Transport::Http } else { Transport::InProcess };
    let report = conformance::run(cases, transport);
    match arguments.output {
        Output::Text => print!("{}", report.text(arguments.verbose)),
        Output::Json => println!("{}", report.json()),
    }
    ExitCode::SUCCESS
}

//! The `stepwright` command.
//!
//! Owns arguments, terminal and progress; finds and builds the user's project, asks its
//! application for the manifest, and runs workflows on the embedded engine. Refuses
//! business rules: what a step does, and what CoreView is, it does not know.

mod arguments;
mod data;
mod definition;
mod failure;
mod figures;
mod intake;
mod list;
mod problem;
mod progress;
mod project;
mod receipt;
mod run;
mod show;
mod synth;
mod terminal;
mod text;
mod tree;
mod view;

use std::{fmt::Write as _, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::EnvFilter;

use crate::{
    arguments::{Cli, Command},
    problem::{Problem, exit},
    terminal::Terminal,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(&cli.global);
    log(cli.global.verbose);
    let done = match &cli.command {
        _ if cli.version => Ok(version(cli.global.verbose > 0, terminal)),
        Some(Command::Run(arguments)) => run::run(arguments, terminal),
        Some(Command::Synth(arguments)) => synth::synth(arguments, terminal),
        Some(Command::List(arguments)) => list::list(arguments, terminal),
        Some(Command::Show(arguments)) => show::show(arguments, terminal),
        Some(Command::Completions(arguments)) => Ok(completions(arguments.shell)),
        None => Ok(usage(terminal)),
    };
    ExitCode::from(done.unwrap_or_else(|problem: Problem| {
        problem.report(terminal);
        problem.exit()
    }))
}

/// Logs go to stderr: warnings, with `-v` what the program does and what steps log, with `-vv` all.
fn log(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info,stepwright=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("STEPWRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

fn version(with_build: bool, terminal: Terminal) -> u8 {
    let mut text = format!("stepwright {}", env!("CARGO_PKG_VERSION"));
    if with_build {
        for (name, value) in [
            ("commit", env!("STEPWRIGHT_COMMIT")),
            ("target", env!("STEPWRIGHT_TARGET")),
            ("profile", env!("STEPWRIGHT_PROFILE")),
            ("rustc", env!("STEPWRIGHT_RUSTC")),
        ] {
            let _ = write!(text, "\n{name:<8} {value}");
        }
    }
    terminal.data(&text);
    0
}

fn completions(shell: clap_complete::Shell) -> u8 {
    clap_complete::generate(shell, &mut Cli::command(), "stepwright", &mut std::io::stdout());
    0
}

fn usage(terminal: Terminal) -> u8 {
    terminal.note(&Cli::command().render_help().to_string());
    exit::USAGE
}

#[cfg(test)]
mod tests;

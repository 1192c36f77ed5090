//! The `stepwright` command.
//!
//! Owns arguments, terminal and progress; finds and builds the user's project, asks its
//! application for the manifest, and runs workflows on the embedded engine. Refuses
//! business rules: what a step does, and what CoreView is, it does not know.

mod address;
mod answer;
mod arguments;
mod backup;
mod data;
mod definition;
mod dev;
mod doctor;
mod failure;
mod figures;
mod gc;
mod intake;
mod list;
mod local_engine;
mod log;
mod plan;
mod problem;
mod progress;
mod project;
mod receipt;
mod redrive;
mod remote;
mod rerun;
mod resume;
mod run;
mod settlement;
mod show;
mod snippet;
mod stop;
mod synth;
mod terminal;
mod test_state;
mod text;
mod tree;
mod validate;
mod view;

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};

use crate::{
    arguments::{Cli, Command, Format, Global},
    problem::{Problem, exit},
    terminal::Terminal,
};

/// Parsing and writing JSON on many threads is mostly allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(not_parsed(&error)),
    };
    let terminal = Terminal::new(&cli.global);
    let log = match &cli.command {
        Some(Command::Dev(arguments)) => log::begin_for_programs(arguments.log),
        _ => log::begin(cli.global.verbose),
    };
    let done = match &cli.command {
        _ if cli.version => Ok(version(cli.global.verbose > 0, terminal)),
        Some(Command::Run(arguments)) => run::run(arguments, terminal),
        Some(Command::Dev(arguments)) => dev::dev(arguments, terminal),
        Some(Command::Synth(arguments)) => synth::synth(arguments, terminal),
        Some(Command::Validate(arguments)) => validate::validate(arguments, terminal),
        Some(Command::TestState(arguments)) => test_state::test_state(arguments, terminal),
        Some(Command::List(arguments)) => list::list(arguments, terminal),
        Some(Command::Show(arguments)) => show::show(arguments, terminal),
        Some(Command::Gc(arguments)) => gc::gc(arguments, terminal),
        Some(Command::Backup(arguments)) => backup::backup(arguments, terminal),
        Some(Command::Doctor(arguments)) => doctor::doctor(arguments, terminal),
        Some(Command::Redrive(arguments)) => redrive::redrive(arguments, terminal),
        Some(Command::Resume(arguments)) => resume::resume(arguments, terminal),
        Some(Command::Stop(arguments)) => stop::stop(arguments, terminal),
        Some(Command::Waiting(arguments)) => answer::waiting(arguments, terminal),
        Some(Command::Answer(arguments)) => answer::answer(arguments, terminal),
        Some(Command::Completions(arguments)) => Ok(completions(arguments.shell, terminal)),
        None => usage(terminal),
    };
    drop(log);
    let code = done.unwrap_or_else(|problem: Problem| {
        problem.report(terminal);
        problem.exit()
    });
    ExitCode::from(complete(code, terminal))
}

/// Whatever went well, it did not if its result could not be printed.
fn complete(code: u8, terminal: Terminal) -> u8 {
    let Some(error) = terminal.lost() else { return code };
    let problem = Problem::Output { detail: error.to_string() };
    problem.report(terminal);
    if code == 0 { problem.exit() } else { code }
}

/// Help that was asked for, or a command line that makes no sense.
fn not_parsed(error: &clap::Error) -> u8 {
    let format = arguments::format_asked_for(
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()),
    );
    let terminal = Terminal::new(&Global { output: format, ..Global::default() });
    if !error.use_stderr() {
        terminal::took(error.print().and_then(|()| std::io::stdout().flush()));
        return complete(0, terminal);
    }
    if format == Format::Text {
        // Nothing is left to say it to when stderr is closed.
        let _ = error.print();
        return exit::USAGE;
    }
    let text = error.render().to_string();
    let (message, hint) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message).trim_end().to_owned();
    Problem::Usage { message, hint: hint.trim().to_owned() }.report(terminal);
    exit::USAGE
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

fn completions(shell: clap_complete::Shell, terminal: Terminal) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "stepwright", &mut script);
    terminal.data(String::from_utf8_lossy(&script).trim_end());
    0
}

fn usage(terminal: Terminal) -> Result<u8, Problem> {
    let help = Cli::command().render_help().to_string();
    if terminal.format != Format::Text {
        let message = "the command line names no verb".to_owned();
        return Err(Problem::Usage { message, hint: help.trim().to_owned() });
    }
    terminal.note(&help);
    Ok(exit::USAGE)
}

#[cfg(test)]
mod tests;

//! The terminal: what goes where, in which colour.
//!
//! Data goes to stdout and only there; all else to stderr. The only module that prints.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::OnceLock,
};

use crate::arguments::{Color, Format, Global};

/// Why stdout did not take everything: the first time counts. The process has one stdout, and an
/// execution goes on without it, so this is asked for at the end.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// A colour with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It needs a look.
    Warn,
    /// It matters less.
    Faint,
    /// It matters more.
    Strong,
}

/// Puts ink on text, or leaves it plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    /// Whether to use escape codes.
    pub(crate) colored: bool,
}

impl Paint {
    /// The text in this ink.
    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        if !self.colored || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Warn => "33",
            Ink::Faint => "2",
            Ink::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// What the terminal can do and what the user asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Form of data.
    pub(crate) format: Format,
    /// No progress.
    pub(crate) quiet: bool,
    /// Paint for stdout.
    pub(crate) out: Paint,
    /// Paint for stderr.
    pub(crate) err: Paint,
    /// Whether stdout is a terminal: tables for people, tabs for programs.
    pub(crate) out_tty: bool,
    /// Whether stderr is a terminal: moving progress or lines.
    pub(crate) err_tty: bool,
}

#[expect(clippy::unused_self, reason = "who prints has been given the terminal")]
impl Terminal {
    /// Looks at the streams and the environment.
    pub(crate) fn new(global: &Global) -> Self {
        let out_is_terminal = std::io::stdout().is_terminal();
        let err_is_terminal = std::io::stderr().is_terminal();
        let environment = ColorEnvironment::of_process();
        Self {
            format: global.output,
            quiet: global.quiet,
            out: Paint { colored: colored(global.color, out_is_terminal, environment) },
            err: Paint { colored: colored(global.color, err_is_terminal, environment) },
            out_tty: out_is_terminal,
            err_tty: err_is_terminal && !environment.dumb,
        }
    }

    /// Data: one line, or several, to stdout. A reader that has gone away (`| head`) is no error of ours.
    pub(crate) fn data(self, text: &str) {
        let mut out = io::stdout().lock();
        took(writeln!(out, "{text}").and_then(|()| out.flush()));
    }

    /// Why data did not reach stdout, if so.
    pub(crate) fn lost(self) -> Option<&'static io::Error> {
        LOST.get()
    }

    /// All else, to stderr.
    pub(crate) fn note(self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "{text}");
    }

    /// A note that `--quiet` leaves out.
    pub(crate) fn remark(self, text: &str) {
        if !self.quiet {
            self.note(text);
        }
    }
}

/// Takes note of how a write to stdout went.
pub(crate) fn took(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error);
    }
}

/// The width of the terminal, if there is one.
pub(crate) fn columns() -> Option<u16> {
    // COLUMNS goes first, as for other programs.
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    set.or_else(|| terminal_size::terminal_size().map(|(width, _)| width.0)).filter(|columns| *columns >= 40)
}

#[derive(Debug, Clone, Copy)]
struct ColorEnvironment {
    no_color: bool,
    force: bool,
    dumb: bool,
}

impl ColorEnvironment {
    fn of_process() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            no_color: set("NO_COLOR"),
            force: std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0"),
            dumb: std::env::var_os("TERM").is_some_and(|value| value == "dumb"),
        }
    }
}

/// The flag decides; else `NO_COLOR`, then `CLICOLOR_FORCE`, then what the stream is.
fn colored(flag: Color, is_terminal: bool, environment: ColorEnvironment) -> bool {
    match flag {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if environment.no_color => false,
        Color::Auto if environment.force => true,
        Color::Auto => is_terminal && !environment.dumb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_before_the_environment_and_no_color_before_force() {
        let environment = |no_color, force, dumb| ColorEnvironment { no_color, force, dumb };
        for (flag, terminal, environment, expected) in [
            (Color::Always, false, environment(true, false, true), true),
            (Color::Never, true, environment(false, true, false), false),
            (Color::Auto, true, environment(false, false, false), true),
            (Color::Auto, false, environment(false, false, false), false),
            (Color::Auto, false, environment(false, true, true), true),
            (Color::Auto, true, environment(true, true, false), false),
            (Color::Auto, true, environment(false, false, true), false),
        ] {
            assert_eq!(colored(flag, terminal, environment), expected, "{flag:?} {terminal} {environment:?}");
        }
    }
}

//! The log of this program, on stderr.
//!
//! Whoever logs, most of all the engine, neither waits for stderr nor hears of its errors: a line
//! that cannot be written, or that nobody takes in time, is dropped.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::arguments::LogLevel;

/// Lines that wait for stderr. Ours.
const WAITING_MAX: usize = 8_192;
/// How long the end of the program waits for them. Ours.
const FLUSH: Duration = Duration::from_secs(1);

/// What is to be done with stderr.
enum Order {
    Line(Vec<u8>),
    /// Everything before it was written, or is lost.
    Flushed(SyncSender<()>),
}

/// Hands lines to the thread that writes them.
struct Lines(SyncSender<Order>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: &self.0, text: Vec::new() }
    }
}

/// One event on its way: it is a line when it is dropped.
struct Line<'a> {
    lines: &'a SyncSender<Order>,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            // Full: stderr is slower than the log, and the engine is not to wait for it.
            let _ = self.lines.try_send(Order::Line(std::mem::take(&mut self.text)));
        }
    }
}

/// Writes what is left when the program ends.
pub(crate) struct Log(SyncSender<Order>);

impl Log {
    /// The thread that writes, and the way to it.
    fn open() -> Option<(Self, Lines)> {
        let (sender, orders) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("stepwright-log".to_owned());
        thread.spawn(move || write(&orders, io::stderr())).ok()?;
        Some((Self(sender.clone()), Lines(sender)))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let (sender, done) = sync_channel(1);
        if self.0.try_send(Order::Flushed(sender)).is_ok() {
            let _ = done.recv_timeout(FLUSH);
        }
    }
}

/// Begins to log: warnings, with `-v` what the program does and what steps log, with `-vv` all.
pub(crate) fn begin(verbose: u8) -> Option<Log> {
    let default = match verbose {
        0 => "warn",
        1 => "info,stepwright=debug",
        _ => "debug",
    };
    let (log, lines) = Log::open()?;
    // Its own word on a line that was not written goes to stderr, too, and panics there.
    let log_of_people = tracing_subscriber::fmt().with_ansi(false).log_internal_errors(false);
    log_of_people.with_env_filter(filter(default)).with_writer(lines).init();
    Some(log)
}

/// Begins the log of a server, which programs read: a JSON document per line.
pub(crate) fn begin_for_programs(level: LogLevel) -> Option<Log> {
    let (log, lines) = Log::open()?;
    let log_of_programs = tracing_subscriber::fmt().json().flatten_event(true).log_internal_errors(false);
    log_of_programs.with_env_filter(filter(level.as_str())).with_writer(lines).init();
    Some(log)
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_env("STEPWRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new(default))
}

fn write(orders: &Receiver<Order>, mut stderr: impl Write) {
    for order in orders {
        match order {
            Order::Line(text) => drop(stderr.write_all(&text)),
            Order::Flushed(done) => drop(done.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_log_that_nobody_takes() {
        let (sender, orders) = sync_channel(2);
        let lines = Lines(sender);
        for number in 0..5 {
            writeln!(lines.make_writer(), "line {number}").expect("no error is told");
        }
        drop(lines);
        let waiting: Vec<Vec<u8>> = orders
            .iter()
            .filter_map(|order| match order {
                Order::Line(text) => Some(text),
                Order::Flushed(_) => None,
            })
            .collect();
        assert_eq!(waiting, [b"line 0\n".to_vec(), b"line 1\n".to_vec()]);
    }

    #[test]
    fn a_log_that_takes_nothing_ends_nothing() {
        let (sender, orders) = sync_channel(2);
        let (flushed, done) = sync_channel(1);
        sender.send(Order::Line(b"lost".to_vec())).expect("sent");
        sender.send(Order::Flushed(flushed)).expect("sent");
        drop(sender);
        write(&orders, Full);
        assert_eq!(done.recv(), Ok(()));
    }
}

//! What functions write, and what Lambda would write around it: one file a function.
//!
//! A line of `<function>.log` is a time, the request id, the execution's ARN, and the text,
//! between tabs: `grep` finds what an execution's steps said, [`read`] does it for all
//! functions together. `-` stands for what there is not. What a function is given as
//! a secret is blackened out before a line is kept anywhere.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A log file is renamed to `<function>.log.1` when it has grown beyond this. Ours.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest line kept; what follows is dropped. CloudWatch limit of one event: 256 KiB.
pub(super) const LINE_BYTES_MAX: usize = 256 * 1024;
/// Longest line read back, with what stands before its text.
const READ_LINE_BYTES_MAX: u64 = LINE_BYTES_MAX as u64 * 4 + 4096;
/// Lines kept in memory per function. Ours.
const TAIL_LINES: usize = 200;
/// What stands for something that there is not.
const NONE: &str = "-";
/// Environment variables whose values are secrets: those of secrets a project grants, and AWS's own.
const SECRET_PREFIX: &str = "STEPWRIGHT_SECRET_";
const SECRETS_OF_AWS: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// A shorter secret would blacken out half of every line. Ours.
const SECRET_BYTES_MIN: usize = 6;
const BLACK: &str = "*****";

/// Whose words a line is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) request_id: &'a str,
    pub(super) execution_arn: Option<&'a str>,
}

/// The log of one function.
#[derive(Debug)]
pub(super) struct FunctionLog {
    function: String,
    path: PathBuf,
    secrets: Vec<String>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    file: Option<File>,
    written: u64,
    tail: VecDeque<String>,
}

impl FunctionLog {
    pub(super) fn new(function: &str, path: PathBuf, environments: &[&BTreeMap<String, String>]) -> Self {
        let secrets = environments.iter().flat_map(|environment| secrets(environment)).collect();
        Self { function: function.to_owned(), path, secrets, inner: Mutex::default() }
    }

    /// Takes the secrets out of a line.
    pub(super) fn blackened(&self, line: String) -> String {
        self.secrets.iter().fold(
            line,
            |line, secret| {
                if line.contains(secret) { line.replace(secret, BLACK) } else { line }
            },
        )
    }

    /// Appends lines, without secrets already, in one write: lines of several processes do not
    /// mix. A full disk must not stop a step: failures are only traced.
    pub(super) fn append(&self, origin: Origin<'_>, lines: Vec<String>) {
        let time = jiff::Timestamp::now();
        let Origin { request_id, execution_arn } = origin;
        let before = format!("{time:.3}\t{request_id}\t{}\t", execution_arn.unwrap_or(NONE));
        let mut text = String::with_capacity(lines.iter().map(|line| before.len() + line.len() + 1).sum());
        for line in &lines {
            tracing::debug!(target: "stepwright::step", function = %self.function, "{line}");
            text.push_str(&before);
            text.push_str(line);
            text.push('\n');
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tail.extend(lines);
        while inner.tail.len() > TAIL_LINES {
            inner.tail.pop_front();
        }
        if let Err(error) = self.write(&mut inner, &text) {
            tracing::warn!(function = %self.function, path = %self.path.display(), %error, "log line not written");
            inner.file = None;
        }
    }

    fn write(&self, inner: &mut Inner, text: &str) -> std::io::Result<()> {
        if inner.written > FILE_BYTES_MAX {
            inner.file = None;
            // Counted anew whatever comes of it: a log that cannot be put aside goes on.
            inner.written = 0;
            match std::fs::rename(&self.path, self.path.with_extension("log.1")) {
                // Somebody else has put it aside.
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if inner.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            inner.written = file.metadata()?.len();
            inner.file = Some(file);
        }
        if let Some(file) = inner.file.as_mut() {
            file.write_all(text.as_bytes())?;
            inner.written += text.len() as u64;
        }
        Ok(())
    }

    /// The texts of the last lines, oldest first.
    pub(super) fn tail(&self, lines: usize) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = inner.tail.len().saturating_sub(lines);
        inner.tail.iter().skip(skip).cloned().collect()
    }
}

/// The secrets of an environment, longest first: one may be part of another.
fn secrets(environment: &BTreeMap<String, String>) -> Vec<String> {
    let is_secret = |name: &str| name.starts_with(SECRET_PREFIX) || SECRETS_OF_AWS.contains(&name);
    let values = environment.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.as_str());
    let mut found: Vec<String> = values
        .flat_map(|value| [Some(value), password(value)])
        .flatten()
        .filter(|value| value.len() >= SECRET_BYTES_MIN)
        .map(str::to_owned)
        .collect();
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

/// The password in a URL: `scheme://user:password@host`.
fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

/// A line that was read back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoggedLine {
    /// When it was written: RFC 3339, in UTC, with milliseconds.
    pub time: String,
    /// Whose words it is.
    pub function: String,
    /// The invocation.
    pub request_id: String,
    /// What was written.
    pub text: String,
}

/// Everything that the functions of an execution wrote and that was not rotated away, in the
/// order of time. `folder`: [`super::RuntimeOptions::log_dir`]; one that is not there is empty.
///
/// # Errors
/// What the system says of a file that cannot be read.
pub fn read(folder: &Path, execution_arn: &str) -> std::io::Result<Vec<LoggedLine>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // The older file of a function goes first.
        match (name.strip_suffix(".log.1"), name.strip_suffix(".log")) {
            (Some(function), _) => files.push((function.to_owned(), 0, name.clone())),
            (None, Some(function)) => files.push((function.to_owned(), 1, name.clone())),
            (None, None) => {}
        }
    }
    files.sort();
    for (function, _, name) in files {
        read_file(&folder.join(name), &function, execution_arn, &mut found)?;
    }
    // Stable: what was written in the same millisecond stays in its order.
    found.sort_by(|one, other| one.time.cmp(&other.time));
    Ok(found)
}

fn read_file(path: &Path, function: &str, arn: &str, found: &mut Vec<LoggedLine>) -> std::io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(READ_LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let mut columns = text.trim_end_matches('\n').splitn(4, '\t');
        let (Some(time), Some(request_id), Some(of), Some(text)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        if of == arn {
            found.push(LoggedLine {
                time: time.to_owned(),
                function: function.to_owned(),
                request_id: request_id.to_owned(),
                text: text.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests;

//! What step processes write: one file per function, as CloudWatch would show it.
//!
//! Every line of stdout and stderr goes to `<function>.log`, between Lambda's own
//! `START`, `END` and `REPORT` lines, and is forwarded as a `tracing` event. The last
//! lines stay in memory for error messages.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};

/// A log file is renamed to `<function>.log.1` when it has grown beyond this. Ours.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest line kept; what follows is dropped. CloudWatch limit of one event: 256 KiB.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Lines kept in memory per function. Ours.
const TAIL_LINES: usize = 200;

/// The log of one function.
#[derive(Debug)]
pub(super) struct FunctionLog {
    function: String,
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    file: Option<File>,
    written: u64,
    tail: VecDeque<String>,
}

impl FunctionLog {
    pub(super) fn new(function: &str, path: PathBuf) -> Self {
        Self { function: function.to_owned(), path, inner: Mutex::default() }
    }

    /// Appends one line and forwards it. A full disk must not stop a step: failures are only traced.
    pub(super) fn line(&self, line: &str) {
        tracing::debug!(target: "stepwright::step", function = %self.function, "{line}");
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.tail.len() == TAIL_LINES {
            inner.tail.pop_front();
        }
        inner.tail.push_back(line.to_owned());
        if let Err(error) = self.append(&mut inner, line) {
            tracing::warn!(function = %self.function, path = %self.path.display(), %error, "log line not written");
            inner.file = None;
        }
    }

    fn append(&self, inner: &mut Inner, line: &str) -> std::io::Result<()> {
        if inner.written > FILE_BYTES_MAX {
            inner.file = None;
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        if inner.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            inner.written = file.metadata()?.len();
            inner.file = Some(file);
        }
        if let Some(file) = inner.file.as_mut() {
            // One write per line: lines of several processes do not mix.
            let text = format!("{line}\n");
            file.write_all(text.as_bytes())?;
            inner.written += text.len() as u64;
        }
        Ok(())
    }

    /// The last lines, oldest first.
    pub(super) fn tail(&self, lines: usize) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = inner.tail.len().saturating_sub(lines);
        inner.tail.iter().skip(skip).cloned().collect()
    }

    /// Copies a process's stream until it ends.
    pub(super) async fn copy(&self, stream: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            match read_line(&mut reader, &mut line).await {
                Ok(false) | Err(_) => return,
                Ok(true) => self.line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])),
            }
        }
    }
}

/// Reads one line of at most [`LINE_BYTES_MAX`] bytes, dropping its excess. `false` at the end.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut any = false;
    loop {
        let buffer = reader.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(buffer.len(), |at| at + 1);
        let room = LINE_BYTES_MAX.saturating_sub(line.len()).min(taken);
        line.extend_from_slice(buffer.get(..room).unwrap_or_default());
        reader.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}

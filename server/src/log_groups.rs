//! Log groups of state machines as files: one a group, a JSON document per line.
//!
//! Owns which file a document goes to, and that nobody waits for a disk. What
//! `loggingConfiguration` lets an execution log is the engine's. A file that
//! has become large is put beside as `….jsonl.1`, in place of the one before:
//! the files of groups end with `.jsonl`, so that it is none of another group's.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use asl::limits::{LOG_FILE_BYTES_MAX, LOG_QUEUE_BYTES_MAX};
use engine::LogSink;
use engine::log_events::LogEvent;
use serde_json::json;

/// Characters of a group's name that its file keeps: with what is added it is within what file systems take.
const FILE_NAME_CHARS_MAX: usize = 160;

/// What no name of a group has in it once it is encoded: it parts what a long name keeps from its digest.
const DIGEST_MARK: char = '+';
/// Files that are open at a time. Ours: an account has 10,000 state machines, a process has 1,024 files.
const FILES_OPEN_MAX: usize = 64;

/// Writes documents to files, behind a queue.
#[derive(Debug)]
pub struct LogGroups {
    queue: Mutex<Option<Sender<Line>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    waiting: Arc<AtomicUsize>,
}

/// A line of a group.
#[derive(Debug)]
struct Line {
    group: Arc<str>,
    text: String,
}

impl LogGroups {
    /// Files in a folder, which is made with the first document, for its owner only.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        let (queue, lines) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let files = Files::new(folder, LOG_FILE_BYTES_MAX);
        let written = Arc::clone(&waiting);
        let writer = std::thread::Builder::new().name("stepwright-logs".to_owned());
        let writer = writer.spawn(move || files.write_all(&lines, &written))?;
        Ok(Self { queue: Mutex::new(Some(queue)), writer: Mutex::new(Some(writer)), waiting })
    }

    /// Writes what is in the queue, and ends.
    pub fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has said so.
        drop(writer.map(JoinHandle::join));
    }
}

impl LogSink for LogGroups {
    fn write(&self, event: LogEvent) {
        let LogEvent { log_group_arn, execution_arn, timestamp_millis, document } = event;
        let line = json!({
            "timestamp": timestamp_millis,
            // Streams have the name of their execution on AWS, behind a date and a number.
            "logStream": execution_arn.rsplit(':').next(),
            "message": document,
        });
        let text = line.to_string();
        let bytes = text.len();
        if self.waiting.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes) > LOG_QUEUE_BYTES_MAX {
            self.waiting.fetch_sub(bytes, Ordering::SeqCst);
            tracing::warn!(%execution_arn, "an event was not logged: the disk is too slow for the log group");
            return;
        }
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Closed: the engine has ended.
        let _ = queue.as_ref().map(|queue| queue.send(Line { group: log_group_arn, text }));
    }
}

/// The files that are open.
struct Files {
    folder: PathBuf,
    open: BTreeMap<Arc<str>, Open>,
    bytes_max: u64,
    /// Lines up to now.
    lines: u64,
}

struct Open {
    /// The last line it got.
    line: u64,
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Files {
    fn new(folder: &Path, bytes_max: u64) -> Self {
        Self { folder: folder.to_owned(), open: BTreeMap::new(), bytes_max, lines: 0 }
    }

    fn write_all(mut self, lines: &Receiver<Line>, waiting: &AtomicUsize) {
        while let Ok(first) = lines.recv() {
            // What came meanwhile goes with it.
            for line in std::iter::once(first).chain(lines.try_iter()) {
                if let Err(error) = self.write(&line) {
                    self.open.remove(&line.group);
                    tracing::error!(%error, log_group = %line.group, "an event could not be logged");
                }
                waiting.fetch_sub(line.text.len(), Ordering::SeqCst);
            }
            for (group, open) in &mut self.open {
                if let Err(error) = open.file.flush() {
                    tracing::error!(%error, log_group = %group, "events could not be logged");
                }
            }
        }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let length = line.text.len() as u64 + 1;
        let is_full = self.open.get(&line.group).is_some_and(|open| open.bytes + length > self.bytes_max);
        if is_full && let Some(mut full) = self.open.remove(&line.group) {
            full.file.flush()?;
            fs::rename(&full.path, full.path.with_extension("jsonl.1"))?;
        }
        if !self.open.contains_key(&line.group) {
            self.make_room()?;
            self.open.insert(Arc::clone(&line.group), self.create(&line.group)?);
        }
        let Some(open) = self.open.get_mut(&line.group) else { return Ok(()) };
        self.lines += 1;
        open.line = self.lines;
        open.bytes += length;
        open.file.write_all(line.text.as_bytes())?;
        open.file.write_all(b"\n")
    }

    /// Closes the file that has had no line for the longest time, if there are too many.
    fn make_room(&mut self) -> io::Result<()> {
        if self.open.len() < FILES_OPEN_MAX {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.line).map(|(group, _)| Arc::clone(group));
        match oldest.and_then(|group| self.open.remove(&group)) {
            Some(mut open) => open.file.flush(),
            None => Ok(()),
        }
    }

    fn create(&self, group: &str) -> io::Result<Open> {
        bucket::make_durable_dir(&self.folder)?;
        let path = self.folder.join(file_name(group));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Open { line: self.lines, path, file: BufWriter::new(file), bytes })
    }
}

/// The file of a log group, by its ARN: a name is data, never a path.
fn file_name(group_arn: &str) -> String {
    // arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*
    let name = group_arn.split(':').nth(6).unwrap_or(group_arn);
    let mut name = sigv4::encoded(name);
    if name.len() > FILE_NAME_CHARS_MAX || name.is_empty() || name.starts_with('.') {
        let rest: String =
            name.chars().filter(char::is_ascii_alphanumeric).take(FILE_NAME_CHARS_MAX / 2).collect();
        let mark: String = sigv4::digest(group_arn.as_bytes()).chars().take(16).collect();
        name = format!("{rest}{DIGEST_MARK}{mark}");
    }
    format!("{name}.jsonl")
}

//! What a process writes to its standard output and error: one pipe, so that lines stand
//! in the order in which they were written, and those written before an answer are read
//! before it is passed on.

use std::os::fd::AsFd as _;
use std::process::Stdio;

use tokio::net::unix::pipe;

use super::logs::LINE_BYTES_MAX;

/// Bytes read at a time.
const CHUNK: usize = 8 * 1024;
/// What a pipe holds: more cannot have been written before a moment and not been read (Linux).
const PIPE_BYTES: usize = 64 * 1024;

/// The read end.
#[derive(Debug)]
pub(super) struct Output {
    pipe: pipe::Receiver,
    /// A line that has not ended.
    line: Vec<u8>,
    has_ended: bool,
}

impl Output {
    /// A pipe, and its write end twice.
    pub(super) fn open() -> std::io::Result<(Self, Stdio, Stdio)> {
        let (reader, writer) = std::io::pipe()?;
        let pipe = pipe::Receiver::from_owned_fd(reader.into())?;
        let other = writer.try_clone()?;
        Ok((Self { pipe, line: Vec::new(), has_ended: false }, Stdio::from(writer), Stdio::from(other)))
    }

    /// Waits until there are lines, and gives them to `sink`; for ever, once the pipe has ended.
    /// Given up in between, it has lost nothing.
    pub(super) async fn lines(&mut self, sink: &mut Vec<String>) {
        while sink.is_empty() {
            if self.has_ended {
                return std::future::pending().await;
            }
            self.read(sink).await;
        }
    }

    /// Everything up to the end of the pipe.
    pub(super) async fn remaining(&mut self, sink: &mut Vec<String>) {
        while !self.has_ended {
            self.read(sink).await;
        }
    }

    /// Waits, and reads once.
    async fn read(&mut self, sink: &mut Vec<String>) {
        let mut chunk = [0; CHUNK];
        let read = match self.pipe.readable().await {
            Ok(()) => self.pipe.try_read(&mut chunk),
            Err(error) => Err(error),
        };
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => {
                self.has_ended = true;
                self.rest(sink);
            }
            Ok(read) => self.split(chunk.get(..read).unwrap_or_default(), sink),
        }
    }

    /// What has been written up to now, without waiting.
    pub(super) fn written(&mut self, sink: &mut Vec<String>) {
        let mut chunk = [0; CHUNK];
        let mut room = PIPE_BYTES;
        // Read directly: the reactor may not have heard yet that there is something.
        while room > 0 && !self.has_ended {
            match nix::unistd::read(self.pipe.as_fd(), &mut chunk) {
                Ok(0) => self.has_ended = true,
                Ok(read) => {
                    self.split(chunk.get(..read).unwrap_or_default(), sink);
                    room = room.saturating_sub(read);
                }
                Err(_) => break,
            }
        }
        self.rest(sink);
    }

    fn split(&mut self, mut bytes: &[u8], sink: &mut Vec<String>) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.extend(line);
            sink.push(self.take());
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend(bytes);
    }

    /// Drops what makes a line too long.
    fn extend(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn take(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.line).trim_end_matches('\r').to_owned();
        self.line.clear();
        line
    }

    /// What was written without a line's end.
    fn rest(&mut self, sink: &mut Vec<String>) {
        if !self.line.is_empty() {
            sink.push(self.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn said(script: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut output, out, err) = Output::open().unwrap();
            let child = Command::new("/bin/sh").args(["-c", script]).stdout(out).stderr(err).spawn();
            let mut lines = Vec::new();
            output.remaining(&mut lines).await;
            assert!(child.unwrap().wait().unwrap().success());
            lines
        })
    }

    #[test]
    fn both_streams_come_in_their_order() {
        assert_eq!(said("echo a; echo b >&2; echo c; printf d"), ["a", "b", "c", "d"]);
        assert_eq!(said("true"), Vec::<String>::new());
    }

    #[test]
    fn what_was_written_is_there_without_waiting() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut output, out, err) = Output::open().unwrap();
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "echo a; read -r x"]).stdout(out).stderr(err).stdin(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut lines = Vec::new();
            output.lines(&mut lines).await;
            output.written(&mut lines);
            assert_eq!(lines, ["a"]);
            child.kill().unwrap();
            child.wait().unwrap();
        });
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let lines = said("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end");
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES_MAX, 3]);
    }
}

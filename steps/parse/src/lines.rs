//! Lines of a text, with their places and without their ends, one at a time.

use std::io::{self, Read};

use feed::FeedSpec;

use crate::container::BUFFER_BYTES;
use crate::error::{Fault, ParseError, SourceFile};
use crate::records::RECORD_BYTES_MAX;
use crate::text::TextReader;

/// Reads lines one by one.
pub(crate) struct Lines<R> {
    from: TextReader<R>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    text: Vec<u8>,
    line: u64,
    byte: u64,
}

/// A line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'l> {
    pub(crate) text: &'l str,
    /// Counted from 1.
    pub(crate) number: u64,
    /// Byte of the text where it starts.
    pub(crate) byte: u64,
}

impl<R: Read> Lines<R> {
    /// The lines of a text in the spec's encoding.
    pub(crate) fn of(from: R, source: &SourceFile, spec: &FeedSpec) -> Result<Self, ParseError> {
        let from = TextReader::new(from, spec.source.encoding).map_err(|error| source.unreadable(error))?;
        let buffer = vec![0; BUFFER_BYTES];
        Ok(Self { from, buffer, start: 0, end: 0, text: Vec::new(), line: 0, byte: 0 })
    }

    /// The next line; blank lines are lines.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.byte += self.text.len() as u64;
        self.text.clear();
        self.line += 1;
        loop {
            if self.start == self.end {
                self.start = 0;
                self.end = self.from.read(&mut self.buffer)?;
                if self.end == 0 {
                    break;
                }
            }
            let window = self.buffer.get(self.start..self.end).unwrap_or_default();
            let end = memchr::memchr(b'\n', window);
            let taken = end.map_or(window.len(), |end| end + 1);
            self.text.extend_from_slice(window.get(..taken).unwrap_or_default());
            self.start += taken;
            if end.is_some() {
                break;
            }
            if self.text.len() > RECORD_BYTES_MAX {
                let problem = format!("line {}: it is longer than {RECORD_BYTES_MAX} bytes", self.line);
                return Err(Fault::TooLarge(problem).into_io());
            }
        }
        if self.text.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(&self.text)
            .map_err(|error| Fault::Encoding(format!("line {}: {error}", self.line)).into_io())?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Ok(Some(Line { text, number: self.line, byte: self.byte }))
    }
}

//! Records of separated text: fields, the raw text, line and byte.
//!
//! The state machine is `csv-core`'s; what is added here is the raw text (which
//! a rejected row is kept with), places, and a limit: a quote that is never
//! closed must not read the rest of a large file into memory.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, ReaderBuilder};

use crate::container::BUFFER_BYTES;
use crate::error::Fault;

/// Longest record, in bytes: far above any real row.
pub(crate) const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Most fields of a record, as many as a worksheet has columns.
const FIELDS_MAX: usize = 16_384;

/// How records are separated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
}

/// Reads records one by one.
pub(crate) struct Records<R> {
    from: R,
    parser: csv_core::Reader,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_complete: bool,
    fields: Vec<u8>,
    ends: Vec<usize>,
    raw: Vec<u8>,
    /// Line of the next byte, counted from 1.
    line: u64,
    /// Bytes before the next one.
    byte: u64,
}

/// A record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'r> {
    text: &'r str,
    ends: &'r [usize],
    raw: &'r [u8],
    /// Line where it starts, counted from 1.
    pub(crate) line: u64,
    /// Byte of the text where it starts.
    pub(crate) byte: u64,
    /// Whether the text ended inside quotes.
    pub(crate) is_unclosed: bool,
}

impl<'r> Record<'r> {
    /// Number of fields.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field, counted from 0.
    pub(crate) fn get(&self, index: usize) -> Option<&'r str> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..end)
    }

    /// The same fields at the place of another record.
    pub(crate) fn placed_like(self, other: &Record<'_>) -> Self {
        Self { line: other.line, byte: other.byte, is_unclosed: other.is_unclosed, ..self }
    }

    /// All fields.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'r str> {
        (0..self.len()).map(move |index| self.get(index).unwrap_or_default())
    }

    /// The record as it stands in the file, without its line end.
    pub(crate) fn raw(&self) -> &'r str {
        std::str::from_utf8(self.raw).unwrap_or_default()
    }
}

impl<R: Read> Records<R> {
    pub(crate) fn new(from: R, dialect: Dialect) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(dialect.delimiter);
        match dialect.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        Self {
            from,
            parser: builder.build(),
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            is_complete: false,
            fields: vec![0; 4096],
            ends: vec![0; 64],
            raw: Vec::with_capacity(4096),
            line: 1,
            byte: 0,
        }
    }

    /// Skips lines, whatever is in them.
    pub(crate) fn skip_lines(&mut self, lines: u32) -> io::Result<()> {
        let mut left = lines;
        while left > 0 {
            self.fill()?;
            let window = self.window();
            if window.is_empty() {
                return Ok(());
            }
            let end = memchr::memchr(b'\n', window);
            let taken = end.map_or(window.len(), |end| end + 1);
            self.start += taken;
            self.byte += taken as u64;
            if end.is_some() {
                self.line += 1;
                left -= 1;
            }
        }
        Ok(())
    }

    fn window(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Makes sure there is something in the window, unless the text has ended.
    fn fill(&mut self) -> io::Result<()> {
        while self.start == self.end && !self.is_complete {
            self.start = 0;
            self.end = self.from.read(&mut self.buffer)?;
            self.is_complete = self.end == 0;
        }
        Ok(())
    }

    /// The next record; blank lines are none.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        self.raw.clear();
        let (mut text_length, mut field_count) = (0, 0);
        let mut is_unclosed = false;
        let mut probed = false;
        loop {
            self.fill()?;
            let at_end = self.start == self.end;
            if at_end && (self.raw.iter().all(|byte| matches!(byte, b'\r' | b'\n')) || probed) {
                if !probed {
                    return Ok(None);
                }
                // The line end that was offered did not end the record: it is inside quotes.
                is_unclosed = true;
            }
            let window: &[u8] = match (at_end, probed) {
                (false, _) => self.buffer.get(self.start..self.end).unwrap_or_default(),
                (true, false) => b"\n",
                (true, true) => b"",
            };
            probed |= at_end;
            let (result, taken, text, fields) = self.parser.read_record(
                window,
                self.fields.get_mut(text_length..).unwrap_or_default(),
                self.ends.get_mut(field_count..).unwrap_or_default(),
            );
            if !at_end {
                self.raw.extend_from_slice(window.get(..taken).unwrap_or_default());
                self.start += taken;
            }
            text_length += text;
            field_count += fields;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
            if self.raw.len() > RECORD_BYTES_MAX || field_count > FIELDS_MAX {
                return Err(self.too_long());
            }
        }
        self.record(text_length, field_count, is_unclosed).map(Some)
    }

    fn too_long(&self) -> io::Error {
        Fault::TooLarge(format!(
            "line {}: the row is longer than {RECORD_BYTES_MAX} bytes or {FIELDS_MAX} fields; probably a quote is \
             opened there and never closed (if the feed does not quote, set `source.quote` to \"\")",
            self.line + self.raw.iter().take_while(|byte| **byte == b'\n').count() as u64
        ))
        .into_io()
    }

    fn record(
        &mut self,
        text_length: usize,
        field_count: usize,
        is_unclosed: bool,
    ) -> io::Result<Record<'_>> {
        // Ends of blank lines before, and of this one after.
        let before = self.raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let blank = self.raw.get(..before).unwrap_or_default();
        let line = self.line + memchr::memchr_iter(b'\n', blank).count() as u64;
        let byte = self.byte + before as u64;
        self.line += memchr::memchr_iter(b'\n', &self.raw).count() as u64;
        self.byte += self.raw.len() as u64;
        let raw = self.raw.get(before..).unwrap_or_default();
        let after = if is_unclosed {
            0
        } else {
            raw.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        };
        let raw = raw.get(..raw.len() - after).unwrap_or_default();
        let text = self.fields.get(..text_length).unwrap_or_default();
        let text = std::str::from_utf8(text)
            .map_err(|error| Fault::Encoding(format!("line {line}: {error}")).into_io())?;
        let ends = self.ends.get(..field_count).unwrap_or_default();
        Ok(Record { text, ends, raw, line, byte, is_unclosed })
    }
}

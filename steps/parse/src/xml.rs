//! XML: the records are elements of one name, read one after the other.
//!
//! A document type is passed over and entities are never expanded: a value that
//! refers to one rejects its record. Malformed XML is an error of the file with
//! its position, because what follows cannot be trusted.

use std::cell::Cell as Counter;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Cursor, Read};

use feed::FeedSpec;
use feed::rejects::RAW_BYTES_MAX;
use feed::spec::Encoding;
use quick_xml::escape::EscapeError;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};

use crate::cell::{Cell, Stored};
use crate::container::BUFFER_BYTES;
use crate::error::{Fault, ParseError, SourceFile};
use crate::records::RECORD_BYTES_MAX;
use crate::sink::{Place, Sink};
use crate::text::TextReader;

/// Most elements inside of each other.
const DEPTH_MAX: usize = 256;

/// As much of a document as its declaration may take.
const DECLARATION_BYTES_MAX: u64 = 1024;

/// Reads all records of a document into the sink.
pub(crate) fn read(
    mut from: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut start = Vec::new();
    (&mut from)
        .take(DECLARATION_BYTES_MAX)
        .read_to_end(&mut start)
        .map_err(|error| source.unreadable(error))?;
    let encoding = match spec.source.encoding {
        Encoding::Auto => declared(&start, source)?,
        encoding => encoding,
    };
    let from = Cursor::new(start).chain(from);
    let text = TextReader::new(from, encoding).map_err(|error| source.unreadable(error))?;
    let tally = Tally::default();
    let bounded = Bounded { from: text, tally: &tally };
    let mut reader = Reader::from_reader(BufReader::with_capacity(BUFFER_BYTES, bounded));
    let config = reader.config_mut();
    config.enable_all_checks(true);
    sink.begin_file(source);
    let mut document = Document::new(source, spec);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        tally.since.set(0);
        let start = reader.buffer_position();
        let event = reader.read_event_into(&mut buffer);
        let event = event.map_err(|error| document.failed(error, start))?;
        if matches!(event, Event::Eof) {
            return document.end(start);
        }
        document.take(event, start, sink)?;
    }
}

/// The encoding that a document's declaration names; UTF-8 without one. Only
/// the declaration of a document whose characters are bytes can be read as such.
fn declared(start: &[u8], source: &SourceFile) -> Result<Encoding, ParseError> {
    let Some(rest) = start.strip_prefix(b"<?xml") else { return Ok(Encoding::Auto) };
    let declaration = rest.split(|byte| *byte == b'>').next().unwrap_or_default();
    let declaration = String::from_utf8_lossy(declaration);
    let Some((_, named)) = declaration.split_once("encoding") else { return Ok(Encoding::Auto) };
    let named = named.trim_start_matches([' ', '=', '\t', '\r', '\n']);
    let name = named.get(1..).and_then(|rest| rest.split(['"', '\'']).next()).unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" | "ascii" => Ok(Encoding::Utf8),
        "windows-1252" | "cp1252" => Ok(Encoding::Windows1252),
        "iso-8859-1" | "latin1" => Ok(Encoding::Iso88591),
        "iso-8859-15" => Ok(Encoding::Iso885915),
        _ => Err(ParseError::Encoding {
            detail: format!(
                "{source}: the document is declared to be {name:?}, which is not read; have it sent in UTF-8, or set \
                 `source.encoding` in the spec if the declaration is wrong"
            ),
        }),
    }
}

/// How much was read since the last event.
#[derive(Debug, Default)]
struct Tally {
    since: Counter<usize>,
}

/// Stops at an event without end, which would be read into memory.
struct Bounded<'t, R> {
    from: R,
    tally: &'t Tally,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.tally.since.get() > RECORD_BYTES_MAX {
            let problem = format!("an element, text or comment is longer than {RECORD_BYTES_MAX} bytes");
            return Err(Fault::TooLarge(problem).into_io());
        }
        let count = self.from.read(buffer)?;
        self.tally.since.set(self.tally.since.get() + count);
        Ok(count)
    }
}

/// What is wanted of a record, by its path below the record's element.
type Wanted = BTreeMap<String, Vec<usize>>;

struct Document<'d> {
    source: &'d SourceFile,
    wanted: Wanted,
    records: Vec<&'d str>,
    /// Whether `records` starts at the root.
    is_rooted: bool,
    count: usize,
    /// Names of the open elements.
    open: Vec<String>,
    /// The record that is being read.
    record: Option<Record>,
    line: u64,
    has_root: bool,
}

struct Record {
    place: Place,
    /// How many elements were open before its own.
    depth: usize,
    cells: Vec<Stored>,
    raw: String,
    /// Bytes of it so far.
    start: u64,
}

impl<'d> Document<'d> {
    fn new(source: &'d SourceFile, spec: &'d FeedSpec) -> Self {
        let mut wanted = Wanted::new();
        for (index, column) in spec.columns.iter().enumerate().filter(|(_, column)| column.from.is_none()) {
            let path = column.path.as_ref().unwrap_or(&column.name);
            wanted.entry(path.clone()).or_default().push(index);
        }
        let path = spec.source.records.as_deref().unwrap_or_default();
        Self {
            source,
            wanted,
            records: path.split('/').filter(|name| !name.is_empty()).collect(),
            is_rooted: path.starts_with('/'),
            count: spec.columns.len(),
            open: Vec::new(),
            record: None,
            line: 1,
            has_root: false,
        }
    }

    fn take(&mut self, event: Event<'_>, at: u64, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        let line = self.line;
        self.line += memchr::memchr_iter(b'\n', event.as_bytes()).count() as u64;
        match event {
            Event::Start(element) => self.start(&element, line, at),
            Event::Empty(element) => {
                self.start(&element, line, at)?;
                self.close(sink)
            }
            Event::End(element) => {
                self.raw(&["</", element.name().0, ">"]);
                self.close(sink)
            }
            Event::Text(text) => {
                self.raw(&[&text]);
                self.outside(&text, at)?;
                self.text(&text.xml10_content(), at)
            }
            Event::CData(text) => {
                self.raw(&["<![CDATA[", &text, "]]>"]);
                self.outside("CDATA", at)?;
                self.text(&text.xml10_content(), at)
            }
            Event::GeneralRef(reference) => {
                self.raw(&["&", &reference, ";"]);
                self.outside("a reference", at)?;
                self.reference(&reference, at)
            }
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) | Event::Decl(_) | Event::Eof => Ok(()),
        }
    }

    /// Outside of the root there are only blanks.
    fn outside(&self, text: &str, at: u64) -> Result<(), ParseError> {
        if self.open.is_empty() && !text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() {
            return Err(self.malformed(at, "there is text outside of the document's element"));
        }
        Ok(())
    }

    fn raw(&mut self, parts: &[&str]) {
        if let Some(record) = &mut self.record
            && record.raw.len() <= RAW_BYTES_MAX
        {
            record.raw.extend(parts.iter().copied());
        }
    }

    fn start(&mut self, element: &BytesStart<'_>, line: u64, at: u64) -> Result<(), ParseError> {
        let name = element.name().0;
        if self.open.len() >= DEPTH_MAX {
            return Err(
                self.malformed(at, &format!("there are more than {DEPTH_MAX} elements inside of each other"))
            );
        }
        if self.open.is_empty() && std::mem::replace(&mut self.has_root, true) {
            return Err(self.malformed(at, "there is a second element outside of the document's element"));
        }
        self.open.push(name.to_owned());
        if self.record.is_none() && self.is_record() {
            self.record = Some(Record {
                place: Place { line, byte: Some(at) },
                depth: self.open.len() - 1,
                cells: vec![Stored::Missing; self.count],
                raw: String::new(),
                start: at,
            });
        }
        self.raw(&["<", element, ">"]);
        let path = self.path();
        if let Some(path) = &path
            && !path.is_empty()
        {
            self.begin(path);
        }
        self.attributes(element, path.as_deref(), at)
    }

    /// Whether the innermost open element is a record.
    fn is_record(&self) -> bool {
        let fits = !self.records.is_empty()
            && self.open.len() >= self.records.len()
            && (!self.is_rooted || self.open.len() == self.records.len());
        fits && self.open.iter().rev().zip(self.records.iter().rev()).all(|(open, wanted)| open == wanted)
    }

    /// The path of the innermost open element below the record.
    fn path(&self) -> Option<String> {
        let record = self.record.as_ref()?;
        Some(self.open.get(record.depth + 1..).unwrap_or_default().join("/"))
    }

    /// A wanted element begins.
    fn begin(&mut self, path: &str) {
        let Some(record) = &mut self.record else { return };
        for column in self.wanted.get(path).into_iter().flatten() {
            if let Some(cell) = record.cells.get_mut(*column) {
                *cell = match cell {
                    Stored::Missing => Stored::Text(String::new()),
                    _ => Stored::Ambiguous,
                };
            }
        }
        // A wanted element that has elements inside is more than one value.
        if let Some((above, _)) = path.rsplit_once('/') {
            for column in self.wanted.get(above).into_iter().flatten() {
                if let Some(cell) = record.cells.get_mut(*column) {
                    *cell = Stored::Structure;
                }
            }
        }
    }

    /// All attributes are looked at, wanted or not: only so is malformed XML found.
    fn attributes(
        &mut self,
        element: &BytesStart<'_>,
        path: Option<&str>,
        at: u64,
    ) -> Result<(), ParseError> {
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| self.malformed(at, &error.to_string()))?;
            let stored = match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) => Stored::Text(value.into_owned()),
                Err(Error::Escape(EscapeError::UnrecognizedEntity(_, name))) => Stored::Entity(name),
                Err(error) => {
                    let problem = format!("attribute `{}`: {error}", attribute.key.0);
                    return Err(self.malformed(at, &problem));
                }
            };
            let (Some(path), Some(record)) = (path, &mut self.record) else { continue };
            let path = match path {
                "" => format!("@{}", attribute.key.0),
                path => format!("{path}/@{}", attribute.key.0),
            };
            for column in self.wanted.get(&path).into_iter().flatten() {
                if let Some(cell) = record.cells.get_mut(*column) {
                    *cell = match cell {
                        Stored::Missing => stored.clone(),
                        _ => Stored::Ambiguous,
                    };
                }
            }
        }
        Ok(())
    }

    /// Adds to the value of the innermost open element.
    fn add(&mut self, add: impl Fn(&mut Stored)) {
        let Some(path) = self.path() else { return };
        let path = if path.is_empty() { "." } else { &path };
        let (Some(columns), Some(record)) = (self.wanted.get(path), &mut self.record) else { return };
        for column in columns {
            if let Some(cell) = record.cells.get_mut(*column) {
                if *cell == Stored::Missing {
                    *cell = Stored::Text(String::new());
                }
                add(cell);
            }
        }
    }

    fn text(&mut self, text: &str, at: u64) -> Result<(), ParseError> {
        if let Some(record) = &self.record
            && at.saturating_sub(record.start) > RECORD_BYTES_MAX as u64
        {
            let problem =
                format!("line {}: a record is longer than {RECORD_BYTES_MAX} bytes", record.place.line);
            return Err(self.source.unreadable(Fault::TooLarge(problem).into_io()));
        }
        self.add(|cell| {
            if let Stored::Text(value) = cell {
                value.push_str(text);
            }
        });
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>, at: u64) -> Result<(), ParseError> {
        let character =
            reference.resolve_char_ref().map_err(|error| self.malformed(at, &error.to_string()))?;
        if let Some(character) = character {
            return self.text(character.encode_utf8(&mut [0; 4]), at);
        }
        if let Some(text) = quick_xml::escape::resolve_predefined_entity(reference) {
            return self.text(text, at);
        }
        self.add(|cell| *cell = Stored::Entity(reference.to_string()));
        Ok(())
    }

    /// The innermost open element ends; with a record's, the record is complete.
    fn close(&mut self, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        self.open.pop();
        if self.record.as_ref().is_some_and(|record| record.depth == self.open.len())
            && let Some(record) = self.record.take()
        {
            let cell = |column: usize| record.cells.get(column).map_or(Cell::Missing, Stored::as_cell);
            return sink.row(record.place, &cell, || record.raw.clone());
        }
        Ok(())
    }

    fn end(&self, at: u64) -> Result<(), ParseError> {
        match self.open.last() {
            Some(name) => Err(self
                .source
                .truncated(&format!("line {}, byte {at}: <{name}> is never closed", self.line))),
            None if !self.has_root => Err(ParseError::Empty {
                detail: format!("{}: there is no element; have the file sent again, complete", self.source),
            }),
            None => Ok(()),
        }
    }

    fn malformed(&self, at: u64, problem: &str) -> ParseError {
        self.source.damaged(&format!("line {}, byte {at}: not well-formed XML: {problem}", self.line))
    }

    fn failed(&self, error: Error, at: u64) -> ParseError {
        match error {
            Error::Io(error) => {
                let text = error.to_string();
                let error = std::sync::Arc::try_unwrap(error);
                self.source.unreadable(error.unwrap_or_else(|_| io::Error::other(text)))
            }
            other => self.malformed(at, &other.to_string()),
        }
    }
}

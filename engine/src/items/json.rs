//! JSON arrays and objects, and JSON Lines, one item at a time.
//!
//! The text is only scanned for where values end; `serde_json` reads the
//! items themselves. So a file of any size costs the memory of one item, and
//! what is left out by a pointer costs none.

use std::io::{self, BufRead};
use std::sync::Arc;

use asl::limits::ITEM_BYTES_MAX;
use serde_json::Value;

use super::ReadError;

/// The elements of an array, or the fields of an object.
pub(super) struct JsonItems<R> {
    scanner: Scanner<R>,
    source: Arc<str>,
    pointer: Vec<String>,
    /// The items are a part of the file, which a pointer names.
    is_part: bool,
    place: Place,
    count: u64,
}

/// Where the reader is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Nothing was read yet.
    Start,
    /// In an array (or else in an object), before its first element.
    First {
        is_array: bool,
    },
    /// After an element.
    Between {
        is_array: bool,
    },
    End,
}

/// What is wrong with a text.
enum Problem {
    Io(io::Error),
    Text(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn wrong<T>(problem: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Text(problem.into()))
}

type Entry = (Option<String>, Value);

impl<R: BufRead> JsonItems<R> {
    pub(super) fn new(reader: R, pointer: Option<&str>, source: &Arc<str>) -> Self {
        let tokens = pointer.unwrap_or_default().split('/').skip(1);
        let pointer: Vec<_> = tokens.map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
        let (scanner, is_part) = (Scanner { reader }, !pointer.is_empty());
        Self { scanner, source: Arc::clone(source), pointer, is_part, place: Place::Start, count: 0 }
    }

    fn read(&mut self) -> Result<Option<Entry>, Problem> {
        if self.place == Place::Start {
            self.scanner.skip_byte_order_mark()?;
            for token in std::mem::take(&mut self.pointer) {
                self.scanner.descend(&token)?;
            }
            let is_array = match self.scanner.token()? {
                Some(b'[') => true,
                Some(b'{') => false,
                Some(_) => {
                    return wrong(
                        "it holds neither a JSON array nor a JSON object where the items should be.",
                    );
                }
                None => return wrong("it is empty where the items should be."),
            };
            self.place = Place::First { is_array };
        }
        let (is_array, is_first) = match self.place {
            Place::First { is_array } => (is_array, true),
            Place::Between { is_array } => (is_array, false),
            Place::Start | Place::End => return Ok(None),
        };
        if !self.scanner.another(if is_array { b']' } else { b'}' }, is_first)? {
            self.place = Place::End;
            // What a pointer leaves out is not looked at; of a whole file nothing may be lost.
            if !self.is_part && self.scanner.token()?.is_some() {
                return wrong(
                    "it goes on behind the array or object with the items: for one value on each line use the InputType JSONL.",
                );
            }
            return Ok(None);
        }
        let key = if is_array { None } else { Some(self.scanner.key()?) };
        let mut text = Vec::new();
        self.scanner.value(Some(&mut text))?;
        self.count += 1;
        self.place = Place::Between { is_array };
        match serde_json::from_slice(&text) {
            Ok(value) => Ok(Some((key, value))),
            Err(error) => wrong(format!("item {} is not JSON: {error}.", self.count - 1)),
        }
    }
}

impl<R: BufRead> Iterator for JsonItems<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.read().map_err(|problem| read_error(problem, &self.source));
        if item.is_err() {
            self.place = Place::End;
        }
        item.transpose()
    }
}

fn read_error(problem: Problem, source: &Arc<str>) -> ReadError {
    match problem {
        Problem::Io(error) => ReadError::Io { source_uri: Arc::clone(source), error },
        Problem::Text(problem) => ReadError::malformed(source, problem),
    }
}

/// Finds where values begin and end.
struct Scanner<R> {
    reader: R,
}

impl<R: BufRead> Scanner<R> {
    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        if self.reader.fill_buf()?.starts_with(b"\xEF\xBB\xBF") {
            self.reader.consume(3);
        }
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn next(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.reader.consume(1);
        }
        Ok(byte)
    }

    fn skip_blanks(&mut self) -> io::Result<()> {
        while matches!(self.peek()?, Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.reader.consume(1);
        }
        Ok(())
    }

    /// The next byte that is not blank.
    fn token(&mut self) -> io::Result<Option<u8>> {
        self.skip_blanks()?;
        self.next()
    }

    /// Steps over the comma between elements; `false` = the container ends here.
    fn another(&mut self, end: u8, is_first: bool) -> Result<bool, Problem> {
        self.skip_blanks()?;
        match self.peek()? {
            Some(byte) if byte == end => {
                self.reader.consume(1);
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.reader.consume(1);
                self.skip_blanks()?;
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            Some(_) => wrong("a comma is missing between two values."),
            None => wrong("it ends in the middle of an array or object."),
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<String, Problem> {
        self.skip_blanks()?;
        if self.peek()? != Some(b'"') {
            return wrong("a field's name is missing.");
        }
        let mut text = Vec::new();
        self.value(Some(&mut text))?;
        let Ok(key) = serde_json::from_slice(&text) else {
            return wrong("a field's name is not a JSON string.");
        };
        match self.token()? {
            Some(b':') => Ok(key),
            _ => wrong("a colon is missing after a field's name."),
        }
    }

    /// Goes into the container that follows, to the value a token of a pointer names.
    fn descend(&mut self, token: &str) -> Result<(), Problem> {
        let is_array = match self.token()? {
            Some(b'[') => true,
            Some(b'{') => false,
            _ => return wrong(format!("ItemsPointer finds no array or object that could hold '{token}'.")),
        };
        let (end, mut index) = if is_array { (b']', 0_u64) } else { (b'}', 0) };
        while self.another(end, index == 0)? {
            let found = if is_array { token == index.to_string() } else { self.key()? == token };
            if found {
                return Ok(());
            }
            self.value(None)?;
            index += 1;
        }
        wrong(format!("ItemsPointer finds no '{token}'."))
    }

    /// Steps over a value, and copies its text. Counts brackets and does not
    /// look at what is between them: nothing nests too deeply for it.
    fn value(&mut self, mut copy: Option<&mut Vec<u8>>) -> Result<(), Problem> {
        self.skip_blanks()?;
        let (mut depth, mut quoted, mut escaped) = (0_u64, false, false);
        loop {
            let Some(byte) = self.peek()? else {
                return if depth == 0 && !quoted {
                    Ok(())
                } else {
                    wrong("it ends in the middle of a value.")
                };
            };
            if depth == 0 && !quoted && matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(());
            }
            self.reader.consume(1);
            if let Some(copy) = copy.as_deref_mut() {
                if copy.len() >= ITEM_BYTES_MAX {
                    return wrong(format!("an item is longer than {ITEM_BYTES_MAX} bytes."));
                }
                copy.push(byte);
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => {
                    quoted = !quoted;
                    if !quoted && depth == 0 {
                        return Ok(());
                    }
                }
                b'[' | b'{' if !quoted => depth += 1,
                b']' | b'}' if !quoted => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }
}

/// A JSON value on each line; lines of blanks are no items.
pub(super) struct JsonLines<R> {
    scanner: Scanner<R>,
    source: Arc<str>,
    line: u64,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) fn new(reader: R, source: &Arc<str>) -> Self {
        Self { scanner: Scanner { reader }, source: Arc::clone(source), line: 0 }
    }

    fn read(&mut self) -> Result<Option<Entry>, Problem> {
        if self.line == 0 {
            self.scanner.skip_byte_order_mark()?;
        }
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = ITEM_BYTES_MAX as u64 + 1;
            let bytes = io::Read::take(&mut self.scanner.reader, limit).read_until(b'\n', &mut line)?;
            if bytes == 0 {
                return Ok(None);
            }
            self.line += 1;
            if bytes > ITEM_BYTES_MAX {
                return wrong(format!("line {} is longer than {ITEM_BYTES_MAX} bytes.", self.line));
            }
            if !line.trim_ascii().is_empty() {
                break;
            }
        }
        match serde_json::from_slice(&line) {
            Ok(value) => Ok(Some((None, value))),
            Err(error) => wrong(format!("line {} is not JSON: {error}.", self.line)),
        }
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(|problem| read_error(problem, &self.source)).transpose()
    }
}

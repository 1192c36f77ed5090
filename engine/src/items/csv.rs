//! Text-delimited files, as AWS reads them.
//!
//! The rules of the developer guide ("ItemReader"): fields are strings; a
//! field in double quotes may hold delimiters and line ends, a quote in it is
//! written twice; a backslash escapes a backslash, a double quote or the
//! delimiter, and vanishes before anything else; a row that is too short gets
//! empty strings, one that is too long loses its end. Recorded on AWS: a row
//! of blanks is a row; a header may be empty; fields come in the order of a
//! Java `HashMap`. A line without any character is no row. This is not the
//! dialect of the `csv` crate, which knows escapes in quotes only.

use std::io::BufRead;
use std::sync::Arc;

use asl::limits::{CSV_HEADER_BYTES_MAX, ITEM_BYTES_MAX};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::ReadError;

/// The rows of a file, as objects.
pub(super) struct CsvItems<R> {
    records: Records<R>,
    columns: Option<Vec<Column>>,
}

/// A field of every item.
struct Column {
    name: String,
    position: usize,
}

impl<R: BufRead> CsvItems<R> {
    pub(super) fn new(reader: R, delimiter: u8, headers: Option<&[String]>, source: &Arc<str>) -> Self {
        let records = Records { reader, delimiter, source: Arc::clone(source), row: 0, fields: Vec::new() };
        Self { records, columns: headers.map(columns) }
    }

    fn read(&mut self) -> Result<Option<Value>, ReadError> {
        if self.columns.is_none() {
            if !self.records.read()? {
                return Ok(None);
            }
            let headers = &self.records.fields;
            // With the delimiters between them, so that empty ones count, too.
            if headers.iter().map(|header| header.len() + 1).sum::<usize>() > CSV_HEADER_BYTES_MAX + 1 {
                let problem = format!("its headers have more than {CSV_HEADER_BYTES_MAX} bytes.");
                return Err(ReadError::malformed(&self.records.source, problem));
            }
            self.columns = Some(columns(headers));
        }
        if !self.records.read()? {
            return Ok(None);
        }
        let fields = &self.records.fields;
        let mut item = Map::new();
        for Column { name, position } in self.columns.iter().flatten() {
            let field = fields.get(*position).cloned().unwrap_or_default();
            item.insert(name.clone(), Value::String(field));
        }
        Ok(Some(Value::Object(item)))
    }
}

impl<R: BufRead> Iterator for CsvItems<R> {
    type Item = Result<(Option<String>, Value), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map(|item| item.map(|item| (None, item))).transpose()
    }
}

/// The columns in the order of a Java `HashMap` of their names: by the lowest
/// bits of the names' hashes, names that share them in their own order. Of two
/// columns of one name the last has the value.
fn columns(headers: &[String]) -> Vec<Column> {
    // A name keeps the place where it came first, and gets the last position.
    let mut positions = IndexMap::new();
    for (position, name) in headers.iter().enumerate() {
        positions.insert(name.as_str(), position);
    }
    // 16 buckets at first, twice as many whenever three quarters are taken.
    let mut buckets = 16_usize;
    while positions.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let mask = u32::try_from(buckets - 1).unwrap_or(u32::MAX);
    let mut columns: Vec<Column> =
        positions.into_iter().map(|(name, position)| Column { name: name.to_owned(), position }).collect();
    columns.sort_by_key(|column| spread_hash(&column.name) & mask);
    columns
}

/// `String.hashCode` as `HashMap` uses it.
fn spread_hash(text: &str) -> u32 {
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash ^ (hash >> 16)
}

/// Splits a file into rows and fields.
struct Records<R> {
    reader: R,
    delimiter: u8,
    source: Arc<str>,
    row: u64,
    fields: Vec<String>,
}

impl<R: BufRead> Records<R> {
    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        let buffer = self
            .reader
            .fill_buf()
            .map_err(|error| ReadError::Io { source_uri: Arc::clone(&self.source), error })?;
        Ok(buffer.first().copied())
    }

    fn next(&mut self) -> Result<Option<u8>, ReadError> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.reader.consume(1);
        }
        Ok(byte)
    }

    /// Reads the next row; `false` = there is none.
    fn read(&mut self) -> Result<bool, ReadError> {
        if self.row == 0 {
            self.skip_byte_order_mark()?;
        }
        while matches!(self.peek()?, Some(b'\n' | b'\r')) {
            self.reader.consume(1);
        }
        if self.peek()?.is_none() {
            return Ok(false);
        }
        self.row += 1;
        self.fields.clear();
        let mut bytes = 0;
        loop {
            let mut field = Vec::new();
            let more = self.read_field(&mut field, ITEM_BYTES_MAX.saturating_sub(bytes))?;
            // An empty field takes memory, too: its delimiter counts.
            bytes += field.len() + 1;
            if bytes > ITEM_BYTES_MAX {
                return Err(self.malformed(&format!("is longer than {ITEM_BYTES_MAX} bytes.")));
            }
            self.fields.push(String::from_utf8_lossy(&field).into_owned());
            if !more {
                return Ok(true);
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> Result<(), ReadError> {
        self.peek()?;
        let buffer = self.reader.fill_buf().unwrap_or_default();
        if buffer.starts_with(b"\xEF\xBB\xBF") {
            self.reader.consume(3);
        }
        Ok(())
    }

    /// Reads one field; `true` = there is another one in the row.
    fn read_field(&mut self, field: &mut Vec<u8>, bytes_max: usize) -> Result<bool, ReadError> {
        let mut quoted = self.peek()? == Some(b'"');
        if quoted {
            self.reader.consume(1);
        }
        loop {
            if field.len() > bytes_max {
                return Err(self.malformed(&format!("is longer than {ITEM_BYTES_MAX} bytes.")));
            }
            match self.next()? {
                None if quoted => return Err(self.malformed("ends inside of double quotes.")),
                Some(b'\\') => match self.peek()? {
                    // A line end is not escaped: the row would swallow the next one.
                    None | Some(b'\n' | b'\r') => {}
                    Some(escaped) => {
                        self.reader.consume(1);
                        field.push(escaped);
                    }
                },
                Some(b'"') if quoted => {
                    if self.peek()? == Some(b'"') {
                        self.reader.consume(1);
                        field.push(b'"');
                    } else {
                        quoted = false;
                    }
                }
                Some(byte) if quoted => field.push(byte),
                Some(byte) if byte == self.delimiter => return Ok(true),
                None | Some(b'\n') => return Ok(false),
                Some(b'\r') => {
                    if self.peek()? == Some(b'\n') {
                        self.reader.consume(1);
                    }
                    return Ok(false);
                }
                Some(byte) => field.push(byte),
            }
        }
    }

    fn malformed(&self, problem: &str) -> ReadError {
        ReadError::malformed(&self.source, format!("row {} {problem}", self.row))
    }
}

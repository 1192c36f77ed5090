//! Rows between steps: typed, canonical, one JSON array a line.
//!
//! ```text
//! {"format":"stepwright-rows/1","feed":"…","columns":[{"name":"id","type":"text"},…],"outcomes":[{"code":"OK","outcome":"accept"},…]}
//! [0,"A-17",3,"12.50","2024-01-31",true,null]
//! ```
//!
//! The first line describes the rows. In a row the first number points into
//! `outcomes`; then come the values: decimals, dates and timestamps as text, so
//! that no reader loses digits. Rejected rows are not here.
//! Both ends stream: one row is in memory.

use std::fmt;
use std::io::{self, BufRead, Write};

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::spec::Outcome;
use crate::value::{Kind, Layout, Value};

#[cfg(test)]
mod tests;

/// What the first line calls this format; changes when old readers would misread it.
pub const ROWS_FORMAT: &str = "stepwright-rows/1";

/// The code of an accepted row that no triage rule decided about.
pub const ACCEPTED_CODE: &str = "OK";

/// Longest line that is read back, in bytes: more than a record of the parser can make.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The first line of a rows object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsHeader {
    /// [`ROWS_FORMAT`].
    pub format: String,
    /// The feed's name.
    pub feed: String,
    /// Names and kinds of the values.
    pub columns: Vec<RowsColumn>,
    /// What the first number of a row means.
    pub outcomes: Vec<RowsOutcome>,
}

/// A value's name and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsColumn {
    /// Name.
    pub name: String,
    /// Kind.
    #[serde(rename = "type")]
    pub kind: Kind,
}

/// A triage result: its code, and whether such rows count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsOutcome {
    /// The rule's code.
    pub code: String,
    /// What became of the row.
    pub outcome: Outcome,
}

impl RowsHeader {
    /// The header for rows of a layout.
    pub fn new(feed: &str, layout: &Layout, outcomes: Vec<RowsOutcome>) -> Self {
        let columns = layout
            .fields()
            .iter()
            .map(|(name, kind)| RowsColumn { name: name.clone(), kind: *kind })
            .collect();
        Self { format: ROWS_FORMAT.to_owned(), feed: feed.to_owned(), columns, outcomes }
    }

    /// The fields of the rows.
    pub fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        for column in &self.columns {
            layout.push(&column.name, column.kind);
        }
        layout
    }
}

/// Writes rows.
#[derive(Debug)]
pub struct RowWriter<W> {
    to: W,
    line: Vec<u8>,
}

impl<W: Write> RowWriter<W> {
    /// Writes the header.
    pub fn new(mut to: W, header: &RowsHeader) -> io::Result<Self> {
        serde_json::to_writer(&mut to, header)?;
        to.write_all(b"\n")?;
        Ok(Self { to, line: Vec::with_capacity(256) })
    }

    /// Writes a row; `outcome` is its index in the header's outcomes.
    pub fn write(&mut self, outcome: usize, values: &[Value]) -> io::Result<()> {
        self.line.clear();
        write!(self.line, "[{outcome}")?;
        for value in values {
            self.line.push(b',');
            match value {
                Value::Null => self.line.extend_from_slice(b"null"),
                Value::Text(text) => serde_json::to_writer(&mut self.line, text)?,
                Value::Integer(number) => write!(self.line, "{number}")?,
                Value::Boolean(truth) => write!(self.line, "{truth}")?,
                // None of these contains a character that JSON escapes.
                Value::Decimal(number) => write!(self.line, "\"{number}\"")?,
                Value::Date(date) => write!(self.line, "\"{date}\"")?,
                Value::Timestamp(time) => write!(self.line, "\"{time}\"")?,
            }
        }
        self.line.extend_from_slice(b"]\n");
        self.to.write_all(&self.line)
    }

    /// Writes a row whose values are a JSON list already, as
    /// [`RowReader::stored_values`] gives it.
    pub fn write_stored(&mut self, outcome: usize, values: &str) -> io::Result<()> {
        let values = values.strip_prefix('[').unwrap_or(values);
        let comma = if values == "]" { "" } else { "," };
        self.line.clear();
        writeln!(self.line, "[{outcome}{comma}{values}")?;
        self.to.write_all(&self.line)
    }

    /// Hands back where the rows went.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// Reads rows.
#[derive(Debug)]
pub struct RowReader<R> {
    from: R,
    header: RowsHeader,
    kinds: Vec<Kind>,
    line: Vec<u8>,
    row: u64,
}

/// Why stored rows cannot be read. They were written by a step: this is damage,
/// or another version of the software.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// Reading failed.
    #[error("the stored rows cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first line is not a header of this format.
    #[error("the stored rows do not start with a `{ROWS_FORMAT}` header: {0}; run the parse step again")]
    Header(String),
    /// A row does not fit the header.
    #[error("stored row {row} does not fit its header: {problem}; run the parse step again")]
    Row {
        /// The row, counted from 1.
        row: u64,
        /// What does not fit.
        problem: String,
    },
}

impl<R: BufRead> RowReader<R> {
    /// Reads the header.
    pub fn new(mut from: R) -> Result<Self, RowsError> {
        let mut line = Vec::new();
        read_line(&mut from, &mut line)?;
        let header: RowsHeader =
            serde_json::from_slice(&line).map_err(|error| RowsError::Header(error.to_string()))?;
        if header.format != ROWS_FORMAT {
            return Err(RowsError::Header(format!("its format is `{}`", header.format)));
        }
        let kinds = header.columns.iter().map(|column| column.kind).collect();
        Ok(Self { from, header, kinds, line, row: 0 })
    }

    /// The header.
    pub fn header(&self) -> &RowsHeader {
        &self.header
    }

    /// Reads the next row into `values` and returns the index of its outcome;
    /// none at the end.
    pub fn read(&mut self, values: &mut Vec<Value>) -> Result<Option<usize>, RowsError> {
        self.read_wanted(values, |_| true)
    }

    /// As [`RowReader::read`], of the rows whose outcome is wanted. The values of
    /// others are passed over unread.
    pub fn read_wanted(
        &mut self,
        values: &mut Vec<Value>,
        wanted: impl Fn(Outcome) -> bool,
    ) -> Result<Option<usize>, RowsError> {
        values.clear();
        loop {
            if !read_line(&mut self.from, &mut self.line)? {
                return Ok(None);
            }
            self.row += 1;
            // What does not begin as it should is read, and is an error then.
            let outcome = outcome_of(&self.line).and_then(|index| self.header.outcomes.get(index));
            if outcome.is_none_or(|outcome| wanted(outcome.outcome)) {
                break;
            }
        }
        let row = self.row;
        let refuse = |problem: String| RowsError::Row { row, problem };
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        let seed = RowSeed { kinds: &self.kinds, values };
        let outcome = seed.deserialize(&mut json).map_err(|error| refuse(error.to_string()))?;
        json.end().map_err(|error| refuse(error.to_string()))?;
        if outcome >= self.header.outcomes.len() {
            return Err(refuse(format!("its outcome {outcome} is not in the header")));
        }
        Ok(Some(outcome))
    }

    /// The values of the row that was read last, as a JSON list without the outcome.
    pub fn stored_values(&self) -> String {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        // The outcome is a number, so the first comma ends it; a row of no values has none.
        let values = memchr::memchr(b',', line).and_then(|comma| line.get(comma + 1..));
        let mut stored = String::with_capacity(line.len() + 1);
        stored.push('[');
        stored.push_str(&String::from_utf8_lossy(values.unwrap_or(b"]")));
        stored
    }

    /// What became of rows with this outcome index.
    pub fn outcome(&self, index: usize) -> Option<&RowsOutcome> {
        self.header.outcomes.get(index)
    }
}

/// The number that a row begins with: `[12,` is 12.
fn outcome_of(line: &[u8]) -> Option<usize> {
    let end = line.iter().position(|byte| matches!(byte, b',' | b']'))?;
    std::str::from_utf8(line.get(1..end)?).ok()?.parse().ok()
}

/// A line without end would be read into memory: damage must not do that.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, RowsError> {
    line.clear();
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = memchr::memchr(b'\n', buffer);
        let taken = end.map_or(buffer.len(), |end| end + 1);
        line.extend_from_slice(buffer.get(..taken).unwrap_or_default());
        from.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
        if line.len() > LINE_BYTES_MAX {
            let problem = format!("a line is longer than {LINE_BYTES_MAX} bytes");
            return Err(RowsError::Io(io::Error::new(io::ErrorKind::InvalidData, problem)));
        }
    }
}

struct RowSeed<'r> {
    kinds: &'r [Kind],
    values: &'r mut Vec<Value>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of an outcome and {} values", self.kinds.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let outcome = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        for (index, kind) in self.kinds.iter().enumerate() {
            let value = seq.next_element_seed(ValueSeed(*kind))?;
            self.values.push(value.ok_or_else(|| de::Error::invalid_length(index + 1, &self))?);
        }
        if seq.next_element::<de::IgnoredAny>()?.is_some() {
            return Err(de::Error::invalid_length(self.kinds.len() + 2, &self));
        }
        Ok(outcome)
    }
}

#[derive(Clone, Copy)]
struct ValueSeed(Kind);

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of kind {} or null", self.0)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        match self.0 {
            Kind::Boolean => Ok(Value::Boolean(truth)),
            _ => Err(E::invalid_type(de::Unexpected::Bool(truth), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        match self.0 {
            Kind::Integer => Ok(Value::Integer(number)),
            _ => Err(E::invalid_type(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        let unexpected = de::Unexpected::Unsigned(number);
        let number = i64::try_from(number).map_err(|_| E::invalid_value(unexpected, &self))?;
        self.visit_i64(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        let refuse = || E::invalid_value(de::Unexpected::Str(text), &self);
        match self.0 {
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Decimal => text.parse().map(Value::Decimal).map_err(|_| refuse()),
            Kind::Date => text.parse().map(Value::Date).map_err(|_| refuse()),
            Kind::Timestamp => text.parse().map(Value::Timestamp).map_err(|_| refuse()),
            Kind::Integer | Kind::Boolean => Err(refuse()),
        }
    }
}

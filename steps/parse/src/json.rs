//! JSON and JSON Lines: values are taken as they are written, so that no number
//! loses a digit.
//!
//! What is wrong with one line of JSON Lines is wrong with that row. What is
//! wrong with a document is wrong with the file: nothing behind it can be trusted.

use std::borrow::Cow;
use std::cell::Cell as Counter;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, Read};

use feed::FeedSpec;
use feed::rejects::RejectCode;
use feed::spec::Column;
use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::cell::Cell;
use crate::container::BUFFER_BYTES;
use crate::error::{Fault, ParseError, SourceFile};
use crate::lines::Lines;
use crate::records::RECORD_BYTES_MAX;
use crate::sink::{Place, Sink};
use crate::text::TextReader;

/// Reads all lines of a text, each an object, into the sink.
pub(crate) fn read_lines(
    from: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut lines = Lines::of(from, source, spec)?;
    let fields = Fields::of(&spec.columns);
    sink.begin_file(source);
    while let Some(line) = lines.next().map_err(|error| source.unreadable(error))? {
        if line.text.trim().is_empty() {
            continue;
        }
        let place = Place { line: line.number, byte: Some(line.byte) };
        record(line.text, place, &fields, sink)?;
    }
    Ok(())
}

/// Reads the records of a document into the sink.
pub(crate) fn read_document(
    from: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let text = TextReader::new(from, spec.source.encoding).map_err(|error| source.unreadable(error))?;
    let place = Tally::default();
    let counted = Counted { from: BufReader::with_capacity(BUFFER_BYTES, text), tally: &place };
    let fields = Fields::of(&spec.columns);
    let path = tokens(spec.source.records.as_deref().unwrap_or_default());
    sink.begin_file(source);
    let mut failed = None;
    let mut found = false;
    let mut json = serde_json::Deserializer::from_reader(counted);
    let seed =
        Descend { path: &path, tally: &place, fields: &fields, sink, failed: &mut failed, found: &mut found };
    let outcome = seed.deserialize(&mut json).and_then(|()| json.end());
    if let Some(error) = failed {
        return Err(error);
    }
    if let Err(error) = outcome {
        let line = place.line.get() + 1;
        let byte = place.bytes.get().saturating_sub(1);
        return Err(document_error(source, error, line, byte));
    }
    if !found {
        let path = spec.source.records.as_deref().unwrap_or_default();
        return Err(ParseError::MissingColumn {
            detail: format!(
                "{source}: the document has nothing at {path:?}; correct `source.records` in the spec"
            ),
        });
    }
    Ok(())
}

fn document_error(source: &SourceFile, error: serde_json::Error, line: u64, byte: u64) -> ParseError {
    if error.is_io() {
        return source.unreadable(error.into());
    }
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default();
    let detail = format!("line {line}, byte {byte}: {problem}");
    if error.is_eof() { source.truncated(&detail) } else { source.damaged(&detail) }
}

/// Where a document's reader is.
#[derive(Debug, Default)]
struct Tally {
    bytes: Counter<u64>,
    /// Line ends read.
    line: Counter<u64>,
    /// Byte where the record that is being read began; none between records.
    record: Counter<Option<u64>>,
}

/// Counts, and stops at a record without end.
struct Counted<'t, R> {
    from: R,
    tally: &'t Tally,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        let bytes = self.tally.bytes.get() + count as u64;
        self.tally.bytes.set(bytes);
        self.tally.line.set(self.tally.line.get() + memchr::memchr_iter(b'\n', read).count() as u64);
        match self.tally.record.get() {
            Some(start) if bytes - start > RECORD_BYTES_MAX as u64 => {
                let problem = format!("byte {start}: a record is longer than {RECORD_BYTES_MAX} bytes");
                Err(Fault::TooLarge(problem).into_io())
            }
            _ => Ok(count),
        }
    }
}

/// Goes down to the records; what is beside the way is skipped as it is read.
struct Descend<'d, 's> {
    path: &'d [String],
    tally: &'d Tally,
    fields: &'d Fields,
    sink: &'d mut Sink<'s>,
    /// Why the sink did not take a record.
    failed: &'d mut Option<ParseError>,
    found: &'d mut bool,
}

impl<'de> DeserializeSeed<'de> for Descend<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = true;
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descend<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.first() {
            None => f.write_str("a list of records where `source.records` points"),
            Some(name) => write!(f, "an object with {name:?} on the way that `source.records` points"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if let Some(wanted) = self.path.first() {
            return Err(A::Error::custom(format!(
                "`source.records` looks for {wanted:?} in a list; it can point to one list only"
            )));
        }
        let Self { tally, fields, sink, failed, .. } = self;
        loop {
            tally.record.set(Some(tally.bytes.get()));
            // The first character of an item is read when its turn comes.
            let item: Option<Item> = list.next_element_seed(ItemSeed(tally))?;
            tally.record.set(None);
            let Some(item) = item else { return Ok(()) };
            if let Err(error) = record(item.raw.get(), item.place, fields, sink) {
                *failed = Some(error);
                return Err(A::Error::custom("a record was not taken"));
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((wanted, rest)) = self.path.split_first() else {
            return Err(A::Error::custom("an object stands where a list of records is expected"));
        };
        let Self { tally, fields, sink, failed, found, .. } = self;
        let mut is_there = false;
        loop {
            tally.record.set(Some(tally.bytes.get()));
            let key = map.next_key::<String>()?;
            tally.record.set(None);
            let Some(key) = key else { return Ok(()) };
            if key != *wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if is_there {
                return Err(A::Error::custom(format!("{key:?} is there twice")));
            }
            is_there = true;
            let seed = Descend {
                path: rest,
                tally,
                fields,
                sink: &mut *sink,
                failed: &mut *failed,
                found: &mut *found,
            };
            map.next_value_seed(seed)?;
        }
    }
}

/// An item of the list of records.
struct Item {
    raw: Box<RawValue>,
    place: Place,
}

struct ItemSeed<'t>(&'t Tally);

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = Item;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        // The first character of the item has been looked at.
        let byte = self.0.bytes.get().saturating_sub(1);
        let place = Place { line: self.0.line.get() + 1, byte: Some(byte) };
        self.0.record.set(Some(byte));
        let raw = serde::Deserialize::deserialize(deserializer)?;
        Ok(Item { raw, place })
    }
}

/// Takes a record apart and hands it over.
fn record(raw: &str, place: Place, fields: &Fields, sink: &mut Sink<'_>) -> Result<(), ParseError> {
    let mut found: Vec<Cell<'_>> = vec![Cell::Missing; fields.count];
    let taken = if raw.trim_start().starts_with('{') {
        fields.root.fill(raw, &mut found).map_err(|error| {
            let text = error.to_string();
            text.split(" at line ").next().unwrap_or_default().to_owned()
        })
    } else {
        Err("not a JSON object".to_owned())
    };
    if let Err(problem) = taken {
        return sink.reject(place, None, RejectCode::NotObject.name(), problem, raw);
    }
    let cell = |column: usize| found.get(column).copied().unwrap_or(Cell::Missing);
    sink.row(place, &cell, || raw.to_owned())
}

/// The fields that are wanted of a record.
struct Fields {
    root: Branch,
    count: usize,
}

/// What is wanted at a place of a record and below it.
#[derive(Debug, Default)]
struct Branch {
    columns: Vec<usize>,
    below: BTreeMap<String, Branch>,
}

impl Fields {
    fn of(columns: &[Column]) -> Self {
        let mut root = Branch::default();
        for (index, column) in columns.iter().enumerate().filter(|(_, column)| column.from.is_none()) {
            let path = match &column.path {
                Some(path) => tokens(path),
                None => vec![column.name.clone()],
            };
            let mut branch = &mut root;
            for token in path {
                branch = branch.below.entry(token).or_default();
            }
            branch.columns.push(index);
        }
        Self { root, count: columns.len() }
    }
}

impl Branch {
    /// Finds what is wanted in a value.
    fn fill<'r>(&self, raw: &'r str, found: &mut [Cell<'r>]) -> serde_json::Result<()> {
        self.set(Cell::Json(raw), found);
        let start = raw.trim_start().as_bytes().first();
        let mut json = serde_json::Deserializer::from_str(raw);
        if self.below.is_empty() || !matches!(start, Some(b'{' | b'[')) {
            // Also what is not wanted has to be JSON. It is not decoded: a number too
            // large for a float is one all the same.
            <IgnoredAny as serde::Deserialize>::deserialize(&mut json)?;
        } else {
            json.deserialize_any(BranchVisitor { branch: self, found })?;
        }
        json.end()
    }

    fn set<'r>(&self, cell: Cell<'r>, found: &mut [Cell<'r>]) {
        for column in &self.columns {
            if let Some(place) = found.get_mut(*column) {
                *place = cell;
            }
        }
    }

    /// Marks everything here and below.
    fn set_all<'r>(&self, cell: Cell<'r>, found: &mut [Cell<'r>]) {
        self.set(cell, found);
        for branch in self.below.values() {
            branch.set_all(cell, found);
        }
    }
}

struct BranchVisitor<'b, 'f, 'r> {
    branch: &'b Branch,
    found: &'f mut [Cell<'r>],
}

impl<'r> Visitor<'r> for BranchVisitor<'_, '_, 'r> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'r>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: Vec<&str> = Vec::new();
        while let Some(Key(key)) = map.next_key::<Key<'r>>()? {
            let Some((name, branch)) = self.branch.below.get_key_value(key.as_ref()) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let raw: &'r RawValue = map.next_value()?;
            if seen.contains(&name.as_str()) {
                branch.set_all(Cell::Ambiguous, self.found);
                continue;
            }
            seen.push(name);
            branch.fill(raw.get(), self.found).map_err(A::Error::custom)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'r>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while let Some(raw) = list.next_element::<&'r RawValue>()? {
            if let Some(branch) = self.branch.below.get(&index.to_string()) {
                branch.fill(raw.get(), self.found).map_err(A::Error::custom)?;
            }
            index += 1;
        }
        Ok(())
    }
}

/// A name, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

/// The tokens of a JSON pointer (RFC 6901).
fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// The canonical text of a JSON value: keys in the order of their code points,
/// no blanks, nothing escaped that need not be, numbers as they are written.
pub(crate) fn canonical(raw: &str) -> serde_json::Result<String> {
    let mut text = String::with_capacity(raw.len());
    write_canonical(raw, &mut text)?;
    Ok(text)
}

/// As deep as `serde_json` lets a value be: 128 levels.
fn write_canonical(raw: &str, text: &mut String) -> serde_json::Result<()> {
    let raw = raw.trim();
    match raw.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(raw)?;
            text.push('{');
            for (index, (name, value)) in members.0.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&serde_json::to_string(name)?);
                text.push(':');
                write_canonical(value.get(), text)?;
            }
            text.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw)?;
            text.push('[');
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item.get(), text)?;
            }
            text.push(']');
        }
        Some(b'"') => {
            let value: Cow<'_, str> = serde_json::from_str::<String>(raw)?.into();
            text.push_str(&serde_json::to_string(&value)?);
        }
        _ => text.push_str(raw),
    }
    Ok(())
}

/// An object's members by name; a name twice is an error, because readers
/// differ in which they take.
struct Members<'m>(BTreeMap<String, &'m RawValue>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format!("{name:?} is there twice")));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

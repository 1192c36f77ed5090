//! Separated text: header, then row by row into the sink.

use std::io::{Cursor, Read};

use feed::FeedSpec;
use feed::rejects::RejectCode;
use feed::spec::{Delimiter, Ragged};

use crate::cell::{Cell, Stored};
use crate::columns::Columns;
use crate::cross::{CrossRow, CrossTable};
use crate::delimiter::{CANDIDATES, SAMPLE_BYTES, columns_found, sniff};
use crate::error::{ParseError, SourceFile};
use crate::fixed;
use crate::records::{Dialect, Record, Records};
use crate::sink::{Place, Sink};
use crate::text::TextReader;

/// Reads all rows of a text into the sink.
pub(crate) fn read(
    from: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    if spec.source.delimiter == Delimiter::Blanks {
        return fixed::read_blanks(from, source, spec, sink);
    }
    let mut text = TextReader::new(from, spec.source.encoding).map_err(|error| source.unreadable(error))?;
    let sample = sample(&mut text).map_err(|error| source.unreadable(error))?;
    let quote = spec.source.quote.bytes().next();
    let delimiter = spec.source.delimiter.byte().unwrap_or_else(|| sniff(&sample, quote, spec));
    let dialect = Dialect { delimiter, quote };
    let mut records = Records::new(Cursor::new(&sample).chain(text), dialect);
    if let Some(cross) = &spec.source.cross {
        return read_cross(&mut records, CrossTable::new(source, spec, cross), source, spec, sink);
    }
    let columns = header(&mut records, &sample, dialect, source, spec)?;
    sink.begin_file(source);
    let rows = Rows { spec, dialect, columns };
    while let Some(record) = records.next().map_err(|error| source.unreadable(error))? {
        rows.row(record, sink)?;
    }
    Ok(())
}

/// Reads the rows of a cross table. What is not closed, or lies below the
/// header, is as in other tables.
fn read_cross(
    records: &mut Records<impl Read>,
    mut table: CrossTable<'_>,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    records.skip_lines(spec.source.skip_rows).map_err(|error| source.unreadable(error))?;
    sink.begin_file(source);
    while let Some(record) = records.next().map_err(|error| source.unreadable(error))? {
        let place = Place { line: record.line, byte: Some(record.byte) };
        if record.is_unclosed {
            let reason = "a quote is opened and never closed; the file may be cut off here".to_owned();
            sink.reject(place, None, RejectCode::UnclosedQuote.name(), reason, record.raw())?;
            continue;
        }
        let used = record.iter().enumerate().filter(|(_, field)| !field.trim().is_empty());
        let cells: Vec<_> = used.map(|(at, field)| (at, Stored::Text(field.to_owned()))).collect();
        if !cells.is_empty() {
            table.take(CrossRow { place, cells }, sink)?;
        }
    }
    table.finish(sink)
}

fn sample(text: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut sample = vec![0; SAMPLE_BYTES];
    let mut length = 0;
    // The decoder needs room for a whole character.
    while length + 4 <= SAMPLE_BYTES {
        let count = text.read(sample.get_mut(length..).unwrap_or_default())?;
        if count == 0 {
            break;
        }
        length += count;
    }
    sample.truncate(length);
    Ok(sample)
}

/// Reads the header and what stands around it.
fn header(
    records: &mut Records<impl Read>,
    sample: &[u8],
    dialect: Dialect,
    source: &SourceFile,
    spec: &FeedSpec,
) -> Result<Columns, ParseError> {
    records.skip_lines(spec.source.skip_rows).map_err(|error| source.unreadable(error))?;
    if !spec.source.header {
        return Ok(Columns::by_position(spec));
    }
    let Some(record) = records.next().map_err(|error| source.unreadable(error))? else {
        return Err(ParseError::Empty {
            detail: format!("{source}: the file has no header; have it sent again, complete"),
        });
    };
    let line = record.line;
    let names: Vec<&str> = record.iter().collect();
    let columns = Columns::by_name(&names, line, source, spec)
        .map_err(|missing| wrong_delimiter(sample, dialect, &names, line, source, spec).unwrap_or(missing))?;
    for _ in 0..spec.source.skip_after_header {
        records.next().map_err(|error| source.unreadable(error))?;
    }
    Ok(columns)
}

/// Columns that are missing may only be glued together.
fn wrong_delimiter(
    sample: &[u8],
    dialect: Dialect,
    names: &[&str],
    line: u64,
    source: &SourceFile,
    spec: &FeedSpec,
) -> Option<ParseError> {
    let found = columns_found(sample, dialect, spec);
    let (better, delimiter) = CANDIDATES
        .into_iter()
        .filter(|delimiter| *delimiter != dialect.delimiter && dialect.quote != Some(*delimiter))
        .map(|delimiter| (columns_found(sample, Dialect { delimiter, ..dialect }, spec), delimiter))
        .max_by_key(|(columns, _)| *columns)?;
    if better <= found {
        return None;
    }
    let shown = |delimiter: u8| char::from(delimiter).escape_debug().to_string();
    Some(ParseError::WrongDelimiter {
        detail: format!(
            "{source}, line {line}: split at \"{}\" the header has {} field(s), starting with {:?}, and {found} of the \
             {} columns; split at \"{}\" it has {better}. Set `source.delimiter = \"{}\"` in the spec, or leave it out",
            shown(dialect.delimiter),
            names.len(),
            names.first().map(|name| name.chars().take(60).collect::<String>()).unwrap_or_default(),
            spec.columns.len(),
            shown(delimiter),
            shown(delimiter),
        ),
    })
}

/// How rows of one text become rows of the feed.
struct Rows<'r> {
    spec: &'r FeedSpec,
    dialect: Dialect,
    columns: Columns,
}

impl Rows<'_> {
    fn row(&self, record: Record<'_>, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        if self.spec.source.unwrap_quoted_lines
            && record.len() == 1
            && self.columns.width.unwrap_or(self.columns.needed()) > 1
            && let Some(line) = record.get(0)
        {
            let mut inner = Records::new(line.as_bytes(), self.dialect);
            if let Ok(Some(unwrapped)) = inner.next() {
                return self.plain_row(unwrapped.placed_like(&record), record.raw(), sink);
            }
        }
        self.plain_row(record, record.raw(), sink)
    }

    fn plain_row(&self, record: Record<'_>, raw: &str, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        let place = Place { line: record.line, byte: Some(record.byte) };
        let found = record.len();
        if record.is_unclosed {
            let reason = "a quote is opened and never closed; the file may be cut off here".to_owned();
            return sink.reject(place, None, RejectCode::UnclosedQuote.name(), reason, raw);
        }
        if self.spec.source.ragged == Ragged::Reject {
            let (least, most) = match self.columns.width {
                Some(width) => (width, width),
                None => (self.columns.needed(), usize::MAX),
            };
            if found < least {
                let reason = format!("the row has {found} field(s) instead of {least}");
                return sink.reject(place, None, RejectCode::TooFewFields.name(), reason, raw);
            }
            if found > most {
                let reason = format!("the row has {found} fields instead of {most}");
                return sink.reject(place, None, RejectCode::TooManyFields.name(), reason, raw);
            }
        }
        let cell = |column: usize| {
            let field = self.columns.fields.get(column).and_then(|field| record.get(*field));
            Cell::Text(field.unwrap_or_default())
        };
        sink.row(place, &cell, || raw.to_owned())
    }
}

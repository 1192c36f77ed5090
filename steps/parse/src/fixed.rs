//! Text whose columns have fixed places, and text whose columns are separated
//! by runs of blanks.

use std::io::Read;

use feed::FeedSpec;
use feed::rejects::RejectCode;
use feed::spec::{Encoding, Ragged, Width};

use crate::cell::Cell;
use crate::columns::Columns;
use crate::error::{ParseError, SourceFile};
use crate::lines::{Line, Lines};
use crate::sink::{Place, Sink};

/// Reads all lines of a fixed-width text into the sink.
pub(crate) fn read(
    from: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut lines = Lines::of(from, source, spec)?;
    sink.begin_file(source);
    let spans: Vec<(usize, usize)> = spec
        .columns
        .iter()
        .map(|column| {
            column.span.map_or((0, 0), |[first, last]| (first.saturating_sub(1) as usize, last as usize))
        })
        .collect();
    let needed = spans.iter().map(|(_, end)| *end).max().unwrap_or_default();
    // In these encodings a byte of the file is a character.
    let single =
        matches!(spec.source.encoding, Encoding::Windows1252 | Encoding::Iso88591 | Encoding::Iso885915);
    let by_characters = single || spec.source.width == Width::Characters;
    while let Some(line) = lines.next().map_err(|error| source.unreadable(error))? {
        if line.number <= u64::from(spec.source.skip_rows) || line.text.trim().is_empty() {
            continue;
        }
        let place = Place { line: line.number, byte: Some(line.byte) };
        // Places of characters are looked up only where they are not those of bytes.
        let starts: Vec<usize> = if by_characters && !line.text.is_ascii() {
            line.text.char_indices().map(|(at, _)| at).collect()
        } else {
            Vec::new()
        };
        let length = if starts.is_empty() { line.text.len() } else { starts.len() };
        if length < needed && spec.source.ragged == Ragged::Reject {
            let reason = format!("the line has {length} places instead of {needed}");
            sink.reject(place, None, RejectCode::TooFewFields.name(), reason, line.text)?;
            continue;
        }
        let cell = |column: usize| {
            let (start, end) = spans.get(column).copied().unwrap_or_default();
            let at = |place: usize| {
                if starts.is_empty() {
                    place.min(line.text.len())
                } else {
                    starts.get(place).copied().unwrap_or(line.text.len())
                }
            };
            line.text.get(at(start)..at(end)).map_or(Cell::Split, Cell::Text)
        };
        sink.row(place, &cell, || line.text.to_owned())?;
    }
    Ok(())
}

/// Reads all lines of a text whose fields are separated by blanks into the sink.
pub(crate) fn read_blanks(
    from: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut lines = Lines::of(from, source, spec)?;
    let quote = spec.source.quote.chars().next();
    let mut columns = (!spec.source.header).then(|| Columns::by_position(spec));
    let mut skipped = 0;
    sink.begin_file(source);
    while let Some(line) = lines.next().map_err(|error| source.unreadable(error))? {
        if line.number <= u64::from(spec.source.skip_rows) || line.text.trim().is_empty() {
            continue;
        }
        let split = split_at_blanks(line.text, quote);
        let Some(columns) = &columns else {
            let names: Vec<&str> = split.fields.iter().map(String::as_str).collect();
            columns = Some(Columns::by_name(&names, line.number, source, spec)?);
            continue;
        };
        if skipped < spec.source.skip_after_header {
            skipped += 1;
            continue;
        }
        blanks_row(&line, &split, columns, spec, sink)?;
    }
    if columns.is_none() {
        return Err(ParseError::Empty {
            detail: format!("{source}: the file has no header; have it sent again, complete"),
        });
    }
    Ok(())
}

fn blanks_row(
    line: &Line<'_>,
    split: &Split,
    columns: &Columns,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let place = Place { line: line.number, byte: Some(line.byte) };
    if split.is_unclosed {
        let reason = "a quote is opened and never closed".to_owned();
        return sink.reject(place, None, RejectCode::UnclosedQuote.name(), reason, line.text);
    }
    let found = split.fields.len();
    let least = columns.width.unwrap_or(columns.needed());
    if spec.source.ragged == Ragged::Reject && found < least {
        let reason = format!("the row has {found} field(s) instead of {least}");
        return sink.reject(place, None, RejectCode::TooFewFields.name(), reason, line.text);
    }
    if spec.source.ragged == Ragged::Reject && columns.width.is_some_and(|width| found > width) {
        let reason = format!("the row has {found} fields instead of {least}");
        return sink.reject(place, None, RejectCode::TooManyFields.name(), reason, line.text);
    }
    let cell = |column: usize| {
        let field = columns.fields.get(column).and_then(|field| split.fields.get(*field));
        Cell::Text(field.map(String::as_str).unwrap_or_default())
    };
    sink.row(place, &cell, || line.text.to_owned())
}

/// The fields of a line.
struct Split {
    fields: Vec<String>,
    is_unclosed: bool,
}

/// A field that starts with a quote ends with one; a doubled quote inside is one.
fn split_at_blanks(line: &str, quote: Option<char>) -> Split {
    let mut fields = Vec::new();
    let mut characters = line.chars().peekable();
    let is_blank = |c: char| c == ' ' || c == '\t';
    while let Some(first) = characters.next() {
        if is_blank(first) {
            continue;
        }
        let mut field = String::new();
        if Some(first) == quote {
            loop {
                match characters.next() {
                    None => return Split { fields, is_unclosed: true },
                    Some(c) if c == first && characters.next_if_eq(&first).is_none() => break,
                    Some(c) => field.push(c),
                }
            }
        } else {
            field.push(first);
        }
        while let Some(c) = characters.next_if(|c| !is_blank(*c)) {
            field.push(c);
        }
        fields.push(field);
    }
    Split { fields, is_unclosed: false }
}

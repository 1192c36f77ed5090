//! Parquet files, row by row.

use feed::FeedSpec;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use parquet::file::reader::ChunkReader;
use parquet::record::{Field, Row};
use parquet_rows::{Limits, Rows, RowsError};

use crate::cell::{Cell, Stored};
use crate::columns::Columns;
use crate::error::{ParseError, SourceFile};
use crate::records::RECORD_BYTES_MAX;
use crate::sink::{Place, Sink};

/// 5 MiB of footer, 256 MiB of a row group; a row may be a record, and no more.
const LIMITS: Limits = Limits {
    footer_bytes: 5 * 1024 * 1024,
    row_group_bytes: 256 * 1024 * 1024,
    row_bytes: RECORD_BYTES_MAX as u64,
    row_values: RECORD_BYTES_MAX as u64,
    depth: 100,
};

/// Reads all rows of a file of so many bytes into the sink.
pub(crate) fn read(
    from: impl ChunkReader + 'static,
    bytes: u64,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let rows = Rows::open(from, bytes, &LIMITS).map_err(|error| refused(source, &error))?;
    let names: Vec<&str> = rows.columns().iter().map(String::as_str).collect();
    let columns = Columns::by_name(&names, 0, source, spec)?;
    sink.begin_file(source);
    for (row, line) in rows.zip(1..) {
        let row = row.map_err(|error| refused(source, &error))?;
        take(&row, Place { line, byte: None }, &columns, sink)?;
    }
    Ok(())
}

fn take(row: &Row, place: Place, columns: &Columns, sink: &mut Sink<'_>) -> Result<(), ParseError> {
    let fields: Vec<Stored> = row.get_column_iter().map(|(_, field)| stored(field)).collect();
    let cell = |column: usize| {
        let stored = columns.fields.get(column).and_then(|field| fields.get(*field));
        stored.map_or(Cell::Missing, Stored::as_cell)
    };
    sink.row(place, &cell, || fields.iter().map(Stored::shown).collect::<Vec<_>>().join("\t"))
}

fn stored(field: &Field) -> Stored {
    let unknown = |what: &str| Stored::Error(format!("a {what} that cannot be shown"));
    let plain = |text: Option<String>, what: &str| text.map_or_else(|| unknown(what), Stored::Plain);
    match field {
        Field::Null => Stored::Text(String::new()),
        Field::Bool(truth) => Stored::Plain(truth.to_string()),
        // Display of a float is the shortest text that reads as the same float.
        Field::Float(number) => Stored::Plain(number.to_string()),
        Field::Double(number) => Stored::Plain(number.to_string()),
        Field::Str(text) => Stored::Text(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Stored::Text(text.to_owned()),
            Err(_) => unknown("run of bytes"),
        },
        Field::Date(days) => {
            let span = Span::new().try_days(i64::from(*days));
            let date = span.and_then(|span| Date::constant(1970, 1, 1).checked_add(span));
            plain(date.ok().map(|date| date.to_string()), "date")
        }
        Field::TimestampMillis(time) => {
            plain(Timestamp::from_millisecond(*time).ok().map(|time| time.to_string()), "time")
        }
        Field::TimestampMicros(time) => {
            plain(Timestamp::from_microsecond(*time).ok().map(|time| time.to_string()), "time")
        }
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => Stored::Structure,
        // The other numbers and times show themselves as they are read.
        other => Stored::Plain(other.to_string()),
    }
}

fn refused(source: &SourceFile, error: &RowsError) -> ParseError {
    match error {
        RowsError::NoEnd => source.unsupported(&format!(
            "this is not a whole Parquet file, which the spec's `source.format` wants: {error}"
        )),
        RowsError::Depth(_) => source.unsupported(&error.to_string()),
        RowsError::TooLarge(_) => {
            ParseError::TooLarge { detail: format!("{source}: {error}; write it with smaller row groups") }
        }
        error => source.damaged(&format!("not Parquet: {error}")),
    }
}

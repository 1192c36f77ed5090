//! Parquet files, row by row: the pages of one row group after the other.
//!
//! What the footer says is looked at before the crate believes it. The crate
//! has no bound for what one page takes.

mod footer;

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use feed::FeedSpec;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};

use crate::cell::{Cell, Stored};
use crate::columns::Columns;
use crate::error::{ParseError, SourceFile};
use crate::records::RECORD_BYTES_MAX;
use crate::sink::{Place, Sink};

/// Largest footer, in bytes: 5 MiB.
const FOOTER_BYTES_MAX: u64 = 5 * 1024 * 1024;

/// Largest row group as it is stored, in bytes: 256 MiB.
const ROW_GROUP_BYTES_MAX: i64 = 256 * 1024 * 1024;

/// Most levels of a schema.
const DEPTH_MAX: usize = 100;

/// The length of the footer and a magic number, at the end of every file.
const TRAILER_BYTES: u64 = 8;

/// Reads all rows of a file of so many bytes into the sink.
pub(crate) fn read(
    from: impl ChunkReader + 'static,
    bytes: u64,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    check_footer(&from, bytes, source)?;
    let reader = guarded(source, || SerializedFileReader::new(from).map_err(|error| failed(source, &error)))?;
    for group in reader.metadata().row_groups() {
        check_row_group(group, source)?;
    }
    let schema = reader.metadata().file_metadata().schema();
    let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = Columns::by_name(&names, 0, source, spec)?;
    sink.begin_file(source);
    let mut rows = guarded(source, || Ok(RowIter::from_file_into(Box::new(reader))))?;
    let mut line = 0;
    loop {
        let row = guarded(source, || rows.next().transpose().map_err(|error| failed(source, &error)))?;
        let Some(row) = row else { return Ok(()) };
        line += 1;
        take(&row, Place { line, byte: None }, &columns, sink)?;
    }
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

/// The crate believes the footer's length and its schema; so they are looked at before.
fn check_footer(from: &impl ChunkReader, bytes: u64, source: &SourceFile) -> Result<(), ParseError> {
    let unreadable = |error: ParquetError| failed(source, &error);
    let mut trailer = Vec::new();
    let start = bytes.saturating_sub(TRAILER_BYTES);
    from.get_read(start)
        .map_err(unreadable)?
        .take(TRAILER_BYTES)
        .read_to_end(&mut trailer)
        .map_err(|error| source.unreadable(error))?;
    let Some((length, b"PAR1")) = trailer.split_first_chunk::<4>() else {
        return Err(source.unsupported(
            "this is not a whole Parquet file, which the spec's `source.format` wants: it does not end with PAR1",
        ));
    };
    let length = u64::from(u32::from_le_bytes(*length));
    let Some(start) = start.checked_sub(length).filter(|_| length <= FOOTER_BYTES_MAX) else {
        return Err(source.damaged(&format!("its footer says that it has {length} bytes")));
    };
    let footer = from.get_bytes(start, usize::try_from(length).unwrap_or(usize::MAX)).map_err(unreadable)?;
    match footer::schema_depth(&footer) {
        Some(depth) if depth <= DEPTH_MAX => Ok(()),
        Some(_) => Err(source.unsupported(&format!("its schema has more than {DEPTH_MAX} levels"))),
        None => Err(source.damaged("its footer has no schema")),
    }
}

fn check_row_group(group: &RowGroupMetaData, source: &SourceFile) -> Result<(), ParseError> {
    let rows = group.num_rows().max(1);
    let row_bytes = i64::try_from(RECORD_BYTES_MAX).unwrap_or(i64::MAX);
    if group.compressed_size() > ROW_GROUP_BYTES_MAX || group.total_byte_size().div_euclid(rows) > row_bytes {
        return Err(ParseError::TooLarge {
            detail: format!(
                "{source}: a row group has more than {ROW_GROUP_BYTES_MAX} bytes, or rows of more than \
                 {RECORD_BYTES_MAX}; write it with smaller row groups"
            ),
        });
    }
    Ok(())
}

fn failed(source: &SourceFile, error: &ParquetError) -> ParseError {
    source.damaged(&format!("not Parquet: {error}"))
}

/// The crate panics at some malformed files; this makes errors of it.
fn guarded<T>(source: &SourceFile, read: impl FnOnce() -> Result<T, ParseError>) -> Result<T, ParseError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(source.damaged("not Parquet: the reader gave up on it")))
}

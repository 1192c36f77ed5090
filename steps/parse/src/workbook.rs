//! XLSX: the cells of one sheet, row by row.
//!
//! Numbers are taken as the shortest decimal that reads as the stored float
//! (0.0222 stays 0.0222). A formula counts by its stored result; without one
//! the row is rejected. Styled empty cells are nothing.

use std::fmt::Write as _;
use std::io::{self, BufReader, Read, Seek};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxError};
use feed::FeedSpec;
use zip::ZipArchive;

use crate::cell::{Cell, Stored};
use crate::columns::Columns;
use crate::container::{Guard, matches, zip_error};
use crate::cross::{CrossRow, CrossTable};
use crate::error::{Fault, ParseError, SourceFile};
use crate::sink::{Place, Sink};

/// Most bytes all parts of a workbook may inflate to.
const INFLATED_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Most bytes of the table of texts, which is held in memory.
const TEXTS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Inflates every part once before anything is interpreted: what the archive
/// says about its sizes may be a lie.
pub(crate) fn check_size(
    archive: &mut ZipArchive<impl Read + Seek>,
    bytes: u64,
    source: &SourceFile,
) -> Result<(), ParseError> {
    let mut total = 0;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| zip_error(source, error))?;
        let is_texts = part.name().is_ok_and(|name| name == "xl/sharedStrings.xml");
        let compressed = part.compressed_size().min(bytes);
        let inflated = io::copy(&mut Guard::new(part, compressed), &mut io::sink())
            .map_err(|error| source.unreadable(error))?;
        total += inflated;
        if total > INFLATED_BYTES_MAX || (is_texts && inflated > TEXTS_BYTES_MAX) {
            let detail = "the workbook inflates to more than is read; export the sheet as CSV";
            return Err(source.unreadable(Fault::TooLarge(detail.to_owned()).into_io()));
        }
    }
    Ok(())
}

/// Reads all rows of the spec's sheet into the sink.
pub(crate) fn read(
    from: impl Read + Seek,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut workbook: Xlsx<_> =
        Xlsx::new(BufReader::new(from)).map_err(|error| workbook_error(source, &error))?;
    let names = workbook.sheet_names();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let wanted: Vec<&str> = match &spec.source.sheet {
        Some(pattern) => known.iter().copied().filter(|name| matches(pattern, name)).collect(),
        None => known.first().copied().into_iter().collect(),
    };
    if wanted.is_empty() {
        let pattern = spec.source.sheet.as_deref().unwrap_or("*");
        return Err(ParseError::MissingSheet {
            detail: format!(
                "{source}: there is no sheet {pattern:?}; {}. Correct `source.sheet` in the spec",
                feed::spec::among(pattern, &known)
            ),
        });
    }
    for name in wanted {
        read_sheet(&mut workbook, name, &source.with_sheet(name), spec, sink)?;
    }
    Ok(())
}

fn read_sheet<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    name: &str,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut cells = workbook.worksheet_cells_reader(name).map_err(|error| workbook_error(source, &error))?;
    let table = match &spec.source.cross {
        Some(cross) => Table::Cross(Box::new(CrossTable::new(source, spec, cross))),
        None if spec.source.header => Table::Rows(None),
        None => Table::Rows(Some(Columns::by_position(spec))),
    };
    let mut rows = Rows { source, spec, table, skipped: 0 };
    if !matches!(rows.table, Table::Rows(None)) {
        sink.begin_file(source);
    }
    let mut row = SheetRow::default();
    while let Some(cell) = cells.next_cell_with_formula().map_err(|error| workbook_error(source, &error))? {
        let (line, column) = (u64::from(cell.pos.0) + 1, cell.pos.1 as usize);
        if line != row.line {
            rows.take(&row, sink)?;
            row.clear(line);
        }
        let stored = match cell.value {
            DataRef::Empty if cell.formula.is_some() => Stored::FormulaWithoutValue,
            DataRef::Empty => continue,
            value => stored(value),
        };
        row.cells.push((column, stored));
    }
    rows.take(&row, sink)?;
    match rows.table {
        Table::Cross(table) => table.finish(sink),
        Table::Rows(Some(_)) => Ok(()),
        Table::Rows(None) => Err(ParseError::Empty { detail: format!("{source}: the sheet has no header") }),
    }
}

fn workbook_error(source: &SourceFile, error: &XlsxError) -> ParseError {
    match error {
        XlsxError::Password => source.unsupported("the workbook has a password; save it without one"),
        other => source.damaged(&other.to_string()),
    }
}

fn stored(value: DataRef<'_>) -> Stored {
    match value {
        DataRef::String(text) => Stored::Text(text),
        DataRef::SharedString(text) => Stored::Text(text.to_owned()),
        DataRef::Int(number) => Stored::Plain(number.to_string()),
        // Display of a float is the shortest text that reads as the same float.
        DataRef::Float(number) => Stored::Plain(number.to_string()),
        DataRef::Bool(truth) => Stored::Plain(truth.to_string()),
        DataRef::DateTime(time) if time.is_duration() => Stored::Plain(time.as_f64().to_string()),
        DataRef::DateTime(time) => Stored::Plain(iso(time)),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Stored::Plain(text),
        DataRef::Error(error) => Stored::Error(error.to_string()),
        DataRef::Empty => Stored::Text(String::new()),
    }
}

/// A date serial as text; a whole day is a date.
fn iso(time: ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second, milli) != (0, 0, 0, 0) {
        // Writing into a String cannot fail.
        let _ = write!(text, "T{hour:02}:{minute:02}:{second:02}");
        if milli != 0 {
            let _ = write!(text, ".{milli:03}");
        }
    }
    text
}

/// The cells of one sheet row that hold something.
#[derive(Debug, Default)]
struct SheetRow {
    line: u64,
    cells: Vec<(usize, Stored)>,
}

impl SheetRow {
    fn clear(&mut self, line: u64) {
        self.line = line;
        self.cells.clear();
    }

    fn get(&self, column: usize) -> Option<&Stored> {
        self.cells.iter().find(|(at, _)| *at == column).map(|(_, stored)| stored)
    }

    /// The row as text: cells by tabs, empty ones included.
    fn raw(&self) -> String {
        let width = self.cells.iter().map(|(column, _)| column + 1).max().unwrap_or_default();
        (0..width).map(|column| self.get(column).map_or("", Stored::shown)).collect::<Vec<_>>().join("\t")
    }
}

/// What a sheet is.
enum Table<'r> {
    /// Rows; their columns, once they are known.
    Rows(Option<Columns>),
    Cross(Box<CrossTable<'r>>),
}

/// How sheet rows become rows of the feed.
struct Rows<'r> {
    source: &'r SourceFile,
    spec: &'r FeedSpec,
    table: Table<'r>,
    /// Rows below the header that were skipped.
    skipped: u32,
}

impl Rows<'_> {
    fn take(&mut self, row: &SheetRow, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        let is_blank = row.cells.iter().all(|(_, stored)| stored.is_blank());
        if is_blank || row.line <= u64::from(self.spec.source.skip_rows) {
            return Ok(());
        }
        let place = Place { line: row.line, byte: None };
        let columns = match &mut self.table {
            Table::Rows(columns) => columns,
            Table::Cross(table) => {
                let used = row.cells.iter().filter(|(_, stored)| !stored.is_blank());
                return table.take(CrossRow { place, cells: used.cloned().collect() }, sink);
            }
        };
        let Some(columns) = columns else {
            let width = row.cells.iter().map(|(column, _)| column + 1).max().unwrap_or_default();
            let names: Vec<&str> =
                (0..width).map(|column| row.get(column).map_or("", Stored::shown)).collect();
            *columns = Some(Columns::by_name(&names, row.line, self.source, self.spec)?);
            sink.begin_file(self.source);
            return Ok(());
        };
        if self.skipped < self.spec.source.skip_after_header {
            self.skipped += 1;
            return Ok(());
        }
        let cell = |column: usize| {
            let stored = columns.fields.get(column).and_then(|field| row.get(*field));
            stored.map_or(Cell::Text(""), Stored::as_cell)
        };
        sink.row(place, &cell, || row.raw())
    }
}

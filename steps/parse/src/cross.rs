//! Cross tables: every cell is a record, with the label of its row and the
//! label of its column.
//!
//! Rows with a single cell before the first and after the last row of the table
//! are titles and notes. Such a row in between is a row whose cells are missing.

use feed::FeedSpec;
use feed::rejects::RejectCode;
use feed::spec::{Axis, Cross, Origin};

use crate::cell::{Cell, Stored};
use crate::error::{Fault, ParseError, SourceFile};
use crate::sink::{Place, Sink};

/// Most cells that are held until a table's labels are known.
const CELLS_MAX: usize = 200_000;

/// A row of a sheet or a text, by its used cells.
#[derive(Debug, Clone)]
pub(crate) struct CrossRow {
    pub(crate) place: Place,
    pub(crate) cells: Vec<(usize, Stored)>,
}

impl CrossRow {
    fn get(&self, column: usize) -> Option<&Stored> {
        self.cells.iter().find(|(at, _)| *at == column).map(|(_, stored)| stored)
    }

    fn text(&self, column: usize) -> &str {
        self.get(column).map_or("", |stored| stored.shown().trim())
    }
}

/// Reads a cross table row by row.
pub(crate) struct CrossTable<'c> {
    source: &'c SourceFile,
    spec: &'c FeedSpec,
    cross: &'c Cross,
    labels: Option<Labels>,
    /// Rows whose part in the table is not known yet.
    held: Vec<CrossRow>,
    held_cells: usize,
}

/// Where the table's labels are.
struct Labels {
    /// The columns of the rows' labels.
    rows: Vec<usize>,
    /// Labels of the other columns.
    columns: Vec<(usize, String)>,
    /// For each column of the spec that is found by name, the label column.
    named: Vec<Option<usize>>,
}

impl<'c> CrossTable<'c> {
    pub(crate) fn new(source: &'c SourceFile, spec: &'c FeedSpec, cross: &'c Cross) -> Self {
        Self { source, spec, cross, labels: None, held: Vec::new(), held_cells: 0 }
    }

    /// Takes the next row that has a used cell.
    pub(crate) fn take(&mut self, row: CrossRow, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        let is_single = row.cells.len() < 2;
        match (self.cross.axis, self.labels.is_some()) {
            (Axis::First, false) if is_single => Ok(()),
            (Axis::First, false) => {
                self.labels = Some(self.first_axis(&row)?);
                Ok(())
            }
            (Axis::First, true) if is_single => self.hold(row),
            (Axis::First, true) => {
                // What was held stands inside of the table after all.
                for held in std::mem::take(&mut self.held) {
                    self.emit(&held, sink)?;
                }
                self.held_cells = 0;
                self.emit(&row, sink)
            }
            (Axis::Last, _) if is_single && self.held.is_empty() => Ok(()),
            (Axis::Last, _) => self.hold(row),
        }
    }

    fn hold(&mut self, row: CrossRow) -> Result<(), ParseError> {
        self.held_cells += row.cells.len();
        self.held.push(row);
        if self.held_cells > CELLS_MAX {
            let detail = format!("a cross table whose labels are at its end is read up to {CELLS_MAX} cells");
            return Err(self.source.unreadable(Fault::TooLarge(detail).into_io()));
        }
        Ok(())
    }

    /// The table is complete.
    pub(crate) fn finish(mut self, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        if self.cross.axis == Axis::Last {
            let last = self.held.iter().rposition(|row| row.cells.len() > 1);
            let rows: Vec<CrossRow> = self.held.drain(..last.map_or(0, |last| last + 1)).collect();
            let Some((axis, rows)) = rows.split_last() else { return Err(self.empty()) };
            self.labels = Some(self.last_axis(axis, rows)?);
            for row in rows {
                self.emit(row, sink)?;
            }
        }
        if self.labels.is_none() { Err(self.empty()) } else { Ok(()) }
    }

    fn empty(&self) -> ParseError {
        ParseError::Empty { detail: format!("{}: there is no table with labels", self.source) }
    }

    /// The first row that has several cells: the labels of the rows are the
    /// first used columns of it, or the column before when it has no corner.
    fn first_axis(&self, row: &CrossRow) -> Result<Labels, ParseError> {
        let count = self.cross.labels as usize;
        let first = row.cells.iter().map(|(at, _)| *at).min().unwrap_or_default();
        let names = |at: usize| {
            self.spec
                .columns
                .iter()
                .any(|column| column.from.is_none() && column.source_name() == row.text(at))
        };
        // The corner of a table with one column of labels may be empty.
        let start = if count == 1 && first > 0 && !names(first) { first - 1 } else { first };
        let rows: Vec<usize> = (start..start + count).collect();
        self.labels_of(row, rows)
    }

    /// The last row that has several cells; the rows' labels stand left of it.
    fn last_axis(&self, axis: &CrossRow, rows: &[CrossRow]) -> Result<Labels, ParseError> {
        let first_of = |row: &CrossRow| row.cells.iter().map(|(at, _)| *at).min();
        let start = rows.iter().filter_map(first_of).min().unwrap_or_default();
        if !axis.text(start).is_empty() {
            return Err(self.source.damaged(&format!(
                "row {}: the labels of the columns are expected there, but the first cell is {:?}",
                axis.place.line,
                axis.text(start)
            )));
        }
        self.labels_of(axis, vec![start])
    }

    fn labels_of(&self, axis: &CrossRow, rows: Vec<usize>) -> Result<Labels, ParseError> {
        let after = rows.last().copied().unwrap_or_default();
        let mut columns: Vec<(usize, String)> = axis
            .cells
            .iter()
            .filter(|(at, stored)| *at > after && !stored.is_blank())
            .map(|(at, stored)| (*at, stored.shown().trim().to_owned()))
            .collect();
        columns.sort();
        let mut sorted: Vec<&String> = columns.iter().map(|(_, label)| label).collect();
        sorted.sort();
        if let Some([label, _]) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(ParseError::MissingColumn {
                detail: format!(
                    "{}, line {}: the label {label:?} is there twice",
                    self.source, axis.place.line
                ),
            });
        }
        let mut named = Vec::with_capacity(self.spec.columns.len());
        for column in &self.spec.columns {
            let found = rows.iter().copied().find(|at| axis.text(*at) == column.source_name());
            if column.from.is_none() && found.is_none() {
                return Err(ParseError::MissingColumn {
                    detail: format!(
                        "{}, line {}: no column of labels is called `{}`",
                        self.source,
                        axis.place.line,
                        column.source_name()
                    ),
                });
            }
            named.push(found);
        }
        Ok(Labels { rows, columns, named })
    }

    /// The cells of a row, each as a record.
    fn emit(&self, row: &CrossRow, sink: &mut Sink<'_>) -> Result<(), ParseError> {
        let Some(labels) = &self.labels else { return Ok(()) };
        let shown = |label: &str, cell: &str| {
            let rows: Vec<&str> = labels.rows.iter().map(|at| row.text(*at)).collect();
            [rows.join("\t").as_str(), label, cell].join("\t")
        };
        for (at, stored) in &row.cells {
            let is_known = labels.rows.contains(at) || labels.columns.iter().any(|(known, _)| known == at);
            if !is_known && !stored.is_blank() {
                let reason = "the cell stands in a column without a label".to_owned();
                let raw = shown("", stored.shown());
                sink.reject(row.place, None, RejectCode::NoLabel.name(), reason, &raw)?;
            }
        }
        for (at, label) in &labels.columns {
            let cell_of = |at: usize| row.get(at).map_or(Cell::Text(""), Stored::as_cell);
            if self.cross.skip_nulls && is_null(row.get(*at), self.spec) {
                continue;
            }
            let cell = |column: usize| match self.spec.columns.get(column).and_then(|column| column.from) {
                Some(Origin::Cell) => cell_of(*at),
                Some(Origin::ColumnLabel) => Cell::Text(label),
                Some(Origin::RowLabel) => labels.rows.first().map_or(Cell::Text(""), |at| cell_of(*at)),
                _ => labels.named.get(column).copied().flatten().map_or(Cell::Text(""), cell_of),
            };
            sink.row(row.place, &cell, || shown(label, row.text(*at)))?;
        }
        Ok(())
    }
}

/// Whether a cell has no value; a formula without a result has one that is not known.
fn is_null(stored: Option<&Stored>, spec: &FeedSpec) -> bool {
    match stored {
        None => true,
        Some(Stored::Text(text)) => {
            let text = text.trim();
            text.is_empty() || spec.source.nulls.iter().any(|null| null == text)
        }
        Some(_) => false,
    }
}

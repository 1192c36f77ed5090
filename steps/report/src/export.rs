//! The figures for spreadsheets: the same table, with text that a spreadsheet
//! would run as a formula made harmless.

use std::io::{Read, Write};

use feed::calculation::Plan;
use feed::spec::MeasureKind;
use feed::{FeedSpec, Kind};

use crate::ReportError;

/// What a spreadsheet takes for the start of a formula, or skips to find one
/// (OWASP, "CSV Injection").
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Copies the figures of several files with the same columns into one. Cells of
/// text columns that could run get a `'` in front; numbers keep their sign, and
/// everything else its bytes.
pub(crate) fn write<R: Read>(
    spec: &FeedSpec,
    figures: impl IntoIterator<Item = Result<R, ReportError>>,
    to: impl Write,
) -> Result<(), ReportError> {
    let mut to = csv::Writer::from_writer(to);
    let mut header: Option<csv::StringRecord> = None;
    for from in figures {
        let mut from = csv::Reader::from_reader(from?);
        let found = from.headers().map_err(|error| ReportError::figures(&error))?.clone();
        match &header {
            None => {
                to.write_record(&found).map_err(write_error)?;
                header = Some(found.clone());
            }
            Some(header) if *header != found => {
                return Err(ReportError::Damaged {
                    detail: format!(
                        "the markets' figures have different columns: {:?} and {:?}; calculate all of them with one spec",
                        header.iter().collect::<Vec<_>>().join(", "),
                        found.iter().collect::<Vec<_>>().join(", ")
                    ),
                });
            }
            Some(_) => {}
        }
        let text_columns: Vec<bool> = found.iter().map(|column| is_text(spec, column)).collect();
        let mut record = csv::StringRecord::new();
        while from.read_record(&mut record).map_err(|error| ReportError::figures(&error))? {
            for (field, is_text) in record.iter().zip(&text_columns) {
                let written = if *is_text && field.starts_with(FORMULA_STARTS) {
                    to.write_field(format!("'{field}"))
                } else {
                    to.write_field(field)
                };
                written.map_err(write_error)?;
            }
            to.write_record(None::<&[u8]>).map_err(write_error)?;
        }
    }
    to.flush().map_err(|error| ReportError::write(&error))
}

fn write_error(error: csv::Error) -> ReportError {
    ReportError::write(&std::io::Error::from(error))
}

/// Whether a column of the output holds text, which came from outside. One the
/// spec does not know is taken for text.
pub(crate) fn is_text(spec: &FeedSpec, column: &str) -> bool {
    let Some(layout) = Plan::of(spec).ok().and_then(|plan| plan.layout(spec.figures.source()).cloned())
    else {
        return true;
    };
    let kind = |name: &str| layout.find(name).map(|(_, kind)| kind);
    match spec.measure(column) {
        None => kind(column).is_none_or(|kind| kind == Kind::Text),
        Some(measure) => {
            let is_a_value = matches!(
                measure.kind,
                MeasureKind::Min | MeasureKind::Max | MeasureKind::First | MeasureKind::Last
            );
            is_a_value && measure.column.as_deref().and_then(kind) == Some(Kind::Text)
        }
    }
}

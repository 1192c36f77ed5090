//! The figures for spreadsheets: the same table, with text that a spreadsheet
//! would run as a formula made harmless.

use std::io::{Read, Write};

use feed::spec::MeasureKind;
use feed::{FeedSpec, Kind};

use crate::ReportError;

/// What a spreadsheet takes for the start of a formula, or skips to find one
/// (OWASP, "CSV Injection").
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Copies the figures. Cells of text columns that could run get a `'` in front;
/// numbers keep their sign, and everything else its bytes.
pub(crate) fn write(spec: &FeedSpec, figures: impl Read, to: impl Write) -> Result<(), ReportError> {
    let text_columns = text_columns(spec)?;
    let mut from = csv::ReaderBuilder::new().has_headers(false).from_reader(figures);
    let mut to = csv::Writer::from_writer(to);
    let mut record = csv::StringRecord::new();
    let mut is_header = true;
    while from.read_record(&mut record).map_err(|error| ReportError::figures(&error))? {
        for (at, field) in record.iter().enumerate() {
            let is_text = text_columns.get(at).copied().unwrap_or(true);
            let written = if is_text && !is_header && field.starts_with(FORMULA_STARTS) {
                to.write_field(format!("'{field}"))
            } else {
                to.write_field(field)
            };
            written.map_err(write_error)?;
        }
        to.write_record(None::<&[u8]>).map_err(write_error)?;
        is_header = false;
    }
    to.flush().map_err(|error| ReportError::write(&error))
}

fn write_error(error: csv::Error) -> ReportError {
    ReportError::write(&std::io::Error::from(error))
}

/// Which columns of the output hold text that came from outside.
fn text_columns(spec: &FeedSpec) -> Result<Vec<bool>, ReportError> {
    let layout = spec.layout().map_err(|detail| ReportError::Spec { detail })?;
    let is_text = |name: &str| layout.find(name).is_some_and(|(_, kind)| kind == Kind::Text);
    Ok(spec
        .output_columns()
        .into_iter()
        .map(|name| match spec.measure(name) {
            None => is_text(name),
            Some(measure) => {
                matches!(measure.kind, MeasureKind::Min | MeasureKind::Max)
                    && measure.column.as_deref().is_some_and(is_text)
            }
        })
        .collect())
}

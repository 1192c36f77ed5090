//! Which character separates the fields: found by what it makes of the first
//! lines, not by counting characters, so that commas inside quotes do not count.

use feed::FeedSpec;

use crate::records::{Dialect, Records};

/// The candidates, the likeliest first: it wins when nothing tells them apart.
pub(crate) const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Text that is looked at, in bytes.
pub(crate) const SAMPLE_BYTES: usize = 64 * 1024;

/// Records that are looked at.
const SAMPLE_RECORDS: usize = 50;

/// The separator of a sample.
pub(crate) fn sniff(sample: &[u8], quote: Option<u8>, spec: &FeedSpec) -> u8 {
    let mut best = (Score::default(), b',');
    for delimiter in CANDIDATES {
        if quote == Some(delimiter) {
            continue;
        }
        let score = score(sample, Dialect { delimiter, quote }, spec);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// How many of the spec's columns the first record of a sample has, split at a character.
pub(crate) fn columns_found(sample: &[u8], dialect: Dialect, spec: &FeedSpec) -> usize {
    score(sample, dialect, spec).columns
}

/// How well a separator fits; compared field by field.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// Columns of the spec found in the header.
    columns: usize,
    /// Records with as many fields as the first, when that is more than one.
    alike: usize,
    /// Fields of the first record.
    fields: usize,
}

fn score(sample: &[u8], dialect: Dialect, spec: &FeedSpec) -> Score {
    let mut records = Records::new(sample, dialect);
    if records.skip_lines(spec.source.skip_rows).is_err() {
        return Score::default();
    }
    let Ok(Some(first)) = records.next() else { return Score::default() };
    let fields = first.len();
    let names: Vec<&str> = first.iter().map(str::trim).collect();
    let columns = if spec.source.header {
        spec.columns.iter().filter(|column| names.contains(&column.source_name())).count()
    } else {
        spec.columns.iter().filter(|column| column.position.is_some_and(|at| at as usize <= fields)).count()
    };
    let mut alike = 0;
    while fields > 1 && alike < SAMPLE_RECORDS {
        match records.next() {
            Ok(Some(record)) if record.len() == fields => alike += 1,
            _ => break,
        }
    }
    Score { columns, alike, fields }
}

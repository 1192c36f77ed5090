//! The rows figures are made of, as later periods read them.

use feed::calculation::Reference;
use feed::rows::{ACCEPTED_CODE, ROWS_FORMAT, RowWriter, RowsColumn, RowsHeader, RowsOutcome};
use feed::spec::Outcome;
use feed::{FeedSpec, Layout, Staging};
use stepwright::Write;
use stepwright::objects::ObjectRef;

use crate::error::CalculateError;
use crate::groups::Groups;
use crate::period::Within;
use crate::tables::{Row, picked};

/// The rows of a table that the figures of a period were made of.
pub(crate) fn of<'r>(
    spec: &FeedSpec,
    period: &str,
    layout: &Layout,
    rows: &'r [Row],
    groups: &Groups<'_>,
) -> Result<Vec<&'r Row>, CalculateError> {
    let within = Within::of(spec, layout, period)?;
    let counts = |row: &&Row| within.holds(row) && groups.measures.includes(Outcome::Accept, row);
    Ok(rows.iter().filter(counts).collect())
}

/// Writes the columns of them that are kept.
pub(crate) fn write(
    spec: &FeedSpec,
    kept: &Reference,
    layout: &Layout,
    rows: &[&Row],
    staging: &Write<Staging>,
    key: &str,
) -> Result<ObjectRef, CalculateError> {
    let found = |name: &str| layout.find(name).map(|(index, _)| index);
    let places: Vec<usize> = kept.kept_columns().filter_map(|column| found(&column.name)).collect();
    let column = |(name, kind): (&str, feed::Kind)| RowsColumn { name: name.to_owned(), kind };
    let header = RowsHeader {
        format: ROWS_FORMAT.to_owned(),
        feed: spec.feed.clone(),
        columns: kept.kept_columns().map(|kept| column((&kept.name, kept.kind))).collect(),
        outcomes: vec![RowsOutcome { code: ACCEPTED_CODE.to_owned(), outcome: Outcome::Accept }],
    };
    let object = staging.create(key).map_err(CalculateError::storage)?;
    let mut writer = RowWriter::new(object, &header).map_err(CalculateError::write)?;
    for row in rows {
        writer.write(0, &picked(row, &places)).map_err(CalculateError::write)?;
    }
    writer.into_inner().finish(Some(rows.len() as u64)).map_err(CalculateError::storage)
}

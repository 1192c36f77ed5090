//! Parquet files, row by row.
//!
//! The reader asks the object store for the ranges it needs: the footer, then
//! the pages of one row group after the other. AWS's limits for footer and
//! row groups hold here, too. Pages that hold more than their row group says
//! are believed: the crate has no bound for what one row takes.

mod footer;

use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use asl::limits::{
    ITEM_BYTES_MAX, PARQUET_FOOTER_BYTES_MAX, PARQUET_ROW_GROUP_BYTES_MAX, PARQUET_ROW_VALUES_MAX,
    PAYLOAD_DEPTH_MAX,
};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::reader::RowIter;
use serde_json::Value;

use super::ReadError;
use crate::object_store::{GetObject, ObjectStore};

/// The length of the footer and a magic number, at the end of every file.
const TRAILER_BYTES: usize = 8;

/// The rows of a file, as objects.
pub(super) struct ParquetItems {
    rows: Option<RowIter<'static>>,
    source: Arc<str>,
}

/// An object of which ranges are read.
struct Ranges {
    store: Arc<dyn ObjectStore>,
    request: GetObject,
    bytes: u64,
}

impl ParquetItems {
    pub(super) fn open(
        store: &Arc<dyn ObjectStore>,
        request: GetObject,
        bytes: u64,
        source: &Arc<str>,
    ) -> Result<Self, ReadError> {
        let ranges = Ranges { store: Arc::clone(store), request, bytes };
        let failed =
            |error: ParquetError| ReadError::malformed(source, format!("it is not Parquet: {error}."));
        ranges.check_footer(source)?;
        let rows = guarded(source, || {
            let reader = SerializedFileReader::new(ranges).map_err(failed)?;
            for group in reader.metadata().row_groups() {
                check_row_group(group).map_err(|problem| ReadError::malformed(source, problem))?;
            }
            Ok(RowIter::from_file_into(Box::new(reader)))
        })?;
        Ok(Self { rows: Some(rows), source: Arc::clone(source) })
    }
}

/// Refuses a row group that is too large, or whose rows cannot all be items.
fn check_row_group(group: &RowGroupMetaData) -> Result<(), String> {
    if group.compressed_size() > PARQUET_ROW_GROUP_BYTES_MAX {
        return Err(format!("a row group has more than {PARQUET_ROW_GROUP_BYTES_MAX} bytes."));
    }
    let rows = group.num_rows().max(1);
    if group.total_byte_size().div_euclid(rows) > i64::try_from(ITEM_BYTES_MAX).unwrap_or(i64::MAX) {
        return Err(format!("the rows of a row group have more than {ITEM_BYTES_MAX} bytes on average."));
    }
    let values = group.columns().iter().map(ColumnChunkMetaData::num_values).max().unwrap_or_default();
    if values.div_euclid(rows) > PARQUET_ROW_VALUES_MAX {
        return Err(format!(
            "the rows of a row group have more than {PARQUET_ROW_VALUES_MAX} values of a column on average."
        ));
    }
    Ok(())
}

impl Iterator for ParquetItems {
    type Item = Result<(Option<String>, Value), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let source = &self.source;
        let row = guarded(source, || {
            let row = rows.next().transpose();
            let row =
                row.map_err(|error| ReadError::malformed(source, format!("it is not Parquet: {error}.")))?;
            Ok(row.map(|row| (None, row.to_json_value())))
        });
        if !matches!(row, Ok(Some(_))) {
            self.rows = None;
        }
        row.transpose()
    }
}

/// The Parquet crate panics at some malformed files; this makes errors of it.
fn guarded<T>(source: &Arc<str>, read: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ReadError::malformed(source, "it is not Parquet: the reader gave up on it.")))
}

impl Ranges {
    /// The crate believes the footer's length; so it is looked at before.
    fn check_footer(&self, source: &Arc<str>) -> Result<(), ReadError> {
        let start = self.bytes.saturating_sub(TRAILER_BYTES as u64);
        let trailer = self.get_bytes(start, TRAILER_BYTES);
        let trailer = trailer.map_err(|error| ReadError::malformed(source, error.to_string()))?;
        let Some((length, b"PAR1")) = trailer.split_first_chunk::<4>() else {
            return Err(ReadError::malformed(source, "it is not Parquet: it does not end with PAR1."));
        };
        let length = u64::from(u32::from_le_bytes(*length));
        if length > PARQUET_FOOTER_BYTES_MAX {
            let problem = format!("its footer has more than {PARQUET_FOOTER_BYTES_MAX} bytes.");
            return Err(ReadError::malformed(source, problem));
        }
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        let read = start.checked_sub(length).map(|start| self.get_bytes(start, size));
        let footer = read.transpose().map_err(|error| ReadError::malformed(source, error.to_string()))?;
        match footer.and_then(|footer| footer::schema_depth(&footer)) {
            Some(depth) if depth <= PAYLOAD_DEPTH_MAX => Ok(()),
            Some(_) => {
                let problem = format!("its schema has more than {PAYLOAD_DEPTH_MAX} levels.");
                Err(ReadError::malformed(source, problem))
            }
            None => Err(ReadError::malformed(source, "it is not Parquet: its footer has no schema.")),
        }
    }

    fn from(&self, start: u64, end: u64) -> Result<Box<dyn Read + Send>, ParquetError> {
        let request = GetObject { range: Some(start..end), ..self.request.clone() };
        let object = self.store.get(&request).map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(object.body)
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Ranges {
    type T = BufReader<Box<dyn Read + Send>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(self.from(start, self.bytes)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        if end > self.bytes {
            return Err(ParquetError::EOF(format!("bytes {start} to {end} of {}", self.bytes)));
        }
        let mut bytes = Vec::with_capacity(length);
        self.from(start, end)?.read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("bytes {start} to {end} of {}", self.bytes)));
        }
        Ok(bytes.into())
    }
}

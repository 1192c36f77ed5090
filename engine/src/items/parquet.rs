//! Parquet files, row by row.
//!
//! The reader asks the object store for the ranges it needs: the footer, then
//! the pages of one row group after the other. AWS's limits for footer and
//! row groups hold here, too.

use std::io::{BufReader, Read};
use std::sync::Arc;

use asl::limits::{
    ITEM_BYTES_MAX, PARQUET_FOOTER_BYTES_MAX, PARQUET_ROW_GROUP_BYTES_MAX, PARQUET_ROW_VALUES_MAX,
    PAYLOAD_DEPTH_MAX,
};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use parquet_rows::{Limits, Rows, RowsError};
use serde_json::Value;

use super::ReadError;
use crate::object_store::{GetObject, ObjectStore};

/// A row may be an item, and no more.
const LIMITS: Limits = Limits {
    footer_bytes: PARQUET_FOOTER_BYTES_MAX,
    row_group_bytes: PARQUET_ROW_GROUP_BYTES_MAX,
    row_bytes: ITEM_BYTES_MAX as u64,
    row_values: PARQUET_ROW_VALUES_MAX,
    depth: PAYLOAD_DEPTH_MAX,
};

/// The rows of a file, as objects.
pub(super) struct ParquetItems {
    rows: Rows,
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
        let rows = Rows::open(ranges, bytes, &LIMITS).map_err(|error| refused(source, &error))?;
        Ok(Self { rows, source: Arc::clone(source) })
    }
}

impl Iterator for ParquetItems {
    type Item = Result<(Option<String>, Value), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.map(|row| (None, row.to_json_value())).map_err(|error| refused(&self.source, &error)))
    }
}

fn refused(source: &Arc<str>, error: &RowsError) -> ReadError {
    let problem = match error {
        RowsError::Unreadable(error) => error.to_string(),
        RowsError::Depth(_) | RowsError::TooLarge(_) => format!("{error}."),
        error => format!("it is not Parquet: {error}."),
    };
    ReadError::malformed(source, problem)
}

impl Ranges {
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

//! Parquet files, row by row.
//!
//! The reader asks the object store for the ranges it needs: the footer, then
//! the pages of one row group after the other. AWS's limits for footer and
//! row groups hold here, too, which bounds what a file can make it allocate.

use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use asl::limits::{PARQUET_FOOTER_BYTES_MAX, PARQUET_ROW_GROUP_BYTES_MAX};
use bytes::Bytes;
use parquet::errors::ParquetError;
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
                if group.compressed_size() > PARQUET_ROW_GROUP_BYTES_MAX {
                    let problem = format!("a row group has more than {PARQUET_ROW_GROUP_BYTES_MAX} bytes.");
                    return Err(ReadError::malformed(source, problem));
                }
            }
            Ok(RowIter::from_file_into(Box::new(reader)))
        })?;
        Ok(Self { rows: Some(rows), source: Arc::clone(source) })
    }
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
        if u64::from(u32::from_le_bytes(*length)) > PARQUET_FOOTER_BYTES_MAX {
            let problem = format!("its footer has more than {PARQUET_FOOTER_BYTES_MAX} bytes.");
            return Err(ReadError::malformed(source, problem));
        }
        Ok(())
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

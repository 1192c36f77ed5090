//! Rows of Parquet files from anywhere: the pages of one row group after the other.
//!
//! Owns what the `parquet` crate does not look at before it believes it: the length of the footer,
//! the depth of the schema, the size of row groups and of their rows; and it makes errors of the
//! crate's panics. Refuses to know where a file lies and what its rows become. A page that holds
//! more than its row group says is believed: the crate has no bound for what one page takes.

mod footer;

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, FileReader as _, SerializedFileReader};
use parquet::record::Row;
use parquet::record::reader::RowIter;

/// The length of the footer and a magic number, at the end of every file.
const TRAILER_BYTES: usize = 8;

/// How much a file may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the footer.
    pub footer_bytes: u64,
    /// Bytes of a row group as it is stored.
    pub row_group_bytes: u64,
    /// Bytes of a row that was decompressed, on average of its row group.
    pub row_bytes: u64,
    /// Values of one column in a row (of a list), on average of its row group.
    pub row_values: u64,
    /// Levels of the schema.
    pub depth: usize,
}

/// Why a file, or the rest of it, has no rows.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// It is something else, or its end is missing.
    #[error("it does not end with PAR1")]
    NoEnd,
    /// It ends as a Parquet file does, and has no footer before that.
    #[error("its footer has no schema")]
    NoSchema,
    /// Its schema is deeper than was allowed.
    #[error("its schema has more than {0} levels")]
    Depth(usize),
    /// Something of it is larger than was allowed: what, and how large it may be.
    #[error("{0}")]
    TooLarge(String),
    /// The place where it lies gave no bytes for its end.
    #[error("{0}")]
    Unreadable(ParquetError),
    /// It contradicts itself.
    #[error("{0}")]
    Malformed(ParquetError),
    /// It contradicts itself in a way that the reader does not expect.
    #[error("the reader gave up on it")]
    GaveUp,
}

/// The rows of a file. After an error there are no more.
pub struct Rows {
    columns: Vec<String>,
    rows: Option<RowIter<'static>>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens a file of so many bytes.
    ///
    /// # Errors
    /// See [`RowsError`].
    pub fn open(from: impl ChunkReader + 'static, bytes: u64, limits: &Limits) -> Result<Self, RowsError> {
        check_footer(&from, bytes, limits)?;
        guarded(|| {
            let reader = SerializedFileReader::new(from).map_err(RowsError::Malformed)?;
            let metadata = reader.metadata();
            metadata.row_groups().iter().try_for_each(|group| check_row_group(group, limits))?;
            let fields = metadata.file_metadata().schema().get_fields().iter();
            let columns = fields.map(|field| field.name().to_owned()).collect();
            Ok(Self { columns, rows: Some(RowIter::from_file_into(Box::new(reader))) })
        })
    }

    /// The names of the columns, in the order of the file.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

impl Iterator for Rows {
    type Item = Result<Row, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let row = guarded(|| rows.next().transpose().map_err(RowsError::Malformed));
        if !matches!(row, Ok(Some(_))) {
            self.rows = None;
        }
        row.transpose()
    }
}

/// The crate believes the footer's length and builds its schema by recursion; so both are looked
/// at before.
fn check_footer(from: &impl ChunkReader, bytes: u64, limits: &Limits) -> Result<(), RowsError> {
    let read = |start, length| from.get_bytes(start, length).map_err(RowsError::Unreadable);
    let start = bytes.checked_sub(TRAILER_BYTES as u64).ok_or(RowsError::NoEnd)?;
    let trailer = read(start, TRAILER_BYTES)?;
    let Some((length, b"PAR1")) = trailer.split_first_chunk::<4>() else { return Err(RowsError::NoEnd) };
    let length = u32::from_le_bytes(*length);
    if u64::from(length) > limits.footer_bytes {
        return Err(RowsError::TooLarge(format!("its footer has more than {} bytes", limits.footer_bytes)));
    }
    let start = start.checked_sub(length.into()).ok_or(RowsError::NoSchema)?;
    let footer = read(start, usize::try_from(length).unwrap_or(usize::MAX))?;
    match footer::schema_depth(&footer) {
        Some(depth) if depth <= limits.depth => Ok(()),
        Some(_) => Err(RowsError::Depth(limits.depth)),
        None => Err(RowsError::NoSchema),
    }
}

fn check_row_group(group: &RowGroupMetaData, limits: &Limits) -> Result<(), RowsError> {
    let rows = group.num_rows().max(1);
    let values = group.columns().iter().map(ColumnChunkMetaData::num_values).max().unwrap_or_default();
    // What is negative is no size.
    let size = |number: i64| u64::try_from(number).unwrap_or(u64::MAX);
    let problem = if size(group.compressed_size()) > limits.row_group_bytes {
        format!("a row group has more than {} bytes", limits.row_group_bytes)
    } else if size(group.total_byte_size().div_euclid(rows)) > limits.row_bytes {
        format!("the rows of a row group have more than {} bytes on average", limits.row_bytes)
    } else if size(values.div_euclid(rows)) > limits.row_values {
        format!("the rows of a row group have more than {} values of a column on average", limits.row_values)
    } else {
        return Ok(());
    };
    Err(RowsError::TooLarge(problem))
}

/// The crate panics at some malformed files.
fn guarded<T>(read: impl FnOnce() -> Result<T, RowsError>) -> Result<T, RowsError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(RowsError::GaveUp))
}

//! The zip a Lambda function is deployed from.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// AWS Lambda quota: bytes of a function's code, unzipped.
pub(crate) const CODE_BYTES_MAX: usize = 262_144_000;

/// A zip with one entry, the executable `bootstrap`.
///
/// The same binary gives the same bytes, whenever and wherever: the date is
/// fixed (1980-01-01, where zip's calendar starts), the mode is 0755. CDK names
/// assets by content, so anything else would deploy code that did not change.
///
/// # Errors
/// When the binary is larger than zip's format allows; Lambda's limit is lower.
pub(crate) fn bootstrap_zip(binary: &[u8]) -> Result<Vec<u8>, zip::result::ZipError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)?;
    zip.write_all(binary)?;
    Ok(zip.finish()?.into_inner())
}

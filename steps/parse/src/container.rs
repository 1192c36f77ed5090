//! What a file is, by its first bytes, and how to get at what is inside: gz with
//! any number of members, zip with any number of entries, or nothing around it.
//!
//! Names of entries are only ever shown; one that would leave the archive is
//! refused all the same, because whoever made it meant harm. So is an archive that
//! has a name twice: of its entries only one would be read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use bytes::Bytes;
use feed::FeedSpec;
use feed::spec::Format;
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::{Fault, ParseError, SourceFile};
use crate::sink::Sink;
use crate::{fixed, json, parquet, separated, workbook, xml};

/// How much larger than its compressed form a file may be. Real tables reach
/// 50; a bomb made of zeros 1,000.
const INFLATE_RATIO_MAX: u64 = 200;

/// Below this size the ratio does not matter.
const INFLATED_BYTES_FREE: u64 = 16 * 1024 * 1024;

/// Most entries of a zip archive.
const ENTRIES_MAX: usize = 10_000;

/// Largest workbook or Parquet file inside another container, which has to be
/// held in memory to be read: 64 MiB.
const NESTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Size of the window in which files are read.
pub(crate) const BUFFER_BYTES: usize = 128 * 1024;

/// Reads all rows of a file into the sink.
pub(crate) fn read(
    mut file: File,
    source: &SourceFile,
    bytes: u64,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let start = first_bytes(&mut file).map_err(|error| source.unreadable(error))?;
    match Kind::of(&start) {
        Kind::Zip => read_zip(file, source, bytes, spec, sink),
        Kind::Gzip => {
            let inner = SourceFile::new(source.name().strip_suffix(".gz").unwrap_or(source.name()));
            let inflated = Guard::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file)), bytes);
            read_content(inflated, &inner, spec, sink)
        }
        Kind::OldOffice => Err(source.unsupported(
            "this is an Excel file of before 2007 or one with a password; save it as .xlsx without a password",
        )),
        Kind::Other if spec.source.format == Format::Parquet => parquet::read(file, bytes, source, spec, sink),
        Kind::Other => read_plain(file, source, spec, sink),
    }
}

/// Reads what has nothing around it.
fn read_plain(
    from: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    match spec.source.format {
        Format::Csv => separated::read(from, source, spec, sink),
        Format::Fixed => fixed::read(from, source, spec, sink),
        Format::Json => json::read_document(from, source, spec, sink),
        Format::Jsonl => json::read_lines(from, source, spec, sink),
        Format::Xml => xml::read(from, source, spec, sink),
        Format::Xlsx => Err(source
            .unsupported("this is not an Excel workbook (.xlsx), which the spec's `source.format` wants")),
        Format::Parquet => {
            let bytes = held(from, source)?;
            let length = bytes.len() as u64;
            parquet::read(Bytes::from(bytes), length, source, spec, sink)
        }
    }
}

/// All of a file that can only be read as a whole.
fn held(from: impl Read, source: &SourceFile) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    from.take(NESTED_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| source.unreadable(error))?;
    if bytes.len() as u64 > NESTED_BYTES_MAX {
        return Err(ParseError::TooLarge {
            detail: format!("{source}: such a file inside an archive is read up to 64 MiB; send it bare"),
        });
    }
    Ok(bytes)
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zip,
    Gzip,
    OldOffice,
    Other,
}

impl Kind {
    fn of(start: &[u8]) -> Self {
        match start {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xd0, 0xcf, 0x11, 0xe0, ..] => Self::OldOffice,
            _ => Self::Other,
        }
    }
}

fn first_bytes(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(4);
    file.take(4).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}

/// A zip archive of so many bytes is a workbook, or holds files one by one.
fn read_zip(
    file: File,
    source: &SourceFile,
    bytes: u64,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut archive = open_zip(BufReader::new(file), source)?;
    let is_workbook = archive.index_for_name("xl/workbook.xml").is_some();
    match (is_workbook, spec.source.format) {
        (true, Format::Xlsx) => {
            workbook::check_size(&mut archive, bytes, source)?;
            return workbook::read(archive.into_inner(), source, spec, sink);
        }
        (true, format) => {
            let problem =
                format!("this is an Excel workbook; the spec's `source.format` is {:?}", format.name());
            return Err(source.unsupported(&problem));
        }
        (false, _) => {}
    }
    if archive.len() > ENTRIES_MAX {
        return Err(source.unsupported(&format!("the archive has more than {ENTRIES_MAX} entries")));
    }
    let mut found = 0_usize;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| zip_error(source, error))?;
        let name = entry.name().map_err(|error| zip_error(source, error))?.into_owned();
        if entry.enclosed_name().is_none() || name.contains('\\') {
            return Err(source.unsupported(&format!(
                "the entry {name:?} points out of the archive; have it packed again without paths"
            )));
        }
        if entry.is_dir() || !is_wanted(&name, spec.source.entries.as_deref()) {
            continue;
        }
        found += 1;
        // What an archive says may be a lie: no entry is larger than all of it.
        let compressed = entry.compressed_size().min(bytes);
        read_content(Guard::new(entry, compressed), &source.inner(&name), spec, sink)?;
    }
    if found == 0 {
        let pattern = spec.source.entries.as_deref().unwrap_or("*");
        return Err(ParseError::Empty {
            detail: format!(
                "{source}: the archive holds no file that matches `source.entries` = {pattern:?}"
            ),
        });
    }
    Ok(())
}

/// Opens an archive whose entries can all be told apart: the reader of archives
/// keeps one entry a name, and believes the archive's own count of entries.
fn open_zip<R: Read + Seek>(mut from: R, source: &SourceFile) -> Result<ZipArchive<R>, ParseError> {
    let archive = ZipArchive::new(&mut from).map_err(|error| zip_error(source, error))?;
    let (directory, kept) = (archive.central_directory_start(), archive.len());
    from.seek(SeekFrom::Start(directory)).map_err(|error| source.unreadable(error))?;
    let mut names = BTreeSet::new();
    while let Some(name) = next_name(&mut from).map_err(|error| source.unreadable(error))? {
        if let Some(twice) = names.replace(name) {
            return Err(source.unsupported(&format!(
                "the archive has several entries {:?}, and only one would be read; have it packed again \
                 with a name for each",
                String::from_utf8_lossy(&twice)
            )));
        }
    }
    if names.len() != kept {
        return Err(
            source.damaged(&format!("its directory has {} entries, but it counts only {kept}", names.len()))
        );
    }
    ZipArchive::new(from).map_err(|error| zip_error(source, error))
}

/// The name in the next record of an archive's directory (APPNOTE 4.3.12); none at its end.
fn next_name(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut signature = Vec::with_capacity(4);
    from.take(4).read_to_end(&mut signature)?;
    if signature != b"PK\x01\x02" {
        return Ok(None);
    }
    let mut skipped = [0; 24];
    from.read_exact(&mut skipped)?;
    let mut length = || {
        let mut bytes = [0; 2];
        from.read_exact(&mut bytes).map(|()| u16::from_le_bytes(bytes))
    };
    let (name_bytes, extra_bytes, comment_bytes) = (length()?, length()?, length()?);
    let mut skipped = [0; 12];
    from.read_exact(&mut skipped)?;
    let mut name = vec![0; name_bytes.into()];
    from.read_exact(&mut name)?;
    let rest = u64::from(extra_bytes) + u64::from(comment_bytes);
    if io::copy(&mut from.take(rest), &mut io::sink())? < rest {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(name))
}

/// Finder's shadow files are never meant; otherwise the spec's pattern decides.
fn is_wanted(name: &str, pattern: Option<&str>) -> bool {
    !name.starts_with("__MACOSX/") && pattern.is_none_or(|pattern| matches(pattern, name))
}

/// `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| rest.get(at..).is_some_and(|rest| matches(tail, rest)))
        }),
    }
}

/// Reads what was inside of a gz or an entry of a zip.
fn read_content(
    mut content: impl Read,
    source: &SourceFile,
    spec: &FeedSpec,
    sink: &mut Sink<'_>,
) -> Result<(), ParseError> {
    let mut start = Vec::with_capacity(4);
    (&mut content).take(4).read_to_end(&mut start).map_err(|error| source.unreadable(error))?;
    let kind = Kind::of(&start);
    let content = Cursor::new(start).chain(content);
    match (kind, spec.source.format) {
        (Kind::Zip, Format::Xlsx) => {
            let bytes = held(content, source)?;
            let length = bytes.len() as u64;
            let mut archive = open_zip(Cursor::new(bytes), source)?;
            workbook::check_size(&mut archive, length, source)?;
            workbook::read(archive.into_inner(), source, spec, sink)
        }
        (Kind::Zip | Kind::Gzip, _) => {
            Err(source.unsupported("this is an archive inside an archive; unpack the outer one"))
        }
        (Kind::OldOffice, _) => Err(source.unsupported("this is not what the spec's `source.format` wants")),
        (Kind::Other, _) => read_plain(content, source, spec, sink),
    }
}

pub(crate) fn zip_error(source: &SourceFile, error: ZipError) -> ParseError {
    match error {
        ZipError::Io(error) => source.unreadable(error),
        // A zip's directory is its last part: without it the file was cut.
        ZipError::InvalidArchive(problem) => source.truncated(&problem),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            source.unsupported("the archive has a password; send it without one")
        }
        ZipError::UnsupportedArchive(problem) => source.unsupported(problem),
        ZipError::CompressionMethodNotSupported(_) => source
            .unsupported("an entry is compressed by something else than deflate; pack it again as plain zip"),
        other => source.damaged(&other.to_string()),
    }
}

/// Counts what is inflated and stops when it is out of all proportion.
pub(crate) struct Guard<R> {
    from: R,
    inflated: u64,
    limit: u64,
}

impl<R> Guard<R> {
    pub(crate) fn new(from: R, compressed: u64) -> Self {
        let limit = compressed.saturating_mul(INFLATE_RATIO_MAX).max(INFLATED_BYTES_FREE);
        Self { from, inflated: 0, limit }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.inflated += count as u64;
        if self.inflated > self.limit {
            return Err(Fault::TooLarge(format!(
                "it inflates to more than {INFLATE_RATIO_MAX} times its size, which no table does; \
                 if it is genuine, send it unpacked"
            ))
            .into_io());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, name: &str, want: bool| {
            assert_eq!(is_wanted(name, Some(pattern)), want, "{pattern} {name}");
        };
        check("*.csv", "a.csv", true);
        check("*.csv", "a.csv.bak", false);
        check("data/*-*.csv", "data/2024-01.csv", true);
        check("data.csv", "data.csv", true);
        check("*", "__MACOSX/._a.csv", false);
        assert!(is_wanted("a", None));
    }
}

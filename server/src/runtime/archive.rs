//! Zips of functions: unpacked once, or refused. Nobody trusts them.
//!
//! A zip goes into a folder named by the SHA-256 of its bytes, which only its owner can
//! enter. It is made under another name and renamed when everything in it is on disk, so
//! it is there as a whole or not at all. An entry's name is data: it has to be a plain
//! relative path of directories and files, and every file is created anew, so that
//! nothing outside of the folder can be reached and nothing in it replaced.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Cursor, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use asl::limits;
use zip::ZipArchive;
use zip::read::ZipFile;

/// The program in it.
const BOOTSTRAP: &str = "bootstrap";
/// What a folder is called that is not complete; `kill -9` leaves one behind.
const PARTIAL: &str = ".partial-";
/// Of `st_mode`: what a file is, and that it is a plain one or a directory. POSIX.
const FILE_TYPE: u32 = 0o170_000;
const PLAIN: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
/// A name in a path, and a path, in bytes. Linux: `NAME_MAX`, `PATH_MAX` less what is before it.
const NAME_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 2048;
/// Where the ratio of sizes begins to count, in bytes: a megabyte of zeros harms nobody. Ours.
const RATIO_FROM: u64 = 1 << 20;

/// Why a zip is refused, or could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {problem}", zip.display(), entry.as_ref().map(|entry| format!(": {entry:?}")).unwrap_or_default())]
pub struct ArchiveError {
    /// The zip.
    pub zip: PathBuf,
    /// The entry, if it is about one.
    pub entry: Option<String>,
    /// What is wrong.
    pub problem: ArchiveProblem,
}

/// What is wrong with a zip.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveProblem {
    /// It, or what it is unpacked to, cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no zip, or a damaged one.
    #[error("it is not a zip, or a damaged one: {0}")]
    Damaged(String),
    /// It has more bytes than Lambda takes.
    #[error("it has more than {} bytes, the most that Lambda takes of a zip", limits::FUNCTION_ZIP_BYTES_MAX)]
    TooLarge,
    /// It unpacks to more bytes than Lambda takes.
    #[error(
        "it unpacks to more than {} bytes, the most that Lambda takes",
        limits::FUNCTION_UNZIPPED_BYTES_MAX
    )]
    UnpacksTooLarge,
    /// It unpacks to far more than itself.
    #[error("it unpacks to more than {} times its size", limits::FUNCTION_ZIP_RATIO_MAX)]
    Bomb,
    /// It has more entries than any function.
    #[error("it has more than {} entries", limits::FUNCTION_ZIP_ENTRIES_MAX)]
    TooManyEntries,
    /// Two entries are for one file.
    #[error("two entries have one name")]
    Duplicate,
    /// The name is not one of a file below the zip's root.
    #[error(
        "the name is no plain path inside of the zip: it is absolute, or has `..`, `.`, `\\`, NUL or too many bytes"
    )]
    Name,
    /// The entry is a link, a device, or something of the kind.
    #[error("the entry is neither a plain file nor a directory")]
    Special,
    /// The entry is encrypted.
    #[error("the entry is encrypted")]
    Encrypted,
    /// It holds no program.
    #[error("there is no `bootstrap` at its root: the program that Lambda starts")]
    NoBootstrap,
}

/// The folder that a zip is unpacked to, below `unpacked`.
pub(super) fn unpack(zip: &Path, unpacked: &Path) -> Result<PathBuf, ArchiveError> {
    let about = |problem: ArchiveProblem| ArchiveError { zip: zip.to_owned(), entry: None, problem };
    let bytes = read(zip).map_err(about)?;
    let folder = unpacked.join(sigv4::digest(&bytes));
    // Complete, or it would not have this name.
    if folder.join(BOOTSTRAP).is_file() {
        return Ok(folder);
    }
    bucket::make_durable_dir(unpacked).map_err(|error| about(error.into()))?;
    let partial = Partial::new(unpacked).map_err(|error| about(error.into()))?;
    let damaged = |error: zip::result::ZipError| about(ArchiveProblem::Damaged(error.to_string()));
    let mut archive = ZipArchive::new(Cursor::new(&bytes)).map_err(damaged)?;
    if archive.has_duplicate_names() {
        return Err(about(ArchiveProblem::Duplicate));
    }
    if archive.len() > limits::FUNCTION_ZIP_ENTRIES_MAX {
        return Err(about(ArchiveProblem::TooManyEntries));
    }
    let mut unpacking =
        Unpacking { root: &partial.0, files: BTreeSet::new(), written: 0, zipped: bytes.len() as u64 };
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(damaged)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        unpacking.entry(&mut entry).map_err(|problem| ArchiveError {
            zip: zip.to_owned(),
            entry: Some(name),
            problem,
        })?;
    }
    if !partial.0.join(BOOTSTRAP).is_file() {
        return Err(about(ArchiveProblem::NoBootstrap));
    }
    partial.complete(&folder).map_err(|error| about(error.into()))?;
    Ok(folder)
}

/// Removes what was unpacked below a folder and is not used.
pub(super) fn forget(unpacked: &Path, is_used: impl Fn(&Path) -> bool) {
    // No folder: nothing was unpacked.
    let Ok(entries) = fs::read_dir(unpacked) else { return };
    for folder in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|folder| !is_used(folder)) {
        let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        // What is not ours stays.
        if !name.starts_with(PARTIAL) && sigv4::unhex(&name).is_none() {
            continue;
        }
        if let Err(error) = fs::remove_dir_all(&folder) {
            tracing::warn!(path = %folder.display(), %error, "an old function cannot be removed");
        }
    }
}

/// The bytes of a zip, read once: what is checked is what is unpacked.
fn read(zip: &Path) -> Result<Vec<u8>, ArchiveProblem> {
    let mut bytes = Vec::new();
    File::open(zip)?.take(limits::FUNCTION_ZIP_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::FUNCTION_ZIP_BYTES_MAX {
        return Err(ArchiveProblem::TooLarge);
    }
    Ok(bytes)
}

fn private(recursive: bool) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(recursive).mode(0o700);
    builder
}

/// A folder that is being made. It goes away with this value.
struct Partial(PathBuf);

impl Partial {
    fn new(below: &Path) -> io::Result<Self> {
        let folder = below.join(format!("{PARTIAL}{}", crate::random::hex()));
        private(false).create(&folder)?;
        Ok(Self(folder))
    }

    /// Gives it its name, when everything in it is there for good. Somebody else may have been quicker
    /// with the same.
    fn complete(self, name: &Path) -> io::Result<()> {
        // A folder that has its name has everything in it, also after a power cut.
        sync_folders(&self.0)?;
        match fs::rename(&self.0, name) {
            Err(_) if name.join(BOOTSTRAP).is_file() => Ok(()),
            renamed => renamed,
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Not there any more, as a rule: it has its name.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sees to it that the entries of a folder, and of those in it, are on disk.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

struct Unpacking<'a> {
    root: &'a Path,
    files: BTreeSet<PathBuf>,
    written: u64,
    zipped: u64,
}

impl Unpacking<'_> {
    fn entry<R: Read>(&mut self, entry: &mut ZipFile<'_, R>) -> Result<(), ArchiveProblem> {
        if entry.encrypted() {
            return Err(ArchiveProblem::Encrypted);
        }
        let mode = entry.unix_mode();
        let kind = mode.map_or(0, |mode| mode & FILE_TYPE);
        if entry.is_symlink() || ![0, PLAIN, DIRECTORY].contains(&kind) {
            return Err(ArchiveProblem::Special);
        }
        let path = plain_path(entry.name_raw()).ok_or(ArchiveProblem::Name)?;
        if !self.files.insert(path.clone()) {
            return Err(ArchiveProblem::Duplicate);
        }
        let target = self.root.join(&path);
        if entry.is_dir() || kind == DIRECTORY {
            return Ok(private(true).create(&target)?);
        }
        if let Some(parent) = target.parent() {
            private(true).create(parent)?;
        }
        // Zips made where files have no modes do not tell which are programs.
        let is_program = mode.map_or(path == Path::new(BOOTSTRAP), |mode| mode & 0o111 != 0);
        let mode = if is_program { 0o700 } else { 0o600 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&target)?;
        self.copy(entry, &mut file)?;
        Ok(file.sync_all()?)
    }

    /// Copies within the limits; what an entry says of its size counts for nothing.
    fn copy(&mut self, entry: &mut impl Read, file: &mut File) -> Result<(), ArchiveProblem> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            let read = match entry.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) => return Err(ArchiveProblem::Damaged(error.to_string())),
            };
            self.written += read as u64;
            if self.written > limits::FUNCTION_UNZIPPED_BYTES_MAX {
                return Err(ArchiveProblem::UnpacksTooLarge);
            }
            if self.written > RATIO_FROM + self.zipped * limits::FUNCTION_ZIP_RATIO_MAX {
                return Err(ArchiveProblem::Bomb);
            }
            file.write_all(chunk.get(..read).unwrap_or_default())?;
        }
    }
}

/// A name as a path below the root; `None` = it is not one.
fn plain_path(name: &[u8]) -> Option<PathBuf> {
    let name = std::str::from_utf8(name).ok()?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let fits = !name.is_empty() && name.len() <= PATH_BYTES_MAX && !name.contains(['\\', '\0']);
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= NAME_BYTES_MAX;
    if !fits || !name.split('/').all(is_plain) {
        return None;
    }
    let path = PathBuf::from(name);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

#[cfg(test)]
mod tests;

//! Files that are there completely or not at all, also after a power cut.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::batch::hex;
use crate::deliver::DeliverError;

/// What receivers must not look at.
const PART: &str = ".part";

/// The receiver is somebody else; what it may read is up to the folder and the umask.
const MODE: u32 = 0o666;

/// Large enough that hashing, not system calls, is the cost.
const BUFFER_BYTES: usize = 64 * 1024;

/// A file being written under a name that receivers ignore.
pub(super) struct Incoming {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
    bytes: u64,
}

impl Incoming {
    /// Starts the file that is to be at `path`, beside it.
    pub(super) fn create(path: &Path) -> Result<Self, DeliverError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A name of its own: a process that was believed dead may write the same file.
        let file = tempfile::Builder::new()
            .prefix(&format!("{name}."))
            .suffix(PART)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(path.parent().unwrap_or(path))
            .map_err(|error| io_failure(path, "write", &error))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), DeliverError> {
        self.file.write_all(data).map_err(|error| io_failure(&self.path, "write", &error))?;
        self.hash.update(data);
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// Gives the file its name; its length and SHA-256.
    pub(super) fn finish(self) -> Result<(u64, String), DeliverError> {
        let Self { path, file, hash, bytes } = self;
        let file = synced(file, &path)?;
        file.persist(&path).map_err(|error| io_failure(&path, "rename", &error.error))?;
        sync_parent(&path).map_err(|error| io_failure(&path, "sync the folder of", &error))?;
        Ok((bytes, hex(&hash.finalize())))
    }

    /// Gives the file its name unless that is taken, in one step; whether it did.
    pub(super) fn finish_first(self) -> Result<bool, DeliverError> {
        let Self { path, file, .. } = self;
        let file = synced(file, &path)?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(io_failure(&path, "rename", &error.error)),
        }
        sync_parent(&path).map_err(|error| DeliverError::Unknown {
            detail: format!(
                "{}: it is there, but whether it stays is not known ({error}); the next attempt looks",
                path.display()
            ),
        })?;
        Ok(true)
    }
}

fn synced(file: BufWriter<NamedTempFile>, path: &Path) -> Result<NamedTempFile, DeliverError> {
    let failure = |error: &io::Error| io_failure(path, "write", error);
    let file = file.into_inner().map_err(|error| failure(error.error()))?;
    file.as_file().sync_all().map_err(|error| failure(&error))?;
    Ok(file)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Makes a folder and those above it, durably.
pub(super) fn make_durable_dir(folder: &Path) -> Result<(), DeliverError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_durable_dir(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_failure(folder, "make", &error)),
        _ => sync_parent(folder).map_err(|error| io_failure(folder, "sync the folder of", &error)),
    }
}

/// Deletes what killed processes left in the folder of a version that is complete.
pub(super) fn sweep(folder: &Path) {
    // Nobody reads them: that one stays is no reason to fail.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(PART) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The content of a small file of somebody else's; `None` when there is none.
pub(super) fn read_small(path: &Path, bytes_max: u64) -> Result<Option<String>, DeliverError> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(File::open(path)?, bytes_max + 1), &mut text)?;
        Ok(text)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_failure(path, "read", &error)),
        Ok(text) if text.len() as u64 > bytes_max => Err(DeliverError::rejected(format!(
            "{} has more than {bytes_max} bytes; whoever wrote it must keep it short",
            path.display()
        ))),
        Ok(text) => Ok(Some(text)),
    }
}

/// An error of the file system by what a caller can do about it.
pub(super) fn io_failure(path: &Path, action: &str, error: &io::Error) -> DeliverError {
    let words = |advice: &str| format!("cannot {action} {}: {error}; {advice}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => DeliverError::rejected(words(
            "give the step's user write access to the folder, then redrive the execution",
        )),
        io::ErrorKind::InvalidData => DeliverError::rejected(words("it is not text; put it right")),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DeliverError::Unavailable {
            detail: words("free some space; the delivery is tried again, or redrive the execution"),
        },
        _ => DeliverError::Unavailable {
            detail: words(
                "check that the folder can be reached; the delivery is tried again, or redrive the execution",
            ),
        },
    }
}

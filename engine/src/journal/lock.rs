//! One engine per data directory.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::schema::{FILE, JournalError, LOCK_FILE};

/// Holds the lock of a data directory until it is dropped. The operating
/// system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Creates the directory (for its owner only) if need be, and locks it.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, JournalError> {
        create_private_directory(directory)?;
        let path = directory.join(LOCK_FILE);
        let failed = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source| JournalError::File { action, path, source }
        };
        let mut file = private().open(&path).map_err(failed("open", &path))?;
        if let Err(refused) = file.try_lock() {
            return match refused {
                fs::TryLockError::WouldBlock => Err(in_use(directory, &mut file)),
                fs::TryLockError::Error(source) => Err(failed("lock", &path)(source)),
            };
        }
        let pid = std::process::id().to_string();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(pid.as_bytes()))
            .map_err(failed("write", &path))?;
        // SQLite would create the database with the permissions of the umask.
        let database = directory.join(FILE);
        private().open(&database).map_err(failed("create", &database))?;
        sync_directory(directory).map_err(failed("sync", directory))?;
        Ok(Self { _file: file })
    }
}

fn in_use(directory: &Path, file: &mut File) -> JournalError {
    let mut text = String::new();
    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
    JournalError::InUse { directory: PathBuf::from(directory), pid }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_private_directory(directory: &Path) -> Result<(), JournalError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|source| JournalError::File {
        action: "create directory",
        path: directory.to_path_buf(),
        source,
    })
}

/// A new file is only certain to be found after a power loss once its directory is synced.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

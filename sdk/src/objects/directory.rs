//! A bucket that is a directory.
//!
//! An object is written under `.stepwright-incoming`, synced, renamed into
//! place, and the directories that name it are synced: after `finish` it
//! survives a power cut, before it nobody sees it. A process that is killed
//! while writing leaves one file in `.stepwright-incoming`, which nothing ever
//! reads and which may be deleted while no step runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Content;
use super::key::INCOMING;

/// The directory of a bucket. Keys given to its methods have been checked.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    pub(super) fn new(root: &str) -> Self {
        Self { root: PathBuf::from(root) }
    }

    pub(super) fn path_of(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// The object's file, or `None` when there is none.
    pub(super) fn open(&self, key: &str) -> io::Result<Option<File>> {
        let path = self.path_of(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        self.check_inside(&path)?;
        Ok(Some(file))
    }

    /// A file to write an object into, invisible to readers.
    pub(super) fn incoming(&self) -> io::Result<NamedTempFile> {
        let directory = self.root.join(INCOMING);
        fs::create_dir_all(&directory)?;
        NamedTempFile::new_in(directory)
    }

    /// Gives a written file its name, durably. The same content twice changes nothing.
    pub(super) fn publish(&self, file: NamedTempFile, key: &str, content: &Content) -> io::Result<()> {
        let path = self.path_of(key);
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent)?;
        self.check_inside(parent)?;
        if !self.holds(key, content)? {
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
        }
        // Also when the object was there already: who renamed it may have died
        // before syncing the directory.
        self.sync_up_from(parent)
    }

    fn holds(&self, key: &str, content: &Content) -> io::Result<bool> {
        let Some(mut file) = self.open(key)? else { return Ok(false) };
        if file.metadata()?.len() != content.bytes {
            return Ok(false);
        }
        Ok(Content::of(&mut file)?.sha256 == content.sha256)
    }

    /// A symbolic link inside the bucket must not lead out of it.
    fn check_inside(&self, path: &Path) -> io::Result<()> {
        if path.canonicalize()?.starts_with(self.root.canonicalize()?) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "a symbolic link leads out of the bucket"))
    }

    fn sync_up_from(&self, directory: &Path) -> io::Result<()> {
        for ancestor in directory.ancestors().take_while(|ancestor| ancestor.starts_with(&self.root)) {
            File::open(ancestor)?.sync_all()?;
        }
        Ok(())
    }
}

/// A key whose prefix is itself an object names nothing either.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

//! A bucket that is a directory.
//!
//! An object is written where nobody sees it, synced, renamed into place, and
//! the directories that name it are synced: after `finish` it survives a power
//! cut, before it nobody sees it. Where an object lies is the decision of
//! `bucket`, which the engine and the local S3 endpoint use as well.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bucket::{Folder, Key};
use tempfile::NamedTempFile;

use super::Content;

/// The directory of a bucket. Keys given to its methods have been checked.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    folder: Folder,
}

impl Directory {
    pub(super) fn new(root: &str) -> Self {
        Self { folder: Folder::new(root) }
    }

    pub(super) fn path_of(&self, key: &str) -> PathBuf {
        // Messages name keys that are none, too.
        Key::new(key).map_or_else(|_| self.folder.root().to_path_buf(), |key| self.folder.path_of(key))
    }

    /// The object's file, or `None` when there is none.
    pub(super) fn open(&self, key: &str) -> io::Result<Option<File>> {
        Ok(self.folder.open(checked(key)?)?.map(|object| object.file))
    }

    /// A file to write an object into, invisible to readers.
    pub(super) fn incoming(&self) -> io::Result<NamedTempFile> {
        self.folder.incoming("step-")
    }

    /// Gives a written file its name, durably. The same content twice changes nothing.
    pub(super) fn publish(&self, file: NamedTempFile, key: &str, content: &Content) -> io::Result<()> {
        if self.holds(key, content)? {
            // Who put it in place may have died before its name would last.
            return self.folder.settle_object(checked(key)?);
        }
        self.folder.publish(file, checked(key)?)?;
        Ok(())
    }

    /// Gives a written file its name unless that is taken; whether it did.
    pub(super) fn publish_first(&self, file: NamedTempFile, key: &str) -> io::Result<bool> {
        self.folder.publish_first(file, checked(key)?)
    }

    /// The directory.
    pub(super) fn root(&self) -> &Path {
        self.folder.root()
    }

    fn holds(&self, key: &str, content: &Content) -> io::Result<bool> {
        let Some(mut file) = self.open(key)? else { return Ok(false) };
        if file.metadata()?.len() != content.bytes {
            return Ok(false);
        }
        Ok(Content::of(&mut file)?.sha256 == content.sha256)
    }
}

fn checked(key: &str) -> io::Result<Key<'_>> {
    Key::new(key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

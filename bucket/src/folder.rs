//! The folder of a bucket: finds, opens, puts in place, takes away.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::about::{About, Stamp};
use crate::durable::make_durable_dir;
use crate::key::{Key, OURS};

/// How often a read begins anew because the object was replaced meanwhile.
const READS_MAX: usize = 100;

/// A bucket's folder. It need not be there before something is written.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// Where an object lies and which bytes it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub(crate) path: PathBuf,
    /// Which bytes.
    pub stamp: Stamp,
}

/// An object that is open for reading.
#[derive(Debug)]
pub struct Object {
    /// At its beginning.
    pub file: File,
    /// Which bytes these are.
    pub stamp: Stamp,
    /// What is known of them, if its writer kept something.
    pub about: Option<About>,
}

/// The right to put objects in place, until it is dropped: one at a time has
/// it, over all processes.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Folder {
    /// A bucket in this folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is no object lies here: a folder of this name, for the bucket's owner.
    pub fn ours(&self, name: &str) -> PathBuf {
        self.root.join(OURS).join(name)
    }

    /// Where the object of a key is, or would be looked for first; for messages.
    pub fn path_of(&self, key: Key<'_>) -> PathBuf {
        if key.is_path() { self.root.join(key.as_str()) } else { self.encoded(key) }
    }

    pub(crate) fn encoded(&self, key: Key<'_>) -> PathBuf {
        self.ours("keys").join(key.encoded_path())
    }

    /// Looks for an object.
    ///
    /// # Errors
    /// `PermissionDenied` when a symbolic link is in its way.
    pub fn find(&self, key: Key<'_>) -> io::Result<Option<Found>> {
        if key.is_path()
            && let Way::Object(found) = self.way(key)?
        {
            return Ok(Some(found));
        }
        let path = self.encoded(key);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Some(Found { path, stamp: Stamp::of(&metadata) })),
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens an object; `None` = there is none. What is known of it belongs to
    /// the bytes that are open, also while somebody replaces it.
    pub fn open(&self, key: Key<'_>) -> io::Result<Option<Object>> {
        for _ in 0..READS_MAX {
            let Some(found) = self.find(key)? else { return Ok(None) };
            let file = match File::open(&found.path) {
                Ok(file) => file,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error),
            };
            let stamp = Stamp::of(&file.metadata()?);
            let about = self.about(key, stamp)?;
            // Nothing known of it: or it was replaced, and then it is forgotten.
            if about.is_some() || self.find(key)?.is_some_and(|again| again.stamp == stamp) {
                return Ok(Some(Object { file, stamp, about }));
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the object is replaced all the time"))
    }

    /// A file to write an object into, which nobody sees; its name begins with this.
    pub fn incoming(&self, prefix: &str) -> io::Result<NamedTempFile> {
        let folder = self.ours("incoming");
        make_durable_dir(&folder)?;
        tempfile::Builder::new().prefix(prefix).tempfile_in(folder)
    }

    /// Waits for the right to put objects in place.
    pub fn lock(&self) -> io::Result<Lock> {
        make_durable_dir(&self.root.join(OURS))?;
        let file = File::options().create(true).truncate(false).write(true).open(self.ours("lock"))?;
        file.lock()?;
        Ok(Lock { _file: file })
    }

    /// Gives a written file the name of a key: whoever looks finds the old bytes
    /// or the new ones. Answers what has to be synced before it is told to anybody.
    ///
    /// # Errors
    /// The object is as it was then.
    pub fn put_in_place(&self, _: &Lock, file: NamedTempFile, key: Key<'_>) -> io::Result<PathBuf> {
        let path = match self.find(key)? {
            Some(found) => found.path,
            None if key.is_path() && matches!(self.way(key)?, Way::Free) => self.root.join(key.as_str()),
            None => self.encoded(key),
        };
        let parent = path.parent().unwrap_or(&self.root);
        make_durable_dir(parent)?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(parent.to_path_buf())
    }

    /// Makes what was put in place, or taken away, last.
    pub fn settle(&self, parent: &Path) -> io::Result<()> {
        self.sync_up_from(parent)
    }

    /// Makes the name of an object last that is there already.
    pub fn settle_object(&self, key: Key<'_>) -> io::Result<()> {
        let Some(found) = self.find(key)? else { return Ok(()) };
        self.settle(found.path.parent().unwrap_or(&self.root))
    }

    /// All of it at once, for who keeps nothing about objects.
    pub fn publish(&self, file: NamedTempFile, key: Key<'_>) -> io::Result<Stamp> {
        file.as_file().sync_all()?;
        let stamp = Stamp::of(&file.as_file().metadata()?);
        let lock = self.lock()?;
        let before = self.find(key)?;
        let parent = self.put_in_place(&lock, file, key)?;
        if let Some(before) = before {
            self.forget_about(key, before.stamp)?;
        }
        drop(lock);
        self.settle(&parent)?;
        Ok(stamp)
    }

    /// As [`Self::publish`], unless there is an object of this key; whether it did.
    pub fn publish_first(&self, file: NamedTempFile, key: Key<'_>) -> io::Result<bool> {
        file.as_file().sync_all()?;
        let lock = self.lock()?;
        if self.find(key)?.is_some() {
            drop(lock);
            // Who put it in place may have died before its name would last.
            self.settle_object(key)?;
            return Ok(false);
        }
        let parent = self.put_in_place(&lock, file, key)?;
        drop(lock);
        self.settle(&parent)?;
        Ok(true)
    }

    /// Takes an object away, and the folders that were only for it. Answers what
    /// has to be synced; `None` = it was not there.
    pub fn take_away(&self, _: &Lock, key: Key<'_>) -> io::Result<Option<PathBuf>> {
        let Some(found) = self.find(key)? else { return Ok(None) };
        fs::remove_file(&found.path)?;
        let mut folder = found.path.parent().unwrap_or(&self.root);
        // A folder that is not empty is not removed: that ends it.
        while folder != self.root && fs::remove_dir(folder).is_ok() {
            folder = folder.parent().unwrap_or(&self.root);
        }
        Ok(Some(folder.to_path_buf()))
    }

    /// What is at the path of a key that is one.
    fn way(&self, key: Key<'_>) -> io::Result<Way> {
        let mut path = self.root.clone();
        let mut parts = key.as_str().split('/').peekable();
        while let Some(part) = parts.next() {
            path.push(part);
            let metadata = match path.symlink_metadata() {
                Ok(metadata) => metadata,
                Err(error) if is_absent(&error) => return Ok(Way::Free),
                Err(error) => return Err(error),
            };
            if metadata.is_symlink() {
                let message = "a symbolic link is in the way: links in buckets are not followed";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
            }
            let is_last = parts.peek().is_none();
            if is_last && metadata.is_file() {
                return Ok(Way::Object(Found { path, stamp: Stamp::of(&metadata) }));
            }
            if is_last || !metadata.is_dir() {
                return Ok(Way::Taken);
            }
        }
        Ok(Way::Free)
    }
}

/// What is at a path.
enum Way {
    /// Nothing, and it can be made.
    Free,
    /// The object.
    Object(Found),
    /// What is no object of this key: a folder, or a file where a folder would have to be.
    Taken,
}

/// A path through a file names nothing either.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // Somebody took the last object of it away: then its parent says so.
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

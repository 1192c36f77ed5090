//! What is known of an object beside its bytes.
//!
//! It lies in a file of its own that is named by the key and the stamp of the
//! bytes it belongs to. So it can be written before the bytes are put in place,
//! which is one rename, and what was known of other bytes is never taken for it.

use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::durable::make_durable_dir;
use crate::folder::{Folder, is_absent, sync_folder};
use crate::key::Key;

/// What tells the bytes that lie under a key from those before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When they were written, in nanoseconds since the epoch.
    pub modified_nanos: u64,
    /// How many there are.
    pub bytes: u64,
}

impl Stamp {
    /// Those of a file.
    pub fn of(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let nanos = since.unwrap_or_default().as_nanos();
        Self { modified_nanos: u64::try_from(nanos).unwrap_or(u64::MAX), bytes: metadata.len() }
    }

    /// The time as the file system takes it.
    pub fn modified(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.modified_nanos)
    }

    /// The time in milliseconds since the epoch.
    pub fn modified_millis(self) -> i64 {
        i64::try_from(self.modified_nanos / 1_000_000).unwrap_or(i64::MAX)
    }

    /// The `ETag`, without quotes, of an object of which nothing else is known. To
    /// hash all of it would cost as much as what the tag is asked for; like the
    /// tag of a multipart upload it does not look like a hash.
    pub fn etag(self) -> String {
        format!("{:016x}{:016x}-1", self.bytes, self.modified_nanos)
    }
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The `ETag`, without quotes and without line ends.
    pub etag: String,
    /// What else its writer wants to be kept.
    pub note: String,
}

impl Folder {
    /// Keeps what is known of an object with these bytes, durably.
    pub fn keep_about(&self, key: Key<'_>, stamp: Stamp, about: &About) -> io::Result<()> {
        let path = self.about_path(key, stamp);
        let folder = path.parent().unwrap_or(self.root());
        make_durable_dir(folder)?;
        let mut file = self.incoming("about-")?;
        write!(file, "{}\n{}", about.etag, about.note)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        self.sync_up_from(folder)
    }

    /// What is known of an object with these bytes.
    pub fn about(&self, key: Key<'_>, stamp: Stamp) -> io::Result<Option<About>> {
        let text = match fs::read_to_string(self.about_path(key, stamp)) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (etag, note) = text.split_once('\n').unwrap_or((&text, ""));
        Ok(Some(About { etag: etag.to_owned(), note: note.to_owned() }))
    }

    /// Forgets what was known of an object with these bytes.
    pub fn forget_about(&self, key: Key<'_>, stamp: Stamp) -> io::Result<()> {
        match fs::remove_file(self.about_path(key, stamp)) {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn about_path(&self, key: Key<'_>, stamp: Stamp) -> PathBuf {
        let mut path = self.ours("about").join(key.encoded_path()).into_os_string();
        path.push(format!("~{:016x}-{:x}", stamp.modified_nanos, stamp.bytes));
        path.into()
    }

    /// Syncs a folder and those above it, up to the bucket's.
    pub(crate) fn sync_up_from(&self, folder: &std::path::Path) -> io::Result<()> {
        folder.ancestors().take_while(|folder| folder.starts_with(self.root())).try_for_each(sync_folder)
    }
}

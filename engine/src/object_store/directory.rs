//! Objects as files: a bucket is a directory, a key a path below it.
//!
//! A key that would leave its bucket, or that two file systems would read in
//! two ways, is refused. Symbolic links are not followed. S3 can hold `a` and
//! `a/b` at the same time; a directory cannot, and says so.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use super::{
    GetObject, LIST_PAGE_OBJECTS, ListObjects, ListPage, Object, ObjectError, ObjectErrorCode, ObjectStore,
    ObjectSummary,
};

/// Files that are being written start with this; no key's part may.
const UNFINISHED: &str = ".stepwright-put-";

/// Buckets on a disk.
#[derive(Debug, Default)]
pub struct DirectoryStore {
    root: Option<PathBuf>,
    buckets: BTreeMap<String, PathBuf>,
    puts: AtomicU64,
}

impl DirectoryStore {
    /// Every directory in a directory is a bucket of its name.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..Self::default() }
    }

    /// Adds a bucket that is elsewhere.
    #[must_use]
    pub fn with_bucket(mut self, bucket: &str, directory: impl Into<PathBuf>) -> Self {
        self.buckets.insert(bucket.to_owned(), directory.into());
        self
    }

    fn bucket(&self, bucket: &str) -> Result<PathBuf, ObjectError> {
        let named = self.buckets.get(bucket).cloned();
        let below_root = || {
            let is_plain = !bucket.is_empty()
                && bucket != "."
                && bucket != ".."
                && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
            self.root.as_ref().filter(|_| is_plain).map(|root| root.join(bucket))
        };
        let directory = named.or_else(below_root).filter(|directory| directory.is_dir());
        directory.ok_or_else(|| ObjectError::no_such_bucket(bucket))
    }

    /// A new file to write to. A process that died may have left one of the
    /// same name: in a container, every life has the same process id.
    fn create_unfinished(&self, directory: &Path) -> io::Result<(File, PathBuf)> {
        loop {
            let number = self.puts.fetch_add(1, Ordering::Relaxed);
            let path = directory.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
            match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (file, path)),
            }
        }
    }

    /// The file of a key, none of whose parts is a link.
    fn file(&self, bucket: &str, key: &str) -> Result<(PathBuf, PathBuf), ObjectError> {
        let directory = self.bucket(bucket)?;
        let refused = |why: &str| ObjectError::new(ObjectErrorCode::InvalidArgument, why, bucket, Some(key));
        if key.is_empty() || key.len() > 1_024 {
            return Err(refused("a key has 1 to 1,024 bytes"));
        }
        let mut path = directory.clone();
        for part in key.split('/') {
            if matches!(part, "" | "." | "..") || part.contains(['\0', '\\']) || part.starts_with(UNFINISHED)
            {
                return Err(refused(
                    "a bucket in a directory cannot hold this key: use one whose parts are names of files",
                ));
            }
            path.push(part);
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
                return Err(ObjectError::new(
                    ObjectErrorCode::AccessDenied,
                    "Access Denied",
                    bucket,
                    Some(key),
                ));
            }
        }
        Ok((directory, path))
    }
}

/// What a file system says, in S3's words where it has some.
fn refused(error: &io::Error, bucket: &str, key: &str) -> ObjectError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            ObjectError::no_such_key(bucket, key)
        }
        io::ErrorKind::PermissionDenied => {
            ObjectError::new(ObjectErrorCode::AccessDenied, "Access Denied", bucket, Some(key))
        }
        _ => ObjectError::new(ObjectErrorCode::InternalError, error.to_string(), bucket, Some(key)),
    }
}

/// Size and time of a file make its tag: reading all of it to hash it would
/// cost as much as what the tag is asked for.
fn tag_and_millis(metadata: &fs::Metadata) -> (String, i64) {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let since = since.unwrap_or_default();
    let etag = format!("\"{:016x}{:016x}\"", metadata.len(), since.as_nanos() & u128::from(u64::MAX));
    (etag, i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl ObjectStore for DirectoryStore {
    fn get(&self, request: &GetObject) -> Result<Object, ObjectError> {
        let GetObject { bucket, key, version_id, range } = request;
        let (_, path) = self.file(bucket, key)?;
        let failed = |error: io::Error| refused(&error, bucket, key);
        // Before it is opened: a pipe would wait for somebody to write.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(ObjectError::no_such_key(bucket, key));
        }
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if version_id.is_some() {
            return Err(ObjectError::no_such_version(bucket, key));
        }
        let bytes = metadata.len();
        let (start, end) = range.as_ref().map_or((0, bytes), |range| (range.start, range.end.min(bytes)));
        if start > end {
            return Err(ObjectError::invalid_range(bucket, key));
        }
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        Ok(Object { etag: tag_and_millis(&metadata).0, bytes, body: Box::new(file.take(end - start)) })
    }

    fn put(&self, bucket: &str, key: &str, body: &mut dyn Read) -> Result<String, ObjectError> {
        let (directory, path) = self.file(bucket, key)?;
        let failed = |error: io::Error| refused(&error, bucket, key);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let (file, unfinished) = self.create_unfinished(&directory).map_err(failed)?;
        let written = write_synced(file, body).and_then(|etag| {
            fs::rename(&unfinished, &path)?;
            // Whoever hears of the object may write down that it is there: its name has to last, too,
            // and those of the folders that were made for it.
            for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&directory)) {
                File::open(folder)?.sync_all()?;
            }
            Ok(etag)
        });
        if written.is_err() {
            // The error that is told is the first one.
            let _ = fs::remove_file(&unfinished);
        }
        written.map_err(failed)
    }

    fn list(&self, request: &ListObjects) -> Result<ListPage, ObjectError> {
        let directory = self.bucket(&request.bucket)?;
        let mut listing = Listing {
            prefix: &request.prefix,
            after: request.continuation.as_deref().or(request.start_after.as_deref()),
            page: ListPage::default(),
            is_full: false,
        };
        listing.walk(&directory, "").map_err(|error| {
            ObjectError::new(ObjectErrorCode::InternalError, error.to_string(), &request.bucket, None)
        })?;
        if listing.is_full {
            listing.page.continuation = listing.page.objects.last().map(|object| object.key.clone());
        }
        Ok(listing.page)
    }
}

fn write_synced(mut file: File, body: &mut dyn Read) -> io::Result<String> {
    io::copy(body, &mut file)?;
    file.sync_all()?;
    Ok(tag_and_millis(&file.metadata()?).0)
}

/// A walk through a directory in the order of keys; stops when a page is full.
struct Listing<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    page: ListPage,
    is_full: bool,
}

impl Listing<'_> {
    fn walk(&mut self, directory: &Path, above: &str) -> io::Result<()> {
        for (key, metadata) in entries(directory, above)? {
            if self.is_full {
                return Ok(());
            }
            if metadata.is_dir() {
                // A directory can hold a wanted key if one is the beginning of the other.
                let matches = key.starts_with(self.prefix) || self.prefix.starts_with(&key);
                let is_before =
                    self.after.is_some_and(|after| key.as_str() < after && !after.starts_with(&key));
                if matches && !is_before {
                    let name = key.strip_prefix(above).unwrap_or(&key).trim_end_matches('/');
                    self.walk(&directory.join(name), &key)?;
                }
            } else if key.starts_with(self.prefix) && self.after.is_none_or(|after| key.as_str() > after) {
                if self.page.objects.len() == LIST_PAGE_OBJECTS {
                    self.is_full = true;
                    return Ok(());
                }
                let (etag, modified_millis) = tag_and_millis(&metadata);
                self.page.objects.push(ObjectSummary { key, etag, bytes: metadata.len(), modified_millis });
            }
        }
        Ok(())
    }
}

/// Files and directories (whose keys end in `/`) of a directory, sorted as their keys are.
fn entries(directory: &Path, above: &str) -> io::Result<Vec<(String, fs::Metadata)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
        let is_kept = metadata.is_file() || metadata.is_dir();
        if !is_kept || name.starts_with(UNFINISHED) {
            continue;
        }
        let end = if metadata.is_dir() { "/" } else { "" };
        entries.push((format!("{above}{name}{end}"), metadata));
    }
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

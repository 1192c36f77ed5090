//! Objects as files: a bucket is a directory of the crate `bucket`, which steps
//! and the endpoint use as well. Symbolic links are not followed.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use bucket::{After, Entry, Folder, Key, List};

use super::{
    GetObject, LIST_PAGE_OBJECTS, ListObjects, ListPage, Object, ObjectError, ObjectErrorCode, ObjectStore,
    ObjectSummary,
};

/// Buckets on a disk.
#[derive(Debug, Default)]
pub struct DirectoryStore {
    root: Option<PathBuf>,
    buckets: BTreeMap<String, PathBuf>,
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

    fn folder(&self, bucket: &str) -> Result<Folder, ObjectError> {
        let named = self.buckets.get(bucket).cloned();
        let below_root = || {
            let is_plain = !bucket.is_empty()
                && bucket != "."
                && bucket != ".."
                && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
            self.root.as_ref().filter(|_| is_plain).map(|root| root.join(bucket))
        };
        let directory = named.or_else(below_root).filter(|directory| directory.is_dir());
        directory.map(Folder::new).ok_or_else(|| ObjectError::no_such_bucket(bucket))
    }
}

fn checked<'k>(bucket: &str, key: &'k str) -> Result<Key<'k>, ObjectError> {
    Key::new(key).map_err(|error| {
        ObjectError::new(ObjectErrorCode::InvalidArgument, error.to_string(), bucket, Some(key))
    })
}

/// What a file system says, in S3's words where it has some.
fn refused(error: &io::Error, bucket: &str, key: &str) -> ObjectError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ObjectError::new(ObjectErrorCode::AccessDenied, "Access Denied", bucket, Some(key))
        }
        _ => ObjectError::new(ObjectErrorCode::InternalError, error.to_string(), bucket, Some(key)),
    }
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

impl ObjectStore for DirectoryStore {
    fn get(&self, request: &GetObject) -> Result<Object, ObjectError> {
        let GetObject { bucket, key, version_id, range } = request;
        let folder = self.folder(bucket)?;
        let failed = |error: io::Error| refused(&error, bucket, key);
        let object = folder.open(checked(bucket, key)?).map_err(failed)?;
        let mut object = object.ok_or_else(|| ObjectError::no_such_key(bucket, key))?;
        // A bucket that keeps no versions has one, whose id S3 writes so.
        if version_id.as_ref().is_some_and(|version_id| version_id != "null") {
            return Err(ObjectError::no_such_version(bucket, key));
        }
        let bytes = object.stamp.bytes;
        let (start, end) = range.as_ref().map_or((0, bytes), |range| (range.start, range.end.min(bytes)));
        if start > end {
            return Err(ObjectError::invalid_range(bucket, key));
        }
        object.file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let etag = object.about.map_or_else(|| object.stamp.etag(), |about| about.etag);
        Ok(Object { etag: quoted(&etag), bytes, body: Box::new(object.file.take(end - start)) })
    }

    fn put(&self, bucket: &str, key: &str, body: &mut dyn Read) -> Result<String, ObjectError> {
        let folder = self.folder(bucket)?;
        let checked = checked(bucket, key)?;
        let mut written = || -> io::Result<_> {
            let mut file = folder.incoming("engine-")?;
            io::copy(body, &mut file)?;
            folder.publish(file, checked)
        };
        let stamp = written().map_err(|error| refused(&error, bucket, key))?;
        Ok(quoted(&stamp.etag()))
    }

    fn list(&self, request: &ListObjects) -> Result<ListPage, ObjectError> {
        let folder = self.folder(&request.bucket)?;
        let after = request.continuation.as_ref().or(request.start_after.as_ref());
        let list = List {
            prefix: &request.prefix,
            after: after.cloned().map(After::Key),
            entries_max: LIST_PAGE_OBJECTS,
            ..List::default()
        };
        let failed = |error: io::Error| {
            ObjectError::new(ObjectErrorCode::InternalError, error.to_string(), &request.bucket, None)
        };
        let page = folder.list(&list).map_err(failed)?;
        let continuation =
            page.entries.last().filter(|_| page.is_truncated).map(|last| last.name().to_owned());
        let mut objects = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            // Without a delimiter there are no prefixes.
            let Entry::Object { key, stamp } = entry else { continue };
            let about = folder.about(checked(&request.bucket, &key)?, stamp).map_err(failed)?;
            let etag = about.map_or_else(|| stamp.etag(), |about| about.etag);
            objects.push(ObjectSummary {
                etag: quoted(&etag),
                bytes: stamp.bytes,
                modified_millis: stamp.modified_millis(),
                key,
            });
        }
        Ok(ListPage { objects, continuation })
    }
}

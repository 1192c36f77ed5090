//! The port to where objects are: what an item reader reads and a result
//! writer writes. The operations are Amazon S3's, as far as a Map needs them.
//!
//! Everything streams: a store never needs an object in memory to hand it out
//! or to take it in. Keys are data, and no store takes one for a path without
//! checking it first.

mod directory;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Read;
use std::ops::Range;

pub use directory::DirectoryStore;
pub use memory::MemoryStore;

/// Objects on one page of a list. Amazon S3, `ListObjectsV2`: 1,000.
pub const LIST_PAGE_OBJECTS: usize = 1_000;

/// Which object, and which bytes of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetObject {
    /// Name of the bucket.
    pub bucket: String,
    /// The key, taken literally.
    pub key: String,
    /// The version, where the store keeps versions.
    pub version_id: Option<String>,
    /// Only these bytes; an end beyond the object's is cut.
    pub range: Option<Range<u64>>,
}

/// An object as it is read.
pub struct Object {
    /// What changes when the content does, in the quotes S3 puts around it.
    pub etag: String,
    /// Size of the whole object, in bytes.
    pub bytes: u64,
    /// The content, or the range that was asked for.
    pub body: Box<dyn Read + Send>,
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Object")
            .field("etag", &self.etag)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Which objects of a bucket to list, in the order of their keys' bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListObjects {
    /// Name of the bucket.
    pub bucket: String,
    /// Only keys that start with this.
    pub prefix: String,
    /// Only keys behind this one; no matter where a page before ended.
    pub start_after: Option<String>,
    /// From where the page before ended.
    pub continuation: Option<String>,
}

/// What a list says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSummary {
    /// The key.
    pub key: String,
    /// See [`Object::etag`].
    pub etag: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was written, in milliseconds since the epoch.
    pub modified_millis: i64,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// At most [`LIST_PAGE_OBJECTS`].
    pub objects: Vec<ObjectSummary>,
    /// Where the next page starts; `None` = this was the last.
    pub continuation: Option<String>,
}

/// What a store says when it refuses. The codes are S3's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Amazon S3's error codes")]
pub enum ObjectErrorCode {
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    AccessDenied,
    InvalidRange,
    InvalidArgument,
    InternalError,
}

impl ObjectErrorCode {
    /// S3's word, e.g. `NoSuchKey`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchBucket => "NoSuchBucket",
            Self::NoSuchKey => "NoSuchKey",
            Self::NoSuchVersion => "NoSuchVersion",
            Self::AccessDenied => "AccessDenied",
            Self::InvalidRange => "InvalidRange",
            Self::InvalidArgument => "InvalidArgument",
            Self::InternalError => "InternalError",
        }
    }
}

/// Why a store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({}; bucket '{bucket}'{})", code.as_str(), key.as_ref().map(|key| format!(", key '{key}'")).unwrap_or_default())]
pub struct ObjectError {
    /// The kind of error.
    pub code: ObjectErrorCode,
    /// S3's message, or what went wrong.
    pub message: String,
    /// The bucket.
    pub bucket: String,
    /// The key, if the error is about one.
    pub key: Option<String>,
}

impl ObjectError {
    /// An error about a bucket, or about one of its objects.
    pub fn new(code: ObjectErrorCode, message: impl Into<String>, bucket: &str, key: Option<&str>) -> Self {
        Self { code, message: message.into(), bucket: bucket.to_owned(), key: key.map(str::to_owned) }
    }

    /// The bucket is not there. The message is S3's.
    pub fn no_such_bucket(bucket: &str) -> Self {
        Self::new(ObjectErrorCode::NoSuchBucket, "The specified bucket does not exist", bucket, None)
    }

    /// The object is not there. The message is S3's.
    pub fn no_such_key(bucket: &str, key: &str) -> Self {
        Self::new(ObjectErrorCode::NoSuchKey, "The specified key does not exist.", bucket, Some(key))
    }

    /// The object does not reach as far as the range. The message is S3's.
    pub fn invalid_range(bucket: &str, key: &str) -> Self {
        let message = "The requested range is not satisfiable";
        Self::new(ObjectErrorCode::InvalidRange, message, bucket, Some(key))
    }

    /// There is no such version. The message is S3's.
    pub fn no_such_version(bucket: &str, key: &str) -> Self {
        let message = "The specified version does not exist.";
        Self::new(ObjectErrorCode::NoSuchVersion, message, bucket, Some(key))
    }
}

/// Where objects are. Calls may block; the engine makes them on threads of their own.
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// Opens an object for reading.
    fn get(&self, request: &GetObject) -> Result<Object, ObjectError>;

    /// Writes an object whole: nobody sees a part of it. An object of the same
    /// key is replaced. Answers the new `ETag`.
    fn put(&self, bucket: &str, key: &str, body: &mut dyn Read) -> Result<String, ObjectError>;

    /// Lists a page of objects.
    fn list(&self, request: &ListObjects) -> Result<ListPage, ObjectError>;
}

/// A store without any bucket: what an engine has when it is given none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStore;

impl ObjectStore for NoStore {
    fn get(&self, request: &GetObject) -> Result<Object, ObjectError> {
        Err(ObjectError::no_such_bucket(&request.bucket))
    }

    fn put(&self, bucket: &str, _key: &str, _body: &mut dyn Read) -> Result<String, ObjectError> {
        Err(ObjectError::no_such_bucket(bucket))
    }

    fn list(&self, request: &ListObjects) -> Result<ListPage, ObjectError> {
        Err(ObjectError::no_such_bucket(&request.bucket))
    }
}

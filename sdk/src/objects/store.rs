//! A bucket at a location, and the writer that hashes what goes into it.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::directory::Directory;
#[cfg(feature = "aws")]
use super::s3::{S3, Settings};
use super::{Arrival, Content, ObjectError, ObjectRef, key};

/// A bucket: objects by key at one location.
///
/// Cheap to clone; holds no open files or connections.
#[derive(Debug, Clone)]
pub struct Store {
    name: String,
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Directory(Directory),
    #[cfg(feature = "aws")]
    S3(Box<S3>),
}

impl Store {
    /// Opens the bucket `name` of the app at a location.
    ///
    /// `file:///dir` is a directory, made when the first object is written. What
    /// follows `file://` is the path as it is, without percent-encoding.
    ///
    /// With the feature `aws`, `s3://bucket/prefix` is S3. Region and credentials
    /// are those of the Lambda environment (`AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`); `AWS_ENDPOINT_URL_S3` names
    /// another endpoint, which is then spoken to in path style.
    ///
    /// # Errors
    /// [`ObjectError::Location`] when the location is not of a known kind or not
    /// absolute, or the environment lacks what it needs.
    pub fn open(name: &str, location: &str) -> Result<Self, ObjectError> {
        let refuse = |problem: &str| ObjectError::Location {
            bucket: name.to_owned(),
            location: location.to_owned(),
            problem: problem.to_owned(),
        };
        let Some((scheme, rest)) = location.split_once("://") else {
            return Err(refuse("it has no scheme"));
        };
        let backend = match scheme {
            "file" if rest.contains('\0') => return Err(refuse("it contains a NUL byte")),
            "file" if !rest.starts_with('/') => return Err(refuse("the directory is not absolute")),
            "file" => Backend::Directory(Directory::new(rest)),
            #[cfg(feature = "aws")]
            "s3" => {
                let settings = Settings::from_environment().map_err(&refuse)?;
                Backend::S3(Box::new(S3::new(rest, settings).map_err(|problem| refuse(&problem))?))
            }
            _ => return Err(refuse("its scheme is not known here")),
        };
        Ok(Self { name: name.to_owned(), backend })
    }

    #[cfg(all(test, feature = "aws"))]
    pub(super) fn over_s3(name: &str, s3: S3) -> Self {
        Self { name: name.to_owned(), backend: Backend::S3(Box::new(s3)) }
    }

    /// The bucket's name in the app.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The object's content, checked against the reference's length and SHA-256
    /// before it is handed out, positioned at its start.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], [`ObjectError::Changed`], [`ObjectError::OtherBucket`],
    /// [`ObjectError::Key`] or [`ObjectError::Io`].
    pub fn get(&self, object: &ObjectRef) -> Result<File, ObjectError> {
        if object.bucket != self.name {
            return Err(ObjectError::OtherBucket {
                bucket: self.name.clone(),
                wanted: object.bucket.clone(),
                key: object.key.clone(),
            });
        }
        key::check(&self.name, &object.key)?;
        let io_error = |action| self.io_error(&object.key, action);
        let file = match &self.backend {
            Backend::Directory(directory) => directory.open(&object.key),
            #[cfg(feature = "aws")]
            Backend::S3(s3) => s3.open(&object.key, object.version_id.as_deref()),
        };
        let file = file.map_err(io_error("open it"))?;
        let Some(mut file) = file else {
            return Err(ObjectError::Missing {
                bucket: self.name.clone(),
                key: object.key.clone(),
                location: self.location_of(&object.key),
            });
        };
        let found = Content::of(&mut file).map_err(io_error("read it"))?;
        if found.bytes != object.bytes || found.sha256 != object.sha256 {
            return Err(ObjectError::Changed {
                bucket: self.name.clone(),
                key: object.key.clone(),
                location: self.location_of(&object.key),
                expected: Box::new(Content { bytes: object.bytes, sha256: object.sha256.clone() }),
                found: Box::new(found),
            });
        }
        io::Seek::rewind(&mut file).map_err(io_error("rewind it"))?;
        Ok(file)
    }

    /// A reference to what is under a key now, or to a version of it; `None` when
    /// there is nothing. Its content is read once, for the hash.
    ///
    /// # Errors
    /// [`ObjectError::Key`] or [`ObjectError::Io`].
    pub fn find(&self, key: &str, version_id: Option<&str>) -> Result<Option<ObjectRef>, ObjectError> {
        key::check(&self.name, key)?;
        let file = match &self.backend {
            Backend::Directory(directory) => directory.open(key),
            #[cfg(feature = "aws")]
            Backend::S3(s3) => s3.open(key, version_id),
        };
        let Some(mut file) = file.map_err(self.io_error(key, "open it"))? else { return Ok(None) };
        let Content { bytes, sha256 } = Content::of(&mut file).map_err(self.io_error(key, "read it"))?;
        Ok(Some(ObjectRef {
            bucket: self.name.clone(),
            key: key.to_owned(),
            version_id: version_id.map(str::to_owned),
            sha256,
            bytes,
            rows: None,
        }))
    }

    /// What is under a key now, unchecked: for objects that others write. `None` when there
    /// is nothing, which on S3 only a role that may list the bucket is told; see
    /// [`Look`](crate::Look).
    ///
    /// # Errors
    /// [`ObjectError::Key`] or [`ObjectError::Io`].
    pub fn look(&self, key: &str) -> Result<Option<File>, ObjectError> {
        key::check(&self.name, key)?;
        let file = match &self.backend {
            Backend::Directory(directory) => directory.open(key),
            #[cfg(feature = "aws")]
            Backend::S3(s3) => s3.open(key, None),
        };
        file.map_err(self.io_error(key, "open it"))
    }

    /// The directory that is the bucket, unless it is in S3.
    pub fn directory(&self) -> Option<&Path> {
        match &self.backend {
            Backend::Directory(directory) => Some(directory.root()),
            #[cfg(feature = "aws")]
            Backend::S3(_) => None,
        }
    }

    /// A reference to an object whose arrival was told: what the telling leaves out
    /// is read, what it says is checked. The bucket is named as in the app, or as
    /// AWS names it; then the key begins with the location's prefix.
    ///
    /// # Errors
    /// [`ObjectError::OtherBucket`], [`ObjectError::Missing`], [`ObjectError::Changed`],
    /// [`ObjectError::Key`] or [`ObjectError::Io`].
    pub fn arrived(&self, arrival: &Arrival) -> Result<ObjectRef, ObjectError> {
        let Some(key) = self.key_of(arrival) else {
            return Err(ObjectError::OtherBucket {
                bucket: self.name.clone(),
                wanted: arrival.bucket.clone(),
                key: arrival.key.clone(),
            });
        };
        let Some(found) = self.find(key, arrival.version_id.as_deref())? else {
            return Err(ObjectError::Missing {
                bucket: self.name.clone(),
                key: key.to_owned(),
                location: self.location_of(key),
            });
        };
        let same_hash = arrival.sha256.as_ref().is_none_or(|sha256| *sha256 == found.sha256);
        if same_hash && arrival.bytes.is_none_or(|bytes| bytes == found.bytes) {
            return Ok(found);
        }
        let sha256 = arrival.sha256.clone().unwrap_or_else(|| "(not told)".to_owned());
        Err(ObjectError::Changed {
            bucket: self.name.clone(),
            key: key.to_owned(),
            location: self.location_of(key),
            expected: Box::new(Content { bytes: arrival.bytes.unwrap_or(found.bytes), sha256 }),
            found: Box::new(Content { bytes: found.bytes, sha256: found.sha256 }),
        })
    }

    /// The key here of an object that is named as somebody else names it.
    fn key_of<'a>(&self, arrival: &'a Arrival) -> Option<&'a str> {
        if arrival.bucket == self.name {
            return Some(&arrival.key);
        }
        match &self.backend {
            Backend::Directory(_) => None,
            #[cfg(feature = "aws")]
            Backend::S3(s3) => s3.key_of(&arrival.bucket, &arrival.key),
        }
    }

    /// Starts an object. Nothing is visible under `key` before
    /// [`ObjectWriter::finish`]; a writer that is dropped leaves nothing behind.
    ///
    /// # Errors
    /// [`ObjectError::Key`] or [`ObjectError::Io`].
    pub fn create(&self, key: &str) -> Result<ObjectWriter, ObjectError> {
        key::check(&self.name, key)?;
        let incoming = match &self.backend {
            Backend::Directory(directory) => directory.incoming(),
            #[cfg(feature = "aws")]
            Backend::S3(s3) => s3.incoming(),
        };
        let incoming = incoming.map_err(self.io_error(key, "start writing it"))?;
        Ok(ObjectWriter {
            store: self.clone(),
            key: key.to_owned(),
            incoming: BufWriter::with_capacity(BUFFER_BYTES, incoming),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// Where an object is, for messages.
    pub fn location_of(&self, key: &str) -> String {
        match &self.backend {
            Backend::Directory(directory) => directory.path_of(key).display().to_string(),
            #[cfg(feature = "aws")]
            Backend::S3(s3) => s3.location_of(key),
        }
    }

    fn io_error(&self, key: &str, action: &'static str) -> impl Fn(io::Error) -> ObjectError {
        move |source| ObjectError::Io {
            bucket: self.name.clone(),
            key: key.to_owned(),
            location: self.location_of(key),
            action,
            source,
        }
    }
}

/// Large enough that hashing, not system calls, is the cost of a copy.
const BUFFER_BYTES: usize = 64 * 1024;

impl Content {
    fn reference(
        self,
        bucket: String,
        key: String,
        version_id: Option<String>,
        rows: Option<u64>,
    ) -> ObjectRef {
        ObjectRef { bucket, key, version_id, sha256: self.sha256, bytes: self.bytes, rows }
    }

    /// Reads to the end.
    pub(super) fn of(source: &mut impl Read) -> io::Result<Self> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0_u8; BUFFER_BYTES];
        let mut bytes = 0_u64;
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(buffer.get(..count).unwrap_or_default());
            bytes += count as u64;
        }
        Ok(Self { bytes, sha256: hex(&hash.finalize()) })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An object being written: an [`io::Write`] that hashes on the way.
pub struct ObjectWriter {
    store: Store,
    key: String,
    incoming: BufWriter<NamedTempFile>,
    hash: Sha256,
    bytes: u64,
}

impl ObjectWriter {
    /// Makes the object durable and visible, all at once, and returns its reference.
    ///
    /// An object of the same key and content is left as it is. One of the same
    /// key with other content is replaced, as S3 does; references to the old
    /// content then fail with [`ObjectError::Changed`] instead of reading the new.
    ///
    /// `rows` is only noted in the reference.
    ///
    /// # Errors
    /// [`ObjectError::Io`]; nothing has become visible then.
    pub fn finish(self, rows: Option<u64>) -> Result<ObjectRef, ObjectError> {
        let (store, key, file, content) = self.written()?;
        let published = match &store.backend {
            Backend::Directory(directory) => directory.publish(file, &key, &content).map(|()| None),
            #[cfg(feature = "aws")]
            Backend::S3(s3) => s3.publish(&file, &key, &content),
        };
        let version_id = published.map_err(store.io_error(&key, "put it in place"))?;
        Ok(content.reference(store.name, key, version_id, rows))
    }

    /// As [`ObjectWriter::finish`], unless there is an object of this key already: `None`.
    ///
    /// Of several writers at once, one gets a reference. On S3 the answer may be lost and asked
    /// for again; then nobody does, and who needs to know looks whose object it is.
    ///
    /// # Errors
    /// [`ObjectError::Io`]; whether it has become visible is not known then.
    pub fn finish_first(self, rows: Option<u64>) -> Result<Option<ObjectRef>, ObjectError> {
        let (store, key, file, content) = self.written()?;
        let published = match &store.backend {
            Backend::Directory(directory) => {
                directory.publish_first(file, &key).map(|is_first| is_first.then_some(None))
            }
            #[cfg(feature = "aws")]
            Backend::S3(s3) => {
                s3.publish_first(&file, &key, &content).map(|put| put.map(|put| put.version_id))
            }
        };
        let published = published.map_err(store.io_error(&key, "put it in place"))?;
        Ok(published.map(|version_id| content.reference(store.name, key, version_id, rows)))
    }

    /// The file as it was written, and where it belongs.
    fn written(self) -> Result<(Store, String, NamedTempFile, Content), ObjectError> {
        let Self { store, key, incoming, hash, bytes } = self;
        let content = Content { bytes, sha256: hex(&hash.finalize()) };
        let file =
            incoming.into_inner().map_err(|error| store.io_error(&key, "write it")(error.into_error()))?;
        Ok((store, key, file, content))
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.incoming.write(data)?;
        self.hash.update(data.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.incoming.flush()
    }
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter")
            .field("bucket", &self.store.name)
            .field("key", &self.key)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

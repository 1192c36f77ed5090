//! Objects in memory: for simulations and tests.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::{
    GetObject, LIST_PAGE_OBJECTS, ListObjects, ListPage, Object, ObjectError, ObjectErrorCode, ObjectStore,
    ObjectSummary,
};
use crate::digest::{hex, sha256};

type Bucket = BTreeMap<String, Stored>;

#[derive(Debug, Clone)]
struct Stored {
    content: Arc<[u8]>,
    etag: String,
}

/// Buckets in memory. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    buckets: Arc<Mutex<BTreeMap<String, Bucket>>>,
}

impl MemoryStore {
    /// A store without buckets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a bucket, if it is not there.
    pub fn create_bucket(&self, bucket: &str) {
        self.locked().entry(bucket.to_owned()).or_default();
    }

    /// Puts an object, and makes its bucket if it is not there.
    pub fn insert(&self, bucket: &str, key: &str, content: impl Into<Vec<u8>>) {
        let stored = Stored::new(content.into());
        self.locked().entry(bucket.to_owned()).or_default().insert(key.to_owned(), stored);
    }

    /// The content of an object.
    pub fn content(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        Some(self.locked().get(bucket)?.get(key)?.content.to_vec())
    }

    /// The keys of a bucket, in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.locked().get(bucket).map(|objects| objects.keys().cloned().collect()).unwrap_or_default()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn new(content: Vec<u8>) -> Self {
        let digest = sha256(&content);
        // As long as S3's, which are MD5 sums.
        let etag = format!("\"{}\"", hex(digest.split_at(16).0));
        Self { content: content.into(), etag }
    }
}

impl ObjectStore for MemoryStore {
    fn get(&self, request: &GetObject) -> Result<Object, ObjectError> {
        let GetObject { bucket, key, version_id, range } = request;
        let buckets = self.locked();
        let objects = buckets.get(bucket).ok_or_else(|| ObjectError::no_such_bucket(bucket))?;
        let stored = objects.get(key).ok_or_else(|| ObjectError::no_such_key(bucket, key))?;
        if version_id.is_some() {
            return Err(ObjectError::no_such_version(bucket, key));
        }
        let bytes = stored.content.len() as u64;
        let (start, end) = range.as_ref().map_or((0, bytes), |range| (range.start, range.end.min(bytes)));
        if start > end {
            return Err(ObjectError::invalid_range(bucket, key));
        }
        let mut body = Cursor::new(Arc::clone(&stored.content));
        body.set_position(start);
        Ok(Object { etag: stored.etag.clone(), bytes, body: Box::new(body.take(end - start)) })
    }

    fn put(&self, bucket: &str, key: &str, body: &mut dyn Read) -> Result<String, ObjectError> {
        let mut content = Vec::new();
        body.read_to_end(&mut content).map_err(|error| {
            ObjectError::new(ObjectErrorCode::InternalError, error.to_string(), bucket, Some(key))
        })?;
        let stored = Stored::new(content);
        let etag = stored.etag.clone();
        let mut buckets = self.locked();
        let objects = buckets.get_mut(bucket).ok_or_else(|| ObjectError::no_such_bucket(bucket))?;
        objects.insert(key.to_owned(), stored);
        Ok(etag)
    }

    fn list(&self, request: &ListObjects) -> Result<ListPage, ObjectError> {
        let buckets = self.locked();
        let objects =
            buckets.get(&request.bucket).ok_or_else(|| ObjectError::no_such_bucket(&request.bucket))?;
        let from = match request.continuation.as_ref().or(request.start_after.as_ref()) {
            Some(after) if *after >= request.prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(request.prefix.clone()),
        };
        let found = objects.range((from, Bound::Unbounded));
        let mut found = found.take_while(|(key, _)| key.starts_with(&request.prefix)).map(|(key, stored)| {
            let bytes = stored.content.len() as u64;
            ObjectSummary { key: key.clone(), etag: stored.etag.clone(), bytes, modified_millis: 0 }
        });
        let objects: Vec<_> = found.by_ref().take(LIST_PAGE_OBJECTS).collect();
        let last = objects.last().map(|object| object.key.clone());
        let continuation = if found.next().is_some() { last } else { None };
        Ok(ListPage { objects, continuation })
    }
}

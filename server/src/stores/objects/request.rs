//! What a request asks for: the bucket, the key, the parameters.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use bucket::{Key, KeyError};

use super::failure::Failure;
use sigv4::decoded;

/// A request, read.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Empty = the service itself is asked.
    pub(super) bucket: String,
    /// Empty = the bucket is asked.
    key: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
}

impl Ask {
    /// In path style: `/bucket/key`. A key is taken as it is: no part of it means a path.
    pub(super) fn read(head: &Parts) -> Result<Self, Failure> {
        let path = head.uri.path();
        let (bucket, key) = path
            .strip_prefix('/')
            .unwrap_or(path)
            .split_once('/')
            .unwrap_or_else(|| (path.strip_prefix('/').unwrap_or(path), ""));
        let mut query = BTreeMap::new();
        for parameter in head.uri.query().unwrap_or_default().split('&').filter(|text| !text.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            // Forms write a space as `+`; a plus itself is always encoded.
            query.insert(text(&name.replace('+', " "))?, text(&value.replace('+', " "))?);
        }
        Ok(Self {
            method: head.method.clone(),
            bucket: text(bucket)?,
            key: text(key)?,
            query,
            headers: head.headers.clone(),
        })
    }

    pub(super) const fn is_for_object(&self) -> bool {
        !self.key.is_empty()
    }

    pub(super) fn key(&self) -> Result<Key<'_>, Failure> {
        checked(&self.key)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.query.contains_key(name)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Objects have one version, whose id is `null`, because their bucket keeps none.
    pub(super) fn check_version(&self) -> Result<(), Failure> {
        match self.parameter("versionId") {
            None | Some("null") => Ok(()),
            Some(version) => Err(no_such_version(version)),
        }
    }
}

pub(super) fn no_such_version(version: &str) -> Failure {
    Failure::invalid_argument("Invalid version id specified", "versionId", version)
}

pub(super) fn checked(key: &str) -> Result<Key<'_>, Failure> {
    Key::new(key).map_err(|error| match error {
        KeyError::Empty => Failure::invalid_request("A key must be specified"),
        KeyError::TooLong => Failure::new("KeyTooLongError", 400, "Your key is too long")
            .with("Size", key.len().to_string())
            .with("MaxSizeAllowed", bucket::KEY_BYTES_MAX.to_string()),
    })
}

fn text(encoded: &str) -> Result<String, Failure> {
    String::from_utf8(decoded(encoded))
        .map_err(|_| Failure::new("InvalidURI", 400, "Couldn't parse the specified URI."))
}

/// An `ETag` without its quotes.
pub(super) fn unquoted(etag: &str) -> String {
    let etag = etag.trim();
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag).to_owned()
}

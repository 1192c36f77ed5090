//! What is kept of an object beside its bytes, and how headers carry it.

use std::collections::BTreeMap;

use asl::limits::OBJECT_METADATA_BYTES_MAX;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bucket::{About, Object};
use serde::{Deserialize, Serialize};

use super::checksum::Checksum;
use super::failure::Failure;

/// Headers of HTTP that are kept as they were put.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];
/// What the names of an object's own metadata begin with.
const OWN: &str = "x-amz-meta-";
/// Headers that would have to do something that is not done here.
const REFUSED: [&str; 10] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];

/// What is kept of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Headers by name; each byte of a value is a character.
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checksum: Option<Checksum>,
    /// Sizes of the parts it was uploaded in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<u64>,
}

impl Kept {
    /// What a request says about the object it writes.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Failure> {
        if let Some(refused) = REFUSED.iter().find(|name| headers.contains_key(**name)) {
            return Err(Failure::not_implemented(refused));
        }
        if headers.get("x-amz-acl").is_some_and(|acl| acl != "private" && acl != "bucket-owner-full-control")
        {
            return Err(Failure::new("AccessControlListNotSupported", 400, "The bucket does not allow ACLs"));
        }
        let mut kept = BTreeMap::new();
        let mut own_bytes = 0;
        for name in headers.keys().map(HeaderName::as_str) {
            let is_own = name.starts_with(OWN);
            if !is_own && !KEPT.contains(&name) {
                continue;
            }
            let values: Vec<String> = headers.get_all(name).iter().map(characters).collect();
            let value = values.join(",");
            if is_own {
                own_bytes += name.len() - OWN.len() + value.len();
            }
            kept.insert(name.to_owned(), value);
        }
        if own_bytes > OBJECT_METADATA_BYTES_MAX {
            let message = "Your metadata headers exceed the maximum allowed metadata size";
            return Err(Failure::new("MetadataTooLarge", 400, message));
        }
        // How the body came is no property of the object.
        if let Some(encoding) = kept.remove("content-encoding") {
            let rest: Vec<&str> =
                encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
            if !rest.is_empty() {
                kept.insert("content-encoding".to_owned(), rest.join(","));
            }
        }
        kept.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
        Ok(Self { headers: kept, checksum: None, parts: Vec::new() })
    }

    /// As it lies beside the object.
    pub(super) fn about(&self, etag: &str) -> About {
        // A structure of texts and numbers becomes JSON without an error.
        About { etag: etag.to_owned(), note: serde_json::to_string(self).unwrap_or_default() }
    }

    /// The `ETag` of an object, without quotes, and what was kept of it.
    pub(super) fn of(object: &Object) -> (String, Self) {
        match &object.about {
            Some(about) => (about.etag.clone(), serde_json::from_str(&about.note).unwrap_or_default()),
            None => (object.stamp.etag(), Self::default()),
        }
    }

    /// The headers of an answer with the object.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert("content-type", HeaderValue::from_static("binary/octet-stream"));
        for (name, value) in &self.headers {
            let value: Vec<u8> = value.chars().filter_map(|character| u8::try_from(character).ok()).collect();
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(&value)) {
                headers.insert(name, value);
            }
        }
    }
}

/// The bytes of a header, which need not be UTF-8, one a character.
fn characters(value: &HeaderValue) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

//! Objects: the datasets that travel between steps by reference.
//!
//! A state's payload is limited to 256 KiB, so steps hand each other an
//! [`ObjectRef`] and keep the rows in a bucket. The reference carries the
//! content's SHA-256 and length, and [`Store::get`] refuses anything else: a
//! step never computes on bytes other than those its input names.
//!
//! A bucket is a [`Store`]: a directory (`file:///dir`) or, on AWS, S3. Writing
//! is atomic: an object is there completely or not at all, whatever dies while
//! it is written.
//!
//! Refused here: keys that are paths (`..`, absolute, NUL), listing, deleting.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "lambda")]
mod directory;
#[cfg(feature = "lambda")]
mod error;
#[cfg(feature = "lambda")]
mod key;
#[cfg(feature = "aws")]
mod s3;
#[cfg(feature = "lambda")]
mod store;
#[cfg(test)]
#[cfg(feature = "lambda")]
mod tests;

#[cfg(feature = "lambda")]
pub use error::{Content, ObjectError};
#[cfg(feature = "lambda")]
pub use store::{ObjectWriter, Store};

/// A reference to an object: where it is and what it must contain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, macros::Shape)]
pub struct ObjectRef {
    /// The bucket's name in the app, such as `staging`; not a bucket name of AWS.
    pub bucket: String,
    /// The object's name in the bucket: segments separated by `/`.
    pub key: String,
    /// The version S3 gave it, where the bucket keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Length of the content in bytes.
    pub bytes: u64,
    /// Number of data rows, where the writer counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// An object as its arrival is told: where it is, and as much of the rest as whoever
/// tells it knows. S3's event of a new object tells no SHA-256; a step that takes the
/// arrival in reads the object and hands an [`ObjectRef`] on.
///
/// The JSON of an `ObjectRef` is a valid `Arrival`, so a workflow that takes arrivals
/// can be started with references too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, macros::Shape)]
pub struct Arrival {
    /// The bucket's name: in the app, such as `drops`, or as AWS calls it in an event.
    pub bucket: String,
    /// The object's name in the bucket.
    pub key: String,
    /// The version S3 gave it, where the bucket keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// SHA-256 of the content, where it is known: 64 lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Length of the content in bytes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl From<ObjectRef> for Arrival {
    fn from(object: ObjectRef) -> Self {
        let ObjectRef { bucket, key, version_id, sha256, bytes, rows: _ } = object;
        Self { bucket, key, version_id, sha256: Some(sha256), bytes: Some(bytes) }
    }
}

#[diagnostic::do_not_recommend]
impl crate::IntoExpr<Arrival> for crate::Expr<ObjectRef> {
    fn into_expr(self) -> crate::Expr<Arrival> {
        crate::Expr::from_node(self.node())
    }
}

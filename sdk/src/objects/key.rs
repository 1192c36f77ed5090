//! Keys are data. What may be one is decided here, once, for every kind of store.

use super::ObjectError;

/// AWS quota: an S3 object key has at most 1,024 bytes of UTF-8.
pub(super) const KEY_BYTES_MAX: usize = 1024;

/// File systems allow 255 bytes for one name; a key that fits only into S3
/// would make a workflow behave differently on AWS.
pub(super) const SEGMENT_BYTES_MAX: usize = 255;

/// The first segment under which a directory bucket keeps files being written.
pub(super) const INCOMING: &str = ".stepwright-incoming";

/// Checks that a key is a relative name without any way out of the bucket.
pub(super) fn check(bucket: &str, key: &str) -> Result<(), ObjectError> {
    match problem(key) {
        None => Ok(()),
        Some(problem) => Err(ObjectError::Key {
            bucket: bucket.to_owned(),
            key: key.chars().take(200).flat_map(char::escape_debug).collect(),
            problem,
        }),
    }
}

fn problem(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    if key.len() > KEY_BYTES_MAX {
        return Some("it is longer than 1,024 bytes");
    }
    if key.starts_with('/') {
        return Some("it is absolute");
    }
    if key.contains('\\') {
        return Some("it contains a backslash");
    }
    if key.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    if key.split('/').next() == Some(INCOMING) {
        return Some("its first segment is reserved for files being written");
    }
    key.split('/').find_map(|segment| match segment {
        "" => Some("it has an empty segment"),
        "." | ".." => Some("it has a `.` or `..` segment"),
        long if long.len() > SEGMENT_BYTES_MAX => Some("a segment is longer than 255 bytes"),
        _ => None,
    })
}

//! Keys are data. What a step may take for one is decided here, once, for every
//! kind of store: S3 has more, and a directory would hold them.

use super::ObjectError;

/// AWS quota: an S3 object key has at most 1,024 bytes of UTF-8.
pub(super) const KEY_BYTES_MAX: usize = 1024;

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
    key.split('/').find_map(|segment| match segment {
        "" => Some("it has an empty segment"),
        "." | ".." => Some("it has a `.` or `..` segment"),
        _ => None,
    })
}

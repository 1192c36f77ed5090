//! SHA-256 as it is written down.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// SHA-256 of texts, each preceded by its length, so that moving a character from
/// one to the next gives another hash: 64 lower-case hexadecimal digits.
pub(crate) fn framed_sha256<'p>(parts: impl IntoIterator<Item = &'p str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

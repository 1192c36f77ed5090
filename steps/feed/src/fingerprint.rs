//! Names for results: the same input and code, the same place.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Bytes of the hash that a name keeps: enough that no two inputs ever meet.
const BYTES_KEPT: usize = 12;

/// A short name made of everything a step's result depends on.
///
/// A step that runs again finds its own result under it; another input, or
/// another version of the step, never overwrites it.
pub fn fingerprint<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        // With its length, so that moving a byte to the next part is another name.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(BYTES_KEPT).fold(String::new(), |mut name, byte| {
        // Writing into a String cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        assert_eq!(fingerprint(["a", "b"]).len(), 24);
        assert_eq!(fingerprint(["a", "b"]), fingerprint(["a", "b"]));
        assert_ne!(fingerprint(["a", "b"]), fingerprint(["ab", ""]));
    }
}

//! Where the object of a key lies: a path made of the key, or of its encoding.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// AWS quota: an S3 object key has at most 1,024 bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// File systems allow 255 bytes for one name.
const NAME_BYTES_MAX: usize = 255;
/// Parts of a key that become folders. Ours: deeper ones lie encoded, in one.
const PARTS_MAX: usize = 64;
/// Letters of an encoded key in one name; leaves room for what stands around them.
const PIECE_BYTES: usize = 200;

/// First part of everything in a bucket's folder that is no object.
pub const OURS: &str = ".stepwright";

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// AWS has no object without a name.
    #[error("a key has at least one byte")]
    Empty,
    /// AWS quota, see [`KEY_BYTES_MAX`].
    #[error("a key has at most 1,024 bytes")]
    TooLong,
}

/// A key of S3: any text of 1 to 1,024 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key<'a>(&'a str);

impl<'a> Key<'a> {
    /// Checks its length.
    pub fn new(text: &'a str) -> Result<Self, KeyError> {
        match text.len() {
            0 => Err(KeyError::Empty),
            1..=KEY_BYTES_MAX => Ok(Self(text)),
            _ => Err(KeyError::TooLong),
        }
    }

    /// The key.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether the key is, as it is, a path of names below its bucket.
    pub(crate) fn is_path(self) -> bool {
        let is_name = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= NAME_BYTES_MAX;
        self.0.split('/').next() != Some(OURS)
            && !self.0.contains('\\')
            && !self.0.chars().any(char::is_control)
            && self.0.split('/').count() <= PARTS_MAX
            && self.0.split('/').all(is_name)
    }

    /// Below the folder of encoded keys: each byte that is no letter, digit,
    /// `-`, `_` or `.` as `%` and two digits, in pieces that fit a name. Folders
    /// begin with `+`, the last piece with `=`: no key is in the way of another.
    pub(crate) fn encoded_path(self) -> PathBuf {
        let encoded = encoded(self.0);
        let mut path = PathBuf::new();
        let mut rest = encoded.as_str();
        while rest.len() > PIECE_BYTES {
            // Encoded text is ASCII: it can be cut anywhere.
            let (piece, after) = rest.split_at(PIECE_BYTES);
            path.push(format!("+{piece}"));
            rest = after;
        }
        path.push(format!("={rest}"));
        path
    }

    /// The key whose [`Self::encoded_path`] this is; `None` = of none.
    pub(crate) fn decoded(path: &Path) -> Option<String> {
        let mut encoded = String::new();
        let mut is_whole = false;
        for part in path {
            let part = part.to_str()?;
            is_whole = part.starts_with('=');
            encoded.push_str(part.strip_prefix(['+', '='])?);
        }
        let key = is_whole.then(|| decoded(&encoded)).flatten()?;
        (Key::new(&key).ok()?.encoded_path() == path).then_some(key)
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decoded(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

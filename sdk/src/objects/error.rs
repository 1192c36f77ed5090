//! What can go wrong with objects, in words an operator can act on.

use std::{fmt, io};

/// Why an object could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The bucket's location is not one this program can open.
    #[error(
        "bucket `{bucket}`: cannot use location `{location}`: {problem}; expected `file:///absolute/dir`{s3}",
        s3 = if cfg!(feature = "aws") { " or `s3://bucket/prefix`" } else { "" }
    )]
    Location {
        /// The bucket's name in the app.
        bucket: String,
        /// The location as configured.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The key is a path or not a key at all.
    #[error(
        "bucket `{bucket}`: `{key}` cannot be an object's key: {problem}; a key is a name such as `2024-06/figures.csv`"
    )]
    Key {
        /// The bucket's name in the app.
        bucket: String,
        /// The key, made printable.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The reference belongs to another bucket than the one asked.
    #[error(
        "object `{key}` is in bucket `{wanted}`, but bucket `{bucket}` was asked for it; pass the handle of `{wanted}` to the step"
    )]
    OtherBucket {
        /// The bucket that was asked.
        bucket: String,
        /// The bucket named by the reference.
        wanted: String,
        /// The key.
        key: String,
    },
    /// There is no such object.
    #[error(
        "object `{key}` is not in bucket `{bucket}` ({location}); run the step that writes it again, or put the file back"
    )]
    Missing {
        /// The bucket's name in the app.
        bucket: String,
        /// The key.
        key: String,
        /// Where it was looked for.
        location: String,
    },
    /// The object's content is not what the reference says.
    #[error(
        "object `{key}` in bucket `{bucket}` ({location}) has changed: it should be {expected}, but is {found}; put the original back, or start again with a reference to the new content"
    )]
    Changed {
        /// The bucket's name in the app.
        bucket: String,
        /// The key.
        key: String,
        /// Where it is.
        location: String,
        /// What the reference says.
        expected: Box<Content>,
        /// What is there.
        found: Box<Content>,
    },
    /// The file system refused or failed.
    #[error("object `{key}` in bucket `{bucket}` ({location}): cannot {action}: {source}{advice}", advice = advice(source))]
    Io {
        /// The bucket's name in the app.
        bucket: String,
        /// The key.
        key: String,
        /// Where it is or should be.
        location: String,
        /// What was attempted.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl ObjectError {
    /// Whether trying again without changing anything may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_passing(source),
            _ => false,
        }
    }
}

/// What identifies an object's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with sha256 {}", self.bytes, self.sha256)
    }
}

/// Whether a failure may be over soon: a signal, or the network's.
pub(super) fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::BrokenPipe
            | Kind::ConnectionAborted
            | Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::Interrupted
            | Kind::ResourceBusy
            | Kind::TimedOut
            | Kind::UnexpectedEof
    )
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; give the step access to the bucket: the user it runs as on a directory, its role on S3"
        }
        _ => "",
    }
}

//! A bucket in a folder: what steps, the engine and the endpoint share.
//!
//! Owns where the object of a key lies, that an object is there whole or not
//! at all, what is known of it beside its bytes, and the order of lists.
//! Refuses to know protocols and what is kept about objects.
//!
//! **Keys are data.** Any key of S3 can be held: a key that reads as a path of
//! names lies at that path, so that people find it; every other key — `..`,
//! an empty part, a trailing `/`, NUL, names too long for a file — lies in
//! `.stepwright/keys`, its bytes encoded. So does a key whose path is taken: S3
//! can hold `a` and `a/b` at the same time. Nothing follows symbolic links.
//!
//! ```text
//! <bucket>/2026/figures.csv            the object `2026/figures.csv`
//! <bucket>/.stepwright/keys/=2026%2F   the object `2026/`
//! <bucket>/.stepwright/about/…         what is known of an object, by key and stamp
//! <bucket>/.stepwright/incoming/…      files being written
//! <bucket>/.stepwright/lock            held by who puts a file in place
//! ```
//!
//! The file system must tell names apart by their bytes, as those of Linux do.
#![warn(missing_docs)]

mod about;
mod durable;
mod folder;
mod key;
mod list;

pub use about::{About, Stamp};
pub use durable::make_durable_dir;
pub use folder::{Folder, Found, Lock, Object};
pub use key::{KEY_BYTES_MAX, Key, KeyError, OURS};
pub use list::{After, Entry, List, Page};

#[cfg(test)]
mod tests;

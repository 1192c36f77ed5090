//! Lists in the order of the keys' bytes, a page at a time.
//!
//! Keys that are paths come from a walk through the folders, whose order is
//! that of the keys; encoded keys are few, as a rule, and all looked at, while
//! no more are remembered than a page takes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::about::Stamp;
use crate::folder::{Folder, is_absent};
use crate::key::{KEY_BYTES_MAX, Key, OURS};

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Behind this key, be it there or not.
    Key(String),
    /// Behind every key that starts with this.
    Prefix(String),
}

impl After {
    fn is_before(&self, key: &str) -> bool {
        match self {
            Self::Key(after) => key > after.as_str(),
            Self::Prefix(after) => key > after.as_str() && !key.starts_with(after),
        }
    }

    /// Whether no key that starts with this comes behind.
    fn is_behind_all(&self, prefix: &str) -> bool {
        match self {
            Self::Key(after) => prefix <= after.as_str() && !after.starts_with(prefix),
            Self::Prefix(after) => {
                prefix.starts_with(after) || prefix <= after.as_str() && !after.starts_with(prefix)
            }
        }
    }
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct List<'a> {
    /// Only keys that start with this.
    pub prefix: &'a str,
    /// Keys that have this behind the prefix are told as one, up to it. Empty = none.
    pub delimiter: &'a str,
    /// Only what comes behind.
    pub after: Option<After>,
    /// Entries of the page, at most.
    pub entries_max: usize,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// Which bytes it has.
        stamp: Stamp,
    },
    /// Objects whose keys start with this.
    Prefix(String),
}

impl Entry {
    /// The key, or what the keys start with.
    pub fn name(&self) -> &str {
        match self {
            Self::Object { key: name, .. } | Self::Prefix(name) => name,
        }
    }

    /// Where a list goes on behind this entry.
    pub fn after(&self) -> After {
        match self {
            Self::Object { key, .. } => After::Key(key.clone()),
            Self::Prefix(prefix) => After::Prefix(prefix.clone()),
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In the order of their names' bytes.
    pub entries: Vec<Entry>,
    /// Whether there are more.
    pub is_truncated: bool,
}

impl Folder {
    /// Lists a page. What is written or deleted meanwhile may be in it or not.
    pub fn list(&self, list: &List<'_>) -> io::Result<Page> {
        let mut found = Finding { list, entries: BTreeMap::new() };
        self.walk_encoded(&self.ours("keys"), 0, &mut found)?;
        let mut walk = Walk { found: &mut found, seen: 0, skip: None };
        walk.folder(self.root(), "", 0)?;
        let mut entries: Vec<Entry> = found.entries.into_values().collect();
        let is_truncated = entries.len() > list.entries_max;
        entries.truncate(list.entries_max);
        Ok(Page { entries, is_truncated })
    }

    /// Encoded keys, in no order.
    fn walk_encoded(&self, folder: &Path, depth: usize, found: &mut Finding<'_>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() && depth < KEY_BYTES_MAX {
                self.walk_encoded(&path, depth + 1, found)?;
                continue;
            }
            let root = self.ours("keys");
            let key = path.strip_prefix(root).ok().filter(|_| kind.is_file()).and_then(Key::decoded);
            if let Some(key) = key {
                found.take(key, || Some(Stamp::of(&entry.metadata().ok()?)));
            }
        }
        Ok(())
    }
}

/// The first entries of a page, and one more.
struct Finding<'a> {
    list: &'a List<'a>,
    entries: BTreeMap<String, Entry>,
}

impl Finding<'_> {
    /// Takes an object; answers the name it is told by, if it is wanted.
    fn take(&mut self, key: String, stamp: impl FnOnce() -> Option<Stamp>) -> Option<String> {
        let List { prefix, delimiter, after, entries_max } = self.list;
        let behind = key.strip_prefix(prefix)?;
        let cut = if delimiter.is_empty() { None } else { behind.find(delimiter) };
        let is_wanted = |name: &str| after.as_ref().is_none_or(|after| after.is_before(name));
        if !is_wanted(&key) {
            return None;
        }
        let entry = match cut.and_then(|at| key.get(..prefix.len() + at + delimiter.len())) {
            Some(prefix) => Entry::Prefix(prefix.to_owned()),
            // One that was deleted since is not told.
            None => Entry::Object { stamp: stamp()?, key },
        };
        let name = entry.name().to_owned();
        self.entries.insert(name.clone(), entry);
        if self.entries.len() > entries_max + 1 {
            self.entries.pop_last();
        }
        Some(name)
    }
}

/// A walk through the folders in the order of keys; ends when the page is full.
struct Walk<'a, 'b> {
    found: &'a mut Finding<'b>,
    /// Entries this walk has told.
    seen: usize,
    /// Keys that start with this are told already.
    skip: Option<String>,
}

impl Walk<'_, '_> {
    fn folder(&mut self, folder: &Path, above: &str, depth: usize) -> io::Result<()> {
        for (key, is_folder) in entries(folder, above)? {
            // The entries that came are the first ones of theirs.
            if self.seen > self.found.list.entries_max {
                return Ok(());
            }
            if self.skip.as_ref().is_some_and(|skip| key.starts_with(skip.as_str())) {
                continue;
            }
            let name = key.get(above.len()..).unwrap_or_default();
            if is_folder {
                if self.may_hold(&key) && depth < KEY_BYTES_MAX {
                    self.folder(&folder.join(name.trim_end_matches('/')), &key, depth + 1)?;
                }
            } else if Key::new(&key).is_ok_and(Key::is_path) {
                self.object(&key, &folder.join(name));
            }
        }
        Ok(())
    }

    fn object(&mut self, key: &str, path: &Path) {
        let told = self.found.take(key.to_owned(), || Some(Stamp::of(&path.symlink_metadata().ok()?)));
        if let Some(name) = told {
            self.seen += 1;
            self.skip = (name != key).then_some(name);
        }
    }

    /// Whether a wanted key can start with this: one is the beginning of the other.
    fn may_hold(&self, folder: &str) -> bool {
        let List { prefix, after, .. } = self.found.list;
        (folder.starts_with(prefix) || prefix.starts_with(folder))
            && after.as_ref().is_none_or(|after| !after.is_behind_all(folder))
    }
}

/// Files and folders (whose keys end in `/`) of a folder, sorted as their keys are.
fn entries(folder: &Path, above: &str) -> io::Result<Vec<(String, bool)>> {
    let mut entries = Vec::new();
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        // Deleted meanwhile, or never there.
        Err(error) if is_absent(&error) => return Ok(entries),
        Err(error) => return Err(error),
    };
    for entry in read {
        let entry = entry?;
        let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
        if above.is_empty() && name == OURS {
            continue;
        }
        if kind.is_file() {
            entries.push((format!("{above}{name}"), false));
        } else if kind.is_dir() {
            entries.push((format!("{above}{name}/"), true));
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

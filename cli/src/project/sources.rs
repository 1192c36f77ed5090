//! The files a build reads, and whether one of them has changed.
//!
//! They are looked at every few hundred milliseconds: a few hundred files cost a millisecond, and
//! unlike notices of the system that works on every file system and with every way editors save.
//! Only what a build reads is looked at: the manifests, `build.rs` and `src` of the packages, and
//! what cargo says the binaries were made from besides, such as files included in the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Levels of folders in a `src`: what lies deeper is no source of a person's.
const DEPTH_MAX: u32 = 16;

/// Where the files of a build are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Files, whether or not they exist yet.
    pub(super) files: BTreeSet<PathBuf>,
    /// Folders with everything in them.
    pub(super) folders: BTreeSet<PathBuf>,
    /// What cargo writes beside a binary about the files it was made from.
    pub(super) dep_info: BTreeSet<PathBuf>,
}

/// How the files were when they were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Sources {
    /// The sources of packages, by the folders of these, in a workspace.
    pub(super) fn of_packages(root: &Path, packages: &BTreeSet<PathBuf>, binaries: &[&Path]) -> Self {
        let of_root = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"];
        let of_package = |dir: &PathBuf| ["Cargo.toml", "build.rs"].map(|name| dir.join(name));
        Self {
            files: of_root
                .map(|name| root.join(name))
                .into_iter()
                .chain(packages.iter().flat_map(of_package))
                .collect(),
            folders: packages.iter().map(|dir| dir.join("src")).collect(),
            dep_info: binaries.iter().map(|binary| binary.with_extension("d")).collect(),
        }
    }

    /// Binaries that somebody else builds.
    pub(super) fn of_binaries(binaries: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: binaries.into_iter().collect(), folders: BTreeSet::new(), dep_info: BTreeSet::new() }
    }

    /// Looks at all of them now.
    pub(crate) fn look(&self) -> Seen {
        let mut seen = BTreeMap::new();
        for file in &self.files {
            note(file, &mut seen);
        }
        for folder in &self.folders {
            walk(folder, DEPTH_MAX, &mut seen);
        }
        for dep_info in &self.dep_info {
            for file in included(&std::fs::read_to_string(dep_info).unwrap_or_default()) {
                note(&file, &mut seen);
            }
        }
        Seen(seen)
    }
}

impl Seen {
    /// A file that is not as it was: changed, made or removed.
    pub(crate) fn changed_since<'a>(&'a self, before: &'a Self) -> Option<&'a Path> {
        let other = |(path, how): &(&PathBuf, &(Option<SystemTime>, u64))| before.0.get(*path) != Some(how);
        let changed = self.0.iter().find(other).map(|(path, _)| path);
        changed.or_else(|| before.0.keys().find(|path| !self.0.contains_key(*path))).map(PathBuf::as_path)
    }

    /// The same files, those that were seen before as they were then.
    pub(crate) fn or_as_in(mut self, before: &Self) -> Self {
        for (path, how) in &mut self.0 {
            if let Some(then) = before.0.get(path) {
                *how = *then;
            }
        }
        self
    }
}

/// A file that is not there is not noted: it has changed when it is.
fn note(file: &Path, seen: &mut BTreeMap<PathBuf, (Option<SystemTime>, u64)>) {
    if let Ok(metadata) = std::fs::metadata(file)
        && metadata.is_file()
    {
        seen.insert(file.to_owned(), (metadata.modified().ok(), metadata.len()));
    }
}

fn walk(folder: &Path, depth: u32, seen: &mut BTreeMap<PathBuf, (Option<SystemTime>, u64)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // Editors keep their swap files beside what they edit.
        let is_hidden =
            entry.file_name().to_str().is_none_or(|name| name.starts_with('.') || name.ends_with('~'));
        match entry.file_type() {
            _ if is_hidden => {}
            Ok(kind) if kind.is_dir() && depth > 0 => walk(&entry.path(), depth - 1, seen),
            Ok(_) => note(&entry.path(), seen),
            Err(_) => {}
        }
    }
}

/// The files a make rule of cargo's names: `binary: file file …`, with spaces as `\ `.
fn included(rule: &str) -> Vec<PathBuf> {
    let Some((_, files)) = rule.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut name = String::new();
    let mut characters = files.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.extend(characters.next()),
            ' ' => found.push(PathBuf::from(std::mem::take(&mut name))),
            other => name.push(other),
        }
    }
    found.push(PathBuf::from(name));
    found.retain(|path| !path.as_os_str().is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_rule_are_read_with_their_spaces() {
        let rule = "/t/app: /p/src/main.rs /p/a\\ b/x.json\n\n/p/src/main.rs:\n";
        assert_eq!(included(rule), [PathBuf::from("/p/src/main.rs"), PathBuf::from("/p/a b/x.json")]);
        assert_eq!(included(""), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_change_is_seen_whatever_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(&path, text).expect("a file");
            path
        };
        write("p/src/lib.rs", "one");
        write("target/app.d", &format!("app: {}/schema\\ of/orders.json\n", folder.path().display()));
        let included = write("schema of/orders.json", "{}");
        let sources = Sources::of_packages(
            folder.path(),
            &BTreeSet::from([folder.path().join("p")]),
            &[&folder.path().join("target/app")],
        );
        let mut before = sources.look();
        assert_eq!(sources.look().changed_since(&before), None);
        // What no build reads changes nothing.
        write("p/README.md", "x");
        write("p/src/.lib.rs.swp", "x");
        assert_eq!(sources.look().changed_since(&before), None);
        let mut expect = |path: PathBuf| {
            let now = sources.look();
            assert_eq!(now.changed_since(&before), Some(path.as_path()));
            before = now;
        };
        expect(write("p/src/lib.rs", "other"));
        expect(write("p/src/deep/new.rs", ""));
        expect(write("p/Cargo.toml", "[package]"));
        expect(write("schema of/orders.json", "{\"a\":1}"));
        std::fs::remove_file(&included).expect("it was there");
        expect(included);
    }
}

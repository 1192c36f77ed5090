use std::os::unix::fs::{PermissionsExt as _, symlink};

use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn zip(&self, write: impl FnOnce(&mut ZipWriter<File>)) -> PathBuf {
        let path = self.folder.path().join("f.zip");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        write(&mut writer);
        writer.finish().unwrap();
        path
    }

    fn unpack(&self, zip: &Path) -> Result<PathBuf, ArchiveError> {
        unpack(zip, &self.folder.path().join("unpacked"))
    }

    /// Names of what lies beside and below the unpacked folders.
    fn left(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .chain(fs::read_dir(self.folder.path().join("unpacked")).into_iter().flatten())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn refused(&self, zip: &Path) -> ArchiveError {
        let error = self.unpack(zip).expect_err("refused");
        assert_eq!(self.left(), ["f.zip", "unpacked"], "nothing is left: {error}");
        assert!(error.to_string().contains("f.zip"), "{error}");
        error
    }
}

fn file(writer: &mut ZipWriter<File>, name: &str, mode: u32, text: &[u8]) {
    writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
    writer.write_all(text).unwrap();
}

fn bootstrap(writer: &mut ZipWriter<File>) {
    file(writer, "bootstrap", 0o755, b"#!/bin/sh\n");
}

/// A name of the same length in all headers: zips that no honest tool writes.
fn renamed(zip: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(zip).unwrap();
    let found: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert_eq!(found.len(), 2, "in the local header and in the directory");
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    fs::write(zip, bytes).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_zip_is_unpacked_once_for_its_owner_only() {
    let bench = Bench::new();
    let zip = bench.zip(|writer| {
        bootstrap(writer);
        writer.add_directory("lib/", SimpleFileOptions::default()).unwrap();
        file(writer, "lib/deep/data.json", 0o644, b"{}");
    });
    let folder = bench.unpack(&zip).unwrap();
    assert_eq!(fs::read(folder.join("lib/deep/data.json")).unwrap(), b"{}");
    let paths = ["", "lib", "lib/deep", "bootstrap", "lib/deep/data.json"];
    let modes: Vec<u32> = paths.iter().map(|path| mode(&folder.join(path))).collect();
    assert_eq!(modes, [0o700, 0o700, 0o700, 0o700, 0o600]);
    fs::write(folder.join("seen"), "").unwrap();
    assert_eq!(bench.unpack(&zip).unwrap(), folder, "the same bytes, the same folder");
    assert!(folder.join("seen").exists(), "it was not unpacked again");
    let other = bench.zip(|writer| file(writer, "bootstrap", 0o755, b"#!/bin/sh\nexit 1\n"));
    assert_ne!(bench.unpack(&other).unwrap(), folder);
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in [
        "../../x/bootstrap",
        "/etc/passwd-bogus",
        "lib/../../escape1",
        "lib//x",
        "./bootstrap2",
        "a\\..\\b",
        "a\0b",
    ] {
        let bench = Bench::new();
        let stand_in = "n".repeat(name.len());
        let zip = bench.zip(|writer| {
            bootstrap(writer);
            file(writer, &stand_in, 0o644, b"x");
        });
        renamed(&zip, &stand_in, name);
        let error = bench.refused(&zip);
        assert!(matches!(error.problem, ArchiveProblem::Name), "{name:?}: {error}");
        assert_eq!(error.entry.as_deref(), Some(name));
    }
    for name in ["a".repeat(256), format!("{}x", "d/".repeat(1024))] {
        assert_eq!(plain_path(name.as_bytes()), None);
    }
    assert_eq!(plain_path(b"\xff"), None);
    assert_eq!(plain_path(b"a/b.c"), Some(PathBuf::from("a/b.c")));
}

#[test]
fn links_and_devices_are_refused() {
    let bench = Bench::new();
    let zip = bench.zip(|writer| {
        bootstrap(writer);
        writer.add_symlink("lib", "/etc", SimpleFileOptions::default()).unwrap();
        file(writer, "lib2/passwd", 0o644, b"x");
    });
    let error = bench.refused(&zip);
    assert!(matches!(error.problem, ArchiveProblem::Special), "{error}");
    assert_eq!(error.entry.as_deref(), Some("lib"));
}

#[test]
fn a_name_is_there_once() {
    let bench = Bench::new();
    let zip = bench.zip(|writer| {
        bootstrap(writer);
        file(writer, "bootstrbp", 0o755, b"#!/bin/sh\nevil\n");
    });
    renamed(&zip, "bootstrbp", "bootstrap");
    assert!(matches!(bench.refused(&zip).problem, ArchiveProblem::Duplicate));
    // A file where a directory has to be, and the other way round.
    let zip = bench.zip(|writer| {
        bootstrap(writer);
        file(writer, "bootstrap/x", 0o644, b"x");
    });
    let error = bench.refused(&zip);
    assert!(matches!(error.problem, ArchiveProblem::Io(_)), "{error}");
    assert_eq!(error.entry.as_deref(), Some("bootstrap/x"));
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let bench = Bench::new();
    let zip = bench.zip(|writer| {
        bootstrap(writer);
        file(writer, "zeros", 0o644, &vec![0; 40 << 20]);
    });
    let error = bench.refused(&zip);
    assert!(matches!(error.problem, ArchiveProblem::Bomb), "{error}");
    assert_eq!(error.entry.as_deref(), Some("zeros"));
    // What the directory says of sizes is not believed.
    let mut unpacking = Unpacking {
        root: bench.folder.path(),
        files: BTreeSet::new(),
        written: limits::FUNCTION_UNZIPPED_BYTES_MAX - 1,
        zipped: limits::FUNCTION_ZIP_BYTES_MAX,
    };
    let mut file = File::create(bench.folder.path().join("x")).unwrap();
    let copied = unpacking.copy(&mut io::repeat(0).take(2), &mut file);
    assert!(matches!(copied, Err(ArchiveProblem::UnpacksTooLarge)));
}

#[test]
fn what_is_too_large_is_not_read_to_its_end() {
    let bench = Bench::new();
    let zip = bench.folder.path().join("f.zip");
    File::create(&zip).unwrap().set_len(limits::FUNCTION_ZIP_BYTES_MAX + 1).unwrap();
    assert!(matches!(bench.unpack(&zip).unwrap_err().problem, ArchiveProblem::TooLarge));
}

#[test]
fn a_zip_that_is_none_or_damaged_or_without_a_program_is_refused() {
    let bench = Bench::new();
    let zip = bench.zip(|writer| file(writer, "sub/bootstrap", 0o755, b"#!/bin/sh\n"));
    assert!(matches!(bench.refused(&zip).problem, ArchiveProblem::NoBootstrap));
    let zip = bench.zip(|writer| file(writer, "bootstrap", 0o755, &[b'x'; 4096]));
    let mut bytes = fs::read(&zip).unwrap();
    bytes[40] ^= 0xff;
    fs::write(&zip, &bytes).unwrap();
    assert!(matches!(bench.refused(&zip).problem, ArchiveProblem::Damaged(_)));
    fs::write(&zip, "no zip").unwrap();
    assert!(matches!(bench.refused(&zip).problem, ArchiveProblem::Damaged(_)));
}

#[test]
fn a_link_in_the_place_of_the_unpacked_folders_is_followed_by_nobody_else() {
    let bench = Bench::new();
    let zip = bench.zip(bootstrap);
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), bench.folder.path().join("unpacked")).unwrap();
    // It is the owner's own data folder: a link in it is the owner's wish.
    let folder = bench.unpack(&zip).unwrap();
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn what_is_not_used_any_more_is_removed_and_nothing_else() {
    let bench = Bench::new();
    let old = bench.unpack(&bench.zip(bootstrap)).unwrap();
    let used =
        bench.unpack(&bench.zip(|writer| file(writer, "bootstrap", 0o755, b"#!/bin/sh\nexit 1\n"))).unwrap();
    let unpacked = old.parent().unwrap().to_owned();
    let kept = unpacked.join("notes");
    fs::create_dir(&kept).unwrap();
    let partial = unpacked.join(format!("{PARTIAL}0"));
    fs::create_dir(&partial).unwrap();
    forget(&unpacked, |folder| used.starts_with(folder));
    assert_eq!([&old, &used, &kept, &partial].map(|path| path.exists()), [false, true, true, false]);
    forget(&unpacked.join("none"), |_| false);
}

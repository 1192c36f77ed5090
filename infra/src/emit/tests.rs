use tempfile::TempDir;

use super::*;
use crate::sample;

fn all_files() -> Vec<File> {
    files(&sample::manifest(), &Environment::default(), Some(&sample::binaries())).unwrap()
}

/// Every file below a folder, by its relative path.
fn read_back(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(relative, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_layout_is_the_documented_one() {
    let paths: Vec<String> = all_files().into_iter().map(|file| file.path).collect();
    insta::assert_snapshot!("layout", paths.join("\n"));
}

#[test]
fn what_is_written_is_what_was_made_and_nothing_of_an_earlier_run_stays() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    write(&out, &all_files()).unwrap();
    let expected: BTreeMap<String, Vec<u8>> =
        all_files().into_iter().map(|file| (file.path, file.bytes)).collect();
    assert_eq!(read_back(&out), expected);

    let mut binaries = sample::binaries();
    binaries.insert("step-post".to_owned(), sample::executable(sample::ARM64, "another build"));
    let changed = files(&sample::manifest(), &Environment::default(), Some(&binaries)).unwrap();
    write(&out, &changed).unwrap();
    let zips = read_back(&out).into_keys().filter(|path| path.contains("assets/")).count();
    assert_eq!(zips, 2, "the zip of the earlier binary is gone");
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("schemas")).unwrap();
    let error = write(folder.path(), &all_files()).unwrap_err();
    assert!(matches!(error, EmitError::NotOurs(_)), "{error}");
    assert!(folder.path().join("schemas").is_dir());
}

#[test]
fn a_missing_binary_is_named_with_what_builds_it() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("step-parse"), "").unwrap();
    let error = read_binaries(&sample::manifest(), folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("`step-post` is missing; build it with `cargo build --profile lambda -p"),
        "{error}"
    );
}

#[test]
fn without_binaries_there_is_no_assembly() {
    let files = files(&sample::manifest(), &Environment::default(), None).unwrap();
    assert!(files.iter().all(|file| !file.path.starts_with(ASSEMBLY_FOLDER)));
    assert!(files.iter().any(|file| file.path == "asl/order-intake.asl.json"));
}

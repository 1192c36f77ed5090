//! What figures depend on besides their input: the sources of what calculates them, as a hash.
//! A run of the same input by other code is another run, and nobody has to remember a version.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Reading typed rows and expressions, and calculating.
const SOURCES: [&str; 2] = ["../feed/src", "../calculate/src"];

fn main() -> io::Result<()> {
    let mut files = vec![];
    for folder in SOURCES {
        println!("cargo::rerun-if-changed={folder}");
        collect(Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let content = std::fs::read(&file)?;
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    let digest = hash.finalize().iter().fold(String::new(), |mut digest, byte| {
        // Writing into a String cannot fail.
        let _ = write!(digest, "{byte:02x}");
        digest
    });
    println!("cargo::rustc-env=CALCULATION_SHA256={digest}");
    Ok(())
}

/// Rust files, without those of tests.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("tests") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

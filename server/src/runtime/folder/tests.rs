use std::fs;
use std::io::Write as _;
use std::time::Duration;

use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir(bench.0.path().join("functions")).unwrap();
        bench
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join("functions").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if path.ends_with("bootstrap") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn zip(&self, path: &str, mode: u32) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        let mut writer = ZipWriter::new(fs::File::create(self.at(path)).unwrap());
        writer.start_file(BOOTSTRAP, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        writer.write_all(b"#!/bin/sh\n").unwrap();
        writer.finish().unwrap();
    }

    fn functions(&self) -> Result<Vec<Function>, FolderError> {
        functions_in(&self.0.path().join("functions"), &self.0.path().join("unpacked"), 4)
    }

    fn refused(&self) -> FolderError {
        self.functions().expect_err("refused")
    }
}

#[test]
fn folders_and_zips_are_functions() {
    let bench = Bench::new();
    bench.write("parse/bootstrap", "#!/bin/sh\n");
    bench.write("parse/function.json", r#"{"Timeout": 9}"#);
    bench.zip("charge.zip", 0o755);
    bench.write("charge.json", r#"{"MemorySize": 256, "Environment": {"Variables": {"MODE": "x"}}}"#);
    bench.zip("packed/bootstrap.zip", 0o755);
    bench.write("packed/function.json", r#"{"ReservedConcurrentExecutions": 0}"#);
    bench.write("notes/readme.txt", "nobody's business");
    bench.write("README.md", "nobody's business");
    let functions = bench.functions().unwrap();
    let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["charge", "packed", "parse"]);
    let [charge, packed, parse] = &functions[..] else { panic!("three") };
    assert_eq!((charge.memory_mib, charge.timeout), (256, Duration::from_secs(3)));
    assert_eq!(charge.environment.get("MODE").map(String::as_str), Some("x"));
    assert!(charge.bootstrap.starts_with(bench.0.path().join("unpacked")), "{charge:?}");
    assert_eq!(packed.reserved_concurrency, Some(0));
    assert_eq!(parse.timeout, Duration::from_secs(9));
    assert_eq!(parse.bootstrap, bench.at("parse/bootstrap").canonicalize().unwrap());
    assert_eq!((parse.handler.as_str(), parse.concurrency_max), ("bootstrap", 4));
}

#[test]
fn what_cannot_be_a_function_is_said_with_its_file() {
    let bench = Bench::new();
    assert!(matches!(bench.refused(), FolderError::Empty { .. }));
    bench.write("a b/bootstrap", "");
    assert!(matches!(bench.refused(), FolderError::Name { path } if path.ends_with("a b")));

    let bench = Bench::new();
    bench.write("f/bootstrap", "");
    bench.zip("f.zip", 0o755);
    assert!(matches!(bench.refused(), FolderError::Twice { name, .. } if name == "f"));

    let bench = Bench::new();
    bench.write("f/bootstrap", "");
    fs::set_permissions(bench.at("f/bootstrap"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(bench.refused(), FolderError::NotExecutable { path } if path.ends_with("f/bootstrap")));
    fs::remove_dir_all(bench.at("f")).unwrap();
    bench.zip("f.zip", 0o644);
    assert!(
        matches!(bench.refused(), FolderError::NotExecutable { path } if path.ends_with("f.zip/bootstrap"))
    );

    let bench = Bench::new();
    bench.write("f/bootstrap", "");
    bench.write("f/function.json", r#"{"Timeout": 0}"#);
    let said = bench.refused().to_string();
    assert!(said.contains("f/function.json: Timeout: it is not a whole number of seconds"), "{said}");
    bench.write("f.json", "{}");
    let said = bench.refused().to_string();
    assert!(said.contains("keep one"), "{said}");
    bench.write("f.json", "");

    let missing = functions_in(&bench.at("none"), &bench.at("unpacked"), 1);
    assert!(matches!(missing, Err(FolderError::Unreadable { .. })));
    bench.write("g.zip", "no zip");
    fs::remove_file(bench.at("f.json")).unwrap();
    bench.write("f/function.json", "{}");
    let said = bench.refused().to_string();
    assert!(said.contains("g.zip") && said.contains("not a zip"), "{said}");
}

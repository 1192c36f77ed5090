//! Bad input of every kind ends in an error that says what, where and what to
//! do next; the execution stays visible and nothing is half-delivered.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::{run, succeeded};
use crate::{binaries, project_root, stepwright, told};

/// The sample's spec and its one input file.
fn sample() -> (PathBuf, PathBuf) {
    let folder = project_root().join("workflows/samples/coreview-delivery");
    let input = std::fs::read_dir(folder.join("input"))
        .expect("the sample's input")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .expect("a CSV file");
    (folder.join("spec.toml"), input)
}

/// What a run that has to fail in a state printed, after looking that the
/// execution is listed as failed and CoreView got nothing.
fn failed(data: &Path, output: &Output) -> (String, String) {
    assert_eq!(output.status.code(), Some(1), "{}", told(output));
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", told(output)));
    assert_eq!(answer["status"], "FAILED", "{answer}");
    let listed =
        stepwright(data).args(["list", "--status", "failed", "-o", "json"]).output().expect("starts");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let arn = answer["executionArn"].as_str().expect("an ARN");
    assert!(listed.contains(arn), "{arn} is not listed: {listed}");
    let database = data.join("coreview.db");
    if database.exists() {
        let database = rusqlite::Connection::open(database).expect("opens");
        let rows: i64 =
            database.query_row("SELECT count(*) FROM coreview_ledger", [], |row| row.get(0)).unwrap_or(0);
        assert_eq!(rows, 0, "a failed run delivered something");
    }
    (text(&answer["error"]), text(&answer["cause"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// Runs the sample with its input replaced and answers error and cause.
fn with_input(name: &str, bytes: &[u8]) -> (String, String) {
    let data = tempfile::tempdir().expect("a folder");
    let input = data.path().join(name);
    std::fs::write(&input, bytes).expect("writes");
    let (spec, _) = sample();
    let output = run_with(data.path(), &spec, &input);
    failed(data.path(), &output)
}

fn run_with(data: &Path, spec: &Path, input: &Path) -> Output {
    run(data, &["--spec", spec.to_str().expect("UTF-8"), "--input", input.to_str().expect("UTF-8")])
}

#[test]
fn a_wrong_delimiter_is_named() {
    let data = tempfile::tempdir().expect("a folder");
    let (spec, input) = sample();
    let wrong = data.path().join("pipes.toml");
    let text = std::fs::read_to_string(spec).expect("reads");
    std::fs::write(&wrong, text.replacen("[source]", "[source]\ndelimiter = \"|\"", 1)).expect("writes");
    let (error, cause) = failed(data.path(), &run_with(data.path(), &wrong, &input));
    assert_eq!(error, "Parse.WrongDelimiter", "{cause}");
    let name = input.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(cause.contains(name) && cause.contains(';'), "{cause}");
}

#[test]
fn a_missing_column_is_named() {
    let (_, input) = sample();
    let text = std::fs::read_to_string(input).expect("reads");
    let (header, rest) = text.split_once('\n').expect("a header");
    let (first, columns) = header.split_once(';').expect("columns");
    let (error, cause) = with_input("renamed.csv", format!("{first}x;{columns}\n{rest}").as_bytes());
    assert_eq!(error, "Parse.MissingColumn", "{cause}");
    assert!(cause.contains("renamed.csv") && cause.contains(first), "{cause}");
}

#[test]
fn an_undecodable_byte_is_named_with_its_place() {
    let (_, input) = sample();
    let mut bytes = std::fs::read(input).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] = 0xff;
    let (error, cause) = with_input("broken.csv", &bytes);
    assert_eq!(error, "Parse.Encoding", "{cause}");
    assert!(cause.contains("broken.csv") && cause.contains(&middle.to_string()), "{cause}");
}

#[test]
fn a_truncated_archive_is_refused_whole() {
    let (_, input) = sample();
    let mut archive = Vec::new();
    {
        use std::io::Write as _;
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut archive));
        writer.start_file("sample.csv", zip::write::SimpleFileOptions::default()).expect("an entry");
        writer.write_all(&std::fs::read(input).expect("reads")).expect("writes");
        writer.finish().expect("an archive");
    }
    archive.truncate(archive.len() * 2 / 3);
    let (error, cause) = with_input("cut.zip", &archive);
    assert!(error == "Parse.Truncated" || error == "Parse.Damaged", "{error}: {cause}");
    assert!(cause.contains("cut.zip"), "{cause}");
}

#[test]
fn a_spec_with_a_typo_is_pointed_at() {
    let data = tempfile::tempdir().expect("a folder");
    let (spec, input) = sample();
    let wrong = data.path().join("typo.toml");
    let text = std::fs::read_to_string(spec).expect("reads").replacen("[source]", "[sorce]", 1);
    std::fs::write(&wrong, text).expect("writes");
    let (error, cause) = failed(data.path(), &run_with(data.path(), &wrong, &input));
    assert_eq!(error, "Parse.Spec", "{cause}");
    for part in ["typo.toml", "sorce", "source"] {
        assert!(cause.contains(part), "no `{part}` in {cause}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_usage_error_and_starts_nothing() {
    let data = tempfile::tempdir().expect("a folder");
    let output = run_with(data.path(), &sample().0, Path::new("no/such/file.csv"));
    assert_ne!(output.status.code(), Some(0));
    assert!(told(&output).contains("no/such/file.csv"), "{}", told(&output));
    let listed = stepwright(data.path()).args(["list", "-q"]).output().expect("starts");
    assert!(listed.stdout.is_empty(), "{}", told(&listed));
}

#[test]
fn an_unknown_workflow_names_the_known_ones() {
    let data = tempfile::tempdir().expect("a folder");
    let output = stepwright(data.path()).args(["run", "coreview-delivry"]).output().expect("starts");
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("coreview-delivery"), "{}", told(&output));
}

#[test]
fn a_damaged_journal_is_refused_with_what_to_do() {
    let data = tempfile::tempdir().expect("a folder");
    succeeded(&run(data.path(), &[]));
    for left_over in ["journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(data.path().join(left_over));
    }
    let journal = data.path().join("journal.db");
    std::fs::write(&journal, b"this is no database at all, whatever its name says").expect("writes");
    let output = run(data.path(), &[]);
    assert!(!output.status.success());
    let said = told(&output);
    assert!(said.contains("journal.db") && said.contains("hint"), "{said}");
    assert_eq!(std::fs::read(&journal).expect("reads").len(), 50, "the damaged file was touched");
}

/// Runs a workflow of the misbehaving app.
fn misbehave(workflow: &str) -> (String, String) {
    let data = tempfile::tempdir().expect("a folder");
    let sample = project_root().join("tests/misbehave/sample");
    let output = stepwright(data.path())
        .env("STEPWRIGHT_APP", binaries().join("misbehave-app"))
        .args(["run", workflow, "-o", "json"])
        .arg("--spec")
        .arg(sample.join("spec.toml"))
        .arg("--input")
        .arg(sample.join("input/a.csv"))
        .output()
        .expect("starts");
    failed(data.path(), &output)
}

#[test]
fn a_panic_names_message_file_and_line() {
    let (error, cause) = misbehave("panics");
    assert_eq!(error, "Step.Panicked", "{cause}");
    assert!(
        cause.contains("the panic this step is for") && cause.contains("misbehave/src/lib.rs:"),
        "{cause}"
    );
}

#[test]
fn a_hang_ends_at_the_timeout() {
    let (error, cause) = misbehave("hangs");
    assert!(cause.contains("timed out after 1.00 seconds"), "{error}: {cause}");
}

#[test]
fn an_answer_beyond_the_payload_limit_is_refused() {
    let (error, cause) = misbehave("answers-too-much");
    assert_eq!(error, "States.DataLimitExceeded", "{cause}");
}

#[test]
fn a_process_that_ends_is_an_exit_error() {
    let (error, cause) = misbehave("exits");
    assert_eq!(error, "Runtime.ExitError", "{cause}");
    assert!(cause.contains('7'), "{cause}");
}

#[test]
fn a_declared_error_keeps_its_name() {
    let (error, cause) = misbehave("declares");
    assert_eq!(error, "MisbehaveError.Declared", "{cause}");
    assert!(cause.contains("declared, and raised"), "{cause}");
}

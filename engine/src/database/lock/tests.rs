//! Journals that a part was taken away from: nobody makes it anew, and what is left stays.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::journal::{FILE, FILES, JournalError, Reader, back_up, collect_garbage, examine};
use crate::{
    Completion, Engine, EngineError, EngineOptions, ExecutionFilter, StartExecution, TaskHost, TaskRequest,
};

struct Silent;

impl TaskHost for Silent {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

const WAITS: &str = r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": true}}}"#;

fn options(directory: &Path) -> EngineOptions {
    EngineOptions::new(directory, Arc::new(Silent))
}

/// An engine with an execution that waits.
fn at_work(directory: &Path) -> Engine {
    let engine = Engine::open(options(directory)).unwrap();
    engine.put_state_machine("m", WAITS, None).unwrap();
    let request =
        StartExecution { state_machine: "m".into(), name: Some("e".into()), ..StartExecution::default() };
    engine.start_execution(request).unwrap();
    engine.settle().unwrap();
    engine
}

/// What a kill leaves: the files as they are while an engine holds them.
fn killed() -> tempfile::TempDir {
    let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = at_work(directory.path());
    for name in [FILE, "journal.db-wal", "journal.lock"] {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    engine.shutdown();
    copy
}

fn closed() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    at_work(directory.path()).shutdown();
    directory
}

/// Names and contents; the lock names whoever looked last.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    named
        .filter(|(name, _)| name != "journal.db-shm")
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        // Whoever reads a journal that was closed lays an empty log beside it.
        .filter(|(name, bytes)| name != "journal.db-wal" || !bytes.is_empty())
        .collect()
}

/// Everybody is refused, and everything stays as it is.
fn refused(directory: &Path, says: &str) {
    let before = files(directory);
    let engine = match Engine::open(options(directory)) {
        Err(EngineError::Journal(error)) => error,
        other => panic!("{other:?}"),
    };
    let backup = directory.with_extension("backup");
    for (who, error) in [
        ("an engine", engine),
        ("a reader", Reader::open(directory).unwrap_err()),
        ("a backup", back_up(directory, &backup).unwrap_err()),
        ("gc", collect_garbage(directory, 0).unwrap_err()),
    ] {
        let is_told = matches!(error, JournalError::Damaged { .. } | JournalError::Gone { .. });
        assert!(is_told && error.to_string().contains(says), "{who}: {error}");
    }
    assert!(!backup.exists());
    assert_eq!(files(directory), before);
}

fn open_executions(directory: &Path) -> usize {
    Reader::open(directory).unwrap().list_executions(&ExecutionFilter::default()).unwrap().len()
}

#[test]
fn a_killed_journal_with_its_log_is_read_and_the_log_stays() {
    let directory = killed();
    let before = files(directory.path());
    assert_eq!(open_executions(directory.path()), 1);
    assert_eq!(files(directory.path()), before);
    let engine = Engine::open(options(directory.path())).unwrap();
    assert_eq!(engine.open_executions().len(), 1);
    engine.shutdown();
    assert_eq!(open_executions(directory.path()), 1);
}

#[test]
fn without_its_log_nobody_opens_it() {
    let directory = killed();
    std::fs::remove_file(directory.path().join("journal.db-wal")).unwrap();
    refused(directory.path(), "write-ahead log");
    assert!(!examine(directory.path()).unwrap().is_sound());
    // What an earlier release has made in its place is no log either.
    std::fs::write(directory.path().join("journal.db-wal"), "").unwrap();
    refused(directory.path(), "write-ahead log");
    // Whoever wants to go on without the last commits says so.
    std::fs::remove_file(directory.path().join("journal.lock")).unwrap();
    Engine::open(options(directory.path())).unwrap().shutdown();
}

/// `SQLite` itself takes what is before the damage for the whole log, and writes over the rest.
#[test]
fn with_a_log_that_was_cut_or_written_over_nobody_begins() {
    for damage in [
        |log: &mut Vec<u8>| log.truncate(log.len() - 100),
        |log: &mut Vec<u8>| log.truncate(log.len() / 2),
        |log: &mut Vec<u8>| log.truncate(20),
        |log: &mut Vec<u8>| {
            let half = log.len() / 2;
            log[half..half + 8].fill(0xa5);
        },
        |log: &mut Vec<u8>| log[17] ^= 1,
    ] {
        let directory = killed();
        let path = directory.path().join("journal.db-wal");
        let whole = std::fs::read(&path).unwrap();
        let mut log = whole.clone();
        damage(&mut log);
        std::fs::write(&path, log).unwrap();
        let before = files(directory.path());
        refused(directory.path(), "cut off or written over");
        assert_eq!(files(directory.path()), before);
        assert!(!examine(directory.path()).unwrap().is_sound());
        std::fs::write(&path, whole).unwrap();
        Engine::open(options(directory.path())).unwrap().shutdown();
        assert_eq!(open_executions(directory.path()), 1);
    }
}

/// What comes after the last commit is what a crash leaves of the next one.
#[test]
fn what_follows_the_last_commit_may_be_anything() {
    let directory = killed();
    let path = directory.path().join("journal.db-wal");
    let mut log = std::fs::read(&path).unwrap();
    log.extend_from_slice(&[7; 5_000]);
    std::fs::write(&path, log).unwrap();
    Engine::open(options(directory.path())).unwrap().shutdown();
    assert_eq!(open_executions(directory.path()), 1);
}

#[test]
fn an_engine_that_was_killed_while_it_opened_still_has_a_log_to_lose() {
    let directory = killed();
    drop(super::Lock::acquire(directory.path(), FILES).unwrap());
    std::fs::remove_file(directory.path().join("journal.db-wal")).unwrap();
    refused(directory.path(), "write-ahead log");
}

#[test]
fn without_its_database_nobody_makes_another() {
    for directory in [killed(), closed()] {
        let database = directory.path().join(FILE);
        std::fs::write(&database, "").unwrap();
        refused(directory.path(), "is empty");
        assert!(matches!(examine(directory.path()), Err(JournalError::Gone { .. })));
        std::fs::remove_file(&database).unwrap();
        refused(directory.path(), "is missing");
        assert!(matches!(examine(directory.path()), Err(JournalError::Gone { .. })));
    }
    // The log alone shows it, too.
    let directory = killed();
    std::fs::remove_file(directory.path().join("journal.lock")).unwrap();
    std::fs::write(directory.path().join(FILE), "").unwrap();
    refused(directory.path(), "journal.db-wal shows that there was one");
}

#[test]
fn a_database_that_was_cut_off_is_not_opened() {
    let directory = closed();
    let database = directory.path().join(FILE);
    let bytes = std::fs::read(&database).unwrap();
    std::fs::write(&database, &bytes[..bytes.len() - 100]).unwrap();
    refused(directory.path(), "cut off");
    std::fs::write(&database, &bytes).unwrap();
    assert_eq!(open_executions(directory.path()), 1);
}

#[test]
fn a_database_closed_without_a_commit_is_no_lost_log() {
    let directory = killed();
    let lock = super::Lock::acquire(directory.path(), FILES).unwrap();
    drop(crate::journal::open(&directory.path().join(FILE), 0).unwrap());
    assert!(!directory.path().join("journal.db-wal").exists(), "the log is in the database");
    drop(lock);
    assert_eq!(open_executions(directory.path()), 1);
    Engine::open(options(directory.path())).unwrap().shutdown();
}

/// Closing any descriptor of the database takes SQLite's locks from the whole process: then the
/// next reader that closes thinks it is the last one, and removes the log under the engine.
#[test]
fn readers_that_come_and_go_leave_an_engine_its_log() {
    let directory = closed();
    // With the empty log that a reader has left.
    assert_eq!(open_executions(directory.path()), 1);
    let engine = Engine::open(options(directory.path())).unwrap();
    // A commit that has nothing to write.
    engine.put_state_machine("m", WAITS, None).unwrap();
    engine.settle().unwrap();
    for number in 0..3 {
        drop(Reader::open(directory.path()).unwrap());
        let name = Some(format!("n{number}"));
        engine
            .start_execution(StartExecution { state_machine: "m".into(), name, ..StartExecution::default() })
            .unwrap();
        engine.settle().unwrap();
        assert_eq!(open_executions(directory.path()), number + 2);
    }
    assert!(std::fs::metadata(directory.path().join("journal.db-wal")).unwrap().len() > 0);
    engine.shutdown();
    assert_eq!(open_executions(directory.path()), 4);
}

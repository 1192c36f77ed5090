//! Damage of every kind: it is found, it is told where, nothing changes and nothing panics.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::{Area, Examination, examine};
use crate::journal::{FILE, JournalError};
use crate::{
    Completion, Engine, EngineOptions, ManualClock, StartExecution, TaskHost, TaskOutcome, TaskRequest,
};

/// Answers tasks of even executions, fails the others, and never answers every third one.
struct Mixed;

impl TaskHost for Mixed {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        match task.arguments["n"].as_u64().unwrap_or_default() % 3 {
            0 => done.finish(TaskOutcome::Succeeded("{}".to_owned())),
            1 => done.finish(TaskOutcome::Failed { error: "E".to_owned(), cause: "C".repeat(300) }),
            _ => std::mem::forget(done),
        }
    }
}

const DEFINITION: &str = r#"{"StartAt":"M","States":{
    "M":{"Type":"Map","ItemsPath":"$.items","ResultPath":"$.mapped","Next":"T","ItemProcessor":
        {"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}},
    "T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Next":"D"},
    "D":{"Type":"Pass","End":true}}}"#;

fn options(directory: &Path) -> EngineOptions {
    let clock = Arc::new(ManualClock::at(1_000));
    EngineOptions { clock, ..EngineOptions::new(directory, Arc::new(Mixed)) }
}

/// A journal with some executions of every kind, all of it in the one file.
fn journal(executions: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(directory.path())).unwrap();
    engine.put_state_machine("m", DEFINITION, None).unwrap();
    for number in 0..executions {
        let input = format!(r#"{{"n":{number},"items":[1,2,3],"text":"{}"}}"#, "x".repeat(number * 40));
        let name = Some(format!("e{number}"));
        let request = StartExecution { state_machine: "m".into(), name, input, ..StartExecution::default() };
        engine.start_execution(request).unwrap();
    }
    engine.settle().unwrap();
    engine.shutdown();
    directory
}

fn arn(name: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:execution:m:{name}")
}

fn problems(examination: &Examination) -> Vec<String> {
    let told = |finding: &super::Finding| format!("{} {}", finding.subject, finding.problem);
    examination.findings.iter().map(told).collect()
}

#[test]
fn a_sound_journal_has_no_findings() {
    let directory = journal(9);
    let examination = examine(directory.path()).unwrap();
    assert_eq!(problems(&examination), Vec::<String>::new());
    assert_eq!((examination.executions, examination.schema), (9, super::SCHEMA_VERSION));
    assert!(examination.segments > 9 && examination.records > 100, "{examination:?}");
}

/// Examined while it is written; one of its executions lost its task in a crash and failed once.
#[test]
fn a_journal_in_use_is_examined() {
    let directory = journal(3);
    let engine = Engine::open(options(directory.path())).unwrap();
    let request = StartExecution {
        state_machine: "m".into(),
        input: r#"{"n":2,"items":[]}"#.into(),
        ..StartExecution::default()
    };
    engine.start_execution(request).unwrap();
    let examination = examine(directory.path()).unwrap();
    assert_eq!((problems(&examination), examination.executions), (Vec::new(), 4));
    engine.shutdown();
}

/// Rows that contradict each other; every one names what it touches.
#[test]
fn contradictions_are_named() {
    let e0 = arn("e0");
    let cases: [(&str, &str, &str); 17] = [
        (
            "UPDATE executions SET status = 2 WHERE name = 'e0'",
            &e0,
            "its row says FAILED, its records SUCCEEDED",
        ),
        (
            "UPDATE executions SET status = 77 WHERE name = 'e0'",
            &e0,
            "its row says a status that does not exist",
        ),
        ("UPDATE executions SET stop_millis = 5 WHERE name = 'e0'", &e0, "its row has another end"),
        ("UPDATE executions SET start_millis = 5 WHERE name = 'e0'", &e0, "its row has another start"),
        ("UPDATE executions SET events = 5 WHERE name = 'e0'", &e0, "its row counts other events"),
        ("UPDATE executions SET error = 'F' WHERE name = 'e0'", &e0, "its row has another error"),
        ("UPDATE executions SET name = 'e77' WHERE name = 'e0'", &arn("e77"), "its row calls it 'e77'"),
        ("UPDATE executions SET sha256 = zeroblob(32) WHERE name = 'e0'", &e0, "its definition is damaged"),
        (
            "UPDATE executions SET map_run_id = 5, map_number = 0 WHERE name = 'e0'",
            &e0,
            "its Map Run is missing",
        ),
        ("DELETE FROM segments WHERE execution_id = 1 AND first_record = 0", &e0, "segment 0 is missing"),
        ("DELETE FROM segments WHERE execution_id = 1", &e0, "it has no segments"),
        ("UPDATE segments SET records = zeroblob(9) WHERE execution_id = 1", &e0, "segment 0"),
        ("DELETE FROM executions WHERE name = 'e0'", "", "segments of an execution that has no row: 1"),
        ("UPDATE executions SET revision = 9", "", "executions of a revision that has no row: 3"),
        ("UPDATE settings SET value = 3 WHERE name = 'last_millis'", &e0, "later than the journal's time"),
        ("UPDATE definitions SET text = '{}'", "", "its SHA-256 is another one"),
        ("DROP INDEX executions_error", "executions_error", "it is missing"),
    ];
    for (sql, subject, problem) in cases {
        let directory = journal(3);
        let database = Connection::open(directory.path().join(FILE)).unwrap();
        database.pragma_update(None, "foreign_keys", false).unwrap();
        assert!(database.execute(sql, []).unwrap() > 0 || sql.starts_with("DROP"), "{sql}");
        drop(database);
        let examination = examine(directory.path()).unwrap();
        let named = examination
            .findings
            .iter()
            .any(|finding| finding.problem.contains(problem) && finding.subject.contains(subject));
        assert!(named, "{sql}: {:?}", problems(&examination));
    }
}

/// One byte of every page at a time, at its beginning, among its cells and at its end.
#[test]
fn a_flipped_byte_in_any_page_is_found_or_harmless() {
    let directory = journal(16);
    let file = directory.path().join(FILE);
    let sound = std::fs::read(&file).unwrap();
    let page = 4096;
    let (mut found, mut harmless) = (0, 0);
    for start in (0..sound.len()).step_by(page) {
        for offset in [0, page / 2, page - 1] {
            let mut bytes = sound.clone();
            bytes[start + offset] ^= 0x55;
            std::fs::write(&file, &bytes).unwrap();
            match examine(directory.path()) {
                Ok(examination) if examination.is_sound() => {
                    assert_ne!(offset, 0, "page {} says what kind of page it is", start / page);
                    harmless += 1;
                }
                Ok(_)
                | Err(
                    JournalError::NotAJournal { .. }
                    | JournalError::Newer { .. }
                    | JournalError::Missing { .. },
                ) => {
                    found += 1;
                }
                Err(error) => panic!("page {}, byte {offset}: {error}", start / page),
            }
            assert!(std::fs::read(&file).unwrap() == bytes, "the doctor changes nothing");
        }
    }
    let names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing is left beside the database and the lock: {names:?}");
    // Pages have room that holds nothing, and there are times that only people read.
    assert!(found > sound.len() / page, "{found} found, {harmless} harmless");
}

/// A file that is cut anywhere is damaged or no journal; the doctor says so and does not panic.
#[test]
fn a_truncated_file_is_found() {
    let directory = journal(40);
    let file = directory.path().join(FILE);
    let sound = std::fs::read(&file).unwrap();
    for length in (0..sound.len()).step_by(3_001) {
        std::fs::write(&file, &sound[..length]).unwrap();
        match examine(directory.path()) {
            Ok(examination) => assert!(!examination.is_sound(), "{length} bytes"),
            Err(error) => assert!(
                matches!(
                    error,
                    JournalError::NotAJournal { .. }
                        | JournalError::Gone { .. }
                        | JournalError::Database { .. }
                ),
                "{length} bytes: {error}"
            ),
        }
    }
}

/// The files as a kill leaves them, copied while the engine holds them open.
fn killed(log: bool) -> tempfile::TempDir {
    let directory = journal(0);
    let engine = Engine::open(options(directory.path())).unwrap();
    let request = StartExecution {
        state_machine: "m".into(),
        input: r#"{"n":2,"items":[]}"#.into(),
        ..StartExecution::default()
    };
    engine.start_execution(request).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let wal = format!("{FILE}-wal");
    for name in [FILE, "journal.lock", &wal].into_iter().filter(|name| log || **name != wal) {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    engine.shutdown();
    copy
}

#[test]
fn a_log_that_is_there_is_read_and_kept() {
    let directory = killed(true);
    let before = std::fs::read(directory.path().join(format!("{FILE}-wal"))).unwrap();
    let examination = examine(directory.path()).unwrap();
    assert_eq!((problems(&examination).len(), examination.executions), (0, 1));
    assert_eq!(std::fs::read(directory.path().join(format!("{FILE}-wal"))).unwrap(), before);
    Engine::open(options(directory.path())).unwrap().shutdown();
}

#[test]
fn a_lost_log_is_found_and_no_engine_goes_on_without_it() {
    let directory = killed(false);
    let examination = examine(directory.path()).unwrap();
    assert!(examination.findings.iter().any(|finding| finding.area == Area::File), "{examination:?}");
    let refused = Engine::open(options(directory.path())).unwrap_err().to_string();
    assert!(refused.contains("write-ahead log") && refused.contains("remove"), "{refused}");
    // Whoever wants to go on without the last commits says so.
    std::fs::remove_file(directory.path().join("journal.lock")).unwrap();
    Engine::open(options(directory.path())).unwrap().shutdown();
}

#[test]
fn what_is_no_journal_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE);
    assert!(matches!(examine(directory.path()), Err(JournalError::Missing { .. })));
    std::fs::write(&file, "This is a letter to my bank. ".repeat(100)).unwrap();
    assert!(matches!(examine(&file), Err(JournalError::NotAJournal { .. })));
    std::fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE money (amount)").unwrap();
    assert!(matches!(examine(&file), Err(JournalError::NotAJournal { .. })));
    let newer = journal(1);
    Connection::open(newer.path().join(FILE)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(examine(newer.path()), Err(JournalError::Newer { found: 99, .. })));
}

/// Journals of earlier releases are examined as they are.
#[test]
fn an_older_journal_is_examined_and_not_migrated() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/journals/schema-1.db");
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("old copy?#1%.db");
    std::fs::copy(&old, &copy).unwrap();
    let examination = examine(&copy).unwrap();
    assert_eq!((problems(&examination), examination.schema, examination.executions), (Vec::new(), 1, 3));
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&old).unwrap());
}

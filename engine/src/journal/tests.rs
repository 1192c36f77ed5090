//! The format of segments, and what is wrong with journals that cannot be used.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::json;

use super::segment::{decode, encode};
use super::{JournalError, Reader};
use crate::machine::{Fact, Failure, Nature, Payload, Record, Text, Timer, TimerId};
use crate::simulate::{Reply, SimulationOptions, run_with};
use crate::{
    Completion, Engine, EngineError, EngineOptions, ManualClock, StartExecution, TaskHost, TaskOutcome,
    TaskRequest,
};

/// Fails every task, so that journals have everything in them.
struct Failing;

impl TaskHost for Failing {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        done.finish(TaskOutcome::Failed { error: "E".into(), cause: "C".into() });
    }
}

const DEFINITION: &str = r#"{
    "QueryLanguage": "JSONata", "StartAt": "P", "TimeoutSeconds": 900, "States": {
        "P": { "Type": "Parallel", "Next": "W", "Branches": [
            { "StartAt": "M", "States": { "M": { "Type": "Map", "Items": [1, 2, 3], "End": true, "ItemProcessor": {
                "StartAt": "T", "States": {
                    "T": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 9,
                           "HeartbeatSeconds": 3, "Retry": [{ "ErrorEquals": ["E"], "MaxAttempts": 1 }],
                           "Catch": [{ "ErrorEquals": ["E"], "Next": "C" }], "End": true },
                    "C": { "Type": "Pass", "Assign": { "v": "{% $states.input.Cause %}" }, "End": true } } } } } },
            { "StartAt": "X", "States": { "X": { "Type": "Pass", "End": true } } } ] },
        "W": { "Type": "Wait", "Seconds": 60, "Next": "F" },
        "F": { "Type": "Fail", "Error": "{% 'E' & $nothing %}" } } }"#;

fn records() -> Vec<Record> {
    let definition = Arc::new(asl::StateMachine::parse(DEFINITION).unwrap_or_else(|found| panic!("{found}")));
    let reply = |_: &TaskRequest| Reply::Now(TaskOutcome::Failed { error: "E".into(), cause: "C".into() });
    let mut run = run_with(&SimulationOptions::default(), &definition, json!({ "a": 1 }), &mut { reply });
    assert_eq!(run.error.as_deref(), Some("E"));
    // Facts the run above has not got.
    let failure = Failure { error: None, cause: Some("ü".into()), nature: Nature::HeartbeatMissed };
    let resource: Text = "r".into();
    let timer = |id| Some(Timer { id: TimerId(id), due_millis: -1 });
    let more = [
        Fact::TaskTimedOut { resource: resource.clone(), failure: failure.clone() },
        Fact::TaskTokenIssued { token: "0123".into() },
        Fact::ActivityStarted { worker: Some("w".into()), timeout: timer(1), heartbeat: timer(u64::MAX) },
        Fact::ActivityStarted { worker: None, timeout: None, heartbeat: None },
        Fact::TaskSubmitted { resource: resource.clone(), output: Payload::from_value(json!({ "id": 1 })) },
        Fact::TaskSubmitFailed { resource: resource.clone(), failure: failure.clone() },
        Fact::TaskScheduleFailed { resource, failure },
    ];
    let first = run.records[0].clone();
    run.records.extend(more.into_iter().map(|fact| Record { fact, ..first.clone() }));
    run.records
}

#[test]
fn segments_read_back() {
    let records = records();
    let bytes = encode(7, 3, &records);
    assert_eq!(decode(7, 3, &bytes).unwrap(), records);
    let each: usize = records.iter().map(|record| format!("{record:?}").len()).sum();
    assert!(bytes.len() * 4 < each, "{} bytes for {each} bytes of debug text", bytes.len());
}

#[test]
fn any_changed_byte_is_found() {
    let bytes = encode(7, 3, &records());
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 0x10;
        assert!(decode(7, 3, &changed).is_err(), "byte {position}");
    }
    for length in 0..bytes.len() {
        assert!(decode(7, 3, &bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(decode(8, 3, &bytes).is_err(), "the segment of another execution");
    assert!(decode(7, 4, &bytes).is_err(), "a segment at another place");
}

fn options(directory: &Path) -> EngineOptions {
    EngineOptions {
        clock: Arc::new(ManualClock::at(1_000)),
        ..EngineOptions::new(directory, Arc::new(Failing))
    }
}

/// A journal with one execution that waits.
fn journal(directory: &Path) -> String {
    let engine = Engine::open(options(directory)).unwrap();
    engine.put_state_machine("m", DEFINITION, None).unwrap();
    let request =
        StartExecution { state_machine: "m".into(), name: Some("e".into()), ..StartExecution::default() };
    let arn = engine.start_execution(request).unwrap().execution_arn;
    engine.settle().unwrap();
    engine.shutdown();
    arn
}

fn refused(directory: &Path) -> JournalError {
    match Engine::open(options(directory)) {
        Err(EngineError::Journal(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// An engine goes on without this execution or state machine, and says so.
fn left_out(directory: &Path, arn: &str) -> String {
    let engine = Engine::open(options(directory)).unwrap();
    let left_out = engine.left_out();
    assert_eq!(left_out.iter().map(|left| left.arn.as_str()).collect::<Vec<_>>(), [arn]);
    assert_eq!(engine.open_executions().iter().filter(|(open, _)| open == arn).count(), 0);
    engine.shutdown();
    left_out[0].problem.clone()
}

#[test]
fn one_engine_per_directory() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(directory.path())).unwrap();
    let error = refused(directory.path());
    assert!(
        matches!(error, JournalError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains("in use by another stepwright process (pid"));
    engine.shutdown();
    Engine::open(options(directory.path())).unwrap().shutdown();
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    journal(&data);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in std::fs::read_dir(&data).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

/// Two executions take their time before they are in line for the writer.
#[test]
fn the_latest_time_does_not_run_backwards() {
    let directory = tempfile::tempdir().unwrap();
    journal(directory.path());
    let engine = Engine::open(options(directory.path())).unwrap();
    for (id, last_millis) in [(100, 9_000), (101, 8_000)] {
        let new = super::NewExecution {
            machine_id: 1,
            revision: 1,
            version: None,
            alias: None,
            name: format!("e{id}").into(),
            sha256: [0; 32],
            start_millis: last_millis,
            map_run: None,
            place: None,
        };
        let append = super::Append {
            execution_id: id,
            new: Some(new),
            change: None,
            first_record: 0,
            segment: encode(id, 0, &records()),
            last_millis,
            closed: None,
            release: Box::new(|| {}),
        };
        engine.scheduler.backlog.grow(append.bytes());
        engine.scheduler.send(super::Message::Append(Box::new(append))).unwrap();
        engine.scheduler.sync().unwrap();
    }
    engine.shutdown();
    assert_eq!(Reader::open(directory.path()).unwrap().last_millis().unwrap(), 9_000);
}

/// What was left out does not look stopped, nor does anybody wait for it.
#[test]
fn an_execution_that_was_left_out_is_not_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let arn = journal(directory.path());
    // Of one that runs, a description reads the first segment only.
    let damage = "UPDATE segments SET records = CAST(x'09' || substr(records, 2) AS BLOB) \
                  WHERE first_record = (SELECT max(first_record) FROM segments)";
    assert_eq!(unchecked(directory.path()).execute(damage, []).unwrap(), 1);
    let engine = Engine::open(options(directory.path())).unwrap();
    for refused in [engine.stop_execution(&arn, None, None).map(drop), engine.wait(&arn).map(drop)] {
        let error = refused.unwrap_err();
        let problem = "it has a version that this engine does not know";
        assert!(
            matches!(&error, EngineError::ExecutionLeftOut { problem: found, .. } if found.contains(problem)),
            "{error}"
        );
    }
    engine.shutdown();
}

/// An answer that is lost while the engine lives is an error, not a wait without end.
#[test]
fn a_lost_answer_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(directory.path())).unwrap();
    assert!(matches!(engine.scheduler.gone(), EngineError::System { .. }));
    let other = engine.clone();
    engine.shutdown();
    assert!(matches!(other.scheduler.gone(), EngineError::Stopped { .. }));
}

/// Whatever is written between the statements of one answer is not in it.
#[test]
fn what_is_read_is_of_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let arn = journal(directory.path());
    let reader = Reader::open(directory.path()).unwrap();
    let describe = || reader.describe_execution(&arn).unwrap();
    let before = describe();
    reader
        .at_one_moment(|| {
            assert_eq!(describe(), before);
            let database = unchecked(directory.path());
            assert!(database.execute("DELETE FROM segments", []).unwrap() > 0);
            assert_eq!(database.execute("DELETE FROM executions", []).unwrap(), 1);
            assert_eq!(describe(), before);
            Ok::<_, JournalError>(())
        })
        .unwrap();
    assert_eq!(describe(), None);
}

/// Nobody's records: the transaction that would write them does not count.
#[test]
fn what_has_no_row_is_not_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    journal(directory.path());
    let database = unchecked(directory.path());
    assert!(super::reopen_execution(&database, 1, 1, 5_000).is_ok());
    assert!(super::reopen_execution(&database, 2, 1, 5_000).is_err());
    assert!(super::reopen_child(&database, 2).is_err());
}

/// What this release would refuse was accepted by an older one: it goes on, and can be started.
#[test]
fn what_was_accepted_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let arn = journal(directory.path());
    let refused = DEFINITION.replacen('{', r#"{"Unheard": 1, "#, 1);
    assert!(asl::StateMachine::parse(&refused).is_err());
    let sha256 = crate::digest::sha256(refused.as_bytes());
    let database = unchecked(directory.path());
    database
        .execute("UPDATE definitions SET text = ?1, sha256 = ?2", rusqlite::params![refused, sha256])
        .unwrap();
    database.execute("UPDATE revisions SET sha256 = ?1", [sha256]).unwrap();
    database.execute("UPDATE executions SET sha256 = ?1", [sha256]).unwrap();
    drop(database);
    let engine = Engine::open(options(directory.path())).unwrap();
    assert_eq!(engine.left_out(), []);
    assert_eq!(engine.open_executions().first().map(|(open, _)| open.as_str()), Some(arn.as_str()));
    let request = StartExecution { state_machine: "m".into(), ..StartExecution::default() };
    engine.start_execution(request).unwrap();
    let put = engine.put_state_machine("n", &refused, None);
    assert!(matches!(put, Err(EngineError::InvalidDefinition { .. })), "{put:?}");
    engine.settle().unwrap();
    engine.shutdown();
    assert!(super::examine(directory.path()).unwrap().is_sound());
}

/// The Map Runs of an execution that was left out are no orphans: it may go on after a repair.
#[test]
fn map_runs_of_what_was_left_out_stay() {
    let directory = tempfile::tempdir().unwrap();
    let map = r#"{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","End":true,"ItemProcessor":{
        "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"W","States":{"W":{"Type":"Wait","Seconds":99999,"End":true}}}}}}"#;
    let engine = Engine::open(options(directory.path())).unwrap();
    engine.put_state_machine("map", map, None).unwrap();
    let request = StartExecution {
        state_machine: "map".into(),
        input: r#"{"items":[1,2]}"#.into(),
        ..StartExecution::default()
    };
    let arn = engine.start_execution(request).unwrap().execution_arn;
    engine.settle().unwrap();
    engine.shutdown();
    let database = unchecked(directory.path());
    let damage = "UPDATE segments SET records = CAST(x'09' || substr(records, 2) AS BLOB) \
                  WHERE execution_id = 1 AND first_record = 0";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    let open = |what: &str| {
        let query = format!("SELECT count(*) FROM {what} WHERE status = 0");
        database.query_row(&query, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    left_out(directory.path(), &arn);
    assert_eq!((open("map_runs"), open("executions")), (1, 3), "nothing was aborted");
}

/// One damaged start of an Express execution keeps nothing else from going on.
#[test]
fn a_damaged_express_start_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let arn = journal(directory.path());
    unchecked(directory.path())
        .execute(
            "INSERT INTO express (arn, machine_id, revision, name, input) VALUES ('arn:x', 1, 1, 'x', 'no JSON')",
            [],
        )
        .unwrap();
    let engine = Engine::open(options(directory.path())).unwrap();
    assert_eq!(engine.left_out().iter().map(|left| left.arn.as_str()).collect::<Vec<_>>(), ["arn:x"]);
    assert_eq!(engine.open_executions().len(), 1);
    assert!(engine.stop_execution(&arn, None, None).is_ok());
    engine.shutdown();
}

#[test]
fn a_damaged_segment_is_named() {
    let change = |sql: &str| {
        let directory = tempfile::tempdir().unwrap();
        let arn = journal(directory.path());
        Connection::open(directory.path().join(super::FILE)).unwrap().execute(sql, []).unwrap();
        left_out(directory.path(), &arn);
        let reader = Reader::open(directory.path()).unwrap();
        let error = reader.execution_history(&arn).unwrap_err();
        let JournalError::DamagedSegment { execution, segment, problem } = error else { panic!("{error}") };
        assert_eq!(execution, arn);
        (segment, problem)
    };
    let flipped = "UPDATE segments SET records = CAST(substr(records, 1, 40) || x'FF' || substr(records, 42) AS BLOB) \
                   WHERE first_record = 0";
    assert_eq!(change(flipped), (0, "its checksum is wrong".to_owned()));
    assert_eq!(change("UPDATE segments SET records = x'63' WHERE first_record = 0").0, 0);
    assert_eq!(change("DELETE FROM segments WHERE first_record = 0"), (0, "it is missing".to_owned()));
    assert_eq!(change("DELETE FROM segments"), (0, "it is missing".to_owned()));
    let version =
        "UPDATE segments SET records = CAST(x'09' || substr(records, 2) AS BLOB) WHERE first_record = 0";
    assert_eq!(change(version).1, "it has a version that this engine does not know");
}

/// The database, open for any damage.
fn unchecked(directory: &Path) -> Connection {
    let database = Connection::open(directory.join(super::FILE)).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database
}

/// A definition that is not the one of its key is never run, whoever asks for it.
#[test]
fn a_damaged_definition_is_named() {
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
    let other = r#"{"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": {"Type": "Succeed"}}}"#;
    let other = format!("UPDATE definitions SET text = '{other}'");
    let not_text = "UPDATE definitions SET text = CAST(x'7BFF7D' AS TEXT)";
    let changed = "its SHA-256 is another one";
    for (sql, problem) in
        [(other.as_str(), changed), (not_text, changed), ("DELETE FROM definitions", "it is missing")]
    {
        let directory = tempfile::tempdir().unwrap();
        let arn = journal(directory.path());
        let database = unchecked(directory.path());
        database.execute(sql, []).unwrap();
        let owner_of = |error: JournalError| match error {
            JournalError::DamagedDefinition { owner, problem: found, .. } if found == problem => owner,
            other => panic!("{other}"),
        };
        let engine = Engine::open(options(directory.path())).unwrap();
        let found: Vec<String> = engine.left_out().into_iter().map(|left| left.arn).collect();
        assert_eq!(found, [machine, arn.as_str()], "the state machine, and the execution that runs it");
        let request = StartExecution { state_machine: "m".into(), ..StartExecution::default() };
        let error = engine.start_execution(request).unwrap_err();
        assert!(error.to_string().contains("restore a backup"), "{error}");
        engine.shutdown();
        let reader = Reader::open(directory.path()).unwrap();
        assert_eq!(owner_of(reader.definition_of(&arn).unwrap_err()), arn);
        assert_eq!(owner_of(reader.state_machine("m").unwrap_err()), machine);
        assert_eq!(owner_of(reader.state_machines().unwrap_err()), machine);
        assert!(reader.execution_history(&arn).is_ok(), "histories need no definition");
        // Only the execution still runs it.
        database.execute("UPDATE state_machines SET deleted_millis = 1", []).unwrap();
        assert!(left_out(directory.path(), &arn).contains(problem));
    }
}

/// Values no engine writes are errors, too, and not panics.
#[test]
fn strange_rows_are_refused() {
    for sql in [
        "UPDATE executions SET sha256 = x'00'",
        "UPDATE revisions SET sha256 = x'00'",
        "UPDATE revisions SET revision = -1",
        "UPDATE settings SET value = 'soon' WHERE name = 'last_millis'",
    ] {
        let directory = tempfile::tempdir().unwrap();
        journal(directory.path());
        let database = unchecked(directory.path());
        assert!(database.execute(sql, []).unwrap() > 0, "{sql}");
        refused(directory.path());
    }
}

#[test]
fn a_missing_middle_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let arn = journal(directory.path());
    let database = Connection::open(directory.path().join(super::FILE)).unwrap();
    let segments: i64 = database.query_row("SELECT count(*) FROM segments", [], |row| row.get(0)).unwrap();
    assert!(segments > 2, "{segments}");
    let middle = "DELETE FROM segments WHERE first_record = (SELECT first_record FROM segments ORDER BY 1 LIMIT 1 OFFSET 1)";
    database.execute(middle, []).unwrap();
    drop(database);
    assert!(left_out(directory.path(), &arn).contains("it is missing"));
}

#[test]
fn what_is_not_a_journal_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(super::FILE);
    std::fs::write(&file, "This is a letter to my bank. ".repeat(100)).unwrap();
    assert!(matches!(refused(directory.path()), JournalError::NotAJournal { .. }));
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("This is a letter"));

    std::fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE money (amount)").unwrap();
    assert!(matches!(refused(directory.path()), JournalError::NotAJournal { .. }));
}

#[test]
fn a_newer_journal_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    journal(directory.path());
    let database = Connection::open(directory.path().join(super::FILE)).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let error = refused(directory.path());
    assert!(
        matches!(error, JournalError::Newer { found: 99, known: super::schema::SCHEMA_VERSION, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("use the newer stepwright"));
    assert!(matches!(Reader::open(directory.path()), Err(JournalError::Newer { .. })));
}

#[test]
fn a_damaged_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    journal(directory.path());
    let file = directory.path().join(super::FILE);
    // Everything into the one file, then half of it goes away.
    Connection::open(&file).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let error = refused(directory.path());
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("restore a backup"));
}

#[test]
fn a_torn_write_ahead_log_loses_nothing_but_its_tail() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let engine = Engine::open(options(&data)).unwrap();
    engine.put_state_machine("m", DEFINITION, None).unwrap();
    let mut arns = Vec::new();
    for number in 0..5 {
        let name = Some(format!("e{number}"));
        let request = StartExecution { state_machine: "m".into(), name, ..StartExecution::default() };
        arns.push(engine.start_execution(request).unwrap().execution_arn);
        engine.settle().unwrap();
    }
    // The files as a crash leaves them: copied while the engine holds them open.
    let copy = directory.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for name in [super::FILE.to_owned(), format!("{}-wal", super::FILE)] {
        std::fs::copy(data.join(&name), copy.join(&name)).unwrap();
    }
    engine.shutdown();
    let log = copy.join(format!("{}-wal", super::FILE));
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 2_000]).unwrap();
    let engine = Engine::open(options(&copy)).unwrap();
    for arn in &arns[..4] {
        assert!(engine.describe_execution(arn).is_ok(), "{arn}");
    }
    engine.shutdown();
}

#[test]
fn a_directory_without_a_journal() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(directory.path()), Err(JournalError::Missing { .. })));
    std::fs::write(directory.path().join(super::FILE), "").unwrap();
    assert!(matches!(Reader::open(directory.path()), Err(JournalError::Missing { .. })));
}

/// The lock's mark says that a missing log is a lost one: it may only be there once a log is, which
/// a commit of nothing does not make. An engine that opens looks for what it may remove, say.
#[test]
fn a_commit_of_nothing_marks_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let mark = || {
        let text = std::fs::read_to_string(directory.path().join(super::FILES.lock)).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    let made = format!("{} db", std::process::id());
    Engine::open(options(directory.path())).unwrap().shutdown();
    let engine = Engine::open(options(directory.path())).unwrap();
    engine.settle().unwrap();
    engine.scheduler.change(Box::new(|_| Ok(()))).unwrap();
    assert_eq!(mark(), made);
    engine.put_state_machine("m", DEFINITION, None).unwrap();
    // The answer comes after the mark.
    assert!(mark().ends_with(" wal"), "{}", mark());
    engine.shutdown();
    assert_eq!(mark(), made);
}

/// Invariant I3: an effect follows a commit, so a commit has to be a sync.
#[test]
fn a_commit_is_a_sync() {
    let directory = tempfile::tempdir().unwrap();
    let connection = super::open(&directory.path().join(super::FILE), 0).unwrap();
    let setting =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
    assert_eq!(setting("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(setting("synchronous").unwrap(), 2_i64.into(), "FULL: the log is synced at every commit");
}

/// What a kill leaves that comes while the database still has a rollback journal.
#[test]
fn a_journal_whose_making_was_cut_off_is_read() {
    let (made, cut_off) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, copy) = (made.path().join(super::FILE), cut_off.path().join(super::FILE));
    drop(super::open(&file, 0).unwrap());
    let connection = Connection::open(&file).unwrap();
    let half = "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN; CREATE TABLE torn (x); \
        WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
        INSERT INTO torn SELECT randomblob(1000) FROM n;";
    connection.execute_batch(half).unwrap();
    for end in ["", "-journal"] {
        let named = |path: &Path| format!("{}{end}", path.display());
        std::fs::copy(named(&file), named(&copy)).unwrap();
    }
    assert!(super::schema::open_read_only(&copy).is_err(), "nothing has to be taken back");

    let reader = Reader::open(cut_off.path()).unwrap();
    assert_eq!(reader.list_executions(&crate::ExecutionFilter::default()).unwrap(), []);
    let torn = "SELECT count(*) FROM sqlite_master WHERE name = 'torn'";
    let connection = Connection::open(&copy).unwrap();
    assert_eq!(connection.query_row(torn, [], |row| row.get::<_, i64>(0)), Ok(0));
}

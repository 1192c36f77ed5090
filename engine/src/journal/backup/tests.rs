//! Backups: of one moment, while an engine writes; refused where something is in the way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::back_up;
use crate::journal::{FILE, JournalError};
use crate::{Completion, Engine, EngineOptions, ExecutionFilter, StartExecution, TaskHost, TaskRequest};

struct Nobody;

impl TaskHost for Nobody {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        drop(done);
    }
}

fn open(directory: &Path) -> Engine {
    let engine = Engine::open(EngineOptions::new(directory, Arc::new(Nobody))).unwrap();
    let pass = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    engine.put_state_machine("m", pass, None).unwrap();
    engine
}

fn start(engine: &Engine) {
    let request = StartExecution { state_machine: "m".into(), ..StartExecution::default() };
    engine.start_execution(request).unwrap();
}

#[test]
fn a_backup_of_a_busy_engine_is_whole() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = open(directory.path());
    start(&engine);
    let (done, started) = (AtomicBool::new(false), AtomicUsize::new(1));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    start(&engine);
                    started.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for number in 0..4 {
            let (before, folder) = (started.load(Ordering::SeqCst), copies.path().join(number.to_string()));
            std::fs::create_dir(&folder).unwrap();
            let backed_up = engine.back_up(&folder.join(FILE)).unwrap();
            assert!(backed_up.examination.is_sound(), "{:?}", backed_up.examination);
            assert!(backed_up.examination.executions >= before as u64, "what was answered is in it");
            assert!(backed_up.bytes > 4_096);
            // It is a journal like any other.
            let restored = open(&folder);
            let count =
                restored.list_executions(&ExecutionFilter { limit: Some(u32::MAX), ..Default::default() });
            assert_eq!(count.unwrap().len() as u64, backed_up.examination.executions);
            restored.shutdown();
        }
        done.store(true, Ordering::SeqCst);
    });
    engine.shutdown();
}

#[test]
fn a_backup_overwrites_nothing() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).shutdown();
    let target = directory.path().join("copy.db");
    std::fs::write(&target, "mine").unwrap();
    let refused = back_up(directory.path(), &target).unwrap_err();
    assert!(matches!(refused, JournalError::File { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
    let nowhere = tempfile::tempdir().unwrap();
    let missing = back_up(nowhere.path(), &directory.path().join("other.db")).unwrap_err();
    assert!(matches!(missing, JournalError::Missing { .. }), "{missing}");
    assert_eq!(std::fs::read_dir(nowhere.path()).unwrap().count(), 0);
}

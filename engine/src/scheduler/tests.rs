//! Overload: a writer that stands still.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use crate::journal::Message;
use crate::{
    Completion, Engine, EngineError, EngineOptions, StartExecution, Started, Status, TaskHost, TaskRequest,
};

struct Nobody;

impl TaskHost for Nobody {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        drop(done);
    }
}

const BACKLOG_BYTES: usize = 100_000;
const INPUT_BYTES: usize = 10_000;

fn start(engine: &Engine) -> Result<Started, EngineError> {
    let input = format!(r#""{}""#, "x".repeat(INPUT_BYTES));
    engine.start_execution(StartExecution { state_machine: "m".into(), input, ..StartExecution::default() })
}

/// Promise 4: while the writer is behind, starts are refused as AWS refuses them, memory stays
/// bounded, and what was accepted before ends.
#[test]
fn a_writer_that_stands_still_refuses_starts_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let options = EngineOptions::new(directory.path(), Arc::new(Nobody));
    let engine = Engine::open(EngineOptions { backlog_bytes_max: BACKLOG_BYTES, ..options }).unwrap();
    let pass = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    engine.put_state_machine("m", pass, None).unwrap();
    let ((open_gate, gate), (arrived, stands)) = (channel::<()>(), channel());
    let stall = move |_: &rusqlite::Connection| {
        arrived.send(()).unwrap();
        let _ = gate.recv();
        Ok(())
    };
    engine.scheduler.send(Message::Change(Box::new(stall), Box::new(|| {}))).unwrap();
    stands.recv().unwrap();

    let mut accepted = Vec::new();
    loop {
        let before = engine.scheduler.backlog.bytes();
        let caller = thread::spawn({
            let engine = engine.clone();
            move || start(&engine)
        });
        while engine.scheduler.backlog.bytes() == before && !caller.is_finished() {
            thread::yield_now();
        }
        if caller.is_finished() {
            let refused = caller.join().unwrap().unwrap_err();
            assert!(matches!(refused, EngineError::Throttled), "{refused}");
            break;
        }
        accepted.push(caller);
    }
    let most = BACKLOG_BYTES / INPUT_BYTES + 1;
    assert!((2..=most).contains(&accepted.len()), "{} were accepted", accepted.len());
    assert!(engine.scheduler.backlog.bytes() < BACKLOG_BYTES + 2 * INPUT_BYTES);
    assert!(matches!(start(&engine), Err(EngineError::Throttled)), "as long as it stands still");

    drop(open_gate);
    for caller in accepted {
        let started = caller.join().unwrap().unwrap();
        assert_eq!(engine.wait(&started.execution_arn).unwrap().status, Status::Succeeded);
    }
    engine.settle().unwrap();
    assert_eq!(engine.scheduler.backlog.bytes(), 0);
    start(&engine).unwrap();
    engine.shutdown();
}

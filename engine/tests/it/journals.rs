//! Journals of earlier schemas, each written by the engine of its time: an
//! execution that succeeded by a version, one that failed, one that was
//! stopped, one that waits, and one whose task nobody will ever tell the
//! outcome of. From schema 3 on also a callback whose token is out, and Map
//! Runs; in schema 4 one that was redriven. Each opens, what is open in it
//! comes to its end, and the doctor is content before and after.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    Completion, Engine, EngineOptions, ExecutionFilter, ManualClock, MapRunDescription, RedriveExecution,
    StartExecution, Status, TaskHost, TaskOutcome, TaskRequest, examine, lambda_invoke_result,
};
use serde_json::{Value, json};

/// When the journals were written last, in milliseconds since the epoch.
const WRITTEN: i64 = 1_763_000_060_000;

/// Answers everything at once.
struct Answering;

impl TaskHost for Answering {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        done.finish(TaskOutcome::Succeeded(lambda_invoke_result("\"again\"")));
    }
}

/// An engine on a copy of a journal.
struct Old {
    directory: tempfile::TempDir,
    clock: ManualClock,
    engine: Engine,
}

impl Old {
    fn open(schema: i64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(journal(schema), directory.path().join("journal.db")).unwrap();
        let clock = ManualClock::at(WRITTEN);
        let options = EngineOptions::new(directory.path(), Arc::new(Answering));
        let engine = Engine::open(EngineOptions { clock: Arc::new(clock.clone()), ..options }).unwrap();
        assert_eq!(engine.left_out(), []);
        Self { directory, clock, engine }
    }

    /// Lets the time pass until nothing waits for it any more.
    fn run_to_the_end(&self) {
        loop {
            self.engine.settle().unwrap();
            let Some(next) = self.engine.next_timer_millis() else { return };
            self.clock.set_millis(next);
        }
    }

    /// How an execution stands, and its output or its error.
    fn outcome(&self, machine: &str, name: &str) -> (Status, Value) {
        let described = self.engine.describe_execution(&arn(machine, name)).unwrap();
        let output = described.output.map(|output| serde_json::from_str(&output).unwrap());
        (described.status, output.unwrap_or_else(|| json!(described.error)))
    }

    fn map_run(&self, name: &str) -> MapRunDescription {
        self.engine.list_map_runs(&arn("each", name)).unwrap().pop().unwrap()
    }

    /// What every one of these journals has in it.
    fn what_all_have(&self) {
        assert_eq!(self.outcome("daily", "done"), (Status::Succeeded, json!({ "seen": "ok" })));
        assert_eq!(self.engine.describe_execution(&arn("daily", "done")).unwrap().version, Some(1));
        assert_eq!(self.outcome("daily", "failed"), (Status::Failed, json!("E")));
        assert_eq!(self.outcome("daily", "stopped"), (Status::Aborted, json!("Stopped.E")));
        for (error, name) in [("E", "failed"), ("Stopped.E", "stopped")] {
            let filter = ExecutionFilter { error: Some(error.to_owned()), ..ExecutionFilter::default() };
            let listed = self.engine.list_executions(&filter).unwrap();
            assert_eq!(listed.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), [name]);
        }
        assert!(self.engine.activity("labour").is_some());
        assert_eq!(self.engine.versions("daily", None, 9).len(), 1);
        self.run_to_the_end();
        assert_eq!(self.outcome("daily", "waiting"), (Status::Succeeded, json!({ "seen": "ok" })));
        assert_eq!(self.outcome("daily", "lost"), (Status::Succeeded, json!({ "seen": "again" })));
        let state_machine = "daily".to_owned();
        let request = StartExecution { state_machine, ..StartExecution::default() };
        assert!(self.engine.start_execution(request).is_ok(), "what it has goes on being used");
        self.run_to_the_end();
    }

    /// The callback, whose token is in its history, and the Map Run that was under way.
    fn callback_and_map_run(&self) {
        let history = self.engine.execution_history(&arn("ask", "asking"), false, 0, None).unwrap();
        let history = serde_json::to_string(&history).unwrap().replace('\\', "");
        let token = history.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        self.engine.send_task_success(token, "7").unwrap();
        self.run_to_the_end();
        assert_eq!(self.outcome("ask", "asking").0, Status::Succeeded);
        assert_eq!(
            self.outcome("each", "mapping"),
            (Status::Succeeded, json!(["ok", "again", "ok", "ok"])),
            "no child is lost, and none ran twice"
        );
        assert_eq!(self.map_run("mapping").item_counts.succeeded, 4);
    }

    /// Nothing is open any more, and nothing is wrong.
    fn end(self) {
        assert_eq!(self.engine.open_executions(), []);
        self.engine.shutdown();
        let examination = examine(self.directory.path()).unwrap();
        assert_eq!((examination.findings, examination.schema), (Vec::new(), 6));
    }
}

fn journal(schema: i64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/journals/schema-{schema}.db"))
}

fn arn(machine: &str, name: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:execution:{machine}:{name}")
}

#[test]
fn journals_of_earlier_schemas_are_examined_as_they_are() {
    for (schema, executions) in [(1, 3), (2, 5), (3, 15), (4, 15)] {
        let before = std::fs::read(journal(schema)).unwrap();
        let examination = examine(&journal(schema)).unwrap();
        assert_eq!(
            (examination.findings, examination.schema, examination.executions),
            (Vec::new(), schema, executions)
        );
        assert!(std::fs::read(journal(schema)).unwrap() == before, "the doctor changes nothing");
    }
}

#[test]
fn a_journal_of_schema_2_goes_on() {
    let old = Old::open(2);
    old.what_all_have();
    old.end();
}

#[test]
fn a_journal_of_schema_3_goes_on() {
    let old = Old::open(3);
    old.what_all_have();
    old.callback_and_map_run();
    // What failed before there were redrives can be redriven.
    let error = json!("States.ExceedToleratedFailureThreshold");
    assert_eq!(old.outcome("each", "unmapped"), (Status::Failed, error));
    let request = RedriveExecution { execution_arn: arn("each", "unmapped"), ..RedriveExecution::default() };
    old.engine.redrive_execution(&request).unwrap();
    old.run_to_the_end();
    assert_eq!(old.outcome("each", "unmapped"), (Status::Succeeded, json!(["ok", "again", "again"])));
    old.end();
}

#[test]
fn a_journal_of_schema_4_goes_on() {
    let old = Old::open(4);
    old.what_all_have();
    old.callback_and_map_run();
    assert_eq!(old.outcome("each", "redriven"), (Status::Succeeded, json!(["ok", "again", "ok"])));
    let described = old.engine.describe_execution(&arn("each", "redriven")).unwrap();
    assert_eq!((described.redrive_count, old.map_run("redriven").redrive_count), (1, 1));
    old.end();
}

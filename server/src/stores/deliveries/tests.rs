use engine::{Completion, EngineOptions, ManualClock, TaskHost, TaskRequest};
use tempfile::TempDir;

use super::*;

const NOW: i64 = 1_769_853_600_000;

struct NoTasks;

impl TaskHost for NoTasks {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

/// Deliveries with nobody at work.
struct Lab {
    _folder: TempDir,
    clock: ManualClock,
    deliveries: Deliveries,
}

impl Lab {
    fn new() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(NOW));
        let mut options = EngineOptions::new(folder.path(), Arc::new(NoTasks));
        options.clock = Arc::new(clock.clone());
        let engine = Engine::open(options).unwrap();
        let definition = r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } }"#;
        engine.put_state_machine("work", definition, None).unwrap();
        let shared = Arc::new(Shared::for_tests(folder.path(), clock.clone()));
        Self { _folder: folder, clock, deliveries: Deliveries::new(shared, engine) }
    }

    fn write(&self, sql: &'static str) {
        let write = move |connection: &rusqlite::Connection| Ok(connection.execute_batch(sql)?);
        self.deliveries.shared.database.write(write).unwrap();
    }

    fn insert(&self, event: &'static str) {
        let target = Target {
            arn: "arn:aws:states:us-east-1:123456789012:stateMachine:work".to_owned(),
            dead_letter_arn: None,
            retries_max: 1,
            age_seconds_max: 60,
            group_id: None,
        };
        let new = NewDelivery {
            event_id: event.to_owned(),
            source_arn: "rule".to_owned(),
            target_id: "1".to_owned(),
            target,
            input: "{}".to_owned(),
            created_millis: NOW,
        };
        let insert = move |connection: &rusqlite::Connection| insert(connection, &new, NOW);
        self.deliveries.shared.database.write(insert).unwrap();
    }

    /// Takes up what is due: how many that were, and for how long nothing will be.
    fn work(&self) -> (usize, Option<u128>) {
        let (due, _) = self.deliveries.due().unwrap();
        for id in &due {
            self.deliveries.take_up(*id);
        }
        let (next, pause) = self.deliveries.due().unwrap();
        assert!(next.is_empty(), "nothing is due at once that was just taken up");
        (due.len(), pause.map(|pause| pause.as_millis()))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.deliveries.engine.clone().shutdown();
    }
}

#[test]
fn what_cannot_be_read_is_set_aside_and_keeps_nothing_else() {
    let lab = Lab::new();
    lab.insert("unreadable");
    lab.write("UPDATE deliveries SET target = '{'");
    lab.insert("readable");
    assert_eq!(lab.work(), (2, None));
    assert_eq!(lab.deliveries.engine.list_executions(&engine::ExecutionFilter::default()).unwrap().len(), 1);
    lab.clock.advance_millis(86_400_000);
    assert_eq!(lab.work(), (0, None));
}

#[test]
fn what_cannot_be_written_rests_for_a_growing_time() {
    let lab = Lab::new();
    lab.insert("event");
    lab.write("CREATE TRIGGER full BEFORE DELETE ON deliveries BEGIN SELECT RAISE(ABORT, 'full'); END");
    for pause in [500, 1_000, 2_000] {
        assert_eq!(lab.work(), (1, Some(pause)));
        assert_eq!(lab.work(), (0, Some(pause)));
        lab.clock.advance_millis(i64::try_from(pause).unwrap());
    }
    lab.write("DROP TRIGGER full");
    assert_eq!(lab.work(), (1, None));
    assert!(lab.deliveries.hands().resting.is_empty());
}

#[test]
fn an_engine_that_is_gone_is_not_asked_without_end() {
    let lab = Lab::new();
    lab.insert("event");
    lab.deliveries.engine.clone().shutdown();
    assert_eq!(lab.work(), (1, Some(500)));
}

#[test]
fn more_than_is_looked_up_at_a_time_waits_without_being_looked_up_again() {
    let lab = Lab::new();
    lab.insert("event");
    // More than one look finds, as a machine that is throttled leaves them.
    lab.write(
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 299) \
         INSERT INTO deliveries (event_id, source_arn, target_id, target, input, created_millis, due_millis) \
         SELECT 'e' || i, source_arn, target_id, target, input, created_millis, due_millis FROM n, deliveries",
    );
    lab.write("UPDATE deliveries SET due_millis = due_millis + 7000");
    let due = |lab: &Lab| {
        let (due, pause) = lab.deliveries.due().unwrap();
        (due.len(), pause.map(|pause| pause.as_millis()))
    };
    assert_eq!(due(&lab), (0, Some(7_000)));
    lab.clock.advance_millis(7_000);
    assert_eq!(due(&lab), (LOOKED_UP, Some(0)), "the others are due, too");
    assert_eq!(due(&lab), (300 - LOOKED_UP, None));
    assert_eq!(due(&lab), (0, None));
}

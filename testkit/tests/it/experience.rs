//! Tests of a workflow, as its author writes them.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::prelude::*;
use stepwright_testkit::{self as testkit, Answer, NoOutput, Status};

stepwright::bucket!(pub Drops = "drops");
stepwright::bucket!(pub Staging = "staging");
stepwright::secret!(pub CoreView = "core-view");

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct FileDrop {
    pub file: ObjectRef,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Parsed {
    pub rows: u64,
    pub content: ObjectRef,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Receipt {
    pub id: String,
    pub rows: u64,
}

#[derive(Debug, StepError)]
pub enum ParseError {
    Malformed { line: u64 },
}

#[derive(Debug, StepError)]
pub enum DeliverError {
    Unavailable,
    Rejected,
}

/// Counts the lines of a file and stores it in upper case.
#[step]
pub async fn parse(drop: FileDrop, from: Read<Drops>, to: Write<Staging>) -> Result<Parsed, ParseError> {
    let mut text = String::new();
    let mut file = from.get(&drop.file).map_err(|_| ParseError::Malformed { line: 0 })?;
    file.read_to_string(&mut text).map_err(|_| ParseError::Malformed { line: 1 })?;
    let mut writer = to.create("parsed.txt").map_err(|_| ParseError::Malformed { line: 2 })?;
    writer.write_all(text.to_uppercase().as_bytes()).map_err(|_| ParseError::Malformed { line: 3 })?;
    let content = writer.finish(None).map_err(|_| ParseError::Malformed { line: 4 })?;
    Ok(Parsed { rows: text.lines().count() as u64, content })
}

#[step(timeout = 30)]
pub async fn deliver(parsed: Parsed, secret: Use<CoreView>) -> Result<Receipt, DeliverError> {
    if secret.value() == "down" {
        return Err(DeliverError::Unavailable);
    }
    Ok(Receipt { id: format!("{}-1", secret.value()), rows: parsed.rows })
}

fn delivery(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Receipt> {
    let parsed = parse(drop).lets_fail(ParseError::MALFORMED).run(w);
    deliver(parsed)
        .retry(DeliverError::UNAVAILABLE, backoff(600, 2.0).attempts(2))
        .catch(DeliverError::REJECTED, |w, why| w.fail("Rejected", "Delivery.Rejected", why.cause))
        .run(w)
}

fn object() -> ObjectRef {
    let reference = serde_json::json!({ "bucket": "drops", "key": "a.txt", "sha256": "00", "bytes": 3 });
    serde_json::from_value(reference).expect("a reference")
}

fn drop_of_a_file() -> FileDrop {
    FileDrop { file: object() }
}

fn parsed(rows: u64) -> Parsed {
    Parsed { rows, content: object() }
}

fn receipt() -> Receipt {
    Receipt { id: "r-1".to_owned(), rows: 2 }
}

#[test]
fn typed_mocks_and_virtual_time() {
    let run = testkit::run_flow(delivery, drop_of_a_file())
        .mock::<Parse>(Ok(parsed(2)))
        .mock_seq::<Deliver>([Err(DeliverError::Unavailable), Err(DeliverError::Unavailable), Ok(receipt())])
        .start();
    assert_eq!(run.output::<Receipt>(), Ok(receipt()));
    assert_eq!(run.attempts::<Deliver>(), 3);
    assert_eq!(run.elapsed(), Duration::from_mins(30));
    assert_eq!(run.states(), ["Parse", "Deliver"]);
    assert_eq!(run.inputs::<Parse>(), [drop_of_a_file()]);
    assert!(!run.is_redrivable());
}

#[test]
fn a_described_workflow_or_its_function_will_do() {
    let workflow = || stepwright::workflow("delivery", delivery).build();
    for test in [testkit::run(workflow, drop_of_a_file()), testkit::run(workflow(), drop_of_a_file())] {
        let run = test
            .mock::<Parse>(Ok(parsed(2)))
            .mock_with::<Deliver>(|parsed| Ok(Receipt { id: parsed.content.key, rows: parsed.rows * 2 }));
        assert_eq!(run.start().output::<Receipt>().map(|receipt| receipt.rows), Ok(4));
    }
}

#[test]
fn a_step_that_keeps_failing_leaves_the_execution_redrivable() {
    let run = testkit::run_flow(delivery, drop_of_a_file())
        .mock::<Parse>(Ok(parsed(2)))
        .mock::<Deliver>(Err(DeliverError::Unavailable))
        .start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("DeliverError.Unavailable")));
    assert_eq!(run.attempts::<Deliver>(), 3);
    assert!(run.is_redrivable());
    let Err(NoOutput::NotSucceeded { status, .. }) = run.output::<Receipt>() else { panic!("no output") };
    assert_eq!(status, Status::Failed);
}

#[test]
fn an_execution_that_ends_in_a_fail_state_is_not() {
    let run = testkit::run_flow(delivery, drop_of_a_file())
        .mock::<Parse>(Ok(parsed(2)))
        .mock::<Deliver>(Err(DeliverError::Rejected))
        .start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("Delivery.Rejected")));
    assert!(run.cause().is_some_and(|cause| cause.contains("DeliverError.Rejected")), "{:?}", run.cause());
    assert!(!run.is_redrivable());
}

#[test]
fn what_goes_wrong_around_a_step_is_retried_or_times_out() {
    let throttled = || Answer::Breaks { error: "Lambda.TooManyRequestsException", cause: "Rate exceeded" };
    let run = testkit::run_flow(delivery, drop_of_a_file())
        .mock_answers::<Parse>([
            throttled(),
            throttled(),
            Answer::Returns(parsed(1)).after(Duration::from_secs(3)),
        ])
        .mock_answers::<Deliver>([Answer::Never])
        .seed(7)
        .start();
    assert_eq!(run.attempts::<Parse>(), 3);
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("States.Timeout")));
    assert!(run.elapsed() >= Duration::from_secs(93), "{:?}", run.elapsed());
}

#[test]
fn steps_run_in_process_on_real_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let drops =
        Write::<Drops>::at(&format!("file://{}/drops", directory.path().display())).expect("a bucket");
    let test = |secret: &str| {
        let mut writer = drops.create("a.txt").expect("a writer");
        writer.write_all(b"one\ntwo\n").expect("written");
        let file = writer.finish(None).expect("an object");
        testkit::run_flow(delivery, FileDrop { file })
            .steps(stepwright::steps![parse, deliver])
            .resources(directory.path())
            .secret("core-view", secret)
            .start()
    };
    let run = test("cv");
    assert_eq!(run.output::<Receipt>(), Ok(Receipt { id: "cv-1".to_owned(), rows: 2 }));
    let stored =
        std::fs::read_to_string(directory.path().join("staging/parsed.txt")).expect("the staged file");
    assert_eq!(stored, "ONE\nTWO\n");
    assert_eq!(test("down").error(), Some("DeliverError.Unavailable"));
}

#[test]
#[should_panic(expected = "add `.mock::<Deliver>(Ok(..))`")]
fn a_step_nobody_answers_for_fails_the_test_and_says_what_to_add() {
    testkit::run_flow(delivery, drop_of_a_file()).mock::<Parse>(Ok(parsed(2))).start();
}

#[test]
#[should_panic(expected = "step `deliver` is called more than 1 times")]
fn a_sequence_that_is_too_short_fails_the_test() {
    testkit::run_flow(delivery, drop_of_a_file())
        .mock::<Parse>(Ok(parsed(2)))
        .mock_seq::<Deliver>([Err(DeliverError::Unavailable)])
        .start();
}

#[test]
#[should_panic(expected = "never calls step `deliver`")]
fn a_mock_of_a_step_that_is_not_called_fails_the_test() {
    let only_parse = |w: &mut Flow, drop: Expr<FileDrop>| parse(drop).run(w);
    testkit::run_flow(only_parse, drop_of_a_file()).mock::<Deliver>(Ok(receipt())).start();
}

#[test]
fn an_input_of_the_wrong_shape_fails_as_the_step_would() {
    let run =
        testkit::run(stepwright::workflow("delivery", delivery).build(), serde_json::json!({ "file": 1 }))
            .mock::<Parse>(Ok(parsed(2)))
            .mock::<Deliver>(Ok(receipt()))
            .start();
    assert_eq!(run.error(), Some("Contract.InputMismatch"));
}

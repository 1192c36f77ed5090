use step_deliver::{Acknowledge, AcknowledgeError, Acknowledgement, TokenAnswers};
use testkit::{Given, Run, Status};

use super::*;

#[test]
fn the_definition_is_the_one_that_was_reviewed() {
    let options = codegen::Options { app: "reference".to_owned() };
    let generated = codegen::emit(&definition(), &options).unwrap();
    insta::assert_snapshot!(generated.definition);
    assert!(generated.lints.is_empty(), "{:?}", generated.lints);
}

/// What S3 sends for a file that a receiver wrote.
fn event(key: &str) -> serde_json::Value {
    serde_json::json!({
        "version": "0", "source": "aws.s3", "detail-type": "Object Created",
        "detail": { "bucket": { "name": "reference-coreview-drop" }, "object": { "key": key, "size": 97 } },
    })
}

fn taken(token: &str) -> TokenAnswer {
    let acknowledgement =
        Acknowledgement { delivery_id: "d-1".into(), reference: Some("R-1".into()), acknowledged_at: None };
    TokenAnswer {
        delivery_id: "d-1".into(),
        task_token: token.into(),
        acknowledgement: Some(acknowledgement),
        cause: None,
    }
}

fn refused(token: &str) -> TokenAnswer {
    TokenAnswer { acknowledgement: None, cause: Some("2 rows are refused: line 2".into()), ..taken(token) }
}

/// A run in which these tokens are found, and no state waits with `t-late`.
fn run(answers: Vec<TokenAnswer>, refusal: Option<&str>) -> Run {
    let refusal = refusal.map(str::to_owned);
    testkit::run(definition(), event("commissions/2024-01/market-north/v0001/ack.json"))
        .mock_with::<Acknowledge>(move |request| {
            let answer = request.answer.expect("the event's object");
            assert_eq!((&*answer.bucket, answer.bytes), ("coreview-drop", Some(97)));
            Ok(TokenAnswers { answers: answers.clone(), refusal: refusal.clone(), unreadable: Vec::new() })
        })
        .service_with("Say it is taken", |call| said_to(call))
        .service_with("Say it is refused", |call| said_to(call))
        .start()
}

fn said_to(call: &serde_json::Value) -> Result<(), &'static str> {
    match call["TaskToken"].as_str() {
        Some("t-late") => Err("Sfn.TaskTimedOutException"),
        Some("t-elsewhere") => Err("Sfn.InvalidTokenException"),
        _ => Ok(()),
    }
}

fn passed(run: &Run) -> (u64, u64) {
    let passed: Passed = run.output().unwrap();
    (passed.told, passed.too_late)
}

#[test]
fn who_waits_is_told() {
    let accepted = run(vec![taken("t-1")], None);
    assert_eq!(passed(&accepted), (1, 0));
    let word = taken("t-1").acknowledgement.unwrap();
    let expected = Given { token: "t-1".into(), answer: Ok(word) };
    assert_eq!(accepted.given::<AwaitAck>("Say it is taken"), [expected]);

    let refusal = run(vec![refused("t-1")], Some("2 rows are refused: line 2"));
    assert_eq!(passed(&refusal), (1, 0));
    let why = ("Deliver.Rejected".to_owned(), "2 rows are refused: line 2".to_owned());
    let expected = Given { token: "t-1".into(), answer: Err(why) };
    assert_eq!(refusal.given::<AwaitAck>("Say it is refused"), [expected]);
}

#[test]
fn an_acknowledgement_that_comes_late_troubles_nobody() {
    assert_eq!(passed(&run(vec![taken("t-late"), taken("t-elsewhere")], None)), (0, 2));
    assert_eq!(passed(&run(Vec::new(), None)), (0, 0), "somebody was told before");
    // The state that was tried again waits with another token.
    assert_eq!(passed(&run(vec![taken("t-late"), taken("t-2")], None)), (1, 1));
}

#[test]
fn a_refusal_that_nobody_was_told_of_is_an_error() {
    for answers in [vec![], vec![refused("t-late")]] {
        let run = run(answers, Some("2 rows are refused: line 2"));
        assert_eq!((run.status(), run.error()), (Status::Failed, Some("Deliver.Rejected")));
        assert_eq!(run.cause(), Some("2 rows are refused: line 2"));
    }
    // Somebody was, by another execution.
    assert_eq!(passed(&run(Vec::new(), None)), (0, 0));
}

#[test]
fn an_unknown_delivery_is_waited_for_and_then_an_error() {
    let unknown = || AcknowledgeError::UnknownDelivery { detail: "no receipt".into() };
    let late = testkit::run(definition(), event("a/b/v0001/ack.json"))
        .mock_seq::<Acknowledge>([
            Err(unknown()),
            Ok(TokenAnswers { answers: vec![taken("t-1")], refusal: None, unreadable: Vec::new() }),
        ])
        .start();
    assert_eq!(passed(&late), (1, 0));
    let never =
        testkit::run(definition(), event("a/b/v0001/ack.json")).mock::<Acknowledge>(Err(unknown())).start();
    assert_eq!((never.status(), never.error()), (Status::Failed, Some("Acknowledge.UnknownDelivery")));
    assert_eq!((never.attempts::<Acknowledge>(), never.elapsed().as_secs()), (6, 62));
    assert!(never.is_redrivable());
}

/// A schedule has no answer: everything is looked through.
#[test]
fn without_an_answer_it_looks_for_all() {
    let run = testkit::run(definition(), serde_json::json!({}))
        .mock_with::<Acknowledge>(|request| {
            assert_eq!(request.answer, None);
            Ok(TokenAnswers { answers: Vec::new(), refusal: None, unreadable: vec!["a/ack.json".into()] })
        })
        .start();
    let passed: Passed = run.output().unwrap();
    assert_eq!(passed.unreadable, ["a/ack.json"]);
}

use std::collections::BTreeMap;

use feed::PinnedRevision;
use step_store::{Ask, NoteAnswer, OpenRun, TakeIn, TakenIn};
use testkit::{Answer as Reply, Status, Test};

use super::*;

#[test]
fn the_definition_is_the_one_that_was_reviewed() {
    let options = codegen::Options { app: "reference".to_owned() };
    let generated = codegen::emit(&definition(), &options).unwrap();
    insta::assert_snapshot!(generated.definition);
    assert!(generated.lints.is_empty(), "{:?}", generated.lints);
}

fn object(key: &str) -> ObjectRef {
    ObjectRef {
        bucket: "drops".into(),
        key: key.into(),
        version_id: None,
        sha256: "00".repeat(32),
        bytes: 1,
        rows: None,
    }
}

/// A month of which something is missing.
fn with_something_missing() -> Test {
    let request = CommissionRequest {
        files: vec![],
        messages: vec![],
        configuration: object("customer.toml").into(),
        period: Some("2024-03".into()),
        scheduled_at: None,
        correction: None,
        current_references: None,
    };
    let run = Run {
        id: String::new(),
        feed: "commissions".into(),
        period: "2024-03".into(),
        spec: object("spec.toml"),
        markets: vec![],
        references: BTreeMap::new(),
        revisions: vec![PinnedRevision { name: "cells".into(), scope: String::new(), number: 1 }],
        notices: vec![],
        missing: vec!["no `targets` at all".into()],
        question: "no `targets` at all".into(),
        input_sha256: String::new(),
    };
    testkit::run(definition(), request)
        .mock::<TakeIn>(Ok(TakenIn { files: vec![], configuration: object("customer.toml") }))
        .mock::<OpenRun>(Ok(run))
}

fn said(approved: bool, by: &str) -> Answer {
    Answer { approved, by: by.into(), note: Some("wrong targets".into()) }
}

/// A no is a no, whatever was asked.
#[test]
fn a_no_to_what_is_missing_ends_the_execution() {
    let run = with_something_missing()
        .mock::<Ask>(Ok(said(false, "A. Controller")))
        .mock_with::<NoteAnswer>(|request| Ok(request.answer))
        .start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("Control.NotApproved")));
    assert_eq!((run.cause(), run.attempts::<OpenRun>()), (Some("wrong targets"), 1));
}

/// What cannot be understood is asked again, with another token.
#[test]
fn a_slip_is_asked_again() {
    let not_understood = || AnswerError::NotUnderstood { detail: "it does not say `by` whom".to_owned() };
    let run = with_something_missing()
        .mock_answers::<Ask>([Reply::Returns(said(true, "")), Reply::Returns(said(false, "A. Controller"))])
        .mock_with::<NoteAnswer>(move |request| match request.answer.by.as_str() {
            "" => Err(not_understood()),
            _ => Ok(request.answer),
        })
        .start();
    assert_eq!((run.attempts::<Ask>(), run.attempts::<NoteAnswer>()), (2, 2));
    assert_eq!(run.error(), Some("Control.NotApproved"));
}

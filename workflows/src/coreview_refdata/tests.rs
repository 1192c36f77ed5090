use std::collections::BTreeMap;

use feed::{Parsed, Reconciled};
use step_parse::Parse;
use step_reconcile::Reconcile;
use step_store::{Classify, KeepRequest, KeepRevision, Quarantine, Quarantined, Replaced, TakeIn, TakenIn};
use testkit::{Status, Test};

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

/// Every file is a revision of what it is named after; `old.xlsx` was in force before.
fn revision(request: &KeepRequest) -> Revision {
    Revision {
        name: request.name.clone(),
        scope: "year=2024".into(),
        number: 3,
        rows: 12,
        sha256: "ab".repeat(32),
        unchanged: request.name == "old",
        warnings: BTreeMap::new(),
    }
}

fn parsed() -> Parsed {
    Parsed {
        feed: "cells".into(),
        rows: object("rows"),
        rejects: object("rejects"),
        stats: feed::Stats::default(),
        warnings: BTreeMap::new(),
    }
}

fn on(files: [&str; 2]) -> Test {
    let arrived = files.map(object);
    let request = RefdataRequest {
        files: arrived.clone().map(Arrival::from).to_vec(),
        configuration: object("customer.toml").into(),
    };
    let reconciled = Reconciled {
        feed: "cells".into(),
        rows: object("rows"),
        stats: feed::Stats::default(),
        control: BTreeMap::new(),
    };
    testkit::run(definition(), request)
        .mock::<TakeIn>(Ok(TakenIn { files: arrived.to_vec(), configuration: object("customer.toml") }))
        .mock_with::<Classify>(|request| {
            let name = request.file.key.trim_end_matches(".xlsx").to_owned();
            Ok(Classified { name, spec: object("spec.toml") })
        })
        .mock::<Parse>(Ok(parsed()))
        .mock::<Reconcile>(Ok(reconciled))
        .mock_with::<KeepRevision>(|request| Ok(revision(&request)))
}

/// A new revision is told to everybody; a file that changes nothing is not.
#[test]
fn what_is_new_is_announced() {
    let run = on(["matrix.xlsx", "old.xlsx"]).start();
    let kept: Refdata = run.output().unwrap();
    assert_eq!(kept.revisions.len(), 2);
    let told =
        Announcement { name: "matrix".into(), scope: "year=2024".into(), number: 3, sha256: "ab".repeat(32) };
    assert_eq!(run.events::<Announcement>(SOURCE, DETAIL_TYPE), [told]);
    assert!(on(["old.xlsx", "old.xlsx"]).start().events::<Announcement>(SOURCE, DETAIL_TYPE).is_empty());
}

/// What cannot be told is tried again; after that somebody has to know.
#[test]
fn an_event_that_is_refused_is_put_again() {
    let refused = || Err("EventBridge.FailedEntry");
    let run = on(["matrix.xlsx", "old.xlsx"]).service("Announce it", [refused(), refused()]).start();
    assert_eq!((run.status(), run.service_calls("Announce it").len()), (Status::Succeeded, 3));
    assert_eq!(run.events::<Announcement>(SOURCE, DETAIL_TYPE).len(), 1);
    let run = on(["matrix.xlsx", "old.xlsx"]).service_with("Announce it", move |_| refused()).start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("EventBridge.FailedEntry")));
    assert!(run.is_redrivable());
}

/// A replacement may be as bad as what it replaces, as often as somebody uploads one.
#[test]
fn a_replacement_that_is_bad_is_set_aside_as_well() {
    let bad = || ParseError::Empty { detail: "no rows".to_owned() };
    let with = |replaced: Vec<Result<ObjectRef, ReplacedError>>| {
        on(["matrix.xlsx", "matrix.xlsx"])
            .mock_with::<Parse>(move |request| match request.files[0].key.as_str() {
                "good.xlsx" => Ok(parsed()),
                _ => Err(bad()),
            })
            .mock_with::<Quarantine>(|request| {
                let report = object("report");
                Ok(Quarantined { report: report.clone(), report_json: report, file: request.file })
            })
            .mock_seq::<Replaced>(replaced)
    };
    let found = |key: &str| Ok(object(key));
    let run = with(["second", "third", "good.xlsx", "second", "good.xlsx"].map(found).to_vec()).start();
    assert_eq!(run.status(), Status::Succeeded, "{:?}", run.cause());
    let aside: Vec<String> = run.inputs::<Quarantine>().into_iter().map(|request| request.file.key).collect();
    assert_eq!(aside.iter().filter(|key| *key == "matrix.xlsx").count(), 2);
    assert_eq!(aside.len(), 5, "each bad file once: {aside:?}");

    // Where nobody uploads another one, it ends where a redrive looks again.
    let still = || Err(ReplacedError::NotReplaced { detail: "upload a good file".to_owned() });
    let run = with([found("second"), still(), still(), still()].into_iter().collect()).start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("Quarantine.NotReplaced")));
    assert!(run.is_redrivable());
}

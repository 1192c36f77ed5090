use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use step_calculate::Calculate;
use step_deliver::{Batch, Deliver, Stage, Verify};
use step_parse::Parse;
use step_reconcile::Reconcile;
use step_report::Report;
use stepwright::objects::Store;
use testkit::{Status, Test};

use super::*;

/// The sample, put where a run finds it: an input for the workflow, and a test
/// in which every step runs in-process on real files and a real database.
fn on_the_sample(folder: &Path) -> Test {
    let drops = Store::open("drops", &format!("file://{}", bucket(folder, "drops").display())).unwrap();
    bucket(folder, "staging");
    let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/coreview-delivery");
    let put = |path: &Path| {
        let mut object = drops.create(path.file_name().unwrap().to_str().unwrap()).unwrap();
        object.write_all(&std::fs::read(path).unwrap()).unwrap();
        object.finish(None).unwrap()
    };
    let mut files: Vec<_> =
        std::fs::read_dir(sample.join("input")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let request = DeliveryRequest {
        spec: put(&sample.join("spec.toml")),
        files: files.iter().map(|path| put(path)).collect(),
    };
    testkit::run(definition(), request)
        .steps(stepwright::steps![parse, reconcile, calculate, stage, deliver, verify, report])
        .resources(folder)
        .secret("coreview", format!("sqlite://{}", folder.join("coreview.db").display()))
}

fn bucket(folder: &Path, name: &str) -> PathBuf {
    let bucket = folder.join(name);
    std::fs::create_dir_all(&bucket).unwrap();
    bucket
}

#[test]
fn the_definition_is_the_one_that_was_reviewed() {
    let options = |app: &str| codegen::Options { app: app.to_owned() };
    let generated = codegen::emit(&definition(), &options("reference")).unwrap();
    insta::assert_snapshot!(generated.definition);
    assert!(generated.lints.is_empty(), "{:?}", generated.lints);
}

#[test]
fn every_step_runs_once_and_the_receipt_is_the_ledgers() {
    let folder = tempfile::tempdir().unwrap();
    let run = on_the_sample(folder.path()).start();
    let delivered: Delivery = run.output().unwrap();
    assert_eq!(delivered.feed, "agent-contracts");
    assert!(!delivered.receipt.already_delivered);
    assert_eq!(
        delivered.stats.rows_in,
        delivered.stats.accepted + delivered.stats.cancelled + delivered.stats.rejected
    );
    assert_eq!(run.states(), ["Parse", "Reconcile", "Calculate", "Stage", "Deliver", "Verify", "Report"]);

    let again: Delivery = on_the_sample(folder.path()).start().output().unwrap();
    assert!(again.receipt.already_delivered);
    assert_eq!(again.receipt.delivery_id, delivered.receipt.delivery_id);
}

#[test]
fn an_absent_coreview_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Rc::new(Cell::new(0));
    let counter = Rc::clone(&asked);
    let run = on_the_sample(folder.path())
        .mock_with::<Deliver>(move |batch| {
            counter.set(counter.get() + 1);
            match counter.get() {
                1..=5 => Err(DeliverError::Unavailable { detail: "the server is restarted".to_owned() }),
                _ => Ok(receipt_for(&batch)),
            }
        })
        .mock_with::<Verify>(|receipt| {
            Ok(step_deliver::Verified {
                delivery_id: receipt.delivery_id,
                coreview_id: receipt.coreview_id,
                rows: receipt.rows,
                batch_sha256: receipt.batch_sha256,
                verified_at: receipt.delivered_at,
            })
        })
        .start();
    assert_eq!(run.status(), Status::Succeeded, "{:?}", run.cause());
    assert_eq!((run.attempts::<Deliver>(), asked.get()), (6, 6));
    assert_eq!((run.attempts::<Parse>(), run.attempts::<Stage>(), run.attempts::<Report>()), (1, 1, 1));
}

#[test]
fn a_conflict_fails_where_a_redrive_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let conflict = DeliverError::Conflict { detail: "the period has another batch".to_owned(), active: None };
    let run = on_the_sample(folder.path()).mock::<Deliver>(Err(conflict)).start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("Deliver.Conflict")));
    assert_eq!(
        (run.attempts::<Deliver>(), run.attempts::<Calculate>(), run.attempts::<Reconcile>()),
        (1, 1, 1)
    );
    assert!(run.is_redrivable());
}

fn receipt_for(batch: &Batch) -> Receipt {
    Receipt {
        delivery_id: batch.delivery_id.clone(),
        coreview_id: "CV-1".to_owned(),
        channel: batch.channel.clone(),
        workflow: batch.workflow.clone(),
        feed: batch.feed.clone(),
        market: None,
        period: batch.period.clone(),
        version: 1,
        batch_sha256: batch.batch_sha256.clone(),
        rows: batch.rows,
        changed_rows: batch.rows,
        totals: batch.totals.clone(),
        execution_arn: batch.execution_arn.clone(),
        delivered_at: "2024-07-01T00:00:00Z".to_owned(),
        already_delivered: false,
        correction: None,
    }
}

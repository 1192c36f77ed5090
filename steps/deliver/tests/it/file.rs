//! Into a folder, whose receiver takes, refuses, or never answers.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use database::Value;
use serde_json::{Value as Json, json};
use stepwright::objects::Arrival;
use stepwright::{Callback, Exchange, Look, Read, StepError as _, Use};
use stepwright_step_deliver::{
    Acknowledge, AcknowledgeError, AcknowledgeRequest, Acknowledged, Answer, AwaitAck, AwaitAckRequest,
    Batch, CoreViewDrop, Correction, DROP_MARK, DeliverError, DeliverFile, DeliveryChannel, FileDrop,
    Receipt, StageRequest, Staging, TokenAnswers, Verified, VerifyError, VerifyFile, deliver_through,
    note_ack_token, read_ack,
};
use tempfile::TempDir;

use crate::drop_receiver::DropReceiver;
use crate::moto::Moto;
use crate::place::{FLIGHTS, Place};

const OTHER: &str = "carrier,month,flights,delay\nUA,1,4,-1.50\n9E,1,2,0.10\nDL,1,9,0\n";

pub(crate) struct Folder {
    pub(crate) place: Place,
    dir: TempDir,
    _database: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let database = TempDir::new().unwrap();
        let place = Place::new(format!("sqlite://{}/coreview.db", database.path().display()));
        Self::of(place, database)
    }

    /// Its receiver has marked it.
    pub(crate) fn of(place: Place, database: TempDir) -> Self {
        let dir = TempDir::new().unwrap();
        DropReceiver::watching(dir.path());
        Self { place, dir, _database: database }
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn location(&self) -> String {
        format!("file://{}", self.root().display())
    }

    fn look(&self) -> Look<CoreViewDrop> {
        Look::at(&self.location()).unwrap()
    }

    fn exchange(&self) -> Exchange<CoreViewDrop> {
        Exchange::at(&self.location()).unwrap()
    }

    fn channel(&self) -> FileDrop {
        FileDrop::open(&self.location()).unwrap()
    }

    fn receiver(&self) -> DropReceiver {
        DropReceiver::watching(self.root())
    }

    fn request(&self, execution: &str, figures: &str) -> StageRequest {
        StageRequest { channel: "file-drop".into(), ..self.place.request("2013", execution, figures) }
    }

    async fn stage(&self, execution: &str, figures: &str) -> Batch {
        self.place.stage_request(self.request(execution, figures)).await
    }

    async fn correct(&self, execution: &str, figures: &str, reason: &str) -> Batch {
        let correction = Some(Correction { reason: reason.into() });
        self.place.stage_request(StageRequest { correction, ..self.request(execution, figures) }).await
    }

    pub(crate) async fn deliver(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        let staging: Read<Staging> = Read::at(&self.place.location).unwrap();
        DeliverFile::handle(batch.clone(), staging, Use::of(&*self.place.url), self.exchange()).await
    }

    pub(crate) async fn verify(&self, receipt: &Receipt) -> Result<Verified, VerifyError> {
        VerifyFile::handle(receipt.clone(), self.look()).await
    }

    /// The folder of a version of the period that most tests deliver.
    fn version(&self, number: u32) -> PathBuf {
        self.root().join(format!("flights/2013/v{number:04}"))
    }

    fn names(&self, number: u32) -> Vec<String> {
        let entries = fs::read_dir(self.version(number)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn manifest(&self, number: u32) -> Json {
        serde_json::from_slice(&fs::read(self.version(number).join("manifest.json")).unwrap()).unwrap()
    }
}

fn again(receipt: &Receipt) -> Receipt {
    Receipt { already_delivered: true, ..receipt.clone() }
}

#[tokio::test]
async fn a_batch_arrives_with_its_manifest_last() {
    let folder = Folder::new();
    let batch = folder.stage("arn:1", FLIGHTS).await;
    let receipt = folder.deliver(&batch).await.unwrap();
    assert!(!receipt.already_delivered);
    assert_eq!((receipt.rows, receipt.changed_rows, receipt.version), (3, 3, 1));
    assert_eq!(folder.names(1), [format!("{}.jsonl", batch.delivery_id), "manifest.json".to_owned()]);
    assert_eq!(
        folder.manifest(1),
        json!({
            "schema_version": 2, "kind": "delivery", "delivery_id": batch.delivery_id,
            "workflow": "coreview-delivery", "feed": "flights", "period": "2013", "version": 1,
            "data": { "file": format!("{}.jsonl", batch.delivery_id), "sha256": batch.batch_sha256,
                "bytes": batch.batch.bytes, "rows": 3, "withdrawn_rows": 0 },
            "rows": 3, "totals": { "flights": "12" }, "batch_sha256": batch.batch_sha256,
            "execution_arn": "arn:1", "delivered_at": receipt.delivered_at
        })
    );
    let verified = folder.verify(&receipt).await.unwrap();
    assert_eq!(verified.delivery_id, receipt.delivery_id);
    // Retried, and started again as another execution: the same receipt, nothing new.
    assert_eq!(folder.deliver(&batch).await.unwrap(), again(&receipt));
    let restarted = folder.stage("arn:2", FLIGHTS).await;
    assert_eq!(folder.deliver(&restarted).await.unwrap(), again(&receipt));
    assert_eq!(folder.names(1).len(), 2);
    assert!(!folder.version(2).exists());
    let mut receiver = folder.receiver();
    assert_eq!((receiver.accept(), receiver.accept()), (1, 0));
    assert_eq!(receiver.figures("flights", "2013", "").len(), 3);
    // Support finds it where it finds every delivery.
    let noted = folder.place.query("SELECT channel, receipt FROM delivery_receipt").await;
    let text = serde_json::to_string(&receipt).unwrap();
    assert_eq!(noted, [[Value::from("file-drop"), Value::from(text)]]);
    let outbox = folder.place.query("SELECT channel, state, attempts FROM delivery_outbox").await;
    assert_eq!(outbox, [[Value::from("file-drop"), Value::from("delivered"), Value::Integer(3)]]);
}

#[tokio::test]
async fn a_correction_is_a_version_of_what_changed() {
    let folder = Folder::new();
    let mut receiver = folder.receiver();
    let original = folder.deliver(&folder.stage("arn:1", FLIGHTS).await).await.unwrap();
    receiver.accept();
    let error = folder.deliver(&folder.stage("arn:2", OTHER).await).await.unwrap_err();
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("start again with a correction and its reason"), "{error}");
    assert!(!folder.version(2).exists());

    // UA changes, AA goes, DL comes, 9E stays.
    let batch = folder.correct("arn:3", OTHER, "late tickets").await;
    let corrected = folder.deliver(&batch).await.unwrap();
    assert_eq!((corrected.version, corrected.rows, corrected.changed_rows), (2, 3, 3));
    let rows = fs::read_to_string(folder.version(2).join(format!("{}.jsonl", batch.delivery_id))).unwrap();
    assert_eq!(
        rows,
        "{\"entity\":{\"carrier\":\"AA\",\"month\":\"2\"},\"withdrawn\":true}\n\
         {\"entity\":{\"carrier\":\"DL\",\"month\":\"1\"},\"figures\":{\"delay\":\"0\",\"flights\":\"9\"}}\n\
         {\"entity\":{\"carrier\":\"UA\",\"month\":\"1\"},\"figures\":{\"delay\":\"-1.50\",\"flights\":\"4\"}}\n"
    );
    let manifest = folder.manifest(2);
    assert_eq!((&manifest["kind"], &manifest["correction"]), (&json!("correction"), &json!("late tickets")));
    assert_eq!(manifest["totals"], json!({ "flights": "15" }));
    receiver.accept();
    assert_eq!(receiver.figures("flights", "2013", "").len(), 3);
    folder.verify(&corrected).await.unwrap();
    assert!(matches!(folder.verify(&original).await, Err(VerifyError::Superseded { .. })));
    assert_eq!(folder.deliver(&batch).await.unwrap(), again(&corrected));
    // The same content needs no correction; the first batch does, now.
    assert_eq!(
        folder.deliver(&folder.correct("arn:4", OTHER, "again").await).await.unwrap(),
        again(&corrected)
    );
    let error = folder.deliver(&folder.stage("arn:5", FLIGHTS).await).await.unwrap_err();
    assert!(error.to_string().contains("was replaced by delivery"), "{error}");
    let back = folder.deliver(&folder.correct("arn:6", FLIGHTS, "void").await).await.unwrap();
    assert_eq!((back.version, back.changed_rows), (3, 3));
    folder.verify(&back).await.unwrap();
    receiver.accept();
}

#[tokio::test]
async fn a_delivery_is_withdrawn_with_a_manifest() {
    let folder = Folder::new();
    let mut receiver = folder.receiver();
    let batch = folder.stage("arn:1", FLIGHTS).await;
    let receipt = folder.deliver(&batch).await.unwrap();
    receiver.accept();
    for reason in ["paid by hand", "again"] {
        folder.channel().withdraw((&receipt).into(), reason).await.unwrap();
    }
    let manifest = folder.manifest(2);
    assert_eq!(manifest["kind"], "withdrawal");
    assert_eq!(manifest["withdraws"], *receipt.delivery_id);
    assert_eq!(manifest["correction"], "paid by hand");
    assert!(!folder.version(3).exists());
    assert_eq!(receiver.accept(), 1);
    assert!(receiver.figures("flights", "2013", "").is_empty());
    assert!(matches!(folder.verify(&receipt).await, Err(VerifyError::Superseded { .. })));
    let error = folder.deliver(&batch).await.unwrap_err();
    assert!(error.to_string().contains("was withdrawn (paid by hand)"), "{error}");
    let again = folder.deliver(&folder.correct("arn:2", FLIGHTS, "the hand was wrong").await).await.unwrap();
    assert_eq!((again.version, again.changed_rows), (3, 3));
    assert_eq!(receiver.accept(), 1);
    folder.verify(&again).await.unwrap();
}

#[tokio::test]
async fn markets_and_odd_names_have_folders_of_their_own() {
    let folder = Folder::new();
    let mut receipts = Vec::new();
    for (market, period) in
        [(None, "2013"), (Some("north"), "2013"), (Some("../2013"), "../x"), (Some("日"), ".")]
    {
        let request = StageRequest {
            market: market.map(str::to_owned),
            period: period.into(),
            ..folder.request("arn:1", FLIGHTS)
        };
        receipts.push(folder.deliver(&folder.place.stage_request(request).await).await.unwrap());
    }
    for receipt in &receipts {
        assert!(!receipt.already_delivered);
        folder.verify(receipt).await.unwrap();
    }
    let entries = fs::read_dir(folder.root()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".stepwright", DROP_MARK, "flights"], "and what the bucket keeps for itself");
    assert!(folder.root().join("flights/%2E.%2Fx/market-%2E.%2F2013/v0001/manifest.json").exists());
    assert_eq!(folder.receiver().accept(), 4);
}

/// Whatever a killed process leaves is not delivered, and in nobody's way.
#[tokio::test]
async fn what_a_killed_process_leaves_is_harmless() {
    let folder = Folder::new();
    let batch = folder.stage("arn:1", FLIGHTS).await;
    let first = folder.deliver(&batch).await.unwrap();
    let manifest = folder.version(1).join("manifest.json");
    let rows = folder.version(1).join(format!("{}.jsonl", batch.delivery_id));
    // Killed between rows and manifest.
    fs::remove_file(&manifest).unwrap();
    assert!(folder.receiver().waiting().is_empty());
    assert_eq!(folder.channel().find((&batch).into()).await.unwrap(), None);
    // And by another program, which writes in place, in the middle of the rows before that.
    let half = fs::read(&rows).unwrap();
    fs::write(&rows, &half[..50]).unwrap();
    let second = folder.deliver(&batch).await.unwrap();
    assert!(!second.already_delivered);
    assert_eq!(Receipt { delivered_at: second.delivered_at.clone(), ..first }, second);
    assert_eq!(folder.names(1).len(), 2, "{:?}", folder.names(1));
    folder.verify(&second).await.unwrap();
    assert_eq!(folder.receiver().accept(), 1);
    // Killed after a correction's rows.
    let corrected = folder.correct("arn:2", OTHER, "late").await;
    fs::create_dir(folder.version(2)).unwrap();
    fs::write(folder.version(2).join(format!("{}.jsonl", corrected.delivery_id)), "half").unwrap();
    let receipt = folder.deliver(&corrected).await.unwrap();
    assert_eq!((receipt.version, receipt.changed_rows), (2, 3));
    folder.verify(&receipt).await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_cut_or_changed_is_noticed() {
    let folder = Folder::new();
    let batch = folder.stage("arn:1", FLIGHTS).await;
    let receipt = folder.deliver(&batch).await.unwrap();
    let path = folder.version(1).join(format!("{}.jsonl", batch.delivery_id));
    let whole = fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let changed = String::from_utf8(whole.clone()).unwrap().replace("0.10", "9.10").into_bytes();
    let damages = [
        (whole[..whole.len() - 10].to_vec(), "is not a row"),
        (lines[..2].concat(), "instead of"),
        (Vec::new(), "it has 0 bytes"),
        (changed, "with sha256"),
    ];
    for (damage, words) in damages {
        fs::write(&path, &damage).unwrap();
        let error = folder.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::VerificationMismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let error = folder.verify(&receipt).await.unwrap_err();
        assert!(matches!(error, VerifyError::Mismatch { .. }), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let error = folder.deliver(&batch).await.unwrap_err();
    assert!(error.to_string().contains("is gone, though its manifest is there"), "{error}");
    fs::write(&path, &whole).unwrap();
    assert_eq!(folder.deliver(&batch).await.unwrap(), again(&receipt));

    let manifest = folder.version(1).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for (damage, words) in [
        ("{".to_owned(), "is not a manifest"),
        (text.replace("\"period\": \"2013\"", "\"period\": \"2014\""), "a manifest of something else"),
        (text.replace("\"schema_version\": 2", "\"schema_version\": 3"), "has schema version 3"),
        (
            text.replace(&format!("\"{}.jsonl\"", batch.delivery_id), "\"../../secret\""),
            "names a file elsewhere",
        ),
    ] {
        fs::write(&manifest, damage).unwrap();
        let error = folder.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::VerificationMismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_not_one_is_named() {
    let folder = Folder::new();
    let batch = folder.stage("arn:1", FLIGHTS).await;
    let staging = || -> Read<Staging> { Read::at(&folder.place.location).unwrap() };
    let deliver = |drop: Exchange<CoreViewDrop>| {
        DeliverFile::handle(batch.clone(), staging(), Use::of(&*folder.place.url), drop)
    };
    let elsewhere = Exchange::at(&format!("{}/not/mounted", folder.location())).unwrap();
    let error = deliver(elsewhere).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("/not/mounted is not a folder here; mount the share"), "{error}");
    // A mount point without its share is a folder, too.
    let unmounted = TempDir::new().unwrap();
    let error =
        deliver(Exchange::at(&format!("file://{}", unmounted.path().display())).unwrap()).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("has no file `.stepwright-drop`"), "{error}");
    assert!(error.to_string().contains("ask the receiver to put the file there"), "{error}");
    assert_eq!(fs::read_dir(unmounted.path()).unwrap().count(), 0);
    for location in ["relative/path", "file://relative", "/abs", "ftp://host/drop"] {
        let error = FileDrop::open(location).unwrap_err();
        assert!(matches!(error, DeliverError::Rejected { .. }), "{error}");
        assert!(error.to_string().contains("expected `file:///absolute/dir`"), "{error}");
    }
    let database = folder.place.stage("arn:1", FLIGHTS).await;
    let error = DeliverFile::handle(database, staging(), Use::of(&*folder.place.url), folder.exchange())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`deliver` and `verify` are the steps for it"), "{error}");
    let error = folder.place.deliver(&batch).await.unwrap_err();
    assert!(error.to_string().contains("`deliver_file` and `verify_file` are the steps for it"), "{error}");
}

#[tokio::test]
async fn forged_batches_are_refused() {
    let folder = Folder::new();
    let batch = folder.stage("arn:1", FLIGHTS).await;
    let mut forged = vec![batch.clone(); 4];
    forged[0].period = "2014".into();
    forged[1].batch_sha256 = "00".repeat(32);
    forged[2].rows = 4;
    forged[3].batch.bytes += 1;
    for forged in forged {
        let error = folder.deliver(&forged).await.unwrap_err();
        let refused = matches!(error, DeliverError::Rejected { .. } | DeliverError::BatchUnreadable { .. });
        assert!(refused, "{error}");
        assert!(folder.receiver().waiting().is_empty());
    }
}

/// What the receiver says decides: yes, no with rows, or nothing at all.
#[tokio::test]
async fn an_answer_is_awaited_with_a_token() {
    answered_with_a_token(&Folder::new()).await;
}

pub(crate) async fn answered_with_a_token(folder: &Folder) {
    let mut receiver = folder.receiver();
    let receipt = folder.deliver(&folder.stage("arn:1", FLIGHTS).await).await.unwrap();
    let acknowledged = || Acknowledged::handle(receipt.clone(), folder.look());
    let error = acknowledged().await.unwrap_err();
    assert_eq!(error.name(), "Deliver.NotAcknowledged");
    assert!(error.to_string().contains("the files are there and nothing is lost"), "{error}");
    assert_eq!(read_ack(&folder.channel(), (&receipt).into()).unwrap(), None);

    let mut database = folder.place.connection().await;
    for (token, execution) in [("t-1", "arn:1"), ("t-1", "arn:1"), ("t-2", "arn:redriven")] {
        let noted = note_ack_token(&mut database, &folder.channel(), &receipt, token, execution).await;
        assert_eq!(noted.unwrap(), None);
    }
    assert!(give_back(folder, "arn:poll-1").await.is_empty());
    receiver.accept();
    let expected = [("t-1".to_owned(), None), ("t-2".to_owned(), None)];
    assert_eq!(give_back(folder, "arn:poll-2").await, expected);
    // Its retry is given the same; everybody else nothing.
    assert_eq!(give_back(folder, "arn:poll-2").await, expected);
    assert!(give_back(folder, "arn:poll-3").await.is_empty());
    // Who asks late is answered at once, and nobody else gives the token back.
    let noted = note_ack_token(&mut database, &folder.channel(), &receipt, "t-3", "arn:late").await.unwrap();
    assert!(matches!(noted, Some(Answer::Accepted(ref ack)) if ack.reference.as_deref() == Some("R-1")));
    assert!(give_back(folder, "arn:poll-4").await.is_empty());
    // The step that waits says so: the workflow reads the answer instead.
    let waits = |token: &str| {
        let request = AwaitAckRequest { receipt: receipt.clone(), execution_arn: "arn:step".into() };
        let (database, drop) = (Use::of(&*folder.place.url), folder.look());
        AwaitAck::handle(request, Callback::of(token), database, drop)
    };
    assert_eq!(waits("t-4").await.unwrap_err().name(), "Deliver.Answered");
    fs::rename(folder.version(1).join("ack.json"), folder.root().join("ack.json")).unwrap();
    waits("t-5").await.unwrap();
    fs::rename(folder.root().join("ack.json"), folder.version(1).join("ack.json")).unwrap();
    assert_eq!(give_back(folder, "arn:poll-5").await, [("t-5".to_owned(), None)]);
    let acknowledgement = acknowledged().await.unwrap();
    assert_eq!(acknowledgement.delivery_id, receipt.delivery_id);
    assert_eq!(acknowledgement.acknowledged_at.as_deref(), Some("2026-11-22T08:00:00Z"));
}

/// Tokens with the error they are given back with, if it is one.
async fn give_back(folder: &Folder, execution: &str) -> Vec<(String, Option<String>)> {
    let found = acknowledge(folder, None, execution).await.unwrap();
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    told(&found)
}

fn told(found: &TokenAnswers) -> Vec<(String, Option<String>)> {
    let told = found.answers.iter().map(|answer| {
        assert_ne!(answer.acknowledgement.is_some(), answer.cause.is_some(), "{answer:?}");
        (answer.task_token.clone(), answer.cause.clone())
    });
    told.collect()
}

/// What the step makes of an answer under a key, or of all.
async fn acknowledge(
    folder: &Folder,
    key: Option<&str>,
    execution: &str,
) -> Result<TokenAnswers, AcknowledgeError> {
    let arrival = |key: &str| Arrival {
        bucket: "coreview-drop".into(),
        key: key.into(),
        version_id: None,
        sha256: None,
        bytes: None,
    };
    let request = AcknowledgeRequest { answer: key.map(arrival), execution_arn: execution.into() };
    Acknowledge::handle(request, Use::of(&*folder.place.url), folder.look()).await
}

/// As the events of the bucket tell it: one file at a time, some of them twice, late, or wrong.
#[tokio::test]
async fn an_answer_that_is_told_of_finds_who_waits() {
    const ACK: &str = "flights/2013/v0001/ack.json";
    let folder = Folder::new();
    let mut receiver = folder.receiver();
    let receipt = folder.deliver(&folder.stage("arn:1", FLIGHTS).await).await.unwrap();
    let mut database = folder.place.connection().await;
    note_ack_token(&mut database, &folder.channel(), &receipt, "t-1", "arn:1").await.unwrap();
    let error = acknowledge(&folder, Some(ACK), "arn:a").await.unwrap_err();
    assert_eq!(error.name(), "Acknowledge.Unreadable");
    assert!(error.to_string().contains("ack.json is gone"), "{error}");
    receiver.accept();
    let found = acknowledge(&folder, Some(ACK), "arn:a").await.unwrap();
    assert_eq!((told(&found), &found.refusal), (vec![("t-1".to_owned(), None)], &None));
    // Tried again, it is given the same; told twice, nobody is left.
    assert_eq!(acknowledge(&folder, Some(ACK), "arn:a").await.unwrap(), found);
    let twice = acknowledge(&folder, Some(ACK), "arn:b").await.unwrap();
    assert_eq!((told(&twice), twice.refusal), (vec![], None));

    // Nobody waits for what is taken back.
    folder.channel().withdraw((&receipt).into(), "paid by hand").await.unwrap();
    receiver.accept();
    let taken_back = acknowledge(&folder, Some("flights/2013/v0002/ack.json"), "arn:c").await.unwrap();
    assert_eq!((told(&taken_back), taken_back.refusal), (vec![], None));
}

/// A refusal that comes late, or after an acknowledgement, is news until somebody was told.
#[tokio::test]
async fn a_refusal_is_news_until_somebody_was_told() {
    let folder = Folder::new();
    let mut receiver = folder.receiver();
    let receipt = folder.deliver(&folder.stage("arn:1", FLIGHTS).await).await.unwrap();
    let rows = json!([{ "line": 2, "code": "UNKNOWN_AGENT" }]);
    receiver.refuse("one row is wrong", &rows);
    let (ack, nak) = ("flights/2013/v0001/ack.json", "flights/2013/v0001/nak.json");
    let late = acknowledge(&folder, Some(nak), "arn:a").await.unwrap();
    assert!(late.answers.is_empty());
    assert!(late.refusal.is_some_and(|cause| cause.contains("line 2: UNKNOWN_AGENT")));

    let file = folder.version(1).join("nak.json");
    fs::rename(&file, folder.root().join("nak.json")).unwrap();
    let mut database = folder.place.connection().await;
    note_ack_token(&mut database, &folder.channel(), &receipt, "t-1", "arn:1").await.unwrap();
    fs::rename(folder.root().join("nak.json"), &file).unwrap();
    let found = acknowledge(&folder, Some(nak), "arn:b").await.unwrap();
    assert_eq!(found.answers.len(), 1);
    assert_eq!(found.answers[0].cause, found.refusal, "who waits is told, else it is news");
    let twice = acknowledge(&folder, Some(nak), "arn:c").await.unwrap();
    assert_eq!((twice.answers.len(), twice.refusal), (0, None), "somebody knows");

    // Who was told one thing has to be told the other.
    let word = json!({ "manifest_id": receipt.delivery_id });
    fs::write(folder.version(1).join("ack.json"), word.to_string()).unwrap();
    for key in [ack, nak] {
        let both = acknowledge(&folder, Some(key), "arn:d").await.unwrap();
        assert!(both.answers.is_empty() && both.refusal.is_some(), "{both:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_of_a_delivery_is_named() {
    let folder = Folder::new();
    let receipt = folder.deliver(&folder.stage("arn:1", FLIGHTS).await).await.unwrap();
    let put = |key: &str, text: &str| {
        let path = folder.root().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let ours = "flights/2013/v0001/ack.json";
    let word = |id: &str| json!({ "manifest_id": id }).to_string();
    for (key, text, name, words) in [
        (ours, "{\"manifest_id\": \"".to_owned(), "Acknowledge.Unreadable", "is no answer"),
        (ours, word("another"), "Acknowledge.Unreadable", "answers manifest another"),
        ("flights/2013/v0001/note.txt", word("x"), "Acknowledge.Unreadable", "is neither ack.json"),
        ("elsewhere/ack.json", word(&receipt.delivery_id), "Acknowledge.UnknownDelivery", "no manifest"),
    ] {
        put(key, &text);
        let error = acknowledge(&folder, Some(key), "arn:a").await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    // Dropped, and not noted here: by the planning database of somebody else, or a moment ago.
    put(ours, &word(&receipt.delivery_id));
    folder.place.execute("DELETE FROM delivery_receipt").await;
    let error = acknowledge(&folder, Some(ours), "arn:a").await.unwrap_err();
    assert_eq!(error.name(), "Acknowledge.UnknownDelivery");
    assert!(error.to_string().contains("the planning database has no receipt of"), "{error}");
}

#[tokio::test]
async fn a_refusal_names_its_rows_and_counts_as_nothing_delivered() {
    let folder = Folder::new();
    let mut receiver = folder.receiver();
    let batch = folder.stage("arn:1", FLIGHTS).await;
    let receipt = folder.deliver(&batch).await.unwrap();
    let mut database = folder.place.connection().await;
    note_ack_token(&mut database, &folder.channel(), &receipt, "t-1", "arn:1").await.unwrap();
    let rows = json!([
        { "line": 2, "entity": { "carrier": "AA", "month": "2" }, "code": "UNKNOWN_AGENT", "detail": "no\u{1b} such agent" },
        { "code": "LATE" }
    ]);
    assert_eq!(receiver.refuse("two rows are wrong", &rows), 1);
    let named =
        "2 rows are refused: line 2, carrier=AA, month=2: UNKNOWN_AGENT no\\u{1b} such agent; a row: LATE";
    let error = Acknowledged::handle(receipt.clone(), folder.look()).await.unwrap_err();
    assert_eq!(error.name(), "Deliver.Rejected");
    assert!(error.to_string().contains(named), "{error}");
    let DeliverError::Rejected { rows, .. } = error else { panic!("{error}") };
    assert_eq!((rows.len(), rows[0].line, &*rows[0].code), (2, Some(2), "UNKNOWN_AGENT"));
    let answers = give_back(&folder, "arn:poll").await;
    assert!(
        answers.len() == 1 && answers[0].1.as_ref().is_some_and(|cause| cause.contains(named)),
        "{answers:?}"
    );
    // The same batch again is still refused.
    let error = folder.deliver(&batch).await.unwrap_err();
    assert!(error.to_string().contains(named), "{error}");
    assert!(matches!(folder.verify(&receipt).await, Err(VerifyError::Superseded { .. })));

    // Other figures are a delivery of their own, whole: the receiver has none.
    let second = folder.deliver(&folder.stage("arn:2", OTHER).await).await.unwrap();
    assert_eq!((second.version, second.changed_rows), (2, 3));
    receiver.accept();
    assert_eq!(receiver.figures("flights", "2013", "").len(), 3);
    // A correction that is refused leaves what was there before it.
    let third = folder.deliver(&folder.correct("arn:3", FLIGHTS, "late").await).await.unwrap();
    receiver.refuse("no", &json!([]));
    assert!(matches!(folder.verify(&third).await, Err(VerifyError::Superseded { .. })));
    folder.verify(&second).await.unwrap();
    let fourth = folder.correct("arn:4", "carrier,month,flights,delay\nUA,1,4,-1.50\n", "fewer").await;
    let fourth = folder.deliver(&fourth).await.unwrap();
    assert_eq!((fourth.version, fourth.rows, fourth.changed_rows), (4, 1, 2));
    receiver.accept();
    assert_eq!(receiver.figures("flights", "2013", "").len(), 1);
}

/// What the receiver may still refuse is nothing to rest changes on.
#[tokio::test]
async fn changes_are_dropped_only_on_top_of_what_was_taken() {
    let folder = Folder::new();
    let mut receiver = folder.receiver();
    let original = folder.deliver(&folder.stage("arn:1", FLIGHTS).await).await.unwrap();
    let corrected = folder.deliver(&folder.correct("arn:2", OTHER, "late").await).await.unwrap();
    let manifest = folder.manifest(2);
    assert_eq!((&manifest["base"], &manifest["replaces"]), (&json!(null), &json!(original.delivery_id)));
    assert_eq!((&manifest["data"]["rows"], &manifest["data"]["withdrawn_rows"]), (&json!(3), &json!(0)));
    // It refuses the first version and takes the second: all of it.
    let refuse = |number: u32, receipt: &Receipt| {
        let nak = json!({ "manifest_id": receipt.delivery_id, "detail": "no" });
        fs::write(folder.version(number).join("nak.json"), nak.to_string()).unwrap();
    };
    refuse(1, &original);
    assert_eq!(receiver.accept(), 1);
    assert_eq!(receiver.figures("flights", "2013", "").len(), 3);
    folder.verify(&corrected).await.unwrap();

    let third = folder.deliver(&folder.correct("arn:3", FLIGHTS, "late again").await).await.unwrap();
    let manifest = folder.manifest(3);
    assert_eq!((&manifest["base"], &manifest["data"]["rows"]), (&json!(corrected.delivery_id), &json!(2)));
    assert_eq!(receiver.accept(), 1);
    folder.verify(&third).await.unwrap();
    // As such a manifest was before it named what it rests on.
    let path = folder.version(3).join("manifest.json");
    let text = fs::read(&path).unwrap();
    let mut old: Json = serde_json::from_slice(&text).unwrap();
    old["schema_version"] = json!(1);
    for name in ["base", "replaces"] {
        old.as_object_mut().unwrap().remove(name).unwrap();
    }
    fs::write(&path, old.to_string()).unwrap();
    folder.verify(&third).await.unwrap();
    fs::write(&path, text).unwrap();

    // A receiver that refuses what it has taken is found out, and a correction heals it.
    refuse(2, &corrected);
    let error = folder.verify(&third).await.unwrap_err();
    assert!(matches!(error, VerifyError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("has refused after it had taken it"), "{error}");
    let healed = folder.deliver(&folder.correct("arn:4", OTHER, "whole").await).await.unwrap();
    assert_eq!((healed.version, &folder.manifest(4)["base"]), (4, &json!(null)));
    receiver.accept();
    folder.verify(&healed).await.unwrap();
}

#[tokio::test]
async fn answers_that_cannot_be_read_stop_nobody_else() {
    let folder = Folder::new();
    let mut database = folder.place.connection().await;
    let mut receipts = Vec::new();
    for period in ["2013", "2014", "2015"] {
        let request = StageRequest { period: period.into(), ..folder.request(period, FLIGHTS) };
        let receipt = folder.deliver(&folder.place.stage_request(request).await).await.unwrap();
        note_ack_token(&mut database, &folder.channel(), &receipt, period, "arn:1").await.unwrap();
        receipts.push(receipt);
    }
    let put = |period: &str, text: &str| {
        fs::write(folder.root().join(format!("flights/{period}/v0001/ack.json")), text).unwrap();
    };
    put("2013", "{\"manifest_id\": \"");
    put("2014", "{\"manifest_id\": \"another\"}");
    put("2015", &json!({ "manifest_id": receipts[2].delivery_id }).to_string());
    let found = acknowledge(&folder, None, "arn:poll").await.unwrap();
    assert_eq!(told(&found), [("2015".to_owned(), None)]);
    assert_eq!(found.unreadable.len(), 2);
    assert!(found.unreadable.iter().any(|words| words.contains("under another name and rename it")));
    assert!(found.unreadable.iter().any(|words| words.contains("answers manifest another")));
}

/// Two processes at once, with the same batch and with different ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_processes_one_delivers() {
    let folder = Folder::new();
    let same = folder.stage("arn:1", FLIGHTS).await;
    let outcomes = processes(&folder, &[&same, &same, &same, &same]);
    assert!(outcomes.iter().all(|outcome| outcome["delivery_id"] == *same.delivery_id), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome["already_delivered"] == false).count(), 1);
    assert_eq!(folder.names(1).len(), 2);

    let correct = async |execution: &str, figures: &str, reason: &str| {
        let correction = Some(Correction { reason: reason.into() });
        let request = StageRequest {
            correction,
            replaces: Some(same.delivery_id.clone()),
            ..folder.request(execution, figures)
        };
        folder.place.stage_as_it_is(request).await
    };
    let corrections = [
        correct("arn:2", OTHER, "one").await,
        correct("arn:3", "carrier,month,flights,delay\nUA,1,4,-1.50\n", "two").await,
    ];
    let outcomes = processes(&folder, &[&corrections[0], &corrections[1]]);
    let winners: Vec<&Json> = outcomes.iter().filter(|outcome| outcome["version"] == 2).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    let loser = outcomes.iter().find(|outcome| outcome["error"] == "Deliver.Conflict").unwrap();
    let words = loser["cause"].as_str().unwrap();
    let winner = winners[0]["delivery_id"].as_str().unwrap();
    assert!(words.contains(&format!("was corrected meanwhile by delivery {winner}")), "{words}");
    assert!(words.contains("look at it and start again"), "{words}");
    assert_eq!(folder.receiver().accept(), 2);
}

/// The same on S3, where the condition of a write decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_processes_one_delivers_to_s3() {
    let Some(moto) = Moto::start() else { return };
    // moto lets everybody make one.
    let made = ureq::put(format!("{}/drop", moto.endpoint)).send_empty().unwrap();
    assert!(made.status().is_success());
    let environment = [
        ("AWS_ENDPOINT_URL_S3", &*moto.endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let folder = Folder::new();
    let deliver = |batches: &[&Batch]| processes_at(&folder, "s3://drop/for-somebody", &environment, batches);
    let same = folder.stage("arn:1", FLIGHTS).await;
    let outcomes = deliver(&[&same, &same, &same, &same]);
    assert!(outcomes.iter().all(|outcome| outcome["delivery_id"] == *same.delivery_id), "{outcomes:?}");
    let first = outcomes.iter().filter(|outcome| outcome["already_delivered"] == false).count();
    assert_eq!(first, 1, "{outcomes:?}");
    let other = folder.stage("arn:2", OTHER).await;
    assert_eq!(deliver(&[&other])[0]["error"], "Deliver.Conflict");
    let correction = Some(Correction { reason: "late tickets".into() });
    let replaces = Some(same.delivery_id.clone());
    let request = StageRequest { correction, replaces, ..folder.request("arn:3", OTHER) };
    let corrected = folder.place.stage_request(request).await;
    let outcome = deliver(&[&corrected]).remove(0);
    assert_eq!((&outcome["version"], &outcome["changed_rows"]), (&json!(2), &json!(3)), "{outcome}");
    assert_eq!(deliver(&[&corrected])[0]["already_delivered"], true);
}

/// Killed at any point, and delivered again: there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_point_is_made_up_for() {
    let rows = (0..20_000).map(|row| format!("c{row},1,{row},{row:0>60}\n"));
    let figures: String = std::iter::once("carrier,month,flights,note\n".to_owned()).chain(rows).collect();
    let mut delivered_by_the_killed = 0;
    for point in ["nothing", "incoming", "rows", "manifest"] {
        let folder = Folder::new();
        let batch = folder.stage("arn:1", &figures).await;
        let mut child = start(&folder, &batch, 0);
        let version = folder.version(1);
        let is_in = |folder: &Path, end: &str| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names = entries.map(|entry| entry.file_name().into_string().unwrap());
            names.any(|name| name.ends_with(end))
        };
        let incoming = folder.root().join(".stepwright/incoming");
        let reached = || match point {
            "nothing" => true,
            "incoming" => is_in(&incoming, ""),
            "rows" => is_in(&version, ".jsonl"),
            _ => is_in(&version, "manifest.json"),
        };
        while !reached() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();

        let found = folder.channel().find((&batch).into()).await.unwrap();
        let receipt = folder.deliver(&batch).await.unwrap();
        assert_eq!(receipt.already_delivered, found.is_some(), "{point}");
        delivered_by_the_killed += u32::from(found.is_some());
        assert_eq!(folder.deliver(&batch).await.unwrap(), again(&receipt));
        folder.verify(&receipt).await.unwrap();
        let mut receiver = folder.receiver();
        assert_eq!((receiver.accept(), receiver.accept()), (1, 0));
        assert_eq!(receiver.figures("flights", "2013", "").len(), 20_000);
    }
    assert!(delivered_by_the_killed >= 1, "the last one was killed after its manifest");
}

/// Half a million rows, and a correction that reads them all, fit into a small Lambda function.
#[tokio::test]
async fn a_large_batch_needs_little_memory() {
    const ROWS: u64 = 540_000;
    if std::env::var_os("SLOW").is_none() {
        return;
    }
    let folder = Folder::new();
    let request = || StageRequest { channel: "file-drop".into(), ..folder.place.large_request(ROWS) };
    let receipt = folder.deliver(&folder.place.stage_request(request()).await).await.unwrap();
    assert_eq!(receipt.changed_rows, ROWS);
    // Changes on top of what was taken: both are read.
    let ack = json!({ "manifest_id": receipt.delivery_id });
    fs::write(folder.root().join("flights/large/v0001/ack.json"), ack.to_string()).unwrap();
    let fewer = folder.place.large_request(ROWS - 1);
    let correction = Some(Correction { reason: "one too many".into() });
    let fewer = StageRequest { channel: "file-drop".into(), correction, ..fewer };
    let receipt = folder.deliver(&folder.place.stage_request(fewer).await).await.unwrap();
    assert_eq!((receipt.version, receipt.rows), (2, ROWS - 1));
    folder.verify(&receipt).await.unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 200 * 1024, "{kib} KiB");
    eprintln!("peak memory: {kib} KiB");
}

/// Starts a process that delivers a batch and writes down what came of it.
fn start(folder: &Folder, batch: &Batch, number: usize) -> Child {
    start_at(folder, &folder.location(), &[], batch, number)
}

fn start_at(
    folder: &Folder,
    location: &str,
    environment: &[(&str, &str)],
    batch: &Batch,
    number: usize,
) -> Child {
    let order = folder.place.scratch().join(format!("order-{number}.json"));
    let outcome = outcome_of(folder, number);
    let _ = fs::remove_file(&outcome);
    let order_text =
        json!({ "batch": batch, "drop": location, "rows": folder.place.path_of(batch), "outcome": outcome });
    fs::write(&order, order_text.to_string()).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::a_process_that_delivers", "--ignored", "--nocapture"])
        .env("DELIVERY_ORDER", order)
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn outcome_of(folder: &Folder, number: usize) -> PathBuf {
    folder.place.scratch().join(format!("outcome-{number}.json"))
}

/// What came of processes that deliver these batches at once.
fn processes(folder: &Folder, batches: &[&Batch]) -> Vec<Json> {
    processes_at(folder, &folder.location(), &[], batches)
}

fn processes_at(
    folder: &Folder,
    location: &str,
    environment: &[(&str, &str)],
    batches: &[&Batch],
) -> Vec<Json> {
    let batches = batches.iter().enumerate();
    let started = batches.map(|(number, batch)| start_at(folder, location, environment, batch, number));
    let started: Vec<Child> = started.collect();
    let wait = |(number, mut child): (usize, Child)| {
        assert!(child.wait().unwrap().success());
        serde_json::from_slice(&fs::read(outcome_of(folder, number)).unwrap()).unwrap()
    };
    started.into_iter().enumerate().map(wait).collect()
}

/// Not a test: what [`start`] runs.
#[tokio::test]
#[ignore = "run by other tests, as a process that can be killed"]
async fn a_process_that_delivers() {
    let Some(order) = std::env::var_os("DELIVERY_ORDER") else { return };
    let order: Json = serde_json::from_slice(&fs::read(order).unwrap()).unwrap();
    let batch: Batch = serde_json::from_value(order["batch"].clone()).unwrap();
    let text = |name: &str| order[name].as_str().unwrap().to_owned();
    let rows = text("rows");
    let mut folder = FileDrop::open(&text("drop")).unwrap();
    let delivered =
        deliver_through(&mut folder, &batch, || Ok(std::io::BufReader::new(fs::File::open(&rows).unwrap())))
            .await;
    let outcome = match delivered {
        Ok(receipt) => serde_json::to_string(&receipt).unwrap(),
        Err(error) => json!({ "error": error.name(), "cause": error.to_string() }).to_string(),
    };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(text("outcome")).unwrap();
    file.write_all(outcome.as_bytes()).unwrap();
}

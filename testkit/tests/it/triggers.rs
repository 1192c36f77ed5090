//! What triggers send, and the input that the workflow gets of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwright::ir::Workflow;
use stepwright::prelude::*;
use stepwright_testkit as testkit;

stepwright::bucket!(pub Drops = "drops");

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Commission {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<Arrival>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<String>>,
    pub configuration: String,
}

#[derive(Debug, StepError)]
pub enum NoError {}

#[step]
pub async fn take_in(commission: Commission) -> Result<(), NoError> {
    drop(commission);
    Ok(())
}

fn workflow() -> Workflow {
    let configuration = || lit("customer.toml".to_owned());
    let body = |w: &mut Flow, commission: Expr<Commission>| {
        // A value of the input inside of a map, and the input as a whole.
        let files = commission.files.unwrap_or(list([]));
        let keys =
            files.each("Each file").run(w, |_, file| commission.configuration.concat(":").concat(file.key));
        take_in(commission).run(w);
        keys
    };
    stepwright::workflow("commission", body)
        .on_objects::<Drops>("contracts/")
        .with(move |object| CommissionExpr {
            files: some(list([object])),
            messages: none(),
            configuration: configuration(),
        })
        .on_queue("contracts")
        .with(move |messages| CommissionExpr {
            files: none(),
            messages: some(messages),
            configuration: configuration(),
        })
        .build()
}

fn taken_in(started_with: Value) -> (Commission, Vec<String>) {
    let run = testkit::run(workflow(), started_with).mock::<TakeIn>(Ok(())).start();
    let input = run.inputs::<TakeIn>().pop().expect("one call");
    (input, run.output().expect("it succeeds"))
}

/// S3 user guide, "`EventBridge` event message structure".
fn event(object: &Value) -> Value {
    json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created",
        "source": "aws.s3", "account": "111122223333", "time": "2021-11-12T00:00:00Z", "region": "ca-central-1",
        "resources": ["arn:aws:s3:::app-dropsbucket-1x2y"],
        "detail": { "version": "0", "bucket": { "name": "app-dropsbucket-1x2y" }, "object": object, "reason": "PutObject" },
    })
}

fn arrived(version_id: Option<&str>, bytes: Option<u64>) -> Commission {
    let (bucket, key) = ("drops".to_owned(), "contracts/a \"b\".csv".to_owned());
    let file = Arrival { bucket, key, version_id: version_id.map(str::to_owned), sha256: None, bytes };
    Commission { files: Some(vec![file]), messages: None, configuration: "customer.toml".to_owned() }
}

#[test]
fn an_event_of_an_object_becomes_an_arrival() {
    let key = "contracts/a \"b\".csv";
    let (commission, keys) =
        taken_in(event(&json!({ "key": key, "size": 5, "etag": "b1946ac9", "version-id": "IYV3p45B" })));
    assert_eq!(commission, arrived(Some("IYV3p45B"), Some(5)));
    assert_eq!(keys, ["customer.toml:contracts/a \"b\".csv"]);
    // The bucket keeps no versions.
    let (commission, _) = taken_in(event(&json!({ "key": key })));
    assert_eq!(commission, arrived(None, None));
}

#[test]
fn what_a_pipe_sends_becomes_texts() {
    let message = |body: &str| {
        json!({ "messageId": "1", "receiptHandle": "r", "body": body, "attributes": {}, "messageAttributes": {},
                "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:app-contracts" })
    };
    for bodies in [vec!["{\"contract\": 1}"], vec!["{\"contract\": 1}", "[2]", ""]] {
        let (commission, keys) = taken_in(bodies.iter().copied().map(message).collect());
        assert_eq!(commission.messages, Some(bodies.iter().map(|body| (*body).to_owned()).collect()));
        assert_eq!(
            (commission.files, commission.configuration, keys.len()),
            (None, "customer.toml".to_owned(), 0)
        );
    }
}

#[test]
fn an_input_passes_as_it_is() {
    let (commission, keys) =
        taken_in(json!({ "files": [{ "bucket": "drops", "key": "k" }], "configuration": "mine" }));
    let file = Arrival {
        bucket: "drops".to_owned(),
        key: "k".to_owned(),
        version_id: None,
        sha256: None,
        bytes: None,
    };
    assert_eq!(
        commission,
        Commission { files: Some(vec![file]), messages: None, configuration: "mine".to_owned() }
    );
    assert_eq!(keys, ["mine:k"]);
}

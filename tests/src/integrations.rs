//! Service integrations against a simulated account: what a service of every
//! protocol is sent, it understands, and what it answers is understood.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::channel;

use engine::{Completion, TaskHost, TaskKey, TaskOutcome, TaskRequest};
use serde_json::{Value, json};
use server::{AwsSettings, Integrations};

use crate::processes::Moto;

struct NoFunctions;

impl TaskHost for NoFunctions {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

struct Account {
    host: Integrations,
    _moto: Moto,
}

impl Account {
    fn start() -> Option<Self> {
        let moto = Moto::start()?;
        let environment = BTreeMap::from([("AWS_ENDPOINT_URL".to_owned(), moto.endpoint.clone())]);
        let settings = AwsSettings::new(environment, "us-east-1");
        Some(Self { host: Integrations::new(Arc::new(NoFunctions), BTreeSet::new(), settings), _moto: moto })
    }

    fn outcome(&self, resource: &str, arguments: Value) -> TaskOutcome {
        let (sender, receiver) = channel();
        let arn = "arn:aws:states:us-east-1:123456789012:execution:m:e";
        let task = TaskRequest {
            key: TaskKey { execution_arn: arn.into(), event_id: 1 },
            execution_arn: arn.to_owned(),
            state_name: "S".to_owned(),
            attempt: 0,
            resource: format!("arn:aws:states:::{resource}"),
            arguments,
            timeout_seconds: None,
            token: None,
            trace_header: None,
        };
        self.host.invoke(task, Completion::new(move |outcome| sender.send(outcome).unwrap()));
        receiver.recv().unwrap()
    }

    fn call(&self, resource: &str, arguments: Value) -> Value {
        match self.outcome(resource, arguments) {
            TaskOutcome::Succeeded(text) => serde_json::from_str(&text).unwrap(),
            TaskOutcome::Failed { error, cause } => panic!("{resource}: {error}: {cause}"),
        }
    }

    fn fail(&self, resource: &str, arguments: Value) -> (String, String) {
        match self.outcome(resource, arguments) {
            TaskOutcome::Succeeded(text) => panic!("{resource}: {text}"),
            TaskOutcome::Failed { error, cause } => (error, cause),
        }
    }
}

#[test]
fn queues_and_topics() {
    let Some(account) = Account::start() else { return };
    let queue = account.call("aws-sdk:sqs:createQueue", json!({ "QueueName": "q" }))["QueueUrl"].clone();
    let attributes = json!({ "kind": { "DataType": "String", "StringValue": "new" } });
    let sent = account.call(
        "sqs:sendMessage",
        json!({ "QueueUrl": queue, "MessageBody": { "a": 1 }, "MessageAttributes": attributes }),
    );
    assert_eq!(sent["MD5OfMessageBody"], "bb6cb5c68df4652941caf652a366f2d8", "{sent}");
    assert_eq!(sent["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let receive = json!({ "QueueUrl": queue, "MessageAttributeNames": ["All"], "AttributeNames": ["All"] });
    let message = account.call("aws-sdk:sqs:receiveMessage", receive)["Messages"][0].clone();
    assert_eq!(
        (&message["Body"], &message["MessageAttributes"]["kind"]["StringValue"]),
        (&json!("{\"a\":1}"), &json!("new"))
    );
    let (error, cause) = account.fail(
        "sqs:sendMessage",
        json!({ "QueueUrl": format!("{}x", queue.as_str().unwrap()), "MessageBody": "m" }),
    );
    assert_eq!(error, "SQS.QueueDoesNotExistException", "{cause}");
    assert!(cause.contains("(Service: AmazonSQS; Status Code: 400; Error Code: "), "{cause}");

    let topic = account.call("aws-sdk:sns:createTopic", json!({ "Name": "t" }))["TopicArn"].clone();
    let arn = account
        .call("aws-sdk:sqs:getQueueAttributes", json!({ "QueueUrl": queue, "AttributeNames": ["QueueArn"] }));
    let subscribed = account.call(
        "aws-sdk:sns:subscribe",
        json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn["Attributes"]["QueueArn"] }),
    );
    assert!(subscribed["SubscriptionArn"].is_string(), "{subscribed}");
    account.call("sns:publish", json!({ "TopicArn": topic, "Message": { "b": "é&<" } }));
    let message =
        account.call("aws-sdk:sqs:receiveMessage", json!({ "QueueUrl": queue }))["Messages"][0].clone();
    let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
    assert_eq!(body["Message"], "{\"b\":\"é&<\"}");
    let (error, cause) = account.fail(
        "sns:publish",
        json!({ "TopicArn": "arn:aws:sns:us-east-1:123456789012:none", "Message": "m" }),
    );
    assert_eq!(error, "SNS.NotFoundException", "{cause}");
}

#[test]
fn tables() {
    let Some(account) = Account::start() else { return };
    account.call(
        "aws-sdk:dynamodb:createTable",
        json!({
            "TableName": "t", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }]
        }),
    );
    let item =
        json!({ "id": { "S": "1" }, "yes": { "BOOL": true }, "n": { "N": "1.50" }, "raw": { "B": "bytes" } });
    account.call("dynamodb:putItem", json!({ "TableName": "t", "Item": item }));
    let key = json!({ "TableName": "t", "Key": { "id": { "S": "1" } } });
    assert_eq!(account.call("dynamodb:getItem", key.clone())["Item"], item);
    assert_eq!(account.call("aws-sdk:dynamodb:getItem", key)["Item"]["yes"], json!({ "Bool": true }));
    let again = json!({ "TableName": "t", "Item": item, "ConditionExpression": "attribute_not_exists(id)" });
    assert_eq!(
        account.fail("aws-sdk:dynamodb:putItem", again.clone()).0,
        "DynamoDb.ConditionalCheckFailedException"
    );
    let (error, cause) = account.fail("dynamodb:putItem", again);
    assert_eq!(error, "DynamoDB.ConditionalCheckFailedException");
    assert!(cause.contains("(Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ConditionalCheckFailedException; Request ID: "), "{cause}");
    let (error, cause) = account.fail("aws-sdk:dynamodb:getItem", json!({ "TableName": "none", "Key": {} }));
    assert_eq!(error, "DynamoDb.ResourceNotFoundException");
    assert!(
        cause.starts_with("Requested resource not found (Service: DynamoDb, Status Code: 400, Request ID: "),
        "{cause}"
    );
}

#[test]
fn buckets() {
    let Some(account) = Account::start() else { return };
    account.call("aws-sdk:s3:createBucket", json!({ "Bucket": "bucket" }));
    for (key, body) in
        [("dir/a b+é.json", json!({ "x": [1] })), ("text", json!("text data")), ("number", json!(0))]
    {
        let put = account.call(
            "aws-sdk:s3:putObject",
            json!({ "Bucket": "bucket", "Key": key, "Body": body, "Metadata": { "owner": "me" } }),
        );
        assert!(put["ETag"].is_string(), "{put}");
        let got = account.call("aws-sdk:s3:getObject", json!({ "Bucket": "bucket", "Key": key }));
        assert_eq!(got["Body"], body.as_str().map_or_else(|| body.to_string(), str::to_owned));
        assert_eq!(got["Metadata"], json!({ "owner": "me" }), "{got}");
    }
    let listed = account.call("aws-sdk:s3:listObjectsV2", json!({ "Bucket": "bucket", "Prefix": "dir/" }));
    assert_eq!((&listed["KeyCount"], &listed["Contents"][0]["Key"]), (&json!(1), &json!("dir/a b+é.json")));
    let tags = json!({ "Bucket": "bucket", "Tagging": { "TagSet": [{ "Key": "k", "Value": "v<" }] } });
    account.call("aws-sdk:s3:putBucketTagging", tags);
    assert_eq!(
        account.call("aws-sdk:s3:getBucketTagging", json!({ "Bucket": "bucket" })),
        json!({ "TagSet": [{ "Key": "k", "Value": "v<" }] })
    );
    let deleted = account.call(
        "aws-sdk:s3:deleteObjects",
        json!({ "Bucket": "bucket", "Delete": { "Objects": [{ "Key": "text" }] } }),
    );
    assert_eq!(deleted["Deleted"][0]["Key"], "text");
    let (error, cause) = account.fail("aws-sdk:s3:getObject", json!({ "Bucket": "bucket", "Key": "text" }));
    assert_eq!(error, "S3.NoSuchKeyException");
    assert!(
        cause.starts_with("The specified key does not exist. (Service: S3, Status Code: 404, Request ID: "),
        "{cause}"
    );
}

#[test]
fn events_functions_machines_and_roles() {
    let Some(account) = Account::start() else { return };
    let entry = json!({ "Source": "s", "DetailType": "d", "Detail": { "a": 1 } });
    let put = account.call("events:putEvents", json!({ "Entries": [entry] }));
    assert_eq!(put["FailedEntryCount"], 0, "{put}");
    let bad = json!({ "Entries": [{ "Source": "s", "DetailType": "d", "Detail": "no JSON" }] });
    assert_eq!(account.fail("events:putEvents", bad).0, "EventBridge.FailedEntry");

    let invoke = json!({ "FunctionName": "none", "Payload": {} });
    let (error, cause) = account.fail("lambda:invoke", invoke.clone());
    assert_eq!(error, "Lambda.ResourceNotFoundException", "{cause}");
    assert!(
        cause.contains(
            "(Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: "
        ),
        "{cause}"
    );
    assert_eq!(account.fail("aws-sdk:lambda:invoke", invoke).0, "Lambda.ResourceNotFoundException");

    let trust = json!({ "Version": "2012-10-17", "Statement": [] });
    let role =
        account.call("aws-sdk:iam:createRole", json!({ "RoleName": "r", "AssumeRolePolicyDocument": trust }));
    assert_eq!(role["Role"]["RoleName"], "r", "{role}");
    assert!(role["Role"]["CreateDate"].as_str().is_some_and(|date| date.ends_with('Z')), "{role}");
    assert_eq!(
        account.fail("aws-sdk:iam:getRole", json!({ "RoleName": "none" })).0,
        "Iam.NoSuchEntityException"
    );
    let zones = account.call("aws-sdk:ec2:describeAvailabilityZones", json!({ "ZoneNames": ["us-east-1a"] }));
    assert_eq!(zones["AvailabilityZones"][0]["ZoneName"], "us-east-1a", "{zones}");
    assert_eq!(account.call("aws-sdk:sts:getCallerIdentity", json!({}))["Account"], "123456789012");
    let secret = account
        .call("aws-sdk:secretsmanager:createSecret", json!({ "Name": "s", "SecretString": { "k": "v" } }));
    assert_eq!(secret["Name"], "s");
    let found = account.call("aws-sdk:secretsmanager:getSecretValue", json!({ "SecretId": "s" }));
    assert_eq!(found["SecretString"], "{\"k\":\"v\"}");
}

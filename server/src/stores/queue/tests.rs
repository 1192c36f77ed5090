use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ManualClock;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::http::{JsonApi as _, JsonError};
use crate::stores::shared::Shared;

/// Queues with a clock that stands still.
struct Lab {
    queues: Arc<Queues>,
    clock: ManualClock,
    shared: Arc<Shared>,
    _folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(1_700_000_000_000);
        let shared = Arc::new(Shared::for_tests(folder.path(), clock.clone()));
        let moves = Arc::new(Moves::new(Arc::clone(&shared)));
        Self {
            queues: Arc::new(Queues::new(Arc::clone(&shared), moves).unwrap()),
            clock,
            shared,
            _folder: folder,
        }
    }

    fn run(&self, operation: &str, parameters: Value) -> Result<Value, JsonError> {
        if operation == "ReceiveMessage" {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            return runtime.block_on(Arc::clone(&self.queues).call(operation, parameters));
        }
        self.queues.run(operation, &parameters)
    }

    fn code(&self, operation: &str, parameters: Value) -> String {
        self.run(operation, parameters).unwrap_err().code.into_owned()
    }

    #[expect(clippy::needless_pass_by_value, reason = "who calls has no further use for them")]
    fn create(&self, name: &str, attributes: Value) -> String {
        let answer = self.run("CreateQueue", json!({ "QueueName": name, "Attributes": attributes })).unwrap();
        answer["QueueUrl"].as_str().unwrap().to_owned()
    }

    fn send(&self, url: &str, body: &str) {
        self.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": body })).unwrap();
    }

    fn receive(&self, url: &str) -> Vec<Value> {
        let answer = self.run(
            "ReceiveMessage",
            json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"] }),
        );
        answer.unwrap()["Messages"].as_array().cloned().unwrap_or_default()
    }

    fn bodies(&self, url: &str) -> Vec<String> {
        self.receive(url).iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect()
    }

    fn count(&self, url: &str, name: &str) -> String {
        let answer = self.run("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": [name] }));
        answer.unwrap()["Attributes"][name].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_message_is_invisible_after_it_was_received_and_comes_again() {
    let lab = Lab::new();
    let url = lab.create("work", json!({ "VisibilityTimeout": "10" }));
    assert_eq!(url, "http://127.0.0.1:4599/123456789012/work");
    lab.send(&url, "one");
    let first = &lab.receive(&url)[0];
    assert_eq!(first["MD5OfBody"], "f97c5d29941bfb1b2fdab0874906ab82");
    assert_eq!(first["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(first["Attributes"]["SentTimestamp"], "1700000000000");
    assert_eq!(
        (lab.receive(&url).len(), lab.count(&url, "ApproximateNumberOfMessagesNotVisible")),
        (0, "1".to_owned())
    );
    lab.clock.advance_millis(10_000);
    let second = &lab.receive(&url)[0];
    assert_eq!(second["Attributes"]["ApproximateReceiveCount"], "2");
    let delete = |message: &Value| {
        lab.run("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] }))
            .unwrap()
    };
    delete(first);
    assert_eq!(
        lab.count(&url, "ApproximateNumberOfMessagesNotVisible"),
        "1",
        "an old receipt deletes nothing"
    );
    let change = json!({ "QueueUrl": url, "ReceiptHandle": second["ReceiptHandle"], "VisibilityTimeout": 0 });
    lab.run("ChangeMessageVisibility", change.clone()).unwrap();
    assert_eq!(lab.code("ChangeMessageVisibility", change), "MessageNotInflight");
    let third = &lab.receive(&url)[0];
    delete(third);
    lab.clock.advance_millis(60_000);
    assert!(lab.receive(&url).is_empty());
    assert_eq!(
        lab.code("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": "x" })),
        "ReceiptHandleIsInvalid"
    );
}

#[test]
fn a_message_that_is_received_too_often_goes_to_the_dead_letter_queue_and_back() {
    let lab = Lab::new();
    let dead = lab.create("dead", json!({}));
    let policy =
        json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": "2" });
    let url = lab.create("work", json!({ "VisibilityTimeout": "1", "RedrivePolicy": policy.to_string() }));
    lab.send(&url, "poison");
    for _ in 0..2 {
        assert_eq!(lab.bodies(&url), ["poison"]);
        lab.clock.advance_millis(1_000);
    }
    assert!(lab.bodies(&url).is_empty());
    let received = lab.receive(&dead);
    assert_eq!(
        received[0]["Attributes"]["DeadLetterQueueSourceArn"],
        "arn:aws:sqs:us-east-1:123456789012:work"
    );
    assert_eq!(received[0]["Attributes"]["ApproximateReceiveCount"], "1");
    let sources = lab.run("ListDeadLetterSourceQueues", json!({ "QueueUrl": dead })).unwrap();
    assert_eq!(sources["queueUrls"], json!([url]));
    // A move takes what is visible.
    lab.clock.advance_millis(60_000);
    let source = "arn:aws:sqs:us-east-1:123456789012:dead";
    let to_itself = json!({ "SourceArn": source, "DestinationArn": source });
    assert_eq!(lab.code("StartMessageMoveTask", to_itself), "InvalidParameterValue");
    let own = Arc::new(Moves::new(Arc::clone(&lab.shared)));
    let worker = Arc::clone(&own);
    lab.run("StartMessageMoveTask", json!({ "SourceArn": source })).unwrap();
    let thread = std::thread::spawn(move || worker.run());
    let state =
        || lab.run("ListMessageMoveTasks", json!({ "SourceArn": source })).unwrap()["Results"][0].clone();
    while state()["Status"] == "RUNNING" {
        std::thread::yield_now();
    }
    own.end();
    thread.join().unwrap();
    assert_eq!(
        (&state()["Status"], &state()["ApproximateNumberOfMessagesMoved"]),
        (&json!("COMPLETED"), &json!(1))
    );
    // It is sent anew: what it was before does not make it expire.
    let moved = lab.receive(&url);
    assert_eq!(moved[0]["Body"], "poison");
    assert_ne!(moved[0]["MessageId"], received[0]["MessageId"]);
    assert_ne!(moved[0]["Attributes"]["SentTimestamp"], received[0]["Attributes"]["SentTimestamp"]);
    assert_eq!(
        lab.code("StartMessageMoveTask", json!({ "SourceArn": "arn:aws:sqs:us-east-1:123456789012:work" })),
        "InvalidParameterValue"
    );
}

#[test]
fn fifo_keeps_the_order_of_a_group_and_knows_what_was_sent() {
    let lab = Lab::new();
    let url = lab.create(
        "work.fifo",
        json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "5" }),
    );
    let send = |body: &str, group: &str| {
        lab.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": body, "MessageGroupId": group }))
            .unwrap()
    };
    let first = send("a1", "a");
    let again = send("a1", "a");
    assert_eq!(
        (&first["MessageId"], &first["SequenceNumber"]),
        (&again["MessageId"], &again["SequenceNumber"])
    );
    send("a2", "a");
    send("b1", "b");
    let one = |lab: &Lab| {
        let answer = lab.run("ReceiveMessage", json!({ "QueueUrl": url })).unwrap();
        answer["Messages"][0].clone()
    };
    let received = one(&lab);
    assert_eq!(received["Body"], "a1");
    assert_eq!(one(&lab)["Body"], "b1", "the group a waits for a1");
    assert_eq!(one(&lab), Value::Null);
    lab.run("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": received["ReceiptHandle"] })).unwrap();
    assert_eq!(one(&lab)["Body"], "a2");
    lab.clock.advance_millis(5_000);
    assert_eq!(lab.bodies(&url), ["a2", "b1"]);
    lab.clock.advance_millis(300_000);
    send("a1", "a");
    assert_eq!(lab.bodies(&url), ["a2", "b1", "a1"], "five minutes later it is new");
    assert_eq!(lab.code("SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" })), "MissingParameter");
    assert_eq!(lab.code("CreateQueue", json!({ "QueueName": "x.fifo" })), "InvalidParameterValue");
}

#[test]
fn delays_and_retention_are_kept() {
    let lab = Lab::new();
    let url = lab.create("work", json!({ "MessageRetentionPeriod": "60" }));
    lab.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": "later", "DelaySeconds": 20 })).unwrap();
    assert_eq!(lab.count(&url, "ApproximateNumberOfMessagesDelayed"), "1");
    assert!(lab.bodies(&url).is_empty());
    lab.clock.advance_millis(20_000);
    assert_eq!(lab.bodies(&url), ["later"]);
    lab.clock.advance_millis(40_000);
    assert!(lab.bodies(&url).is_empty(), "its time is over");
    assert_eq!(
        lab.code("SendMessage", json!({ "QueueUrl": url, "MessageBody": "x", "DelaySeconds": 901 })),
        "InvalidParameterValue"
    );
}

#[test]
fn batches_are_done_entry_by_entry() {
    let lab = Lab::new();
    let url = lab.create("work", json!({}));
    let entry = |id: &str, body: &str| json!({ "Id": id, "MessageBody": body });
    let sent = lab
        .run(
            "SendMessageBatch",
            json!({ "QueueUrl": url, "Entries": [entry("a", "1"), entry("b", "\u{1}")] }),
        )
        .unwrap();
    assert_eq!(sent["Successful"][0]["Id"], "a");
    assert_eq!(
        sent["Failed"],
        json!([{ "Id": "b", "SenderFault": true, "Code": "InvalidMessageContents", "Message": sent["Failed"][0]["Message"] }])
    );
    let code =
        |entries: Vec<Value>| lab.code("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries }));
    assert_eq!(code(vec![]), "EmptyBatchRequest");
    assert_eq!(code(vec![entry("a", "1"), entry("a", "2")]), "BatchEntryIdsNotDistinct");
    assert_eq!(code(vec![entry("a b", "1")]), "InvalidBatchEntryId");
    assert_eq!(code((0..11).map(|at| entry(&at.to_string(), "1")).collect()), "TooManyEntriesInBatchRequest");
    assert_eq!(
        code(vec![entry("a", &"x".repeat(600_000)), entry("b", &"x".repeat(600_000))]),
        "BatchRequestTooLong"
    );
    let received = lab.receive(&url);
    let handle = &received[0]["ReceiptHandle"];
    let entries = json!([{ "Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 5 }, { "Id": "b", "ReceiptHandle": "x", "VisibilityTimeout": 5 }]);
    let changed =
        lab.run("ChangeMessageVisibilityBatch", json!({ "QueueUrl": url, "Entries": entries })).unwrap();
    assert_eq!(
        (&changed["Successful"], &changed["Failed"][0]["Code"]),
        (&json!([{ "Id": "a" }]), &json!("ReceiptHandleIsInvalid"))
    );
    let deleted = lab
        .run(
            "DeleteMessageBatch",
            json!({ "QueueUrl": url, "Entries": [{ "Id": "a", "ReceiptHandle": handle }] }),
        )
        .unwrap();
    assert_eq!(deleted, json!({ "Successful": [{ "Id": "a" }] }));
}

#[test]
fn digests_are_those_that_clients_verify() {
    let lab = Lab::new();
    let url = lab.create("work", json!({}));
    let attributes = json!({
        "Text": { "DataType": "String", "StringValue": "value" },
        "Bytes": { "DataType": "Binary.png", "BinaryValue": "AQID" },
        "Count": { "DataType": "Number", "StringValue": "12" },
    });
    let sent = lab
        .run("SendMessage", json!({ "QueueUrl": url, "MessageBody": "x", "MessageAttributes": attributes }))
        .unwrap();
    let message = &lab.receive(&url)[0];
    assert_eq!(message["MessageAttributes"], attributes);
    assert_eq!(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    let wrong = |kind: &str, value: Value| {
        let mut attribute = value;
        attribute["DataType"] = json!(kind);
        lab.code(
            "SendMessage",
            json!({ "QueueUrl": url, "MessageBody": "x", "MessageAttributes": { "A": attribute } }),
        )
    };
    assert_eq!(wrong("Text", json!({ "StringValue": "x" })), "InvalidParameterValue");
    assert_eq!(wrong("Number", json!({ "StringValue": "x" })), "InvalidParameterValue");
    assert_eq!(wrong("Binary", json!({ "StringValue": "x" })), "InvalidParameterValue");
}

#[test]
fn queues_are_made_once_and_have_attributes_and_tags() {
    let lab = Lab::new();
    let url = lab.create("work", json!({ "VisibilityTimeout": "7" }));
    assert_eq!(lab.create("work", json!({ "VisibilityTimeout": "7", "DelaySeconds": "0" })), url);
    assert_eq!(
        lab.code("CreateQueue", json!({ "QueueName": "work", "Attributes": { "VisibilityTimeout": "8" } })),
        "QueueNameExists"
    );
    assert_eq!(lab.code("CreateQueue", json!({ "QueueName": "a b" })), "InvalidParameterValue");
    assert_eq!(
        lab.code("CreateQueue", json!({ "QueueName": "x", "Attributes": { "VisibilityTimeout": "43201" } })),
        "InvalidAttributeValue"
    );
    assert_eq!(
        lab.code("CreateQueue", json!({ "QueueName": "x", "Attributes": { "Colour": "red" } })),
        "InvalidAttributeName"
    );
    assert_eq!(lab.code("GetQueueUrl", json!({ "QueueName": "other" })), "QueueDoesNotExist");
    assert_eq!(lab.code("GetQueueUrl", json!({})), "MissingParameter");
    lab.run("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": { "DelaySeconds": "3" } })).unwrap();
    assert_eq!(lab.count(&url, "DelaySeconds"), "3");
    assert_eq!(lab.count(&url, "QueueArn"), "arn:aws:sqs:us-east-1:123456789012:work");
    let tag = json!({ "QueueUrl": url, "Tags": { "team": "data", "tier": "1" } });
    lab.run("TagQueue", tag).unwrap();
    lab.run("UntagQueue", json!({ "QueueUrl": url, "TagKeys": ["tier"] })).unwrap();
    assert_eq!(
        lab.run("ListQueueTags", json!({ "QueueUrl": url })).unwrap(),
        json!({ "Tags": { "team": "data" } })
    );
    lab.create("worse", json!({}));
    let page = lab.run("ListQueues", json!({ "QueueNamePrefix": "wor", "MaxResults": 1 })).unwrap();
    assert_eq!(page["QueueUrls"], json!([url]));
    let rest = lab.run("ListQueues", json!({ "MaxResults": 1, "NextToken": page["NextToken"] })).unwrap();
    assert_eq!(
        (rest["QueueUrls"][0].as_str().map(|url| url.ends_with("/worse")), rest.get("NextToken")),
        (Some(true), None)
    );
    lab.send(&url, "x");
    lab.run("PurgeQueue", json!({ "QueueUrl": url })).unwrap();
    lab.run("DeleteQueue", json!({ "QueueUrl": url })).unwrap();
    assert_eq!(lab.code("SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" })), "QueueDoesNotExist");
}

#[test]
fn a_receive_waits_for_what_comes() {
    let lab = Lab::new();
    let url = lab.create("work", json!({}));
    let queues = Arc::clone(&lab.queues);
    let waiting = json!({ "QueueUrl": url, "WaitTimeSeconds": 20 });
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(queues.call("ReceiveMessage", waiting)).unwrap()
    });
    lab.send(&url, "here");
    assert_eq!(thread.join().unwrap()["Messages"][0]["Body"], "here");
    lab.queues.stop();
    assert_eq!(
        lab.run("ReceiveMessage", json!({ "QueueUrl": url, "WaitTimeSeconds": 20 })).unwrap(),
        json!({})
    );
}

#[test]
fn what_was_sent_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(0);
    for (run, wanted) in [(0, 1), (1, 2)] {
        let shared = Arc::new(Shared::for_tests(folder.path(), clock.clone()));
        let queues = Queues::new(Arc::clone(&shared), Arc::new(Moves::new(shared))).unwrap();
        let url = queues.run("CreateQueue", &json!({ "QueueName": "q" })).unwrap()["QueueUrl"].clone();
        queues.run("SendMessage", &json!({ "QueueUrl": url, "MessageBody": format!("{run}") })).unwrap();
        let attributes =
            queues.run("GetQueueAttributes", &json!({ "QueueUrl": url, "AttributeNames": ["All"] }));
        assert_eq!(attributes.unwrap()["Attributes"]["ApproximateNumberOfMessages"], wanted.to_string());
    }
}

#[test]
fn calls_that_wait_get_a_message_each_and_what_is_delayed_in_time() {
    let lab = Lab::new();
    let url = lab.create("work", json!({}));
    let wait = || {
        let (queues, waiting) = (Arc::clone(&lab.queues), json!({ "QueueUrl": url, "WaitTimeSeconds": 20 }));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let answer = runtime.block_on(queues.call("ReceiveMessage", waiting)).unwrap();
            answer["Messages"][0]["Body"].as_str().unwrap_or_default().to_owned()
        })
    };
    let threads: Vec<_> = (0..12).map(|_| wait()).collect();
    let entries: Vec<Value> =
        (0..10).map(|at| json!({ "Id": at.to_string(), "MessageBody": format!("m{at:02}") })).collect();
    lab.run("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).unwrap();
    lab.send(&url, "m10");
    lab.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": "m11", "DelaySeconds": 5 })).unwrap();
    lab.clock.advance_millis(5_000);
    let mut bodies: Vec<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    bodies.sort();
    assert_eq!(bodies, (0..12).map(|at| format!("m{at:02}")).collect::<Vec<_>>());
}

#[test]
fn who_waits_is_woken_by_messages_and_does_not_have_to_look() {
    let mut lab = Lab::new();
    Arc::get_mut(&mut lab.queues).expect("nobody else has them").look = Duration::from_hours(1);
    let url = lab.create("work", json!({}));
    let (sender, bodies) = std::sync::mpsc::channel();
    for _ in 0..11 {
        let (queues, sender) = (Arc::clone(&lab.queues), sender.clone());
        let waiting = json!({ "QueueUrl": url, "WaitTimeSeconds": 20 });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let answer = runtime.block_on(queues.call("ReceiveMessage", waiting)).unwrap();
            sender.send(answer["Messages"][0]["Body"].as_str().unwrap_or_default().to_owned()).unwrap();
        });
    }
    let begun = Instant::now();
    // All wait, and have looked once and found nothing: the keeper and those that it keeps for.
    while lab.shared.arrivals.waiting(1) < 11 || begun.elapsed() < Duration::from_millis(500) {
        assert!(begun.elapsed() < Duration::from_secs(10), "they do not wait");
        std::thread::yield_now();
    }
    lab.send(&url, "m10");
    let first = bodies.recv_timeout(Duration::from_secs(10)).expect("woken by a message");
    let entries: Vec<Value> =
        (0..10).map(|at| json!({ "Id": at.to_string(), "MessageBody": format!("m{at:02}") })).collect();
    lab.run("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).unwrap();
    let others =
        (0..10).map(|_| bodies.recv_timeout(Duration::from_secs(10)).expect("as many as there are messages"));
    let mut all: Vec<String> = std::iter::once(first).chain(others).collect();
    all.sort();
    assert_eq!(all, (0..11).map(|at| format!("m{at:02}")).collect::<Vec<_>>());
}

#[test]
fn a_queue_is_known_by_account_and_name_wherever_it_is_reached() {
    let lab = Lab::new();
    lab.create("q", json!({}));
    let send = |url: &str| {
        lab.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" }))
            .map_or_else(|error| error.code.into_owned(), |_| "sent".to_owned())
    };
    for url in [
        "http://127.0.0.1:4599/123456789012/q",
        "https://sqs.us-east-1.amazonaws.com/123456789012/q",
        "http://queues.test:1/123456789012/q",
    ] {
        assert_eq!(send(url), "sent", "{url}");
    }
    for url in ["http://127.0.0.1:4599/999999999999/q", "http://127.0.0.1:4599/123456789012/other"] {
        assert_eq!(send(url), "QueueDoesNotExist", "{url}");
    }
    for url in [
        "q",
        "123456789012/q",
        "http://127.0.0.1:4599/q",
        "http://127.0.0.1:4599/123456789012/",
        "http://127.0.0.1:4599/123456789012/../q",
        "http://127.0.0.1:4599/x/123456789012/q",
        "http://127.0.0.1:4599/123456789012/q?x=1",
        "http://127.0.0.1:4599//123456789012/q",
    ] {
        assert_eq!(send(url), "InvalidAddress", "{url}");
        assert_eq!(lab.code("ReceiveMessage", json!({ "QueueUrl": url })), "InvalidAddress", "{url}");
    }
}

/// So many messages that were received and not deleted.
fn in_flight(lab: &Lab, messages: i64) {
    let insert = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
         INSERT INTO messages (queue_id, message_id, body, sent_millis, visible_millis, expires_millis, \
         receive_count, receipt) SELECT 1, i, 'x', 0, 1700000010000 + i, 1800000000000, 1, 'r' FROM n";
    lab.shared.database.write(move |connection| Ok(connection.execute(insert, [messages])?)).unwrap();
}

#[test]
fn so_many_messages_are_in_flight_and_no_more() {
    let lab = Lab::new();
    let url = lab.create("work", json!({}));
    in_flight(&lab, asl::limits::QUEUE_IN_FLIGHT_MAX - 1);
    for body in ["a", "b", "c", "d"] {
        lab.send(&url, body);
    }
    let one = || {
        lab.run("ReceiveMessage", json!({ "QueueUrl": url, "VisibilityTimeout": 600 }))
            .map(|answer| answer["Messages"][0].clone())
    };
    let delete = |message: &Value| {
        lab.run("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] }))
    };
    let first = one().unwrap();
    for _ in 0..2 {
        assert_eq!(one().unwrap_err().code, "OverLimit");
    }
    delete(&first).unwrap();
    delete(&first).unwrap();
    let second = one().unwrap();
    assert_eq!(one().unwrap_err().code, "OverLimit", "deleted twice is deleted once");
    let change = json!({ "QueueUrl": url, "ReceiptHandle": second["ReceiptHandle"], "VisibilityTimeout": 0 });
    lab.run("ChangeMessageVisibility", change).unwrap();
    assert!(one().is_ok());
    assert_eq!(one().unwrap_err().code, "OverLimit");
    // One of them becomes visible by itself.
    lab.clock.advance_millis(10_001);
    assert!(one().is_ok());
    assert_eq!(one().unwrap_err().code, "OverLimit");
    lab.run("PurgeQueue", json!({ "QueueUrl": url })).unwrap();
    lab.send(&url, "e");
    assert_eq!(one().unwrap()["Body"], "e");
}

#[test]
fn a_receive_removes_what_has_expired() {
    let lab = Lab::new();
    let url = lab.create("work", json!({ "MessageRetentionPeriod": "60" }));
    lab.send(&url, "old");
    let other = lab.create("other", json!({}));
    lab.send(&other, "here");
    lab.clock.advance_millis(60_000);
    let rows = || {
        let count = "SELECT count(*) FROM messages";
        lab.shared
            .database
            .read(move |connection| crate::stores::database::count(connection, count, []))
            .unwrap()
    };
    assert_eq!(rows(), 2);
    assert_eq!((lab.bodies(&other), rows()), (vec!["here".to_owned()], 1));
}

#[test]
fn in_a_fifo_dead_letter_queue_a_message_is_known_by_its_own_id() {
    let lab = Lab::new();
    let dead = lab.create("dead.fifo", json!({ "FifoQueue": "true" }));
    let policy = json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead.fifo", "maxReceiveCount": 1 });
    let url = lab.create(
        "work.fifo",
        json!({ "FifoQueue": "true", "VisibilityTimeout": "1", "RedrivePolicy": policy.to_string() }),
    );
    let sent = lab
        .run(
            "SendMessage",
            json!({ "QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d" }),
        )
        .unwrap();
    assert_eq!(lab.receive(&url)[0]["Attributes"]["MessageDeduplicationId"], "d");
    lab.clock.advance_millis(1_000);
    assert!(lab.receive(&url).is_empty());
    let received = &lab.receive(&dead)[0];
    assert_eq!(received["MessageId"], sent["MessageId"]);
    assert_eq!(received["Attributes"]["MessageDeduplicationId"], sent["MessageId"]);
}

#[test]
fn a_move_that_cannot_go_on_says_how_far_it_came() {
    let lab = Lab::new();
    let dead = lab.create("dead", json!({}));
    let policy =
        json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": "1" });
    let url = lab.create("work", json!({ "VisibilityTimeout": "1", "RedrivePolicy": policy.to_string() }));
    lab.send(&url, "poison");
    lab.receive(&url);
    lab.clock.advance_millis(1_000);
    lab.receive(&url);
    // Nobody moved this one here.
    lab.send(&dead, "direct");
    let source = "arn:aws:sqs:us-east-1:123456789012:dead";
    lab.run("StartMessageMoveTask", json!({ "SourceArn": source })).unwrap();
    let own = Arc::new(Moves::new(Arc::clone(&lab.shared)));
    let worker = Arc::clone(&own);
    let thread = std::thread::spawn(move || worker.run());
    let state =
        || lab.run("ListMessageMoveTasks", json!({ "SourceArn": source })).unwrap()["Results"][0].clone();
    while state()["Status"] == "RUNNING" {
        std::thread::yield_now();
    }
    own.end();
    thread.join().unwrap();
    let ended = state();
    assert_eq!(
        (&ended["Status"], &ended["ApproximateNumberOfMessagesMoved"], &ended["FailureReason"]),
        (&json!("FAILED"), &json!(1), &json!("CouldNotDetermineMessageSource"))
    );
    assert_eq!((lab.bodies(&url), lab.bodies(&dead)), (vec!["poison".to_owned()], vec!["direct".to_owned()]));
}

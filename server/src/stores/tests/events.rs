use super::*;
use crate::stores::objects::ObjectChange;

fn entry(source: &str, detail: &Value) -> Value {
    json!({ "Source": source, "DetailType": "Order", "Detail": detail.to_string() })
}

/// A rule for a source, with targets.
fn rule(lab: &Lab, name: &str, source: &str, targets: &Value) {
    let pattern = json!({ "source": [source] }).to_string();
    lab.ok("events", "PutRule", json!({ "Name": name, "EventPattern": pattern }));
    lab.ok("events", "PutTargets", json!({ "Rule": name, "Targets": targets }));
}

fn put(lab: &Lab, entries: &Value) -> Value {
    lab.ok("events", "PutEvents", json!({ "Entries": entries }))
}

#[test]
fn an_event_starts_one_execution_for_each_rule_and_target_it_is_for() {
    let lab = Lab::new();
    lab.queue("copy");
    let copy =
        json!({ "Id": "copy", "Arn": "arn:aws:sqs:us-east-1:123456789012:copy", "InputPath": "$.detail" });
    rule(&lab, "orders", "shop", &json!([{ "Id": "run", "Arn": MACHINE, "RoleArn": ROLE }, copy]));
    let answer = put(&lab, &json!([entry("shop", &json!({ "n": 1 })), entry("other", &json!({ "n": 2 }))]));
    lab.settle();
    let inputs = lab.inputs();
    assert_eq!(inputs.len(), 1);
    assert_eq!(
        inputs[0],
        json!({
            "version": "0", "id": answer["Entries"][0]["EventId"], "detail-type": "Order", "source": "shop",
            "account": "123456789012", "time": "2026-01-31T10:00:00Z", "region": "us-east-1", "resources": [],
            "detail": { "n": 1 },
        })
    );
    assert_eq!(lab.messages("copy"), [(json!({ "n": 1 }).to_string(), json!({}))]);
}

fn object_event() -> ObjectEvent {
    ObjectEvent {
        bucket: "drops".into(),
        key: "in/a.csv".into(),
        change: ObjectChange::Created { size: 5, etag: "b194".into(), version_id: None },
        sequencer: "01".into(),
        time_millis: NOW,
        reason: "PutObject".into(),
        request_id: "N4N7GDK58NMKJ12R".into(),
        requester: "123456789012".into(),
        source_ip_address: "127.0.0.1".into(),
        region: "us-east-1".into(),
        account: "123456789012".into(),
    }
}

#[test]
fn what_an_event_raised_again_started_is_not_started_again() {
    let lab = Lab::new();
    rule(&lab, "objects", "aws.s3", &json!([{ "Id": "run", "Arn": MACHINE }]));
    let event = object_event();
    lab.stores.raise(&event).unwrap();
    lab.settle();
    lab.stores.raise(&event).unwrap();
    lab.settle();
    assert_eq!(lab.inputs(), [event.to_event_bridge()]);
    // Also when nothing is known of it but the name of the execution.
    let forget =
        |connection: &rusqlite::Connection| Ok(connection.execute("DELETE FROM raised", []).map(drop)?);
    lab.stores.inner.shared.database.write(forget).unwrap();
    lab.stores.raise(&event).unwrap();
    lab.settle();
    assert_eq!(lab.inputs().len(), 1);
}

#[test]
fn a_target_gets_what_its_transformer_makes() {
    let lab = Lab::new();
    let transformer = json!({
        "InputPathsMap": { "n": "$.detail.n", "who": "$.detail.who" },
        "InputTemplate": "{ \"n\": <n>, \"text\": \"<who> by <aws.events.rule-name>\", \"none\": <who> }",
    });
    rule(
        &lab,
        "a",
        "shop",
        &json!([
            { "Id": "1", "Arn": MACHINE, "InputTransformer": transformer },
            { "Id": "2", "Arn": MACHINE, "Input": "{\"constant\":true}" },
        ]),
    );
    put(&lab, &json!([entry("shop", &json!({ "n": [1, 2], "who": "Eve" }))]));
    lab.settle();
    let inputs = lab.inputs();
    assert!(inputs.contains(&json!({ "n": [1, 2], "text": "Eve by a", "none": "Eve" })), "{inputs:?}");
    assert!(inputs.contains(&json!({ "constant": true })));
}

#[test]
fn what_cannot_be_delivered_goes_to_the_dead_letter_queue() {
    let lab = Lab::new();
    lab.queue("dead");
    let dead = json!({ "Arn": "arn:aws:sqs:us-east-1:123456789012:dead" });
    let gone = "arn:aws:states:us-east-1:123456789012:stateMachine:gone";
    rule(
        &lab,
        "a",
        "shop",
        &json!([{ "Id": "1", "Arn": gone, "DeadLetterConfig": dead, "Input": "{\"n\":1}" }]),
    );
    put(&lab, &json!([entry("shop", &json!({}))]));
    lab.settle();
    let messages = lab.messages("dead");
    assert_eq!(messages.len(), 1);
    let (body, attributes) = &messages[0];
    assert_eq!(body, "{\"n\":1}");
    assert_eq!(attributes["ERROR_CODE"]["StringValue"], "NO_RESOURCE");
    assert_eq!(attributes["RULE_ARN"]["StringValue"], "arn:aws:events:us-east-1:123456789012:rule/a");
    assert_eq!(attributes["TARGET_ARN"]["StringValue"], gone);
    assert!(attributes.get("EXHAUSTED_RETRY_CONDITION").is_none(), "it was not tried again");
}

/// An event is another message for each rule and target, and a queue that keeps an order keeps them all.
#[test]
fn a_fifo_queue_gets_an_event_of_every_rule() {
    let lab = Lab::new();
    lab.ok("sqs", "CreateQueue", json!({ "QueueName": "all.fifo", "Attributes": { "FifoQueue": "true" } }));
    let arn = "arn:aws:sqs:us-east-1:123456789012:all.fifo";
    let target = json!({ "Id": "all", "Arn": arn, "SqsParameters": { "MessageGroupId": "g" } });
    rule(&lab, "one", "shop", &json!([target]));
    rule(&lab, "two", "shop", &json!([target]));
    put(&lab, &json!([entry("shop", &json!({ "n": 1 }))]));
    lab.settle();
    assert_eq!(lab.messages("all.fifo").len(), 2);

    let dead = json!({ "Id": "1", "Arn": MACHINE, "DeadLetterConfig": { "Arn": arn } });
    let refused = lab.code("events", "PutTargets", json!({ "Rule": "one", "Targets": [dead] }));
    assert_eq!(refused, "ValidationException");
}

#[test]
fn what_was_accepted_is_delivered_after_a_restart() {
    let lab = Lab::new();
    rule(&lab, "a", "shop", &json!([{ "Id": "1", "Arn": MACHINE }]));
    // As if the process had been killed before anything was delivered.
    lab.stores.inner.deliveries.end();
    put(&lab, &json!((0..10).map(|n| entry("shop", &json!({ "n": n }))).collect::<Vec<_>>()));
    let lab = lab.again(NOW + 1_000);
    lab.settle();
    assert_eq!(lab.inputs().len(), 10);
    let lab = lab.again(NOW + 2_000);
    lab.settle();
    assert_eq!(lab.inputs().len(), 10);
}

#[test]
fn entries_that_are_no_events_are_refused_one_by_one() {
    let lab = Lab::new();
    let answer = put(
        &lab,
        &json!([
            { "Source": "shop", "DetailType": "Order", "Detail": "{" },
            { "Source": "shop", "DetailType": "Order" },
            { "Source": "aws.ec2", "DetailType": "Order", "Detail": "{}" },
            { "Source": "shop", "DetailType": "Order", "Detail": "{}", "EventBusName": "none" },
            entry("shop", &json!({})),
        ]),
    );
    assert_eq!(answer["FailedEntryCount"], 4);
    let codes: Vec<&str> = answer["Entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["ErrorCode"].as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "MalformedDetail",
            "InvalidArgument",
            "NotAuthorizedForSourceException",
            "ResourceNotFoundException"
        ]
    );
    assert!(answer["Entries"][4]["EventId"].is_string());
    let many: Vec<Value> = (0..11).map(|_| entry("shop", &json!({}))).collect();
    assert_eq!(lab.code("events", "PutEvents", json!({ "Entries": many })), "ValidationException");
    let large = entry("shop", &json!({ "x": "y".repeat(262_144) }));
    assert_eq!(lab.code("events", "PutEvents", json!({ "Entries": [large] })), "ValidationException");
}

#[test]
fn rules_and_buses_are_made_changed_listed_and_deleted() {
    let lab = Lab::new();
    let refused =
        lab.run("events", "PutRule", json!({ "Name": "a", "EventPattern": "{\"a\": 1}" })).unwrap_err();
    assert_eq!(refused.code, "InvalidEventPatternException");
    assert_eq!(refused.message, "Event pattern is not valid. Reason: \"a\" must be an object or an array");
    assert_eq!(lab.code("events", "PutRule", json!({ "Name": "a" })), "ValidationException");
    assert_eq!(
        lab.code("events", "PutRule", json!({ "Name": "a", "ScheduleExpression": "rate(1 minutes)" })),
        "ValidationException"
    );
    assert_eq!(lab.code("events", "DescribeRule", json!({ "Name": "a" })), "ResourceNotFoundException");
    rule(&lab, "a", "shop", &json!([{ "Id": "1", "Arn": MACHINE }]));
    lab.ok("events", "DisableRule", json!({ "Name": "a" }));
    assert_eq!(lab.ok("events", "DescribeRule", json!({ "Name": "a" }))["State"], "DISABLED");
    put(&lab, &json!([entry("shop", &json!({}))]));
    lab.settle();
    assert!(lab.inputs().is_empty(), "it is disabled");
    lab.ok("events", "EnableRule", json!({ "Name": "a" }));
    assert_eq!(
        lab.ok("events", "ListRuleNamesByTarget", json!({ "TargetArn": MACHINE }))["RuleNames"],
        json!(["a"])
    );
    assert_eq!(lab.code("events", "DeleteRule", json!({ "Name": "a" })), "ValidationException");
    let lambda = json!([{ "Id": "1", "Arn": "arn:aws:lambda:us-east-1:123456789012:function:f" }]);
    assert_eq!(
        lab.code("events", "PutTargets", json!({ "Rule": "a", "Targets": lambda })),
        "ValidationException"
    );
    let removed = lab.ok("events", "RemoveTargets", json!({ "Rule": "a", "Ids": ["1", "2"] }));
    assert_eq!(
        (&removed["FailedEntryCount"], &removed["FailedEntries"][0]["TargetId"]),
        (&json!(1), &json!("2"))
    );
    lab.ok("events", "DeleteRule", json!({ "Name": "a" }));
    assert_eq!(lab.ok("events", "ListRules", json!({}))["Rules"], json!([]));

    let bus = lab.ok(
        "events",
        "CreateEventBus",
        json!({ "Name": "orders", "Tags": [{ "Key": "a", "Value": "b" }] }),
    );
    assert_eq!(bus["EventBusArn"], "arn:aws:events:us-east-1:123456789012:event-bus/orders");
    assert_eq!(
        lab.ok("events", "ListTagsForResource", json!({ "ResourceARN": bus["EventBusArn"] }))["Tags"],
        json!([{ "Key": "a", "Value": "b" }])
    );
    assert_eq!(
        lab.code("events", "CreateEventBus", json!({ "Name": "orders" })),
        "ResourceAlreadyExistsException"
    );
    let pattern = json!({ "source": ["shop"] }).to_string();
    lab.ok("events", "PutRule", json!({ "Name": "b", "EventBusName": "orders", "EventPattern": pattern }));
    lab.ok("events", "PutTargets", json!({ "Rule": "b", "EventBusName": bus["EventBusArn"], "Targets": [{ "Id": "1", "Arn": MACHINE }] }));
    let mut on_bus = entry("shop", &json!({}));
    on_bus["EventBusName"] = json!("orders");
    put(&lab, &json!([on_bus, entry("shop", &json!({}))]));
    lab.settle();
    assert_eq!(lab.inputs().len(), 1, "the default bus has no rule");
    assert_eq!(lab.code("events", "DeleteEventBus", json!({ "Name": "orders" })), "ValidationException");
}

#[test]
fn a_pattern_can_be_tried() {
    let lab = Lab::new();
    let event = json!({
        "id": "1", "account": "1", "source": "shop", "time": "2026-01-31T10:00:00Z", "region": "us-east-1",
        "resources": [], "detail-type": "Order", "detail": { "n": 3 },
    });
    let tried = |pattern: &Value, event: &Value| {
        lab.run(
            "events",
            "TestEventPattern",
            json!({ "EventPattern": pattern.to_string(), "Event": event.to_string() }),
        )
    };
    assert_eq!(
        tried(&json!({ "detail": { "n": [{ "numeric": [">", 2] }] } }), &event).unwrap(),
        json!({ "Result": true })
    );
    assert_eq!(tried(&json!({ "detail": { "n": [4] } }), &event).unwrap(), json!({ "Result": false }));
    assert_eq!(tried(&json!({ "a": ["b"] }), &json!({})).unwrap_err().code, "InvalidEventPatternException");
}

#[test]
fn a_rule_that_could_not_be_read_when_it_was_put_counts_from_the_next_event_on() {
    let lab = Lab::new();
    let write = |sql: &'static str| {
        let write = move |connection: &rusqlite::Connection| Ok(connection.execute_batch(sql)?);
        lab.stores.inner.shared.database.write(write).unwrap();
    };
    let target = |connection: &rusqlite::Connection| {
        let target = json!({ "Id": "1", "Arn": MACHINE }).to_string();
        connection.execute("INSERT INTO targets VALUES ('default', 'shop', '1', ?1)", [target])?;
        Ok(())
    };
    lab.stores.inner.shared.database.write(target).unwrap();
    write("ALTER TABLE targets RENAME TO hidden");
    let rule = json!({ "Name": "shop", "EventPattern": "{\"source\":[\"shop\"]}" });
    assert_eq!(lab.run("events", "PutRule", rule).unwrap_err().http_status, 500);
    let event = json!({ "Entries": [{ "Source": "shop", "DetailType": "Order", "Detail": "{}" }] });
    assert_eq!(lab.run("events", "PutEvents", event.clone()).unwrap_err().http_status, 500, "it is not lost");
    write("ALTER TABLE hidden RENAME TO targets");
    lab.ok("events", "PutEvents", event);
    lab.until("it arrived", |lab| lab.inputs().len() == 1);
}

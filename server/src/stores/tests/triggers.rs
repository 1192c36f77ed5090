use super::*;

fn document() -> Value {
    json!({
        "Queues": [{ "QueueName": "work", "Attributes": { "VisibilityTimeout": 30 } }],
        "EventBuses": [{ "Name": "orders" }],
        "Rules": [{
            "Name": "a", "EventBusName": "orders", "EventPattern": { "source": ["shop"] },
            "Targets": [{ "Id": "1", "Arn": MACHINE, "Input": { "constant": true } }],
        }],
        "ScheduleGroups": [{ "Name": "g" }],
        "Schedules": [{ "Name": "s", "GroupName": "g", "ScheduleExpression": "rate(5 minutes)", "Target": { "Arn": MACHINE, "Input": { "by": "schedule" } } }],
        "Pipes": [{ "Name": "p", "Source": "arn:aws:sqs:us-east-1:123456789012:work", "Target": MACHINE }],
    })
}

#[test]
fn a_document_is_put_any_number_of_times() {
    let lab = Lab::new();
    for _ in 0..3 {
        assert_eq!(lab.stores.put_triggers(&document()), Ok(6));
    }
    lab.until("the rate began", |lab| !lab.inputs().is_empty());
    lab.settle();
    assert_eq!(lab.inputs(), [json!({ "by": "schedule" })], "a rate begins once");
    let mut changed = document();
    changed["Queues"][0]["Attributes"]["VisibilityTimeout"] = json!(31);
    changed["Rules"][0]["Targets"] = json!([{ "Id": "2", "Arn": MACHINE }]);
    changed["Schedules"][0]["State"] = json!("DISABLED");
    changed["Pipes"][0]["DesiredState"] = json!("STOPPED");
    assert_eq!(lab.stores.put_triggers(&changed), Ok(6));
    let attributes = lab.ok(
        "sqs",
        "GetQueueAttributes",
        json!({ "QueueUrl": lab.stores.inner.shared.queue_url("work"), "AttributeNames": ["VisibilityTimeout"] }),
    );
    assert_eq!(attributes["Attributes"]["VisibilityTimeout"], "31");
    let targets = lab.ok("events", "ListTargetsByRule", json!({ "Rule": "a", "EventBusName": "orders" }));
    assert_eq!(targets["Targets"], json!([{ "Id": "2", "Arn": MACHINE }]));
    assert_eq!(
        lab.ok("scheduler", "GetSchedule", json!({ "Name": "s", "GroupName": "g" }))["State"],
        "DISABLED"
    );
    assert_eq!(lab.ok("pipes", "DescribePipe", json!({ "Name": "p" }))["CurrentState"], "STOPPED");
}

#[test]
fn a_failure_on_the_way_says_that_something_was_put() {
    let lab = Lab::new();
    let full = "CREATE TRIGGER full BEFORE INSERT ON schedules BEGIN SELECT RAISE(ABORT, 'full'); END";
    lab.stores.inner.shared.database.write(move |connection| Ok(connection.execute_batch(full)?)).unwrap();
    let error = lab.stores.put_triggers(&document()).unwrap_err();
    assert_eq!((&*error.place, error.is_partly_put), ("Schedules[0]", true), "{error}");
    lab.ok("sqs", "GetQueueUrl", json!({ "QueueName": "work" }));
    lab.stores
        .inner
        .shared
        .database
        .write(|connection| Ok(connection.execute_batch("DROP TRIGGER full")?))
        .unwrap();
    assert_eq!(lab.stores.put_triggers(&document()), Ok(6));
    let mut wrong = document();
    wrong["Pipes"][0]["Name"] = json!("?");
    assert!(!lab.stores.put_triggers(&wrong).unwrap_err().is_partly_put);
}

#[test]
fn an_error_names_its_place() {
    let lab = Lab::new();
    let refused = |list: &str, item: Value| {
        let error = lab.stores.put_triggers(&json!({ list: [item] })).unwrap_err();
        (error.place, error.problem)
    };
    let place = |list: &str, item: Value| refused(list, item).0;
    assert_eq!(place("Wishes", json!({})), "Wishes");
    assert_eq!(place("Queues", json!({ "Name": "q" })), "Queues[0].Name");
    assert_eq!(place("Queues", json!({ "QueueName": "q", "Attributes": { "Colour": "red" } })), "Queues[0]");
    assert_eq!(
        refused("Rules", json!({ "Name": "a", "EventPattern": { "source": "shop" } })),
        (
            "Rules[0].EventPattern".to_owned(),
            "Event pattern is not valid. Reason: \"source\" must be an object or an array".to_owned()
        )
    );
    assert_eq!(
        place("Rules", json!({ "Name": "a", "ScheduleExpression": "now" })),
        "Rules[0].ScheduleExpression"
    );
    let target = json!([{ "Id": "1", "Arn": "nowhere" }]);
    assert_eq!(
        place("Rules", json!({ "Name": "a", "ScheduleExpression": "rate(5 minutes)", "Targets": target })),
        "Rules[0].Targets"
    );
    let schedule = json!({ "Name": "s", "ScheduleExpression": "soon", "Target": { "Arn": MACHINE } });
    assert_eq!(place("Schedules", schedule), "Schedules[0].ScheduleExpression");
    assert_eq!(place("Pipes", json!({ "Name": "p", "Source": "x" })), "Pipes[0].Target");
}

#[test]
fn names_are_those_of_the_models_at_every_level() {
    let lab = Lab::new();
    let refused = |list: &str, item: Value| lab.stores.put_triggers(&json!({ list: [item] })).unwrap_err();
    for (list, place, item) in [
        (
            "Schedules",
            "Target.Inputt",
            json!({ "Name": "n", "ScheduleExpression": "rate(5 minutes)", "Target": { "Arn": MACHINE, "Inputt": {} } }),
        ),
        (
            "Schedules",
            "FlexibleTimeWindow.Modus",
            json!({ "Name": "n", "ScheduleExpression": "rate(5 minutes)", "Target": { "Arn": MACHINE }, "FlexibleTimeWindow": { "Modus": "OFF" } }),
        ),
        (
            "Rules",
            "Targets[1].RetryPolicy.Attempts",
            json!({ "Name": "n", "ScheduleExpression": "rate(5 minutes)", "Targets": [
                { "Id": "1", "Arn": MACHINE },
                { "Id": "2", "Arn": MACHINE, "RetryPolicy": { "Attempts": 1 } },
            ] }),
        ),
        (
            "Pipes",
            "SourceParameters.FilterCriteria.Filters[0].Patern",
            json!({ "Name": "n", "SourceParameters": { "FilterCriteria": { "Filters": [{ "Patern": {} }] } } }),
        ),
        ("Queues", "Tags", json!({ "QueueName": "q", "Tags": {} })),
    ] {
        let error = refused(list, item);
        assert_eq!(error.place, format!("{list}[0].{place}"));
        assert!(error.problem.starts_with("there is no such member: there are "), "{}", error.problem);
    }
    // Keys that are data are nobody's names.
    let tagged = json!({ "Queues": [{ "QueueName": "q", "tags": { "any": "thing" } }] });
    assert_eq!(lab.stores.put_triggers(&tagged), Ok(1));
    let error = refused(
        "Rules",
        json!({ "Name": "n", "ScheduleExpression": "rate(5 minutes)", "Targets": [{ "Arn": MACHINE }] }),
    );
    assert_eq!(error.place, "Rules[0].Targets[0].Id");
    let schedule = json!({ "Name": "n", "ScheduleExpression": "rate(5 minutes)", "Target": { "Input": {} } });
    assert_eq!(refused("Schedules", schedule).place, "Schedules[0].Target.Arn");
}

#[test]
fn a_document_with_a_mistake_changes_nothing() {
    let lab = Lab::new();
    assert_eq!(lab.stores.put_triggers(&document()), Ok(6));
    let before = lab.ok("sqs", "ListQueues", json!({}));
    let mut wrong = document();
    wrong["Queues"][0]["Attributes"]["VisibilityTimeout"] = json!(31);
    wrong["Queues"].as_array_mut().unwrap().push(json!({ "QueueName": "new" }));
    wrong["Rules"][0]["Targets"] = json!([]);
    wrong["Pipes"][0]["Source"] = json!("arn:aws:sqs:us-east-1:123456789012:missing");
    let error = lab.stores.put_triggers(&wrong).unwrap_err();
    assert_eq!(error.place, "Pipes[0].Source");
    assert_eq!(lab.ok("sqs", "ListQueues", json!({})), before);
    let targets = lab.ok("events", "ListTargetsByRule", json!({ "Rule": "a", "EventBusName": "orders" }));
    assert_eq!(targets["Targets"].as_array().map(Vec::len), Some(1));
    let url = lab.stores.inner.shared.queue_url("work");
    let attributes =
        lab.ok("sqs", "GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] }));
    assert_eq!(attributes["Attributes"]["VisibilityTimeout"], "30");
    assert!(
        lab.ok("pipes", "DescribePipe", json!({ "Name": "p" }))["Source"]
            .as_str()
            .unwrap()
            .ends_with(":work")
    );
}

#[test]
fn the_first_mistake_of_the_document_is_told_and_not_what_follows_from_another() {
    let lab = Lab::new();
    let schedule = json!({ "Name": "s", "ScheduleExpression": "soon", "Target": { "Arn": MACHINE } });
    let rule = json!({ "Name": "r", "EventPattern": { "source": "shop" } });
    let two: Value =
        serde_json::from_str(&format!(r#"{{ "Schedules": [{schedule}], "Rules": [{rule}] }}"#)).unwrap();
    assert_eq!(lab.stores.put_triggers(&two).unwrap_err().place, "Schedules[0].ScheduleExpression");
    let pipe = json!({ "Name": "p", "Source": "arn:aws:sqs:us-east-1:123456789012:work", "Target": MACHINE });
    let queue = json!({ "QueueName": "work", "Attributes": { "VisibilityTimeout": -1 } });
    let two: Value =
        serde_json::from_str(&format!(r#"{{ "Pipes": [{pipe}], "Queues": [{queue}] }}"#)).unwrap();
    assert!(lab.stores.put_triggers(&two).unwrap_err().place.starts_with("Queues[0]"));
}

#[test]
fn a_pipe_with_another_source_is_another_pipe() {
    let lab = Lab::new();
    let other = "arn:aws:sqs:us-east-1:123456789012:other";
    let mut changed = document();
    changed["Queues"].as_array_mut().unwrap().push(json!({ "QueueName": "other" }));
    assert_eq!(lab.stores.put_triggers(&document()), Ok(6));
    changed["Pipes"][0]["Source"] = json!(other);
    assert_eq!(lab.stores.put_triggers(&changed), Ok(7));
    assert_eq!(lab.ok("pipes", "DescribePipe", json!({ "Name": "p" }))["Source"], other);
    let url = lab.stores.inner.shared.queue_url("other");
    lab.ok("sqs", "SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" }));
    lab.until("it runs", |lab| lab.inputs().iter().any(|input| input[0]["eventSourceARN"] == other));
}

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
        json!({ "QueueUrl": "work", "AttributeNames": ["VisibilityTimeout"] }),
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

use super::*;

const SOURCE: &str = "arn:aws:sqs:us-east-1:123456789012:work";

fn pipe(more: &Value) -> Value {
    let mut pipe = json!({
        "Name": "p", "RoleArn": ROLE, "Source": SOURCE, "Target": MACHINE,
        "TargetParameters": { "StepFunctionStateMachineParameters": { "InvocationType": "FIRE_AND_FORGET" } },
    });
    for (name, value) in more.as_object().unwrap() {
        match (pipe.get_mut(name).and_then(Value::as_object_mut), value) {
            (Some(before), Value::Object(value)) => before.extend(value.clone()),
            _ => pipe[name] = value.clone(),
        }
    }
    pipe
}

fn send(lab: &Lab, url: &str, body: &str) {
    lab.ok("sqs", "SendMessage", json!({ "QueueUrl": url, "MessageBody": body }));
}

#[test]
fn messages_start_executions_and_are_gone() {
    let lab = Lab::new();
    let url = lab.queue("work");
    lab.ok(
        "pipes",
        "CreatePipe",
        pipe(&json!({ "SourceParameters": { "SqsQueueParameters": { "BatchSize": 1 } } })),
    );
    for body in ["one", "two", "three"] {
        send(&lab, &url, body);
    }
    lab.until("the queue is empty", |lab| lab.messages("work").is_empty());
    lab.settle();
    let inputs = lab.inputs();
    let mut bodies: Vec<&str> = inputs.iter().map(|input| input[0]["body"].as_str().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["one", "three", "two"]);
    let event = &inputs[0][0];
    assert_eq!(
        (&event["eventSource"], &event["eventSourceARN"], &event["awsRegion"]),
        (&json!("aws:sqs"), &json!(SOURCE), &json!("us-east-1"))
    );
    assert_eq!(event["attributes"]["ApproximateReceiveCount"], "1");
}

#[test]
fn only_what_a_filter_lets_through_starts_and_the_template_says_with_what() {
    let lab = Lab::new();
    let url = lab.queue("work");
    let filter = json!({ "body": { "kind": ["order"] } }).to_string();
    lab.ok("pipes", "CreatePipe", pipe(&json!({
        "SourceParameters": { "FilterCriteria": { "Filters": [{ "Pattern": filter }] } },
        "TargetParameters": { "InputTemplate": "{ \"n\": <$.body.n>, \"pipe\": \"<aws.pipes.pipe-name>\" }" },
    })));
    for n in 0..3 {
        send(&lab, &url, &json!({ "kind": if n == 1 { "order" } else { "note" }, "n": n }).to_string());
    }
    lab.until("the queue is empty", |lab| lab.messages("work").is_empty());
    lab.settle();
    assert_eq!(lab.inputs(), [json!([{ "n": 1, "pipe": "p" }])]);
}

#[test]
fn what_was_taken_before_a_crash_starts_once() {
    let lab = Lab::new();
    let url = lab.queue("work");
    send(&lab, &url, "x");
    lab.ok("pipes", "CreatePipe", pipe(&json!({})));
    lab.until("the queue is empty", |lab| lab.messages("work").is_empty());
    lab.settle();
    let name = {
        let all = lab.engine.list_executions(&ExecutionFilter::default()).unwrap();
        all[0].name.clone()
    };
    // As if the process had been killed between the start and the deletion: the message is there still.
    let input = lab.inputs()[0].to_string();
    lab.ok("pipes", "StopPipe", json!({ "Name": "p" }));
    send(&lab, &url, "x");
    let batch = move |connection: &rusqlite::Connection| {
        // What a pipe has that is stopped, it gives back.
        connection
            .execute("UPDATE pipes SET document = json_set(document, '$.DesiredState', 'RUNNING')", [])?;
        let take = "UPDATE messages SET receipt = 'r', receive_count = 1, visible_millis = ?1 RETURNING id";
        let id: i64 = connection.query_row(take, [NOW + 60_000], |row| row.get(0))?;
        let messages = json!([[id, "r"]]).to_string();
        let note = "INSERT INTO pipe_batches VALUES ('p', ?1, ?2, ?3, ?4)";
        connection.execute(note, (name, input, messages, NOW))?;
        Ok(())
    };
    lab.stores.inner.shared.database.write(batch).unwrap();
    lab.ok("pipes", "StartPipe", json!({ "Name": "p" }));
    lab.until("the message is deleted", |lab| lab.messages("work").is_empty());
    lab.settle();
    assert_eq!(lab.inputs().len(), 1);
}

const WAITS: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:waits";

/// A pipe that has begun an execution and waits for its end.
fn waiting(lab: &Lab) -> String {
    let url = lab.queue("work");
    lab.ok("pipes", "CreatePipe", pipe(&json!({
        "Name": "waits", "Target": WAITS,
        "TargetParameters": { "StepFunctionStateMachineParameters": { "InvocationType": "REQUEST_RESPONSE" } },
    })));
    send(lab, &url, "x");
    lab.until("it waits", |lab| noted(lab) == 1);
    url
}

fn noted(lab: &Lab) -> usize {
    let count = |connection: &rusqlite::Connection| {
        database::count(connection, "SELECT count(*) FROM pipe_batches", [])
    };
    lab.stores.inner.shared.database.read(count).unwrap()
}

#[test]
fn a_pipe_that_waits_for_its_execution_holds_nothing_up() {
    let lab = Lab::new();
    waiting(&lab);
    // It has to end to be what it was changed to.
    lab.ok("pipes", "UpdatePipe", json!({ "Name": "waits", "RoleArn": ROLE, "Description": "new" }));
    let other = lab.queue("other");
    let source = "arn:aws:sqs:us-east-1:123456789012:other";
    lab.ok("pipes", "CreatePipe", pipe(&json!({ "Name": "q", "Source": source })));
    send(&lab, &other, "y");
    lab.until("the other pipe runs", |lab| lab.inputs().len() == 1);
    // The end of the stores does not wait for it either, and it is noted then.
    let stores = lab.stores.clone();
    let (sender, closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        stores.close();
        sender.send(()).unwrap();
    });
    closed.recv_timeout(PATIENCE).expect("the stores are closed while an execution runs");
    let lab = lab.again(NOW);
    assert_eq!(noted(&lab), 1);
    lab.until("it runs again, and ends with its time", |lab| {
        lab.clock.advance_millis(200_000);
        lab.messages("work").is_empty() && noted(lab) == 0
    });
}

#[test]
fn what_is_noted_is_nobody_elses() {
    let lab = Lab::new();
    waiting(&lab);
    // The visibility timeout of the queue is 30 seconds.
    lab.clock.advance_millis(60_000);
    let received = || {
        let (place, now_millis) = (lab.stores.inner.shared.place.clone(), lab.clock_millis());
        let how = queue::Receive { messages_max: 10, visibility_millis: 30_000, now_millis };
        let receive = move |connection: &rusqlite::Connection| {
            queue::receive(connection, &queue::queue(connection, "work")?, &place, how)
        };
        let (received, _) = lab.stores.inner.shared.database.write(receive).unwrap();
        received.into_iter().map(|message| message.body).collect::<Vec<_>>()
    };
    assert!(received().is_empty(), "it is the pipe's");
    lab.ok("pipes", "DeletePipe", json!({ "Name": "waits" }));
    assert_eq!(received(), ["x"], "of a pipe that is gone, they come back");
}

#[test]
fn a_pipe_that_cannot_go_on_is_not_hurried_by_what_comes() {
    let lab = Lab::new();
    let url = lab.queue("work");
    let count = |connection: &rusqlite::Connection| {
        let make = "CREATE TABLE tries (id INTEGER PRIMARY KEY); CREATE TRIGGER tried AFTER UPDATE OF visible_millis \
                    ON messages BEGIN INSERT INTO tries VALUES (NULL); END";
        Ok(connection.execute_batch(make)?)
    };
    lab.stores.inner.shared.database.write(count).unwrap();
    // Nothing starts any more.
    lab.engine.clone().shutdown();
    let one = json!({ "SqsQueueParameters": { "BatchSize": 1 } });
    lab.ok("pipes", "CreatePipe", pipe(&json!({ "SourceParameters": one })));
    send(&lab, &url, "first");
    lab.until("it is the pipe's", |lab| noted(lab) == 1);
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(1_500) {
        send(&lab, &url, "next");
        sent += 1;
    }
    let count =
        |connection: &rusqlite::Connection| database::count(connection, "SELECT count(*) FROM tries", []);
    let tries = lab.stores.inner.shared.database.read(count).unwrap();
    assert!(tries <= 6, "{tries} tries while {sent} messages came");
}

#[test]
fn a_pipe_that_is_stopped_keeps_nothing() {
    let lab = Lab::new();
    let url = lab.queue("work");
    lab.engine.clone().shutdown();
    lab.ok("pipes", "CreatePipe", pipe(&json!({})));
    send(&lab, &url, "x");
    lab.until("it is the pipe's", |lab| noted(lab) == 1);
    lab.ok("pipes", "StopPipe", json!({ "Name": "p" }));
    lab.until("it is given back", |lab| noted(lab) == 0);
    let visible = |lab: &Lab| {
        lab.stores.inner.shared.database.read(|connection| {
            Ok(connection.query_row("SELECT visible_millis FROM messages", [], |row| row.get::<_, i64>(0))?)
        })
    };
    assert_eq!(visible(&lab).unwrap(), NOW + 30_000, "after the visibility timeout of the queue");
    // The same of one that was killed before it had given back.
    let note = |connection: &rusqlite::Connection| {
        connection.execute("UPDATE messages SET visible_millis = ?1", [NOW + 43_200_000])?;
        let note = "INSERT INTO pipe_batches SELECT 'p', 'x', '[]', json_array(json_array(id, receipt)), ?1 FROM messages";
        connection.execute(note, [NOW])?;
        Ok(())
    };
    lab.stores.inner.shared.database.write(note).unwrap();
    let lab = lab.again(NOW);
    lab.until("it is given back", |lab| noted(lab) == 0);
    assert_eq!(visible(&lab).unwrap(), NOW + 30_000);
}

#[test]
fn an_execution_that_a_pipe_waits_for_does_not_run_twice_at_a_time() {
    for change in ["UpdatePipe", "StopPipe"] {
        let lab = Lab::new();
        waiting(&lab);
        lab.until("it runs", |lab| lab.engine.open_executions().len() == 1);
        let mut changed = json!({ "Name": "waits" });
        if change == "UpdatePipe" {
            changed = json!({ "Name": "waits", "RoleArn": ROLE, "Description": "new" });
        }
        lab.ok("pipes", change, changed);
        // When another one works that was made afterwards, the change was seen.
        let other = lab.queue("other");
        let source = "arn:aws:sqs:us-east-1:123456789012:other";
        lab.ok("pipes", "CreatePipe", pipe(&json!({ "Name": "q", "Source": source })));
        send(&lab, &other, "y");
        lab.until("the other pipe runs", |lab| lab.inputs().len() == 1);
        if change == "StopPipe" {
            lab.ok("pipes", "StartPipe", json!({ "Name": "waits" }));
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(700) {
            assert!(lab.engine.open_executions().len() <= 1, "{change}");
            std::thread::yield_now();
        }
        assert_eq!((noted(&lab), lab.messages("work").len()), (1, 1), "{change}");
        lab.clock.advance_millis(200_000);
        lab.until("its message is gone", |lab| lab.messages("work").is_empty() && noted(lab) == 0);
        lab.until("and nothing else runs", |lab| lab.engine.open_executions().is_empty());
    }
}

#[test]
fn pipes_go_on_while_the_database_cannot_be_read() {
    let lab = Lab::new();
    let url = lab.queue("work");
    lab.ok("pipes", "CreatePipe", pipe(&json!({})));
    send(&lab, &url, "x");
    lab.until("it runs", |lab| lab.inputs().len() == 1);
    let rename =
        |connection: &rusqlite::Connection| Ok(connection.execute_batch("ALTER TABLE pipes RENAME TO gone")?);
    lab.stores.inner.shared.database.write(rename).unwrap();
    for count in 2..20 {
        lab.stores.inner.pipes.bell().ring();
        send(&lab, &url, "x");
        lab.until("it still runs", |lab| lab.inputs().len() == count);
    }
}

#[test]
fn a_pipe_needs_its_queue_and_bears_its_loss() {
    let lab = Lab::new();
    let refused = lab.run("pipes", "CreatePipe", pipe(&json!({}))).unwrap_err();
    assert_eq!((&*refused.code, refused.http_status), ("NotFoundException", 404));
    assert!(refused.message.contains(SOURCE), "{}", refused.message);
    let url = lab.queue("work");
    lab.ok("pipes", "CreatePipe", pipe(&json!({})));
    lab.ok("sqs", "DeleteQueue", json!({ "QueueUrl": url }));
    let url = lab.queue("work");
    send(&lab, &url, "x");
    lab.until("it goes on with the new queue", |lab| lab.inputs().len() == 1);
}

#[test]
fn a_message_that_starts_nothing_goes_to_the_dead_letter_queue() {
    let lab = Lab::new();
    lab.queue("dead");
    let url = lab.queue("work");
    let policy =
        json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 2 });
    let attributes = json!({ "RedrivePolicy": policy.to_string(), "VisibilityTimeout": "5" });
    lab.ok("sqs", "SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": attributes }));
    let gone = "arn:aws:states:us-east-1:123456789012:stateMachine:gone";
    lab.ok("pipes", "CreatePipe", pipe(&json!({ "Target": gone })));
    send(&lab, &url, "poison");
    lab.until("it is in the dead-letter queue", |lab| {
        let asked = json!({ "QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessagesNotVisible"] });
        let answer = lab.ok("sqs", "GetQueueAttributes", asked);
        // It comes back when its visibility timeout is over.
        if answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1" {
            lab.clock.advance_millis(5_000);
        }
        lab.messages("dead").len() == 1
    });
    assert!(lab.messages("work").is_empty() && lab.inputs().is_empty());
}

#[test]
fn pipes_are_made_changed_listed_and_deleted() {
    let lab = Lab::new();
    lab.queue("work");
    let made =
        lab.ok("pipes", "CreatePipe", pipe(&json!({ "DesiredState": "STOPPED", "Tags": { "a": "b" } })));
    assert_eq!(
        (&made["Arn"], &made["CurrentState"]),
        (&json!("arn:aws:pipes:us-east-1:123456789012:pipe/p"), &json!("STOPPED"))
    );
    assert_eq!(lab.code("pipes", "CreatePipe", pipe(&json!({}))), "ConflictException");
    assert_eq!(
        lab.code(
            "pipes",
            "CreatePipe",
            pipe(&json!({ "Name": "q", "Source": "arn:aws:kinesis:us-east-1:123456789012:stream/s" }))
        ),
        "ValidationException"
    );
    let bad = json!({ "FilterCriteria": { "Filters": [{ "Pattern": "{\"a\": 1}" }] } });
    assert_eq!(
        lab.code("pipes", "CreatePipe", pipe(&json!({ "Name": "q", "SourceParameters": bad }))),
        "ValidationException"
    );
    lab.ok("pipes", "UpdatePipe", json!({ "Name": "p", "RoleArn": ROLE, "Description": "new" }));
    let described = lab.ok("pipes", "DescribePipe", json!({ "Name": "p" }));
    assert_eq!(
        (&described["Description"], &described["Source"], &described["Tags"]),
        (&json!("new"), &json!(SOURCE), &json!({ "a": "b" }))
    );
    assert_eq!(lab.ok("pipes", "ListPipes", json!({ "CurrentState": "STOPPED" }))["Pipes"][0]["Name"], "p");
    assert_eq!(lab.ok("pipes", "DeletePipe", json!({ "Name": "p" }))["CurrentState"], "DELETING");
    assert_eq!(lab.code("pipes", "DescribePipe", json!({ "Name": "p" })), "NotFoundException");
}

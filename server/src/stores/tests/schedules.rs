use super::*;

fn target(input: Option<&str>) -> Value {
    let mut target = json!({ "Arn": MACHINE, "RoleArn": ROLE });
    if let Some(input) = input {
        target["Input"] = json!(input);
    }
    target
}

fn schedule(name: &str, expression: &str) -> Value {
    json!({
        "Name": name, "ScheduleExpression": expression, "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": target(Some("{\"at\":\"<aws.scheduler.scheduled-time>\"}")),
    })
}

fn times(lab: &Lab) -> Vec<String> {
    let mut times: Vec<String> =
        lab.inputs().iter().map(|input| input["at"].as_str().unwrap().to_owned()).collect();
    times.sort();
    times
}

#[test]
fn a_schedule_fires_at_its_times_and_each_once() {
    let lab = Lab::new();
    lab.ok("scheduler", "CreateSchedule", schedule("s", "cron(0/10 * * * ? *)"));
    for _ in 0..3 {
        let before = lab.inputs().len();
        lab.clock.advance_millis(600_000);
        lab.until("it fired", |lab| lab.inputs().len() == before + 1);
    }
    let lab = lab.again(NOW + 1_800_001);
    lab.settle();
    assert_eq!(times(&lab), ["2026-01-31T10:10:00Z", "2026-01-31T10:20:00Z", "2026-01-31T10:30:00Z"]);
}

#[test]
fn what_was_missed_fires_when_the_program_runs_again_if_it_is_not_too_old() {
    let lab = Lab::new();
    let mut hourly = schedule("s", "rate(1 hours)");
    hourly["StartDate"] = json!("2026-01-31T11:00:00Z");
    hourly["Target"]["RetryPolicy"] = json!({ "MaximumEventAgeInSeconds": 7_200 });
    lab.ok("scheduler", "CreateSchedule", hourly);
    // Six hours later: those of 14:30 and before are too old.
    let lab = lab.again(NOW + 6 * 3_600_000 + 1_800_000);
    lab.until("it fired", |lab| lab.inputs().len() == 2);
    lab.settle();
    assert_eq!(times(&lab), ["2026-01-31T15:00:00Z", "2026-01-31T16:00:00Z"]);
}

#[test]
fn a_window_that_was_drawn_otherwise_fires_when_it_was_noted() {
    let lab = Lab::new();
    let mut late = schedule("s", "at(2026-01-31T10:10:00)");
    late["FlexibleTimeWindow"] = json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1_000 });
    lab.ok("scheduler", "CreateSchedule", late);
    let earlier = |connection: &rusqlite::Connection| {
        Ok(connection.execute("UPDATE schedules SET due_millis = next_millis", [])?)
    };
    lab.stores.inner.shared.database.write(earlier).unwrap();
    lab.clock.advance_millis(600_000);
    lab.until("it fired", |lab| lab.inputs().len() == 1);
}

#[test]
fn a_schedule_that_fires_once_may_be_deleted_then() {
    let lab = Lab::new();
    let mut once = schedule("once", "at(2026-01-31T12:00:00)");
    once["ScheduleExpressionTimezone"] = json!("Europe/Berlin");
    once["ActionAfterCompletion"] = json!("DELETE");
    lab.ok("scheduler", "CreateSchedule", once);
    lab.clock.advance_millis(3_600_000);
    lab.until("it fired", |lab| lab.inputs().len() == 1);
    lab.settle();
    assert_eq!(times(&lab), ["2026-01-31T11:00:00Z"]);
    lab.until("it is gone", |lab| {
        lab.run("scheduler", "GetSchedule", json!({ "Name": "once" }))
            .is_err_and(|error| error.code == "ResourceNotFoundException")
    });
}

#[test]
fn a_flexible_window_fires_within_it_and_for_the_same_time() {
    let lab = Lab::new();
    let mut flexible = schedule("s", "cron(0 11 * * ? *)");
    flexible["FlexibleTimeWindow"] = json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15 });
    lab.ok("scheduler", "CreateSchedule", flexible);
    lab.clock.advance_millis(3_600_000 + 15 * 60_000);
    lab.until("it fired", |lab| lab.inputs().len() == 1);
    lab.settle();
    assert_eq!(times(&lab), ["2026-01-31T11:00:00Z"]);
}

#[test]
fn a_rule_with_a_schedule_fires_when_its_time_has_passed() {
    let lab = Lab::new();
    lab.ok("events", "PutRule", json!({ "Name": "tick", "ScheduleExpression": "rate(5 minutes)" }));
    lab.ok("events", "PutTargets", json!({ "Rule": "tick", "Targets": [{ "Id": "1", "Arn": MACHINE }] }));
    lab.settle();
    assert!(lab.inputs().is_empty());
    lab.clock.advance_millis(300_000);
    lab.until("it fired", |lab| lab.inputs().len() == 1);
    lab.settle();
    let event = &lab.inputs()[0];
    assert_eq!(
        (&event["source"], &event["detail-type"], &event["time"]),
        (&json!("aws.events"), &json!("Scheduled Event"), &json!("2026-01-31T10:05:00Z"))
    );
    assert_eq!(event["resources"], json!(["arn:aws:events:us-east-1:123456789012:rule/tick"]));
}

#[test]
fn a_rule_fires_for_what_the_database_has_and_not_for_what_was_read_before() {
    let lab = Lab::new();
    // As if it had been committed while the clockwork was about to fire.
    let rule = |connection: &rusqlite::Connection| {
        let rule = json!({ "ScheduleExpression": "rate(5 minutes)", "State": "ENABLED" }).to_string();
        let insert = "INSERT INTO rules VALUES ('default', 'tick', ?1, ?2, ?3)";
        connection.execute(insert, (rule, NOW, NOW + 300_000))?;
        let target = json!({ "Id": "1", "Arn": MACHINE }).to_string();
        connection.execute("INSERT INTO targets VALUES ('default', 'tick', '1', ?1)", [target])?;
        Ok(())
    };
    lab.stores.inner.shared.database.write(rule).unwrap();
    lab.clock.advance_millis(300_000);
    lab.until("it fired", |lab| lab.inputs().len() == 1);
}

#[test]
fn what_is_no_time_is_refused() {
    let lab = Lab::new();
    for name in ["StartDate", "EndDate"] {
        for date in [json!(1e308), json!(-9e18), json!("NaN"), json!("soon"), json!(true)] {
            let mut wrong = schedule("x", "rate(5 minutes)");
            wrong[name] = date.clone();
            assert_eq!(lab.code("scheduler", "CreateSchedule", wrong), "SerializationException", "{date}");
        }
    }
}

#[test]
fn schedules_are_made_changed_listed_and_deleted() {
    let lab = Lab::new();
    let made = lab.ok("scheduler", "CreateSchedule", schedule("s", "rate(5 minutes)"));
    assert_eq!(made["ScheduleArn"], "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s");
    lab.until("a rate begins at once", |lab| lab.inputs().len() == 1);
    let conflict = lab.run("scheduler", "CreateSchedule", schedule("s", "rate(5 minutes)")).unwrap_err();
    assert_eq!((&*conflict.code, conflict.http_status), ("ConflictException", 409));
    for (name, value) in [
        ("ScheduleExpression", json!("rate(5 fortnights)")),
        ("ScheduleExpressionTimezone", json!("Mars/Olympus")),
        ("FlexibleTimeWindow", json!({ "Mode": "FLEXIBLE" })),
        ("Target", json!({ "Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "RoleArn": ROLE })),
        ("Target", target(Some("{"))),
        ("State", json!("ASLEEP")),
        ("Name", json!("a b")),
    ] {
        let mut wrong = schedule("x", "rate(5 minutes)");
        wrong[name] = value;
        assert_eq!(lab.code("scheduler", "CreateSchedule", wrong), "ValidationException", "{name}");
    }
    let mut changed = schedule("s", "cron(0 12 * * ? *)");
    changed["State"] = json!("DISABLED");
    lab.ok("scheduler", "UpdateSchedule", changed);
    let got = lab.ok("scheduler", "GetSchedule", json!({ "Name": "s" }));
    assert_eq!(
        (&got["State"], &got["ScheduleExpression"], &got["GroupName"]),
        (&json!("DISABLED"), &json!("cron(0 12 * * ? *)"), &json!("default"))
    );
    assert_eq!(
        got["Target"]["RetryPolicy"],
        json!({ "MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185 })
    );
    lab.ok("scheduler", "CreateScheduleGroup", json!({ "Name": "g" }));
    let mut grouped = schedule("t", "rate(1 days)");
    (grouped["GroupName"], grouped["State"]) = (json!("g"), json!("DISABLED"));
    lab.ok("scheduler", "CreateSchedule", grouped);
    let names = |parameters: Value| -> Vec<String> {
        let listed = lab.ok("scheduler", "ListSchedules", parameters);
        listed["Schedules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(json!({})), ["s", "t"]);
    assert_eq!(names(json!({ "GroupName": "g" })), ["t"]);
    lab.ok("scheduler", "DeleteScheduleGroup", json!({ "Name": "g" }));
    lab.ok("scheduler", "DeleteSchedule", json!({ "Name": "s" }));
    assert_eq!(lab.code("scheduler", "DeleteSchedule", json!({ "Name": "s" })), "ResourceNotFoundException");
    assert!(names(json!({})).is_empty());
}

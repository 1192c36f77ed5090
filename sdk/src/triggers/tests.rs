use serde_json::json;

use super::*;
use crate::flow::Flow;
use crate::workflow::workflow;

#[test]
fn schedules_have_a_form() {
    let is =
        ["cron(0 5 2 * ? *)", "cron(0/15 8-18 ? * MON-FRI *)", "rate(5 minutes)", "at(2026-04-01T05:00:00)"];
    for expression in is {
        assert!(is_schedule(expression), "{expression}");
    }
    let is_not = [
        "0 5 2 * *",
        "cron(0 5 2 * *)",
        "cron(0 5 2 * * *)",
        "rate(0 minutes)",
        "rate(5 weeks)",
        "at(soon)",
        "cron",
    ];
    for expression in is_not {
        assert!(!is_schedule(expression), "{expression}");
    }
}

fn value(value: Expr<Value>) -> Option<Value> {
    constant(value.node())
}

#[test]
fn a_schedules_input_is_a_constant() {
    let object = ArrivalExpr {
        bucket: lit("drops".to_owned()),
        key: lit("at ".to_owned()).concat(lit(SCHEDULED_TIME.to_owned())),
        version_id: none(),
        sha256: none(),
        bytes: crate::expr::some(7_u64),
    };
    let constant = constant(object.into_expr().node());
    let expected = json!({ "bucket": "drops", "key": "at <aws.scheduler.scheduled-time>", "bytes": 7 });
    assert_eq!(constant, Some(expected));
    assert_eq!(value(Expr::new(Node::Input)), None);
    assert_eq!(value(Expr::new(Node::Array(vec![node(Node::Literal(json!(1)))]))), Some(json!([1])));
}

fn echo(_: &mut Flow, input: Expr<Arrival>) -> Expr<String> {
    input.key
}

#[test]
#[should_panic(expected = "made of constants and the scheduled time only")]
fn a_schedule_knows_no_more_than_its_time() {
    drop(workflow("echo", echo).every("rate(1 day)").with(|_| Expr::<Arrival>::new(Node::Input)));
}

#[test]
#[should_panic(expected = "are partly the same")]
fn an_object_is_for_one_trigger() {
    crate::bucket!(Drops = "drops");
    let echo = workflow("echo", echo).on_objects::<Drops>("in/").with(|object| object);
    drop(echo.on_objects::<Drops>("in/deep/").with(|object| object));
}

#[test]
fn objects_may_be_told_by_how_their_keys_end() {
    crate::bucket!(Drops = "drops");
    let echo = workflow("echo", echo).on_objects::<Drops>("").ending("/ack.json").ending("/nak.json");
    let built = echo.with(|object| object).build();
    let [Trigger::Objects { prefix, endings, .. }] = built.triggers.as_slice() else { panic!("one") };
    assert_eq!((prefix.as_str(), endings.join(" ")), ("", "/ack.json /nak.json".to_owned()));
}

#[test]
#[should_panic(expected = "every key ends with an empty text")]
fn an_ending_says_something() {
    crate::bucket!(Drops = "drops");
    drop(workflow("echo", echo).on_objects::<Drops>("in/").ending(""));
}

use super::*;
use crate::sample;

#[test]
fn the_local_ones_of_an_application() {
    insta::assert_json_snapshot!(local(&sample::triggered(), "eu-central-1", "111122223333"));
}

#[test]
fn an_application_without_any_has_no_document() {
    assert_eq!(local(&sample::manifest(), "eu-central-1", "111122223333"), None);
}

/// A prefix and an ending are one pattern: `EventBridge` takes two of them for alternatives.
#[test]
fn keys_by_how_they_begin_and_end() {
    let pattern = |prefix: &str, endings: &[&str]| {
        let endings: Vec<String> = endings.iter().map(|ending| (*ending).to_owned()).collect();
        let pattern = json!(ObjectPattern::new(Text::literal("drops"), prefix, &endings));
        pattern["detail"]["object"]["key"].clone()
    };
    assert_eq!(pattern("", &[]), Value::Null);
    assert_eq!(pattern("in/", &[]), json!([{ "prefix": "in/" }]));
    assert_eq!(
        pattern("", &["/ack.json", "/nak.json"]),
        json!([{ "suffix": "/ack.json" }, { "suffix": "/nak.json" }])
    );
    assert_eq!(pattern("in/a*\\", &[".csv"]), json!([{ "wildcard": "in/a\\*\\\\*.csv" }]));
}

#[test]
fn it_is_told_what_objects_start() {
    let trigger = |endings: &[&str]| Trigger::Objects {
        name: "n".to_owned(),
        bucket: "drop".to_owned(),
        prefix: "in/".to_owned(),
        endings: endings.iter().map(|ending| (*ending).to_owned()).collect(),
    };
    assert_eq!(trigger(&[]).to_string(), "objects in drop/in/");
    assert_eq!(
        trigger(&["/ack.json", "/nak.json"]).to_string(),
        "objects in drop/in/…/ack.json or drop/in/…/nak.json"
    );
}

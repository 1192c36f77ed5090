use serde_json::{Value, json};

use super::*;
use crate::sample;

fn refused(text: &str) -> String {
    Manifest::from_json(text).expect_err("should be refused").to_string()
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut value = serde_json::to_value(sample::manifest()).unwrap();
    change(&mut value);
    value.to_string()
}

#[test]
fn what_is_written_is_read_back() {
    for manifest in [sample::manifest(), sample::triggered()] {
        assert_eq!(Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
    }
}

#[test]
fn the_format_is_the_documented_one() {
    insta::assert_snapshot!("manifest", sample::manifest().to_json().unwrap());
}

#[test]
fn another_version_is_named_before_anything_else_is_wrong() {
    let newer = r#"{"schemaVersion": 2, "somethingNew": true}"#;
    assert!(refused(newer).contains("schemaVersion 2, this Stepwright reads 1"), "{}", refused(newer));
    assert!(refused("{}").contains("schemaVersion nothing"));
}

#[test]
fn text_that_is_no_manifest_is_refused() {
    assert!(refused("not json").contains("not readable"));
    assert!(refused(r#"{"schemaVersion": 1}"#).contains("missing field"));
    let unknown = changed(|manifest| manifest["colour"] = json!("red"));
    assert!(refused(&unknown).contains("unknown field `colour`"));
}

#[test]
fn triggers_have_names_that_fit_and_queues_one_reader() {
    let mut manifest = sample::triggered();
    let mut other = manifest.workflows[0].clone();
    other.name = "o".repeat(70);
    for trigger in &mut other.triggers {
        match trigger {
            Trigger::Schedule { name, .. } => *name = format!("{}-schedule-1", "o".repeat(70)),
            Trigger::Objects { bucket, name, .. } => {
                (*bucket, *name) = ("nowhere".to_owned(), "other".to_owned());
            }
            Trigger::Queue { .. } => {}
        }
    }
    manifest.workflows.push(other);
    insta::assert_snapshot!("trigger_problems", manifest.validated().unwrap_err().to_string());
}

#[test]
fn every_problem_is_told_with_its_place() {
    let broken = changed(|manifest| {
        manifest["workflows"][0]["functions"] = json!(["orders-missing"]);
        manifest["workflows"][0]["definition"] = json!("{}");
        manifest["workflows"][0]["intake"]["bucket"] = json!("nowhere");
        manifest["functions"][0]["memoryMib"] = json!(64);
        manifest["functions"][0]["timeoutSeconds"] = json!(901);
        manifest["functions"][0]["binary"] = json!("../step");
        manifest["functions"][0]["environment"] = json!({ "A": "x".repeat(4096) });
        manifest["functions"][1]["grants"][1]["access"] = json!("read");
        manifest["functions"][1]["name"] = json!("orders-Post");
        manifest["secrets"] = json!([]);
        manifest["buckets"] = json!(["drops", "drops", "stag--ing"]);
    });
    insta::assert_snapshot!("problems", refused(&broken));
}

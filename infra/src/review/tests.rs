use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::sample;
use crate::stack::{self, Asset};
use crate::{Architecture, Environment};

fn template() -> Template {
    let asset = |hash: &str| Asset { object_key: format!("{hash}.zip"), path: format!("assets/{hash}.zip") };
    let assets =
        BTreeMap::from([("step-parse".to_owned(), asset("a")), ("step-post".to_owned(), asset("b"))]);
    stack::template(&sample::triggered(), &Environment::default(), Architecture::Arm64, &assets).unwrap()
}

/// The rules broken once a mistake is planted in the resource at `path`.
fn with_mistake(path: &str, mistake: impl FnOnce(&mut Value)) -> Vec<&'static str> {
    let mut template = template();
    let resource = template.resources.values_mut().find(|r| r.path() == path).expect("such a resource");
    mistake(resource.properties_mut());
    review(&template).into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn our_own_template_breaks_no_rule() {
    assert_eq!(review(&template()), []);
}

#[test]
fn each_mistake_is_seen_by_its_rule() {
    type Mistake = fn(&mut Value);
    let planted: [(&str, &str, Mistake); 26] = [
        ("named-actions", "parse/Role", |p| first(p)["Action"] = json!("s3:*")),
        ("named-actions", "parse/Role", |p| first(p)["Action"] = json!(["iam:PassRole"])),
        ("named-resources", "parse/Role", |p| first(p)["Resource"] = json!("*")),
        ("narrow-trust", "order-intake/Role", |p| trust(p)["Condition"] = json!({})),
        ("narrow-trust", "parse/Role", |p| trust(p)["Principal"] = json!({ "AWS": "*" })),
        ("policy-size", "parse/Role", |p| first(p)["Resource"] = json!("x".repeat(10_300))),
        ("observed", "parse/Function", |p| p["TracingConfig"]["Mode"] = json!("PassThrough")),
        ("observed", "parse/Function", |p| p["LoggingConfig"] = json!({})),
        ("no-plain-secret", "parse/Function", |p| {
            p["Environment"]["Variables"]["db_password"] = json!("hunter2");
        }),
        ("observed", "order-intake/StateMachine", |p| p["LoggingConfiguration"]["Level"] = json!("ERROR")),
        ("observed", "order-intake/StateMachine", |p| p["TracingConfiguration"]["Enabled"] = json!(false)),
        ("exact-definition", "order-intake/StateMachine", |p| p["DefinitionSubstitutions"] = json!({})),
        ("logs-end", "parse/Logs", |p| p["RetentionInDays"] = Value::Null),
        ("private-bucket", "drops/Bucket", |p| p["BucketEncryption"] = Value::Null),
        ("private-bucket", "drops/Bucket", |p| {
            p["PublicAccessBlockConfiguration"]["BlockPublicAcls"] = json!(false);
        }),
        ("tls-only", "drops/Bucket/Policy", |p| p["PolicyDocument"]["Statement"] = json!([])),
        ("narrow-trust", "order-intake/Triggers/order-intake-schedule-1/Role", |p| {
            trust(p)["Condition"] = json!({});
        }),
        ("named-actions", "order-intake/Triggers/order-intake-orders/Role", |p| {
            first(p)["Action"] = json!("states:*");
        }),
        ("nothing-lost", "order-intake/Triggers/order-intake-schedule-1", |p| {
            p["Target"]["DeadLetterConfig"] = json!({});
        }),
        ("nothing-lost", "order-intake/Triggers/order-intake-objects-1", |p| {
            p["Targets"][0]["DeadLetterConfig"] = json!({});
        }),
        ("private-queue", "order-intake/Queues/orders-orders", |p| {
            p["SqsManagedSseEnabled"] = json!(false);
        }),
        ("private-queue", "order-intake/Queues/orders-orders/Policy", |p| {
            sender(p)["Principal"] = json!({ "AWS": "*" });
        }),
        ("private-queue", "order-intake/Undelivered/Policy", |p| sender(p)["Condition"] = json!({})),
        ("tls-only", "order-intake/Queues/orders-orders/Policy", |p| {
            p["PolicyDocument"]["Statement"][1]["Condition"] = json!({});
        }),
        ("own-role", "order-intake/Triggers/order-intake-objects-1", |p| {
            p["Targets"][0]["RoleArn"] = json!({ "Fn::GetAtt": ["OrderIntakeSchedule1TriggerRole", "Arn"] });
        }),
        ("own-role", "parse/Function", |p| p["Role"] = json!({ "Fn::GetAtt": ["PostFunctionRole", "Arn"] })),
    ];
    for (rule, path, mistake) in planted {
        let mut rules = with_mistake(path, mistake);
        rules.dedup();
        assert_eq!(rules, [rule], "{path}");
    }
}

fn first(role: &mut Value) -> &mut Value {
    &mut role["Policies"][0]["PolicyDocument"]["Statement"][0]
}

fn sender(policy: &mut Value) -> &mut Value {
    &mut policy["PolicyDocument"]["Statement"][0]
}

fn trust(role: &mut Value) -> &mut Value {
    &mut role["AssumeRolePolicyDocument"]["Statement"][0]
}

#[test]
fn a_star_needs_its_reason() {
    let mut template = template();
    let id =
        template.resources.iter().find(|(_, r)| r.path() == "parse/Role").map(|(id, _)| id.clone()).unwrap();
    let role = template.resources.shift_remove(&id).unwrap();
    let bare = Resource::new(
        "parse/Role",
        crate::cloudformation::Deletion::Delete,
        &Bare(role.properties().clone()),
    );
    template.add(id, bare.unwrap()).unwrap();
    let rules: Vec<_> = review(&template).into_iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["named-resources"]);
}

#[derive(serde::Serialize)]
#[serde(transparent)]
struct Bare(Value);

impl crate::cloudformation::Properties for Bare {
    const TYPE: &'static str = "AWS::IAM::Role";
}

//! A small application: a machine of every state type we generate, two
//! functions, two buckets, a secret.

use std::collections::BTreeMap;

use infra::{Manifest, sha256_hex};
use serde_json::{Value, json};

/// The manifest; another `release` gives another definition.
pub(super) fn manifest(release: &str) -> Manifest {
    let definition = serde_json::to_string_pretty(&definition(release)).expect("JSON") + "\n";
    let manifest = json!({
        "schemaVersion": 1,
        "app": "orders",
        "workflows": [{
            "name": "order-intake",
            "comment": "Takes orders in.",
            "definitionSha256": sha256_hex(definition.as_bytes()),
            "definition": definition,
            "inputSchema": { "type": "object" },
            "sourceMap": { "Parse": "src/intake.rs:12" },
            "intake": null,
            "functions": ["orders-parse", "orders-post"],
        }],
        "functions": [
            function("parse", &json!([
                { "kind": "bucket", "name": "drops", "access": "read" },
                { "kind": "bucket", "name": "staging", "access": "write" },
            ])),
            function("post", &json!([
                { "kind": "bucket", "name": "staging", "access": "read" },
                { "kind": "secret", "name": "ledger", "access": "use" },
            ])),
        ],
        "buckets": ["drops", "staging"],
        "secrets": ["ledger"],
    });
    Manifest::from_json(&manifest.to_string()).expect("the fixture is a valid manifest")
}

fn function(step: &str, grants: &Value) -> Value {
    json!({
        "name": format!("orders-{step}"),
        "step": step,
        "description": format!("Does {step}."),
        "package": format!("orders-step-{step}"),
        "binary": format!("step-{step}"),
        "handler": step,
        "memoryMib": 256,
        "timeoutSeconds": 60,
        "environment": {},
        "grants": grants,
        "inputSchema": { "type": "object" },
        "outputSchema": { "type": "object" },
        "errors": ["OrderError.Malformed"],
    })
}

fn definition(release: &str) -> Value {
    json!({
        "Comment": format!("Takes orders in: release {release}."),
        "QueryLanguage": "JSONata",
        "StartAt": "Parse",
        "TimeoutSeconds": 3600,
        "States": {
            "Parse": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": { "FunctionName": "orders-parse", "Payload": "{% $states.input %}" },
                "Assign": { "orders": "{% $states.result.Payload.orders %}" },
                "Retry": [{
                    "ErrorEquals": ["Lambda.ServiceException", "Lambda.TooManyRequestsException"],
                    "IntervalSeconds": 2,
                    "MaxAttempts": 6,
                    "BackoffRate": 2,
                    "JitterStrategy": "FULL",
                }],
                "Catch": [{ "ErrorEquals": ["OrderError.Malformed"], "Next": "Malformed" }],
                "Next": "Any orders?",
            },
            "Any orders?": {
                "Type": "Choice",
                "Choices": [{ "Condition": "{% $count($orders) > 0 %}", "Next": "Post" }],
                "Default": "Nothing to do",
            },
            "Post": {
                "Type": "Map",
                "Items": "{% $orders %}",
                "MaxConcurrency": 10,
                "ItemProcessor": {
                    "ProcessorConfig": { "Mode": "INLINE" },
                    "StartAt": "Post one",
                    "States": {
                        "Post one": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::lambda:invoke",
                            "Arguments": { "FunctionName": "orders-post", "Payload": "{% $states.input %}" },
                            "Output": "{% $states.result.Payload %}",
                            "End": true,
                        },
                    },
                },
                "Next": "Take a breath",
            },
            "Take a breath": { "Type": "Wait", "Seconds": 1, "Next": "Done" },
            "Done": { "Type": "Pass", "Output": { "posted": "{% $count($states.input) %}" }, "End": true },
            "Nothing to do": { "Type": "Succeed", "Output": { "posted": 0 } },
            "Malformed": { "Type": "Fail", "Error": "Orders.Malformed", "Cause": "{% $states.input.Cause %}" },
        },
    })
}

/// Binaries that are Linux executables as far as their header tells; another
/// `release` changes one of them.
pub(super) fn binaries(release: &str) -> BTreeMap<String, Vec<u8>> {
    let executable = |content: &str| {
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xb7\0".to_vec();
        bytes.extend(content.as_bytes());
        bytes
    };
    BTreeMap::from([
        ("step-parse".to_owned(), executable("parse")),
        ("step-post".to_owned(), executable(release)),
    ])
}

//! A small application for the tests of this crate: two steps of two packages,
//! two buckets and a secret.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::json;

use crate::hash::sha256_hex;
use crate::manifest::{
    Access, Function, Grant, Intake, Manifest, ResourceKind, SCHEMA_VERSION, Trigger, Workflow,
};

pub(crate) fn manifest() -> Manifest {
    let definition = definition();
    Manifest {
        schema_version: SCHEMA_VERSION,
        app: "orders".to_owned(),
        workflows: vec![Workflow {
            name: "order-intake".to_owned(),
            comment: Some("Takes orders in.".to_owned()),
            definition_sha256: sha256_hex(definition.as_bytes()),
            definition,
            input_schema: json!({ "type": "object" }),
            source_map: IndexMap::from([
                ("Parse".to_owned(), "src/intake.rs:12".to_owned()),
                ("Post".to_owned(), "src/intake.rs:13".to_owned()),
            ]),
            intake: Some(Intake {
                bucket: "drops".to_owned(),
                files_field: "files".to_owned(),
                spec_field: "spec".to_owned(),
                with_folder: false,
                period_field: None,
                messages_field: None,
                correction_field: None,
                sample: "samples/orders".to_owned(),
            }),
            triggers: Vec::new(),
            functions: vec!["orders-parse".to_owned(), "orders-post".to_owned()],
            puts_events: false,
            answers: Vec::new(),
        }],
        functions: vec![
            function("parse", vec![bucket("drops", Access::Read), bucket("staging", Access::Write)]),
            function("post", vec![bucket("staging", Access::Read), secret("ledger")]),
        ],
        buckets: vec!["drops".to_owned(), "staging".to_owned()],
        secrets: vec!["ledger".to_owned()],
    }
}

/// The same, started by the clock, by objects and by messages.
pub(crate) fn triggered() -> Manifest {
    let mut manifest = manifest();
    let triggers = vec![
        Trigger::Schedule {
            name: "order-intake-schedule-1".to_owned(),
            expression: "cron(0 5 2 * ? *)".to_owned(),
            timezone: Some("Europe/Berlin".to_owned()),
            input: json!({ "scheduled_at": "<aws.scheduler.scheduled-time>", "full": true }),
        },
        Trigger::Objects {
            name: "order-intake-objects-1".to_owned(),
            bucket: "drops".to_owned(),
            prefix: "incoming/".to_owned(),
            endings: Vec::new(),
        },
        Trigger::Queue {
            name: "order-intake-orders".to_owned(),
            queue: "orders-orders".to_owned(),
            accounts: vec!["123456789012".to_owned(), "210987654321".to_owned()],
            batch: 50,
            window_seconds: 30,
        },
    ];
    manifest.workflows[0].triggers = triggers;
    // `post` waits, and the workflow itself may answer it.
    manifest.functions[1].waits = true;
    manifest.workflows[0].puts_events = true;
    manifest.workflows[0].answers = vec!["orders-post".to_owned()];
    manifest
}

fn definition() -> String {
    let task = |function: &str| {
        json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": { "FunctionName": function, "Payload": "{% $states.input %}" },
            "Output": "{% $states.result.Payload %}",
        })
    };
    let mut parse = task("orders-parse");
    parse["Next"] = json!("Post");
    let mut post = task("orders-post");
    post["End"] = json!(true);
    let machine = json!({
        "Comment": "Takes orders in.",
        "QueryLanguage": "JSONata",
        "StartAt": "Parse",
        "States": { "Parse": parse, "Post": post },
    });
    serde_json::to_string_pretty(&machine).unwrap() + "\n"
}

fn function(step: &str, grants: Vec<Grant>) -> Function {
    Function {
        name: format!("orders-{step}"),
        step: step.to_owned(),
        description: format!("Does {step}."),
        package: format!("orders-step-{step}"),
        binary: format!("step-{step}"),
        handler: step.to_owned(),
        memory_mib: 256,
        timeout_seconds: 60,
        environment: BTreeMap::from([("RUST_LOG".to_owned(), "info".to_owned())]),
        grants,
        waits: false,
        input_schema: json!({ "type": "object" }),
        output_schema: json!({ "type": "object" }),
        errors: vec!["ParseError.Malformed".to_owned()],
    }
}

fn bucket(name: &str, access: Access) -> Grant {
    Grant { kind: ResourceKind::Bucket, name: name.to_owned(), access }
}

fn secret(name: &str) -> Grant {
    Grant { kind: ResourceKind::Secret, name: name.to_owned(), access: Access::Use }
}

/// A Linux executable as far as its header tells.
pub(crate) fn executable(machine: u8, content: &str) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0".to_vec();
    bytes.extend([machine, 0]);
    bytes.extend(content.as_bytes());
    bytes
}

pub(crate) const ARM64: u8 = 0xb7;
pub(crate) const X86_64: u8 = 0x3e;

pub(crate) fn binaries() -> BTreeMap<String, Vec<u8>> {
    ["step-parse", "step-post"].map(|name| (name.to_owned(), executable(ARM64, name))).into()
}

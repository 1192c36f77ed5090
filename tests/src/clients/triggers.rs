//! Queues, events, schedules and pipes with AWS's own clients.

use serde_json::{Value, json};

use super::{Served, script, tool};

fn seen(command: &mut std::process::Command) -> Value {
    let output = command.output().expect("the client starts");
    assert!(output.status.success(), "{}", crate::told(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn boto3_makes_and_meets_everything() {
    let Some(python) = tool("python/bin/python") else { return };
    let served = Served::start(&["--credentials", "generate"]);
    let seen = seen(served.client(python).arg(script("with_boto3_triggers.py")));
    let expected = json!({
        "received": ["poison", "1", ["A", "B"]],
        "redriven": [false, "poison"],
        "batch": [3, 0],
        "tags": { "team": "data" },
        "fifo": [true, ["1", "2"]],
        "queue errors": [
            ["AWS.SimpleQueueService.NonExistentQueue", 400],
            ["ReceiptHandleIsInvalid", 400],
            ["AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400],
        ],
        "exception": "QueueDoesNotExist",
        "events": [0, [2, 3]],
        "rules": ["orders"],
        "event errors": [["InvalidEventPatternException", 400], ["ResourceNotFoundException", 400]],
        "schedule": ["ENABLED", [{ "by": "schedule" }]],
        "schedules": ["once"],
        "schedule errors": [["ResourceNotFoundException", 404], ["ValidationException", 400]],
        "pipe": ["RUNNING", [[{ "text": "from a task" }]]],
        "pipes": ["p"],
        "pipe errors": [["NotFoundException", 404]],
    });
    assert_eq!(seen, expected);
}

const DROPS: &str = r#"
[[Rules]]
Name = "drops"
EventPattern = { source = ["aws.s3"], detail = { bucket = { name = ["drops"] }, object = { key = [{ prefix = "in/" }] } } }
Targets = [{ Id = "run", Arn = "arn:aws:states:us-east-1:123456789012:stateMachine:delivery", InputPath = "$.detail" }]
"#;

#[test]
fn an_object_that_is_put_starts_an_execution_that_reads_it() {
    let Some(python) = tool("python/bin/python") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("triggers.toml");
    std::fs::write(&file, DROPS).expect("a file");
    let file = file.to_str().expect("a path");
    let served = Served::start(&["--credentials", "generate", "--triggers", file]);
    let seen = seen(served.client(python).arg(script("with_s3_and_a_rule.py")));
    let expected = json!({
        "notification": {},
        "executions": [["SUCCEEDED", { "text": "figures", "type": "text/plain" }]],
    });
    assert_eq!(seen, expected);
}

#[test]
fn aws_command_line_makes_triggers() {
    let (Some(aws), Some(python)) = (tool("python/bin/aws"), tool("python/bin/python")) else { return };
    let served = Served::start(&[]);
    let mut client = served.client("bash");
    client.arg(script("with_aws_cli_triggers.sh")).env("AWS", aws).env("PYTHON", python);
    assert_eq!(seen(&mut client), json!(["hello", "0", "s", "5d41402abc4b2a76b9719d911017c592", true]));
}

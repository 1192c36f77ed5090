//! Tests of the operations: the rules of each, in AWS's words, and the facts
//! of the service model.

mod executions;
mod redrive;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{Completion, Engine, EngineOptions, ManualClock, TaskHost, TaskRequest};
use serde_json::{Value, json};

use super::operations;
use super::shapes::{Member, Shape};
use super::{Api, ApiError};

/// Keeps every task for ever.
struct Silent;

impl TaskHost for Silent {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        std::mem::forget(done);
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/r";
const PASS: &str = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#;
const OTHER: &str = r#"{"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}"#;
const WAIT: &str = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}"#;

struct Lab {
    api: Api,
    clock: ManualClock,
    _directory: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(1_767_225_600_250);
        let options = EngineOptions {
            clock: Arc::new(clock.clone()),
            ..EngineOptions::new(directory.path(), Arc::new(Silent))
        };
        let api = Api::new(Engine::open(options).unwrap()).with_activity_poll(Duration::ZERO);
        Self { api, clock, _directory: directory }
    }

    fn ok(&self, operation: &str, parameters: Value) -> Value {
        match self.api.call(operation, parameters) {
            Ok(answer) => answer,
            Err(error) => panic!("{operation}: {error}"),
        }
    }

    fn refused(&self, operation: &str, parameters: Value) -> ApiError {
        match self.api.call(operation, parameters) {
            Ok(answer) => panic!("{operation} answers {answer}"),
            Err(error) => error,
        }
    }

    /// `code: message` of a refusal.
    fn error(&self, operation: &str, parameters: Value) -> String {
        let error = self.refused(operation, parameters);
        assert_eq!(error.http_status, 400, "{error}");
        error.to_string()
    }

    fn machine(&self, name: &str, definition: &str) -> String {
        let created =
            self.ok("CreateStateMachine", json!({ "name": name, "definition": definition, "roleArn": ROLE }));
        created["stateMachineArn"].as_str().unwrap().to_owned()
    }

    /// Creates a state machine with versions 1 and 2.
    fn versions(&self, name: &str) -> String {
        let arn = self.machine(name, PASS);
        self.ok("PublishStateMachineVersion", json!({ "stateMachineArn": arn }));
        self.ok(
            "UpdateStateMachine",
            json!({ "stateMachineArn": arn, "definition": OTHER, "publish": true }),
        );
        arn
    }

    fn start(&self, arn: &str, name: &str) -> String {
        let started = self.ok("StartExecution", json!({ "stateMachineArn": arn, "name": name }));
        started["executionArn"].as_str().unwrap().to_owned()
    }

    fn settle(&self) {
        self.api.engine().settle().unwrap();
    }
}

fn arn(kind: &str, rest: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:{kind}:{rest}")
}

fn texts(list: &Value, member: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
}

/// The facts in `shapes` and `operations` are those of AWS's service model.
#[test]
fn the_facts_are_those_of_the_service_model() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/aws/sfn-service-2.stripped.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return eprintln!("SKIPPED: ../shared/aws/sfn-service-2.stripped.json is not there");
    };
    let model: Value = serde_json::from_str(&text).unwrap();
    for operation in operations::ALL {
        let input = model["operations"][operation.name]["input"]["shape"].as_str();
        let input = input.unwrap_or_else(|| panic!("{} is no operation", operation.name));
        same_structure(&model, &model["shapes"][input], operation.members, operation.name);
    }
}

fn same_structure(model: &Value, shape: &Value, members: &[Member], path: &str) {
    let wanted: Vec<&String> = shape["members"].as_object().unwrap().keys().collect();
    let found: Vec<&str> = members.iter().map(|member| member.name).collect();
    assert_eq!(found, wanted, "{path}");
    let required: Vec<&str> =
        shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for member in members {
        let path = format!("{path}.{}", member.name);
        assert_eq!(member.required, required.contains(&member.name), "{path}");
        let target = shape["members"][member.name]["shape"].as_str().unwrap();
        same_shape(model, &model["shapes"][target], member.shape, &path);
    }
}

fn same_shape(model: &Value, wanted: &Value, found: &Shape, path: &str) {
    let bound = |name: &str| wanted[name].as_u64();
    match found {
        Shape::Text(text) => {
            assert_eq!(wanted["type"], "string", "{path}");
            assert_eq!(text.min as u64, bound("min").unwrap_or(0), "{path}");
            assert_eq!(text.max as u64, bound("max").unwrap_or(usize::MAX as u64), "{path}");
            assert_eq!(text.pattern.map(|pattern| pattern.text), wanted["pattern"].as_str(), "{path}");
            let values: Vec<&str> =
                wanted["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert_eq!(text.values, values, "{path}");
            assert_eq!(text.sensitive, wanted["sensitive"] == true, "{path}");
        }
        Shape::Number(number) => {
            let kinds: &[&str] = if number.fraction { &["float"] } else { &["integer", "long"] };
            assert!(kinds.contains(&wanted["type"].as_str().unwrap()), "{path}");
            assert_eq!(Some(number.min), wanted["min"].as_i64(), "{path}");
            let unbounded = if wanted["type"] == "long" { i64::MAX } else { i64::from(i32::MAX) };
            assert_eq!(number.max, wanted["max"].as_i64().unwrap_or(unbounded), "{path}");
        }
        Shape::Flag => assert_eq!(wanted["type"], "boolean", "{path}"),
        Shape::Structure(members) => same_structure(model, wanted, members, path),
        Shape::List { member, min, max } => {
            assert_eq!(wanted["type"], "list", "{path}");
            assert_eq!(*min as u64, bound("min").unwrap_or(0), "{path}");
            assert_eq!(*max as u64, bound("max").unwrap_or(usize::MAX as u64), "{path}");
            let target = wanted["member"]["shape"].as_str().unwrap();
            same_shape(model, &model["shapes"][target], member, path);
        }
    }
}

#[test]
fn parameters_are_checked_against_the_facts() {
    let lab = Lab::new();
    let long = "x".repeat(81);
    for (operation, parameters, message) in [
        (
            "CreateStateMachine",
            json!({ "name": long, "definition": PASS, "type": "FAST", "roleArn": null }),
            format!(
                "3 validation errors detected: Value '{long}' at 'name' failed to satisfy constraint: Member must have \
                 length less than or equal to 80; Value null at 'roleArn' failed to satisfy constraint: Member must \
                 not be null; Value 'FAST' at 'type' failed to satisfy constraint: Member must satisfy enum value set: \
                 [STANDARD, EXPRESS]"
            ),
        ),
        (
            "ListStateMachines",
            json!({ "maxResults": 1001 }),
            "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have \
             value less than or equal to 1000"
                .to_owned(),
        ),
        (
            "CreateStateMachineAlias",
            json!({ "name": "7", "routingConfiguration": [{ "stateMachineVersionArn": "a", "weight": 101 }] }),
            "2 validation errors detected: Value '7' at 'name' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: ^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$; Value '101' at \
             'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less than or \
             equal to 100"
                .to_owned(),
        ),
        (
            // What is sensitive is not repeated.
            "SendTaskFailure",
            json!({ "taskToken": "", "error": "e" }),
            "1 validation error detected: Value at 'taskToken' failed to satisfy constraint: Member must have length \
             greater than or equal to 1"
                .to_owned(),
        ),
    ] {
        assert_eq!(lab.error(operation, parameters), format!("ValidationException: {message}"));
    }
    for (parameters, message) in [
        (json!({ "name": 7 }), "NUMBER_VALUE can not be converted to a String"),
        (json!({ "name": ["a"] }), "Start of list found where not expected"),
        (
            json!({ "name": "a", "tags": { "key": "k" } }),
            "Start of structure or map found where not expected.",
        ),
        (
            json!({ "name": "a", "encryptionConfiguration": "x" }),
            "STRING_VALUE can not be converted to a Structure",
        ),
    ] {
        assert_eq!(lab.error("CreateActivity", parameters), format!("SerializationException: {message}"));
    }
    assert_eq!(lab.refused("Nothing", json!({})).code, "UnknownOperationException");
    assert_eq!(lab.refused("ListActivities", json!([])).code, "SerializationException");
}

#[test]
fn arns_say_what_they_are_of() {
    let lab = Lab::new();
    for (operation, member, arn, problem) in [
        ("DescribeStateMachine", "stateMachineArn", "mine", "Invalid ARN prefix: mine"),
        ("DescribeExecution", "executionArn", "arn:aws:s3:::b", "Invalid ARN prefix: arn:aws:s3:::b"),
        (
            "StopExecution",
            "executionArn",
            &arn("express", "m:n:1"),
            "Resource type not valid in this context: express",
        ),
        (
            "DescribeActivity",
            "activityArn",
            &arn("stateMachine", "m"),
            "Resource type not valid in this context: stateMachine",
        ),
        (
            "ListTagsForResource",
            "resourceArn",
            &arn("execution", "m:n"),
            "Resource type not valid in this context: execution",
        ),
    ] {
        let parameters = json!({ member: arn });
        assert_eq!(lab.error(operation, parameters), format!("InvalidArn: Invalid Arn: '{problem}'"));
    }
    // Somewhere else there is nothing.
    lab.machine("m", PASS);
    let elsewhere = "arn:aws:states:eu-west-1:123456789012:stateMachine:m";
    assert_eq!(
        lab.error("DescribeStateMachine", json!({ "stateMachineArn": elsewhere })),
        format!("StateMachineDoesNotExist: State Machine Does Not Exist: '{elsewhere}'")
    );
}

#[test]
fn a_state_machine_is_described_as_it_was_created() {
    let lab = Lab::new();
    let group = "arn:aws:logs:us-east-1:123456789012:log-group:g:*";
    let logging = json!({
        "level": "ERROR", "includeExecutionData": true,
        "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": group } }]
    });
    let created = lab.ok(
        "CreateStateMachine",
        json!({
            "name": "m", "definition": PASS, "roleArn": ROLE, "type": "EXPRESS", "publish": true,
            "versionDescription": "first", "loggingConfiguration": logging, "tracingConfiguration": { "enabled": true },
            "encryptionConfiguration": { "type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k" },
            "tags": [{ "key": "a", "value": "b" }], "unknown": 1
        }),
    );
    let arn = arn("stateMachine", "m");
    let version = format!("{arn}:1");
    let created_at = 1_767_225_600.25;
    assert_eq!(
        created,
        json!({ "stateMachineArn": arn, "creationDate": created_at, "stateMachineVersionArn": version })
    );
    let described = json!({
        "stateMachineArn": version, "name": "m", "status": "ACTIVE", "definition": PASS, "roleArn": ROLE,
        "type": "EXPRESS", "creationDate": created_at, "loggingConfiguration": logging,
        "tracingConfiguration": { "enabled": true },
        "encryptionConfiguration": {
            "type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k", "kmsDataKeyReusePeriodSeconds": 300
        },
        "description": "first"
    });
    assert_eq!(lab.ok("DescribeStateMachine", json!({ "stateMachineArn": version })), described);
    // Only metadata: `{}` stands for the definition.
    let metadata =
        lab.ok("DescribeStateMachine", json!({ "stateMachineArn": arn, "includedData": "METADATA_ONLY" }));
    assert_eq!((&metadata["definition"], &metadata["name"]), (&json!("{}"), &json!("m")));
    assert_eq!(
        lab.ok("ListStateMachines", json!({})),
        json!({ "stateMachines": [{ "stateMachineArn": arn, "name": "m", "type": "EXPRESS", "creationDate": created_at }] })
    );
}

#[test]
fn creations_that_are_refused() {
    let lab = Lab::new();
    lab.machine("m", PASS);
    let with = |extra: Value| {
        let mut parameters = json!({ "name": "n", "definition": PASS, "roleArn": ROLE });
        parameters.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        parameters
    };
    let destination =
        json!({ "cloudWatchLogsLogGroup": { "logGroupArn": "arn:aws:logs:us-east-1:1:log-group:g:*" } });
    let one_destination = "InvalidLoggingConfiguration: Invalid Logging Configuration: Must specify exactly one Log Destination.";
    let exists =
        format!("StateMachineAlreadyExists: State Machine Already Exists: '{}'", arn("stateMachine", "m"));
    for (parameters, error) in [
        (with(json!({ "name": "m", "definition": OTHER })), exists.as_str()),
        (with(json!({ "name": "a b" })), "InvalidName: Invalid Name: 'a b'"),
        (with(json!({ "roleArn": "me" })), "InvalidArn: Invalid Arn: 'Invalid ARN prefix: me'"),
        (
            with(json!({ "versionDescription": "d" })),
            "ValidationException: Version description can only be set when publish is true",
        ),
        (with(json!({ "loggingConfiguration": { "level": "ALL" } })), one_destination),
        (
            with(
                json!({ "loggingConfiguration": { "level": "ALL", "destinations": [destination, destination] } }),
            ),
            one_destination,
        ),
        (
            with(json!({ "definition": r#"{"Comment":"c","StartAt":"A"}"# })),
            "InvalidDefinition: Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are \
             required: [States] at /'",
        ),
        (
            with(json!({ "encryptionConfiguration": { "type": "CUSTOMER_MANAGED_KMS_KEY" } })),
            "InvalidEncryptionConfiguration: Invalid Encryption Configuration: kmsKeyId must be specified when type \
             is CUSTOMER_MANAGED_KMS_KEY",
        ),
    ] {
        assert_eq!(lab.error("CreateStateMachine", parameters), error);
    }
    let strict = lab.api.clone().with_log_groups(Arc::new(|_| false));
    let missing = with(json!({ "loggingConfiguration": { "level": "ALL", "destinations": [destination] } }));
    assert_eq!(
        strict.call("CreateStateMachine", missing).unwrap_err().to_string(),
        "InvalidLoggingConfiguration: Invalid Logging Configuration: Log Destination not found."
    );
}

#[test]
fn updates() {
    let lab = Lab::new();
    let arn = lab.machine("m", PASS);
    assert_eq!(
        lab.error("UpdateStateMachine", json!({ "stateMachineArn": arn, "publish": true })),
        "MissingRequiredParameter: Either the definition, the role ARN, the LoggingConfiguration, or the \
         TracingConfiguration must be specified"
    );
    lab.clock.advance_millis(1_000);
    let updated = lab.ok("UpdateStateMachine", json!({ "stateMachineArn": arn, "definition": OTHER }));
    assert_eq!(updated["updateDate"], 1_767_225_601.25);
    let described = lab.ok("DescribeStateMachine", json!({ "stateMachineArn": arn }));
    assert_eq!(
        (&described["revisionId"], &described["creationDate"]),
        (&updated["revisionId"], &json!(1_767_225_600.25))
    );
    for wrong in [format!("{arn}:1"), format!("{arn}x")] {
        assert_eq!(
            lab.error("UpdateStateMachine", json!({ "stateMachineArn": wrong, "definition": PASS })),
            format!("StateMachineDoesNotExist: State Machine Does Not Exist: '{wrong}'")
        );
    }
    let published = lab.ok(
        "PublishStateMachineVersion",
        json!({ "stateMachineArn": arn, "revisionId": updated["revisionId"] }),
    );
    assert_eq!(published["stateMachineVersionArn"], format!("{arn}:1"));
    assert_eq!(
        lab.error("PublishStateMachineVersion", json!({ "stateMachineArn": arn, "revisionId": "x" })),
        format!(
            "ConflictException: Failed to publish the State Machine version for revision x. The current State Machine \
             revision is {}.",
            updated["revisionId"].as_str().unwrap()
        )
    );
}

#[test]
fn aliases_are_checked() {
    let lab = Lab::new();
    let (arn, other) = (lab.versions("m"), lab.versions("n"));
    let route = |arn: &str, weight: u32| json!({ "stateMachineVersionArn": arn, "weight": weight });
    let (first, second) = (format!("{arn}:1"), format!("{arn}:2"));
    let create = |routes: Value| json!({ "name": "live", "routingConfiguration": routes });
    for (routes, error) in [
        (
            json!([route(&arn, 100)]),
            format!(
                "ValidationException: Routing configuration must contain state machine version ARNs. Received: [{arn}]"
            ),
        ),
        (
            json!([route(&first, 50), route(&second, 49)]),
            "ValidationException: Sum of routing configuration weights must equal 100. Received: [50, 49]"
                .to_owned(),
        ),
        (
            json!([route(&first, 50), route(&first, 50)]),
            format!(
                "ValidationException: Routing configuration must contain distinct state machine version ARNs. \
                 Received: [{first}, {first}]"
            ),
        ),
        (
            json!([route(&first, 50), route(&format!("{other}:1"), 50)]),
            format!(
                "ValidationException: Routing configuration must contain versions of the same state machine. \
                 Received: [{first}, {other}:1]"
            ),
        ),
        (
            json!([route(&format!("{arn}:9"), 100)]),
            "ResourceNotFound: Request references a resource that does not exist.".to_owned(),
        ),
    ] {
        assert_eq!(lab.error("CreateStateMachineAlias", create(routes)), error);
    }
    let alias = format!("{arn}:live");
    let both = json!([route(&first, 10), route(&second, 90)]);
    assert_eq!(lab.ok("CreateStateMachineAlias", create(both.clone()))["stateMachineAliasArn"], alias);
    let described = lab.ok("DescribeStateMachineAlias", json!({ "stateMachineAliasArn": alias }));
    assert_eq!((&described["name"], &described["routingConfiguration"]), (&json!("live"), &both));
    assert_eq!(
        lab.error("DeleteStateMachineVersion", json!({ "stateMachineVersionArn": first })),
        "ConflictException: Version to be deleted must not be referenced by an alias. Current list of aliases \
         referencing this version: [live]"
    );
    let listed = lab.ok("ListStateMachineAliases", json!({ "stateMachineArn": second }));
    assert_eq!(texts(&listed["stateMachineAliases"], "stateMachineAliasArn"), [alias.as_str()]);
    lab.ok("DeleteStateMachineAlias", json!({ "stateMachineAliasArn": alias }));
    lab.ok("DeleteStateMachineAlias", json!({ "stateMachineAliasArn": alias }));
    for operation in ["DescribeStateMachineAlias", "UpdateStateMachineAlias"] {
        let parameters = json!({ "stateMachineAliasArn": alias, "description": "d" });
        assert_eq!(
            lab.error(operation, parameters),
            "ResourceNotFound: Request references a resource that does not exist."
        );
    }
}

#[test]
fn lists_have_pages() {
    let lab = Lab::new();
    for number in 0..5 {
        lab.machine(&format!("m{number}"), PASS);
        lab.ok("CreateActivity", json!({ "name": format!("a{number}") }));
    }
    let machine = arn("stateMachine", "m0");
    for number in 0..5 {
        lab.clock.advance_millis(number % 2);
        lab.start(&machine, &format!("e{number}"));
    }
    lab.settle();
    let execution = arn("execution", "m0:e0");
    for (operation, parameters, list, member, all) in [
        ("ListStateMachines", json!({}), "stateMachines", "name", "m0 m1 m2 m3 m4"),
        ("ListActivities", json!({}), "activities", "name", "a0 a1 a2 a3 a4"),
        ("ListExecutions", json!({ "stateMachineArn": machine }), "executions", "name", "e4 e3 e2 e1 e0"),
        (
            "GetExecutionHistory",
            json!({ "executionArn": execution }),
            "events",
            "type",
            "ExecutionStarted PassStateEntered PassStateExited ExecutionSucceeded",
        ),
        (
            "GetExecutionHistory",
            json!({ "executionArn": execution, "reverseOrder": true }),
            "events",
            "type",
            "ExecutionSucceeded PassStateExited PassStateEntered ExecutionStarted",
        ),
    ] {
        for size in 1..=5 {
            let (mut found, mut token, mut pages) = (Vec::new(), Value::Null, 0);
            loop {
                let mut parameters = parameters.clone();
                parameters["maxResults"] = json!(size);
                parameters["nextToken"] = token;
                let page = lab.ok(operation, parameters);
                found.extend(texts(&page[list], member));
                pages += 1;
                token = page["nextToken"].clone();
                if token.is_null() {
                    break;
                }
                assert!(token.as_str().unwrap().len() <= 1024);
            }
            assert_eq!(found.join(" "), all, "{operation} by {size}");
            assert_eq!(pages, found.len().div_ceil(size), "{operation} by {size}");
        }
    }
    // A token belongs to its list, and nothing else is one.
    let token = lab.ok("ListActivities", json!({ "maxResults": 1 }))["nextToken"].clone();
    for wrong in [token, json!("InvalidToken"), json!("é".repeat(20)), json!("0".repeat(40))] {
        assert_eq!(
            lab.error("ListStateMachines", json!({ "nextToken": wrong })),
            "InvalidToken: Invalid Token: 'Invalid token'"
        );
    }
}

#[test]
fn activities_and_their_tasks() {
    let lab = Lab::new();
    let activity = arn("activity", "work");
    for name in ["a%b", "a b", "a:b", "a\u{7f}"] {
        assert_eq!(
            lab.error("CreateActivity", json!({ "name": name })),
            format!("InvalidName: Invalid Name: '{name}'")
        );
    }
    let created = lab.ok("CreateActivity", json!({ "name": "work" }));
    assert_eq!(created, json!({ "activityArn": activity, "creationDate": 1_767_225_600.25 }));
    lab.clock.advance_millis(1_000);
    assert_eq!(lab.ok("CreateActivity", json!({ "name": "work" })), created);
    assert_eq!(
        lab.ok("DescribeActivity", json!({ "activityArn": activity })),
        json!({
            "activityArn": activity, "name": "work", "creationDate": 1_767_225_600.25,
            "encryptionConfiguration": { "type": "AWS_OWNED_KEY" }
        })
    );
    let definition = json!({ "StartAt": "T", "States": { "T": {
        "Type": "Task", "Resource": activity, "HeartbeatSeconds": 60, "End": true
    } } });
    let machine = lab.machine("m", &definition.to_string());
    let poll = json!({ "activityArn": activity, "workerName": "w" });
    assert_eq!(lab.ok("GetActivityTask", poll.clone()), json!({ "taskToken": null }));
    let (good, bad) = (lab.start(&machine, "good"), lab.start(&machine, "bad"));
    lab.settle();
    let first = lab.ok("GetActivityTask", poll.clone());
    assert_eq!(first["input"], "{}");
    let token = first["taskToken"].clone();
    assert_eq!(lab.ok("SendTaskHeartbeat", json!({ "taskToken": token })), json!({}));
    let wrong = lab.refused("SendTaskSuccess", json!({ "taskToken": token, "output": "{'a'}" }));
    assert_eq!(wrong.code, "InvalidOutput");
    assert_eq!(lab.ok("SendTaskSuccess", json!({ "taskToken": token, "output": "[1]" })), json!({}));
    let second = lab.ok("GetActivityTask", poll)["taskToken"].clone();
    lab.ok("SendTaskFailure", json!({ "taskToken": second, "error": "E", "cause": "C" }));
    lab.settle();
    let described = lab.ok("DescribeExecution", json!({ "executionArn": good }));
    assert_eq!((&described["status"], &described["output"]), (&json!("SUCCEEDED"), &json!("[1]")));
    let described = lab.ok("DescribeExecution", json!({ "executionArn": bad }));
    assert_eq!((&described["status"], &described["error"]), (&json!("FAILED"), &json!("E")));
    for token in [&token, &second] {
        assert_eq!(
            lab.refused("SendTaskSuccess", json!({ "taskToken": token, "output": "1" })).code,
            "TaskTimedOut"
        );
    }
    assert_eq!(
        lab.error("SendTaskHeartbeat", json!({ "taskToken": "nothing" })),
        "InvalidToken: Invalid Token: 'Invalid token'"
    );
    lab.ok("DeleteActivity", json!({ "activityArn": activity }));
    lab.ok("DeleteActivity", json!({ "activityArn": activity }));
    for operation in ["DescribeActivity", "GetActivityTask"] {
        assert_eq!(
            lab.error(operation, json!({ "activityArn": activity })),
            format!("ActivityDoesNotExist: Activity Does Not Exist: '{activity}'")
        );
    }
}

#[test]
fn tags_are_of_state_machines_and_activities() {
    let lab = Lab::new();
    let machine = lab.versions("m");
    lab.ok("CreateActivity", json!({ "name": "a", "tags": [{ "key": "k" }] }));
    let activity = arn("activity", "a");
    let tags = |arn: &str| lab.ok("ListTagsForResource", json!({ "resourceArn": arn }))["tags"].clone();
    assert_eq!(tags(&activity), json!([{ "key": "k", "value": "" }]));
    let two =
        json!([{ "key": "b", "value": "1" }, { "key": "a", "value": "2" }, { "key": "b", "value": "3" }]);
    lab.ok("TagResource", json!({ "resourceArn": machine, "tags": two }));
    assert_eq!(tags(&machine), json!([{ "key": "b", "value": "3" }, { "key": "a", "value": "2" }]));
    lab.ok("UntagResource", json!({ "resourceArn": machine, "tagKeys": ["b", "c"] }));
    assert_eq!(tags(&machine), json!([{ "key": "a", "value": "2" }]));
    let version = format!("{machine}:1");
    assert_eq!(
        lab.error("TagResource", json!({ "resourceArn": version, "tags": [] })),
        format!("ResourceNotFound: Resource not found: '{version}'")
    );
    let many: Vec<Value> =
        (0..50).map(|number| json!({ "key": format!("k{number}"), "value": "" })).collect();
    assert_eq!(
        lab.refused("TagResource", json!({ "resourceArn": machine, "tags": many })).code,
        "TooManyTags"
    );
}

#[test]
fn a_deleted_state_machine() {
    let lab = Lab::new();
    let machine = lab.machine("m", WAIT);
    let execution = lab.start(&machine, "e");
    let by_arn = json!({ "stateMachineArn": machine });
    assert_eq!(lab.ok("DeleteStateMachine", by_arn.clone()), json!({}));
    assert_eq!(lab.ok("DescribeStateMachine", by_arn.clone())["status"], "DELETING");
    let deleting = format!("StateMachineDeleting: State Machine is being deleted: '{machine}'");
    assert_eq!(lab.error("StartExecution", by_arn.clone()), deleting);
    assert_eq!(lab.error("PublishStateMachineVersion", by_arn.clone()), deleting);
    let create = json!({ "name": "m", "definition": PASS, "roleArn": ROLE });
    assert_eq!(lab.error("CreateStateMachine", create), deleting);
    lab.ok("StopExecution", json!({ "executionArn": execution }));
    lab.settle();
    assert_eq!(lab.refused("DescribeStateMachine", by_arn.clone()).code, "StateMachineDoesNotExist");
    let described = lab.ok("DescribeExecution", json!({ "executionArn": execution }));
    assert_eq!(described["redriveStatusReason"], "State machine is in DELETING status");
    assert_eq!(
        lab.ok("DescribeStateMachineForExecution", json!({ "executionArn": execution }))["definition"],
        WAIT
    );
    assert_eq!(lab.ok("DeleteStateMachine", by_arn.clone()), json!({}));
    assert_eq!(lab.ok("ListStateMachineVersions", by_arn), json!({ "stateMachineVersions": [] }));
}

#[test]
fn definitions_are_validated() {
    let lab = Lab::new();
    assert_eq!(
        lab.ok("ValidateStateMachineDefinition", json!({ "definition": PASS })),
        json!({ "result": "OK", "diagnostics": [], "truncated": false })
    );
    let two = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"X"},"B":{"Type":"Pass","Next":"Y"}}}"#;
    let found = lab.ok("ValidateStateMachineDefinition", json!({ "definition": two }));
    let count = found["diagnostics"].as_array().unwrap().len();
    assert_eq!((&found["result"], &found["truncated"]), (&json!("FAIL"), &json!(false)));
    assert!(count >= 2, "{found}");
    assert_eq!(found["diagnostics"][0]["severity"], "ERROR");
    let cut = lab.ok("ValidateStateMachineDefinition", json!({ "definition": two, "maxResults": 1 }));
    assert_eq!((cut["diagnostics"].as_array().unwrap().len(), &cut["truncated"]), (1, &json!(true)));
    let sync = r#"{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync",
        "Parameters":{"StateMachineArn":"a"},"End":true}}}"#;
    let of_type = |kind: &str| {
        lab.ok("ValidateStateMachineDefinition", json!({ "definition": sync, "type": kind }))["result"]
            .clone()
    };
    assert_eq!((of_type("STANDARD"), of_type("EXPRESS")), (json!("OK"), json!("FAIL")));
}

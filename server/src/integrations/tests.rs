//! The host with an engine and services in this process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use engine::{EngineOptions, ExecutionDescription, StartExecution, Status};
use serde_json::json;

use super::*;

/// Answers every call with its own arguments.
struct Echo;

impl TaskHost for Echo {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        done.finish(TaskOutcome::Succeeded(task.arguments.to_string()));
    }
}

struct World {
    engine: Engine,
    host: Integrations,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(environment: &[(&str, &str)]) -> Self {
        Self::of(settings(environment))
    }

    fn of(settings: AwsSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Integrations::new(Arc::new(Echo), BTreeSet::from(["mine".to_owned()]), settings);
        let engine = Engine::open(EngineOptions::new(folder.path(), Arc::new(host.clone()))).unwrap();
        host.attach(&engine);
        Self { engine, host, _folder: folder }
    }

    #[expect(clippy::needless_pass_by_value, reason = "called with literals")]
    fn put(&self, name: &str, states: Value) {
        let start = states.as_object().unwrap().keys().next().unwrap().clone();
        let definition = json!({ "QueryLanguage": "JSONata", "StartAt": start, "States": states });
        self.engine.put_state_machine(name, &definition.to_string(), None).unwrap();
    }

    fn start(&self, name: &str) -> String {
        let request = StartExecution { state_machine: name.to_owned(), ..StartExecution::default() };
        self.engine.start_execution(request).unwrap().execution_arn
    }

    /// Runs one task to its end.
    fn task(&self, resource: &str, arguments: Value) -> ExecutionDescription {
        self.put("one", json!({ "Only": task(resource, arguments) }));
        self.engine.wait(&self.start("one")).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.engine.clone().shutdown();
        self.host.close();
    }
}

fn settings(environment: &[(&str, &str)]) -> AwsSettings {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    AwsSettings::new(environment.collect(), "us-east-1")
}

#[expect(clippy::needless_pass_by_value, reason = "called with literals")]
fn task(resource: &str, arguments: Value) -> Value {
    let resource = if resource.starts_with("arn:") {
        resource.to_owned()
    } else {
        format!("arn:aws:states:::{resource}")
    };
    json!({ "Type": "Task", "Resource": resource, "Arguments": arguments, "End": true })
}

fn machine(name: &str) -> String {
    engine::arn::state_machine_arn("us-east-1", "123456789012", name)
}

fn output(described: &ExecutionDescription) -> Value {
    let text = described.output.as_deref().unwrap_or_else(|| panic!("{described:?}"));
    serde_json::from_str(text).unwrap()
}

/// A service that gives the same answers in turn, and tells what it was sent: headers and body.
fn service(answers: Vec<(u16, &'static str, String)>) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (status, headers, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).unwrap();
            let _ = sender.send((head, String::from_utf8(sent).unwrap()));
            let answer = format!(
                "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, receiver)
}

/// Where nobody has a rule, an event is accepted and heard by nobody; where somebody says that a
/// bus is, it goes there.
#[test]
fn a_silent_bus_takes_events() {
    let entry = json!({ "Source": "s", "DetailType": "d", "Detail": { "n": 1 } });
    let put = |world: &World| world.task("events:putEvents", json!({ "Entries": [entry, entry] }));
    let silent = World::of(settings(&[]).with_silent_bus());
    let put_silently = output(&put(&silent));
    assert_eq!(put_silently["FailedEntryCount"], 0);
    assert!(put_silently["Entries"][1]["EventId"].is_string(), "{put_silently}");
    assert_eq!(put(&World::new(&[])).status, Status::Failed, "nobody said where one is");
    let listed = silent.task("aws-sdk:eventbridge:listRules", json!({}));
    assert_eq!(listed.status, Status::Failed, "it is nothing but silent");

    let answer = json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "e-1" }, { "EventId": "e-2" }] });
    let (url, sent) = service(vec![(200, "", answer.to_string())]);
    let named = [("AWS_ENDPOINT_URL_EVENTBRIDGE", url.as_str())];
    let put = output(&put(&World::of(settings(&named).with_silent_bus())));
    assert_eq!(put["Entries"][0]["EventId"], "e-1");
    assert!(sent.recv().unwrap().1.contains("\"Source\":\"s\""));
}

#[test]
fn child_executions_run_on_the_same_engine() {
    let world = World::new(&[]);
    world.put("child", json!({ "Wait": { "Type": "Wait", "Seconds": 0, "Next": "Do" }, "Do": { "Type": "Pass", "Output": { "got": "{% $states.input %}" }, "End": true } }));
    let arguments = json!({ "StateMachineArn": machine("child"), "Name": "c1", "Input": { "a": 1 } });
    let started = output(&world.task("states:startExecution", arguments));
    assert_eq!(started["ExecutionArn"], "arn:aws:states:us-east-1:123456789012:execution:child:c1");
    assert!(started["StartDate"].is_i64(), "{started}");
    let sync = output(&world.task(
        "states:startExecution.sync",
        json!({ "StateMachineArn": machine("child"), "Input": { "a": 2 } }),
    ));
    assert_eq!((&sync["Status"], &sync["Output"]), (&json!("SUCCEEDED"), &json!("{\"got\":{\"a\":2}}")));
    let read = output(&world.task(
        "states:startExecution.sync:2",
        json!({ "StateMachineArn": machine("child"), "Input": { "a": 3 } }),
    ));
    assert_eq!((&read["Input"], &read["Output"]), (&json!({ "a": 3 }), &json!({ "got": { "a": 3 } })));
    let sdk = output(
        &world.task("aws-sdk:sfn:describeStateMachine", json!({ "StateMachineArn": machine("child") })),
    );
    assert_eq!(sdk["Name"], "child");
    assert!(sdk["CreationDate"].as_str().is_some_and(|date| date.ends_with('Z')), "{sdk}");
}

#[test]
fn what_a_child_fails_with_is_in_the_cause() {
    let world = World::new(&[]);
    world.put("child", json!({ "No": { "Type": "Fail", "Error": "Own", "Cause": "why" } }));
    let failed = world.task("states:startExecution.sync:2", json!({ "StateMachineArn": machine("child") }));
    assert_eq!((failed.status, failed.error.as_deref()), (Status::Failed, Some("States.TaskFailed")));
    let cause: Value = serde_json::from_str(failed.cause.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&cause["Error"], &cause["Cause"], &cause["Status"]),
        (&json!("Own"), &json!("why"), &json!("FAILED"))
    );
    let missing = world.task("states:startExecution", json!({ "StateMachineArn": machine("nobody") }));
    assert_eq!(missing.error.as_deref(), Some("StepFunctions.StateMachineDoesNotExistException"));
    let cause = missing.cause.unwrap();
    assert!(cause.starts_with(&format!("State Machine Does Not Exist: '{}' (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist; Request ID: ", machine("nobody"))), "{cause}");
    let token = world.task("aws-sdk:sfn:sendTaskSuccess", json!({ "TaskToken": "none", "Output": "1" }));
    assert_eq!(token.error.as_deref(), Some("Sfn.InvalidTokenException"));
}

#[test]
fn a_child_is_stopped_with_its_parent() {
    let world = World::new(&[]);
    world.put("child", json!({ "Wait": { "Type": "Wait", "Seconds": 3600, "End": true } }));
    world.put("parent", json!({ "Run": task("states:startExecution.sync", json!({ "StateMachineArn": machine("child"), "Name": "c" })) }));
    let child = "arn:aws:states:us-east-1:123456789012:execution:child:c";
    let notices = world.engine.subscribe();
    let parent = world.start("parent");
    let submitted = notices.iter().find(|notice| {
        &*notice.execution_arn == parent.as_str()
            && matches!(notice.event.fact, engine::machine::Fact::TaskSubmitted { .. })
    });
    assert!(submitted.is_some());
    world.engine.stop_execution(&parent, None, None).unwrap();
    assert_eq!(world.engine.wait_for(child, Some(Duration::from_secs(30))).unwrap().status, Status::Aborted);
}

#[test]
fn children_are_waited_for_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let host = Integrations::new(
            Arc::new(Echo),
            BTreeSet::new(),
            AwsSettings::new(BTreeMap::new(), "us-east-1"),
        );
        let engine = Engine::open(EngineOptions::new(folder.path(), Arc::new(host.clone()))).unwrap();
        (engine, host)
    };
    let (engine, host) = open();
    host.attach(&engine);
    let put = |name: &str, state: Value| {
        let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "S", "States": { "S": state } });
        engine.put_state_machine(name, &definition.to_string(), None).unwrap();
    };
    put(
        "child",
        task(
            "states:startExecution.waitForTaskToken",
            json!({ "StateMachineArn": machine("leaf"), "Input": { "token": "{% $states.context.Task.Token %}" } }),
        ),
    );
    put("leaf", json!({ "Type": "Pass", "End": true }));
    put(
        "parent",
        task("states:startExecution.sync:2", json!({ "StateMachineArn": machine("child"), "Name": "c" })),
    );
    let notices = engine.subscribe();
    let request = StartExecution { state_machine: "parent".to_owned(), ..StartExecution::default() };
    let parent = engine.start_execution(request).unwrap().execution_arn;
    let is_submitted =
        |notice: &engine::Notice| matches!(notice.event.fact, engine::machine::Fact::TaskSubmitted { .. });
    // That of the parent, and that of the child, which waits for its token.
    assert_eq!(notices.iter().filter(is_submitted).take(2).count(), 2);
    let leaf = engine.list_executions(&engine::ExecutionFilter::default()).unwrap();
    let leaf = leaf.into_iter().find(|one| one.execution_arn.contains(":leaf:")).unwrap().execution_arn;
    let input: Value = serde_json::from_str(&engine.describe_execution(&leaf).unwrap().input).unwrap();
    let token = input["token"].as_str().unwrap().to_owned();
    engine.shutdown();
    host.close();
    let (engine, host) = open();
    host.attach(&engine);
    engine.send_task_success(&token, "{\"done\":true}").unwrap();
    let ended = engine.wait_for(&parent, Some(Duration::from_secs(30))).unwrap();
    assert_eq!(ended.status, Status::Succeeded, "{ended:?}");
    assert_eq!(output(&ended)["Output"], json!({ "done": true }));
    engine.shutdown();
    host.close();
}

#[test]
fn requests_are_signed_and_results_have_metadata() {
    let (url, arrived) = service(vec![(
        200,
        "x-amzn-RequestId: r1\r\n",
        "{\"MessageId\":\"1\",\"MD5OfMessageBody\":\"m\"}".to_owned(),
    )]);
    let world = World::new(&[
        ("AWS_ENDPOINT_URL_SQS", &url),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
    ]);
    let sent = output(
        &world
            .task("sqs:sendMessage", json!({ "QueueUrl": "http://elsewhere/q", "MessageBody": { "a": 1 } })),
    );
    assert_eq!((&sent["MD5OfMessageBody"], &sent["MessageId"]), (&json!("m"), &json!("1")));
    assert_eq!(sent["SdkHttpMetadata"]["HttpStatusCode"], 200);
    assert_eq!(sent["SdkResponseMetadata"]["RequestId"], "r1");
    let (head, body) = arrived.recv().unwrap();
    assert_eq!(body, r#"{"QueueUrl":"http://elsewhere/q","MessageBody":"{\"a\":1}"}"#);
    assert!(
        head.contains("AWS4-HMAC-SHA256 Credential=AKID/") && head.contains("/eu-west-1/sqs/aws4_request"),
        "{head}"
    );
    assert!(!head.contains("secret"), "{head}");
}

#[test]
fn refusals_become_errors_in_the_integrations_words() {
    let refusal = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}"#;
    let answers = (0..2).map(|_| (400, "x-amzn-RequestId: r\r\n", refusal.to_owned())).collect();
    let (url, _arrived) = service(answers);
    let world = World::new(&[("AWS_ENDPOINT_URL", &url)]);
    let put = json!({ "TableName": "t", "Item": {} });
    let sdk = world.task("aws-sdk:dynamodb:putItem", put.clone());
    assert_eq!(sdk.error.as_deref(), Some("DynamoDb.ConditionalCheckFailedException"));
    assert_eq!(
        sdk.cause.as_deref(),
        Some(
            "The conditional request failed (Service: DynamoDb, Status Code: 400, Request ID: r) (SDK Attempt Count: 1)"
        )
    );
    let optimised = world.task("dynamodb:putItem", put.clone());
    assert_eq!(optimised.error.as_deref(), Some("DynamoDB.ConditionalCheckFailedException"));
    // Nobody listens any more.
    let gone = world.task("aws-sdk:dynamodb:putItem", put);
    assert_eq!(gone.error.as_deref(), Some("DynamoDb.SdkClientException"));
}

#[test]
fn nothing_reaches_aws_that_nobody_listed() {
    let world = World::new(&[("AWS_ACCESS_KEY_ID", "production"), ("AWS_SECRET_ACCESS_KEY", "production")]);
    let sent = world.task(
        "sqs:sendMessage",
        json!({ "QueueUrl": "https://sqs.us-east-1.amazonaws.com/1/q", "MessageBody": "m" }),
    );
    assert_eq!(sent.error.as_deref(), Some("States.TaskFailed"));
    let cause = sent.cause.unwrap();
    assert!(cause.contains("AWS_ENDPOINT_URL_SQS") && cause.contains(REAL_SERVICES), "{cause}");
}

#[test]
fn jobs_are_looked_at_until_they_end() {
    let look =
        |status: &str| (200, "", format!("{{\"jobs\":[{{\"jobId\":\"j\",\"status\":\"{status}\"}}]}}"));
    let (url, arrived) = service(vec![
        (200, "", "{\"jobId\":\"j\",\"jobName\":\"n\"}".to_owned()),
        look("RUNNING"),
        (503, "", String::new()),
        look("SUCCEEDED"),
    ]);
    let world = World::new(&[("AWS_ENDPOINT_URL_BATCH", &url)]);
    let arguments = json!({ "JobName": "n", "JobQueue": "q", "JobDefinition": "d" });
    let done = output(&world.task("batch:submitJob.sync", arguments));
    assert_eq!(done, json!({ "JobId": "j", "Status": "SUCCEEDED" }));
    let sent: Vec<String> = arrived.try_iter().map(|(_, body)| body).collect();
    assert_eq!(sent[1..], [r#"{"jobs":["j"]}"#, r#"{"jobs":["j"]}"#, r#"{"jobs":["j"]}"#]);
}

#[test]
fn functions_are_found_where_they_are() {
    let failed = r#"{"errorMessage":"m","errorType":"Own"}"#;
    let (url, arrived) = service(vec![
        (200, "X-Amz-Executed-Version: $LATEST\r\n", "{\"sum\":3.0}".to_owned()),
        (200, "X-Amz-Function-Error: Unhandled\r\n", failed.to_owned()),
        (
            404,
            "x-amzn-ErrorType: ResourceNotFoundException\r\n",
            "{\"Message\":\"Function not found: f\"}".to_owned(),
        ),
        (200, "", "[1]".to_owned()),
    ]);
    let world = World::new(&[
        ("AWS_ENDPOINT_URL_LAMBDA", &url),
        ("STEPWRIGHT_FUNCTION_URL_AT_URL", &format!("{url}/run")),
    ]);
    let local =
        output(&world.task("lambda:invoke", json!({ "FunctionName": "mine", "Payload": { "a": 1 } })));
    assert_eq!(local["FunctionName"], "mine");
    let invoke = |name: &str| world.task("lambda:invoke", json!({ "FunctionName": name, "Payload": [1, 2] }));
    let other = output(&invoke("other"));
    assert_eq!(
        (&other["Payload"], &other["ExecutedVersion"], &other["StatusCode"]),
        (&json!({ "sum": 3.0 }), &json!("$LATEST"), &json!(200))
    );
    let raised = invoke("other");
    assert_eq!((raised.error.as_deref(), raised.cause.as_deref()), (Some("Own"), Some(failed)));
    let missing = world.task("arn:aws:lambda:us-east-1:123456789012:function:gone", json!({ "x": 1 }));
    assert_eq!(missing.error.as_deref(), Some("Lambda.ResourceNotFoundException"));
    assert_eq!(output(&invoke("at-url"))["Payload"], json!([1]));
    let sent: Vec<(String, String)> = arrived.try_iter().collect();
    assert!(sent[0].0.starts_with("POST /2015-03-31/functions/other/invocations "), "{}", sent[0].0);
    assert_eq!((&*sent[0].1, &*sent[2].1), ("[1,2]", "{\"x\":1}"));
    assert!(sent[3].0.starts_with("POST /run "), "{}", sent[3].0);
}

#[test]
fn what_is_no_integration_is_told() {
    // Most are refused with their definition; a mocked host or another engine lets them through.
    let host =
        Integrations::new(Arc::new(Echo), BTreeSet::new(), AwsSettings::new(BTreeMap::new(), "us-east-1"));
    let refused = |resource: &str| {
        let (sender, receiver) = channel();
        let task = TaskRequest {
            key: TaskKey { execution_arn: "e".into(), event_id: 1 },
            execution_arn: "e".to_owned(),
            state_name: "S".to_owned(),
            attempt: 0,
            resource: format!("arn:aws:states:::{resource}"),
            arguments: json!({}),
            timeout_seconds: None,
            token: None,
            trace_header: None,
        };
        host.invoke(task, Completion::new(move |outcome| sender.send(outcome).unwrap()));
        match receiver.recv().unwrap() {
            TaskOutcome::Failed { error, cause } if error == "States.Runtime" => cause,
            outcome => panic!("{resource}: {outcome:?}"),
        }
    };
    for resource in ["nothing:here", "aws-sdk:nothing:here", "sqs:deleteMessage.sync", "eks:call", "sns:fly"]
    {
        assert!(refused(resource).contains(resource), "{resource}");
    }
    assert!(refused("aws-sdk:sqs:fly").contains("has no action 'fly'"));
}

//! Lambda's `Invoke` on the endpoint, and the integrations through it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{Completion, TaskHost, TaskOutcome, TaskRequest};
use serde_json::{Value, json};
use stepwright_server::http::{Authentication, Functions, Limits, Server, ServerOptions};
use stepwright_server::{AwsSettings, Integrations, RuntimeHost};

use super::client::{Client, Reply};
use crate::host::{Bench, bench, bench_with, request, until};

struct Lambda {
    bench: Bench,
    server: Option<Server>,
}

impl Lambda {
    fn of(bench: Bench) -> Self {
        let limits = Limits::default();
        let functions = Functions::new(bench.host.clone(), Authentication::open(), limits.body_time);
        let options = ServerOptions {
            listen: vec!["127.0.0.1:0".parse().expect("an address")],
            names: Vec::new(),
            limits,
            is_authenticated: false,
            services: vec![Arc::new(functions)],
        };
        let server = Some(Server::start(options).expect("the server starts"));
        Self { bench, server }
    }

    fn address(&self) -> std::net::SocketAddr {
        self.server.as_ref().expect("it runs").addresses()[0]
    }

    fn invoke(&self, function: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut client = Client::connect(self.address());
        let length = body.len().to_string();
        let mut all = vec![("Content-Length", length.as_str())];
        all.extend(headers);
        client.send(&format!("POST /2015-03-31/functions/{function}/invocations HTTP/1.1"), &all, body);
        client.reply().expect("an answer")
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown(Duration::from_secs(1));
        }
    }
}

fn lambda(handler: &str) -> Lambda {
    Lambda::of(bench(handler, Duration::from_secs(20)))
}

/// Status, name and message of an error.
fn refusal(reply: &Reply) -> (u16, String, Value) {
    let name = reply.header("x-amzn-errortype").unwrap_or_default().to_owned();
    let body = reply.json();
    let message = [&body["message"], &body["Message"]].into_iter().find(|message| message.is_string());
    (reply.status, name, message.cloned().unwrap_or_default())
}

#[test]
fn a_function_is_invoked() {
    let lambda = lambda("context");
    let client = STANDARD.encode(r#"{"custom":{"a":"b"}}"#);
    let headers = [("X-Amz-Log-Type", "Tail"), ("X-Amz-Client-Context", client.as_str())];
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Aapp-context";
    let reply = lambda.invoke(arn, &headers, br#"{"say":"hello"}"#);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(reply.header("x-amz-function-error"), None);
    let seen = reply.json();
    assert_eq!(reply.header("x-amzn-requestid").map(Value::from), Some(seen["requestId"].clone()));
    assert_eq!(seen["client"]["custom"], json!({ "a": "b" }));
    let log = STANDARD.decode(reply.header("x-amz-log-result").expect("a log")).expect("base64");
    let log = String::from_utf8(log).expect("text");
    assert!(
        log.contains("START RequestId: ") && log.contains("said hello\n") && log.contains("\nREPORT "),
        "{log}"
    );

    let mut client = Client::connect(lambda.address());
    let line = "POST /2015-03-31/functions/app-context/invocations?Qualifier=7 HTTP/1.1";
    client.send(line, &[("Content-Length", "0")], b"");
    let reply = client.reply().expect("an answer");
    assert_eq!(
        (reply.status, reply.header("x-amz-executed-version")),
        (200, Some("7")),
        "no body is an empty object"
    );
}

#[test]
fn a_function_that_fails_is_answered_with_its_error() {
    let reply = lambda("fails").invoke("app-fails", &[], b"{}");
    assert_eq!((reply.status, reply.header("x-amz-function-error")), (200, Some("Unhandled")), "{reply:?}");
    assert_eq!(reply.json()["errorType"], "ParseError.Malformed");
}

#[test]
fn a_call_may_not_wait_or_only_ask() {
    let lambda = lambda("echo");
    let dry = lambda.invoke("app-echo", &[("X-Amz-Invocation-Type", "DryRun")], b"{}");
    assert_eq!((dry.status, dry.body.as_str()), (204, ""));
    assert_eq!(lambda.bench.host.figures()["app-echo"].invocations, 0);
    let event = lambda.invoke("app-echo", &[("X-Amz-Invocation-Type", "Event")], b"{}");
    assert_eq!((event.status, event.body.as_str()), (202, ""));
    until(|| (lambda.bench.host.figures()["app-echo"].invocations == 1).then_some(()));
    assert!(event.header("x-amzn-requestid").is_some());
    let other = lambda.invoke("app-echo", &[("X-Amz-Invocation-Type", "Whenever")], b"{}");
    assert_eq!(refusal(&other).1, "InvalidParameterValueException");
}

#[test]
fn refusals_are_lambdas() {
    let lambda = lambda("echo");
    let missing = refusal(&lambda.invoke("nothing", &[], b"{}"));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:nothing";
    assert_eq!(
        missing,
        (404, "ResourceNotFoundException".to_owned(), json!(format!("Function not found: {arn}")))
    );
    let (status, name, message) = refusal(&lambda.invoke("app-echo", &[], b"{oops"));
    assert_eq!((status, name.as_str()), (400, "InvalidRequestContentException"));
    assert!(message.as_str().is_some_and(|text| text.starts_with("Could not parse request body into json")));
    let large = vec![b' '; 6_291_457];
    let (status, name, message) = refusal(&lambda.invoke("app-echo", &[], &large));
    assert_eq!((status, name.as_str()), (413, "RequestTooLargeException"));
    assert_eq!(message, "Request must be smaller than 6291456 bytes for the InvokeFunction operation");
    assert_eq!(lambda.invoke("app-echo%2f..", &[], b"{}").status, 400);
    let mut client = Client::connect(lambda.address());
    client.send("POST /2015-03-31/functions HTTP/1.1", &[("Content-Length", "0")], b"");
    assert_eq!(client.reply().expect("an answer").status, 404, "nobody makes functions here");
}

#[test]
fn what_is_throttled_may_come_again() {
    let off = bench_with("echo", Duration::from_secs(20), |function| function.reserved_concurrency = Some(0));
    let reply = Lambda::of(off).invoke("app-echo", &[], b"{}");
    assert_eq!(refusal(&reply), (429, "TooManyRequestsException".to_owned(), json!("Rate Exceeded.")));
    assert_eq!(reply.json()["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
}

#[test]
fn what_was_accepted_takes_place_after_a_restart() {
    let lambda =
        Lambda::of(bench_with("until", Duration::from_mins(1), |function| function.concurrency_max = 1));
    let (dir, file) = (lambda.bench.dir.path(), lambda.bench.dir.path().join("there"));
    lambda.bench.host.keep_events(&dir.join("events")).expect("a folder");
    let body = json!({ "file": file }).to_string();
    let accepted = lambda.invoke("app-until", &[("X-Amz-Invocation-Type", "Event")], body.as_bytes());
    assert_eq!(accepted.status, 202);
    let kept = || {
        let entries = std::fs::read_dir(dir.join("events")).expect("a folder");
        entries
            .filter(|entry| {
                entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|of| of == "json"))
            })
            .count()
    };
    assert_eq!(kept(), 1);
    lambda.bench.host.shutdown();
    assert_eq!(kept(), 1, "it has not taken place");

    std::fs::write(&file, "").expect("a file");
    let function = crate::host::function(dir, "until", Duration::from_mins(1));
    let next = RuntimeHost::start(crate::host::options(dir, vec![function])).expect("host starts");
    next.keep_events(&dir.join("events")).expect("a folder");
    until(|| (kept() == 0).then_some(()));
    assert_eq!(next.figures()["app-until"].invocations, 1);
    assert_eq!(next.figures()["app-until"].errors, 0);
}

/// No function is run by this host.
struct NoFunctions;

impl TaskHost for NoFunctions {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

fn through(lambda: &Lambda, task: TaskRequest) -> TaskOutcome {
    let endpoint = format!("http://{}", lambda.address());
    let environment = BTreeMap::from([("AWS_ENDPOINT_URL_LAMBDA".to_owned(), endpoint)]);
    let settings = AwsSettings::new(environment, "us-east-1");
    let host = Integrations::new(Arc::new(NoFunctions), BTreeSet::new(), settings);
    let (sender, receiver) = channel();
    host.invoke(task, Completion::new(move |outcome| drop(sender.send(outcome))));
    let outcome = receiver.recv_timeout(Duration::from_secs(30)).expect("an outcome");
    host.close();
    outcome
}

#[test]
fn an_engine_calls_the_functions_of_another() {
    let echo = lambda("echo");
    let TaskOutcome::Succeeded(text) = through(&echo, request("app-echo", json!({ "a": 1 }), 1)) else {
        panic!("it echoes")
    };
    let result: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&result["StatusCode"], &result["Payload"]["echo"]),
        (&json!(200), &json!({ "a": 1 })),
        "{result}"
    );
    let direct = TaskRequest {
        resource: "arn:aws:lambda:us-east-1:123456789012:function:app-echo:PROD".to_owned(),
        arguments: json!([1]),
        ..request("", Value::Null, 2)
    };
    let TaskOutcome::Succeeded(text) = through(&echo, direct) else { panic!("it echoes") };
    assert!(text.contains("\"echo\":[1]"), "{text}");
    let missing = through(&echo, request("nothing", json!({}), 3));
    assert!(
        matches!(&missing, TaskOutcome::Failed { error, .. } if error == "Lambda.ResourceNotFoundException"),
        "{missing:?}"
    );

    let fails = through(&lambda("fails"), request("app-fails", json!({}), 4));
    let TaskOutcome::Failed { error, cause } = fails else { panic!("it fails") };
    assert_eq!(error, "ParseError.Malformed");
    assert!(cause.contains("no column `amount`"), "{cause}");
    let off = bench_with("echo", Duration::from_secs(20), |function| function.reserved_concurrency = Some(0));
    let throttled = through(&Lambda::of(off), request("app-echo", json!({}), 5));
    assert!(
        matches!(&throttled, TaskOutcome::Failed { error, .. } if error == "Lambda.TooManyRequestsException"),
        "{throttled:?}"
    );
}

#[test]
fn functions_are_listed_and_described_as_lambda_does() {
    let bench = bench_with("echo", Duration::from_secs(20), |function| {
        function.reserved_concurrency = Some(3);
        function.environment.insert("SECRET".to_owned(), "hunter22".to_owned());
    });
    let mut other = crate::host::function(bench.dir.path(), "until", Duration::from_secs(5));
    other.name = "another".to_owned();
    let first = bench.host.functions().remove(0).function;
    bench.host.renew(vec![first, other]).expect("nothing is wrong");
    let lambda = Lambda::of(bench);
    let get =
        |path: &str| Client::connect(lambda.address()).get(&format!("/2015-03-31/functions{path}"), &[]);
    let names = |reply: &Reply| -> Vec<Value> {
        let functions = reply.json()["Functions"].as_array().cloned().expect("a list");
        functions.into_iter().map(|function| function["FunctionName"].clone()).collect()
    };
    let all = get("");
    assert_eq!((all.status, names(&all)), (200, vec![json!("another"), json!("app-echo")]));
    assert_eq!(all.json().get("NextMarker"), None);
    let page = get("/?MaxItems=1");
    assert_eq!((names(&page), &page.json()["NextMarker"]), (vec![json!("another")], &json!("another")));
    assert_eq!(names(&get("/?MaxItems=1&Marker=another")), ["app-echo"]);
    assert_eq!(refusal(&get("/?MaxItems=0")).1, "InvalidParameterValueException");

    let described = get("/app-echo/configuration").json();
    assert_eq!(described["FunctionArn"], "arn:aws:lambda:us-east-1:123456789012:function:app-echo");
    assert_eq!((&described["MemorySize"], &described["Timeout"]), (&json!(256), &json!(20)));
    assert_eq!((&described["State"], &described["Handler"]), (&json!("Active"), &json!("echo")));
    let whole = get("/app-echo?Qualifier=PROD");
    assert_eq!(
        whole.json()["Configuration"]["FunctionArn"],
        "arn:aws:lambda:us-east-1:123456789012:function:app-echo:PROD"
    );
    assert_eq!(whole.json()["Concurrency"], json!({ "ReservedConcurrentExecutions": 3 }));
    assert!(!whole.body.contains("hunter22"), "who may call need not be who may see it");
    let (status, name, message) = refusal(&get("/none"));
    assert_eq!((status, name.as_str()), (404, "ResourceNotFoundException"));
    assert_eq!(message, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:none");

    let mut client = Client::connect(lambda.address());
    client.send("POST /2015-03-31/functions HTTP/1.1", &[("Content-Length", "2")], b"{}");
    let (status, name, message) = refusal(&client.reply().expect("an answer"));
    assert_eq!((status, name.as_str()), (404, "UnknownOperationException"));
    assert!(message.as_str().is_some_and(|message| message.contains("never by a request")), "{message}");
}

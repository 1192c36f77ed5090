//! The protocol: what is asked, what is answered, and how errors look.

use serde_json::json;
use sigv4::{Request, Scope};
use stepwright_server::http::generate_credentials;

use super::*;

const JSON: (&str, &str) = ("Content-Type", "application/x-amz-json-1.0");

#[test]
fn an_execution_from_its_definition_to_its_history() {
    let endpoint = Endpoint::open();
    let machine = endpoint.machine("m", "STANDARD", &pass());
    let mut client = endpoint.client();
    let started = client.call("StartExecution", &json!({ "stateMachineArn": machine, "input": "{\"a\":1}" }));
    let arn = started.json()["executionArn"].clone();
    endpoint.api.engine().wait(arn.as_str().expect("an ARN")).expect("it ends");
    let described = client.call("DescribeExecution", &json!({ "executionArn": arn })).json();
    assert_eq!((&described["status"], &described["output"]), (&json!("SUCCEEDED"), &json!("{\"a\":1}")));
    let history = client.call("GetExecutionHistory", &json!({ "executionArn": arn })).json();
    assert_eq!(history["events"].as_array().expect("events").len(), 4);
    assert_eq!(started.header("content-type"), Some("application/x-amz-json-1.0"));
    assert_eq!(started.header("x-amzn-requestid").map(str::len), Some(36));
}

#[test]
fn errors_are_named_in_the_body() {
    let endpoint = Endpoint::open();
    let reply = endpoint.call("DescribeStateMachine", &json!({ "stateMachineArn": "mine" }));
    assert_eq!(reply.refusal(), (400, "InvalidArn".to_owned()));
    assert_eq!(reply.json()["message"], "Invalid Arn: 'Invalid ARN prefix: mine'");
    let reply = endpoint.call("DescribeStateMachine", &json!({}));
    assert_eq!(reply.refusal(), (400, "com.amazon.coral.validate#ValidationException".to_owned()));
}

#[test]
fn what_is_no_operation_is_unknown() {
    let endpoint = Endpoint::open();
    let unknown = (400, "com.amazon.coral.service#UnknownOperationException".to_owned());
    for target in ["AWSStepFunctions.Fly", "Other.StartExecution", "StartExecution", "AWSStepFunctions."] {
        let mut client = endpoint.client();
        client.post(&[JSON, ("X-Amz-Target", target)], b"{}");
        assert_eq!(client.reply().expect("an answer").refusal(), unknown, "{target}");
    }
    let mut client = endpoint.client();
    client.post(&[JSON], b"{}");
    assert_eq!(client.reply().expect("an answer").refusal(), unknown, "no target");
}

#[test]
fn bodies_that_are_no_objects_are_refused() {
    let endpoint = Endpoint::open();
    let target = ("X-Amz-Target", "AWSStepFunctions.ListStateMachines");
    let nested = "[".repeat(100_000);
    for body in ["{", "[]", "1", "\"\"", "null", "{\"maxResults\": 1e999}", "{\"a\":\u{1}\"\"}", &nested] {
        let mut client = endpoint.client();
        client.post(&[JSON, target], body.as_bytes());
        let refusal = client.reply().expect("an answer").refusal();
        let name = "com.amazon.coral.service#SerializationException".to_owned();
        assert_eq!(refusal, (400, name), "{body:.30}");
    }
    let mut client = endpoint.client();
    client.post(&[JSON, target], b"\xff{}");
    assert_eq!(client.reply().expect("an answer").status, 400);
    client.post(&[JSON, target], b"");
    assert_eq!(client.reply().expect("an answer").status, 200, "no parameters, no body");
}

#[test]
fn other_content_types_methods_and_paths_are_nothing_of_ours() {
    let endpoint = Endpoint::open();
    let target = ("X-Amz-Target", "AWSStepFunctions.ListStateMachines");
    for content_type in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
        let mut client = endpoint.client();
        client.post(&[("Content-Type", content_type), target], b"{}");
        assert_eq!(client.reply().expect("an answer").status, 404, "{content_type}");
    }
    let mut client = endpoint.client();
    client.post(&[("Content-Type", "application/x-amz-json-1.0; charset=utf-8"), target], b"{}");
    assert_eq!(client.reply().expect("an answer").status, 200);
    for path in ["/", "/nothing", "/../etc/passwd"] {
        assert_eq!(client.get(path, &[]).status, 404, "{path}");
    }
}

#[test]
fn absolute_targets_are_taken_as_through_a_proxy() {
    let endpoint = Endpoint::open();
    let mut client = endpoint.client();
    let host = ("Host", "sync-127.0.0.1:4599");
    let headers =
        [host, JSON, ("Content-Length", "2"), ("X-Amz-Target", "AWSStepFunctions.ListStateMachines")];
    client.send("POST http://sync-127.0.0.1:4599/ HTTP/1.1", &headers, b"{}");
    assert_eq!(client.reply().expect("an answer").json(), json!({ "stateMachines": [] }));
}

#[test]
fn a_synchronous_execution_is_waited_for() {
    let endpoint = Endpoint::open();
    let machine = endpoint.machine("x", "EXPRESS", &wait(1));
    let reply = endpoint.call("StartSyncExecution", &json!({ "stateMachineArn": machine, "input": "{}" }));
    let answer = reply.json();
    assert_eq!((&answer["status"], &answer["output"]), (&json!("SUCCEEDED"), &json!("{}")), "{answer}");
    let refused = endpoint.call("StartSyncExecution", &json!({ "stateMachineArn": machine, "input": "{" }));
    assert_eq!(refused.refusal().1, "InvalidExecutionInput");
}

#[test]
fn a_redrive_can_have_a_reason() {
    let endpoint = Endpoint::open();
    let fail = json!({ "StartAt": "F", "States": { "F": { "Type": "Fail", "Error": "E" } } });
    let machine = endpoint.machine("m", "STANDARD", &fail);
    let started = endpoint.call("StartExecution", &json!({ "stateMachineArn": machine })).json();
    let arn = started["executionArn"].as_str().expect("an ARN");
    endpoint.api.engine().wait(arn).expect("it ends");
    let mut client = endpoint.client();
    let body = json!({ "executionArn": arn, "reason": "it is back" }).to_string();
    client.post(&[JSON, ("X-Amz-Target", "Stepwright.RedriveExecution")], body.as_bytes());
    assert!(client.reply().expect("an answer").json()["redriveMillis"].is_i64());
    assert_eq!(endpoint.api.engine().wait(arn).expect("it ends").redrive_count, 1);
}

#[test]
fn probes_say_how_it_is() {
    let endpoint = Endpoint::open();
    endpoint.machine("m", "STANDARD", &pass());
    let mut client = endpoint.client();
    assert_eq!(client.get("/healthz", &[]).status, 200);
    assert_eq!(client.get("/readyz", &[]).status, 200);
    let metrics = client.get("/metrics", &[]);
    assert!(metrics.body.contains("ApiCalls{Operation=\"CreateStateMachine\",Error=\"\"} 1"), "{metrics:?}");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    endpoint.api.engine().clone().shutdown();
    assert_eq!(client.get("/readyz", &[]).status, 503);
    assert_eq!(client.get("/healthz", &[]).status, 200);
}

#[test]
fn with_credentials_only_signed_calls_are_answered() {
    let credentials = generate_credentials().expect("random numbers");
    let endpoint = Endpoint::with(Setup { credentials: Some(credentials.clone()), ..Setup::default() });
    let unsigned = endpoint.call("ListStateMachines", &json!({}));
    let missing = "com.amazon.coral.service#MissingAuthenticationTokenException".to_owned();
    assert_eq!(unsigned.refusal(), (400, missing));

    let mut client = endpoint.client();
    let target = ("x-amz-target", "AWSStepFunctions.ListStateMachines");
    let host = ("host", "localhost:4599");
    let headers = [host, target].map(|(name, value)| (name, value.to_owned())).into();
    let signed = Request { method: "POST", path: "/", query: &[], headers, body: b"{}" };
    let signed = signed.signed(
        &credentials,
        &Scope { region: "us-east-1", service: "states" },
        jiff::Timestamp::now(),
    );
    let mut headers: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(JSON);
    client.post(&headers, b"{}");
    assert_eq!(client.reply().expect("an answer").status, 200);
    client.post(&headers, b"{ }");
    let invalid = "com.amazon.coral.service#InvalidSignatureException".to_owned();
    assert_eq!(client.reply().expect("an answer").refusal(), (400, invalid), "another body");

    assert_eq!(client.get("/healthz", &[]).status, 200, "tells nothing");
    assert_eq!(client.get("/metrics", &[]).status, 401);
    assert_eq!(client.get("/metrics", &[("Authorization", "Basic YTpi")]).status, 401);
}

#[test]
fn calls_that_come_too_often_are_throttled_as_aws_does() {
    let throttle = Some(Throttle::aws(std::time::Instant::now()));
    let endpoint = Endpoint::with(Setup { throttle, ..Setup::default() });
    let mut client = endpoint.client();
    // 100 at once, and one more each second that this takes.
    let calls = (1..2_000).map(|_| client.call("ListTagsForResource", &json!({ "resourceArn": "a" })));
    let (admitted, refused) = calls
        .enumerate()
        .find(|(_, reply)| reply.refusal().1 == "ThrottlingException")
        .expect("calls without end");
    assert!(admitted >= 100, "{admitted}");
    assert_eq!((refused.status, &refused.json()["message"]), (400, &json!("Rate exceeded")));
    assert_eq!(client.call("ListStateMachines", &json!({})).status, 200, "has a bucket of its own");
}

#[test]
fn a_page_of_a_history_has_a_size() {
    const ROUNDS: usize = 24;
    let endpoint = Endpoint::open();
    let states = (0..ROUNDS).map(|number| {
        let next = if number + 1 < ROUNDS {
            json!({ "Next": format!("P{}", number + 1) })
        } else {
            json!({ "End": true })
        };
        let mut state = json!({ "Type": "Pass" });
        state.as_object_mut().expect("an object").extend(next.as_object().expect("an object").clone());
        (format!("P{number}"), state)
    });
    let states: serde_json::Map<String, Value> = states.collect();
    let machine = endpoint.machine("m", "STANDARD", &json!({ "StartAt": "P0", "States": states }));
    // Each event carries as much as a payload may be: 50 of them are 12 MiB.
    let input = json!("x".repeat(asl::limits::PAYLOAD_BYTES_MAX - 2)).to_string();
    let mut client = endpoint.client();
    let started =
        client.call("StartExecution", &json!({ "stateMachineArn": machine, "input": input })).json();
    let arn = started["executionArn"].as_str().expect("an ARN").to_owned();
    assert_eq!(endpoint.api.engine().wait(&arn).expect("it ends").status, engine::Status::Succeeded);
    for reverse in [false, true] {
        let mut request = json!({ "executionArn": arn, "maxResults": 1000, "reverseOrder": reverse });
        let (mut ids, mut pages) = (Vec::new(), 0);
        loop {
            let reply = client.call("GetExecutionHistory", &request);
            assert!(reply.body.len() <= asl::limits::HISTORY_PAGE_BYTES_MAX + 1024, "{}", reply.body.len());
            let page = reply.json();
            ids.extend(
                page["events"].as_array().expect("events").iter().filter_map(|event| event["id"].as_u64()),
            );
            pages += 1;
            match page.get("nextToken") {
                Some(token) => request["nextToken"] = token.clone(),
                None => break,
            }
        }
        let last = 2 * ROUNDS as u64 + 2;
        let expected: Vec<u64> = if reverse { (1..=last).rev().collect() } else { (1..=last).collect() };
        assert_eq!(ids, expected, "reversed: {reverse}");
        assert!(pages > 2, "{pages}");
    }
}

//! Requests that were changed at random: whatever comes is answered or cut
//! off, nothing panics, and the server goes on.

use serde_json::json;

use super::*;

/// Changed requests of each kind; one takes a millisecond or two.
const ROUNDS: usize = 1_500;
/// What the process may hold more afterwards, in bytes.
const GROWTH_BYTES_MAX: usize = 256 << 20;

/// xorshift: the same requests in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).expect("small")
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What readers of JSON, of definitions and of ARNs stumble over.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "null",
    "-0",
    "1e400",
    "99999999999999999999",
    "\\ud800",
    "\\u0000",
    "\u{feff}",
    "\u{202e}",
    "{%",
    "%}",
    "$.a[?(@.b)]",
    "arn:aws:states:us-east-1:123456789012:stateMachine:m",
    "\r\n",
    "States.Format('{}', $)",
    "../..",
    "\"maxResults\":-1,",
];

/// Right requests, to be changed.
fn seeds(machine: &str) -> Vec<(&'static str, Value)> {
    let role = "arn:aws:iam::123456789012:role/r";
    let execution = machine.replace("stateMachine", "execution") + ":e";
    let state =
        json!({ "Type": "Choice", "Choices": [{ "Variable": "$.a", "StringMatches": "*\\*", "Next": "N" }] });
    let choice = json!({ "StartAt": "C", "States": { "C": state, "N": { "Type": "Succeed" } } });
    let jsonata = json!({ "Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $map([1..9], function($v) { $v }) %}" });
    vec![
        ("CreateStateMachine", json!({ "name": "f", "definition": choice.to_string(), "roleArn": role })),
        (
            "ValidateStateMachineDefinition",
            json!({ "definition": choice.to_string(), "severity": "WARNING" }),
        ),
        (
            "TestState",
            json!({ "definition": state.to_string(), "input": "{\"a\":\"*\"}", "inspectionLevel": "TRACE" }),
        ),
        (
            "TestState",
            json!({ "definition": jsonata.to_string(), "input": "{}", "inspectionLevel": "DEBUG" }),
        ),
        ("StartExecution", json!({ "stateMachineArn": machine, "input": "{\"a\":[1,2.5e3,\"\\u00e9\"]}" })),
        ("DescribeExecution", json!({ "executionArn": execution, "includedData": "ALL_DATA" })),
        ("GetExecutionHistory", json!({ "executionArn": execution, "maxResults": 3, "reverseOrder": true })),
        (
            "ListExecutions",
            json!({ "stateMachineArn": machine, "statusFilter": "RUNNING", "nextToken": "00" }),
        ),
        ("SendTaskSuccess", json!({ "taskToken": "AAAA", "output": "{}" })),
        ("TagResource", json!({ "resourceArn": machine, "tags": [{ "key": "k", "value": "v" }] })),
        (
            "CreateStateMachineAlias",
            json!({ "name": "a", "routingConfiguration": [{ "stateMachineVersionArn": machine, "weight": 100 }] }),
        ),
        ("UpdateMapRun", json!({ "mapRunArn": machine, "toleratedFailurePercentage": 12.5 })),
    ]
}

/// Some bytes taken out, put in, doubled or exchanged.
fn changed(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, random.of(&PIECES).bytes())),
            2 => drop(bytes.splice(at..end, random.of(&PIECES).bytes())),
            3 => {
                let part = bytes[at..end].to_vec();
                let times = random.of(&[1, 2, 50, 1000]);
                drop(bytes.splice(at..at, part.repeat(times)));
            }
            4 => bytes.truncate(at),
            _ => {
                let byte = u8::try_from(random.below(256)).expect("a byte");
                drop(bytes.splice(at..at, [byte]));
            }
        }
    }
    bytes
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

#[test]
fn changed_bodies_are_answered_in_the_protocol() {
    let endpoint = Endpoint::open();
    let machine = endpoint.machine("m", "STANDARD", &pass());
    let seeds = seeds(&machine);
    let mut random = Random(0x5EED_0005);
    let mut client = endpoint.client();
    let before = resident_bytes();
    for round in 0..ROUNDS {
        let (operation, parameters) = &seeds[random.below(seeds.len())];
        let body = changed(&mut random, &parameters.to_string());
        let target = format!("AWSStepFunctions.{operation}");
        client.post(&[("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", &target)], &body);
        let shown = String::from_utf8_lossy(&body);
        let reply =
            client.reply().unwrap_or_else(|| panic!("round {round}: no answer to {operation} {shown:.500}"));
        let named = reply.json().get("__type").is_some_and(Value::is_string);
        let is_ours = reply.status == 200 || reply.status == 400 && named;
        assert!(is_ours, "round {round}: {operation} {shown:.500}: {reply:?}");
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more");
    assert_eq!(client.call("ListStateMachines", &json!({})).status, 200, "the connection goes on");
}

#[test]
fn changed_requests_are_answered_or_cut_off() {
    let endpoint = Endpoint::open();
    let body = "{\"maxResults\":1}";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost:4599\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: AWSStepFunctions.ListStateMachines\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20260101/\
         us-east-1/states/aws4_request, SignedHeaders=host, Signature=00\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut random = Random(0x5EED_0006);
    for round in 0..ROUNDS {
        let mut client = endpoint.client();
        client.raw(&changed(&mut random, &request));
        client.finish();
        // Every answer is one of HTTP's; a connection that is cut off has none.
        while let Some(reply) = client.reply() {
            assert!((100..600).contains(&reply.status) && reply.status != 500, "round {round}: {reply:?}");
        }
    }
    assert_eq!(endpoint.client().get("/readyz", &[]).status, 200);
}

/// Signatures of any form are refused in words, never with an error of ours.
#[test]
fn changed_signatures_are_refused() {
    let credentials = stepwright_server::http::generate_credentials().expect("random numbers");
    let endpoint = Endpoint::with(Setup { credentials: Some(credentials.clone()), ..Setup::default() });
    let id = &credentials.access_key_id;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={id}/20260101/us-east-1/states/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature=0123456789abcdef"
    );
    let mut random = Random(0x5EED_0007);
    let mut client = endpoint.client();
    for round in 0..ROUNDS {
        let mut value = changed(&mut random, &authorization);
        value.retain(|byte| byte.is_ascii_graphic() || *byte == b' ');
        value.truncate(8_000);
        let value = String::from_utf8(value).expect("ASCII");
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", "AWSStepFunctions.ListStateMachines"),
            ("X-Amz-Date", "20260101T000000Z"),
            ("Authorization", value.as_str()),
        ];
        client.post(&headers, b"{}");
        let (status, name) = client.reply().expect("an answer").refusal();
        let is_refused = status == 400 && name.starts_with("com.amazon.coral.service#");
        assert!(is_refused, "round {round}: {status} {name}: {value}");
    }
}

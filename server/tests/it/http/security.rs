//! What web pages and strangers try.

use std::time::Instant;

use serde_json::json;
use stepwright_server::http::{Server, ServerError, ServerOptions};

use super::*;

fn post_with(endpoint: &Endpoint, headers: &[(&str, &str)]) -> Reply {
    let mut client = endpoint.client();
    let mut all = vec![
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", "AWSStepFunctions.ListStateMachines"),
    ];
    all.extend(headers);
    client.post(&all, b"{}");
    client.reply().expect("an answer")
}

#[test]
fn requests_for_other_hosts_are_misdirected() {
    let endpoint = Endpoint::with(Setup { names: vec!["stepwright".to_owned()], ..Setup::default() });
    for (host, status) in [
        ("evil.example", 421),
        ("127.0.0.1.nip.example:4599", 421),
        ("localhost:4599", 200),
        ("sync-localhost", 200),
        ("sync-stepwright:80", 200),
    ] {
        assert_eq!(post_with(&endpoint, &[("Host", host)]).status, status, "{host}");
    }
}

#[test]
fn pages_of_other_origins_get_nothing_and_are_allowed_nothing() {
    let endpoint = Endpoint::open();
    for header in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        let reply = post_with(&endpoint, &[header]);
        assert_eq!(reply.status, 403, "{header:?}");
        assert!(!reply.head.to_ascii_lowercase().contains("access-control"), "{reply:?}");
    }
    let mut client = endpoint.client();
    let asked = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    client.send("OPTIONS / HTTP/1.1", &asked, b"");
    let reply = client.reply().expect("an answer");
    assert_eq!(reply.status, 403);
    assert!(!reply.head.to_ascii_lowercase().contains("access-control"), "{reply:?}");
}

#[test]
fn bodies_beyond_the_limit_are_refused_as_aws_does() {
    let endpoint = Endpoint::open();
    let target = ("X-Amz-Target", "AWSStepFunctions.CreateStateMachine");
    let json = ("Content-Type", "application/x-amz-json-1.0");
    let body = vec![b' '; 1_049_601];
    let mut client = endpoint.client();
    client.post(&[json, target], &body);
    let reply = client.reply().expect("an answer");
    assert_eq!(reply.status, 413);
    assert_eq!(reply.json()["message"], "HTTP content length exceeded 1049600 bytes.");
    assert!(client.reply().is_none(), "the connection is closed");

    let mut client = endpoint.client();
    client.send("POST / HTTP/1.1", &[json, target, ("Transfer-Encoding", "chunked")], b"");
    let chunk = [b"10000\r\n".as_slice(), &body[..0x10000], b"\r\n"].concat();
    (0..17).for_each(|_| client.raw(&chunk));
    client.raw(b"0\r\n\r\n");
    assert_eq!(client.reply().expect("an answer").status, 413, "its length was not told");

    let mut client = endpoint.client();
    client.post(&[json, target], &body[..1_049_600]);
    assert_eq!(client.reply().expect("an answer").status, 400, "whitespace is no JSON, but small enough");
    assert_eq!(client.call("ListStateMachines", &json!({})).status, 200, "the connection goes on");
}

#[test]
fn who_announces_too_much_and_waits_is_told_at_once() {
    let endpoint = Endpoint::open();
    let mut client = endpoint.client();
    let headers = [
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", "AWSStepFunctions.CreateStateMachine"),
        ("Content-Length", "99999999"),
        ("Expect", "100-continue"),
    ];
    client.send("POST / HTTP/1.1", &headers, b"");
    assert_eq!(client.reply().expect("an answer").status, 413);
}

#[test]
fn who_announces_too_much_and_sends_nothing_is_told_soon() {
    let endpoint = Endpoint::open();
    let began = Instant::now();
    for length in ["1049601", "99999999999999"] {
        let mut client = endpoint.client();
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", "AWSStepFunctions.CreateStateMachine"),
            ("Content-Length", length),
        ];
        client.send("POST / HTTP/1.1", &headers, b"{}");
        assert_eq!(client.reply().expect("an answer").status, 413, "{length}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// The header of a request that is signed for a service, by whoever.
fn signed_for(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=a/20260131/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

#[test]
fn services_that_are_not_served_are_told_what_is() {
    let endpoint = Endpoint::open();
    let says = "This endpoint does not serve";
    let mut client = endpoint.client();
    let (sns, dynamodb) = (signed_for("sns"), signed_for("dynamodb"));
    let form = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    client.post(&[form, ("Authorization", &sns)], b"Action=ListTopics");
    let reply = client.reply().expect("an answer");
    assert_eq!(reply.status, 404);
    let error = format!("<Code>UnknownOperation</Code><Message>{says} sns. It serves states.</Message>");
    assert!(reply.body.contains(&error), "{reply:?}");

    let mut client = endpoint.client();
    let json = ("Content-Type", "application/x-amz-json-1.0");
    let target = ("X-Amz-Target", "DynamoDB_20120810.ListTables");
    client.post(&[json, target, ("Authorization", &dynamodb)], b"{}");
    let reply = client.reply().expect("an answer");
    assert_eq!(reply.refusal(), (400, "com.amazon.coral.service#UnknownOperationException".to_owned()));
    assert_eq!(reply.json()["message"], format!("{says} dynamodb. It serves states."));

    for (service, message) in [
        ("scheduler", format!("{says} scheduler. It serves states.")),
        ("states", "states has no operation at this method and path.".to_owned()),
        ("<x>", format!("{says} that. It serves states.")),
    ] {
        let reply = endpoint.client().get("/schedules/x", &[("Authorization", &signed_for(service))]);
        assert_eq!(
            (reply.status, reply.header("x-amzn-errortype")),
            (404, Some("UnknownOperationException"))
        );
        assert_eq!(reply.json()["message"], message);
    }
    let reply = endpoint.client().get("/schedules/x", &[]);
    assert_eq!((reply.status, reply.header("content-type")), (404, Some("application/xml")), "nobody's");
}

#[test]
fn slow_heads_and_slow_bodies_end() {
    let short = Duration::from_millis(300);
    let limits = Limits { head_time: short, body_time: short, ..Limits::default() };
    let endpoint = Endpoint::with(Setup { limits, ..Setup::default() });
    let began = Instant::now();
    let mut client = endpoint.client();
    client.raw(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    let reply = client.reply();
    assert!(reply.is_none_or(|reply| reply.status == 408));

    let mut client = endpoint.client();
    assert!(client.reply().is_none(), "a connection that says nothing");

    let mut client = endpoint.client();
    let headers = [
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", "AWSStepFunctions.ListStateMachines"),
        ("Content-Length", "100"),
    ];
    client.send("POST / HTTP/1.1", &headers, b"{");
    assert_eq!(client.reply().expect("an answer").status, 408);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn heads_have_a_size_and_a_number_of_lines() {
    let endpoint = Endpoint::open();
    let long = "x".repeat(100_000);
    let mut client = endpoint.client();
    client.send("GET /healthz HTTP/1.1", &[("X-Long", &long)], b"");
    assert!(client.reply().is_none_or(|reply| reply.status == 431));
    let many = vec![("X-Many", "1"); 200];
    let mut client = endpoint.client();
    client.send("GET /healthz HTTP/1.1", &many, b"");
    assert!(client.reply().is_none_or(|reply| reply.status == 431));
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"]
    {
        let mut client = endpoint.client();
        client.raw(garbage);
        client.raw(b"\r\n\r\n");
        assert!(client.reply().is_none_or(|reply| reply.status == 400 || reply.status == 505));
    }
    assert_eq!(endpoint.client().get("/healthz", &[]).status, 200);
}

#[test]
fn without_credentials_only_loopback_is_listened_on() {
    let start = |address: &str, is_authenticated: bool| {
        Server::start(ServerOptions {
            listen: vec![address.parse().expect("an address")],
            names: Vec::new(),
            limits: Limits::default(),
            is_authenticated,
            services: Vec::new(),
        })
    };
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let refused = start(address, false);
        assert!(matches!(refused, Err(ServerError::OpenToOthers { .. })), "{address}: {refused:?}");
    }
    let open = start("0.0.0.0:0", true).expect("callers sign");
    open.shutdown(Duration::ZERO);
}

/// Everything a server says to these bytes.
fn answers(endpoint: &Endpoint, bytes: &[u8]) -> Vec<u16> {
    let mut client = endpoint.client();
    client.raw(bytes);
    client.statuses()
}

#[test]
fn no_second_request_is_smuggled_behind_a_first() {
    let endpoint = Endpoint::open();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
                X-Amz-Target: AWSStepFunctions.ListStateMachines\r\n";
    let inner = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let chunked = format!("2\r\n{{}}\r\n0\r\n\r\n{inner}");
    for (what, lines, body) in [
        ("two lengths", "Content-Length: 2\r\nContent-Length: 50\r\n", format!("{{}}{inner}")),
        ("a list of lengths", "Content-Length: 2, 50\r\n", format!("{{}}{inner}")),
        ("a signed length", "Content-Length: +2\r\n", format!("{{}}{inner}")),
        ("length, then chunks", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", chunked.clone()),
        ("chunks, then length", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", chunked.clone()),
        ("another encoding", "Transfer-Encoding: xchunked\r\n", chunked.clone()),
        ("chunked is not the last", "Transfer-Encoding: chunked, identity\r\n", chunked.clone()),
        ("space before the colon", "Content-Length : 2\r\n", format!("{{}}{inner}")),
        ("a folded line", "X-A: 1\r\n Content-Length: 50\r\nContent-Length : 2\r\n", format!("{{}}{inner}")),
        ("a line end within", "X-A: 1\rContent-Length: 50\r\n", format!("{{}}{inner}")),
        ("a bad chunk", "Transfer-Encoding: chunked\r\n", format!("-2\r\n{{}}\r\n0\r\n\r\n{inner}")),
    ] {
        let statuses = answers(&endpoint, format!("{head}{lines}\r\n{body}").as_bytes());
        let ours = statuses.iter().all(|status| matches!(status, 200 | 400 | 501));
        assert!(statuses.len() <= 1 && ours, "{what}: {statuses:?}");
    }
    let two = format!("{head}Content-Length: 2\r\n\r\n{{}}{inner}");
    assert_eq!(answers(&endpoint, two.as_bytes()), [200, 200], "requests one behind the other are fine");
}

#[test]
fn an_absolute_target_for_another_host_is_misdirected() {
    let endpoint = Endpoint::open();
    for line in [
        "POST http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n",
        "POST http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n",
        "POST http://localhost@evil.example/ HTTP/1.1\r\nHost: localhost\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
        "POST / HTTP/1.1\r\n",
        "POST / HTTP/1.0\r\n",
    ] {
        let statuses =
            answers(&endpoint, format!("{line}Connection: close\r\nContent-Length: 0\r\n\r\n").as_bytes());
        assert!(matches!(statuses.as_slice(), [400 | 421]), "{line:?}: {statuses:?}");
    }
    assert_eq!(answers(&endpoint, b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n"), [421]);
}

#[test]
fn who_does_not_read_is_left() {
    let answer_time = Duration::from_millis(300);
    let limits = Limits { connections: 1, answer_time, ..Limits::default() };
    let endpoint = Endpoint::with(Setup { limits, ..Setup::default() });
    let comment = "x".repeat(1_000_000);
    let definition =
        json!({ "Comment": comment, "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } });
    let machine = endpoint.machine("large", "STANDARD", &definition);
    let mut deaf = endpoint.client();
    // More than all buffers on the way hold.
    (0..32).for_each(|_| deaf.begin("DescribeStateMachine", &json!({ "stateMachineArn": machine })));
    let began = Instant::now();
    assert_eq!(endpoint.client().get("/healthz", &[]).status, 200, "its place is free again");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(deaf);
    // Who reads gets everything.
    let mut reader = endpoint.client();
    reader.begin("DescribeStateMachine", &json!({ "stateMachineArn": machine }));
    assert!(reader.reply().expect("an answer").body.len() > 1_000_000);
}

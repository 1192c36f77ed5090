//! AWS's published examples, and requests that were tampered with.

use axum::http::Request;
use engine::ManualClock;

use super::*;

/// 2015-08-30T12:36:00Z, when AWS's examples were signed.
const SIGNED_MILLIS: i64 = 1_440_938_160_000;

fn example_keys() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
    }
}

fn at(millis: i64) -> Authentication {
    Authentication::keys([example_keys()], Arc::new(ManualClock::at(millis)))
}

/// A request of AWS's "Signature Version 4 test suite".
fn example(method: &str, target: &str, headers: &[(&str, &str)], signed: &str, signature: &str) -> Parts {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders={signed}, Signature={signature}"
    );
    let mut request = Request::builder().method(method).uri(target).header("host", "example.amazonaws.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header("x-amz-date", "20150830T123600Z").header("authorization", authorization);
    request.body(()).unwrap().into_parts().0
}

#[test]
fn the_signatures_of_awss_examples_are_verified() {
    for (method, target, headers, signed, body, signature) in [
        (
            "GET",
            "/",
            &[][..],
            "host;x-amz-date",
            "",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST",
            "/",
            &[][..],
            "host;x-amz-date",
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[][..],
            "host;x-amz-date",
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/",
            &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\" ")][..],
            "host;my-header1;my-header2;x-amz-date",
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")][..],
            "content-type;host;x-amz-date",
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ] {
        let head = example(method, target, headers, signed, signature);
        assert_eq!(at(SIGNED_MILLIS).verify(&head, body.as_bytes(), "service"), Ok(()), "{method} {target}");
    }
}

#[test]
fn paths_are_canonical() {
    for (path, canonical) in [
        ("/", "/"),
        ("//example//", "/example/"),
        ("/example/..", "/"),
        ("/./example", "/example"),
        ("/example%20space/", "/example%2520space/"),
        ("/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ] {
        assert_eq!(canonical_path(path), canonical, "{path}");
    }
}

fn signed(now_millis: i64, body: &[u8]) -> Parts {
    let headers = [("host", "localhost:4599"), ("x-amz-target", "AWSStepFunctions.ListStateMachines")];
    let signed = sign(&example_keys(), &headers, body, "eu-central-1", "states", now_millis);
    let mut request = Request::post("/").header("x-amz-date", signed.date);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.header("authorization", signed.authorization).body(()).unwrap().into_parts().0
}

fn refusal(head: &Parts, body: &[u8]) -> (&'static str, String) {
    let error = at(SIGNED_MILLIS).verify(head, body, "states").unwrap_err();
    (error.code, error.message)
}

fn with(mut head: Parts, name: &'static str, change: impl Fn(&str) -> String) -> Parts {
    let value = change(head.headers[name].to_str().unwrap());
    head.headers.insert(name, value.parse().unwrap());
    head
}

#[test]
fn what_is_signed_here_is_verified_here() {
    let head = signed(SIGNED_MILLIS, b"{}");
    assert_eq!(at(SIGNED_MILLIS).verify(&head, b"{}", "states"), Ok(()));
    assert_eq!(Authentication::open().verify(&head, b"", "anything"), Ok(()));
}

#[test]
fn whatever_is_tampered_with_is_refused() {
    let head = || signed(SIGNED_MILLIS, b"{}");
    assert_eq!(refusal(&head(), b"{ }").0, "InvalidSignatureException", "the body");
    for (name, from, to) in [
        ("x-amz-target", "List", "Delete"),
        ("host", "localhost", "127.0.0.1"),
        ("authorization", "eu-central-1", "us-east-1"),
        ("authorization", "Signature=", "Signature=0"),
        ("authorization", "x-amz-target", "accept"),
    ] {
        let tampered = with(head(), name, |value| value.replace(from, to));
        let (code, message) = refusal(&tampered, b"{}");
        assert_eq!(code, "InvalidSignatureException", "{name}: {from} -> {to}: {message}");
    }
    let other_service = at(SIGNED_MILLIS).verify(&head(), b"{}", "sqs").unwrap_err();
    assert_eq!(other_service.message, "Credential should be scoped to correct service: 'sqs'. ");
    let other_key = with(head(), "authorization", |value| value.replace("AKIDEXAMPLE", "AKIDOTHER"));
    assert_eq!(refusal(&other_key, b"{}").0, "UnrecognizedClientException");
    let other_day = with(head(), "authorization", |value| value.replace("/20150830/", "/20150831/"));
    assert!(refusal(&other_day, b"{}").1.starts_with("Date in Credential scope does not match"));
}

#[test]
fn signatures_that_are_not_whole_say_what_is_missing() {
    let head = || signed(SIGNED_MILLIS, b"{}");
    let mut unsigned = head();
    unsigned.headers.remove("authorization");
    assert_eq!(refusal(&unsigned, b"{}").0, "MissingAuthenticationTokenException");
    let basic = with(head(), "authorization", |_| "Basic abc".to_owned());
    assert_eq!(refusal(&basic, b"{}").1, "Unsupported AWS 'algorithm': 'Basic'.");
    let bare = with(head(), "authorization", |_| "AWS4-HMAC-SHA256".to_owned());
    let (code, message) = refusal(&bare, b"{}");
    assert_eq!(code, "IncompleteSignatureException");
    assert_eq!(
        message,
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' \
         parameter. Authorization header requires 'SignedHeaders' parameter."
    );
    let short = with(head(), "authorization", |value| value.replace("/states/aws4_request", ""));
    assert!(refusal(&short, b"{}").1.starts_with("Credential must have exactly 5"));
    let mut dateless = head();
    dateless.headers.remove("x-amz-date");
    assert_eq!(refusal(&dateless, b"{}").0, "IncompleteSignatureException");
}

#[test]
fn a_signature_is_good_for_fifteen_minutes() {
    let skew = SKEW_MINUTES * 60_000;
    let head = signed(SIGNED_MILLIS, b"{}");
    for late in [-skew, skew] {
        assert_eq!(at(SIGNED_MILLIS + late).verify(&head, b"{}", "states"), Ok(()));
    }
    let expired = at(SIGNED_MILLIS + skew + 1000).verify(&head, b"{}", "states").unwrap_err();
    assert_eq!(
        expired.to_string(),
        "InvalidSignatureException: Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T125101Z - 15 min.)"
    );
    let early = at(SIGNED_MILLIS - skew - 1000).verify(&head, b"{}", "states").unwrap_err();
    assert!(early.message.starts_with("Signature not yet current"), "{early}");
}

#[test]
fn keys_are_random_and_never_shown() {
    let (one, two) = (Credentials::generate().unwrap(), Credentials::generate().unwrap());
    assert_ne!(one, two);
    assert_eq!((one.access_key_id.len(), one.secret_access_key.len()), (20, 40));
    assert!(!format!("{one:?}").contains(&one.secret_access_key));
}

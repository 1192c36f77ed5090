//! AWS's published examples, and requests that were tampered with.

use axum::http::Request;
use engine::ManualClock;
use jiff::Timestamp;
use sigv4::{SKEW_MINUTES, Scope};

use super::*;

/// 2015-08-30T12:36:00Z, when AWS's examples were signed.
const SIGNED_MILLIS: i64 = 1_440_938_160_000;

fn example_keys() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
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
        assert_eq!(verify(SIGNED_MILLIS, &head, body.as_bytes(), "service"), Ok(()), "{method} {target}");
    }
}

fn signed(now_millis: i64, body: &[u8]) -> Parts {
    let headers = [("host", "localhost:4599"), ("x-amz-target", "AWSStepFunctions.ListStateMachines")];
    let headers = headers.map(|(name, value)| (name, value.to_owned())).into();
    let request = sigv4::Request { method: "POST", path: "/", query: &[], headers, body };
    let scope = Scope { region: "eu-central-1", service: "states" };
    let signed = request.signed(&example_keys(), &scope, Timestamp::from_millisecond(now_millis).unwrap());
    let request =
        signed.iter().fold(Request::post("/"), |request, (name, value)| request.header(*name, value));
    request.body(()).unwrap().into_parts().0
}

/// As a service that speaks AWS JSON does.
fn verify(now_millis: i64, head: &Parts, body: &[u8], service: &str) -> Result<(), SignatureError> {
    let verified = at(now_millis).verify(head, SignedBody::Whole(body), service);
    verified.map(drop).map_err(|problem| problem.json())
}

fn refusal(head: &Parts, body: &[u8]) -> (&'static str, String) {
    let error = verify(SIGNED_MILLIS, head, body, "states").unwrap_err();
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
    let caller = at(SIGNED_MILLIS).verify(&head, SignedBody::Whole(b"{}"), "states").unwrap();
    assert_eq!(caller.access_key_id.as_deref(), Some("AKIDEXAMPLE"));
    let anybody = Authentication::open().verify(&head, SignedBody::Whole(b""), "anything").unwrap();
    assert_eq!(anybody.access_key_id, None);
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
    let other_service = verify(SIGNED_MILLIS, &head(), b"{}", "sqs").unwrap_err();
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
        assert_eq!(verify(SIGNED_MILLIS + late, &head, b"{}", "states"), Ok(()));
    }
    let expired = verify(SIGNED_MILLIS + skew + 1000, &head, b"{}", "states").unwrap_err();
    assert_eq!(
        expired.to_string(),
        "InvalidSignatureException: Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T125101Z - 15 min.)"
    );
    let early = verify(SIGNED_MILLIS - skew - 1000, &head, b"{}", "states").unwrap_err();
    assert!(early.message.starts_with("Signature not yet current"), "{early}");
}

#[test]
fn keys_are_random_and_never_shown() {
    let (one, two) = (generate_credentials().unwrap(), generate_credentials().unwrap());
    assert_ne!(one, two);
    assert_eq!((one.access_key_id.len(), one.secret_access_key.len()), (20, 40));
    assert!(!format!("{one:?}").contains(&one.secret_access_key));
}

#[test]
fn every_protocol_has_its_own_names_of_an_error() {
    let unknown = SignatureProblem::UnknownKey { access_key_id: "AKIDOTHER".to_owned() };
    for (problem, json, query, s3) in [
        (
            Problem::Missing.into(),
            "MissingAuthenticationTokenException",
            (403, "MissingAuthenticationToken"),
            (403, "AccessDenied"),
        ),
        (unknown, "UnrecognizedClientException", (403, "InvalidClientTokenId"), (403, "InvalidAccessKeyId")),
        (
            Problem::Credential.into(),
            "IncompleteSignatureException",
            (400, "IncompleteSignature"),
            (400, "AuthorizationHeaderMalformed"),
        ),
        (
            Problem::NotYet { signed: String::new(), now_seconds: 0 }.into(),
            "InvalidSignatureException",
            (403, "SignatureDoesNotMatch"),
            (403, "RequestTimeTooSkewed"),
        ),
        (
            Problem::Mismatch.into(),
            "InvalidSignatureException",
            (403, "SignatureDoesNotMatch"),
            (403, "SignatureDoesNotMatch"),
        ),
    ] {
        let named = |error: SignatureError| (error.http_status, error.code);
        assert_eq!(named(problem.json()), (400, json));
        assert_eq!(named(problem.query()), query);
        assert_eq!(named(problem.s3()), s3);
    }
}

/// What `x-amz-content-sha256` says of the body, for S3.
#[test]
fn what_a_body_has_to_be_is_known_before_it_is_read() {
    let announced = |content: Option<&str>| {
        let mut headers = std::collections::BTreeMap::from([("host", "localhost:4599".to_owned())]);
        if let Some(content) = content {
            headers.insert("x-amz-content-sha256", content.to_owned());
        }
        // The body that is signed here is not the one that is sent: only its digest counts.
        let request = sigv4::Request { method: "PUT", path: "/b/k", query: &[], headers, body: b"hello" };
        let scope = Scope { region: "us-east-1", service: "s3" };
        let signed =
            request.signed(&example_keys(), &scope, Timestamp::from_millisecond(SIGNED_MILLIS).unwrap());
        let request =
            signed.iter().fold(Request::put("/b/k"), |request, (name, value)| request.header(*name, value));
        let head = request.body(()).unwrap().into_parts().0;
        at(SIGNED_MILLIS).verify(&head, SignedBody::Announced, "s3")
    };
    let digest = sigv4::digest(b"hello");
    let caller = announced(Some(&digest)).unwrap();
    assert!(matches!(caller.body, ExpectedBody::Digest(found) if found == digest));
    assert_eq!(announced(None).unwrap_err(), SignatureProblem::NoDigest);
    assert_eq!(
        announced(Some(UNSIGNED_PAYLOAD)).unwrap_err(),
        Problem::Mismatch.into(),
        "another digest was signed"
    );
    for header in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        let head =
            Request::put("/b/k").header("x-amz-content-sha256", header).body(()).unwrap().into_parts().0;
        let open = Authentication::open().verify(&head, SignedBody::Announced, "s3").unwrap();
        assert!(open.body.chunks().is_some() && open.access_key_id.is_none());
        let refused = at(SIGNED_MILLIS).verify(&head, SignedBody::Announced, "s3").unwrap_err();
        assert_eq!(refused, Problem::Missing.into(), "{header}");
    }
}

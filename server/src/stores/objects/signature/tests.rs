//! With the examples of the documentation: API reference, "Signature calculations".

use std::sync::Arc;

use axum::http::Request;
use engine::Clock;

use super::*;
use crate::http::Credentials;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// 2013-05-24T00:00:00Z and some seconds.
#[derive(Debug)]
struct At(i64);

impl Clock for At {
    fn now_millis(&self) -> i64 {
        (1_369_353_600 + self.0) * 1000
    }
}

fn authentication(seconds: i64) -> Authentication {
    let pair = Credentials { access_key_id: "AKIAIOSFODNN7EXAMPLE".into(), secret_access_key: SECRET.into() };
    Authentication::keys([pair], Arc::new(At(seconds)))
}

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri(uri).header("host", "examplebucket.s3.amazonaws.com");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed_headers},Signature={signature}"
    )
}

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn get_object(signature: &str, seconds: i64) -> Result<Payload, &'static str> {
    let authorization = authorization("host;range;x-amz-content-sha256;x-amz-date", signature);
    let head = head(
        "GET",
        "/test.txt",
        &[
            ("authorization", &authorization),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
        ],
    );
    verify(&authentication(seconds), &head).map_err(|failure| failure.code)
}

#[test]
fn the_example_of_the_documentation_is_accepted_and_nothing_near_it() {
    let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    assert!(matches!(get_object(signature, 0), Ok(Payload::Whole(Some(_)))));
    assert_eq!(get_object(&signature.replace('f', "e"), 0), Err("SignatureDoesNotMatch"));
    assert_eq!(get_object("", 0), Err("SignatureDoesNotMatch"));
    assert_eq!(get_object(signature, 901), Err("RequestTimeTooSkewed"));
    assert_eq!(get_object(signature, -901), Err("RequestTimeTooSkewed"));
}

#[test]
fn a_presigned_url_is_good_until_it_expires() {
    let url = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let check = |url: &str, seconds, headers: &[(&str, &str)]| {
        verify(&authentication(seconds), &head("GET", url, headers)).map_err(|failure| failure.message)
    };
    assert_eq!(check(url, 86_400, &[]), Ok(Payload::Whole(None)));
    assert_eq!(check(url, 86_401, &[]), Err("Request has expired".to_owned()));
    assert!(check(&url.replace("86400", "86401"), 0, &[]).unwrap_err().starts_with("The request signature"));
    assert!(check(&url.replace("test.txt", "tesu.txt"), 0, &[]).is_err());
    assert!(check(&url.replace("86400", "604801"), 0, &[]).unwrap_err().contains("less than a week"));
    assert!(check(url, 0, &[("x-amz-meta-a", "b")]).unwrap_err().contains("not signed"));
}

#[test]
fn chunks_are_a_chain() {
    let authorization = authorization(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    let request = Request::put("/examplebucket/chunkObject.txt").header("host", "s3.amazonaws.com");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-encoding", "aws-chunked"),
        ("content-length", "66824"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-decoded-content-length", "66560"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ];
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let head = request.body(()).unwrap().into_parts().0;
    let Ok(Payload::Chunked { chain: Some(mut chain), has_trailer: false }) =
        verify(&authentication(0), &head)
    else {
        panic!("chunks")
    };
    for (signature, bytes) in [
        ("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", 65_536),
        ("0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", 1_024),
        ("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", 0),
    ] {
        let hash = Sha256::digest(vec![b'a'; bytes]);
        let other = Sha256::digest(vec![b'b'; bytes + 1]);
        assert_eq!(chain.clone().check_chunk(signature, &other).unwrap_err().code, "SignatureDoesNotMatch");
        chain.check_chunk(signature, &hash).unwrap();
    }
}

#[test]
fn who_does_not_sign_is_refused_in_words_of_s3() {
    let check = |uri: &str, headers: &[(&str, &str)]| {
        verify(&authentication(0), &head("GET", uri, headers)).unwrap_err().code
    };
    assert_eq!(check("/a/b", &[]), "AccessDenied");
    assert_eq!(check("/a/b", &[("authorization", "AWS key:signature")]), "InvalidRequest");
    assert_eq!(check("/a/b?AWSAccessKeyId=a&Signature=b&Expires=1", &[]), "InvalidRequest");
    assert_eq!(
        check("/a/b", &[("authorization", "AWS4-HMAC-SHA256 Credential=x")]),
        "AuthorizationHeaderMalformed"
    );
    let stranger = authorization("host", "00").replace("AKIAIOSFODNN7EXAMPLE", "STRANGER");
    let dated = [
        ("authorization", stranger.as_str()),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-content-sha256", EMPTY),
    ];
    assert_eq!(check("/a/b", &dated), "InvalidAccessKeyId");
    let other = authorization("host", "00").replace("/s3/", "/sqs/");
    let dated = [
        ("authorization", other.as_str()),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-content-sha256", EMPTY),
    ];
    assert_eq!(check("/a/b", &dated), "AuthorizationHeaderMalformed");
    assert_eq!(signed_service(&head("GET", "/", &dated)).as_deref(), Some("sqs"));
    assert_eq!(verify(&Authentication::open(), &head("GET", "/a/b", &[])), Ok(Payload::Whole(None)));
}

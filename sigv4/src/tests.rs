//! Against AWS's signing test suite (cases named as there).

use super::*;

const SESSION_TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const EMPTY: &[u8] = b"";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// The headers after signing with the suite's keys at its time.
fn signed(
    session_token: Option<&str>,
    method: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> BTreeMap<&'static str, String> {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        session_token: session_token.map(str::to_owned),
    };
    let mut headers: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    headers.insert("host", "example.amazonaws.com".into());
    let scope = Scope { region: "us-east-1", service: "service" };
    Request { method, path: "/", query: &[], headers, body }.signed(
        &credentials,
        &scope,
        at("2015-08-30T12:36:00Z"),
    )
}

#[test]
fn signatures_are_those_of_the_suite() {
    let form = [
        ("content-length", "13"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
    ];
    let check = |name: &str, found: &BTreeMap<_, String>, signature: &str| {
        let authorization = &found["authorization"];
        assert!(authorization.ends_with(&format!(", Signature={signature}")), "{name}: {authorization}");
    };
    check(
        "get-vanilla",
        &signed(None, "GET", &[], EMPTY),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    check(
        "post-vanilla",
        &signed(None, "POST", &[], EMPTY),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
    check(
        "get-vanilla-with-session-token",
        &signed(Some(SESSION_TOKEN), "GET", &[], EMPTY),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    );
    check(
        "post-header-key-sort",
        &signed(None, "POST", &[("my-header1", "value1")], EMPTY),
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    );
    check(
        "post-x-www-form-urlencoded",
        &signed(None, "POST", &form, b"Param1=value1"),
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    );
}

#[test]
fn the_header_names_key_scope_and_headers() {
    let found = signed(Some(SESSION_TOKEN), "GET", &[], EMPTY);
    assert_eq!(
        found["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-security-token, \
         Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    );
    assert_eq!(found["x-amz-date"], "20150830T123600Z");
    assert_eq!(found["x-amz-security-token"], SESSION_TOKEN);
}

/// Case get-vanilla-query-order-key-case of the suite.
#[test]
fn queries_are_sorted() {
    let query = [("Param2", "value2"), ("Param1", "value1")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let of = |path: &str, query: &[(String, String)]| {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let headers = [("host", "example.amazonaws.com".to_owned())].into();
        let scope = Scope { region: "us-east-1", service: "service" };
        let signed = Request { method: "GET", path, query, headers, body: EMPTY }.signed(
            &credentials,
            &scope,
            at("2015-08-30T12:36:00Z"),
        );
        signed["authorization"].rsplit_once('=').unwrap().1.to_owned()
    };
    assert_eq!(of("/", &query), "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

#[test]
fn a_path_is_encoded_between_its_slashes() {
    assert_eq!(encoded_path("/a b/c+d/"), "/a%20b/c%2Bd/");
}

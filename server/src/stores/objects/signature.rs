//! Signatures that are refused for their kind, before any is calculated.

use axum::http::header;
use axum::http::request::Parts;

use super::failure::Failure;

/// Says no to a request with more than one signature, and, where signatures are looked at, to those of
/// version 2.
pub(super) fn check(head: &Parts, is_open: bool) -> Result<(), Failure> {
    let authorization = head.headers.get_all(header::AUTHORIZATION);
    let first = authorization.iter().next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = || {
        let parameters = head.uri.query().unwrap_or_default().split('&');
        parameters.map(|parameter| parameter.split_once('=').map_or(parameter, |(name, _)| name))
    };
    let given = |name: &str| query().filter(|given| *given == name).count();
    let (version_4, version_2) = (given("X-Amz-Algorithm").max(given("X-Amz-Signature")), given("Signature"));
    if authorization.iter().count() + version_4 + version_2 > 1 {
        // In the words that AWS answers with.
        let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
                       string parameter or the Authorization header should be specified";
        return Err(Failure::invalid_argument(message, "Authorization", first));
    }
    let is_version_2 = version_2 > 0 && given("AWSAccessKeyId") > 0 || first.starts_with("AWS ");
    if is_version_2 && !is_open {
        // In the words of the regions that never had it.
        let message =
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
        return Err(Failure::invalid_request(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signature_of_version_4_is_enough() {
        let version_4 = "AWS4-HMAC-SHA256 Credential=K/20260131/us-east-1/s3/aws4_request";
        let presigned = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0";
        let old = "AWSAccessKeyId=K&Signature=0&Expires=1";
        for (query, authorization, open, closed) in [
            ("", None, "", ""),
            ("", Some(version_4), "", ""),
            (presigned, None, "", ""),
            (&format!("{presigned}&X-Amz-Signature=1"), None, "InvalidArgument", "InvalidArgument"),
            (&format!("{presigned}&X-Amz-Algorithm=x"), None, "InvalidArgument", "InvalidArgument"),
            (presigned, Some("AWS4-HMAC-SHA256 x"), "InvalidArgument", "InvalidArgument"),
            (presigned, Some("Basic eA=="), "InvalidArgument", "InvalidArgument"),
            (&format!("{presigned}&{old}"), None, "InvalidArgument", "InvalidArgument"),
            (old, None, "", "InvalidRequest"),
            ("", Some("AWS K:0"), "", "InvalidRequest"),
        ] {
            let mut request = axum::http::Request::builder().uri(format!("/b/k?{query}"));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let head = request.body(()).unwrap().into_parts().0;
            let code = |is_open| check(&head, is_open).err().map_or("", |failure| failure.code);
            assert_eq!((code(true), code(false)), (open, closed), "{query} {authorization:?}");
        }
    }
}

//! Who asks: Signature Version 4 as S3 has it, in the header, in a presigned
//! URL, and over the chunks of a body. API reference, "Authenticating requests".
//!
//! Unlike other services S3 encodes the path once, takes the body's hash from a
//! header, and says what is wrong in words of its own.

use axum::http::HeaderMap;
use axum::http::request::Parts;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use crate::http::Authentication;
use crate::http::sigv4::{
    Scope, canonical_headers, canonical_query, decoded, encoded, hex, hmac, read_time, unhex,
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// How far the clock of a caller may be off. API reference, `RequestTimeTooSkewed`: 15 minutes.
const SKEW_SECONDS: i64 = 15 * 60;
/// How long a presigned URL may be good for. API reference: 604,800 seconds.
const EXPIRES_SECONDS_MAX: i64 = 604_800;

/// What is known of a body before it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// As it is; the hash it was signed with, if it was.
    Whole(Option<[u8; 32]>),
    /// In chunks of AWS's own (`aws-chunked`).
    Chunked {
        /// What signs the chunks.
        chain: Option<Chain>,
        /// Whether checksums follow the last chunk.
        has_trailer: bool,
    },
}

/// The signatures of chunks, each over the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    key: Vec<u8>,
    /// Time and scope, as they stand in what is signed.
    context: String,
    before: String,
}

impl Chain {
    /// Checks the signature of the next chunk by its hash.
    pub(super) fn check_chunk(&mut self, signature: &str, hash: &[u8]) -> Result<(), Failure> {
        let empty = hex(&Sha256::digest([]));
        let text = format!("{ALGORITHM}-PAYLOAD\n{}\n{}\n{empty}\n{}", self.context, self.before, hex(hash));
        self.check(signature, &text)
    }

    /// Checks the signature of the trailer: its lines, each ended by a line end.
    pub(super) fn check_trailer(&mut self, signature: &str, lines: &str) -> Result<(), Failure> {
        let hash = hex(&Sha256::digest(lines));
        let text = format!("{ALGORITHM}-TRAILER\n{}\n{}\n{hash}", self.context, self.before);
        self.check(signature, &text)
    }

    fn check(&mut self, signature: &str, text: &str) -> Result<(), Failure> {
        let mac = hmac(&self.key, text.as_bytes());
        match unhex(signature) {
            Some(given) if mac.verify_slice(&given).is_ok() => {
                signature.clone_into(&mut self.before);
                Ok(())
            }
            _ => Err(mismatch()),
        }
    }
}

fn mismatch() -> Failure {
    let message = "The request signature we calculated does not match the signature you provided. Check your key \
                   and signing method.";
    Failure::new("SignatureDoesNotMatch", 403, message)
}

/// The service that a request is signed for, if it is signed.
pub(super) fn signed_service(head: &Parts) -> Option<String> {
    let credential = match text(&head.headers, "authorization") {
        Some(authorization) => part(authorization, "Credential")?.to_owned(),
        None => parameter(head, "X-Amz-Credential")?,
    };
    credential.rsplit('/').nth(1).map(str::to_owned)
}

/// Checks who signed a request, and says how its body comes.
pub(super) fn verify(authentication: &Authentication, head: &Parts) -> Result<Payload, Failure> {
    let hash = text(&head.headers, "x-amz-content-sha256");
    if authentication.is_open() {
        return payload(hash, None);
    }
    if parameter(head, "X-Amz-Algorithm").is_some() {
        presigned(authentication, head)?;
        return payload(hash, None);
    }
    if parameter(head, "AWSAccessKeyId").is_some() {
        return Err(unsupported_mechanism());
    }
    let Some(authorization) = text(&head.headers, "authorization") else {
        return Err(Failure::access_denied("Access Denied"));
    };
    let Some(rest) = authorization.trim().strip_prefix(ALGORITHM) else {
        return Err(unsupported_mechanism());
    };
    let malformed = |why: &str| {
        Failure::new(
            "AuthorizationHeaderMalformed",
            400,
            format!("The authorization header is malformed; {why}"),
        )
    };
    let (Some(credential), Some(signed_headers), Some(signature)) =
        (part(rest, "Credential"), part(rest, "SignedHeaders"), part(rest, "Signature"))
    else {
        return Err(malformed("it has to name Credential, SignedHeaders and Signature."));
    };
    let given = Credential::read(credential).ok_or_else(|| malformed("the Credential is mal-formed."))?;
    let missing = || Failure::access_denied("AWS authentication requires a valid Date or x-amz-date header");
    let time = text(&head.headers, "x-amz-date").ok_or_else(missing)?;
    let signed_at = read_time(time).ok_or_else(missing)?;
    let now = authentication.now_millis().div_euclid(1000);
    if (now - signed_at).abs() > SKEW_SECONDS {
        let message = "The difference between the request time and the current time is too large.";
        return Err(Failure::new("RequestTimeTooSkewed", 403, message));
    }
    let missing =
        || Failure::invalid_request("Missing required header for this request: x-amz-content-sha256");
    let hash = hash.ok_or_else(missing)?;
    let secret =
        authentication.secret_of(given.access_key_id).ok_or_else(|| unknown_key(given.access_key_id))?;
    given.check(time)?;
    all_signed(&head.headers, signed_headers)?;
    let query = canonical_query(head.uri.query().unwrap_or_default());
    given.compare(secret, time, &canonical_request(head, &query, signed_headers, hash), signature)?;
    let scope = given.scope();
    let context = format!("{time}\n{scope}");
    payload(Some(hash), Some(Chain { key: scope.key(secret), context, before: signature.to_owned() }))
}

fn presigned(authentication: &Authentication, head: &Parts) -> Result<(), Failure> {
    let wrong = |why: &str| Failure::new("AuthorizationQueryParametersError", 400, why);
    let needed = |name: &str| {
        parameter(head, name).ok_or_else(|| {
            wrong(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
             X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            )
        })
    };
    let (credential, signature) = (needed("X-Amz-Credential")?, needed("X-Amz-Signature")?);
    let (time, signed_headers) = (needed("X-Amz-Date")?, needed("X-Amz-SignedHeaders")?);
    let expires = needed("X-Amz-Expires")?.parse::<i64>().ok().filter(|expires| *expires >= 0);
    let expires = expires.ok_or_else(|| wrong("X-Amz-Expires should be a number"))?;
    if needed("X-Amz-Algorithm")? != ALGORITHM {
        return Err(wrong("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\""));
    }
    if expires > EXPIRES_SECONDS_MAX {
        return Err(wrong(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ));
    }
    let mal_formed = || wrong("Error parsing the X-Amz-Credential parameter; the Credential is mal-formed");
    let given = Credential::read(&credential).ok_or_else(mal_formed)?;
    let invalid_date = || wrong("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    let signed_at = read_time(&time).ok_or_else(invalid_date)?;
    let now = authentication.now_millis().div_euclid(1000);
    if signed_at > now + SKEW_SECONDS {
        return Err(Failure::access_denied("Request is not valid yet"));
    }
    if now > signed_at.saturating_add(expires) {
        return Err(Failure::access_denied("Request has expired").with("X-Amz-Expires", expires.to_string()));
    }
    let secret =
        authentication.secret_of(given.access_key_id).ok_or_else(|| unknown_key(given.access_key_id))?;
    given.check(&time)?;
    all_signed(&head.headers, &signed_headers)?;
    let query = head.uri.query().unwrap_or_default();
    let signed: Vec<&str> =
        query.split('&').filter(|parameter| !parameter.starts_with("X-Amz-Signature=")).collect();
    let query = canonical_query(&signed.join("&"));
    let hash = text(&head.headers, "x-amz-content-sha256").unwrap_or(UNSIGNED);
    given.compare(secret, &time, &canonical_request(head, &query, &signed_headers, hash), &signature)
}

/// How a body comes, by the header that has its hash.
fn payload(hash: Option<&str>, chain: Option<Chain>) -> Result<Payload, Failure> {
    let chunked = |chain, has_trailer| Ok(Payload::Chunked { chain, has_trailer });
    match hash {
        None | Some(UNSIGNED) => Ok(Payload::Whole(None)),
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => chunked(None, true),
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => chunked(chain, false),
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => chunked(chain, true),
        Some(hash) => match unhex(hash).and_then(|hash| <[u8; 32]>::try_from(hash).ok()) {
            Some(hash) => Ok(Payload::Whole(Some(hash))),
            None => Err(Failure::invalid_argument(
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                 STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 \
                 value.",
                "x-amz-content-sha256",
                hash,
            )),
        },
    }
}

/// Whose key signed, and what the signature is good for.
struct Credential<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Credential<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.rsplitn(5, '/');
        if parts.next()? != "aws4_request" {
            return None;
        }
        let (service, region, date) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { access_key_id: parts.next()?, date, region, service })
    }

    const fn scope(&self) -> Scope<'a> {
        Scope { date: self.date, region: self.region, service: self.service }
    }

    fn check(&self, time: &str) -> Result<(), Failure> {
        if self.service == "s3" && !self.region.is_empty() && time.get(..8) == Some(self.date) {
            return Ok(());
        }
        let message = "The authorization header is malformed; the credential's service has to be s3, and its date \
                       that of the request.";
        Err(Failure::new("AuthorizationHeaderMalformed", 400, message))
    }

    fn compare(&self, secret: &str, time: &str, canonical: &str, signature: &str) -> Result<(), Failure> {
        let mac = self.scope().mac(secret, time, canonical);
        match unhex(signature) {
            Some(given) if mac.verify_slice(&given).is_ok() => Ok(()),
            _ => Err(mismatch()),
        }
    }
}

fn canonical_request(head: &Parts, query: &str, signed_headers: &str, hash: &str) -> String {
    let segments = head.uri.path().split('/').map(|segment| encoded(decoded(segment).into_iter()));
    let path = segments.collect::<Vec<_>>().join("/");
    let headers = canonical_headers(&head.headers, signed_headers);
    format!("{}\n{path}\n{query}\n{headers}\n{signed_headers}\n{hash}", head.method)
}

/// What AWS reads of the headers has to be signed, and where the request goes.
fn all_signed(headers: &HeaderMap, signed_headers: &str) -> Result<(), Failure> {
    let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
    let needed = headers.keys().map(axum::http::HeaderName::as_str);
    let mut needed = needed.filter(|name| *name == "host" || name.starts_with("x-amz-"));
    match needed.find(|name| !is_signed(name)) {
        None => Ok(()),
        Some(name) => {
            let message = "There were headers present in the request which were not signed";
            Err(Failure::access_denied(message).with("HeadersNotSigned", name))
        }
    }
}

fn unknown_key(access_key_id: &str) -> Failure {
    let message = "The AWS Access Key Id you provided does not exist in our records.";
    Failure::new("InvalidAccessKeyId", 403, message).with("AWSAccessKeyId", access_key_id)
}

fn unsupported_mechanism() -> Failure {
    Failure::invalid_request(
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A parameter of an `Authorization` header.
fn part<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    let parts = authorization.split([',', ' ']).filter_map(|part| part.trim().split_once('='));
    parts.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}

/// A parameter of the query.
fn parameter(head: &Parts, name: &str) -> Option<String> {
    let parameters = head.uri.query()?.split('&').filter_map(|parameter| parameter.split_once('='));
    let value = parameters.filter(|(key, _)| *key == name).map(|(_, value)| value).next()?;
    String::from_utf8(decoded(value)).ok()
}

#[cfg(test)]
mod tests;

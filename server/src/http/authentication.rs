//! Who may call: everybody, or who signs with one of some keys (Signature
//! Version 4, in a header or as a presigned URL). The calculation is the crate
//! `sigv4`'s; here are the keys, the clock, and AWS's words for those who are
//! refused, which differ by protocol.

mod refusal;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use engine::Clock;
use sigv4::{ChunkSignatures, Chunks, Claim, Credentials, Problem, Received, UNSIGNED_PAYLOAD};

pub use refusal::{SignatureError, SignatureProblem};

/// Letters of generated access keys: Base32, as AWS's are.
const KEY_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What says the digest of a body, of S3's requests.
const CONTENT_DIGEST: &str = "x-amz-content-sha256";

/// What of a body is signed.
#[derive(Debug, Clone, Copy)]
pub enum SignedBody<'a> {
    /// All of it; it was read. That is how all services but S3 have it.
    Whole(&'a [u8]),
    /// What `x-amz-content-sha256` says of it, before it is read, as S3 has it. What it
    /// then has to be is in [`Caller::body`].
    Announced,
}

/// What a body has to be, for a signature to hold to the end.
#[derive(Debug, Clone)]
pub enum ExpectedBody {
    /// Whatever it is.
    Any,
    /// That of a SHA-256 in hexadecimal digits: compare it with [`sigv4::digest`].
    Digest(String),
    /// Chunks (`aws-chunked`), to be read with [`Self::chunks`]; signed ones have signatures.
    Chunks(Option<ChunkSignatures>),
}

impl ExpectedBody {
    /// A reader of a body in chunks; `None` = it is not in chunks.
    pub fn chunks(&self) -> Option<Chunks> {
        match self {
            Self::Chunks(signatures) => Some(Chunks::new(signatures.clone())),
            Self::Any | Self::Digest(_) => None,
        }
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose key it was; `None` = everybody may call, and nothing was looked at.
    pub access_key_id: Option<String>,
    /// What the body has to be.
    pub body: ExpectedBody,
}

/// The service that a request is signed for, in a header or in the query.
pub(crate) fn signed_service(head: &Parts) -> Option<&str> {
    let authorization =
        head.headers.get(axum::http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = if let Some(authorization) = authorization {
        authorization.split_once("Credential=")?.1.split([',', ' ']).next()?
    } else {
        let mut parameters = head.uri.query()?.split('&');
        parameters.find_map(|parameter| parameter.strip_prefix("X-Amz-Credential="))?
    };
    // Clients encode the slashes of a query.
    let separator = if credential.contains('/') { "/" } else { "%2F" };
    credential.rsplit(separator).nth(1)
}

/// A new pair of keys, of random numbers: 50 bits of name, 200 bits of secret.
pub fn generate_credentials() -> Result<Credentials, getrandom::Error> {
    let letters = |count: usize| -> Result<String, getrandom::Error> {
        let mut bytes = vec![0; count];
        getrandom::fill(&mut bytes)?;
        let letter = |byte: u8| KEY_LETTERS.get(usize::from(byte) % KEY_LETTERS.len()).copied();
        Ok(bytes.into_iter().filter_map(letter).map(char::from).collect())
    };
    let access_key_id = format!("STEPWRIGHT{}", letters(10)?);
    Ok(Credentials { access_key_id, secret_access_key: letters(40)?, session_token: None })
}

/// Who may call: everybody, or who signs with one of some keys.
#[derive(Clone)]
pub struct Authentication {
    keys: Option<Arc<BTreeMap<String, Credentials>>>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Authentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authentication").field("open", &self.keys.is_none()).finish_non_exhaustive()
    }
}

impl Authentication {
    /// Whoever reaches the endpoint may call.
    pub fn open() -> Self {
        Self { keys: None, clock: Arc::new(engine::SystemClock) }
    }

    /// Only who signs with one of these keys. The clock says how old a signature is.
    pub fn keys(keys: impl IntoIterator<Item = Credentials>, clock: Arc<dyn Clock>) -> Self {
        let keys = keys.into_iter().map(|pair| (pair.access_key_id.clone(), pair)).collect();
        Self { keys: Some(Arc::new(keys)), clock }
    }

    /// Whether everybody may call.
    pub fn is_open(&self) -> bool {
        self.keys.is_none()
    }

    /// Checks the signature of a request to a service as AWS names it in
    /// signatures, e.g. `states` or `s3`, of any region.
    pub fn verify(
        &self,
        head: &Parts,
        body: SignedBody<'_>,
        service: &str,
    ) -> Result<Caller, SignatureProblem> {
        let announced = announced(&head.headers);
        let Some(keys) = &self.keys else {
            return Ok(Caller { access_key_id: None, body: expected(body, announced, None) });
        };
        let headers: Vec<(&str, &[u8])> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let received = Received {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &headers,
        };
        let claim = Claim::read(&received)?;
        let keys = keys
            .get(&claim.access_key_id)
            .ok_or_else(|| SignatureProblem::UnknownKey { access_key_id: claim.access_key_id.clone() })?;
        let digest = match (body, announced) {
            (SignedBody::Whole(body), _) => sigv4::digest(body),
            (SignedBody::Announced, Some(announced)) => announced.to_owned(),
            // S3 API reference, "Using Query Parameters": nothing is known of the body yet.
            (SignedBody::Announced, None) if claim.is_presigned() => UNSIGNED_PAYLOAD.to_owned(),
            (SignedBody::Announced, None) => return Err(SignatureProblem::NoDigest),
        };
        let now_seconds = self.clock.now_millis().div_euclid(1000);
        let chunks = claim.verify(&received, keys, service, &digest, now_seconds)?;
        Ok(Caller {
            access_key_id: Some(keys.access_key_id.clone()),
            body: expected(body, announced, Some(chunks)),
        })
    }

    /// Checks a name and a password that are a pair of keys, for who cannot sign.
    pub(super) fn knows(&self, name: &str, password: &str) -> bool {
        let Some(keys) = &self.keys else { return true };
        // Compared by their digests: the time says nothing of how much was right.
        keys.get(name).is_some_and(|pair| {
            let [secret, given] =
                [&pair.secret_access_key, password].map(|text| sigv4::digest(text.as_bytes()));
            !pair.secret_access_key.is_empty() && secret == given
        })
    }
}

/// What the request says of its body.
fn announced(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_DIGEST)?.to_str().ok()
}

/// What the body has to be, by what was said of it. S3 API reference, `x-amz-content-sha256`.
fn expected(body: SignedBody<'_>, announced: Option<&str>, chunks: Option<ChunkSignatures>) -> ExpectedBody {
    match (body, announced) {
        (SignedBody::Whole(_), _) | (_, None | Some(UNSIGNED_PAYLOAD)) => ExpectedBody::Any,
        (_, Some(streaming)) if streaming.starts_with("STREAMING-UNSIGNED-") => ExpectedBody::Chunks(None),
        (_, Some(streaming)) if streaming.starts_with("STREAMING-") => ExpectedBody::Chunks(chunks),
        (_, Some(digest)) => ExpectedBody::Digest(digest.to_ascii_lowercase()),
    }
}

impl From<Problem> for SignatureProblem {
    fn from(problem: Problem) -> Self {
        Self::Signature(problem)
    }
}

#[cfg(test)]
mod tests;

//! Signature Version 4: signs requests to AWS, and checks requests that were signed.
//!
//! Source: AWS General Reference, "Create a signed AWS API request", and the
//! API reference of S3, "Authenticating Requests". Written here because `hmac`
//! and `sha2` are in every step anyway, while the crate `aws-sigv4` would bring
//! twenty more. The steps and the engine's integrations sign with it, the
//! endpoint verifies with it. It knows neither clocks nor keys nor sockets:
//! who calls brings them.
//!
//! | file | owns |
//! |---|---|
//! | `canonical` | the form of a request whose digest is signed |
//! | `key` | what a secret key signs with, for a day, a region and a service |
//! | `claim` | what a received request says of its signature, and whether it holds |
//! | `chunks` | bodies that are signed chunk by chunk (`aws-chunked`) |
#![warn(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

mod canonical;
mod chunks;
mod claim;
mod key;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

pub use canonical::{decoded, encoded, encoded_path};
pub use chunks::{ChunkError, ChunkSignatures, Chunks, Trailer};
pub use claim::{Claim, PRESIGNED_SECONDS_MAX, Problem, Received, SKEW_MINUTES, time_text};
pub use key::{digest, hex, unhex};

use canonical::{Content, canonical_path, canonical_query, canonical_request, header_line};
use key::{CredentialScope, SigningKey};

/// The one algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Stands for the digest of a body that is not signed. S3 API reference, "Authenticating Requests".
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public part.
    pub access_key_id: String,
    /// The secret part.
    pub secret_access_key: String,
    /// There is always one on Lambda; a user's long-lived keys have none.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Without the secret key and the token: they must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// What is signed: all of the request.
#[derive(Debug)]
pub struct Request<'a, 'h> {
    /// In capital letters.
    pub method: &'a str,
    /// Absolute, as it is sent: see [`encoded_path`].
    pub path: &'a str,
    /// Names and values of the query, not encoded.
    pub query: &'a [(String, String)],
    /// By lower-case name; `host` must be there.
    pub headers: BTreeMap<&'h str, String>,
    /// The content.
    pub body: &'a [u8],
}

/// What the signature is good for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// As AWS signs it: `secretsmanager`.
    pub service: &'a str,
}

impl<'h> Request<'_, 'h> {
    /// The headers to send: the request's own, the time, the session and the
    /// signature. AWS refuses a time that is wrong by more than fifteen minutes.
    ///
    /// # Examples
    /// ```
    /// use sigv4::{Credentials, Request, Scope};
    /// let keys = Credentials {
    ///     access_key_id: "AKIDEXAMPLE".to_owned(),
    ///     secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
    ///     session_token: None,
    /// };
    /// let headers = [("host", "example.amazonaws.com".to_owned())].into();
    /// let request = Request { method: "GET", path: "/", query: &[], headers, body: b"" };
    /// let scope = Scope { region: "us-east-1", service: "service" };
    /// let signed = request.signed(&keys, &scope, "2015-08-30T12:36:00Z".parse().unwrap());
    /// assert!(signed["authorization"].ends_with(
    ///     "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    /// ));
    /// ```
    pub fn signed(
        mut self,
        credentials: &Credentials,
        scope: &Scope<'_>,
        now: Timestamp,
    ) -> BTreeMap<&'h str, String> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = now.strftime("%Y%m%d").to_string();
        self.headers.insert("x-amz-date", time.clone());
        if let Some(token) = &credentials.session_token {
            self.headers.insert("x-amz-security-token", token.clone());
        }
        let names = self.headers.keys().copied().collect::<Vec<_>>().join(";");
        let headers: String =
            self.headers.iter().map(|(name, value)| header_line(name, [value.as_bytes()])).collect();
        let query = self.query.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let canonical = canonical_request(&Content {
            method: self.method,
            path: &canonical_path(self.path, scope.service),
            query: &canonical_query(query),
            headers: &headers,
            signed_headers: &names,
            digest: &digest(self.body),
        });
        let scope = CredentialScope { date: &date, region: scope.region, service: scope.service };
        let key = SigningKey::derive(&credentials.secret_access_key, &scope);
        let signature = key.signature(&scope.to_sign(&time, &canonical));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            credentials.access_key_id
        );
        self.headers.insert("authorization", authorization);
        self.headers
    }
}

#[cfg(test)]
mod tests;

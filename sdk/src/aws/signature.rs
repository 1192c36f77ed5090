//! Signature Version 4, in the `Authorization` header.
//!
//! Source: AWS General Reference, "Create a signed AWS API request". Written
//! here because `hmac` and `sha2` are in every step anyway, while the crate
//! `aws-sigv4` would bring twenty more.
//!
//! Refused: query strings, paths that need encoding, header values with runs
//! of spaces. No request of ours has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Credentials;

/// What is signed: all of the request.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Absolute, of characters that need no encoding.
    pub(crate) path: &'a str,
    /// By lower-case name; `host` must be there.
    pub(crate) headers: BTreeMap<&'static str, String>,
    pub(crate) body: &'a [u8],
}

/// What the signature is good for.
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    /// As AWS signs it: `secretsmanager`.
    pub(crate) service: &'a str,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl Request<'_> {
    /// The headers to send: the request's own, the time, the session and the
    /// signature. AWS refuses a time that is wrong by more than five minutes.
    pub(crate) fn signed(
        self,
        credentials: &Credentials,
        scope: &Scope<'_>,
        now: Timestamp,
    ) -> BTreeMap<&'static str, String> {
        let Self { method, path, mut headers, body } = self;
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = now.strftime("%Y%m%d").to_string();
        headers.insert("x-amz-date", time.clone());
        if let Some(token) = &credentials.session_token {
            headers.insert("x-amz-security-token", token.clone());
        }
        let names = headers.keys().copied().collect::<Vec<_>>().join(";");
        let canonical_headers = headers.iter().fold(String::new(), |mut lines, (name, value)| {
            // Writing into a String cannot fail.
            let _ = writeln!(lines, "{name}:{}", value.trim());
            lines
        });
        // The empty line is the query.
        let canonical = format!("{method}\n{path}\n\n{canonical_headers}\n{names}\n{}", digest(body));

        let Scope { region, service } = scope;
        let credential_scope = format!("{date}/{region}/{service}/aws4_request");
        let to_sign = format!("{ALGORITHM}\n{time}\n{credential_scope}\n{}", digest(canonical.as_bytes()));
        let secret = format!("AWS4{}", credentials.secret_access_key);
        let key = [date.as_str(), region, service, "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| authenticate(&key, part));
        let signature = hex(&authenticate(&key, &to_sign));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{credential_scope}, SignedHeaders={names}, Signature={signature}",
            credentials.access_key_id
        );
        headers.insert("authorization", authorization);
        headers
    }
}

fn authenticate(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is a key: HMAC hashes what is longer than a block.
    let Ok(mut code) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    code.update(text.as_bytes());
    code.finalize().into_bytes().to_vec()
}

fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;

//! Signature Version 4, in the `Authorization` header.
//!
//! Source: AWS General Reference, "Create a signed AWS API request". Written
//! here because `hmac` and `sha2` are in every step anyway, while the crate
//! `aws-sigv4` would bring twenty more. The steps and the engine's integrations
//! sign with it.
//!
//! Refused: paths with `.` and `..` in them, and chunked bodies. No request of
//! ours has them.
#![warn(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

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

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl<'h> Request<'_, 'h> {
    /// The headers to send: the request's own, the time, the session and the
    /// signature. AWS refuses a time that is wrong by more than five minutes.
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
        let canonical = self.canonical(&names, scope);
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
        self.headers.insert("authorization", authorization);
        self.headers
    }

    /// The request in the form whose digest is signed.
    fn canonical(&self, names: &str, scope: &Scope<'_>) -> String {
        let headers = self.headers.iter().fold(String::new(), |mut lines, (name, value)| {
            let value = value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            // Writing into a String cannot fail.
            let _ = writeln!(lines, "{name}:{value}");
            lines
        });
        // S3 signs paths as they are sent; everybody else encodes them once more.
        let path =
            if scope.service.starts_with("s3") { self.path.to_owned() } else { encoded_path(self.path) };
        let mut query: Vec<(String, String)> =
            self.query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
        query.sort();
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (method, query, body) = (self.method, query.join("&"), digest(self.body));
        format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{body}")
    }
}

/// A text as it stands in a path or query: everything but letters, digits and
/// `-._~` is encoded.
///
/// # Examples
/// ```
/// assert_eq!(sigv4::encoded("a/b ü"), "a%2Fb%20%C3%BC");
/// ```
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Like [`encoded`], with the slashes between the segments as they are.
pub fn encoded_path(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

/// The SHA-256 of a body in hexadecimal digits, as `x-amz-content-sha256` has it.
pub fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn authenticate(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is a key: HMAC hashes what is longer than a block.
    let Ok(mut code) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    code.update(text.as_bytes());
    code.finalize().into_bytes().to_vec()
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

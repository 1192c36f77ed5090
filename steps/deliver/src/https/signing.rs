//! Who a request is from, and that nobody changed it: HMAC-SHA256 over what matters.
//!
//! The body's hash is known before the body is read: it is the batch's own.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::batch::hex;

/// The first line of what is signed, and the scheme of the header.
const SCHEME: &str = "stepwright-hmac-sha256";

/// Who signs.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: Vec<u8>,
}

/// A request's parts that are signed.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Empty where nothing is changed.
    pub(super) idempotency_key: &'a str,
    /// The header with the batch's description, as it is sent; empty without one.
    pub(super) manifest: &'a str,
    /// Hexadecimal digits.
    pub(super) body_sha256: &'a str,
}

/// SHA-256 of nothing.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl<'a> Unsigned<'a> {
    /// A request without a body.
    pub(super) fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, idempotency_key: "", manifest: "", body_sha256: EMPTY_SHA256 }
    }
}

impl Key {
    /// The headers of a request signed at a time.
    pub(super) fn sign(&self, request: &Unsigned<'_>, now: Timestamp) -> Vec<(&'static str, String)> {
        let Unsigned { method, path, idempotency_key, manifest, body_sha256 } = *request;
        let timestamp = now.as_second();
        let manifest_sha256 = sha256(manifest.as_bytes());
        let to_sign = format!(
            "{SCHEME}\n{method}\n{path}\n{timestamp}\n{idempotency_key}\n{manifest_sha256}\n{body_sha256}\n"
        );
        let signature = self.hmac(to_sign.as_bytes());
        let id = &self.id;
        let mut headers = vec![(
            "authorization",
            format!("{SCHEME} keyid={id}, timestamp={timestamp}, signature={signature}"),
        )];
        if !idempotency_key.is_empty() {
            headers.push(("idempotency-key", idempotency_key.to_owned()));
        }
        if !manifest.is_empty() {
            headers.push(("stepwright-manifest", manifest.to_owned()));
        }
        if body_sha256 != EMPTY_SHA256 {
            headers.push(("content-digest", content_digest(body_sha256)));
        }
        headers
    }

    fn hmac(&self, message: &[u8]) -> String {
        // HMAC takes keys of any length: RFC 2104.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return String::new() };
        mac.update(message);
        hex(&mac.finalize().into_bytes())
    }
}

/// `Content-Digest` of RFC 9530.
fn content_digest(sha256: &str) -> String {
    let bytes: Vec<u8> = (0..sha256.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(sha256.get(at..at + 2)?, 16).ok())
        .collect();
    let mut header = String::new();
    // Writing into a String cannot fail.
    let _ = write!(header, "sha-256=:{}:", STANDARD.encode(bytes));
    header
}

/// In hexadecimal digits.
pub(super) fn sha256(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

impl std::fmt::Debug for Key {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

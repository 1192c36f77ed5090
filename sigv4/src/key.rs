//! What a secret key signs with: a key of one day, one region and one service.

use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::ALGORITHM;

/// What closes a scope.
pub(crate) const TERMINATOR: &str = "aws4_request";

/// What a signing key is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CredentialScope<'a> {
    /// `20150830`
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

impl fmt::Display for CredentialScope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

impl CredentialScope<'_> {
    /// The text whose signature a request carries.
    pub(crate) fn to_sign(self, time: &str, canonical_request: &str) -> String {
        format!("{ALGORITHM}\n{time}\n{self}\n{}", digest(canonical_request.as_bytes()))
    }
}

/// A derived key.
#[derive(Clone)]
pub(crate) struct SigningKey(Vec<u8>);

impl fmt::Debug for SigningKey {
    /// Whoever has it can sign for a day.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    pub(crate) fn derive(secret: &str, scope: &CredentialScope<'_>) -> Self {
        let first = format!("AWS4{secret}").into_bytes();
        let parts = [scope.date, scope.region, scope.service, TERMINATOR];
        Self(
            parts.iter().fold(first, |key, part| {
                authentication(&key, part.as_bytes()).finalize().into_bytes().to_vec()
            }),
        )
    }

    /// In hexadecimal digits.
    pub(crate) fn signature(&self, text: &str) -> String {
        hex(&authentication(&self.0, text.as_bytes()).finalize().into_bytes())
    }

    /// Whether a signature is that of a text. Takes as long for one that is almost right.
    pub(crate) fn verifies(&self, text: &str, signature: &str) -> bool {
        let given = unhex(signature);
        given.is_some_and(|given| authentication(&self.0, text.as_bytes()).verify_slice(&given).is_ok())
    }
}

fn authentication(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    // Keys of any length are keys: HMAC hashes what is longer than a block.
    let mut code = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&[0; 64].into()));
    code.update(text);
    code
}

/// The SHA-256 of a body in hexadecimal digits, as `x-amz-content-sha256` has it.
pub fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits; `None` = it is something else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        }
        _ => None,
    });
    pairs.collect()
}

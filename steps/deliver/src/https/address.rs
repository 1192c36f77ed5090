//! Where an endpoint is and who we are there, from the secret `coreview-https`.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

use super::signing::{Key, Unsigned};
use crate::deliver::DeliverError;

/// An endpoint's address with the key for it.
#[derive(Clone)]
pub(super) struct Address {
    scheme: &'static str,
    /// Host and port.
    authority: String,
    /// Without a slash at its end.
    base: String,
    key: Key,
}

impl Address {
    /// What is wrong is said without quoting the URL: it has a secret in it.
    pub(super) fn parse(url: &str) -> Result<Self, DeliverError> {
        let refuse = |problem: &str| {
            Err(DeliverError::rejected(format!(
                "the secret `coreview-https` {problem}; set it to `https://keyid:secret@host/path`, with special characters of the key percent-encoded"
            )))
        };
        let scheme = match url.split_once("://") {
            Some(("https", _)) => "https",
            Some(("http", _)) => "http",
            _ => return refuse("starts neither with `https://` nor with `http://`"),
        };
        let Ok(uri) = url.parse::<Uri>() else { return refuse("is not a URL") };
        if uri.query().is_some() {
            return refuse("has a query");
        }
        let Some((userinfo, authority)) = uri.authority().and_then(|it| it.as_str().rsplit_once('@')) else {
            return refuse("has no key before the host");
        };
        let (Some(host), Some((id, secret))) = (uri.host(), userinfo.split_once(':')) else {
            return refuse("has no secret after the key id");
        };
        let (Some(id), Some(secret)) = (decoded(id), decoded(secret)) else {
            return refuse("has a `%` that encodes nothing");
        };
        let plain = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if id.is_empty() || secret.is_empty() || !plain(&id) {
            return refuse(
                "has a key id of other characters than letters, digits, `-`, `_` and `.`, or an empty secret",
            );
        }
        if scheme == "http" && !is_loopback(host) {
            return refuse("is plain HTTP to another machine, where everybody in between reads along");
        }
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            base: uri.path().trim_end_matches('/').to_owned(),
            key: Key { id, secret: secret.into_bytes() },
        })
    }

    /// A path below the base.
    pub(super) fn path(&self, below: &str) -> String {
        format!("{}{below}", self.base)
    }

    /// The URL of a path of [`Self::path`], without the key.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    /// The headers that identify and sign a request made now.
    pub(super) fn sign(&self, request: &Unsigned<'_>) -> Vec<(&'static str, String)> {
        self.key.sign(request, jiff::Timestamp::now())
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Without its percent-encoding; `None` when that is broken.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Address {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

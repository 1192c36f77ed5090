//! Signature Version 4 ("Signing AWS API requests", IAM user guide): signs
//! requests, and verifies whose they are and that they are what was signed.
//!
//! For services that sign the hash of the body itself and encode the path
//! twice, which is all but S3. Messages are AWS's, as its services word them.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use engine::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// How far the clock of a caller may be off. IAM user guide, "Signature expiration": 15 minutes.
const SKEW_MINUTES: i64 = 15;
/// Letters of generated access keys: Base32, as AWS's are.
const KEY_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static DATE: HeaderName = HeaderName::from_static("x-amz-date");
static TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// A pair of keys. The secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Says who.
    pub access_key_id: String,
    /// Proves it.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// A new pair, of random numbers: 50 bits of name, 200 bits of secret.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let letters = |count: usize| -> Result<String, getrandom::Error> {
            let mut bytes = vec![0; count];
            getrandom::fill(&mut bytes)?;
            let letter = |byte: u8| KEY_LETTERS.get(usize::from(byte) % KEY_LETTERS.len()).copied();
            Ok(bytes.into_iter().filter_map(letter).map(char::from).collect())
        };
        let access_key_id = format!("STEPWRIGHT{}", letters(10)?);
        Ok(Self { access_key_id, secret_access_key: letters(40)? })
    }
}

/// Why a request is not accepted as signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SignatureError {
    /// AWS's name of the error.
    pub code: &'static str,
    /// AWS's words.
    pub message: String,
}

impl SignatureError {
    fn incomplete(message: impl Into<String>) -> Self {
        Self { code: "IncompleteSignatureException", message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self { code: "InvalidSignatureException", message: message.into() }
    }
}

/// Who may call: everybody, or who signs with one of some keys.
#[derive(Clone)]
pub struct Authentication {
    keys: Option<Arc<BTreeMap<String, String>>>,
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
        let keys = keys.into_iter().map(|pair| (pair.access_key_id, pair.secret_access_key)).collect();
        Self { keys: Some(Arc::new(keys)), clock }
    }

    /// Whether everybody may call.
    pub fn is_open(&self) -> bool {
        self.keys.is_none()
    }

    /// Checks the signature of a request to a service, e.g. `states`, of any region.
    pub fn verify(&self, head: &Parts, body: &[u8], service: &str) -> Result<(), SignatureError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let given = Given::read(&head.headers)?;
        let secret = keys.get(given.access_key_id).ok_or_else(|| SignatureError {
            code: "UnrecognizedClientException",
            message: "The security token included in the request is invalid.".to_owned(),
        })?;
        given.check_scope(service)?;
        given.check_age(self.clock.now_millis())?;
        given.check_headers(&head.headers)?;
        let canonical = canonical_request(
            head.method.as_str(),
            head.uri.path(),
            head.uri.query().unwrap_or_default(),
            &canonical_headers(&head.headers, given.signed_headers),
            given.signed_headers,
            body,
        );
        let scope = Scope { date: given.date, region: given.region, service: given.service };
        let mac = scope.mac(secret, given.time, &canonical);
        // Takes as long for a signature that is almost right.
        match unhex(given.signature) {
            Some(signature) if mac.verify_slice(&signature).is_ok() => Ok(()),
            _ => Err(SignatureError::invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method. Consult the service documentation for details.",
            )),
        }
    }

    /// The secret of a key; `None` = nobody has it.
    pub(crate) fn secret_of(&self, access_key_id: &str) -> Option<&str> {
        self.keys.as_ref()?.get(access_key_id).map(String::as_str)
    }

    /// The time that signatures are compared with, in milliseconds since the epoch.
    pub(crate) fn now_millis(&self) -> i64 {
        self.clock.now_millis()
    }

    /// Checks a name and a password that are a pair of keys, for who cannot sign.
    pub(super) fn knows(&self, name: &str, password: &str) -> bool {
        let Some(keys) = &self.keys else { return true };
        let secret = keys.get(name).map(String::as_str).unwrap_or_default();
        // Compared by their hashes under a key of one use: the time says nothing.
        let mac = |text: &str| hmac(name.as_bytes(), text.as_bytes());
        !secret.is_empty() && mac(secret).verify_slice(&mac(password).finalize().into_bytes()).is_ok()
    }
}

/// What an `Authorization` header says.
struct Given<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    time: &'a str,
}

impl<'a> Given<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, SignatureError> {
        let missing = || SignatureError {
            code: "MissingAuthenticationTokenException",
            message: "Missing Authentication Token".to_owned(),
        };
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = text(&header::AUTHORIZATION).ok_or_else(missing)?;
        let (algorithm, parts) = authorization.trim().split_once(' ').unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            return Err(SignatureError::incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
        }
        let part = |name: &str| {
            let mut parts = parts.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let [credential, signature, signed_headers] = ["Credential", "Signature", "SignedHeaders"].map(part);
        let (Some(credential), Some(signature), Some(signed_headers), Some(time)) =
            (credential, signature, signed_headers, text(&DATE))
        else {
            let mut message = String::new();
            for (name, is_there) in [
                ("Credential", credential.is_some()),
                ("Signature", signature.is_some()),
                ("SignedHeaders", signed_headers.is_some()),
            ] {
                if !is_there {
                    let _ = write!(message, "Authorization header requires '{name}' parameter. ");
                }
            }
            if text(&DATE).is_none() {
                message.push_str(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
                );
            }
            return Err(SignatureError::incomplete(message.trim_end()));
        };
        let mut scope = credential.rsplitn(5, '/');
        let (Some(TERMINATOR), Some(service), Some(region), Some(date), Some(access_key_id)) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(SignatureError::incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/aws4_request.",
            ));
        };
        Ok(Self { access_key_id, date, region, service, signed_headers, signature, time })
    }

    fn check_scope(&self, service: &str) -> Result<(), SignatureError> {
        if self.service != service {
            let message = format!("Credential should be scoped to correct service: '{service}'. ");
            return Err(SignatureError::invalid(message));
        }
        if self.region.is_empty() {
            return Err(SignatureError::invalid("Credential should be scoped to a valid region. "));
        }
        match self.time.get(..8) {
            Some(day) if day == self.date => Ok(()),
            day => Err(SignatureError::invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{}' != '{}', from '{}'.",
                self.date,
                day.unwrap_or_default(),
                self.time
            ))),
        }
    }

    fn check_age(&self, now_millis: i64) -> Result<(), SignatureError> {
        let Some(signed) = read_time(self.time) else {
            return Err(SignatureError::incomplete(
                "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601",
            ));
        };
        let skew = SKEW_MINUTES * 60;
        let now = now_millis.div_euclid(1000);
        if signed < now - skew {
            return Err(SignatureError::invalid(format!(
                "Signature expired: {} is now earlier than {} ({} - {SKEW_MINUTES} min.)",
                self.time,
                time_text(now - skew),
                time_text(now)
            )));
        }
        if signed > now + skew {
            return Err(SignatureError::invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + {SKEW_MINUTES} min.)",
                self.time,
                time_text(now + skew),
                time_text(now)
            )));
        }
        Ok(())
    }

    /// What decides where a request goes and when it was made has to be signed.
    fn check_headers(&self, headers: &HeaderMap) -> Result<(), SignatureError> {
        let is_signed = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        if !is_signed("host") {
            return Err(SignatureError::invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        for name in [&DATE, &TARGET] {
            if headers.contains_key(name) && !is_signed(name.as_str()) {
                let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
                return Err(SignatureError::invalid(message));
            }
        }
        Ok(())
    }
}

/// The headers a client adds to its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// `X-Amz-Date`
    pub date: String,
    /// `Authorization`
    pub authorization: String,
}

/// Signs a `POST /` with these headers (names in lower case, `host` among them) and this body.
pub fn sign(
    credentials: &Credentials,
    headers: &[(&str, &str)],
    body: &[u8],
    region: &str,
    service: &str,
    now_millis: i64,
) -> Signed {
    let date = time_text(now_millis.div_euclid(1000));
    let mut all: BTreeMap<&str, &str> = headers.iter().copied().collect();
    all.insert(DATE.as_str(), &date);
    let names = all.keys().copied().collect::<Vec<_>>().join(";");
    let mut lines = String::new();
    for (name, value) in &all {
        let _ = writeln!(lines, "{name}:{}", single_spaced(value));
    }
    let canonical = canonical_request("POST", "/", "", &lines, &names, body);
    let scope = Scope { date: date.get(..8).unwrap_or_default(), region, service };
    let signature =
        hex(&scope.mac(&credentials.secret_access_key, &date, &canonical).finalize().into_bytes());
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key_id
    );
    Signed { date, authorization }
}

/// What a key is made for.
pub(crate) struct Scope<'a> {
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

impl Scope<'_> {
    /// The signature of a canonical request, not yet finished, so that it can be compared.
    pub(crate) fn mac(&self, secret: &str, time: &str, canonical_request: &str) -> Hmac<Sha256> {
        let hash = hex(&Sha256::digest(canonical_request.as_bytes()));
        hmac(&self.key(secret), format!("{ALGORITHM}\n{time}\n{self}\n{hash}").as_bytes())
    }

    /// The key that signs in this scope.
    pub(crate) fn key(&self, secret: &str) -> Vec<u8> {
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), self.date.as_bytes()).finalize().into_bytes();
        for part in [self.region, self.service, TERMINATOR] {
            key = hmac(&key, part.as_bytes()).finalize().into_bytes();
        }
        key.to_vec()
    }
}

pub(crate) fn hmac(key: &[u8], data: &[u8]) -> Hmac<Sha256> {
    // Keys of any length are taken, so there is no error.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&[0; 64].into()));
    mac.update(data);
    mac
}

fn canonical_request(
    method: &str,
    path: &str,
    query: &str,
    headers: &str,
    signed_headers: &str,
    body: &[u8],
) -> String {
    let (path, query) = (canonical_path(path), canonical_query(query));
    let hash = hex(&Sha256::digest(body));
    format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{hash}")
}

/// One line each of the headers that are signed, in their order.
pub(crate) fn canonical_headers(headers: &HeaderMap, signed_headers: &str) -> String {
    let mut lines = String::new();
    for name in signed_headers.split(';') {
        let values = headers
            .get_all(name)
            .iter()
            .map(|value| single_spaced(&String::from_utf8_lossy(value.as_bytes())));
        let _ = writeln!(lines, "{name}:{}", values.collect::<Vec<_>>().join(","));
    }
    lines
}

fn single_spaced(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The path without `.`, `..` and empty segments, encoded once more than it came.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let is_folder = !segments.is_empty() && (path.ends_with('/') || path.ends_with("/."));
    let mut canonical = String::new();
    for segment in segments {
        canonical.push('/');
        canonical.push_str(&encoded(segment.bytes()));
    }
    if canonical.is_empty() || is_folder {
        canonical.push('/');
    }
    canonical
}

/// The parameters, decoded and encoded in one way, sorted.
pub(crate) fn canonical_query(query: &str) -> String {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut parameters: Vec<(String, String)> = parameters
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (encoded(decoded(name).into_iter()), encoded(decoded(value).into_iter()))
        })
        .collect();
    parameters.sort();
    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

pub(crate) fn encoded(bytes: impl Iterator<Item = u8>) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape =
            tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits =
        text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// Seconds since the epoch of `20150830T123600Z`.
pub(crate) fn read_time(text: &str) -> Option<i64> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

fn time_text(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests;

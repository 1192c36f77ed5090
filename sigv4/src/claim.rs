//! What a received request says of its signature — in a header, or in its query
//! as a presigned URL has it — and whether that holds.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::canonical::{
    Content, canonical_path, canonical_query, canonical_request, header_line, parameters,
};
use crate::chunks::ChunkSignatures;
use crate::key::{CredentialScope, SigningKey, TERMINATOR};
use crate::{ALGORITHM, Credentials};

/// How far the clock of a caller may be off. IAM user guide, "Signature expiration": 15 minutes.
pub const SKEW_MINUTES: i64 = 15;
/// How long a presigned URL may be good for, in seconds. S3 API reference, `X-Amz-Expires`: 7 days.
pub const PRESIGNED_SECONDS_MAX: i64 = 604_800;

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// In capital letters.
    pub method: &'a str,
    /// As it was sent.
    pub path: &'a str,
    /// As it was sent, without the question mark.
    pub query: &'a str,
    /// Names in lower case, with their values; a name may be there more than once.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Received<'a> {
    /// The first value of a header, if it is a text.
    fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(key, _)| *key == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Why a request is not accepted as signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Nothing is signed at all.
    Missing,
    /// It is signed in another way.
    Algorithm(String),
    /// Parts of the signature are missing: `Credential`, `Signature`, `SignedHeaders`, `Date`, `Expires`.
    Parts(Vec<&'static str>),
    /// The credential has not five parts.
    Credential,
    /// The date is not written as `20150830T123600Z`.
    Date,
    /// A presigned URL that is good for no number of seconds, or for more than a week.
    Expires,
    /// The credential is for another service than this one.
    Service(String),
    /// The credential names no region.
    Region,
    /// The credential's day is another than that of the request.
    Day {
        /// The day of the credential.
        scope: String,
        /// The time of the request.
        time: String,
    },
    /// It was signed too long ago.
    Expired {
        /// When.
        signed: String,
        /// When it is, in seconds since the epoch.
        now_seconds: i64,
    },
    /// It was signed in the future.
    NotYet {
        /// When.
        signed: String,
        /// When it is, in seconds since the epoch.
        now_seconds: i64,
    },
    /// A presigned URL is good no more.
    LinkExpired,
    /// A header that decides what the request means is not among those that are signed.
    Unsigned(String),
    /// The signature is not that of this request by this key.
    Mismatch,
}

/// What a request says of its signature.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose key it is said to be.
    pub access_key_id: String,
    /// The region it is said to be for.
    pub region: String,
    date: String,
    service: String,
    signed_headers: String,
    signature: String,
    time: String,
    /// Of a presigned URL: how many seconds it is good for.
    expires: Option<i64>,
}

/// The parts of a signature, whichever way they came.
struct Parts {
    credential: Option<String>,
    signature: Option<String>,
    signed_headers: Option<String>,
    time: Option<String>,
    lifetime: Lifetime,
}

/// How long a signature is good for.
enum Lifetime {
    /// As long as clocks may differ.
    Skew,
    /// Of a presigned URL: so many seconds, which may be missing.
    Seconds(Option<i64>),
}

impl Claim {
    /// Reads what is claimed: by the query if that has a signature, else by the header.
    pub fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let query = parameters(received.query);
        let parameter = |name: &str| {
            let (_, value) = query.iter().find(|(key, _)| key == name.as_bytes())?;
            String::from_utf8(value.clone()).ok()
        };
        if let Some(algorithm) = parameter("X-Amz-Algorithm") {
            let expires = parameter("X-Amz-Expires");
            let expires = expires.as_deref().map(str::parse).transpose().map_err(|_| Problem::Expires)?;
            let parts = Parts {
                credential: parameter("X-Amz-Credential"),
                signature: parameter("X-Amz-Signature"),
                signed_headers: parameter("X-Amz-SignedHeaders"),
                time: parameter("X-Amz-Date"),
                lifetime: Lifetime::Seconds(expires),
            };
            return Self::of(&algorithm, parts);
        }
        let authorization = received.header("authorization").ok_or(Problem::Missing)?;
        let (algorithm, rest) = authorization.trim().split_once(' ').unwrap_or((authorization, ""));
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let parts = Parts {
            credential: part("Credential"),
            signature: part("Signature"),
            signed_headers: part("SignedHeaders"),
            time: received.header("x-amz-date").map(str::to_owned),
            lifetime: Lifetime::Skew,
        };
        Self::of(algorithm, parts)
    }

    fn of(algorithm: &str, parts: Parts) -> Result<Self, Problem> {
        if algorithm != ALGORITHM {
            return Err(Problem::Algorithm(algorithm.to_owned()));
        }
        let mut missing = Vec::new();
        let mut have = |name: &'static str, part: Option<String>| {
            part.unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let credential = have("Credential", parts.credential);
        let signature = have("Signature", parts.signature);
        let signed_headers = have("SignedHeaders", parts.signed_headers);
        let time = have("Date", parts.time);
        let expires = match parts.lifetime {
            Lifetime::Skew => None,
            Lifetime::Seconds(seconds) => {
                missing.extend(seconds.is_none().then_some("Expires"));
                seconds
            }
        };
        if !missing.is_empty() {
            return Err(Problem::Parts(missing));
        }
        if expires.is_some_and(|seconds| !(1..=PRESIGNED_SECONDS_MAX).contains(&seconds)) {
            return Err(Problem::Expires);
        }
        let mut scope = credential.rsplitn(5, '/');
        let (Some(TERMINATOR), Some(service), Some(region), Some(date), Some(access_key_id)) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(Problem::Credential);
        };
        let [service, region, date, access_key_id] =
            [service, region, date, access_key_id].map(str::to_owned);
        Ok(Self { access_key_id, region, date, service, signed_headers, signature, time, expires })
    }

    /// Whether it is a URL that somebody else signed in advance.
    pub const fn is_presigned(&self) -> bool {
        self.expires.is_some()
    }

    /// Whether the claim holds: `keys` are those of its access key, `digest` is
    /// what stands for the body, `now_seconds` is counted since the epoch.
    ///
    /// Answers what the chunks of the body are checked with, if it comes in chunks.
    pub fn verify(
        &self,
        received: &Received<'_>,
        keys: &Credentials,
        service: &str,
        digest: &str,
        now_seconds: i64,
    ) -> Result<ChunkSignatures, Problem> {
        self.check_scope(service)?;
        self.check_age(now_seconds)?;
        self.check_headers(received)?;
        let names = self.signed_headers.split(';');
        let headers: String = names
            .map(|name| {
                let values = received.headers.iter().filter(|(key, _)| *key == name);
                header_line(name, values.map(|(_, value)| *value))
            })
            .collect();
        let query = parameters(received.query);
        let signed = query.iter().filter(|(name, _)| !(self.is_presigned() && name == b"X-Amz-Signature"));
        let canonical = canonical_request(&Content {
            method: received.method,
            path: &canonical_path(received.path, &self.service),
            query: &canonical_query(signed.map(|(name, value)| (name.as_slice(), value.as_slice()))),
            headers: &headers,
            signed_headers: &self.signed_headers,
            digest,
        });
        let scope = CredentialScope { date: &self.date, region: &self.region, service: &self.service };
        let key = SigningKey::derive(&keys.secret_access_key, &scope);
        if !key.verifies(&scope.to_sign(&self.time, &canonical), &self.signature) {
            return Err(Problem::Mismatch);
        }
        Ok(ChunkSignatures::new(key, &self.time, &scope, self.signature.clone()))
    }

    fn check_scope(&self, service: &str) -> Result<(), Problem> {
        if self.service != service {
            return Err(Problem::Service(service.to_owned()));
        }
        if self.region.is_empty() {
            return Err(Problem::Region);
        }
        if self.time.get(..8) != Some(self.date.as_str()) {
            return Err(Problem::Day { scope: self.date.clone(), time: self.time.clone() });
        }
        Ok(())
    }

    fn check_age(&self, now_seconds: i64) -> Result<(), Problem> {
        let signed_seconds = read_time(&self.time).ok_or(Problem::Date)?;
        let skew = SKEW_MINUTES * 60;
        let signed = || self.time.clone();
        match self.expires {
            _ if signed_seconds > now_seconds + skew => {
                Err(Problem::NotYet { signed: signed(), now_seconds })
            }
            Some(expires) if signed_seconds + expires < now_seconds => Err(Problem::LinkExpired),
            None if signed_seconds < now_seconds - skew => {
                Err(Problem::Expired { signed: signed(), now_seconds })
            }
            _ => Ok(()),
        }
    }

    /// What decides where a request goes, what it asks for and when it was made
    /// has to be signed; for S3 everything of AWS's.
    fn check_headers(&self, received: &Received<'_>) -> Result<(), Problem> {
        let is_signed = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        let must_be = |name: &str| match name {
            "x-amz-user-agent" => false,
            "x-amz-date" | "x-amz-target" => true,
            name => self.service.starts_with("s3") && name.starts_with("x-amz-"),
        };
        let unsigned = received.headers.iter().find(|(name, _)| must_be(name) && !is_signed(name));
        match unsigned {
            _ if !is_signed("host") => Err(Problem::Unsigned("host".to_owned())),
            Some((name, _)) => Err(Problem::Unsigned((*name).to_owned())),
            None => Ok(()),
        }
    }
}

/// Seconds since the epoch of `20150830T123600Z`.
fn read_time(text: &str) -> Option<i64> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Seconds since the epoch as signatures have it: `20150830T123600Z`.
pub fn time_text(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

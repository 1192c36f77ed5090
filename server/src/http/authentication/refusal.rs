//! What AWS says to those whose signature it does not accept: other names of
//! the same errors in each protocol, and other words in S3.

use std::fmt::Write as _;

use sigv4::{Problem, SKEW_MINUTES, time_text};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureProblem {
    /// The signature does not hold.
    Signature(Problem),
    /// The access key is not one that may call.
    UnknownKey {
        /// The access key.
        access_key_id: String,
    },
    /// S3: nothing says what of the body is signed.
    NoDigest,
}

/// An error of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SignatureError {
    /// AWS's name of the error.
    pub code: &'static str,
    /// AWS's words.
    pub message: String,
    /// Status of the answer.
    pub http_status: u16,
}

impl SignatureError {
    fn new(http_status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), http_status }
    }
}

/// What went wrong, as far as names of errors tell it apart.
enum Class {
    Missing,
    Incomplete,
    Unknown,
    Invalid,
}

impl SignatureProblem {
    /// The error of services that speak AWS JSON, e.g. Step Functions.
    pub fn json(&self) -> SignatureError {
        let code = match self.class() {
            Class::Missing => "MissingAuthenticationTokenException",
            Class::Incomplete => "IncompleteSignatureException",
            Class::Unknown => "UnrecognizedClientException",
            Class::Invalid => "InvalidSignatureException",
        };
        SignatureError::new(400, code, self.words())
    }

    /// The error of services that speak AWS's query protocol, e.g. SNS.
    pub fn query(&self) -> SignatureError {
        let (status, code) = match self.class() {
            Class::Missing => (403, "MissingAuthenticationToken"),
            Class::Incomplete => (400, "IncompleteSignature"),
            Class::Unknown => (403, "InvalidClientTokenId"),
            Class::Invalid => (403, "SignatureDoesNotMatch"),
        };
        SignatureError::new(status, code, self.words())
    }

    /// The error of S3. Its API reference, "Error responses".
    pub fn s3(&self) -> SignatureError {
        let malformed = |what: &str| {
            let message = format!("The authorization header is malformed; {what}");
            SignatureError::new(400, "AuthorizationHeaderMalformed", message)
        };
        let problem = match self {
            Self::UnknownKey { .. } => {
                let message = "The AWS Access Key Id you provided does not exist in our records.";
                return SignatureError::new(403, "InvalidAccessKeyId", message);
            }
            Self::NoDigest => {
                let message = "Missing required header for this request: x-amz-content-sha256";
                return SignatureError::new(400, "InvalidRequest", message);
            }
            Self::Signature(problem) => problem,
        };
        match problem {
            Problem::Missing => SignatureError::new(403, "AccessDenied", "Access Denied"),
            Problem::Algorithm(_) => {
                let message = "The authorization mechanism you have provided is not supported. Please use \
                               AWS4-HMAC-SHA256.";
                SignatureError::new(400, "InvalidRequest", message)
            }
            Problem::Parts(names) => malformed(&format!("missing {}.", names.join(", "))),
            Problem::Credential => malformed(
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            ),
            Problem::Service(service) => {
                malformed(&format!("incorrect service. This endpoint belongs to \"{service}\"."))
            }
            Problem::Region => malformed("a region is missing."),
            Problem::Day { scope, time } => {
                let day = time.get(..8).unwrap_or_default();
                malformed(&format!(
                    "Invalid credential date \"{scope}\". This date is not the same as X-Amz-Date: \"{day}\"."
                ))
            }
            Problem::Date => {
                let message = "AWS authentication requires a valid Date or x-amz-date header";
                SignatureError::new(403, "AccessDenied", message)
            }
            Problem::Expires => {
                let message = "X-Amz-Expires must be a number of seconds, at least 1 and less than a week";
                SignatureError::new(400, "AuthorizationQueryParametersError", message)
            }
            Problem::LinkExpired => SignatureError::new(403, "AccessDenied", "Request has expired"),
            Problem::Expired { .. } | Problem::NotYet { .. } => {
                let message = "The difference between the request time and the current time is too large.";
                SignatureError::new(403, "RequestTimeTooSkewed", message)
            }
            Problem::Unsigned(_) => {
                let message = "There were headers present in the request which were not signed";
                SignatureError::new(403, "AccessDenied", message)
            }
            Problem::Mismatch => {
                let message = "The request signature we calculated does not match the signature you provided. Check \
                               your key and signing method.";
                SignatureError::new(403, "SignatureDoesNotMatch", message)
            }
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::UnknownKey { .. } => Class::Unknown,
            Self::NoDigest => Class::Incomplete,
            Self::Signature(problem) => match problem {
                Problem::Missing => Class::Missing,
                Problem::Algorithm(_)
                | Problem::Parts(_)
                | Problem::Credential
                | Problem::Date
                | Problem::Expires => Class::Incomplete,
                _ => Class::Invalid,
            },
        }
    }

    /// The words of all services but S3.
    fn words(&self) -> String {
        let problem = match self {
            Self::UnknownKey { .. } => {
                return "The security token included in the request is invalid.".to_owned();
            }
            Self::NoDigest => return "The body of the request is not signed.".to_owned(),
            Self::Signature(problem) => problem,
        };
        match problem {
            Problem::Missing => "Missing Authentication Token".to_owned(),
            Problem::Algorithm(algorithm) => format!("Unsupported AWS 'algorithm': '{algorithm}'."),
            Problem::Parts(names) => missing(names),
            Problem::Credential => "Credential must have exactly 5 slash-delimited elements, e.g. \
                                    keyid/date/region/service/aws4_request."
                .to_owned(),
            Problem::Date => {
                "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601".to_owned()
            }
            Problem::Expires => "X-Amz-Expires must be a number between 1 and 604800.".to_owned(),
            Problem::Service(service) => {
                format!("Credential should be scoped to correct service: '{service}'. ")
            }
            Problem::Region => "Credential should be scoped to a valid region. ".to_owned(),
            Problem::Day { scope, time } => format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{scope}' != '{}', from '{time}'.",
                time.get(..8).unwrap_or_default()
            ),
            Problem::Expired { signed, now_seconds } => format!(
                "Signature expired: {signed} is now earlier than {} ({} - {SKEW_MINUTES} min.)",
                time_text(now_seconds - SKEW_MINUTES * 60),
                time_text(*now_seconds)
            ),
            Problem::NotYet { signed, now_seconds } => format!(
                "Signature not yet current: {signed} is still later than {} ({} + {SKEW_MINUTES} min.)",
                time_text(now_seconds + SKEW_MINUTES * 60),
                time_text(*now_seconds)
            ),
            Problem::LinkExpired => "Signature expired: the presigned URL is no longer valid.".to_owned(),
            Problem::Unsigned(name) if name == "host" => {
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned()
            }
            Problem::Unsigned(name) => format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."),
            Problem::Mismatch => {
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method. Consult the service documentation for details."
                    .to_owned()
            }
        }
    }
}

fn missing(names: &[&str]) -> String {
    let mut words = String::new();
    for name in names {
        // Writing into a String cannot fail.
        let _ = match *name {
            "Date" => write!(
                words,
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            ),
            name => write!(words, "Authorization header requires '{name}' parameter. "),
        };
    }
    words.trim_end().to_owned()
}

//! Secrets in AWS Secrets Manager.
//!
//! On AWS a step's environment says where its secrets are, not what they are:
//! the value is read when a step first asks for it and kept for a few minutes,
//! in memory only. Nothing here prints a value, and no error contains one.
//!
//! Refused: anything but reading the current version of one secret's text, and
//! finding a secret by name. The role allows `secretsmanager:GetSecretValue` on
//! the granted ARNs and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use ureq::Agent;
use ureq::http::{Response, StatusCode, Uri};

use sigv4::{Request, Scope};

use crate::aws::{Credentials, credentials_from_environment, endpoint_from_environment};

/// After a rotation, a process uses the old value for at most this long.
const KEPT: Duration = Duration::from_mins(5);

/// For one attempt, connection and all. The service answers within milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests that failed for a passing reason are made this often in all: a step
/// with less than a minute must still get to say why it failed.
const ATTEMPTS_MAX: u32 = 3;

/// Doubled after each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A secret has at most 65,536 bytes (AWS quota), of which JSON makes six each at worst.
const ANSWER_BYTES_MAX: u64 = 512 * 1024;

/// The secrets a process has read.
#[derive(Clone, Default)]
pub(crate) struct SecretsManager {
    /// `None` is the process's environment.
    settings: Option<Settings>,
    kept: Arc<Mutex<BTreeMap<String, Kept>>>,
}

/// Who we are, and where Secrets Manager is when it is not AWS's.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) endpoint: Option<String>,
    pub(crate) credentials: Credentials,
}

struct Kept {
    value: String,
    read_at: Instant,
}

/// Why a secret has no value for a step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error(
        "`{arn}` is not the ARN of a secret: {problem}; expected `arn:aws:secretsmanager:<region>:<account>:secret:<name>`"
    )]
    Arn { arn: String, problem: &'static str },
    #[error("{0}; Lambda sets the keys of the function's role there")]
    Environment(&'static str),
    #[error("the endpoint `{endpoint}` cannot be used; expected `https://host` or `https://host:port`")]
    Endpoint { endpoint: String },
    #[error(
        "no answer from Secrets Manager at {endpoint}: {source}; a function in a VPC needs a NAT gateway or an endpoint for Secrets Manager there"
    )]
    Unanswered { endpoint: String, source: Box<ureq::Error> },
    #[error("Secrets Manager is busy or failing (it answered {status}, {code}); try again later")]
    Busy { status: u16, code: String },
    #[error(
        "there is no secret {arn}; deploy the stack again, which makes it, and put the value in with `{}`",
        put_value(arn)
    )]
    NotFound { arn: String },
    #[error("{arn} has no value yet; put it in with `{}`", put_value(arn))]
    NoValue { arn: String },
    #[error(
        "{arn} is marked for deletion; take that back with `aws secretsmanager restore-secret --secret-id {arn}`"
    )]
    Deleted { arn: String },
    #[error(
        "the step may not read {arn}: {message}; its role needs secretsmanager:GetSecretValue on it, and kms:Decrypt where a key of your own encrypts it"
    )]
    AccessDenied { arn: String, message: String },
    #[error("{arn} holds bytes, and a step's secret is text; put it in with `{}`", put_value(arn))]
    NotText { arn: String },
    #[error("Secrets Manager refused to read {arn}: {status} {code}: {message}")]
    Refused { arn: String, status: u16, code: String, message: String },
    #[error("the answer about {arn} is not one of Secrets Manager: is {endpoint} its endpoint?")]
    Unintelligible { arn: String, endpoint: String },
}

/// From a file, because a shell remembers what is typed.
fn put_value(arn: &str) -> String {
    format!("aws secretsmanager put-secret-value --secret-id {arn} --secret-string file://value.txt")
}

impl SecretError {
    /// Whether trying again without changing anything may help.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Unanswered { .. } | Self::Busy { .. })
    }
}

impl SecretsManager {
    #[cfg(test)]
    fn with(settings: Settings) -> Self {
        Self { settings: Some(settings), kept: Arc::default() }
    }

    /// The current value of a secret, read within the last five minutes.
    pub(crate) fn value(&self, arn: &str) -> Result<String, SecretError> {
        self.value_at(arn, Instant::now())
    }

    fn value_at(&self, arn: &str, now: Instant) -> Result<String, SecretError> {
        // A panic while it was locked left nothing half done in it.
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Kept { value, read_at }) = kept().get(arn)
            && now.saturating_duration_since(*read_at) < KEPT
        {
            return Ok(value.clone());
        }
        let value = self.read(arn)?;
        kept().insert(arn.to_owned(), Kept { value: value.clone(), read_at: now });
        Ok(value)
    }

    fn read(&self, arn: &str) -> Result<String, SecretError> {
        let secret = SecretArn::parse(arn)?;
        let settings = match &self.settings {
            Some(settings) => settings.clone(),
            None => Settings::from_environment().map_err(SecretError::Environment)?,
        };
        let service = Service::of(&secret, settings)?;
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS_MAX {
            match service.secret_value(arn) {
                Err(error) if error.is_transient() => thread::sleep(pause),
                outcome => return outcome,
            }
            pause *= 2;
        }
        service.secret_value(arn)
    }
}

impl fmt::Debug for SecretsManager {
    /// Without the values: they must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Settings {
    fn from_environment() -> Result<Self, &'static str> {
        Ok(Self {
            endpoint: endpoint_from_environment("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            credentials: credentials_from_environment()?,
        })
    }
}

/// What an ARN says about where the secret is.
struct SecretArn<'a> {
    partition: &'a str,
    region: &'a str,
}

impl<'a> SecretArn<'a> {
    fn parse(arn: &'a str) -> Result<Self, SecretError> {
        let refuse = |problem| Err(SecretError::Arn { arn: arn.to_owned(), problem });
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let ["arn", partition, "secretsmanager", region, _account, "secret", name] = parts[..] else {
            return refuse("it has other parts");
        };
        // It becomes part of a host name.
        let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || !region.bytes().all(is_label) {
            return refuse("it has no region");
        }
        if name.is_empty() {
            return refuse("it has no name");
        }
        Ok(Self { partition, region })
    }

    /// Source: AWS General Reference, "AWS Secrets Manager endpoints and quotas".
    fn endpoint(&self) -> Option<String> {
        let domain = match self.partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            _ => return None,
        };
        Some(format!("https://secretsmanager.{}.{domain}", self.region))
    }
}

/// Secrets Manager in one region.
struct Service {
    region: String,
    /// Scheme and authority.
    endpoint: String,
    host: String,
    credentials: Credentials,
    agent: Agent,
}

/// JSON 1.1: every operation is a `POST` of a JSON object to `/`.
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<String>,
}

/// An error's answer; the message's name is written in two ways.
#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(rename = "__type", default)]
    code: String,
    #[serde(alias = "Message", default)]
    message: String,
}

impl Service {
    fn of(secret: &SecretArn<'_>, settings: Settings) -> Result<Self, SecretError> {
        let Settings { endpoint, credentials } = settings;
        let Some(endpoint) = endpoint.or_else(|| secret.endpoint()) else {
            let arn = format!("arn:{}:secretsmanager:{}:…", secret.partition, secret.region);
            return Err(SecretError::Arn { arn, problem: "its partition is not known here" });
        };
        let refuse = || SecretError::Endpoint { endpoint: endpoint.clone() };
        let address: Uri = endpoint.parse().map_err(|_| refuse())?;
        let is_root = matches!(address.path(), "" | "/") && address.query().is_none();
        let (Some(scheme), Some(authority)) = (address.scheme_str(), address.authority()) else {
            return Err(refuse());
        };
        if !is_root || !["http", "https"].contains(&scheme) || authority.as_str().contains('@') {
            return Err(refuse());
        }
        // The bundled roots of Mozilla: a function's image need not have any.
        let configuration = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(ATTEMPT_TIMEOUT))
            .build();
        Ok(Self {
            region: secret.region.to_owned(),
            endpoint: format!("{scheme}://{authority}"),
            host: authority.to_string(),
            credentials,
            agent: configuration.into(),
        })
    }

    fn secret_value(&self, arn: &str) -> Result<String, SecretError> {
        let (status, answer) = self.call("GetSecretValue", &json!({ "SecretId": arn }))?;
        if status != StatusCode::OK {
            return Err(self.refusal(arn, status, &answer));
        }
        // What serde says of an unfit answer could quote it.
        let Ok(SecretValue { secret_string }) = serde_json::from_str(&answer) else {
            return Err(self.unintelligible(arn));
        };
        secret_string.ok_or_else(|| SecretError::NotText { arn: arn.to_owned() })
    }

    /// Status and body of the answer to an operation.
    fn call(&self, operation: &str, body: &serde_json::Value) -> Result<(StatusCode, String), SecretError> {
        let body = body.to_string();
        let headers = self.headers(operation, &body, Timestamp::now());
        let post = self.agent.post(format!("{}/", self.endpoint));
        let post = headers.iter().fold(post, |post, (name, value)| post.header(*name, value));
        let answer = post.send(&body).and_then(|mut response: Response<ureq::Body>| {
            let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
            Ok((response.status(), text))
        });
        answer.map_err(|error| SecretError::Unanswered {
            endpoint: self.endpoint.clone(),
            source: Box::new(error),
        })
    }

    fn headers(&self, operation: &str, body: &str, now: Timestamp) -> BTreeMap<&'static str, String> {
        let headers = [
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", self.host.clone()),
            ("x-amz-target", format!("secretsmanager.{operation}")),
        ];
        let scope = Scope { region: &self.region, service: "secretsmanager" };
        Request { method: "POST", path: "/", query: &[], headers: headers.into(), body: body.as_bytes() }
            .signed(&self.credentials, &scope, now)
    }

    fn refusal(&self, arn: &str, status: StatusCode, answer: &str) -> SecretError {
        let Refusal { code, message } = serde_json::from_str(answer).unwrap_or_default();
        let status = status.as_u16();
        let arn = arn.to_owned();
        // `namespace#Name` in some answers.
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        match code.as_str() {
            "ResourceNotFoundException" if message.contains("staging label") => SecretError::NoValue { arn },
            "ResourceNotFoundException" => SecretError::NotFound { arn },
            "InvalidRequestException" if message.contains("deletion") || message.contains("deleted") => {
                SecretError::Deleted { arn }
            }
            "AccessDeniedException" | "DecryptionFailure" => SecretError::AccessDenied { arn, message },
            "ThrottlingException" | "InternalServiceError" => SecretError::Busy { status, code },
            _ if status == 429 || status >= 500 => {
                let code = if code.is_empty() { "no error code".to_owned() } else { code };
                SecretError::Busy { status, code }
            }
            "" => self.unintelligible(&arn),
            _ => SecretError::Refused { arn, status, code, message },
        }
    }

    fn unintelligible(&self, arn: &str) -> SecretError {
        SecretError::Unintelligible { arn: arn.to_owned(), endpoint: self.endpoint.clone() }
    }
}

#[cfg(test)]
mod tests;

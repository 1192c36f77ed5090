//! A bucket in S3.
//!
//! Requests are signed by `rusty-s3` and made by `ureq`; both know nothing of
//! the rest of AWS, which keeps a step small. Credentials, region and endpoint
//! come from the environment that Lambda sets.
//!
//! S3 shows an object when its upload is complete, so uploads need no detour.
//! What is already there is recognised by its length and the hash in its
//! metadata, and not sent again.

use std::fs::File;
use std::io::{self, Seek as _};
use std::thread;
use std::time::Duration;

use rusty_s3::actions::{GetObject, HeadObject, PutObject};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use tempfile::NamedTempFile;
use ureq::Agent;
use ureq::http::{Response, StatusCode};

use super::Content;
use super::error::is_passing;
use crate::aws;

/// A signed URL is used at once; this allows for a clock that is wrong by minutes.
const SIGNATURE_LIFETIME: Duration = Duration::from_mins(5);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests that failed for a passing reason are made this often in all.
const ATTEMPTS_MAX: u32 = 4;

/// Doubled after each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// User metadata that holds the content's hash.
const HASH_HEADER: &str = "x-amz-meta-sha256";

/// The condition of a write that must not replace anything.
const IF_ABSENT: (&str, &str) = ("if-none-match", "*");

/// Where S3 is and who we are there.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) region: String,
    /// `None` is AWS itself.
    pub(super) endpoint: Option<String>,
    pub(super) credentials: aws::Credentials,
}

impl Settings {
    /// `Err` says which variable of the environment is missing.
    pub(super) fn from_environment() -> Result<Self, &'static str> {
        Ok(Self {
            credentials: aws::credentials_from_environment()?,
            region: aws::region_from_environment().ok_or("the environment has no AWS_REGION")?,
            endpoint: aws::endpoint_from_environment("AWS_ENDPOINT_URL_S3"),
        })
    }
}

/// A prefix in a bucket of S3. Keys given to its methods have been checked.
#[derive(Clone)]
pub(super) struct S3 {
    bucket: Bucket,
    prefix: String,
    credentials: Credentials,
    agent: Agent,
}

/// What `HEAD` says about an object.
struct Head {
    bytes: Option<u64>,
    sha256: Option<String>,
    version_id: Option<String>,
}

/// An object that was uploaded.
pub(super) struct Put {
    /// Where the bucket keeps versions.
    pub(super) version_id: Option<String>,
}

impl S3 {
    /// `location` is `bucket` or `bucket/prefix`.
    pub(super) fn new(location: &str, settings: Settings) -> Result<Self, String> {
        let (name, prefix) = location.split_once('/').unwrap_or((location, ""));
        let Settings { region, endpoint, credentials } = settings;
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        // A certificate for `*.s3…` does not cover a bucket's name with dots.
        let style =
            if endpoint.is_some() || name.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.{domain}"));
        let endpoint = endpoint.parse().map_err(|error| format!("endpoint `{endpoint}`: {error}"))?;
        let bucket =
            Bucket::new(endpoint, style, name.to_owned(), region).map_err(|error| error.to_string())?;
        let configuration = Agent::config_builder()
            .http_status_as_error(false)
            // A signature is for one host. S3 redirects to another region's: a mistake to tell.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(Duration::from_mins(1)))
            .build();
        let prefix = prefix.trim_end_matches('/').to_owned();
        let aws::Credentials { access_key_id: key, secret_access_key: secret, session_token } = credentials;
        let credentials = match session_token {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        };
        Ok(Self { bucket, prefix, credentials, agent: configuration.into() })
    }

    /// The object's name in the bucket.
    fn name_of(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    /// The key, in this prefix, of an object of S3; `None` when it is elsewhere.
    pub(super) fn key_of<'a>(&self, bucket: &str, name: &'a str) -> Option<&'a str> {
        if bucket != self.bucket.name() {
            return None;
        }
        if self.prefix.is_empty() { Some(name) } else { name.strip_prefix(&self.prefix)?.strip_prefix('/') }
    }

    pub(super) fn location_of(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket.name(), self.name_of(key))
    }

    /// The object's content in a file without a name, or `None` when there is none.
    pub(super) fn open(&self, key: &str, version_id: Option<&str>) -> io::Result<Option<File>> {
        let name = self.name_of(key);
        let mut action = GetObject::new(&self.bucket, Some(&self.credentials), &name);
        if let Some(version_id) = version_id {
            action.query_mut().insert("versionId", version_id);
        }
        repeatedly(|| {
            let url = action.sign(SIGNATURE_LIFETIME);
            let mut response = self.agent.get(url.as_str()).call().map_err(transport)?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            refuse_failure(&mut response).map_err(or_missing)?;
            let mut file = tempfile::tempfile()?;
            // A body that ends early is an error here, not a short file.
            io::copy(&mut response.body_mut().as_reader(), &mut file).map_err(interrupted)?;
            file.rewind()?;
            Ok(Some(file))
        })
    }

    /// A file to write an object into: in the directory for temporary files.
    #[expect(clippy::unused_self, reason = "the same for every backend of a store")]
    pub(super) fn incoming(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new()
    }

    /// Uploads a written file; its version, where the bucket keeps versions.
    pub(super) fn publish(
        &self,
        file: &NamedTempFile,
        key: &str,
        content: &Content,
    ) -> io::Result<Option<String>> {
        if let Some(head) = self.head(key)?
            && head.bytes == Some(content.bytes)
            && head.sha256.as_ref() == Some(&content.sha256)
        {
            return Ok(head.version_id);
        }
        let put = self.put(file, key, content, None)?;
        Ok(put.and_then(|put| put.version_id))
    }

    /// Uploads a written file unless something is there. `None` when something is, be it by a
    /// request whose answer was lost.
    pub(super) fn publish_first(
        &self,
        file: &NamedTempFile,
        key: &str,
        content: &Content,
    ) -> io::Result<Option<Put>> {
        self.put(file, key, content, Some(IF_ABSENT))
    }

    /// `None` when a condition does not hold.
    fn put(
        &self,
        file: &NamedTempFile,
        key: &str,
        content: &Content,
        condition: Option<(&'static str, &'static str)>,
    ) -> io::Result<Option<Put>> {
        let name = self.name_of(key);
        let mut action = PutObject::new(&self.bucket, Some(&self.credentials), &name);
        let hash = (HASH_HEADER, content.sha256.as_str());
        for (header, value) in std::iter::once(hash).chain(condition) {
            action.headers_mut().insert(header, value);
        }
        repeatedly(|| {
            let url = action.sign(SIGNATURE_LIFETIME);
            let mut request = self.agent.put(url.as_str());
            for (header, value) in std::iter::once(hash).chain(condition) {
                request = request.header(header, value);
            }
            let mut response = request.send(file.reopen()?).map_err(transport)?;
            match response.status() {
                StatusCode::PRECONDITION_FAILED if condition.is_some() => return Ok(None),
                // S3 user guide, "Conditional writes": another write of the key is under way.
                StatusCode::CONFLICT if condition.is_some() => {
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, "S3 answered 409"));
                }
                _ => refuse_failure(&mut response)?,
            }
            Ok(Some(Put { version_id: header(&response, "x-amz-version-id") }))
        })
    }

    fn head(&self, key: &str) -> io::Result<Option<Head>> {
        let name = self.name_of(key);
        let action = HeadObject::new(&self.bucket, Some(&self.credentials), &name);
        repeatedly(|| {
            let url = action.sign(SIGNATURE_LIFETIME);
            let mut response = self.agent.head(url.as_str()).call().map_err(transport)?;
            // Who may not list the bucket is told 403 for what is not there.
            if [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&response.status()) {
                return Ok(None);
            }
            refuse_failure(&mut response)?;
            Ok(Some(Head {
                bytes: header(&response, "content-length").and_then(|length| length.parse().ok()),
                sha256: header(&response, HASH_HEADER),
                version_id: header(&response, "x-amz-version-id"),
            }))
        })
    }
}

fn header<B>(response: &Response<B>, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// Every request made here may be made again.
fn repeatedly<T>(mut request: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS_MAX {
        match request() {
            Err(error) if is_passing(&error) => thread::sleep(pause),
            outcome => return outcome,
        }
        pause *= 2;
    }
    request()
}

fn transport(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error),
        ureq::Error::HostNotFound => io::Error::new(io::ErrorKind::NotFound, error),
        other => io::Error::other(other),
    }
}

/// S3 tells only those who may list a bucket that an object is not in it.
fn or_missing(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::PermissionDenied => io::Error::new(
            kind,
            format!(
                "{error}, which S3 also says of an object that is not there to a role that may not list the bucket"
            ),
        ),
        _ => error,
    }
}

/// The body's errors arrive wrapped without a kind.
fn interrupted(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Other => io::Error::new(io::ErrorKind::ConnectionAborted, error),
        _ => error,
    }
}

fn refuse_failure(response: &mut Response<ureq::Body>) -> io::Result<()> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    // <Error><Code>SlowDown</Code>…; nothing else of the answer is needed.
    let body = response.body_mut().with_config().limit(16 * 1024).read_to_string().unwrap_or_default();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or("no error code", |(code, _)| code);
    let kind = match status.as_u16() {
        401 | 403 => io::ErrorKind::PermissionDenied,
        404 => io::ErrorKind::NotFound,
        408 | 429 | 500..=599 => io::ErrorKind::ResourceBusy,
        _ => io::ErrorKind::Other,
    };
    let advice = if status.is_redirection() {
        "; the bucket is in another region, or is not a bucket of this endpoint"
    } else {
        ""
    };
    Err(io::Error::new(kind, format!("S3 answered {} ({code}){advice}", status.as_u16())))
}

impl std::fmt::Debug for S3 {
    /// Without the credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3")
            .field("bucket", &self.bucket.name())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

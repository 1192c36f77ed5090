//! Objects: Amazon S3's protocol over the folders that steps and the engine use.
//!
//! Owns the operations of S3 that a workflow's surroundings need, signatures,
//! checksums, uploads in parts, and telling of changes ([`ObjectEvents`]) before
//! they are acknowledged. Where objects lie is the crate `bucket`'s. Refuses
//! forms of web pages (`POST` of an object), CORS, access control lists,
//! versions, and what would need more than one machine.
//!
//! | file | owns |
//! |---|---|
//! | `request` | the bucket, the key and the parameters of a request |
//! | `signature` | which kinds of signatures are not looked at |
//! | `intake` | bodies of uploads, as they come, into files |
//! | `checksum`, `crc` | what objects add up to |
//! | `about` | what is kept of an object beside its bytes |
//! | `store` | changes, told before they are acknowledged, whole after a crash |
//! | `untold` | changes whose events were not taken, told again |
//! | `multipart` | uploads in parts |
//! | `reading`, `writing`, `listing`, `administration` | the operations |
//! | `events` | the port to who passes events on |
//! | `failure`, `xml` | answers |

mod about;
mod administration;
mod checksum;
mod crc;
mod events;
mod failure;
mod intake;
mod listing;
mod multipart;
mod reading;
mod request;
mod signature;
mod store;
mod untold;
mod writing;
mod xml;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use asl::limits::{OBJECT_DOCUMENT_BYTES_MAX, OBJECT_PUT_BYTES_MAX};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use bucket::Folder;
use engine::Clock;
use jiff::Timestamp;
use md5::{Digest as _, Md5};

use self::about::Kept;
use self::checksum::Promised;
use self::failure::Failure;
use self::multipart::{Uploads, part_number};
use self::request::Ask;
use self::store::Buckets;
use self::xml::Xml;
use crate::http::authentication::signed_service;
use crate::http::service::{off_thread, text};
use crate::http::{Answer, Authentication, ExpectedBody, Peer, Request, Response, Service, SignedBody, body};
use crate::random;

pub use events::{NoEvents, NotRaised, ObjectChange, ObjectEvent, ObjectEvents};

#[cfg(test)]
mod tests;

/// The name of the service in signatures.
const SIGNING_NAME: &str = "s3";

/// What an operation comes to.
type Answered = Result<Response, Failure>;

/// Names of parameters that make a request one about something else than an
/// object or a list. Model of S3, request URIs.
const SUBRESOURCES: [&str; 31] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// How to open an object store.
pub struct ObjectsOptions {
    /// The folder whose folders are buckets.
    pub root: PathBuf,
    /// The region of the buckets.
    pub region: String,
    /// The account of the buckets.
    pub account: String,
    /// Who may call.
    pub authentication: Authentication,
    /// Who is told of objects.
    pub events: Arc<dyn ObjectEvents>,
    /// The time of objects and events.
    pub clock: Arc<dyn Clock>,
    /// How long nothing of a body may come before it is given up.
    pub idle: Duration,
}

impl fmt::Debug for ObjectsOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ObjectsOptions").field("root", &self.root).finish_non_exhaustive()
    }
}

/// Why an object store does not open: what a stop left unfinished cannot be brought to its end.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: {action}: {problem}: see that the folder can be read and written and that the disk has room, then start again; \
     what cannot be mended may be moved out of the folder",
    path.display()
)]
pub struct ObjectsError {
    action: &'static str,
    path: PathBuf,
    problem: String,
}

impl ObjectsError {
    /// For errors of doing something with a file or folder.
    fn at<E: fmt::Display>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |problem| Self { action, path: path.to_path_buf(), problem: problem.to_string() }
    }
}

/// The object store as a service of the endpoint: takes what is signed for S3,
/// or not signed at all and of no other protocol, so it comes last.
pub struct Objects {
    buckets: Arc<Buckets>,
    authentication: Authentication,
    idle: Duration,
}

impl fmt::Debug for Objects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Objects").field("root", &self.buckets.root()).finish_non_exhaustive()
    }
}

/// Where a request came from, for events.
#[derive(Debug, Clone)]
struct Origin {
    request_id: String,
    source_ip_address: String,
}

impl Objects {
    /// Opens the store: tells of changes that a crash kept from being told, and
    /// takes away what it left unfinished. One at a time may have a folder open.
    pub fn open(options: ObjectsOptions) -> Result<Self, ObjectsError> {
        let ObjectsOptions { root, region, account, authentication, events, clock, idle } = options;
        let buckets = Arc::new(Buckets::new(root, region, account, clock, events));
        for (bucket, _) in buckets.all().map_err(ObjectsError::at("list the buckets", buckets.root()))? {
            let folder = Folder::new(buckets.root().join(&bucket));
            buckets.recover(&bucket, &folder)?;
            Uploads::new(&folder).recover()?;
        }
        let (untold, told) = (Arc::clone(&buckets.untold), Arc::downgrade(&buckets));
        let thread = std::thread::Builder::new().name("stepwright-untold".to_owned());
        let thread = thread.spawn(move || untold.run(&told));
        thread.map_err(ObjectsError::at("start the thread that tells of changes in", buckets.root()))?;
        Ok(Self { buckets, authentication, idle })
    }

    async fn run(&self, head: &Parts, body: Body, origin: Origin) -> Answered {
        let caller = signature::check(head, self.authentication.is_open()).and_then(|()| {
            let caller = self.authentication.verify(head, SignedBody::Announced, SIGNING_NAME);
            caller.map_err(|problem| Failure::of(problem.s3()))
        });
        let read = caller
            .and_then(|caller| Ok((caller.body, Ask::read(head)?)))
            .and_then(|(expected, ask)| Ok((expected, Content::of(&ask, &self.buckets)?, ask)));
        let (expected, content, ask) = match read {
            Ok(read) => read,
            Err(failure) => {
                intake::drain(&head.headers, body, self.idle).await;
                return Err(failure);
            }
        };
        let buckets = Arc::clone(&self.buckets);
        match content {
            Content::Object(folder) => {
                let taken =
                    intake::take(&folder, &head.headers, body, expected, OBJECT_PUT_BYTES_MAX, self.idle)
                        .await?;
                off_thread(move || {
                    if ask.has("uploadId") {
                        buckets.put_part(&ask, taken)
                    } else {
                        buckets.put_object(&ask, taken, &origin)
                    }
                })
                .await
            }
            Content::Document => {
                let body = body::read(&head.headers, body, OBJECT_DOCUMENT_BYTES_MAX, self.idle).await?;
                check_document(head, &expected, &body)?;
                off_thread(move || buckets.answer(&ask, &body, &origin)).await
            }
        }
    }
}

impl Drop for Objects {
    /// What is not told yet is told by the next start.
    fn drop(&mut self) {
        self.buckets.untold.bell.end();
    }
}

/// What the body of a request is.
enum Content {
    /// An object or a part, of a bucket in this folder.
    Object(Folder),
    /// A document, or nothing.
    Document,
}

impl Content {
    /// Also refuses what need not be sent to be refused.
    fn of(ask: &Ask, buckets: &Buckets) -> Result<Self, Failure> {
        let is_object = ask.method == Method::PUT
            && ask.is_for_object()
            && !ask.headers.contains_key("x-amz-copy-source")
            && !SUBRESOURCES.iter().any(|name| ask.has(name));
        if !is_object {
            return Ok(Self::Document);
        }
        let (folder, key) = (buckets.folder(&ask.bucket)?, ask.key()?);
        if let Some(id) = ask.parameter("uploadId") {
            part_number(ask.parameter("partNumber").unwrap_or_default())?;
            Uploads::new(&folder).find(id, key)?;
        } else {
            Kept::read(&ask.headers)?;
        }
        Ok(Self::Object(folder))
    }
}

/// The hashes a document was sent with.
fn check_document(head: &Parts, expected: &ExpectedBody, body: &[u8]) -> Result<(), Failure> {
    match expected {
        ExpectedBody::Digest(digest) if *digest != sigv4::digest(body) => return Err(Failure::other_body()),
        ExpectedBody::Chunks(_) => return Err(Failure::not_implemented("a document in chunks")),
        _ => {}
    }
    // What completes an upload names the object's checksum, not the document's.
    if head.uri.query().is_some_and(|query| query.contains("uploadId")) {
        return Ok(());
    }
    let promised = Promised::read(&head.headers)?;
    let wrong = || Failure::new("BadDigest", 400, "The digest you specified did not match what we received.");
    if promised.md5.is_some_and(|md5| md5 != Md5::digest(body).as_slice()) {
        return Err(wrong());
    }
    if let Some((algorithm, Some(value))) = promised.checksum {
        let mut hasher = algorithm.hasher();
        hasher.update(body);
        if hasher.finish() != value {
            return Err(wrong());
        }
    }
    Ok(())
}

impl Buckets {
    /// The operations whose requests are documents, or nothing.
    fn answer(&self, ask: &Ask, body: &[u8], origin: &Origin) -> Answered {
        if ask.bucket.is_empty() {
            return match ask.method {
                Method::GET => self.list_buckets(ask),
                _ => Err(Failure::method_not_allowed(ask.method.as_str())),
            };
        }
        let about = SUBRESOURCES.iter().copied().find(|name| ask.has(name));
        if ask.is_for_object() {
            self.answer_object(ask, about, body, origin)
        } else {
            self.answer_bucket(ask, about, body, origin)
        }
    }

    fn answer_bucket(&self, ask: &Ask, about: Option<&str>, body: &[u8], origin: &Origin) -> Answered {
        match (ask.method.as_str(), about) {
            ("GET", None) if ask.parameter("list-type") == Some("2") => self.list_objects_v2(ask),
            ("GET", None) => self.list_objects(ask),
            ("GET", Some("versions")) => self.list_versions(ask),
            ("GET", Some("uploads")) => self.list_uploads(ask),
            ("GET", Some(_)) => self.setting(ask),
            ("HEAD", None) => self.head_bucket(ask),
            ("PUT", None) => self.create_bucket(ask),
            ("DELETE", None) => self.delete_bucket(ask),
            ("PUT", Some("notification")) => self.put_notification(ask, body),
            ("POST", Some("delete")) => self.delete_objects(ask, body, origin),
            ("PUT" | "DELETE" | "HEAD", Some(name)) => Err(Failure::not_implemented(name)),
            (method, _) => Err(Failure::method_not_allowed(method)),
        }
    }

    fn answer_object(&self, ask: &Ask, about: Option<&str>, body: &[u8], origin: &Origin) -> Answered {
        let is_upload = ask.has("uploadId");
        match (ask.method.as_str(), about) {
            ("GET", None) if is_upload => self.list_parts(ask),
            ("GET", None) => self.get(ask, true),
            ("HEAD", None) => self.get(ask, false),
            ("GET", Some("attributes")) => self.attributes(ask),
            ("PUT", None) if is_upload => self.copy_part(ask),
            ("PUT", None) => self.copy_object(ask, origin),
            ("DELETE", None) if is_upload => self.abort_upload(ask),
            ("DELETE", None) => self.delete_object(ask, origin),
            ("POST", Some("uploads")) => self.begin_upload(ask),
            ("POST", None) if is_upload => self.complete_upload(ask, body, origin),
            (_, Some(name)) => Err(Failure::not_implemented(name)),
            (method, None) => Err(Failure::method_not_allowed(method)),
        }
    }
}

impl Service for Objects {
    fn takes(&self, head: &Parts) -> bool {
        !head.headers.contains_key("x-amz-target")
            && signed_service(head).is_none_or(|service| service == SIGNING_NAME)
    }

    fn signing_names(&self) -> Vec<&str> {
        vec![SIGNING_NAME]
    }

    fn answer(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let id: String = random::uuid()
                .chars()
                .filter(|digit| *digit != '-')
                .take(16)
                .collect::<String>()
                .to_uppercase();
            let peer = head.extensions.get::<Peer>().map(|peer| peer.0.to_string());
            let origin = Origin { request_id: id.clone(), source_ip_address: peer.unwrap_or_default() };
            let mut response = match self.run(&head, body, origin).await {
                Ok(response) => response,
                Err(failure) => refused(&head, &failure, &id),
            };
            if let Ok(id) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(HeaderName::from_static("x-amz-request-id"), id.clone());
                response.headers_mut().insert(HeaderName::from_static("x-amz-id-2"), id);
            }
            response
        })
    }
}

fn refused(head: &Parts, failure: &Failure, id: &str) -> Response {
    let document = failure.document(head.uri.path(), id);
    // The answer to HEAD has no body, and so no code.
    let body = if head.method == Method::HEAD { Body::empty() } else { Body::from(document) };
    let mut response = text(failure.status(), "application/xml", body);
    if failure.closes {
        // What is left of the body is not read.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn document(xml: &Xml) -> Response {
    text(axum::http::StatusCode::OK, "application/xml", xml.document())
}

/// As S3's documents write times.
fn iso_time(millis: i64) -> String {
    Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

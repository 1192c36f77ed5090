//! Buckets: which there are, making and removing them, and what they are set to.

use std::fs;
use std::io;
use std::time::UNIX_EPOCH;

use asl::limits::BUCKET_NAME_CHARS;
use axum::body::Body;
use axum::http::{HeaderName, header};
use bucket::{Folder, List, OURS, make_durable_dir};

use super::failure::Failure;
use super::reading::put;
use super::request::Ask;
use super::store::Buckets;
use super::writing::no_content;
use super::xml::Xml;
use super::{Answered, document, iso_time};
use crate::http::Response;
use crate::integrations::protocol::xml;

/// The region that S3 says nothing of. API reference, `GetBucketLocation`.
const NAMELESS_REGION: &str = "us-east-1";

/// What no bucket here has, by the parameter that asks for it, in S3's words.
const NOT_SET: [(&str, &str, &str); 8] = [
    ("cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    ("lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
    (
        "object-lock",
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
    ("policy", "NoSuchBucketPolicy", "The bucket policy does not exist"),
    (
        "publicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    ),
    ("replication", "ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
    ("tagging", "NoSuchTagSet", "The TagSet does not exist"),
    ("website", "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
];

impl Buckets {
    /// The folders that are buckets, by name, with when they were made.
    pub(super) fn all(&self) -> io::Result<Vec<(String, i64)>> {
        let entries = match fs::read_dir(self.root()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut buckets = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() && self.place(&name).is_some() {
                let metadata = entry.metadata()?;
                let made = metadata.created().or_else(|_| metadata.modified())?;
                let millis = made.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                buckets.push((name, i64::try_from(millis).unwrap_or(i64::MAX)));
            }
        }
        buckets.sort();
        Ok(buckets)
    }

    /// `ListBuckets`
    pub(super) fn list_buckets(&self, ask: &Ask) -> Answered {
        let prefix = ask.parameter("prefix").unwrap_or_default();
        let mut xml = Xml::root("ListAllMyBucketsResult");
        xml.open("Buckets");
        for (name, made) in self.all()?.iter().filter(|(name, _)| name.starts_with(prefix)) {
            xml.open("Bucket").element("Name", name).element("CreationDate", iso_time(*made));
            xml.element("BucketRegion", &self.region).close("Bucket");
        }
        xml.close("Buckets").open("Owner").element("ID", &self.account).close("Owner");
        Ok(document(xml.close("ListAllMyBucketsResult")))
    }

    /// `CreateBucket`
    pub(super) fn create_bucket(&self, ask: &Ask) -> Answered {
        let place = self.place(&ask.bucket).filter(|_| is_bucket_name(&ask.bucket));
        let invalid = || {
            Failure::new("InvalidBucketName", 400, "The specified bucket is not valid.")
                .with("BucketName", &ask.bucket)
        };
        let place = place.ok_or_else(invalid)?;
        // In the first region S3 says nothing of buckets that are the caller's already.
        if place.is_dir() && self.region != NAMELESS_REGION {
            let message =
                "Your previous request to create the named bucket succeeded and you already own it.";
            let failure = Failure::new("BucketAlreadyOwnedByYou", 409, message);
            return Err(failure.with("BucketName", &ask.bucket));
        }
        make_durable_dir(&place)?;
        let mut response = Response::new(Body::empty());
        put(response.headers_mut(), header::LOCATION, &format!("/{}", ask.bucket));
        Ok(response)
    }

    /// `HeadBucket`
    pub(super) fn head_bucket(&self, ask: &Ask) -> Answered {
        self.folder(&ask.bucket)?;
        let mut response = Response::new(Body::empty());
        put(response.headers_mut(), HeaderName::from_static("x-amz-bucket-region"), &self.region);
        Ok(response)
    }

    /// `DeleteBucket`
    pub(super) fn delete_bucket(&self, ask: &Ask) -> Answered {
        let folder = self.folder(&ask.bucket)?;
        let _lock = folder.lock()?;
        let list = List { entries_max: 1, ..List::default() };
        // What is no object may be somebody's file: it is not deleted either.
        let others = fs::read_dir(folder.root())?
            .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name() != OURS));
        if !folder.list(&list)?.entries.is_empty() || others.count() > 0 {
            let message = "The bucket you tried to delete is not empty";
            return Err(Failure::new("BucketNotEmpty", 409, message).with("BucketName", &ask.bucket));
        }
        fs::remove_dir_all(folder.root())?;
        Folder::new(self.root()).settle(self.root())?;
        Ok(no_content())
    }

    /// `PutBucketNotificationConfiguration`: events go to the bus whatever it says, which is what it may say.
    pub(super) fn put_notification(&self, ask: &Ask, body: &[u8]) -> Answered {
        self.folder(&ask.bucket)?;
        let request = xml::parse(body).ok().filter(|request| request.name == "NotificationConfiguration");
        let request = request.ok_or_else(Failure::malformed_xml)?;
        match request.children.iter().find(|child| child.name != "EventBridgeConfiguration") {
            None => Ok(Response::new(Body::empty())),
            Some(other) => Err(Failure::new(
                "NotImplemented",
                501,
                format!(
                    "{} is not implemented: events of objects go to the default event bus, where a rule for the \
                     source aws.s3 finds them.",
                    other.name
                ),
            )),
        }
    }

    /// What a bucket is set to.
    pub(super) fn setting(&self, ask: &Ask) -> Answered {
        self.folder(&ask.bucket)?;
        if ask.has("location") {
            let mut xml = Xml::root("LocationConstraint");
            if self.region != NAMELESS_REGION {
                xml.text(&self.region);
            }
            return Ok(document(xml.close("LocationConstraint")));
        }
        for (parameter, element) in [
            ("versioning", "VersioningConfiguration"),
            ("accelerate", "AccelerateConfiguration"),
            ("logging", "BucketLoggingStatus"),
        ] {
            if ask.has(parameter) {
                return Ok(document(Xml::root(element).close(element)));
            }
        }
        if ask.has("notification") {
            let mut xml = Xml::root("NotificationConfiguration");
            xml.open("EventBridgeConfiguration").close("EventBridgeConfiguration");
            return Ok(document(xml.close("NotificationConfiguration")));
        }
        let not_set = NOT_SET.iter().find(|(parameter, ..)| ask.has(parameter));
        let (_, code, message) = not_set.ok_or_else(|| Failure::not_implemented("the subresource"))?;
        Err(Failure::new(code, 404, *message).with("BucketName", &ask.bucket))
    }
}

/// S3 user guide, "General purpose bucket naming rules".
fn is_bucket_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_end = |end: Option<char>| end.is_some_and(|end| end.is_ascii_alphanumeric());
        is_end(label.chars().next()) && is_end(label.chars().next_back())
    };
    let is_address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    BUCKET_NAME_CHARS.contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
        && name.split('.').all(is_label)
        && !is_address
}

#[cfg(test)]
mod tests {
    use super::is_bucket_name;

    #[test]
    fn names_of_buckets() {
        for name in ["abc", "my-bucket", "a.b.c", "1-2", &"x".repeat(63)] {
            assert!(is_bucket_name(name), "{name}");
        }
        let long = "x".repeat(64);
        for name in
            ["", "ab", "A-b", "a_b", "-ab", "ab-", "a..b", "a.-b", ".ab", "192.168.5.4", "../x", "a/b", &long]
        {
            assert!(!is_bucket_name(name), "{name}");
        }
    }
}

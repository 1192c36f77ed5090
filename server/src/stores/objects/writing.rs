//! `PutObject`, `CopyObject`, `DeleteObject`, `DeleteObjects` and uploads in parts.

use std::io::{Seek as _, SeekFrom};
use std::sync::PoisonError;

use asl::limits::{OBJECT_PAGE_MAX, OBJECT_PUT_BYTES_MAX};
use axum::body::Body;
use axum::http::{HeaderName, StatusCode, header};
use bucket::{Folder, Key, Object};

use super::about::Kept;
use super::checksum::{Algorithm, Checksum, Kind};
use super::failure::Failure;
use super::intake::{Sink, Taken};
use super::multipart::{Completion, Named, Part, Upload, Uploads, copy_some, part_number};
use super::reading::{Met, condition, put, read_range, write_checksum};
use super::request::{Ask, checked, no_such_version, unquoted};
use super::store::{Buckets, Cause, Condition};
use super::xml::Xml;
use super::{Answered, Origin, document, iso_time};
use crate::http::Response;
use crate::http::service::text;
use crate::integrations::protocol::xml::{self, Node};
use sigv4::decoded;

impl Condition {
    /// What a write or a delete wants of the object that is there.
    fn read(ask: &Ask) -> Result<Self, Failure> {
        let is_absent = match ask.header("if-none-match") {
            None => false,
            Some("*") => true,
            Some(_) => return Err(Failure::not_implemented("If-None-Match")),
        };
        Ok(Self { is_absent, etag: ask.header("if-match").map(unquoted) })
    }
}

impl Origin {
    fn cause(&self, reason: &'static str) -> Cause {
        Cause {
            reason,
            upload: None,
            request_id: self.request_id.clone(),
            source_ip_address: self.source_ip_address.clone(),
        }
    }
}

fn full(checksum: Option<(Algorithm, String)>) -> Option<Checksum> {
    checksum.map(|(algorithm, value)| Checksum { algorithm, value, kind: Kind::FullObject })
}

impl Buckets {
    /// `PutObject`, when the content is there.
    pub(super) fn put_object(&self, ask: &Ask, taken: Taken, origin: &Origin) -> Answered {
        let kept = Kept { checksum: full(taken.checksum), ..Kept::read(&ask.headers)? };
        let etag = sigv4::hex(&taken.md5);
        let (key, condition) = (ask.key()?, Condition::read(ask)?);
        self.put(&ask.bucket, key, taken.file, (&etag, &kept), &condition, &origin.cause("PutObject"))?
            .told()?;
        let mut response = Response::new(Body::empty());
        put(response.headers_mut(), header::ETAG, &format!("\"{etag}\""));
        write_checksum(&kept, response.headers_mut());
        Ok(response)
    }

    /// `CopyObject`
    pub(super) fn copy_object(&self, ask: &Ask, origin: &Origin) -> Answered {
        let key = ask.key()?;
        let folder = self.folder(&ask.bucket)?;
        let source = self.source(ask)?;
        let replaces = match ask.header("x-amz-metadata-directive") {
            None | Some("COPY") => false,
            Some("REPLACE") => true,
            Some(other) => {
                let message = "Unknown metadata directive.";
                return Err(Failure::invalid_argument(message, "x-amz-metadata-directive", other));
            }
        };
        if source.bucket == ask.bucket && source.key == key.as_str() && !replaces {
            return Err(Failure::invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        let (_, kept) = Kept::of(&source.object);
        let asked = ask.header("x-amz-checksum-algorithm").map(Algorithm::of_name).transpose()?;
        let algorithm = asked.or(kept.checksum.as_ref().map(|checksum| checksum.algorithm));
        let given = Kept::read(&ask.headers)?;
        let taken = source.copied(&folder, None, algorithm)?;
        let headers = if replaces { given.headers } else { kept.headers };
        let kept = Kept { headers, checksum: full(taken.checksum), parts: Vec::new() };
        let etag = sigv4::hex(&taken.md5);
        let condition = Condition::read(ask)?;
        let placed =
            self.put(&ask.bucket, key, taken.file, (&etag, &kept), &condition, &origin.cause("CopyObject"))?;
        let stamp = placed.told()?;
        let mut xml = Xml::root("CopyObjectResult");
        xml.element("LastModified", iso_time(stamp.modified_millis()));
        xml.element("ETag", format!("\"{etag}\""));
        if let Some(checksum) = &kept.checksum {
            xml.element(checksum.algorithm.element(), &checksum.value);
            xml.element("ChecksumType", checksum.kind.name());
        }
        Ok(document(xml.close("CopyObjectResult")))
    }

    /// The object that a copy is made of.
    fn source(&self, ask: &Ask) -> Result<Source, Failure> {
        let text = ask.header("x-amz-copy-source").unwrap_or_default();
        let wrong = || Failure::invalid_argument("Invalid copy source object key", "x-amz-copy-source", text);
        let (path, version) = text.split_once("?versionId=").unwrap_or((text, "null"));
        let path = String::from_utf8(decoded(path)).map_err(|_| wrong())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(wrong)?;
        if version != "null" {
            return Err(no_such_version(version));
        }
        let object = self.folder(bucket)?.open(checked(key)?)?.ok_or_else(|| Failure::no_such_key(key))?;
        let (etag, _) = Kept::of(&object);
        match condition(ask, "x-amz-copy-source-", &etag, object.stamp.modified_millis())? {
            Met::Yes => Ok(Source { bucket: bucket.to_owned(), key: key.to_owned(), object }),
            Met::NotModified => Err(Failure::precondition("x-amz-copy-source-If-None-Match")),
        }
    }

    /// `DeleteObject`
    pub(super) fn delete_object(&self, ask: &Ask, origin: &Origin) -> Answered {
        ask.check_version()?;
        let condition = Condition { is_absent: false, ..Condition::read(ask)? };
        self.delete(&ask.bucket, ask.key()?, &condition, &origin.cause("DeleteObject"))?;
        Ok(no_content())
    }

    /// `DeleteObjects`
    pub(super) fn delete_objects(&self, ask: &Ask, body: &[u8], origin: &Origin) -> Answered {
        self.folder(&ask.bucket)?;
        let request = xml::parse(body).map_err(|_| Failure::malformed_xml())?;
        let is_quiet = request.child("Quiet").is_some_and(|quiet| quiet.text.trim() == "true");
        let objects: Vec<&Node> = request.all("Object").collect();
        if objects.is_empty() || objects.len() > OBJECT_PAGE_MAX {
            return Err(Failure::malformed_xml());
        }
        // All of it is read before anything is deleted.
        let keyed = |object: &'_ &Node| object.child("Key").map(|key| key.text.clone());
        let keys: Option<Vec<String>> = objects.iter().map(keyed).collect();
        let keys = keys.ok_or_else(Failure::malformed_xml)?;
        let mut xml = Xml::root("DeleteResult");
        for (key, object) in keys.iter().map(String::as_str).zip(objects) {
            match self.delete_one(ask, key, object, origin) {
                Ok(()) if is_quiet => {}
                Ok(()) => {
                    xml.open("Deleted").element("Key", key).close("Deleted");
                }
                Err(failure) => {
                    xml.open("Error").element("Key", key).element("Code", failure.code);
                    xml.element("Message", failure.message).close("Error");
                }
            }
        }
        Ok(document(xml.close("DeleteResult")))
    }

    fn delete_one(&self, ask: &Ask, key: &str, object: &Node, origin: &Origin) -> Result<(), Failure> {
        if let Some(version) = object.child("VersionId").filter(|version| version.text != "null") {
            return Err(no_such_version(&version.text));
        }
        let etag = object.child("ETag").map(|etag| unquoted(&etag.text));
        let condition = Condition { is_absent: false, etag };
        self.delete(&ask.bucket, checked(key)?, &condition, &origin.cause("DeleteObject"))?;
        Ok(())
    }

    /// `CreateMultipartUpload`
    pub(super) fn begin_upload(&self, ask: &Ask) -> Answered {
        let folder = self.folder(&ask.bucket)?;
        let key = ask.key()?;
        let algorithm = ask.header("x-amz-checksum-algorithm").map(Algorithm::of_name).transpose()?;
        let kind = ask.header("x-amz-checksum-type").map(Kind::of_name).transpose()?;
        let checksum = algorithm.map(|algorithm| (algorithm, kind.unwrap_or(algorithm.usual_kind())));
        let is_impossible = |(algorithm, kind)| {
            matches!(
                (algorithm, kind),
                (Algorithm::Crc64Nvme, Kind::Composite)
                    | (Algorithm::Sha1 | Algorithm::Sha256, Kind::FullObject)
            )
        };
        if checksum.is_some_and(is_impossible) {
            return Err(Failure::invalid_request(
                "The checksum type cannot be used with this checksum algorithm.",
            ));
        }
        let upload = Upload {
            key: key.as_str().to_owned(),
            kept: Kept::read(&ask.headers)?,
            checksum,
            begun_millis: self.now_millis(),
        };
        let id = Uploads::new(&folder).begin(&upload)?;
        let mut xml = Xml::root("InitiateMultipartUploadResult");
        xml.element("Bucket", &ask.bucket).element("Key", key.as_str()).element("UploadId", id);
        let mut response = document(xml.close("InitiateMultipartUploadResult"));
        if let Some((algorithm, kind)) = checksum {
            let headers = response.headers_mut();
            put(headers, HeaderName::from_static("x-amz-checksum-algorithm"), algorithm.name());
            put(headers, HeaderName::from_static("x-amz-checksum-type"), kind.name());
        }
        Ok(response)
    }

    /// `UploadPart`, when the content is there.
    pub(super) fn put_part(&self, ask: &Ask, taken: Taken) -> Answered {
        let (folder, key) = (self.folder(&ask.bucket)?, ask.key()?);
        let number = part_number(ask.parameter("partNumber").unwrap_or_default())?;
        let id = ask.parameter("uploadId").unwrap_or_default();
        let part = self.keep_part(&folder, id, key, number, taken)?;
        let mut response = Response::new(Body::empty());
        put(response.headers_mut(), header::ETAG, &format!("\"{}\"", part.etag));
        if let Some((algorithm, value)) = &part.checksum {
            put(response.headers_mut(), HeaderName::from_static(algorithm.header()), value);
        }
        Ok(response)
    }

    fn keep_part(
        &self,
        folder: &Folder,
        id: &str,
        key: Key<'_>,
        number: u32,
        taken: Taken,
    ) -> Result<Part, Failure> {
        let _beside = self.completions.lane(id).read().unwrap_or_else(PoisonError::into_inner);
        Uploads::new(folder).put(id, key, number, taken, self.now_millis())
    }

    /// `UploadPartCopy`
    pub(super) fn copy_part(&self, ask: &Ask) -> Answered {
        let (folder, key) = (self.folder(&ask.bucket)?, ask.key()?);
        let number = part_number(ask.parameter("partNumber").unwrap_or_default())?;
        let id = ask.parameter("uploadId").unwrap_or_default();
        let upload = Uploads::new(&folder).find(id, key)?;
        let source = self.source(ask)?;
        let algorithm = upload.checksum.map(|(algorithm, _)| algorithm);
        let taken = source.copied(&folder, ask.header("x-amz-copy-source-range"), algorithm)?;
        let part = self.keep_part(&folder, id, key, number, taken)?;
        let mut xml = Xml::root("CopyPartResult");
        xml.element("LastModified", iso_time(part.modified_millis));
        xml.element("ETag", format!("\"{}\"", part.etag));
        if let Some((algorithm, value)) = &part.checksum {
            xml.element(algorithm.element(), value);
        }
        Ok(document(xml.close("CopyPartResult")))
    }

    /// `CompleteMultipartUpload`
    pub(super) fn complete_upload(&self, ask: &Ask, body: &[u8], origin: &Origin) -> Answered {
        let (folder, key) = (self.folder(&ask.bucket)?, ask.key()?);
        let id = ask.parameter("uploadId").unwrap_or_default();
        let named = named(body)?;
        let promised = Algorithm::ALL
            .into_iter()
            .find_map(|algorithm| Some((algorithm, ask.header(algorithm.header())?.to_owned())));
        // To put the parts together may take longer than a client waits before it asks again.
        let _alone = self.completions.lane(id).write().unwrap_or_else(PoisonError::into_inner);
        // It may be the object already, and wait for its event to be taken: that is done once.
        self.tell_untold(Some(&ask.bucket))?;
        if let Some(answer) = self.completions.find(id, &ask.bucket, key, &named) {
            return Ok(text(StatusCode::OK, "application/xml", answer));
        }
        let uploads = Uploads::new(&folder);
        let (taken, etag, kept) = uploads.assemble(id, key, &named, promised.as_ref())?;
        let size = ask.header("x-amz-mp-object-size").map(str::parse::<u64>);
        if size.is_some_and(|size| size != Ok(taken.bytes)) {
            return Err(Failure::invalid_request(
                "The provided 'x-amz-mp-object-size' header does not match what was computed.",
            ));
        }
        let cause = Cause { upload: Some(id.to_owned()), ..origin.cause("CompleteMultipartUpload") };
        let placed =
            self.put(&ask.bucket, key, taken.file, (&etag, &kept), &Condition::read(ask)?, &cause)?;
        let mut xml = Xml::root("CompleteMultipartUploadResult");
        xml.element("Location", format!("/{}/{}", ask.bucket, key.as_str()));
        xml.element("Bucket", &ask.bucket).element("Key", key.as_str());
        xml.element("ETag", format!("\"{etag}\""));
        if let Some(checksum) = &kept.checksum {
            xml.element(checksum.algorithm.element(), &checksum.value);
            xml.element("ChecksumType", checksum.kind.name());
        }
        let answer = xml.close("CompleteMultipartUploadResult").document();
        let (id, bucket, key) = (id.to_owned(), ask.bucket.clone(), key.as_str().to_owned());
        self.completions.keep(Completion { id, bucket, key, named, answer: answer.clone() });
        placed.told()?;
        Ok(text(StatusCode::OK, "application/xml", answer))
    }

    /// `AbortMultipartUpload`
    pub(super) fn abort_upload(&self, ask: &Ask) -> Answered {
        let folder = self.folder(&ask.bucket)?;
        let id = ask.parameter("uploadId").unwrap_or_default();
        let _alone = self.completions.lane(id).write().unwrap_or_else(PoisonError::into_inner);
        Uploads::new(&folder).remove(id, ask.key()?)?;
        Ok(no_content())
    }
}

/// What a copy is made of.
struct Source {
    bucket: String,
    key: String,
    object: Object,
}

impl Source {
    /// Its content, or a range of it, in a file.
    fn copied(
        mut self,
        folder: &Folder,
        range: Option<&str>,
        algorithm: Option<Algorithm>,
    ) -> Result<Taken, Failure> {
        let bytes = self.object.stamp.bytes;
        let range = match range {
            None => 0..bytes,
            Some(text) => {
                let range = read_range(text).and_then(|range| range.of(bytes));
                range.filter(|range| range.end <= bytes).ok_or_else(|| {
                    let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
                                   and last are the zero-based offsets of the first and last bytes to copy";
                    Failure::invalid_argument(message, "x-amz-copy-source-range", text)
                })?
            }
        };
        let bytes = range.end - range.start;
        if bytes > OBJECT_PUT_BYTES_MAX {
            return Err(Failure::invalid_request(format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {OBJECT_PUT_BYTES_MAX}"
            )));
        }
        self.object.file.seek(SeekFrom::Start(range.start))?;
        let mut sink = Sink::new(folder, bytes, algorithm)?;
        copy_some(&mut self.object.file, bytes, &mut sink)?;
        Ok(sink.finish())
    }
}

/// The parts that a request to complete an upload names.
fn named(body: &[u8]) -> Result<Vec<Named>, Failure> {
    let request = xml::parse(body).map_err(|_| Failure::malformed_xml())?;
    let part = |node: &Node| {
        let text = |name: &str| node.child(name).map(|child| child.text.trim().to_owned());
        let number = part_number(&text("PartNumber")?).ok()?;
        let checksum =
            Algorithm::ALL.into_iter().find_map(|algorithm| Some((algorithm, text(algorithm.element())?)));
        Some(Named { number, etag: unquoted(&text("ETag")?), checksum })
    };
    request.all("Part").map(part).collect::<Option<_>>().ok_or_else(Failure::malformed_xml)
}

pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

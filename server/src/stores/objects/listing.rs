//! `ListObjectsV2`, `ListObjects`, `ListObjectVersions`, `ListMultipartUploads`, `ListParts`.

use asl::limits::OBJECT_PAGE_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bucket::{After, Entry, Folder, List, Stamp};

use super::checksum::{Algorithm, Kind};
use super::failure::Failure;
use super::multipart::Uploads;
use super::request::{Ask, checked};
use super::store::Buckets;
use super::xml::Xml;
use super::{Answered, document, iso_time};

/// What the lists of objects have in common.
struct Listing<'a> {
    ask: &'a Ask,
    folder: Folder,
    max: usize,
    is_url: bool,
}

impl<'a> Listing<'a> {
    fn read(buckets: &Buckets, ask: &'a Ask) -> Result<Self, Failure> {
        let folder = buckets.folder(&ask.bucket)?;
        let is_url = match ask.parameter("encoding-type") {
            None => false,
            Some("url") => true,
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                return Err(Failure::invalid_argument(message, "encoding-type", other));
            }
        };
        Ok(Self { ask, folder, max: limit(ask, "max-keys")?, is_url })
    }

    fn parameter(&self, name: &str) -> &str {
        self.ask.parameter(name).unwrap_or_default()
    }

    fn page(&self, after: Option<After>) -> Result<bucket::Page, Failure> {
        let list = List {
            prefix: self.parameter("prefix"),
            delimiter: self.parameter("delimiter"),
            after,
            entries_max: self.max,
        };
        if self.max == 0 {
            return Ok(bucket::Page::default());
        }
        Ok(self.folder.list(&list)?)
    }

    /// A key as the caller wants keys: documents cannot hold every one as it is.
    fn shown(&self, text: &str) -> String {
        if !self.is_url {
            return text.to_owned();
        }
        sigv4::encoded_path(text)
    }

    fn head(&self, xml: &mut Xml) {
        xml.element("Name", &self.ask.bucket).element("Prefix", self.shown(self.parameter("prefix")));
        if !self.parameter("delimiter").is_empty() {
            xml.element("Delimiter", self.shown(self.parameter("delimiter")));
        }
        xml.element("MaxKeys", self.max);
        if self.is_url {
            xml.element("EncodingType", "url");
        }
    }

    fn objects(&self, page: &bucket::Page, element: &str, xml: &mut Xml) -> Result<(), Failure> {
        for entry in &page.entries {
            if let Entry::Object { key, stamp } = entry {
                xml.open(element).element("Key", self.shown(key));
                if element == "Version" {
                    xml.element("VersionId", "null").element("IsLatest", true);
                }
                self.object(key, *stamp, xml)?;
                xml.close(element);
            }
        }
        for entry in &page.entries {
            if let Entry::Prefix(prefix) = entry {
                xml.open("CommonPrefixes").element("Prefix", self.shown(prefix)).close("CommonPrefixes");
            }
        }
        Ok(())
    }

    fn object(&self, key: &str, stamp: Stamp, xml: &mut Xml) -> Result<(), Failure> {
        let about = self.folder.about(checked(key)?, stamp)?;
        let kept =
            about.as_ref().and_then(|about| serde_json::from_str::<super::about::Kept>(&about.note).ok());
        let etag = about.map_or_else(|| stamp.etag(), |about| about.etag);
        xml.element("LastModified", iso_time(stamp.modified_millis()));
        xml.element("ETag", format!("\"{etag}\""));
        if let Some(checksum) = kept.and_then(|kept| kept.checksum) {
            xml.element("ChecksumAlgorithm", checksum.algorithm.name());
            xml.element("ChecksumType", checksum.kind.name());
        }
        xml.element("Size", stamp.bytes).element("StorageClass", "STANDARD");
        Ok(())
    }
}

/// How many entries a page may have: what is asked for, and no more than AWS gives.
fn limit(ask: &Ask, name: &str) -> Result<usize, Failure> {
    let Some(text) = ask.parameter(name).filter(|text| !text.is_empty()) else { return Ok(OBJECT_PAGE_MAX) };
    match text.parse::<i32>() {
        Ok(max) if max >= 0 => Ok(usize::try_from(max).unwrap_or_default().min(OBJECT_PAGE_MAX)),
        Ok(_) => {
            let message = format!("Argument {name} must be an integer between 0 and 2147483647");
            Err(Failure::invalid_argument(message, name, text))
        }
        Err(_) => {
            let message = format!("Provided {name} not an integer or within integer range");
            Err(Failure::invalid_argument(message, name, text))
        }
    }
}

/// Where a list goes on, for callers to hand back.
fn token(after: &After) -> String {
    let text = match after {
        After::Key(key) => format!("k{key}"),
        After::Prefix(prefix) => format!("p{prefix}"),
    };
    URL_SAFE_NO_PAD.encode(text)
}

fn read_token(token: &str) -> Result<After, Failure> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let after = text.and_then(|text| {
        let key = text.strip_prefix('k').map(|key| After::Key(key.to_owned()));
        key.or_else(|| text.strip_prefix('p').map(|prefix| After::Prefix(prefix.to_owned())))
    });
    let message = "The continuation token provided is incorrect";
    after.ok_or_else(|| Failure::invalid_argument(message, "continuation-token", token))
}

/// A marker of the older lists: what ends with the delimiter was a prefix.
fn read_marker(ask: &Ask, name: &str) -> Option<After> {
    let marker = ask.parameter(name).filter(|marker| !marker.is_empty())?.to_owned();
    let delimiter = ask.parameter("delimiter").unwrap_or_default();
    let is_prefix = !delimiter.is_empty() && marker.ends_with(delimiter);
    Some(if is_prefix { After::Prefix(marker) } else { After::Key(marker) })
}

impl Buckets {
    /// `ListObjectsV2`
    pub(super) fn list_objects_v2(&self, ask: &Ask) -> Answered {
        let listing = Listing::read(self, ask)?;
        let start_after = ask.parameter("start-after").filter(|after| !after.is_empty());
        let after = match ask.parameter("continuation-token") {
            Some(token) => Some(read_token(token)?),
            None => start_after.map(|after| After::Key(after.to_owned())),
        };
        let page = listing.page(after)?;
        let mut xml = Xml::root("ListBucketResult");
        listing.head(&mut xml);
        xml.optional("ContinuationToken", ask.parameter("continuation-token"));
        xml.optional("StartAfter", start_after.map(|after| listing.shown(after)));
        xml.element("KeyCount", page.entries.len()).element("IsTruncated", page.is_truncated);
        if let Some(last) = page.entries.last().filter(|_| page.is_truncated) {
            xml.element("NextContinuationToken", token(&last.after()));
        }
        listing.objects(&page, "Contents", &mut xml)?;
        Ok(document(xml.close("ListBucketResult")))
    }

    /// `ListObjects`
    pub(super) fn list_objects(&self, ask: &Ask) -> Answered {
        let listing = Listing::read(self, ask)?;
        let page = listing.page(read_marker(ask, "marker"))?;
        let mut xml = Xml::root("ListBucketResult");
        listing.head(&mut xml);
        xml.element("Marker", listing.shown(ask.parameter("marker").unwrap_or_default()));
        xml.element("IsTruncated", page.is_truncated);
        let has_prefixes = !listing.parameter("delimiter").is_empty();
        if let Some(last) = page.entries.last().filter(|_| page.is_truncated && has_prefixes) {
            xml.element("NextMarker", listing.shown(last.name()));
        }
        listing.objects(&page, "Contents", &mut xml)?;
        Ok(document(xml.close("ListBucketResult")))
    }

    /// `ListObjectVersions`: of each object the one there is.
    pub(super) fn list_versions(&self, ask: &Ask) -> Answered {
        let listing = Listing::read(self, ask)?;
        let page = listing.page(read_marker(ask, "key-marker"))?;
        let mut xml = Xml::root("ListVersionsResult");
        listing.head(&mut xml);
        xml.element("KeyMarker", listing.shown(ask.parameter("key-marker").unwrap_or_default()));
        xml.element("IsTruncated", page.is_truncated);
        if let Some(last) = page.entries.last().filter(|_| page.is_truncated) {
            xml.element("NextKeyMarker", listing.shown(last.name())).element("NextVersionIdMarker", "null");
        }
        listing.objects(&page, "Version", &mut xml)?;
        Ok(document(xml.close("ListVersionsResult")))
    }

    /// `ListMultipartUploads`
    pub(super) fn list_uploads(&self, ask: &Ask) -> Answered {
        let folder = self.folder(&ask.bucket)?;
        let max = limit(ask, "max-uploads")?;
        let (prefix, marker) = (ask.parameter("prefix").unwrap_or_default(), ask.parameter("key-marker"));
        let id_marker = ask.parameter("upload-id-marker").unwrap_or_default();
        let mut uploads = Uploads::new(&folder).list()?;
        uploads.retain(|(id, upload)| {
            let is_behind = |marker: &str| {
                upload.key.as_str() > marker
                    || upload.key == marker && !id_marker.is_empty() && id.as_str() > id_marker
            };
            upload.key.starts_with(prefix) && marker.is_none_or(is_behind)
        });
        let is_truncated = uploads.len() > max;
        uploads.truncate(max);
        let mut xml = Xml::root("ListMultipartUploadsResult");
        xml.element("Bucket", &ask.bucket).element("KeyMarker", marker.unwrap_or_default());
        xml.element("UploadIdMarker", id_marker).element("Prefix", prefix);
        if let Some((id, upload)) = uploads.last().filter(|_| is_truncated) {
            xml.element("NextKeyMarker", &upload.key).element("NextUploadIdMarker", id);
        }
        xml.element("MaxUploads", max).element("IsTruncated", is_truncated);
        for (id, upload) in &uploads {
            xml.open("Upload").element("Key", &upload.key).element("UploadId", id);
            xml.element("StorageClass", "STANDARD").element("Initiated", iso_time(upload.begun_millis));
            write_kind(upload.checksum, &mut xml);
            xml.close("Upload");
        }
        Ok(document(xml.close("ListMultipartUploadsResult")))
    }

    /// `ListParts`
    pub(super) fn list_parts(&self, ask: &Ask) -> Answered {
        let (folder, key) = (self.folder(&ask.bucket)?, ask.key()?);
        let id = ask.parameter("uploadId").unwrap_or_default();
        let max = limit(ask, "max-parts")?;
        let uploads = Uploads::new(&folder);
        let upload = uploads.find(id, key)?;
        let marker = ask.parameter("part-number-marker").and_then(|marker| marker.parse().ok()).unwrap_or(0);
        let mut parts = uploads.parts(id, key)?;
        parts.retain(|(number, _)| *number > marker);
        let is_truncated = parts.len() > max;
        parts.truncate(max);
        let mut xml = Xml::root("ListPartsResult");
        xml.element("Bucket", &ask.bucket).element("Key", key.as_str()).element("UploadId", id);
        xml.element("StorageClass", "STANDARD").element("PartNumberMarker", marker);
        if let Some((number, _)) = parts.last() {
            xml.element("NextPartNumberMarker", number);
        }
        xml.element("MaxParts", max).element("IsTruncated", is_truncated);
        write_kind(upload.checksum, &mut xml);
        for (number, part) in &parts {
            xml.open("Part").element("PartNumber", number);
            xml.element("LastModified", iso_time(part.modified_millis));
            xml.element("ETag", format!("\"{}\"", part.etag)).element("Size", part.bytes);
            if let Some((algorithm, value)) = &part.checksum {
                xml.element(algorithm.element(), value);
            }
            xml.close("Part");
        }
        Ok(document(xml.close("ListPartsResult")))
    }
}

fn write_kind(checksum: Option<(Algorithm, Kind)>, xml: &mut Xml) {
    if let Some((algorithm, kind)) = checksum {
        xml.element("ChecksumAlgorithm", algorithm.name()).element("ChecksumType", kind.name());
    }
}

//! `GetObject`, `HeadObject`, `GetObjectAttributes`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bucket::Object;
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::task::JoinHandle;

use super::about::Kept;
use super::failure::Failure;
use super::multipart::part_number;
use super::request::{Ask, unquoted};
use super::store::Buckets;
use super::xml::Xml;
use super::{Answered, document};
use crate::http::{Response, service};

/// Bytes that are read from a file at a time.
const PIECE_BYTES: u64 = 256 << 10;

/// Parameters that replace a header of the answer. API reference, `GetObject`.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-expires", header::EXPIRES),
];

impl Buckets {
    pub(super) fn open(&self, ask: &Ask) -> Result<Object, Failure> {
        let (folder, key) = (self.folder(&ask.bucket)?, ask.key()?);
        ask.check_version()?;
        folder.open(key)?.ok_or_else(|| Failure::no_such_key(key.as_str()))
    }

    /// `GetObject`; `HeadObject` is the same without the content.
    pub(super) fn get(&self, ask: &Ask, with_content: bool) -> Answered {
        let mut object = self.open(ask)?;
        let (etag, kept) = Kept::of(&object);
        let mut response = Response::new(Body::empty());
        let modified_millis = object.stamp.modified_millis();
        let headers = response.headers_mut();
        put(headers, header::ETAG, &format!("\"{etag}\""));
        put(headers, header::LAST_MODIFIED, &http_date(modified_millis));
        match condition(ask, "", &etag, modified_millis)? {
            Met::Yes => {}
            Met::NotModified => {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return Ok(response);
            }
        }
        kept.write(headers);
        let bytes = object.stamp.bytes;
        let range = wanted(ask, &kept, bytes)?;
        let is_whole = range.is_none();
        let range = match range {
            None => 0..bytes,
            Some(range) => {
                let last = range.end.saturating_sub(1);
                put(headers, header::CONTENT_RANGE, &format!("bytes {}-{last}/{bytes}", range.start));
                range
            }
        };
        put(headers, header::ACCEPT_RANGES, "bytes");
        put(headers, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
        if is_whole
            && ask.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"))
        {
            write_checksum(&kept, headers);
        }
        if ask.has("partNumber") && !kept.parts.is_empty() {
            put(headers, HeaderName::from_static("x-amz-mp-parts-count"), &kept.parts.len().to_string());
        }
        for (parameter, name) in &OVERRIDES {
            if let Some(value) = ask.parameter(parameter) {
                put(headers, name.clone(), value);
            }
        }
        if !is_whole {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        if with_content {
            object.file.seek(SeekFrom::Start(range.start))?;
            *response.body_mut() = Body::new(Content::new(object.file, range.end - range.start));
        }
        Ok(response)
    }

    /// `GetObjectAttributes`
    pub(super) fn attributes(&self, ask: &Ask) -> Answered {
        let object = self.open(ask)?;
        let (etag, kept) = Kept::of(&object);
        let asked = ask.header("x-amz-object-attributes").unwrap_or_default();
        let has = |name: &str| asked.split(',').any(|asked| asked.trim() == name);
        let mut xml = Xml::root("GetObjectAttributesResponse");
        if has("ETag") {
            xml.element("ETag", &etag);
        }
        if let Some(checksum) = kept.checksum.as_ref().filter(|_| has("Checksum")) {
            let value = checksum.value.split('-').next().unwrap_or_default();
            xml.open("Checksum").element(checksum.algorithm.element(), value);
            xml.element("ChecksumType", checksum.kind.name()).close("Checksum");
        }
        if has("ObjectParts") && !kept.parts.is_empty() {
            xml.open("ObjectParts").element("PartsCount", kept.parts.len()).close("ObjectParts");
        }
        if has("StorageClass") {
            xml.element("StorageClass", "STANDARD");
        }
        if has("ObjectSize") {
            xml.element("ObjectSize", object.stamp.bytes);
        }
        xml.close("GetObjectAttributesResponse");
        let mut response = document(&xml);
        put(response.headers_mut(), header::LAST_MODIFIED, &http_date(object.stamp.modified_millis()));
        Ok(response)
    }
}

pub(super) fn write_checksum(kept: &Kept, headers: &mut HeaderMap) {
    let Some(checksum) = &kept.checksum else { return };
    put(headers, HeaderName::from_static(checksum.algorithm.header()), &checksum.value);
    put(headers, HeaderName::from_static("x-amz-checksum-type"), checksum.kind.name());
}

/// Sets a header; a value that none can have is left out.
pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

/// Whether an answer with the object is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    Yes,
    NotModified,
}

/// The conditions of a read (RFC 9110, 13.2.2), whose headers begin with this.
pub(super) fn condition(ask: &Ask, prefix: &str, etag: &str, modified_millis: i64) -> Result<Met, Failure> {
    let header = |name: &str| ask.header(&format!("{prefix}{name}"));
    let is_one_of = |tags: &str| tags.split(',').any(|tag| tag.trim() == "*" || unquoted(tag) == etag);
    let modified = modified_millis.div_euclid(1000);
    let since = |name: &str| header(name).and_then(read_http_date);
    match (header("if-match"), since("if-unmodified-since")) {
        (Some(tags), _) if !is_one_of(tags) => return Err(Failure::precondition("If-Match")),
        (None, Some(time)) if modified > time => return Err(Failure::precondition("If-Unmodified-Since")),
        _ => {}
    }
    let is_same = match (header("if-none-match"), since("if-modified-since")) {
        (Some(tags), _) => is_one_of(tags),
        (None, Some(time)) => modified <= time,
        _ => false,
    };
    Ok(if is_same { Met::NotModified } else { Met::Yes })
}

/// The bytes that are wanted; `None` = all.
fn wanted(ask: &Ask, kept: &Kept, bytes: u64) -> Result<Option<Range<u64>>, Failure> {
    if let Some(number) = ask.parameter("partNumber") {
        let number = usize::try_from(part_number(number)?).unwrap_or(usize::MAX);
        let parts = if kept.parts.is_empty() { std::slice::from_ref(&bytes) } else { &kept.parts };
        let Some((before, [size, ..])) = parts.split_at_checked(number - 1) else {
            return Err(Failure::new(
                "InvalidPartNumber",
                416,
                "The requested partnumber is not satisfiable",
            ));
        };
        let start: u64 = before.iter().sum();
        return Ok(Some(start..start + size));
    }
    match ask.header("range").and_then(read_range) {
        None => Ok(None),
        Some(range) => range.of(bytes).map(Some).ok_or_else(|| {
            Failure::new("InvalidRange", 416, "The requested range is not satisfiable")
                .with("RangeRequested", ask.header("range").unwrap_or_default())
                .with("ActualObjectSize", bytes.to_string())
        }),
    }
}

/// A range of bytes as a header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    From(u64),
    /// Both included.
    Between(u64, u64),
    Last(u64),
}

impl Asked {
    /// `None` = an object of this size has none of it.
    pub(super) fn of(self, bytes: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(start) => start..bytes,
            Self::Between(start, last) => start..bytes.min(last.saturating_add(1)),
            Self::Last(count) => bytes.saturating_sub(count)..bytes,
        };
        (range.start < range.end).then_some(range)
    }
}

/// One range; several, as S3 has it, and what is none are as if nothing was said.
pub(super) fn read_range(text: &str) -> Option<Asked> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match (first.trim(), last.trim()) {
        ("", last) => Some(Asked::Last(number(last)?)),
        (first, "") => Some(Asked::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Between(first, last))
        }
    }
}

fn http_date(millis: i64) -> String {
    service::http_date(Timestamp::from_millisecond(millis).unwrap_or_default())
}

/// Seconds since the epoch.
fn read_http_date(text: &str) -> Option<i64> {
    Some(rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?.as_second())
}

/// A file on its way out, a piece at a time.
struct Content {
    state: State,
    left: u64,
}

enum State {
    Waiting(Option<File>),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
}

impl Content {
    fn new(file: File, left: u64) -> Self {
        Self { state: State::Waiting(Some(file)), left }
    }
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            let left = self.left;
            match &mut self.state {
                State::Waiting(_) if left == 0 => return Poll::Ready(None),
                State::Waiting(file) => {
                    let Some(file) = file.take() else { return Poll::Ready(None) };
                    self.state = State::Reading(tokio::task::spawn_blocking(move || piece(file, left)));
                }
                State::Reading(reading) => {
                    let read = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other);
                    let (file, data) = match read.flatten() {
                        Ok(read) => read,
                        Err(error) => {
                            self.state = State::Waiting(None);
                            return Poll::Ready(Some(Err(error)));
                        }
                    };
                    self.left -= data.len() as u64;
                    self.state = State::Waiting(Some(file));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The next piece of a file. One that somebody cut is an error: the answer has
/// told its length.
fn piece(mut file: File, left: u64) -> io::Result<(File, Bytes)> {
    let mut data = Vec::new();
    let count = (&mut file).take(left.min(PIECE_BYTES)).read_to_end(&mut data)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, data.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |text: &str| read_range(text).and_then(|range| range.of(10));
        assert_eq!(range("bytes=0-3"), Some(0..4));
        assert_eq!(range("bytes=3-"), Some(3..10));
        assert_eq!(range("bytes=-3"), Some(7..10));
        assert_eq!(range("bytes=-30"), Some(0..10));
        assert_eq!(range("bytes=9-18446744073709551615"), Some(9..10));
        for nothing in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert!(read_range(nothing).is_some() && range(nothing).is_none(), "{nothing}");
        }
        for ignored in ["bytes=3-1", "bytes=0-1,3-4", "bytes=a-b", "items=0-1", "bytes=+1-2", "bytes=-"] {
            assert_eq!(range(ignored), None, "{ignored}");
        }
    }

    #[test]
    fn times_of_http() {
        assert_eq!(http_date(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(read_http_date("yesterday"), None);
    }
}

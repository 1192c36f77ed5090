//! The form of a request whose digest is signed: one for everybody, however the
//! request was written.

use std::fmt::Write as _;

/// The parts of a canonical request, each in its canonical form.
pub(crate) struct Content<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a str,
    pub(crate) signed_headers: &'a str,
    pub(crate) digest: &'a str,
}

pub(crate) fn canonical_request(content: &Content<'_>) -> String {
    let Content { method, path, query, headers, signed_headers, digest } = content;
    format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{digest}")
}

/// One line of a header: its values one behind the other, white space in them counted once.
pub(crate) fn header_line<'v>(name: &str, values: impl IntoIterator<Item = &'v [u8]>) -> String {
    let single_spaced = |value: &[u8]| {
        let value = String::from_utf8_lossy(value);
        value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let values: Vec<String> = values.into_iter().map(single_spaced).collect();
    format!("{name}:{}\n", values.join(","))
}

/// S3 signs a path as it is sent, whose encoding is made one way; everybody
/// else encodes it once more, without `.`, `..` and empty segments.
pub(crate) fn canonical_path(path: &str, service: &str) -> String {
    if service.starts_with("s3") {
        return encoded_bytes(&decoded(path), b"/");
    }
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
        canonical.push_str(&encoded(segment));
    }
    if canonical.is_empty() || is_folder {
        canonical.push('/');
    }
    canonical
}

/// Names and values, encoded and sorted.
pub(crate) fn canonical_query<'q>(parameters: impl Iterator<Item = (&'q [u8], &'q [u8])>) -> String {
    let mut parameters: Vec<(String, String)> =
        parameters.map(|(name, value)| (encoded_bytes(name, b""), encoded_bytes(value, b""))).collect();
    parameters.sort();
    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The parameters of a query as it was sent, decoded.
pub(crate) fn parameters(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    parameters
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// A text as it stands in a path or query: everything but letters, digits and
/// `-._~` is encoded.
///
/// # Examples
/// ```
/// assert_eq!(sigv4::encoded("a/b ü"), "a%2Fb%20%C3%BC");
/// ```
pub fn encoded(text: &str) -> String {
    encoded_bytes(text.as_bytes(), b"")
}

/// Like [`encoded`], with the slashes between the segments as they are.
pub fn encoded_path(path: &str) -> String {
    encoded_bytes(path.as_bytes(), b"/")
}

/// What an encoded text stands for. A `%` without two digits stands for itself.
///
/// # Examples
/// ```
/// assert_eq!(sigv4::decoded("a%2Fb+%zz"), b"a/b+%zz");
/// ```
pub fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.extend(u8::try_from(high * 16 + low));
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

/// Encodes everything but the unreserved characters and some more.
fn encoded_bytes(bytes: &[u8], kept: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || kept.contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

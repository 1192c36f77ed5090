//! A JSON value that travels: its text is written once and shared, its value
//! is read once, each only when somebody asks for it.

use std::sync::{Arc, OnceLock};
use std::{fmt, io};

use asl::limits::PAYLOAD_DEPTH_MAX;
use serde_json::Value;

/// A JSON value with its text. Cheap to clone.
#[derive(Clone)]
pub struct Payload(Arc<Inner>);

/// At least one of both is there; the other one is made from it when it is needed.
struct Inner {
    text: OnceLock<Box<str>>,
    value: OnceLock<Value>,
}

impl Payload {
    /// Takes a value; its text is written when it is first needed.
    pub fn from_value(value: Value) -> Self {
        Self(Arc::new(Inner { text: OnceLock::new(), value: value.into() }))
    }

    /// Reads a text and keeps it as it is, white space included.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_str(text)?;
        Ok(Self(Arc::new(Inner { text: OnceLock::from(Box::<str>::from(text)), value: value.into() })))
    }

    /// Takes a text that was a payload's text before, e.g. from a journal
    /// whose checksum was right. It is read when the value is first needed.
    pub fn from_journal(text: &str) -> Self {
        Self(Arc::new(Inner { text: OnceLock::from(Box::<str>::from(text)), value: OnceLock::new() }))
    }

    /// The same text, without the value that was read from it; itself if there is none to lose.
    pub(super) fn text_only(&self) -> Self {
        if self.0.value.get().is_some() { Self::from_journal(self.text()) } else { self.clone() }
    }

    /// Where it is: the same for the same allocation.
    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The array of some payloads, put together from their texts.
    pub fn array<'a>(items: impl Iterator<Item = &'a Payload>) -> Self {
        let mut text = String::from("[");
        for (index, item) in items.enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(item.text());
        }
        text.push(']');
        Self::from_journal(&text)
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        // The only place where the engine writes JSON of a payload.
        self.0.text.get_or_init(|| {
            let value = self.0.value.get().map(ToString::to_string);
            value.unwrap_or_else(|| "null".to_owned()).into_boxed_str()
        })
    }

    /// The value.
    pub fn value(&self) -> &Value {
        // A checksummed text that was written from a value always reads.
        self.0.value.get_or_init(|| serde_json::from_str(self.text()).unwrap_or(Value::Null))
    }

    /// Bytes of the text: what AWS's payload limit counts.
    pub fn len(&self) -> usize {
        self.text().len()
    }

    /// Whether the text has more than so many bytes. Of one that has, no more is written.
    pub(crate) fn is_larger_than(&self, bytes_max: usize) -> bool {
        if let (None, Some(value)) = (self.0.text.get(), self.0.value.get()) {
            let mut text = Start { bytes: Vec::new(), bytes_max };
            if serde_json::to_writer(&mut text, value).is_err() {
                return true;
            }
            // JSON is written in UTF-8.
            if let Ok(text) = String::from_utf8(text.bytes) {
                self.0.text.get_or_init(|| text.into_boxed_str());
            }
        }
        self.len() > bytes_max
    }

    /// About what it takes in memory, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let text = self.0.text.get().map_or(0, |text| text.len());
        text + self.0.value.get().map_or(0, asl::budget::weight)
    }

    /// How many items a Map finds in it: elements of an array, pairs of an object.
    pub(crate) fn item_count(&self) -> usize {
        match self.value() {
            Value::Array(items) => items.len(),
            Value::Object(items) => items.len(),
            _ => 0,
        }
    }

    /// Whether the text is empty. It never is: JSON has no empty text.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Whether both are the same allocation, so that a journal can write it once.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The start of a text: writing more is an error.
struct Start {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Start {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a text cannot be read back because it nests too deeply.
pub(crate) fn is_too_deep(text: &str) -> bool {
    if text.len() <= 2 * PAYLOAD_DEPTH_MAX {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > PAYLOAD_DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.text() == other.text()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_too_deep_reads_back() {
        let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let deepest = nested(PAYLOAD_DEPTH_MAX);
        let payload = Payload::from_value(deepest.clone());
        assert!(!is_too_deep(payload.text()));
        assert_eq!(Payload::from_journal(payload.text()).value(), &deepest);
        assert!(is_too_deep(Payload::from_value(nested(PAYLOAD_DEPTH_MAX + 1)).text()));
        let brackets_in_text = format!("[\"{}\\\"[\"]", "[{".repeat(200));
        assert!(!is_too_deep(&brackets_in_text));
    }

    #[test]
    fn the_size_is_known_without_the_text() {
        let payload = Payload::from_value(Value::from("ü".repeat(1_000)));
        assert!(payload.is_larger_than(2_001));
        assert!(payload.0.text.get().is_none(), "a text that is too large is not written");
        assert!(!payload.is_larger_than(2_002));
        assert_eq!(payload.0.text.get().map(|text| text.len()), Some(2_002));
    }

    #[test]
    fn a_parsed_text_is_kept_as_it_is() {
        let payload = Payload::parse(" {\"b\": 1.0,\n\"a\":2}").unwrap();
        assert_eq!(payload.text(), " {\"b\": 1.0,\n\"a\":2}");
        assert_eq!(payload.value()["a"], 2);
    }
}

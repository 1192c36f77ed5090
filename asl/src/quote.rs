//! Values quoted in causes. A cause has at most 32,768 characters: of a huge
//! value no more is written than fits, so that an error is never large because
//! the data is.

use std::io::{self, Write};

use serde_json::Value;

use crate::limits;

/// The value as JSON, cut where a cause ends.
pub(crate) fn json(value: &Value) -> String {
    let mut start = Start { bytes: Vec::new() };
    // Writing ends with an error where the value is cut; what has been written stays.
    let _ = serde_json::to_writer(&mut start, value);
    let text = String::from_utf8(start.bytes).unwrap_or_else(|error| {
        // Cut in the middle of a character.
        let whole = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        bytes.truncate(whole);
        String::from_utf8(bytes).unwrap_or_default()
    });
    cut(text)
}

/// The text, cut where a cause ends.
pub(crate) fn text(text: &str) -> &str {
    match text.char_indices().nth(limits::CAUSE_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// The text, cut where a cause ends.
pub(crate) fn cut(mut quoted: String) -> String {
    let end = text(&quoted).len();
    quoted.truncate(end);
    quoted
}

/// Bytes in which there are at least as many characters as a cause has.
pub(crate) const BYTES_MAX: usize = 4 * limits::CAUSE_CHARS_MAX;

/// The start of what is written.
struct Start {
    bytes: Vec<u8>,
}

impl Write for Start {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BYTES_MAX - self.bytes.len();
        if room == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_small_is_quoted_whole() {
        assert_eq!(json(&json!({"a": [1, "ü"]})), r#"{"a":[1,"ü"]}"#);
        assert_eq!(text("ü"), "ü");
    }

    #[test]
    fn what_is_huge_is_cut_before_it_is_written() {
        for letter in ["a", "ü", "\u{1F600}", "\u{1}"] {
            let value = json!([letter.repeat(1_000_000)]);
            let quoted = json(&value);
            assert_eq!(quoted.chars().count(), limits::CAUSE_CHARS_MAX, "{letter}");
            assert!(value.to_string().starts_with(&quoted));
        }
        assert_eq!(text(&"ü".repeat(100_000)).chars().count(), limits::CAUSE_CHARS_MAX);
    }
}

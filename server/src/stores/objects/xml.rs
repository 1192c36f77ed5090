//! Documents of answers, element by element.

use std::fmt::{Display, Write as _};

/// The namespace of S3's documents. Model, `xmlNamespace`.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document that is being written.
#[derive(Debug, Default)]
pub(super) struct Xml {
    text: String,
}

impl Xml {
    /// The root of an answer that is no error.
    pub(super) fn root(name: &str) -> Self {
        let mut xml = Self::default();
        // Writing to a String does not fail.
        let _ = write!(xml.text, "<{name} xmlns=\"{NAMESPACE}\">");
        xml
    }

    pub(super) fn open(&mut self, name: &str) -> &mut Self {
        let _ = write!(self.text, "<{name}>");
        self
    }

    pub(super) fn close(&mut self, name: &str) -> &mut Self {
        let _ = write!(self.text, "</{name}>");
        self
    }

    pub(super) fn element(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = escaped(&value.to_string());
        let _ = write!(self.text, "<{name}>{value}</{name}>");
        self
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.text.push_str(&escaped(value));
        self
    }

    pub(super) fn optional(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.element(name, value),
            None => self,
        }
    }

    pub(super) fn document(&self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.text)
    }
}

/// Control characters, which XML cannot hold, are written as AWS writes them: by number. What no parser
/// takes, whatever its kindness, becomes the replacement character.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\0' | '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            control if control.is_control() && control != '\n' && control != '\t' => {
                let _ = write!(escaped, "&#x{:x};", u32::from(control));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

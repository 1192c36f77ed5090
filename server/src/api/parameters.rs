//! The checked parameters of a request, by name; and how answers are put together.

use serde_json::{Map, Value, json};

use super::validation::present;

/// Parameters that were checked against the operation's facts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Parameters<'a> {
    /// A text that is required: the check has seen it.
    pub(super) fn required(self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.value(name).and_then(Value::as_str)
    }

    pub(super) fn owned(self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub(super) fn flag(self, name: &str) -> Option<bool> {
        self.value(name).and_then(Value::as_bool)
    }

    pub(super) fn number(self, name: &str) -> Option<u64> {
        // The check let only whole numbers through, which may be written as 1.0.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and within the shape's bounds"
        )]
        self.value(name).and_then(|value| value.as_u64().or_else(|| value.as_f64().map(|value| value as u64)))
    }

    pub(super) fn fraction(self, name: &str) -> Option<f64> {
        self.value(name).and_then(Value::as_f64)
    }

    pub(super) fn structure(self, name: &str) -> Option<Parameters<'a>> {
        self.value(name).and_then(Value::as_object).map(Parameters)
    }

    pub(super) fn list(self, name: &str) -> Option<&'a [Value]> {
        self.value(name).and_then(Value::as_array).map(Vec::as_slice)
    }

    /// The structures of a list.
    pub(super) fn structures(self, name: &str) -> impl Iterator<Item = Parameters<'a>> + use<'a> {
        self.list(name).unwrap_or_default().iter().filter_map(Value::as_object).map(Parameters)
    }

    fn value(self, name: &str) -> Option<&'a Value> {
        present(self.0, name)
    }
}

/// An answer, member by member.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A member that is not there when it has no value.
    pub(super) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::Object(fields.0)
    }
}

/// A time as the protocol has it: seconds since the epoch, with milliseconds behind the point.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch are far below 2^52")]
pub(super) fn seconds(millis: i64) -> Value {
    json!(millis as f64 / 1000.0)
}

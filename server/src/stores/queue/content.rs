//! What is in a message: its body, its attributes, and the digests of both that clients verify.

use asl::limits::{QUEUE_ATTRIBUTE_NAME_BYTES_MAX, QUEUE_MESSAGE_ATTRIBUTES_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value};

use super::refusal;
use crate::http::JsonError;

/// Attributes of a message by name, each with `DataType` and a value.
pub(super) type MessageAttributes = Map<String, Value>;

/// MD5 in hexadecimal digits.
pub(crate) fn md5(bytes: &[u8]) -> String {
    sigv4::hex(&Md5::digest(bytes))
}

/// MD5 of attributes. Developer guide, "Calculating the MD5 message digest for message attributes": by name, each
/// name, type and value behind its length in four bytes, the value also behind a byte that says what it is.
pub(super) fn md5_of_attributes(attributes: &MessageAttributes) -> String {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_bytes());
    let mut digest = Md5::new();
    let part = |digest: &mut Md5, bytes: &[u8]| {
        digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(bytes);
    };
    for (name, value) in sorted {
        part(&mut digest, name.as_bytes());
        part(&mut digest, text(value, "DataType").unwrap_or_default().as_bytes());
        if let Some(value) = text(value, "StringValue") {
            digest.update([1]);
            part(&mut digest, value.as_bytes());
        } else if let Some(value) = text(value, "BinaryValue") {
            digest.update([2]);
            part(&mut digest, &BASE64.decode(value).unwrap_or_default());
        }
    }
    sigv4::hex(&digest.finalize())
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// Checks a body. Developer guide, "Amazon SQS message quotas": the characters of XML.
pub(super) fn check_body(body: &str) -> Result<(), JsonError> {
    if body.is_empty() {
        return Err(refusal::missing("MessageBody"));
    }
    let is_good =
        |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if body.chars().all(is_good) {
        return Ok(());
    }
    Err(JsonError::new(
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
         #xFFFD | #x10000 to #x10FFFF",
    ))
}

/// Checks attributes, and answers how many bytes they have.
pub(super) fn check_attributes(attributes: &MessageAttributes) -> Result<usize, JsonError> {
    if attributes.len() > QUEUE_MESSAGE_ATTRIBUTES_MAX {
        let message = format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{QUEUE_MESSAGE_ATTRIBUTES_MAX}].",
            attributes.len()
        );
        return Err(JsonError::new("InvalidParameterValue", message));
    }
    attributes.iter().try_fold(0, |bytes, (name, value)| Ok(bytes + check_attribute(name, value)?))
}

fn check_attribute(name: &str, value: &Value) -> Result<usize, JsonError> {
    let refused = |problem: String| Err(JsonError::new("InvalidParameterValue", problem));
    let is_name = !name.is_empty()
        && name.len() <= QUEUE_ATTRIBUTE_NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..");
    let is_reserved =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|is| is.eq_ignore_ascii_case(prefix));
    if !is_name || is_reserved("aws.") || is_reserved("amazon.") {
        return refused(format!("The message attribute name '{name}' is invalid."));
    }
    let kind = text(value, "DataType").unwrap_or_default();
    let (string, binary) = (text(value, "StringValue"), text(value, "BinaryValue"));
    let (bytes, is_good) = match (kind.split('.').next(), string, binary) {
        (Some("String"), Some(string), None) => {
            (string.len(), !string.is_empty() && check_body(string).is_ok())
        }
        (Some("Number"), Some(number), None) => (number.len(), number.trim().parse::<f64>().is_ok()),
        (Some("Binary"), None, Some(binary)) => {
            let decoded = BASE64.decode(binary);
            (decoded.as_ref().map_or(0, Vec::len), decoded.is_ok_and(|bytes| !bytes.is_empty()))
        }
        (Some("String" | "Number" | "Binary"), _, _) => {
            return refused(format!(
                "The message attribute '{name}' with type '{kind}' must use field '{}'.",
                if kind.starts_with("Binary") { "Binary" } else { "String" }
            ));
        }
        _ => {
            return refused(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
                 prefixes is Binary, Number, and String."
            ));
        }
    };
    if !is_good {
        return refused(format!("Can't cast the value of message (user) attribute '{name}' to a {kind}."));
    }
    Ok(name.len() + kind.len() + bytes)
}

/// The attributes somebody asked for: by name, by `prefix.*`, all by `All` or `.*`.
pub(super) fn asked_for(attributes: &MessageAttributes, names: &[&str]) -> MessageAttributes {
    let is_wanted = |name: &str| {
        names.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(prefix) => {
                prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
            }
            None => *wanted == "All" || *wanted == name,
        })
    };
    attributes
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

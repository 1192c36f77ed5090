//! Values as texts: what `$string`, `&` and messages print.

use super::budget::Budget;
use super::failure::{Failure, Outcome};
use super::number;
use super::raised::quoted;
use super::value::{Items, Value};
use crate::limits::JSONATA_VALUE_DEPTH_MAX as LEVELS_MAX;
use crate::quote;

/// Appends the value as `$string` prints it; nothing for undefined.
pub(super) fn push_as_text(text: &mut String, value: &Value<'_>, budget: &mut Budget) -> Outcome<()> {
    match value {
        Value::Undefined => {}
        Value::Text(inner) => {
            budget.text(inner.len())?;
            text.push_str(inner);
        }
        Value::Int(number) => push_integer(text, *number),
        Value::Float(number) if !number.is_finite() => {
            return Err(Failure::raised("D3001", "Attempting to invoke string function on Infinity or NaN"));
        }
        Value::Array(array) if array.is_outer_wrapper() => {
            let only = array.items.first().unwrap_or(&Value::Undefined);
            Printer { text, budget, indent: None }.value(only, 0)?;
        }
        _ if value.is_function() => {}
        _ => Printer { text, budget, indent: None }.value(value, 0)?,
    }
    Ok(())
}

/// The value as `$string` prints it, on many lines if it is to be pretty.
pub(super) fn of_value(value: &Value<'_>, pretty: bool, budget: &mut Budget) -> Outcome<String> {
    let mut text = String::new();
    if pretty && (value.is_array() || value.is_object()) {
        Printer { text: &mut text, budget, indent: Some(2) }.value(value, 0)?;
    } else {
        push_as_text(&mut text, value, budget)?;
    }
    budget.made(&text)?;
    Ok(text)
}

/// Whole numbers keep all their digits. *Recorded on AWS.*
fn push_integer(text: &mut String, number: i64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = write!(text, "{number}");
}

struct Printer<'p> {
    text: &'p mut String,
    budget: &'p mut Budget,
    /// Blanks a level.
    indent: Option<usize>,
}

impl Printer<'_> {
    fn value(&mut self, value: &Value<'_>, level: usize) -> Outcome<()> {
        if level > LEVELS_MAX {
            return Err(Failure::stack());
        }
        self.budget.spend(1)?;
        self.budget.grows_to(self.text.len())?;
        match value {
            Value::Undefined | Value::Null | Value::Tuple(_) | Value::TailCall(_) => {
                self.text.push_str("null");
            }
            Value::Bool(flag) => self.text.push_str(if *flag { "true" } else { "false" }),
            Value::Int(number) => push_integer(self.text, *number),
            Value::Float(number) if number.is_nan() => self.text.push_str("null"),
            Value::Float(number) if number.is_infinite() => {
                return Err(Failure::raised("D1001", "Number out of range: null"));
            }
            Value::Float(number) => number::push_string(self.text, *number),
            Value::Text(inner) => self.quoted(inner)?,
            Value::Builtin(_) | Value::Function(_) => self.text.push_str("\"\""),
            Value::JsonArray(_) | Value::Array(_) => self.array(value, level)?,
            Value::JsonObject(_) | Value::Object(_) => self.object(value, level)?,
        }
        Ok(())
    }

    fn quoted(&mut self, text: &str) -> Outcome<()> {
        self.budget.text(text.len())?;
        self.budget.grows_to(self.text.len() + text.len())?;
        push_quoted(self.text, text);
        Ok(())
    }

    fn line(&mut self, level: usize) {
        if let Some(blanks) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', blanks * level));
        }
    }

    fn array(&mut self, value: &Value<'_>, level: usize) -> Outcome<()> {
        let Some(items) = value.items() else { return Ok(()) };
        self.text.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.line(level + 1);
            self.value(&item, level + 1)?;
        }
        if items.len() > 0 {
            self.line(level);
        }
        self.text.push(']');
        Ok(())
    }

    fn object(&mut self, value: &Value<'_>, level: usize) -> Outcome<()> {
        self.text.push('{');
        let mut is_first = true;
        for (key, field) in value.fields() {
            if field.is_undefined() {
                continue;
            }
            if !is_first {
                self.text.push(',');
            }
            is_first = false;
            self.line(level + 1);
            self.quoted(&key)?;
            self.text.push_str(if self.indent.is_some() { ": " } else { ":" });
            self.value(&field, level + 1)?;
        }
        if !is_first {
            self.line(level);
        }
        self.text.push('}');
        Ok(())
    }
}

/// Appends the value as JavaScript's own `String` prints it.
pub(super) fn push_as_javascript(
    text: &mut String,
    value: &Value<'_>,
    budget: &mut Budget,
    level: usize,
) -> Outcome<()> {
    if level > LEVELS_MAX {
        return Err(Failure::stack());
    }
    budget.spend(1)?;
    budget.grows_to(text.len())?;
    match value {
        Value::Text(inner) => {
            budget.text(inner.len())?;
            text.push_str(inner);
        }
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => push_integer(text, *number),
        Value::Float(number) => number::push_text(text, *number),
        Value::JsonObject(_) | Value::Object(_) => text.push_str("[object Object]"),
        _ => {
            for (index, item) in value.items().into_iter().flat_map(Items::iter).enumerate() {
                if index > 0 {
                    text.push(',');
                }
                push_as_javascript(text, &item, budget, level + 1)?;
            }
        }
    }
    Ok(())
}

/// Appends the text in double quotes, escaped as in JSON.
fn push_quoted(text: &mut String, inner: &str) {
    use std::fmt::Write as _;
    text.push('"');
    let mut plain_from = 0;
    for (at, byte) in inner.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x8 => "\\b",
            0xC => "\\f",
            0..=0x1F => "",
            _ => continue,
        };
        text.push_str(inner.get(plain_from..at).unwrap_or_default());
        plain_from = at + 1;
        if escape.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\u{byte:04x}");
        } else {
            text.push_str(escape);
        }
    }
    text.push_str(inner.get(plain_from..).unwrap_or_default());
    text.push('"');
}

/// The value as messages show it: its JSON, with all digits, as far as a cause can quote it.
pub(super) fn for_message(value: &Value<'_>) -> String {
    match value {
        Value::Undefined => "undefined".to_owned(),
        Value::Text(text) => quote::cut(quoted(quote::text(text))),
        Value::Float(number) => number::to_message(*number),
        _ => super::convert::quoted(value).unwrap_or_else(|| "undefined".to_owned()),
    }
}

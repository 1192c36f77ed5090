//! The parameters of requests: checked against the service's model, in the words of AWS's framework.

use engine::services::{Bounds, Service, Shape, Structure};
use serde_json::{Map, Value};

use super::time;
use crate::http::JsonError;

/// Characters of a wrong value that a message repeats. Ours: a message is no place for a payload.
const ECHO_CHARS_MAX: usize = 256;

/// What an operation answers.
pub(super) type Answered<T = Value> = Result<T, JsonError>;

/// A refusal for what the caller gave.
pub(super) fn validation(message: impl Into<String>) -> JsonError {
    JsonError::new("ValidationException", message)
}

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a>(&'a Map<String, Value>);

impl<'a> Given<'a> {
    /// Of a value that is no object, none.
    pub(super) fn of(value: &'a Value) -> Self {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        Self(value.as_object().unwrap_or(&NONE))
    }

    /// Of an object.
    pub(super) const fn new(object: &'a Map<String, Value>) -> Self {
        Self(object)
    }

    /// A parameter; `null` is as good as absent.
    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.value(name)?.as_str()
    }

    /// A text that the check has found to be there.
    pub(super) fn required(self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    pub(super) fn number(self, name: &str) -> Option<i64> {
        let value = self.value(name)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates: bounds are checked where they matter"
        )]
        value.as_i64().or_else(|| value.as_f64().map(|number| number as i64))
    }

    pub(super) fn list(self, name: &str) -> &'a [Value] {
        self.value(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn texts(self, name: &str) -> Vec<&'a str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    pub(super) fn object(self, name: &str) -> Option<&'a Map<String, Value>> {
        self.value(name)?.as_object()
    }

    /// The parameters below a name.
    pub(super) fn below(self, name: &str) -> Option<Given<'a>> {
        self.object(name).map(Given)
    }

    /// Parameters of these names, as they were given.
    pub(super) fn copied(self, names: &[&str]) -> Map<String, Value> {
        names.iter().filter_map(|name| Some(((*name).to_owned(), self.value(name)?.clone()))).collect()
    }
}

/// Checks the parameters of an operation: types first, then one message with all findings.
/// Members that the model does not have are ignored.
pub(super) fn check(service: &Service, operation: &str, parameters: &Value) -> Result<(), JsonError> {
    let input = service.operations.get(operation).and_then(|operation| operation.input);
    let Some(structure) = input.and_then(|input| service.structure(input)) else { return Ok(()) };
    let mut checking = Checking { service, findings: Vec::new(), echoes: true };
    checking.structure(structure, Given::of(parameters), "")?;
    match checking.findings.len() {
        0 => Ok(()),
        count => {
            let plural = if count == 1 { "" } else { "s" };
            let findings = checking.findings.join("; ");
            Err(validation(format!("{count} validation error{plural} detected: {findings}")))
        }
    }
}

struct Checking<'s> {
    service: &'s Service,
    findings: Vec<String>,
    echoes: bool,
}

impl Checking<'_> {
    fn structure(&mut self, structure: &Structure, given: Given<'_>, path: &str) -> Result<(), JsonError> {
        for (name, member) in &structure.members {
            let path = if path.is_empty() { lower(name) } else { format!("{path}.{}", lower(name)) };
            match given.value(name) {
                Some(value) => self.shape(member.shape(), value, &path)?,
                None if structure.to_be_given().any(|required| required == name) => {
                    self.find("null", &path, "Member must not be null");
                }
                None => {}
            }
        }
        Ok(())
    }

    fn shape(&mut self, number: usize, value: &Value, path: &str) -> Result<(), JsonError> {
        let Some(shape) = self.service.shape(number) else { return Ok(()) };
        match (shape, value) {
            (Shape::Structure(structure), Value::Object(fields)) => {
                self.structure(structure, Given(fields), path)
            }
            (Shape::List { list, bounds }, Value::Array(items)) => {
                self.length(*bounds, items.len(), value, path);
                (1..)
                    .zip(items)
                    .try_for_each(|(at, item)| self.shape(list.item, item, &format!("{path}.{at}.member")))
            }
            (Shape::Map(map), Value::Object(entries)) => entries
                .iter()
                .filter(|(_, value)| !value.is_null())
                .try_for_each(|(key, value)| self.shape(map.value, value, &format!("{path}.{key}.member"))),
            (Shape::String(bounds), Value::String(text)) => {
                self.length(*bounds, text.chars().count(), value, path);
                Ok(())
            }
            (Shape::Enum(names), Value::String(text)) => {
                if !names.contains(text) {
                    let constraint = format!("Member must satisfy enum value set: [{}]", names.join(", "));
                    self.find_value(value, path, &constraint);
                }
                Ok(())
            }
            (Shape::Integer(bounds) | Shape::Number(bounds), Value::Number(number)) => {
                self.number(*bounds, number.as_f64().unwrap_or_default(), value, path);
                Ok(())
            }
            // Times come as numbers, or as texts of some form: whatever is one.
            (Shape::Timestamp(_), value) if time::millis(value).is_some() => Ok(()),
            (Shape::Boolean, Value::Bool(_)) | (Shape::Blob(_), Value::String(_)) | (Shape::Document, _) => {
                Ok(())
            }
            (shape, value) => Err(JsonError::new("SerializationException", unreadable(shape, value))),
        }
    }

    fn length(&mut self, Bounds(min, max): Bounds, length: usize, value: &Value, path: &str) {
        #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
        let length = length as f64;
        if let Some(min) = min.filter(|min| length < *min) {
            self.find_value(value, path, &format!("Member must have length greater than or equal to {min}"));
        }
        if let Some(max) = max.filter(|max| length > *max) {
            self.find_value(value, path, &format!("Member must have length less than or equal to {max}"));
        }
    }

    fn number(&mut self, Bounds(min, max): Bounds, number: f64, value: &Value, path: &str) {
        if let Some(min) = min.filter(|min| number < *min) {
            self.find_value(value, path, &format!("Member must have value greater than or equal to {min}"));
        }
        if let Some(max) = max.filter(|max| number > *max) {
            self.find_value(value, path, &format!("Member must have value less than or equal to {max}"));
        }
    }

    fn find_value(&mut self, value: &Value, path: &str, constraint: &str) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let echo: String = text.chars().take(ECHO_CHARS_MAX).collect();
        let echo = if self.echoes { format!("'{echo}'") } else { String::new() };
        self.find(&echo, path, constraint);
    }

    fn find(&mut self, echo: &str, path: &str, constraint: &str) {
        self.findings.push(format!("Value {echo} at '{path}' failed to satisfy constraint: {constraint}"));
    }
}

/// Messages spell members with a small letter first.
fn lower(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

fn unreadable(shape: &Shape, value: &Value) -> String {
    let found = match value {
        Value::Array(_) => return "Start of list found where not expected".to_owned(),
        Value::Object(_) => return "Start of structure or map found where not expected.".to_owned(),
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Null => "NULL_VALUE",
        Value::String(_) => "STRING_VALUE",
    };
    let wanted = match shape {
        Shape::Boolean => "a Boolean",
        Shape::Integer(_) => "an Integer",
        Shape::Number(_) => "a Float",
        Shape::Timestamp(_) => "a Timestamp",
        Shape::List { .. } => "a List",
        Shape::Map(_) => "a Map",
        Shape::Structure(_) => "a Structure",
        _ => "a String",
    };
    format!("{found} can not be converted to {wanted}")
}

/// A page of a list: what begins after `token`, at most `limit` items, and the token of the next page.
pub(super) fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    limit: usize,
    key: impl Fn(&T) -> &str,
) -> (Vec<T>, Option<String>) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let after = token.and_then(|token| String::from_utf8(BASE64.decode(token).ok()?).ok());
    let is_after = |item: &T| after.as_deref().is_none_or(|after| key(item) > after);
    let mut rest = items.into_iter().filter(is_after);
    let page: Vec<T> = rest.by_ref().take(limit.max(1)).collect();
    let next = rest.next().and(page.last()).map(|last| BASE64.encode(key(last)));
    (page, next)
}

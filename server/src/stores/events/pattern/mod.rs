//! Event patterns: which events a rule is for. Pure.
//!
//! Source: `EventBridge` user guide, "Event patterns" and "Comparison operators". A pattern
//! is an object like the events it is for; where an event has a value, it has a list of
//! what that value may be. Fields an event has beside them do not matter.
//!
//! Matching takes time in proportion to the pattern times the event: nothing is tried in
//! combinations, and wildcards are looked for from left to right once.

mod read;
#[cfg(test)]
mod tests;
mod text;

use std::net::IpAddr;

use serde_json::Value;

use text::TextTest;

/// Why a text is no pattern, in AWS's words where they are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Event pattern is not valid. Reason: {reason}")]
pub struct InvalidPattern {
    /// What is wrong.
    pub reason: String,
}

/// A pattern that was read.
///
/// # Examples
/// ```
/// use serde_json::json;
/// use stepwright_server::stores::pattern::Pattern;
/// let pattern = Pattern::parse(r#"{ "detail": { "key": [{ "prefix": "in/" }] } }"#).unwrap();
/// assert!(pattern.matches(&json!({ "detail": { "key": "in/a.csv", "size": 3 } })));
/// assert!(!pattern.matches(&json!({ "detail": { "key": "out/a.csv" } })));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    fields: Fields,
}

/// What is wanted of an object: all fields, and one of the alternatives of each `$or`.
#[derive(Debug, Clone, PartialEq, Default)]
struct Fields {
    fields: Vec<(String, Wanted)>,
    alternatives: Vec<Fields>,
}

/// What is wanted of a field.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// An object.
    Fields(Fields),
    /// A value that one of the tests is for.
    OneOf(Vec<Test>),
}

/// A test of a value.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// The same text, number, boolean or null.
    Equals(Value),
    /// A text of some form.
    Text(TextTest),
    /// Anything but these: values, or texts of some forms.
    AnythingBut(Vec<Value>, Vec<TextTest>),
    /// A number between others.
    Numeric(Vec<(Comparison, f64)>),
    /// An address within a network.
    Network(Network),
    /// There is a value, or there is none.
    Exists(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A network: an address, and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        read::pattern(text).map(|fields| Self { fields }).map_err(|reason| InvalidPattern { reason })
    }

    /// Whether a rule with this pattern is for an event.
    pub fn matches(&self, event: &Value) -> bool {
        self.fields.match_value(Some(event))
    }
}

impl Fields {
    /// Of a list, one of its objects has to be what is wanted, wholly.
    fn match_value(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::Array(items)) if !items.is_empty() => {
                items.iter().any(|item| self.match_value(Some(item)))
            }
            Some(Value::Object(object)) => self.match_fields(|name| object.get(name)),
            // Nothing is there, which is what some may want.
            _ => self.match_fields(|_| None),
        }
    }

    fn match_fields<'e>(&self, field: impl Fn(&str) -> Option<&'e Value> + Copy) -> bool {
        let all = self.fields.iter().all(|(name, wanted)| wanted.matches(field(name)));
        all && (self.alternatives.is_empty()
            || self.alternatives.iter().any(|alternative| alternative.match_fields(field)))
    }
}

impl Wanted {
    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Fields(fields) => fields.match_value(value),
            Self::OneOf(tests) => {
                let mut leaves = Vec::new();
                collect_leaves(value, &mut leaves);
                tests.iter().any(|test| match test {
                    Test::Exists(is_wanted) => *is_wanted != leaves.is_empty(),
                    test => leaves.iter().any(|leaf| test.matches(leaf)),
                })
            }
        }
    }
}

/// The values of a field: itself, or those in its lists. Objects are none.
fn collect_leaves<'e>(value: Option<&'e Value>, leaves: &mut Vec<&'e Value>) {
    match value {
        Some(Value::Array(items)) => items.iter().for_each(|item| collect_leaves(Some(item), leaves)),
        None | Some(Value::Object(_)) => {}
        Some(leaf) => leaves.push(leaf),
    }
}

impl Test {
    fn matches(&self, leaf: &Value) -> bool {
        match self {
            Self::Equals(wanted) => is_same(wanted, leaf),
            Self::Text(test) => leaf.as_str().is_some_and(|text| test.matches(text)),
            Self::AnythingBut(values, tests) => {
                let is_excluded = values.iter().any(|value| is_same(value, leaf))
                    || leaf.as_str().is_some_and(|text| tests.iter().any(|test| test.matches(text)));
                // Forms are of texts: nothing else is "anything but" such a text.
                !is_excluded && (tests.is_empty() || leaf.is_string())
            }
            Self::Numeric(comparisons) => leaf
                .as_f64()
                .is_some_and(|number| comparisons.iter().all(|(how, with)| how.holds(number, *with))),
            Self::Network(network) => {
                let address = leaf.as_str().and_then(|text| text.parse().ok());
                address.is_some_and(|address| network.holds(address))
            }
            Self::Exists(is_wanted) => *is_wanted,
        }
    }
}

/// Numbers are the same when they are written the same: 300 is not 300.0. User guide, "Event patterns".
fn is_same(wanted: &Value, leaf: &Value) -> bool {
    wanted == leaf
}

impl Comparison {
    fn holds(self, number: f64, with: f64) -> bool {
        match self {
            #[expect(clippy::float_cmp, reason = "numbers are compared as they were written")]
            Self::Equal => number == with,
            Self::Less => number < with,
            Self::LessOrEqual => number <= with,
            Self::Greater => number > with,
            Self::GreaterOrEqual => number >= with,
        }
    }
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        // A shift by all bits is none.
        let same = |one: u128, other: u128, width: u32| {
            (one ^ other).checked_shr(width - self.bits).unwrap_or_default() == 0
        };
        match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => same(u32::from(one).into(), u32::from(other).into(), 32),
            (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
            _ => false,
        }
    }
}

//! Typed values of a row, and their kinds.
//!
//! Numbers are exact: integers of 64 bits or decimals of up to 28 significant
//! digits. Binary floating point never holds a business value.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of value a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number between -2^63 and 2^63 - 1.
    Integer,
    /// A decimal number of up to 28 significant digits, kept exactly.
    Decimal,
    /// A calendar date.
    Date,
    /// A point in time; without an offset in the source it is taken as UTC.
    Timestamp,
    /// True or false.
    Boolean,
}

impl Kind {
    /// Whether values of this kind can be added up.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal)
    }

    /// Whether values of this kind lie on the calendar.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp)
    }

    /// The word used for it in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Boolean => "boolean",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value of a row.
///
/// The order is the order of figures: null first, numbers by size, text by its
/// UTF-8 bytes, so that it does not depend on a locale.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// A date.
    Date(Date),
    /// A point in time.
    Timestamp(Timestamp),
    /// True or false.
    Boolean(bool),
}

impl Value {
    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The number, where it is one.
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Integer(number) => Some(Decimal::from(*number)),
            Self::Decimal(number) => Some(*number),
            _ => None,
        }
    }

    /// Compares two values as a condition does: a comparison with null, or
    /// between kinds that have no common order, has no answer.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            (a, b) => Some(a.number()?.cmp(&b.number()?)),
        }
    }
}

/// As it stands in a figures file: null is empty, a decimal keeps its places.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Timestamp(time) => time.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
        }
    }
}

/// The fields of a row: the names and kinds of a spec's columns, then of its
/// derived columns, in the order of the spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    fields: Vec<(String, Kind)>,
}

impl Layout {
    /// Adds a field at the end.
    pub fn push(&mut self, name: &str, kind: Kind) {
        self.fields.push((name.to_owned(), kind));
    }

    /// Position and kind of a field.
    pub fn find(&self, name: &str) -> Option<(usize, Kind)> {
        let index = self.fields.iter().position(|(field, _)| field == name)?;
        Some((index, self.fields.get(index)?.1))
    }

    /// Names and kinds in order.
    pub fn fields(&self) -> &[(String, Kind)] {
        &self.fields
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }
}

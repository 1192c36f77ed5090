//! Constants in a spec: text, exact numbers, true and false.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::value::{Kind, Value};

/// A constant as written in a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// Text, or a date or timestamp written as text.
    Text(String),
    /// A number, exact.
    Number(Decimal),
    /// True or false.
    Boolean(bool),
}

impl Literal {
    /// The constant as a value that can be compared with a field of `kind`.
    pub fn value(&self, kind: Kind) -> Result<Value, String> {
        let refuse = |want: &str| Err(format!("{self} cannot be compared with a {kind} column; {want}"));
        match (kind, self) {
            (Kind::Text, Self::Text(text)) => Ok(Value::Text(text.clone())),
            (Kind::Text, _) => refuse("put it into quotes"),
            (Kind::Integer | Kind::Decimal, Self::Number(number)) => Ok(Value::Decimal(*number)),
            (Kind::Integer | Kind::Decimal, Self::Text(text)) => match text.parse() {
                Ok(number) => Ok(Value::Decimal(number)),
                Err(_) => refuse("write a number such as 15 or 0.5"),
            },
            (Kind::Integer | Kind::Decimal, Self::Boolean(_)) => refuse("write a number such as 15 or 0.5"),
            (Kind::Date, Self::Text(text)) => match text.parse() {
                Ok(date) => Ok(Value::Date(date)),
                Err(_) => refuse("write a date such as \"2024-01-31\""),
            },
            (Kind::Date, _) => refuse("write a date such as \"2024-01-31\""),
            (Kind::Timestamp, Self::Text(text)) => match text.parse() {
                Ok(time) => Ok(Value::Timestamp(time)),
                Err(_) => refuse("write a timestamp such as \"2024-01-31T10:00:00Z\""),
            },
            (Kind::Timestamp, _) => refuse("write a timestamp such as \"2024-01-31T10:00:00Z\""),
            (Kind::Boolean, Self::Boolean(truth)) => Ok(Value::Boolean(*truth)),
            (Kind::Boolean, _) => refuse("write true or false"),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LiteralVisitor)
    }
}

struct LiteralVisitor;

impl Visitor<'_> for LiteralVisitor {
    type Value = Literal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true or false")
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Literal, E> {
        Ok(Literal::Boolean(truth))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Literal, E> {
        Ok(Literal::Number(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Literal, E> {
        Ok(Literal::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Literal, E> {
        decimal_of_float(number).map(Literal::Number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Literal, E> {
        Ok(Literal::Text(text.to_owned()))
    }
}

/// The shortest decimal that reads as this float: what was written, for up to
/// 15 digits. The spec's decoder refuses longer ones.
fn decimal_of_float<E: de::Error>(number: f64) -> Result<Decimal, E> {
    number
        .to_string()
        .parse()
        .map_err(|_| E::custom("this number cannot be kept exactly; write it in quotes"))
}

impl JsonSchema for Literal {
    fn schema_name() -> Cow<'static, str> {
        "Literal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A constant. Dates and timestamps are written as text: \"2024-01-31\".",
            "type": ["string", "number", "boolean"]
        })
    }
}

/// An exact number in a spec, written as a number or in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub Decimal);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LiteralVisitor)? {
            Literal::Number(number) => Ok(Self(number)),
            Literal::Text(text) => text
                .parse()
                .map(Self)
                .map_err(|_| de::Error::custom(format!("{text:?} is not a number such as 2.5"))),
            Literal::Boolean(truth) => Err(de::Error::custom(format!("{truth} is not a number such as 2.5"))),
        }
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact number; more than 15 digits are written in quotes.",
            "type": ["number", "string"]
        })
    }
}

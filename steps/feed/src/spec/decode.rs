//! From the tree of a document to the spec's types, with serde's derives: what
//! is unknown, missing or of the wrong type is reported at its place.

use std::fmt;
use std::ops::Range;

use rust_decimal::Decimal;
use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::{Data, Key, Node};
use super::error::Problem;
use super::suggest;

pub(super) fn decode<T: DeserializeOwned>(document: &Node) -> Result<T, Problem> {
    T::deserialize(Decoder(document)).map_err(|fault| {
        let field = fault.path.iter().rev().fold(String::new(), |mut field, step| {
            if !field.is_empty() && !step.starts_with('[') {
                field.push('.');
            }
            field.push_str(step);
            field
        });
        Problem {
            span: fault.span.unwrap_or_else(|| document.span.clone()),
            field,
            message: fault.message,
            allowed: fault.allowed,
            suggestion: fault.suggestion,
        }
    })
}

/// A mistake on its way up: the innermost place wins, the path is built from the inside.
#[derive(Debug)]
struct Fault {
    span: Option<Range<usize>>,
    path: Vec<String>,
    message: String,
    allowed: Vec<String>,
    suggestion: Option<String>,
}

impl Fault {
    fn new(message: String) -> Self {
        Self { span: None, path: vec![], message, allowed: vec![], suggestion: None }
    }

    fn unknown(message: String, found: &str, allowed: &[&str]) -> Self {
        Self {
            suggestion: suggest::closest(found, allowed).map(str::to_owned),
            allowed: allowed.iter().map(|&name| name.to_owned()).collect(),
            ..Self::new(message)
        }
    }

    fn at(mut self, span: &Range<usize>) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    fn within(mut self, step: String, span: &Range<usize>) -> Self {
        self.path.push(step);
        self.at(span)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} is needed, found {}", wanted(expected), describe(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} is needed, found {}", wanted(expected), describe(found)))
    }

    fn unknown_variant(found: &str, allowed: &'static [&'static str]) -> Self {
        Self::unknown(format!("`{found}` is not known here"), found, allowed)
    }

    fn unknown_field(found: &str, allowed: &'static [&'static str]) -> Self {
        Self::unknown(format!("there is no field `{found}`"), found, allowed)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }
}

/// What serde's derives expect, in the words of somebody who writes a spec.
fn wanted(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u32" => "a whole number from 0 on".to_owned(),
        "a string" => "text in quotes".to_owned(),
        "a character" => "one character in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.starts_with("an array of length ") => {
            format!("a list of {}", other.trim_start_matches("an array of length "))
        }
        _ => expected,
    }
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(truth) => format!("{truth}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a table".into(),
        Unexpected::Unit | Unexpected::Option => "null".into(),
        other => other.to_string(),
    }
}

#[derive(Clone, Copy)]
struct Decoder<'n>(&'n Node);

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let visited = match &self.0.data {
            Data::Null => visitor.visit_unit(),
            Data::Boolean(truth) => visitor.visit_bool(*truth),
            Data::Integer(number) => visitor.visit_i64(*number),
            Data::Float(raw) => exact_float(raw).and_then(|number| visitor.visit_f64(number)),
            Data::Text(text) => visitor.visit_str(text),
            Data::List(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Data::Table(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
        };
        visited.map_err(|fault| fault.at(&self.0.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.data {
            Data::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let visited = match &self.0.data {
            Data::Text(text) => visitor.visit_enum(Word(text)),
            _ => Err(Fault::unknown("a word in quotes is needed".into(), "", variants)),
        };
        visited.map_err(|fault| fault.at(&self.0.span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A float stands for the decimal that was written, or it is refused.
fn exact_float(raw: &str) -> Result<f64, Fault> {
    let refuse = || Fault::new("this number cannot be kept exactly; write it in quotes".into());
    let plain = raw.replace('_', "");
    let number: f64 = plain.parse().map_err(|_| refuse())?;
    let written: Decimal =
        plain.parse().or_else(|_| Decimal::from_scientific(&plain)).map_err(|_| refuse())?;
    let read: Decimal = number.to_string().parse().map_err(|_| refuse())?;
    if written == read { Ok(number) } else { Err(refuse()) }
}

struct Items<'n> {
    items: std::slice::Iter<'n, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Decoder(node))
            .map(Some)
            .map_err(|fault| fault.within(format!("[{index}]"), &node.span))
    }
}

struct Entries<'n> {
    entries: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n (Key, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.entries.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        let name: StrDeserializer<'_, Fault> = key.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|fault| fault.at(&key.span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.value else {
            return Err(Fault::new("a value without a key".into()));
        };
        seed.deserialize(Decoder(node)).map_err(|fault| fault.within(key.name.clone(), &node.span))
    }
}

struct Word<'n>(&'n str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let word: StringDeserializer<Fault> = self.0.to_owned().into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Fault> {
        Err(Fault::new(format!("`{}` needs a value", self.0)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new(format!("`{}` needs a value", self.0)))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Fault> {
        Err(Fault::new(format!("`{}` needs a value", self.0)))
    }
}

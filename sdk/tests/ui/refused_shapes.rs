use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub struct Inner {
    pub period: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub struct Flattened {
    #[serde(flatten)]
    pub inner: Inner,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
#[serde(untagged)]
pub enum Untagged {
    Inner(Inner),
    Nothing,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub enum WithoutTag {
    Inner(Inner),
    Nothing,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
#[serde(tag = "kind", content = "value")]
pub enum Adjacent {
    Inner(Inner),
    Nothing,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub struct Tuple(pub String, pub u64);

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub struct LeftOut {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    #[serde(rename(serialize = "out", deserialize = "in"))]
    pub two_names: u64,
}

#[derive(Shape)]
pub struct Borrowed<'a> {
    pub text: &'a str,
}

fn main() {}

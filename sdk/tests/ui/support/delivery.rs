//! Types and steps the cases are about.
#![allow(dead_code)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::prelude::*;

stepwright::bucket!(pub Drops = "drops");

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub struct FileDrop {
    pub key: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub struct ParsedFile {
    pub business_date: String,
    pub row_count: u64,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
pub struct Calculated {
    pub business_date: String,
    pub rows: u64,
}

#[derive(Serialize, Deserialize, JsonSchema, Shape)]
#[serde(tag = "outcome")]
pub enum Outcome {
    Complete { rows: u64 },
    Partial { missing: u64 },
    Nothing,
}

#[derive(Debug, StepError)]
pub enum ParseError {
    Malformed { line: u64 },
}

#[derive(Debug, StepError)]
pub enum DeliverError {
    Unavailable,
}

#[step]
pub async fn parse(drop: FileDrop) -> Result<ParsedFile, ParseError> {
    let _ = drop;
    Err(ParseError::Malformed { line: 1 })
}

#[step]
pub async fn deliver(figures: Calculated) -> Result<Outcome, DeliverError> {
    let _ = figures;
    Err(DeliverError::Unavailable)
}

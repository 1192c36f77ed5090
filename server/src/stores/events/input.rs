//! What a target gets of an event: the event, a part of it, a constant, or a text made of parts.

use std::collections::BTreeMap;

use asl::jsonpath::Path;
use serde_json::{Map, Value};

use crate::http::JsonError;
use crate::stores::request::{Given, validation};
use crate::stores::template::Template;

/// Variables that need no path. User guide, "Predefined variables".
const PREDEFINED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// What a target gets.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Event,
    Constant(String),
    Path(Path),
    Transformer { paths: BTreeMap<String, Path>, template: Template },
}

/// What the predefined variables are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion<'a> {
    pub(super) rule_arn: &'a str,
    pub(super) rule_name: &'a str,
    pub(super) ingestion_time: &'a str,
}

impl Input {
    /// Of the document of a target.
    pub(super) fn of(target: Given<'_>) -> Result<Self, JsonError> {
        let ways = ["Input", "InputPath", "InputTransformer"];
        if ways.iter().filter(|way| target.value(way).is_some()).count() > 1 {
            return Err(validation(
                "Only one of Input, InputPath, or InputTransformer must be provided for target.",
            ));
        }
        if let Some(constant) = target.text("Input") {
            if serde_json::from_str::<Value>(constant).is_err() {
                return Err(validation(format!(
                    "JSON syntax error in input for target {}.",
                    target.required("Id")
                )));
            }
            return Ok(Self::Constant(constant.to_owned()));
        }
        if let Some(path) = target.text("InputPath") {
            return read_path(path, target).map(Self::Path);
        }
        let Some(transformer) = target.below("InputTransformer") else { return Ok(Self::Event) };
        let mut paths = BTreeMap::new();
        for (name, path) in transformer.object("InputPathsMap").into_iter().flatten() {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_name) || name.to_lowercase().starts_with("aws.") {
                return Err(validation(format!("Invalid InputTransformer variable name {name}.")));
            }
            paths.insert(name.clone(), read_path(path.as_str().unwrap_or_default(), target)?);
        }
        let template = transformer.required("InputTemplate");
        let is_variable = |name: &str| paths.contains_key(name) || PREDEFINED.contains(&name);
        let template = Template::parse(template, is_variable);
        Ok(Self::Transformer { paths, template })
    }

    /// The text that the target gets of an event.
    pub(super) fn text(&self, event: &Value, occasion: Occasion<'_>) -> String {
        match self {
            Self::Event => event.to_string(),
            Self::Constant(constant) => constant.clone(),
            Self::Path(path) => found(path, event).unwrap_or_default().to_string(),
            Self::Transformer { paths, template } => template.fill(|name| match name {
                "aws.events.rule-arn" => Some(occasion.rule_arn.into()),
                "aws.events.rule-name" => Some(occasion.rule_name.into()),
                "aws.events.event.ingestion-time" => Some(occasion.ingestion_time.into()),
                "aws.events.event.json" => Some(event.clone()),
                "aws.events.event" => Some(without_detail(event)),
                name => paths.get(name).and_then(|path| found(path, event)),
            }),
        }
    }
}

fn read_path(text: &str, target: Given<'_>) -> Result<Path, JsonError> {
    Path::parse(text).map_err(|_| {
        validation(format!("JSON path syntax error in input for target {}: {text}", target.required("Id")))
    })
}

fn found(path: &Path, event: &Value) -> Option<Value> {
    path.find(event).ok().map(std::borrow::Cow::into_owned)
}

fn without_detail(event: &Value) -> Value {
    let fields = event.as_object().cloned().unwrap_or_default();
    let fields: Map<String, Value> = fields.into_iter().filter(|(name, _)| name != "detail").collect();
    Value::Object(fields)
}

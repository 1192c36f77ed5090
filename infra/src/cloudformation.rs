//! `CloudFormation` templates as values: logical ids, intrinsic functions,
//! resources with their metadata, and the text of a template.
//!
//! Knows the template format, and no resource type: those are in
//! [`crate::resources`].

use std::fmt;

use indexmap::IndexMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value, json};

/// `CloudFormation` quota: bytes of a template given inline.
pub const INLINE_TEMPLATE_BYTES_MAX: usize = 51_200;
/// `CloudFormation` quota: bytes of a template given by URL.
pub const TEMPLATE_BYTES_MAX: usize = 1_000_000;
/// `CloudFormation` quota: resources of a template.
pub const RESOURCES_MAX: usize = 500;

/// The name of a resource inside its template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LogicalId(String);

impl LogicalId {
    /// `("coreview-delivery", "StateMachine")` → `CoreviewDeliveryStateMachine`.
    ///
    /// The role comes last, so that a step and a workflow of one name do not meet.
    pub fn new(name: &str, role: &str) -> Self {
        Self(pascal_case(name) + role)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `coreview-delivery` → `CoreviewDelivery`; anything but letters and digits separates.
pub fn pascal_case(name: &str) -> String {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect()
}

/// A text that may be known only when the stack is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Known now.
    Literal(String),
    /// What `Ref` of a resource gives: mostly its name, for a secret its ARN.
    Ref(LogicalId),
    /// An attribute of a resource.
    Attribute(LogicalId, &'static str),
    /// A text with `${…}` in it.
    Sub(String),
}

impl Text {
    /// A literal text.
    pub fn literal(text: impl Into<String>) -> Self {
        Self::Literal(text.into())
    }

    /// A text with `${…}` in it.
    pub fn sub(text: impl Into<String>) -> Self {
        Self::Sub(text.into())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Literal(text) = self {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Literal(_) => {}
            Self::Ref(id) => map.serialize_entry("Ref", id)?,
            Self::Attribute(id, name) => map.serialize_entry("Fn::GetAtt", &[id.as_str(), name])?,
            Self::Sub(text) => map.serialize_entry("Fn::Sub", text)?,
        }
        map.end()
    }
}

/// Properties of a resource type.
pub trait Properties: Serialize {
    /// `AWS::Service::Type`.
    const TYPE: &'static str;
}

/// What becomes of a resource that leaves the stack or is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Deletion {
    /// It is deleted.
    Delete,
    /// It stays in the account.
    Retain,
}

/// A rule of an external checker that does not apply, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The rule: `AwsSolutions-…` of cdk-nag or `CKV_…` of checkov.
    pub rule: &'static str,
    /// Why it does not apply here.
    pub reason: String,
}

/// One resource of a template.
#[derive(Debug, Clone)]
pub struct Resource {
    kind: &'static str,
    /// Where it sits in the tree of constructs, below the stack: `parse/Role`.
    path: String,
    properties: Value,
    deletion: Deletion,
    suppressions: Vec<Suppression>,
    asset: Option<String>,
}

impl Resource {
    /// A resource at a path in the tree of constructs.
    ///
    /// # Errors
    /// When the properties cannot be written as JSON; none of ours cannot.
    pub fn new<P: Properties>(
        path: impl Into<String>,
        deletion: Deletion,
        properties: &P,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            kind: P::TYPE,
            path: path.into(),
            properties: serde_json::to_value(properties)?,
            deletion,
            suppressions: Vec::new(),
            asset: None,
        })
    }

    /// Rules that do not apply to it.
    #[must_use]
    pub fn suppress(mut self, suppressions: impl IntoIterator<Item = Suppression>) -> Self {
        self.suppressions.extend(suppressions);
        self
    }

    /// The file in the assembly its `Code` comes from.
    #[must_use]
    pub fn asset(mut self, path: impl Into<String>) -> Self {
        self.asset = Some(path.into());
        self
    }

    /// `AWS::Service::Type`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Where it sits in the tree of constructs, below the stack.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its properties.
    pub fn properties(&self) -> &Value {
        &self.properties
    }

    /// The rules said not to apply.
    pub fn suppressions(&self) -> &[Suppression] {
        &self.suppressions
    }

    /// For the review's own tests, which plant mistakes.
    #[cfg(test)]
    pub(crate) fn properties_mut(&mut self) -> &mut Value {
        &mut self.properties
    }

    fn to_value(&self, stack: &str) -> Value {
        let mut metadata = Map::new();
        metadata.insert("aws:cdk:path".to_owned(), json!(format!("{stack}/{}/Resource", self.path)));
        if let Some(asset) = &self.asset {
            metadata.insert("aws:asset:path".to_owned(), json!(asset));
            metadata.insert("aws:asset:property".to_owned(), json!("Code"));
        }
        let by_prefix =
            |prefix: &'static str| self.suppressions.iter().filter(move |s| s.rule.starts_with(prefix));
        let nag: Vec<Value> =
            by_prefix("AwsSolutions-").map(|s| json!({ "id": s.rule, "reason": s.reason })).collect();
        if !nag.is_empty() {
            metadata.insert("cdk_nag".to_owned(), json!({ "rules_to_suppress": nag }));
        }
        let checkov: Vec<Value> =
            by_prefix("CKV_").map(|s| json!({ "id": s.rule, "comment": s.reason })).collect();
        if !checkov.is_empty() {
            metadata.insert("checkov".to_owned(), json!({ "skip": checkov }));
        }
        json!({
            "Type": self.kind,
            "Properties": self.properties,
            "UpdateReplacePolicy": self.deletion,
            "DeletionPolicy": self.deletion,
            "Metadata": metadata,
        })
    }
}

/// An output of a stack.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// What it is.
    pub description: String,
    /// Its value.
    pub value: Text,
}

/// A template under construction; resources keep the order they were added in.
#[derive(Debug, Clone)]
pub struct Template {
    /// The stack's name, for the paths in the metadata.
    pub stack: String,
    /// What the stack is.
    pub description: String,
    /// By logical id.
    pub resources: IndexMap<LogicalId, Resource>,
    /// By name.
    pub outputs: IndexMap<String, Output>,
}

/// A logical id was used twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{first}` and `{second}` both become the logical id `{id}` of the template; rename one of them")]
pub struct DuplicateId {
    /// The id.
    pub id: LogicalId,
    /// The path that had it.
    pub first: String,
    /// The path that wanted it.
    pub second: String,
}

impl Template {
    /// A template without resources.
    pub fn new(stack: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            stack: stack.into(),
            description: description.into(),
            resources: IndexMap::new(),
            outputs: IndexMap::new(),
        }
    }

    /// Adds a resource.
    ///
    /// # Errors
    /// [`DuplicateId`] when another resource has the id.
    pub fn add(&mut self, id: LogicalId, resource: Resource) -> Result<(), DuplicateId> {
        if let Some(first) = self.resources.get(&id) {
            return Err(DuplicateId { id, first: first.path.clone(), second: resource.path });
        }
        self.resources.insert(id, resource);
        Ok(())
    }

    /// The template's text: JSON, one space of indentation as CDK writes it.
    ///
    /// # Errors
    /// None in practice: every value is JSON already.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let resources: Map<String, Value> = self
            .resources
            .iter()
            .map(|(id, resource)| (id.0.clone(), resource.to_value(&self.stack)))
            .collect();
        pretty(&json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": self.description,
            "Resources": resources,
            "Outputs": self.outputs,
        }))
    }
}

/// JSON with one space of indentation and a newline at the end.
pub(crate) fn pretty(value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    bytes.push(b'\n');
    Ok(bytes)
}

//! Reads what is written in a query language: expressions in JSONata; paths,
//! intrinsic functions and payload templates in JSONPath. Notes which variables
//! they read.

use std::ops::RangeInclusive;

use indexmap::IndexMap;

use super::super::flow::{Read, StateFlow};
use super::super::model::{
    BooleanOrExpression, NumberOrExpression, QueryLanguage, ResultPath, Selection, TextOrExpression,
};
use super::super::source::{Node, NodeKind};
use super::fields::Fields;
use super::{At, Reader};
use crate::diagnostic::{Code, Severity};
use crate::jsonata::Expression;
use crate::jsonpath::{Path, Query, Root};
use crate::template::Template;
use crate::timestamp;

/// Where an expression stands: what of `$states` exists there. `input` and
/// `context` always do. Developer guide, "Transforming data with JSONata".
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the state has done anything: `Arguments`, `Items`, `Condition`, …
    Before,
    /// After success: `$states.result` exists.
    After,
    /// In a catcher: `$states.errorOutput` exists.
    Catcher,
}

impl Place {
    const fn has(self, field: &str) -> bool {
        match (self, field.as_bytes()) {
            (Self::After, b"result") | (Self::Catcher, b"errorOutput") => true,
            (_, b"result" | b"errorOutput") => false,
            _ => true,
        }
    }
}

/// The text between `{%` and `%}`, if the string is an expression.
fn expression_source(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

/// Fields of either language.
impl Reader {
    /// A whole number; in JSONata also an expression, in JSONPath also, under
    /// the name with `Path` behind it, a path.
    pub(super) fn number(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: RangeInclusive<u64>,
        flow: &mut StateFlow,
    ) -> Option<NumberOrExpression> {
        if flow.language == QueryLanguage::JsonPath {
            let path_key = format!("{key}Path");
            self.exclusive(fields, &[key, &path_key]);
            if let Some(at) = fields.at(&path_key) {
                return self.reference_path(&at, flow).map(NumberOrExpression::Path);
            }
        }
        let at = fields.at(key)?;
        if flow.language == QueryLanguage::Jsonata && at.node.as_text().is_some() {
            return self.whole_expression(&at, Place::Before, flow).map(NumberOrExpression::Expression);
        }
        self.whole_number(&at, range).map(NumberOrExpression::Number)
    }

    /// A text; in JSONata also an expression, in JSONPath also, under the name
    /// with `Path` behind it, a path or an intrinsic function.
    pub(super) fn text_or_query(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        flow: &mut StateFlow,
    ) -> Option<TextOrExpression> {
        if flow.language == QueryLanguage::JsonPath {
            let path_key = format!("{key}Path");
            self.exclusive(fields, &[key, &path_key]);
            if let Some(at) = fields.at(&path_key) {
                return self.query_field(&at, flow).map(TextOrExpression::Query);
            }
        }
        let at = fields.at(key)?;
        let text = self.text(&at)?;
        match expression_source(&text) {
            Some(source) if flow.language == QueryLanguage::Jsonata => {
                self.expression(source, &at, Place::Before, flow).map(TextOrExpression::Expression)
            }
            _ => Some(TextOrExpression::Text(text)),
        }
    }

    /// A time; in JSONata also an expression, in JSONPath also, as
    /// `TimestampPath`, a path.
    pub(super) fn timestamp(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
    ) -> Option<TextOrExpression> {
        if flow.language == QueryLanguage::JsonPath
            && let Some(at) = fields.at("TimestampPath")
        {
            let path = self.reference_path(&at, flow)?;
            return Some(TextOrExpression::Query(Query::Path(path)));
        }
        let value = self.text_or_query(fields, "Timestamp", flow);
        if let (Some(TextOrExpression::Text(text)), Some(at)) = (&value, fields.at("Timestamp")) {
            self.timestamp_text(text, &at);
        }
        value
    }

    pub(super) fn timestamp_text(&mut self, text: &str, at: &At<'_>) {
        if timestamp::parse_millis(text).is_none() {
            self.schema("String does not match RFC3339 timestamp", at);
        }
    }

    /// JSON with expressions (JSONata) or paths (JSONPath) in it.
    pub(super) fn template(&mut self, at: &At<'_>, place: Place, flow: &mut StateFlow) -> Option<Template> {
        match &at.node.kind {
            NodeKind::Text(text) => match expression_source(text) {
                Some(source) if flow.language == QueryLanguage::Jsonata => {
                    self.expression(source, at, place, flow).map(Template::Expression)
                }
                _ => Some(Template::Literal(at.node.to_value())),
            },
            NodeKind::Array(items) => self.template_array(items, at, place, flow),
            NodeKind::Object(_) => self.template_object(at, place, flow),
            _ => Some(Template::Literal(at.node.to_value())),
        }
    }

    fn template_array(
        &mut self,
        items: &[Node],
        at: &At<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Template> {
        let mut parts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            parts.push(self.template(&at.item(index, item), place, flow));
        }
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        Some(if parts.iter().all(is_literal) {
            Template::Literal(at.node.to_value())
        } else {
            Template::Array(parts)
        })
    }

    fn template_object(&mut self, at: &At<'_>, place: Place, flow: &mut StateFlow) -> Option<Template> {
        let fields = self.object(at)?;
        let mut parts = IndexMap::new();
        let mut complete = true;
        for (key, _, part) in fields.entries() {
            let name = match flow.language {
                QueryLanguage::JsonPath => key.strip_suffix(".$"),
                QueryLanguage::Jsonata => None,
            };
            let value = match name {
                Some(_) => self.query_of_key(key, &part, &fields, flow).map(Template::Query),
                None => self.template(&part, place, flow),
            };
            let name = name.unwrap_or(key);
            if name != key && fields.has(name) {
                self.schema(format!("The field '{name}' cannot be used together with '{key}'"), at);
            }
            match value {
                Some(value) => {
                    parts.insert(name.to_owned(), value);
                }
                None => complete = false,
            }
        }
        complete.then(|| {
            if parts.values().all(is_literal) {
                Template::Literal(at.node.to_value())
            } else {
                Template::Object(parts)
            }
        })
    }

    pub(super) fn optional_template(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Template> {
        let at = fields.at(key)?;
        self.template(&at, place, flow)
    }

    /// A template that has to be an object or, in JSONata, an expression of one.
    pub(super) fn object_template(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Template> {
        let at = fields.at(key)?;
        match (&at.node.kind, flow.language) {
            (NodeKind::Object(_), _) => self.template(&at, place, flow),
            (NodeKind::Text(_), QueryLanguage::Jsonata) => {
                self.whole_expression(&at, place, flow).map(Template::Expression)
            }
            _ => {
                self.expected("Object", &at);
                None
            }
        }
    }

    /// `Arguments` or, in JSONPath, `Parameters`.
    pub(super) fn arguments(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Template> {
        match flow.language {
            QueryLanguage::JsonPath => self.object_template(fields, "Parameters", Place::Before, flow),
            QueryLanguage::Jsonata => self.object_template(fields, "Arguments", Place::Before, flow),
        }
    }
}

/// JSONPath.
impl Reader {
    /// A path that may find any number of values: `InputPath`, `OutputPath`.
    fn path(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Path> {
        let text = self.text(at)?;
        let Ok(path) = Path::parse(&text) else {
            self.schema("Value must be a valid JSONPath.", at);
            return None;
        };
        note_read(&path, at, flow);
        Some(path)
    }

    /// A path to exactly one place.
    pub(super) fn reference_path(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Path> {
        let text = self.text(at)?;
        let problem = match Path::parse(&text) {
            Ok(path) if path.is_reference() => {
                note_read(&path, at, flow);
                return Some(path);
            }
            Ok(_) => "the path can find more than one value".to_owned(),
            Err(_) if !text.starts_with('$') => "Reference path didn't start with '$'".to_owned(),
            Err(error) => error.to_string(),
        };
        self.schema(format!("Value is not a Reference Path: {problem}"), at);
        None
    }

    /// `InputPath`, `OutputPath`.
    pub(super) fn selection(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        flow: &mut StateFlow,
    ) -> Option<Selection> {
        let Some(at) = fields.at(key) else { return Some(Selection::All) };
        match &at.node.kind {
            NodeKind::Null => Some(Selection::Nothing),
            NodeKind::Text(text) if text == "$" => Some(Selection::All),
            _ => self.path(&at, flow).map(Selection::Path),
        }
    }

    /// `ItemsPath`: a path of any form.
    pub(super) fn items_path(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Path> {
        self.path(at, flow)
    }

    pub(super) fn result_path(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<ResultPath> {
        let Some(at) = fields.at("ResultPath") else { return Some(ResultPath::Replace) };
        match &at.node.kind {
            NodeKind::Null => Some(ResultPath::Discard),
            NodeKind::Text(text) if text == "$" => Some(ResultPath::Replace),
            _ => {
                let path = self.reference_path(&at, flow)?;
                if path.root() != Root::Input {
                    self.schema("Value is not a Reference Path: ResultPath starts with '$.'", &at);
                    return None;
                }
                Some(ResultPath::Path(path))
            }
        }
    }

    /// `ErrorPath`, `CausePath`: a reference path or an intrinsic function.
    fn query_field(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<Query> {
        let text = self.text(at)?;
        match Query::parse(&text) {
            Ok(Query::Path(path)) if !path.is_reference() => {
                self.reference_path(at, flow);
                None
            }
            Ok(query) => {
                query.paths().into_iter().for_each(|path| note_read(path, at, flow));
                Some(query)
            }
            Err(_) => {
                self.schema("Value must be a valid JSONPath or a valid intrinsic function call", at);
                None
            }
        }
    }

    /// The value of a key that ends in `.$`. Findings stand at the object (recorded).
    fn query_of_key(
        &mut self,
        key: &str,
        at: &At<'_>,
        object: &Fields<'_>,
        flow: &mut StateFlow,
    ) -> Option<Query> {
        let query = at.node.as_text().and_then(|text| Query::parse(text).ok());
        if let Some(query) = query {
            query.paths().into_iter().for_each(|path| note_read(path, at, flow));
            return Some(query);
        }
        let message = format!(
            "The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
        );
        self.report_span(
            Severity::Error,
            Code::SchemaValidationFailed,
            message,
            &object.at.location,
            at.node.span.clone(),
        );
        None
    }
}

fn note_read(path: &Path, at: &At<'_>, flow: &mut StateFlow) {
    if let Root::Variable(name) = path.root() {
        flow.reads.push(Read {
            variable: name.to_owned(),
            location: at.location.clone(),
            span: at.node.span.clone(),
        });
    }
}

/// JSONata.
impl Reader {
    pub(super) fn condition(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<BooleanOrExpression> {
        if let NodeKind::Boolean(flag) = at.node.kind {
            return Some(BooleanOrExpression::Boolean(flag));
        }
        self.whole_expression(at, Place::Before, flow).map(BooleanOrExpression::Expression)
    }

    /// A field that, if it is text, is nothing but an expression.
    pub(super) fn whole_expression(
        &mut self,
        at: &At<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Expression> {
        let Some(source) = at.node.as_text().and_then(expression_source) else {
            self.schema("Expected a JSONata expression, a text that starts with {% and ends with %}", at);
            return None;
        };
        self.expression(source, at, place, flow)
    }

    fn expression(
        &mut self,
        source: &str,
        at: &At<'_>,
        place: Place,
        flow: &mut StateFlow,
    ) -> Option<Expression> {
        let expression = match Expression::parse(source) {
            Ok(expression) => expression,
            Err(error) => {
                self.report(Severity::Error, Code::InvalidJsonataExpression, error.message, at);
                return None;
            }
        };
        let facts = expression.facts();
        for name in &facts.top_level {
            let message = format!("Reference to '{name}' at the top level is not supported.");
            self.report(Severity::Error, Code::UnsupportedJsonataExpression, message, at);
        }
        for field in &facts.states_fields {
            if !place.has(field) {
                let message = format!("Reference to '$states.{field}' is not supported in this field.");
                self.report(Severity::Error, Code::UnsupportedJsonataExpression, message, at);
            }
        }
        for function in facts.unknown_functions() {
            let message = if function == "eval" {
                "Step Functions does not have the function $eval: the state will fail".to_owned()
            } else {
                format!("There is no function ${function}: the state will fail if it is called")
            };
            self.report(Severity::Warning, Code::UnknownFunction, message, at);
        }
        flow.reads.extend(facts.free_variables().map(|variable| Read {
            variable: variable.to_owned(),
            location: at.location.clone(),
            span: at.node.span.clone(),
        }));
        Some(expression)
    }
}

const fn is_literal(template: &Template) -> bool {
    matches!(template, Template::Literal(_))
}

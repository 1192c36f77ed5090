//! Reads single fields: which are allowed, of which type, in which range; and
//! the templates and expressions in them.

use std::ops::{Range, RangeInclusive};

use indexmap::IndexMap;

use super::super::flow::Read;
use super::super::model::{BooleanOrExpression, NumberOrExpression, TextOrExpression};
use super::super::source::{Member, NodeKind};
use super::{At, Reader};
use crate::diagnostic::{Code, Severity};
use crate::jsonata::Expression;
use crate::template::Template;
use crate::timestamp;

/// An object of a definition.
pub(super) struct Fields<'a> {
    pub(super) at: At<'a>,
    members: &'a IndexMap<String, Member>,
}

impl<'a> Fields<'a> {
    pub(super) fn at(&self, key: &str) -> Option<At<'a>> {
        let member = self.members.get(key)?;
        Some(At { node: &member.value, location: format!("{}/{key}", self.at.location) })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.members.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, At<'a>)> + '_ {
        self.members.iter().map(|(key, member)| {
            let at = At { node: &member.value, location: format!("{}/{key}", self.at.location) };
            (key.as_str(), member.key_span.clone(), at)
        })
    }
}

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

impl Reader {
    pub(super) fn object<'a>(&mut self, at: &At<'a>) -> Option<Fields<'a>> {
        let Some(members) = at.node.as_object() else {
            self.schema("Expected value of type Object", at);
            return None;
        };
        Some(Fields { at: at.clone(), members })
    }

    /// Reports the fields that do not belong here.
    pub(super) fn allow(&mut self, fields: &Fields<'_>, allowed: &[&str], jsonpath: &[&str]) {
        for (key, span, _) in fields.entries() {
            if allowed.contains(&key) {
                continue;
            }
            let message = if jsonpath.contains(&key) {
                format!(
                    "The QueryLanguage is set to 'JSONata', but field '{key}' is only supported \
                     for the 'JSONPath' QueryLanguage"
                )
            } else {
                format!("Field '{key}' is not supported")
            };
            self.report_span(
                Severity::Error,
                Code::SchemaValidationFailed,
                message,
                &fields.at.location,
                span,
            );
        }
    }

    /// A field that has to be there.
    pub(super) fn require<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Option<At<'a>> {
        let at = fields.at(key);
        if at.is_none() {
            self.schema(format!("The field '{key}' is required but was missing"), &fields.at);
        }
        at
    }

    pub(super) fn text(&mut self, at: &At<'_>) -> Option<String> {
        let text = at.node.as_text().map(str::to_owned);
        if text.is_none() {
            self.schema("Expected value of type String", at);
        }
        text
    }

    pub(super) fn optional_text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let at = fields.at(key)?;
        self.text(&at)
    }

    pub(super) fn required_text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let at = self.require(fields, key)?;
        self.text(&at)
    }

    /// A whole number, also one written as `3.0`.
    pub(super) fn whole_number(&mut self, at: &At<'_>, range: RangeInclusive<u64>) -> Option<u64> {
        let NodeKind::Number(number) = &at.node.kind else {
            self.schema("Expected value of type Integer", at);
            return None;
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
        let whole = number.as_u64().or_else(|| {
            let number = number.as_f64()?;
            (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64)
        });
        match whole {
            Some(whole) if range.contains(&whole) => Some(whole),
            _ => {
                let message = format!("Expected a whole number from {} to {}", range.start(), range.end());
                self.schema(message, at);
                None
            }
        }
    }

    pub(super) fn optional_whole_number(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let at = fields.at(key)?;
        self.whole_number(&at, range)
    }

    pub(super) fn number_or_expression(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: RangeInclusive<u64>,
        reads: &mut Vec<Read>,
    ) -> Option<NumberOrExpression> {
        let at = fields.at(key)?;
        if at.node.as_text().is_some() {
            return self.whole_expression(&at, Place::Before, reads).map(NumberOrExpression::Expression);
        }
        self.whole_number(&at, range).map(NumberOrExpression::Number)
    }

    pub(super) fn text_or_expression(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        reads: &mut Vec<Read>,
    ) -> Option<TextOrExpression> {
        let at = fields.at(key)?;
        let text = self.text(&at)?;
        match expression_source(&text) {
            Some(source) => {
                self.expression(source, &at, Place::Before, reads).map(TextOrExpression::Expression)
            }
            None => Some(TextOrExpression::Text(text)),
        }
    }

    pub(super) fn timestamp(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        reads: &mut Vec<Read>,
    ) -> Option<TextOrExpression> {
        let value = self.text_or_expression(fields, key, reads);
        if let (Some(TextOrExpression::Text(text)), Some(at)) = (&value, fields.at(key))
            && timestamp::parse_millis(text).is_none()
        {
            self.schema("String does not match RFC3339 timestamp", &at);
        }
        value
    }

    pub(super) fn condition(&mut self, at: &At<'_>, reads: &mut Vec<Read>) -> Option<BooleanOrExpression> {
        if let NodeKind::Boolean(flag) = at.node.kind {
            return Some(BooleanOrExpression::Boolean(flag));
        }
        self.whole_expression(at, Place::Before, reads).map(BooleanOrExpression::Expression)
    }

    /// A field that, if it is text, is nothing but an expression.
    pub(super) fn whole_expression(
        &mut self,
        at: &At<'_>,
        place: Place,
        reads: &mut Vec<Read>,
    ) -> Option<Expression> {
        let Some(source) = at.node.as_text().and_then(expression_source) else {
            self.schema("Expected a JSONata expression, a text that starts with {% and ends with %}", at);
            return None;
        };
        self.expression(source, at, place, reads)
    }

    /// JSON with expressions in it.
    pub(super) fn template(&mut self, at: &At<'_>, place: Place, reads: &mut Vec<Read>) -> Option<Template> {
        match &at.node.kind {
            NodeKind::Text(text) => match expression_source(text) {
                Some(source) => self.expression(source, at, place, reads).map(Template::Expression),
                None => Some(Template::Literal(at.node.to_value())),
            },
            NodeKind::Array(items) => {
                let mut parts = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    parts.push(self.template(&at.item(index, item), place, reads));
                }
                let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
                Some(if parts.iter().all(is_literal) {
                    Template::Literal(at.node.to_value())
                } else {
                    Template::Array(parts)
                })
            }
            NodeKind::Object(_) => {
                let fields = self.object(at)?;
                let mut parts = IndexMap::new();
                let mut complete = true;
                for (key, _, part) in fields.entries() {
                    match self.template(&part, place, reads) {
                        Some(part) => {
                            parts.insert(key.to_owned(), part);
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
            _ => Some(Template::Literal(at.node.to_value())),
        }
    }

    pub(super) fn optional_template(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        place: Place,
        reads: &mut Vec<Read>,
    ) -> Option<Template> {
        let at = fields.at(key)?;
        self.template(&at, place, reads)
    }

    /// A template that has to be an object or an expression of one.
    pub(super) fn object_template(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        place: Place,
        reads: &mut Vec<Read>,
    ) -> Option<Template> {
        let at = fields.at(key)?;
        match &at.node.kind {
            NodeKind::Object(_) => self.template(&at, place, reads),
            NodeKind::Text(_) => self.whole_expression(&at, place, reads).map(Template::Expression),
            _ => {
                self.schema("Expected value of type Object", &at);
                None
            }
        }
    }

    fn expression(
        &mut self,
        source: &str,
        at: &At<'_>,
        place: Place,
        reads: &mut Vec<Read>,
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
        reads.extend(facts.free_variables().map(|variable| Read {
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

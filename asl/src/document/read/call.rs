//! Hands what a state asks of a service to somebody who knows services, and reports what those say.

use std::ops::Range;

use indexmap::IndexMap;

use super::super::integrations::{About, Given, Remark};
use super::super::model::QueryLanguage;
use super::super::source::{Node, NodeKind};
use super::expression::expression_source;
use super::fields::Fields;
use super::{At, Reader};
use crate::diagnostic::Severity;

impl Reader<'_> {
    /// The `Resource` of a state, an item reader or a result writer, and its arguments.
    pub(super) fn called(&mut self, fields: &Fields<'_>, language: QueryLanguage) {
        let (Some(integrations), Some(resource)) = (self.integrations, fields.at("Resource")) else { return };
        let Some(name) = resource.node.as_text() else { return };
        let (own, other) = match language {
            QueryLanguage::JsonPath => ("Parameters", "Arguments"),
            QueryLanguage::Jsonata => ("Arguments", "Parameters"),
        };
        let arguments = fields.at(own);
        // Arguments in the other language are reported as such.
        if arguments.is_none() && fields.has(other) {
            return;
        }
        let given = arguments.as_ref().map(|at| given(at.node, language));
        for remark in integrations.check(name, given.as_ref()) {
            self.remark(remark, &resource, arguments.as_ref());
        }
    }

    fn remark(&mut self, remark: Remark, resource: &At<'_>, arguments: Option<&At<'_>>) {
        let (location, span) = match (&remark.about, arguments) {
            (About::Value(place) | About::Name(place), Some(at)) => {
                let (location, value, name) = place_of(at, place);
                let is_name = matches!(remark.about, About::Name(_));
                (location, name.filter(|_| is_name).unwrap_or(value))
            }
            (_, _) => (resource.location.clone(), resource.node.span.clone()),
        };
        self.report_span(Severity::Warning, remark.code, remark.message, &location, span);
        self.advise(remark.advice);
    }
}

/// What is known of an argument before the state runs.
fn given(node: &Node, language: QueryLanguage) -> Given {
    match &node.kind {
        NodeKind::Text(text) if language == QueryLanguage::Jsonata && expression_source(text).is_some() => {
            Given::Computed
        }
        NodeKind::Array(items) => Given::Array(items.iter().map(|item| given(item, language)).collect()),
        NodeKind::Object(members) => {
            let fields = members.iter().map(|(key, member)| match (language, key.strip_suffix(".$")) {
                (QueryLanguage::JsonPath, Some(name)) => (name.to_owned(), Given::Computed),
                _ => (key.clone(), given(&member.value, language)),
            });
            Given::Object(fields.collect::<IndexMap<_, _>>())
        }
        _ => Given::Plain,
    }
}

/// Location and span of the value at a place, and the span of its name.
fn place_of(at: &At<'_>, place: &[usize]) -> (String, Range<usize>, Option<Range<usize>>) {
    let (mut node, mut location, mut name) = (at.node, at.location.clone(), None);
    for position in place {
        match &node.kind {
            NodeKind::Array(items) => {
                let Some(item) = items.get(*position) else { break };
                location = format!("{location}[{position}]");
                (node, name) = (item, None);
            }
            NodeKind::Object(members) => {
                let Some((key, member)) = members.get_index(*position) else { break };
                location = format!("{location}/{key}");
                (node, name) = (&member.value, Some(member.key_span.clone()));
            }
            _ => break,
        }
    }
    (location, node.span.clone(), name)
}
